//! Reads one capture from beginning to end, a batch at a time.
//!
//! In: an [`Input`] (a file, a pipe, what a decompressor gives). Out: batches
//! cut into pieces, and a [`Trouble`] when the capture does not end as it should: what was
//! read before counts. A record that the end of a batch cuts goes over to the next one.
//! Must not know of other captures, nor how this one was opened.
//! Read next: `cut.rs` (the walk ahead), `archive.rs` (many captures).

mod standing;

use std::{
    io::{self, ErrorKind, Read},
    path::Path,
    sync::Arc,
};

use super::{
    Batch, Piece, Pull, Sizes, Trouble,
    cut::{Cutter, Dialect, Halt, Run},
    find::{Capture, Way},
    flaw::Flaw,
    input::Input,
    magic::{self, Format},
    pcap,
};

/// Read at once and then walked at once. A small file so costs no more room than it needs,
/// and headers are walked while still near the core; from 64 KiB to 4 MiB, on a machine
/// with 32 MiB of cache, 10 million frames took equally long.
const STRIDE: usize = 256 << 10;

/// One capture that is being read.
pub(super) struct Reader {
    input: Input,
    path: Arc<Path>,
    sizes: Sizes,
    /// The length of the file when it was opened; 0 when it has none.
    length: u64,
    /// The byte of the capture at which the walk stands.
    offset: u64,
    /// Bytes of the file, as it lies on the disk, that were accounted for.
    used: u64,
    /// Frames so far.
    frames: u64,
    /// Read, but not yet walked: the beginning of a record.
    carry: Vec<u8>,
    /// `None` until the header is read.
    dialect: Option<Dialect>,
    state: State,
}

/// How far a capture is.
enum State {
    Reading,
    /// It ends in trouble, which is to be told.
    Failed(String),
    Done,
}

/// Why filling stopped.
enum Stop {
    /// The batch is full.
    Full,
    /// No more bytes came, and all were walked.
    End,
    /// Reading on is impossible or makes no sense.
    Failed(String),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Failed(flaw.to_string())
    }
}

impl Reader {
    /// A capture called `path` of `length` bytes (0 when unknown), from its first byte on.
    pub(super) fn new(input: Input, path: Arc<Path>, length: u64, sizes: Sizes) -> Self {
        Self {
            input,
            path,
            sizes,
            length,
            offset: 0,
            used: 0,
            frames: 0,
            carry: Vec::new(),
            dialect: None,
            state: State::Reading,
        }
    }

    /// Whether the file is compressed.
    pub(super) fn is_packed(&self) -> bool {
        self.input.used().is_some()
    }

    /// How much memory unpacking it takes at the most.
    pub(super) fn held(&self) -> u64 {
        self.input.held()
    }

    /// Back to what it was before it was begun.
    pub(super) fn into_capture(self) -> Capture {
        self.input.end();
        Capture { path: self.path, way: Way::File { length: self.length } }
    }

    /// Whether it cannot go on because it was begun with little memory. Not so for a pipe: it cannot be begun again.
    pub(super) fn is_starved(&self) -> bool {
        matches!(self.state, State::Failed(_)) && self.length > 0 && self.input.is_starved()
    }

    /// Goes on with an input that is begun anew; `begin` has it skip what was taken of the one before.
    pub(super) fn go_on(&mut self, begin: impl FnOnce(&Path, u64) -> io::Result<Input>) {
        let taken = self.offset + self.carry.len() as u64;
        self.state = match begin(&self.path, taken) {
            Ok(input) => {
                self.input = input;
                State::Reading
            }
            Err(error) => State::Failed(error.to_string()),
        };
    }

    /// Fills `batch` anew, going on with the clock and the numbers of `run`.
    pub(super) fn pull(&mut self, batch: &mut Batch, run: &mut Run) -> Pull {
        batch.pieces.clear();
        batch.places.clear();
        batch.origin = Some(Arc::clone(&self.path));
        if let State::Reading = self.state {
            self.state = match self.fill(batch, run) {
                Stop::Full => State::Reading,
                Stop::End => State::Done,
                Stop::Failed(reason) => State::Failed(reason),
            };
        } else {
            batch.bytes.clear();
        }
        batch.clock = run.clock;
        if batch.pieces.is_empty() {
            batch.bytes.clear();
        }
        let used = self.input.used().unwrap_or(self.offset);
        batch.consumed = used.saturating_sub(self.used);
        // One that was begun anew begins at 0.
        self.used = self.used.max(used);
        if !batch.pieces.is_empty() {
            return Pull::Filled;
        }
        if matches!(self.state, State::Reading) || self.is_starved() {
            return Pull::Idle;
        }
        match std::mem::replace(&mut self.state, State::Done) {
            State::Failed(reason) => {
                // Nobody will read the rest: a progress bar must get past it all the same.
                batch.consumed += self.length.saturating_sub(self.used);
                Pull::Trouble(Trouble {
                    path: Arc::clone(&self.path),
                    offset: self.offset,
                    unpacked: self.is_packed(),
                    frames: self.frames,
                    reason,
                })
            }
            State::Reading | State::Done => Pull::End,
        }
    }

