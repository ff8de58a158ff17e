//! The walk ahead: finds the records in what was read, and cuts them into pieces.
//!
//! In: the bytes of a batch as they arrive. Out: its [`Piece`]s, each with the clock at its
//! border; what comes next ([`Halt`]). It is sequential and on the reading thread, so it
//! touches nothing but record headers.
//! Must not know where the bytes come from.
//! Read next: `walk.rs` (the same steps, for the workers), `reader.rs` (who drives it).

mod standing;

use std::sync::Arc;

use super::{
    Clock, Framing, Interface, Piece, Window,
    flaw::Flaw,
    pcap::Records,
    pcapng::Blocks,
    walk::{Step, Steps},
};

/// More interfaces in one section than anybody has: each piece may need a list of its own,
/// so their number bounds what a batch can take.
const MAX_INTERFACES: usize = 4_096;

/// What runs on from file to file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    pub(super) clock: Clock,
    /// The sequence number of the next frame.
    pub(super) seq: u64,
    /// Frames outside are stepped over: they move no clock and are in no piece.
    pub(super) window: Option<Window>,
    /// How many these were.
    pub(super) left_out: u64,
}

/// How the file at hand is framed, as far as it was walked.
#[derive(Debug)]
pub(super) struct Dialect {
    framing: Framing,
    /// Further interfaces than `framing` holds so far. A piece gets all that are described
    /// before its end, so a list is made once a piece and not once an interface.
    described: Vec<Interface>,
}

impl Dialect {
    pub(super) fn pcap(framing: Framing) -> Self {
        Self { framing, described: Vec::new() }
    }

    /// Begins in no section.
    pub(super) fn pcapng() -> Self {
        Self::section(false)
    }

    fn section(big_endian: bool) -> Self {
        Self { framing: Framing::PcapNg { big_endian, interfaces: Arc::new([]) }, described: Vec::new() }
    }

    /// The framing of a piece that ends here.
    fn framing(&mut self) -> Framing {
        if let Framing::PcapNg { interfaces, .. } = &mut self.framing
            && interfaces.len() < self.described.len()
        {
            *interfaces = self.described.as_slice().into();
        }
        self.framing.clone()
    }
}

/// Why the walk ahead stands still. All before was walked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Halt {
    /// So many bytes from here on are `part` of what comes next, and not all are there.
    Cut { part: &'static str, need: usize },
    /// What comes next is damaged.
    Damaged(Flaw),
}

/// Cuts one batch.
pub(super) struct Cutter<'a> {
    pub(super) dialect: &'a mut Dialect,
    pub(super) run: &'a mut Run,
    /// Frames of the file so far.
    pub(super) frames: &'a mut u64,
    pub(super) pieces: &'a mut Vec<Piece>,
    /// A piece is full when it has so many bytes.
    pub(super) piece_bytes: usize,
}

impl Cutter<'_> {
    /// Walks from `at`, which it moves, to the end of what is whole in `bytes`.
    pub(super) fn walk(&mut self, bytes: &[u8], at: &mut usize) -> Halt {
        loop {
            let mut piece = Piece {
                range: *at..*at,
                framing: self.dialect.framing.clone(),
                clock: self.run.clock,
                first_seq: self.run.seq,
                first_number: *self.frames + 1,
                frames: 0,
            };
            let end = self.stretch(bytes, &mut piece);
            *at = piece.range.end;
            *self.frames = piece.first_number - 1 + piece.frames;
            if piece.frames > 0 {
                self.run.seq += piece.frames;
                piece.framing = self.dialect.framing();
                self.pieces.push(piece);
            }
            match end {
                Step::Section { big_endian, next } => {
                    *self.dialect = Dialect::section(big_endian);
                    *at = next;
                }
                Step::Cut { part, need } => return Halt::Cut { part, need },
                Step::Damaged(flaw) => return Halt::Damaged(flaw),
                Step::Frame(_) | Step::Skip { .. } | Step::Interface { .. } => {}
            }
        }
    }

    /// Makes one piece as long as it may be, and tells what comes after it.
    fn stretch(&mut self, bytes: &[u8], piece: &mut Piece) -> Step<'static> {
        let full = piece.range.start.saturating_add(self.piece_bytes);
        loop {
            let described = &mut self.dialect.described;
            let end = match &self.dialect.framing {
                Framing::Pcap { big_endian: false, interface } => {
                    run(&Records::<false>::of(interface), bytes, full, piece, self.run)
                }
                Framing::Pcap { big_endian: true, interface } => {
                    run(&Records::<true>::of(interface), bytes, full, piece, self.run)
                }
                Framing::PcapNg { big_endian, .. } => {
                    run(&Blocks { big_endian: *big_endian, interfaces: described }, bytes, full, piece, self.run)
                }
                // No file is made of those.
                Framing::Merged { .. } => Step::Skip { next: piece.range.end },
            };
            match end {
                Step::Interface { .. } if described.len() == MAX_INTERFACES => {
                    return Step::Damaged(Flaw::TooManyInterfaces(MAX_INTERFACES));
                }
                Step::Interface { interface, next } => {
                    described.push(interface);
                    piece.range.end = next;
                }
                end => return end,
            }
        }
    }
}

/// The tight loop: moves the end of `piece` over frames and what is to be skipped, until
/// it is `full` (then it ends with the last step it made) or something else comes. A frame outside
/// the window ends it too, or moves its begin while it has no frame.
#[inline]
fn run(steps: &impl Steps, bytes: &[u8], full: usize, piece: &mut Piece, run: &mut Run) -> Step<'static> {
    let (mut at, mut frames, mut now) = (piece.range.end, piece.frames, run.clock);
    let window = run.window;
    let end = loop {
        let next = match steps.step(bytes, at) {
            Step::Frame(record) => {
                if let Some(stamp) = record.stamp {
                    if window.is_some_and(|window| !window.holds(stamp)) {
                        if frames > 0 {
                            break Step::Skip { next: at };
                        }
                        piece.range.start = record.next;
                        piece.first_number += 1;
                        run.left_out += 1;
                        at = record.next;
                        if at >= full {
                            break Step::Skip { next: at };
                        }
                        continue;
                    }
                    now.tick(stamp);
                }
                frames += 1;
                record.next
            }
            Step::Skip { next } => next,
            Step::Interface { interface, next } => break Step::Interface { interface, next },
            Step::Section { big_endian, next } => break Step::Section { big_endian, next },
            Step::Cut { part, need } => break Step::Cut { part, need },
            Step::Damaged(flaw) => break Step::Damaged(flaw),
        };
        at = next;
        if at >= full {
            break Step::Skip { next };
        }
    };
    (piece.range.end, piece.frames, run.clock) = (at, frames, now);
    end
}
