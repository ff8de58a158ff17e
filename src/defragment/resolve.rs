//! Overlapping pieces, and what of each counts in the end.
//!
//! In: where pieces lie, in the order in which they came, and a policy. Out: stretches without
//! overlap, in order of place, each of one piece. It goes the way of the stacks whose names the policies
//! bear: one piece after the other is put among what is there, and one of the two is trimmed.
//! Must not know the bytes.
//! Source: as `overlap.rs`.
//! Read next: `building.rs`, which has the bytes.

use std::ops::Range;

use super::Overlap;

/// A stretch of the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Where it lies.
    pub(super) at: Range<u32>,
    /// The piece that it is of, by its place in the order of arrival.
    pub(super) piece: usize,
}

/// What counts of each piece.
pub(super) fn resolve(overlap: Overlap, arrived: impl Iterator<Item = Range<u32>>) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    for (piece, at) in arrived.enumerate() {
        insert(&mut stretches, &Stretch { at, piece }, overlap);
    }
    stretches
}

fn insert(stretches: &mut Vec<Stretch>, new: &Stretch, overlap: Overlap) {
    let from = stretches.partition_point(|old| old.at.end <= new.at.start);
    let to = stretches.partition_point(|old| old.at.start < new.at.end);
    let part = |of: &Stretch, start: u32, end: u32| (start < end).then_some(Stretch { at: start..end, ..*of });
    let mut among = Vec::with_capacity(to.saturating_sub(from) + 2);
    let (mut at, mut behind) = (new.at.start, None);
    for old in stretches.get(from..to).unwrap_or_default() {
        if overlap.takes_new(&old.at, &new.at) {
            among.extend(part(old, old.at.start, new.at.start));
            behind = part(old, new.at.end, old.at.end);
        } else {
            among.extend(part(new, at, old.at.start));
            among.push(old.clone());
            at = old.at.end;
        }
    }
    among.extend(part(new, at, new.at.end));
    among.extend(behind);
    stretches.splice(from..to, among);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where words of eight bytes lie.
    fn words(start: u32, end: u32) -> Range<u32> {
        8 * start..8 * end
    }

    /// Each word as the number of the piece that it comes from.
    fn read(overlap: Overlap, pieces: &[Range<u32>]) -> String {
        let stretches = resolve(overlap, pieces.iter().cloned());
        assert!(stretches.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start), "{stretches:?}");
        let digit = |stretch: &Stretch| (stretch.piece + 1).to_string().repeat(stretch.at.len() / 8);
        stretches.iter().map(digit).collect()
    }

    #[test]
    fn two_pieces_that_meet_in_each_way() {
        // The old piece begins first; lies around; as long; begins with and ends first; begins with and ends last;
        // the new begins first; lies around; begins first and ends with.
        let ways = [
            [words(0, 3), words(2, 4)],
            [words(0, 4), words(1, 3)],
            [words(0, 2), words(0, 2)],
            [words(0, 2), words(0, 4)],
            [words(0, 4), words(0, 2)],
            [words(2, 4), words(0, 3)],
            [words(1, 3), words(0, 4)],
            [words(2, 4), words(0, 4)],
        ];
        let expected = [
            (Overlap::First, ["1112", "1111", "11", "1122", "1111", "2211", "2112", "2211"]),
            (Overlap::Last, ["1122", "1221", "22", "2222", "2211", "2221", "2222", "2222"]),
            (Overlap::Linux, ["1112", "1111", "22", "2222", "2211", "2221", "2222", "2222"]),
            (Overlap::Bsd, ["1112", "1111", "11", "1122", "1111", "2221", "2222", "2222"]),
            (Overlap::Windows, ["1112", "1111", "11", "1122", "1111", "2211", "2222", "2211"]),
            (Overlap::Solaris, ["1112", "1111", "11", "1122", "1111", "2211", "2222", "2222"]),
        ];
        for (overlap, texts) in expected {
            assert_eq!(ways.each_ref().map(|pieces| read(overlap, pieces)), texts, "{overlap}");
        }
    }

    /// The six fragments with which Shankar and Paxson told systems apart, and what Novak found of each.
    #[test]
    fn the_model_of_the_literature() {
        let pieces = [words(0, 3), words(4, 6), words(6, 9), words(1, 5), words(6, 9), words(9, 12)];
        for (overlap, expected) in [
            (Overlap::First, "111422333666"),
            (Overlap::Last, "144442555666"),
            (Overlap::Linux, "111442555666"),
            (Overlap::Bsd, "111442333666"),
            (Overlap::Windows, "111422333666"),
            (Overlap::Solaris, "111422333666"),
        ] {
            assert_eq!(read(overlap, &pieces), expected, "{overlap}");
        }
    }
}
