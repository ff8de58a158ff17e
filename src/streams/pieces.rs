//! Bytes of one direction that came before their turn, and whose bytes count where copies overlap.
//!
//! In: runs of bytes with their place, who vouches for them, and the receiver's [`Overlap`] policy. Out: the run that
//! is next, as soon as it is there. It must not know sequence numbers, which wrap: places are counted from the
//! stream's beginning.
//!
//! Each piece remembers the segment that it is a part of ([`Piece::segment`]): policies speak of where segments begin
//! and end, not of what is left of them. What was handed on is out of reach: no receiver takes back what it gave
//! its reader.
//! Source: Novak and Sturges, "Target-Based TCP Stream Reassembly" (2007).
//! Read next: `side.rs` (what is next, and who vouches).

use std::{cmp::Ordering, collections::BTreeMap, ops::Range};

use crate::defragment::Overlap;

/// Whether the receiver is known to have taken a segment, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// It may have refused it, or never got it.
    Doubtful,
    /// It took it if the other side had really sent what the segment acknowledges.
    Claimed,
    /// Nothing speaks against it.
    Sure,
}

/// What is left of a segment.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// Where the whole segment lay.
    segment: Range<i64>,
    pub(super) trust: Trust,
    /// Its TTL or hop limit: when it is acknowledged, that is known to suffice.
    pub(super) ttl: u8,
}

/// What a piece costs besides its bytes: its place in the map with slack, the allocator's own.
pub(super) const PIECE_COST: usize = 128;

/// The pieces of one direction, none overlapping another.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By the place of the first byte.
    held: BTreeMap<i64, Piece>,
    cost: usize,
    /// Overlaps in which the copies were not the same.
    pub(super) conflicts: u64,
}

impl Pieces {
    /// Adds a segment's bytes, which lie at `at`. Where others are already, the one that is trusted more counts; of
    /// equals, `overlap` decides.
    pub(super) fn insert(&mut self, at: i64, bytes: &[u8], (trust, ttl): (Trust, u8), overlap: Overlap) {
        let segment = at..at.saturating_add(bytes.len() as i64);
        let mut from = segment.start;
        let mut conflict = false;
        for start in self.overlapping(&segment) {
            let Some(old) = self.held.get(&start) else { continue };
            let end = start + old.bytes.len() as i64;
            let both = start.max(segment.start)..end.min(segment.end);
            conflict |= cut(&old.bytes, start, &both) != cut(bytes, at, &both);
            let newer_wins = match trust.cmp(&old.trust) {
                Ordering::Greater => true,
                Ordering::Less => false,
                Ordering::Equal => wins(overlap, &segment, &old.segment),
            };
            if newer_wins {
                self.carve(start, &both);
            } else {
                self.put(from, cut(bytes, at, &(from..both.start)), &segment, trust, ttl);
                from = both.end;
            }
        }
        self.put(from, cut(bytes, at, &(from..segment.end)), &segment, trust, ttl);
        self.conflicts += u64::from(conflict);
    }

    /// Takes the piece that begins at `next` if `accept` likes its trust, at most the bytes before `limit`.
    pub(super) fn take(&mut self, next: i64, limit: i64, accept: impl Fn(Trust) -> bool) -> Option<Piece> {
        let mut entry = self.held.first_entry()?;
        if *entry.key() != next || next >= limit || !accept(entry.get().trust) {
            return None;
        }
        let most = usize::try_from(limit - next).unwrap_or(usize::MAX);
        let piece = entry.get_mut();
        if piece.bytes.len() > most {
            let rest = piece.bytes.split_off(most);
            let (segment, trust, ttl) = (piece.segment.clone(), piece.trust, piece.ttl);
            let taken = Piece { bytes: std::mem::replace(&mut piece.bytes, rest), segment, trust, ttl };
            let (_, rest) = entry.remove_entry();
            self.cost -= taken.bytes.len();
            self.held.insert(limit, rest);
            return Some(taken);
        }
        let piece = entry.remove();
        self.cost -= PIECE_COST + piece.bytes.len();
        Some(piece)
    }

