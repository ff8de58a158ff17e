//! Puts the frames of live wires into a batch, as records of a pcap file with nanoseconds.
//!
//! In: frames, in order of arrival, with the number of the wire that they came from. Out: a
//! [`Batch`] that is walked like one of a file, its pieces cut at a size and where the link
//! type changes; where the interface changes (`Batch::places`).
//! Must not know how frames are captured, nor the wall clock.
//! Source: draft-ietf-opsawg-pcap.
//! Read next: `live.rs` (who gathers), `pcap.rs` (the way back).

use std::{path::Path, sync::Arc};

use super::{Batch, Framing, Interface, LinkType, Piece, Place, Sizes, Time, Units, cut::Run};

/// A record's header.
const HEADER: usize = 16;

/// A worker keeps buffers for each piece of a batch. Wires of different link types may take turns
/// with every frame and make a piece of each, so that their number needs a bound of its own.
const MAX_PIECES: usize = 256;

/// What frames of one wire have in common.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// The interface's name.
    pub(super) name: Arc<Path>,
    /// What its frames begin with.
    pub(super) link: LinkType,
}

/// Fills one batch.
pub(super) struct Gather<'a> {
    pub(super) batch: &'a mut Batch,
    pub(super) run: &'a mut Run,
    pub(super) wires: &'a [Wire],
    pub(super) sizes: Sizes,
}

impl Gather<'_> {
    /// How many frames of at most `snaplen` bytes there is room for.
    pub(super) fn room(&self, snaplen: usize) -> usize {
        if self.batch.pieces.len() >= MAX_PIECES {
            return 0;
        }
        self.sizes.batch_bytes.saturating_sub(self.batch.bytes.len()) / (HEADER + snaplen)
    }

    /// Whether there are any frames yet.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.pieces.is_empty()
    }

    /// Appends a frame of the wire number `wire`. Stamps outside 1970 to 2106 wrap, as the format does.
    pub(super) fn frame(&mut self, wire: usize, stamp: Time, wire_len: u32, bytes: &[u8]) {
        let Some(Wire { name, link }) = self.wires.get(wire) else { return };
        if !self.batch.places.last().is_some_and(|place| Arc::ptr_eq(&place.path, name)) {
            // Live frames are numbered through.
            let (first_seq, first_number) = (self.run.seq, self.run.seq + 1);
            self.batch.places.push(Place { first_seq, first_number, path: Arc::clone(name) });
        }
        let Batch { bytes: records, pieces, .. } = &mut *self.batch;
        if !pieces.last().is_some_and(|piece| link_of(piece) == *link && piece.range.len() < self.sizes.piece_bytes) {
            pieces.push(begin(*link, records.len(), self.run));
        }
        let seconds = stamp.0.div_euclid(Time::SECOND) as u32;
        let fraction = stamp.0.rem_euclid(Time::SECOND) as u32;
        for field in [seconds, fraction, bytes.len() as u32, wire_len] {
            records.extend(field.to_ne_bytes());
        }
        records.extend(bytes);
        if let Some(piece) = pieces.last_mut() {
            piece.range.end = records.len();
            piece.frames += 1;
        }
        self.run.clock.tick(stamp);
        self.run.seq += 1;
    }
}

/// An empty piece at byte `at`.
fn begin(link: LinkType, at: usize, run: &Run) -> Piece {
    Piece {
        range: at..at,
        framing: Framing::Pcap {
            big_endian: cfg!(target_endian = "big"),
            interface: Interface { link, units: Units::Decimal(9), offset: 0, snaplen: 0 },
        },
        clock: run.clock,
        first_seq: run.seq,
        first_number: run.seq + 1,
        frames: 0,
    }
}

fn link_of(piece: &Piece) -> LinkType {
    match &piece.framing {
        Framing::Pcap { interface, .. } => interface.link,
        Framing::PcapNg { .. } | Framing::Merged { .. } => LinkType::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(name: &str, link: u32) -> Wire {
        Wire { name: Path::new(name).into(), link: LinkType(link) }
    }

    #[test]
    fn frames_of_several_wires_are_walked_as_they_came() {
        let wires = [wire("eth0", 1), wire("wg0", 101)];
        let (mut batch, mut run) = (Batch::default(), Run::default());
        let sizes = Sizes { piece_bytes: 40, ..Sizes::default() };
        let mut gather = Gather { batch: &mut batch, run: &mut run, wires: &wires, sizes };
        let second = |n: i64| Time(1_700_000_000 * Time::SECOND + n);
        for (at, (wire, bytes)) in
            [(0, "first"), (0, "second"), (0, "third"), (1, "raw"), (0, "last")].iter().enumerate()
        {
            gather.frame(*wire, second(at as i64), 60, bytes.as_bytes());
        }
        let mut seen = Vec::new();
        for piece in &batch.pieces {
            batch.walk(piece, |f| {
                let text = String::from_utf8(f.bytes.to_vec()).unwrap();
                seen.push((text, f.link.0, f.stamp, f.clock, f.seq, f.number, f.wire_len));
            });
        }
        let row =
            |text: &str, link, at: i64| (text.to_owned(), link, second(at), second(at), at as u64, at as u64 + 1, 60);
        let expected =
            [row("first", 1, 0), row("second", 1, 1), row("third", 1, 2), row("raw", 101, 3), row("last", 1, 4)];
        assert_eq!(seen, expected);
        // Two by size, two by link type.
        assert_eq!(batch.pieces.len(), 4);
        let turns: Vec<_> = batch.places.iter().map(|place| (place.first_seq, place.path.to_str().unwrap())).collect();
        assert_eq!(turns, [(0, "eth0"), (3, "wg0"), (4, "eth0")]);
    }

    #[test]
    fn wires_that_take_turns_fill_a_batch_before_they_fill_the_memory() {
        let wires = [wire("eth0", 1), wire("wg0", 101)];
        let (mut batch, mut run) = (Batch::default(), Run::default());
        let mut gather = Gather { batch: &mut batch, run: &mut run, wires: &wires, sizes: Sizes::default() };
        let frames = (0..10_000).take_while(|n| {
            gather.frame(n % 2, Time(0), 60, b"frame");
            gather.room(256) > 0
        });
        assert_eq!(frames.count(), MAX_PIECES - 1);
    }
}