    /// Reads and walks, stride by stride, until the batch has its size.
    fn fill(&mut self, batch: &mut Batch, run: &mut Run) -> Stop {
        let Batch { bytes, pieces, .. } = batch;
        let mut at = 0;
        let mut filled = self.carry.len();
        room(bytes, filled);
        if let Some(head) = bytes.get_mut(..filled) {
            head.copy_from_slice(&self.carry);
        }
        self.carry.clear();
        let stop = loop {
            let whole = bytes.get(..filled).unwrap_or_default();
            let before = at;
            let halt = self.walk(whole, &mut at, pieces, run);
            self.offset += (at - before) as u64;
            let (part, need) = match halt {
                Ok(Halt::Cut { part, need }) => (part, need),
                Ok(Halt::Damaged(flaw)) | Err(flaw) => break flaw.into(),
            };
            if filled >= self.sizes.batch_bytes {
                // Without a piece these were frames that are left out, or blocks without a packet.
                if at > 0 {
                    break Stop::Full;
                }
                // Else it is a record longer than a batch.
            }
            let missing = need.saturating_sub(filled - at);
            let stride = self.sizes.batch_bytes.saturating_sub(filled).clamp(1, STRIDE).max(missing.min(STRIDE));
            room(bytes, filled + stride);
            let free = bytes.get_mut(filled..filled + stride).unwrap_or_default();
            match read_full(&mut self.input, free) {
                // A silent pipe: what is here shall not wait for what is not.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Stop::Full,
                Err(error) => break Stop::Failed(error.to_string()),
                Ok(0) => break self.end(part, need, bytes.get(at..filled).unwrap_or_default()),
                Ok(more) => filled += more,
            }
        };
        self.carry.extend(bytes.get(at..filled).unwrap_or_default());
        bytes.truncate(at);
        stop
    }

    /// Walks on, first of all over the file's header.
    fn walk(&mut self, bytes: &[u8], at: &mut usize, pieces: &mut Vec<Piece>, run: &mut Run) -> Result<Halt, Flaw> {
        if self.dialect.is_none() {
            let Some((dialect, header)) = begin(bytes)? else {
                return Ok(NO_HEADER);
            };
            self.dialect = Some(dialect);
            *at = header;
        }
        let Some(dialect) = &mut self.dialect else { return Ok(NO_HEADER) };
        let (frames, piece_bytes) = (&mut self.frames, self.sizes.piece_bytes);
        Ok(Cutter { dialect, run, frames, pieces, piece_bytes }.walk(bytes, at))
    }

    /// What it means that no more bytes came, when `rest` was not walked.
    fn end(&self, part: &'static str, need: usize, rest: &[u8]) -> Stop {
        if self.dialect.is_none()
            && let Err(flaw) = magic::recognise(rest)
        {
            return flaw.into();
        }
        match rest.len() {
            0 if self.frames == 0 => Flaw::NoFrames.into(),
            0 => Stop::End,
            have => Flaw::Cut { part, have, need }.into(),
        }
    }
}

/// Reads the header of a file: how it is framed, and where its records begin. `None` when
/// more bytes are needed to tell.
fn begin(bytes: &[u8]) -> Result<Option<(Dialect, usize)>, Flaw> {
    if bytes.len() < magic::ENOUGH {
        return Ok(None);
    }
    match magic::recognise(bytes)? {
        // All its headers are blocks.
        Format::PcapNg => Ok(Some((Dialect::pcapng(), 0))),
        Format::Packed(packing) => Err(Flaw::PackedTwice(packing)),
        Format::Pcap => {
            let framing = pcap::header(bytes).transpose()?;
            Ok(framing.map(|framing| (Dialect::pcap(framing), pcap::HEADER)))
        }
    }
}

/// Too few bytes for the header of any file.
const NO_HEADER: Halt = Halt::Cut { part: "its header", need: pcap::HEADER };

/// Makes `bytes` at least so long. What was in it before is overwritten by reading; only
/// what is new costs the time to clear it.
fn room(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
}