    /// Gives up what lies before `next`: it was handed on, in another copy.
    pub(super) fn forget_before(&mut self, next: i64) {
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() < next) {
            let start = *entry.key();
            let mut piece = entry.remove();
            self.cost -= PIECE_COST + piece.bytes.len();
            let past = usize::try_from(next - start).unwrap_or(usize::MAX);
            if past < piece.bytes.len() {
                let rest = piece.bytes.split_off(past);
                self.put(next, &rest, &piece.segment, piece.trust, piece.ttl);
            }
        }
    }

    /// What the other side is claimed to have sent is believed: so are the pieces that say so.
    pub(super) fn believe_claims(&mut self) {
        for piece in self.held.values_mut().filter(|piece| piece.trust == Trust::Claimed) {
            piece.trust = Trust::Sure;
        }
    }

    /// Where the first piece begins.
    pub(super) fn first(&self) -> Option<i64> {
        self.held.keys().next().copied()
    }

    /// Nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of memory, bookkeeping included.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Gives up everything; how many pieces.
    pub(super) fn clear(&mut self) -> u64 {
        self.cost = 0;
        std::mem::take(&mut self.held).len() as u64
    }

    /// Where the pieces begin that share bytes with a segment.
    fn overlapping(&self, segment: &Range<i64>) -> Vec<i64> {
        let before = self.held.range(..segment.start).next_back();
        let reaches = before.filter(|(start, piece)| *start + piece.bytes.len() as i64 > segment.start);
        let within = self.held.range(segment.clone()).map(|(start, _)| *start);
        reaches.map(|(start, _)| *start).into_iter().chain(within).collect()
    }

    /// Cuts `part` out of the piece at `start`.
    fn carve(&mut self, start: i64, part: &Range<i64>) {
        let Some(old) = self.held.remove(&start) else { return };
        self.cost -= PIECE_COST + old.bytes.len();
        let end = start + old.bytes.len() as i64;
        self.put(start, cut(&old.bytes, start, &(start..part.start)), &old.segment, old.trust, old.ttl);
        self.put(part.end, cut(&old.bytes, start, &(part.end..end)), &old.segment, old.trust, old.ttl);
    }

    fn put(&mut self, at: i64, bytes: &[u8], segment: &Range<i64>, trust: Trust, ttl: u8) {
        if !bytes.is_empty() {
            self.cost += PIECE_COST + bytes.len();
            self.held.insert(at, Piece { bytes: bytes.to_vec(), segment: segment.clone(), trust, ttl });
        }
    }
}

/// Of bytes that begin at `at`, those that lie in `part`.
fn cut<'a>(bytes: &'a [u8], at: i64, part: &Range<i64>) -> &'a [u8] {
    let place = |end: i64| usize::try_from(end - at).unwrap_or(0);
    bytes.get(place(part.start)..place(part.end)).unwrap_or_default()
}

