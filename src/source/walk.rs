//! Walks the records of a piece: the one loop that hands frames to the workers.
//!
//! In: a batch and one of its pieces. Out: each [`Frame`], with stamp, clock, sequence and
//! number, in order. The same [`Framing`] steps serve the reading thread, which walks
//! ahead to cut the pieces (`cut.rs`), so both see the same records by construction.
//! Must not know where the bytes came from.
//! Read next: `pcap.rs` and `pcapng.rs` (a step in each format), `cut.rs`.

use super::{
    Batch, Frame, Framing, Interface, LinkType, Piece, Time, flaw::Flaw, merge, pcap::Records, pcapng::Blocks,
};

/// No capture program writes longer frames (libpcap's `MAXIMUM_SNAPLEN`): a record that
/// claims more is damaged, and believing it would let one field ask for gigabytes.
pub(super) const MAX_CAPTURED: u32 = 262_144;

/// How the records of one format lie one behind the other.
pub(super) trait Steps {
    /// What stands at byte `at` of `bytes`.
    fn step<'a>(&self, bytes: &'a [u8], at: usize) -> Step<'a>;
}

/// What stands at one place of a capture. `next` is the place behind it.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// A packet.
    Frame(Record<'a>),
    /// Nothing of interest.
    Skip { next: usize },
    /// A further interface of the section (pcapng).
    Interface { interface: Interface, next: usize },
    /// A new section, which forgets all interfaces (pcapng).
    Section { big_endian: bool, next: usize },
    /// Whatever it is, `part` of it has `need` bytes and not all are there.
    Cut { part: &'static str, need: usize },
    /// Not what the format allows: nothing behind it can be trusted.
    Damaged(Flaw),
}

/// A packet as its record tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) bytes: &'a [u8],
    /// At least the length of `bytes`: a record that says less is believed in its bytes.
    pub(super) wire_len: u32,
    pub(super) link: LinkType,
    /// Simple packet blocks have none.
    pub(super) stamp: Option<Time>,
    pub(super) next: usize,
}

/// Who takes frames.
pub trait Take<'a> {
    /// Takes the next one.
    fn take(&mut self, frame: Frame<'a>);
}

/// A function that takes frames.
struct Each<F>(F);

impl<'a, F: FnMut(Frame<'a>)> Take<'a> for Each<F> {
    #[inline]
    fn take(&mut self, frame: Frame<'a>) {
        (self.0)(frame);
    }
}

impl Batch {
    /// Calls `each` with every frame of `piece`, which must be one of this batch's own.
    #[inline]
    pub fn walk<'a>(&'a self, piece: &Piece, each: impl FnMut(Frame<'a>)) {
        self.walk_with(piece, &mut Each(each));
    }

    /// The same for one whose [`Take::take`] is to be a part of the loop: no compiler would do that with a function of some size,
    /// and to hand a frame over costs a third of what most frames need.
    #[inline]
    pub fn walk_with<'a>(&'a self, piece: &Piece, who: &mut impl Take<'a>) {
        match &piece.framing {
            Framing::Pcap { big_endian: false, interface } => {
                walk(&Records::<false>::of(interface), &self.bytes, piece, who);
            }
            Framing::Pcap { big_endian: true, interface } => {
                walk(&Records::<true>::of(interface), &self.bytes, piece, who);
            }
            Framing::PcapNg { big_endian, interfaces } => {
                walk(&Blocks { big_endian: *big_endian, interfaces }, &self.bytes, piece, who);
            }
            Framing::Merged { .. } => merge::walk(&self.bytes, piece, |frame| who.take(frame)),
        }
    }
}

#[inline]
fn walk<'a>(steps: &impl Steps, bytes: &'a [u8], piece: &Piece, who: &mut impl Take<'a>) {
    let bytes = bytes.get(..piece.range.end).unwrap_or_default();
    let mut clock = piece.clock;
    let (mut seq, mut number) = (piece.first_seq, piece.first_number);
    let mut at = piece.range.start;
    while at < bytes.len() {
        match steps.step(bytes, at) {
            Step::Frame(record) => {
                let (stamp, now) = match record.stamp {
                    Some(stamp) => (stamp, clock.tick(stamp)),
                    None => (clock.stamp(), clock.now()),
                };
                let Record { bytes, wire_len, link, next, .. } = record;
                who.take(Frame { bytes, wire_len, link, stamp, clock: now, seq, number });
                seq += 1;
                number += 1;
                at = next;
            }
            Step::Skip { next } | Step::Interface { next, .. } => at = next,
            // Pieces hold whole records of one section that were found sound when they were cut.
            Step::Section { .. } | Step::Cut { .. } | Step::Damaged(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Clock, Units};

    /// A batch of one piece as somebody else than the reader would make it.
    fn batch(bytes: Vec<u8>) -> (Batch, Piece) {
        let interface = Interface { link: LinkType(1), units: Units::Decimal(6), offset: 0, snaplen: 0 };
        let piece = Piece {
            range: 0..bytes.len(),
            framing: Framing::Pcap { big_endian: false, interface },
            clock: Clock::default(),
            first_seq: 100,
            first_number: 1,
            frames: 2,
        };
        (Batch { bytes, ..Batch::default() }, piece)
    }

    #[test]
    fn frames_come_numbered_and_timed() {
        let mut bytes = Vec::new();
        for (seconds, data) in [(10_u32, &b"abc"[..]), (8, &b"de"[..])] {
            for field in [seconds, 0, data.len() as u32, 60] {
                bytes.extend(field.to_le_bytes());
            }
            bytes.extend(data);
        }
        let (batch, piece) = batch(bytes);
        let mut seen = Vec::new();
        batch.walk(&piece, |f| {
            seen.push((
                f.bytes.to_vec(),
                f.wire_len,
                f.stamp.0 / Time::SECOND,
                f.clock.0 / Time::SECOND,
                f.seq,
                f.number,
            ));
        });
        assert_eq!(seen, [(b"abc".to_vec(), 60, 10, 10, 100, 1), (b"de".to_vec(), 60, 8, 10, 101, 2)]);
    }

    #[test]
    fn a_piece_that_lies_about_its_range_ends_without_harm() {
        let (batch, mut piece) = batch(vec![0xff; 40]);
        for range in [0..40, 30..35, 0..4_000, 50..60] {
            piece.range = range;
            batch.walk(&piece, |_| panic!("there is no frame"));
        }
    }
}
