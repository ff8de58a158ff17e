//! Where frames come from: capture files, folders, standard input, live wires.
//!
//! In: paths or interfaces. Out: [`Batch`]es of whole records, cut into [`Piece`]s that workers take,
//! with the [`clock`] at each border; and [`Trouble`] for what could not be read.
//! Must not know what a frame means: it frames bytes and keeps the clock.
//!
//! Read next: `clock.rs`, `pcap.rs` and `pcapng.rs` (the formats), `archive.rs` (many
//! files as one stream), `walk.rs` (what a worker does with a piece), `live.rs` (a wire).

mod ahead;
pub mod archive;
mod bpf;
pub mod clock;
mod cut;
mod filter;
mod find;
mod flaw;
mod gather;
mod input;
pub mod interfaces;
mod listed;
pub mod live;
mod lz4;
mod magic;
mod merge;
mod natural;
mod need;
mod packed;
mod pcap;
mod pcapng;
mod pipe;
#[cfg(test)]
mod properties;
mod raw;
mod reader;
mod ring;
mod tail;
mod turns;
mod walk;
mod window;
pub mod write;

use std::{fmt, io, ops::Range, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Reader, Unfit, Writer};

pub use archive::{Archive, LeftOut, Order};
pub use clock::{Clock, Time};
pub use filter::{Filter, FilterError};
pub use find::Passed;
pub use listed::Listed;
pub use live::Live;
pub use turns::{MEMORY as UNPACK_MEMORY, Unpacking};
pub use walk::Take;
pub use window::Window;

/// What a frame's first byte belongs to (the registry of tcpdump.org, LINKTYPE_ values).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkType(pub u32);

/// One frame as it lies in a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame<'a> {
    /// What was captured; at most `wire_len` bytes.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub wire_len: u32,
    /// What its first byte is.
    pub link: LinkType,
    /// The stamp that the capture gives it: what events print.
    pub stamp: Time,
    /// The clock at this frame: what time-outs use.
    pub clock: Time,
    /// Its place in the whole run, from 0: the order of everything.
    pub seq: u64,
    /// Its number in its file, from 1: what a person looks up.
    pub number: u64,
}

/// A pcapng interface, or the one of a pcap file, as far as walking needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// What its frames begin with.
    pub link: LinkType,
    /// How its stamps count.
    pub units: Units,
    /// Seconds to add to each stamp (`if_tsoffset`).
    pub offset: i64,
    /// The most bytes it captured of a frame; 0 for no limit.
    pub snaplen: u32,
}

/// The unit of a stamp (`if_tsresol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Units {
    /// 10^-n seconds.
    Decimal(u8),
    /// 2^-n seconds.
    Binary(u8),
}

/// How to walk the records of a piece.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Sixteen-byte headers of pcap.
    Pcap {
        /// Fields are big-endian.
        big_endian: bool,
        /// The one interface.
        interface: Interface,
    },
    /// Blocks of one pcapng section; the list holds the interfaces known so far.
    PcapNg {
        /// Fields are big-endian.
        big_endian: bool,
        /// Indexed by interface id.
        interfaces: Arc<[Interface]>,
    },
    /// Records of `merge.rs`, each of which says itself all that is to be known.
    Merged {
        /// The link types of its frames.
        links: Arc<[LinkType]>,
    },
}

/// A run of whole records that one worker walks alone.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where in [`Batch::bytes`].
    pub range: Range<usize>,
    /// How to walk it.
    pub framing: Framing,
    /// The clock before its first frame.
    pub clock: Clock,
    /// The sequence number of its first frame.
    pub first_seq: u64,
    /// The number in the file of its first frame, from 1.
    pub first_number: u64,
    /// How many frames it holds.
    pub frames: u64,
}

/// Where a run of frames begins that lie together in a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The sequence number of its first frame.
    pub first_seq: u64,
    /// The number in the file of its first frame, from 1.
    pub first_number: u64,
    /// The file.
    pub path: Arc<Path>,
}

/// One filling of a reused buffer: whole records, of one file unless files are merged.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, headers included. Its capacity is kept from filling to filling.
    pub bytes: Vec<u8>,
    /// Its cuts, in order, without gaps between frames.
    pub pieces: Vec<Piece>,
    /// Which file (or interface) it is of; none when it holds frames of several.
    pub origin: Option<Arc<Path>>,
    /// Then: where which file's frames begin, in order.
    pub places: Vec<Place>,
    /// What only a live source has to say.
    pub wire: Wire,
    /// Bytes of the input that this batch used up, for the progress bar: of the file
    /// as it lies on the disk.
    pub consumed: u64,
    /// The clock after its last frame.
    pub clock: Clock,
}