/// Reads until `buffer` is full or no more comes: pipes hand out small portions, and each
/// portion costs a piece.
pub(super) fn read_full(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(free) = buffer.get_mut(filled..).filter(|free| !free.is_empty()) {
        match input.read(free) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What came before the error counts; the next call meets it again.
            Err(_) if filled > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::source::{
        Interface, LinkType, Time, Units,
        write::{PcapNgWriter, PcapWriter},
    };

    const ETHERNET: Interface = Interface { link: LinkType(1), units: Units::Decimal(6), offset: 0, snaplen: 0 };

    /// Reads to the end: the frames, how it ended, and the most memory a batch took.
    fn read(input: impl Read + Send + 'static, batch_bytes: usize) -> (u64, Option<Trouble>, usize) {
        let sizes = Sizes { batch_bytes, piece_bytes: 64 };
        let mut reader = Reader::new(Input::Plain(Box::new(input)), Path::new("a.pcap").into(), 0, sizes);
        let (mut batch, mut run) = (Batch::default(), Run::default());
        let mut trouble = None;
        loop {
            match reader.pull(&mut batch, &mut run) {
                Pull::Filled => {}
                Pull::Trouble(told) => trouble = Some(told),
                Pull::End => return (run.seq, trouble, batch.bytes.capacity()),
                Pull::Idle => assert!(batch.pieces.is_empty() && batch.bytes.is_empty()),
            }
        }
    }

    fn words(file: &[u8]) -> String {
        read(Cursor::new(file.to_vec()), 100).1.unwrap().to_string()
    }

    fn one_frame() -> PcapWriter {
        let mut file = PcapWriter::new(LinkType(1), false, false);
        file.frame(Time(0), 80, &[0; 80]);
        file
    }

    #[test]
    fn a_person_is_told_where_and_why_a_file_is_broken() {
        let file = one_frame().frame(Time(0), 80, &[0; 80]).bytes().to_vec();
        assert_eq!(
            words(&file[..174]),
            "a.pcap: at byte 120, after 1 frames: the file ends in the middle of a record: 54 of 96 bytes are there"
        );
        let mut damaged = file.clone();
        damaged[128..132].copy_from_slice(&0xdead_beef_u32.to_le_bytes());
        assert_eq!(
            words(&damaged),
            "a.pcap: at byte 120, after 1 frames: record of 3735928559 bytes: longer than any packet; \
             the file is damaged here"
        );
        assert_eq!(words(b""), "a.pcap: at byte 0, after 0 frames: empty file");
        assert_eq!(
            words(&file[..10]),
            "a.pcap: at byte 0, after 0 frames: the file ends in the middle of its header: 10 of 24 bytes are there"
        );
    }

    #[test]
    fn a_disk_error_is_told_and_what_came_before_it_counts() {
        struct Bad;
        impl Read for Bad {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is on fire"))
            }
        }
        let (frames, trouble, _) = read(Cursor::new(one_frame().bytes().to_vec()).chain(Bad), 1 << 20);
        let trouble = trouble.unwrap();
        assert_eq!((frames, trouble.frames, trouble.offset), (1, 1, 120));
        assert_eq!(trouble.reason, "the disk is on fire");
    }

    #[test]
    fn a_record_longer_than_a_batch_is_whole() {
        let mut file = PcapWriter::new(LinkType(1), true, false);
        file.frame(Time(0), 262_144, &vec![1; 262_144]);
        assert!(matches!(read(Cursor::new(file.bytes().to_vec()), 1_000), (1, None, _)));
    }

    #[test]
    fn blocks_without_a_packet_take_no_memory() {
        let mut file = PcapNgWriter::new(false);
        for _ in 0..10_000 {
            file.block(77, &[0; 100]);
        }
        file.interface(ETHERNET).enhanced(0, 0, 4, b"abcd");
        let (frames, trouble, memory) = read(Cursor::new(file.bytes().to_vec()), 1_000);
        assert_eq!((frames, trouble), (1, None));
        assert!(memory < 10_000, "{memory} bytes for batches of 1,000");
    }

    #[test]
    fn a_section_of_endless_interfaces_is_refused() {
        let mut file = PcapNgWriter::new(false);
        for _ in 0..5_000 {
            file.interface(ETHERNET).enhanced(0, 0, 4, b"abcd");
        }
        let (frames, trouble, _) = read(Cursor::new(file.bytes().to_vec()), 1 << 20);
        assert_eq!(frames, 4_096);
        assert!(trouble.unwrap().reason.starts_with("more than 4096 interfaces"));
    }
}