/// Whether the bytes of the segment that came later count where it overlaps one that waits.
fn wins(overlap: Overlap, newer: &Range<i64>, older: &Range<i64>) -> bool {
    match overlap {
        Overlap::First => false,
        Overlap::Last => true,
        Overlap::Linux => newer.start < older.start || (newer.start == older.start && newer.end > older.end),
        Overlap::Bsd | Overlap::Windows => newer.start < older.start,
        Overlap::Solaris => newer.end > older.end || (newer.end == older.end && newer.start <= older.start),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// All that is held, with dots for what is missing.
    fn shown(mut pieces: Pieces, len: i64) -> String {
        let (mut shown, mut next) = (String::new(), 0);
        while next < len {
            match pieces.take(next, len, |_| true) {
                Some(piece) => shown.push_str(std::str::from_utf8(&piece.bytes).unwrap()),
                None => shown.push('.'),
            }
            next = shown.len() as i64;
        }
        assert!(pieces.is_empty() && pieces.cost() == 0);
        shown
    }

    fn story(overlap: Overlap, segments: &[(i64, &str)]) -> String {
        let mut pieces = Pieces::default();
        for (at, bytes) in segments {
            pieces.insert(*at, bytes.as_bytes(), (Trust::Sure, 64), overlap);
        }
        let len = segments.iter().map(|(at, bytes)| at + bytes.len() as i64).max().unwrap();
        shown(pieces, len)
    }

    /// What each policy makes of the four ways in which two segments can overlap by halves and wholes.
    #[test]
    fn every_policy_resolves_overlaps_as_its_systems_do() {
        let cases: [&[(i64, &str)]; 5] = [
            &[(2, "oooo"), (0, "nnnn")], // the new one begins before
            &[(0, "oooo"), (2, "nnnn")], // the new one ends behind
            &[(0, "oo"), (0, "nnnn")],   // they begin together, the new one is longer
            &[(1, "oo"), (0, "nnnn")],   // the new one covers the old one
            &[(0, "oooo"), (0, "nnnn")], // the same place
        ];
        for (overlap, expected) in [
            (Overlap::First, ["nnoooo", "oooonn", "oonn", "noon", "oooo"]),
            (Overlap::Last, ["nnnnoo", "oonnnn", "nnnn", "nnnn", "nnnn"]),
            (Overlap::Linux, ["nnnnoo", "oooonn", "nnnn", "nnnn", "oooo"]),
            (Overlap::Bsd, ["nnnnoo", "oooonn", "oonn", "nnnn", "oooo"]),
            (Overlap::Windows, ["nnnnoo", "oooonn", "oonn", "nnnn", "oooo"]),
            (Overlap::Solaris, ["nnoooo", "oonnnn", "nnnn", "nnnn", "nnnn"]),
        ] {
            assert_eq!(cases.map(|case| story(overlap, case)), expected, "{overlap}");
        }
    }

    #[test]
    fn a_copy_that_is_trusted_less_never_takes_the_place_of_another() {
        for overlap in Overlap::ALL {
            let (chaff, bytes) = ((Trust::Doubtful, b"chaff"), (Trust::Claimed, b"bytes"));
            for segments in [[chaff, bytes], [bytes, chaff]] {
                let mut pieces = Pieces::default();
                for (trust, bytes) in segments {
                    pieces.insert(0, bytes, (trust, 64), overlap);
                }
                assert_eq!(pieces.conflicts, 1);
                assert_eq!(shown(pieces, 5), "bytes", "{overlap}");
            }
        }
    }

    /// The same, one byte after the other: slow, and simple enough to be believed.
    fn naive(overlap: Overlap, segments: &[(i64, Vec<u8>, bool)]) -> Vec<Option<u8>> {
        let mut places: Vec<Option<(u8, Range<i64>, bool)>> = vec![None; 64];
        for (at, bytes, sure) in segments {
            let segment = *at..*at + bytes.len() as i64;
            for (place, byte) in segment.clone().zip(bytes) {
                let taken = &mut places[place as usize];
                let newer = match taken {
                    None => true,
                    Some((_, _, old_sure)) if *old_sure != *sure => *sure,
                    Some((_, older, _)) => wins(overlap, &segment, older),
                };
                if newer {
                    *taken = Some((*byte, segment.clone(), *sure));
                }
            }
        }
        places.into_iter().map(|place| place.map(|(byte, ..)| byte)).collect()
    }

    proptest! {
        #[test]
        fn pieces_hold_what_a_naive_model_holds(
            policy in 0_usize..6,
            segments in vec((0_i64..40, vec(any::<u8>(), 1..24), any::<bool>()), 1..12),
            done in 0_i64..20,
        ) {
            let overlap = Overlap::ALL[policy];
            let mut pieces = Pieces::default();
            for (at, bytes, sure) in &segments {
                pieces.insert(*at, bytes, (if *sure { Trust::Sure } else { Trust::Doubtful }, 64), overlap);
            }
            pieces.forget_before(done);
            let mut held = vec![None; 64];
            for next in 0..64 {
                if let Some(piece) = pieces.take(next, next + 1, |_| true) {
                    held[next as usize] = Some(piece.bytes[0]);
                }
            }
            let mut expected = naive(overlap, &segments);
            expected[..done as usize].fill(None);
            prop_assert_eq!(held, expected);
            prop_assert_eq!(pieces.cost(), 0);
        }
    }
}