impl Batch {
    /// The file or interface of the frame with this sequence number, which must be one of the batch's own.
    pub fn origin_of(&self, seq: u64) -> Option<&Arc<Path>> {
        let after = self.places.partition_point(|place| place.first_seq <= seq);
        let place = after.checked_sub(1).and_then(|before| self.places.get(before));
        self.origin.as_ref().or_else(|| place.map(|place| &place.path))
    }
}

impl Batch {
    /// Forgets its frames; keeps its buffers, and what is in them: clearing them would cost as much as filling.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.places.clear();
        self.wire.lull = false;
    }

    /// Makes it one of no frames at this time, which lets those before it go on their way.
    pub fn pass(&mut self, clock: Clock) {
        self.clear();
        self.clock = clock;
    }
}

/// What a live source says of a batch beside its frames; of a file nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    /// Its places are interfaces.
    pub live: bool,
    /// No more waits behind this batch: what is under way must not wait for the next one.
    pub lull: bool,
    /// Frames that the capture has lost since it began.
    pub lost: u64,
}

/// How much at once. Whatever is chosen, the same frames come out: it is speed and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes in a batch; it is exceeded only for a record that is longer.
    pub batch_bytes: usize,
    /// Bytes in a piece, about: it ends with the record that reaches them.
    pub piece_bytes: usize,
}

/// What a worker reads at once: it stays near its core, with what becomes of it, until it is decoded.
const AT_ONCE: usize = 128 << 10;
/// More bytes in a round gain nothing, and each takes up to five when all of it is evidence.
const MOST_IN_ROUND: usize = 2 << 20;

impl Sizes {
    /// What suits a wire, where a batch is all that has come.
    #[must_use]
    pub fn of_wires() -> Self {
        Self { batch_bytes: 1 << 20, ..Self::default() }
    }

    /// What suits so many workers: how much at once, and how many batches in a round. Four each let them finish together. Half a MiB each keeps
    /// what cells are given small when all of it is evidence; of more than four the same room is shared in smaller batches, since what
    /// is under way is beside the budget, however many they are.
    #[must_use]
    pub fn of_workers(workers: usize) -> (Self, usize) {
        let batches = 4 * workers.clamp(1, 16);
        let batch_bytes = (MOST_IN_ROUND / batches).min(AT_ONCE);
        (Self { batch_bytes, ..Self::default() }, batches)
    }

    /// `bytes` in a round: how much at once, and how many batches that makes.
    #[must_use]
    pub fn of_round(bytes: usize) -> (Self, usize) {
        let usual = Self::default();
        (Self { batch_bytes: bytes.clamp(1, usual.batch_bytes), ..usual }, (bytes / usual.batch_bytes).max(1))
    }
}

impl Default for Sizes {
    fn default() -> Self {
        Self { batch_bytes: AT_ONCE, piece_bytes: AT_ONCE }
    }
}

/// What a source did when it was asked.
#[derive(Debug)]
pub enum Pull {
    /// The batch holds at least one frame.
    Filled,
    /// Something could not be read; the batch is empty, and reading can go on.
    Trouble(Trouble),
    /// No frame came: within the time allowed (live sources), or in all of a batch.
    Idle,
    /// There is no more.
    End,
}

/// Why a file, or the rest of one, could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The file, or `-`.
    pub path: Arc<Path>,
    /// The byte at which it went wrong: of the capture, not of what a compressor made of it.
    pub offset: u64,
    /// The file is compressed, so that nobody finds that byte in it as it is.
    pub unpacked: bool,
    /// Frames of it that were read before.
    pub frames: u64,
    /// What is wrong, in words for the person who has the file.
    pub reason: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, unpacked, frames, reason } = self;
        let unpacked = if *unpacked { " (unpacked)" } else { "" };
        write!(f, "{}: at byte {offset}{unpacked}, after {frames} frames: {reason}", path.display())
    }
}

/// Anything that hands over batches.
pub trait Source: Send {
    /// Fills `batch` anew: clears it, keeps its buffers. Never splits a record.
    fn pull(&mut self, batch: &mut Batch) -> Pull;

    /// Writes down where it stands, between two batches.
    ///
    /// # Errors
    /// It cannot be taken up where it stands, or what the writer says.
    fn keep(&self, _to: &mut Writer<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Goes where an earlier one of the same input stood.
    ///
    /// # Errors
    /// It cannot, or the state does not fit.
    fn resume(&mut self, _from: &mut Reader<'_>) -> Result<(), Unfit> {
        Err(Unfit::Other("this input cannot be taken up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_bounded_however_many_work() {
        for workers in 1..200 {
            let (sizes, batches) = Sizes::of_workers(workers);
            assert!(sizes.batch_bytes * batches <= MOST_IN_ROUND && sizes.batch_bytes >= 32 << 10, "{workers}");
            assert!(batches >= 4 * workers.min(16), "{workers}");
        }
        assert_eq!(Sizes::of_workers(2), (Sizes::default(), 8));
    }
}
