//! `--merge`: files that overlap in time become one stream in order of stamps.
//!
//! In: captures, with the stamp of the first packet of each. Out: batches whose frames are of several
//! files, copied one behind the other; frames of one file stay in its order, and of equal stamps the
//! file that was given first comes first. A file is opened when its first stamp is reached and closed at
//! its end, so only those that overlap are open, and no more than [`SLOTS`] allow.
//! Must not know the formats, nor how a capture is opened.
//! Read next: `archive.rs` (whose part this is), `walk.rs`.

use std::{
    collections::{BTreeSet, VecDeque},
    mem::take,
    ops::Range,
    path::Path,
    sync::Arc,
};

use super::{
    Batch, Clock, Frame, Framing, LinkType, Piece, Place, Pull, Sizes, Time, Trouble, cut::Run, find::Capture,
    input::Unpack, packed::Limits, reader::Reader,
};

/// What may be open at a time: a plain file takes one, a compressed one four, for its window. The rest
/// waits until one is at its end.
const SLOTS: usize = 256;
const PACKED: usize = 4;

/// Its window may take so much whatever unpacking may take otherwise: enough for `zstd -19` and `xz -7`.
const LEAST: u64 = 16 << 20;

/// Each open file has a batch of its own, and there may be many.
const LANE: Sizes = Sizes { batch_bytes: 64 << 10, piece_bytes: 64 << 10 };

/// A frame's header in a batch: captured, on the wire, link type, stamp, number.
const HEADER: usize = 4 + 4 + 4 + 8 + 8;

/// What orders frames and files: time, then the place among those given.
type Key = (Time, usize);

/// Captures that are merged.
pub(super) struct Merge {
    /// By the stamp of the first packet.
    waiting: VecDeque<(Key, Capture)>,
    lanes: Vec<Lane>,
    /// The next frame of each lane, and the lane.
    heads: BTreeSet<(Key, usize)>,
    /// A lane that has nothing left and must be filled before anything else.
    hungry: Option<usize>,
    troubles: VecDeque<Trouble>,
    slots: usize,
    /// What the window of one file may take.
    memory: u64,
    /// Bytes used up that no batch has told yet.
    owed: u64,
    /// How far it has come.
    reached: Time,
    /// Files that could not be opened in time, for too many were open.
    pub(super) late: u64,
    /// Files that lie outside the window as a whole.
    pub(super) outside: u64,
}

/// One open file, or a place for the next one.
#[derive(Default)]
struct Lane {
    /// `None` when it is at its end.
    reader: Option<Reader>,
    path: Option<Arc<Path>>,
    file: usize,
    slots: usize,
    run: Run,
    /// Orders its frames: a stamp that leaps ahead alone must not hold up the file.
    clock: Clock,
    batch: Batch,
    /// What was captured of `frames`, one behind the other.
    bytes: Vec<u8>,
    /// The frames of `batch` that are still to come.
    frames: VecDeque<Held>,
}

/// A frame of a lane.
struct Held {
    range: Range<usize>,
    wire_len: u32,
    link: LinkType,
    time: Time,
    stamp: Time,
    number: u64,
}

impl Merge {
    /// Merges `captures`, of which those given first are first among equals; the window of each compressed one may take
    /// as much as `memory`.
    pub(super) fn new(captures: impl Iterator<Item = (Time, Capture)>, memory: u64) -> Self {
        let mut waiting: Vec<_> =
            captures.enumerate().map(|(file, (first, capture))| ((first, file), capture)).collect();
        waiting.sort_by_key(|(key, _)| *key);
        Self {
            waiting: waiting.into(),
            lanes: Vec::new(),
            heads: BTreeSet::new(),
            hungry: None,
            troubles: VecDeque::new(),
            slots: SLOTS,
            memory,
            owed: 0,
            reached: Time(i64::MIN),
            late: 0,
            outside: 0,
        }
    }

    /// How many captures are still to be opened.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Fills `batch` anew, going on with the clock and the numbers of `run`.
    pub(super) fn pull(&mut self, batch: &mut Batch, run: &mut Run, sizes: Sizes) -> Pull {
        batch.bytes.clear();
        batch.pieces.clear();
        batch.places.clear();
        batch.origin = None;
        let mut filling = Filling { batch, run, links: Vec::new(), piece_bytes: sizes.piece_bytes };
        let mut idle = false;
        while self.troubles.is_empty() && !idle && filling.batch.bytes.len() < sizes.batch_bytes {
            if let Some(lane) = self.hungry.take() {
                idle = !self.fill(lane, filling.run);
            } else if self.is_due() {
                self.open(filling.run);
            } else if let Some((_, lane)) = self.heads.pop_first() {
                self.take(lane, &mut filling, sizes.batch_bytes);
            } else {
                break;
            }
        }
        filling.finish();
        batch.consumed = take(&mut self.owed);
        batch.clock = run.clock;
        if !batch.pieces.is_empty() {
            return Pull::Filled;
        }
        match self.troubles.pop_front() {
            Some(trouble) => Pull::Trouble(trouble),
            None if idle => Pull::Idle,
            None => Pull::End,
        }
    }

    /// Whether the next file has to be opened before the next frame is taken.
    fn is_due(&self) -> bool {
        let Some((next, _)) = self.waiting.front() else { return false };
        match self.heads.first() {
            Some((head, _)) => next < head && self.slots >= PACKED,
            None => true,
        }
    }

    fn open(&mut self, run: &mut Run) {
        let Some(((first, file), mut capture)) = self.waiting.pop_front() else { return };
        let (path, length) = (Arc::clone(&capture.path), capture.length().unwrap_or(0));
        if run.window.is_some_and(|window| capture.is_outside(window)) {
            self.outside += 1;
            self.owed += length;
            return;
        }
        match capture.open(LANE, Unpack::Here(Limits::of(self.memory.max(LEAST)))) {
            Ok(reader) => {
                self.late += u64::from(first < self.reached);
                let slots = if reader.is_packed() { PACKED } else { 1 };
                self.slots = self.slots.saturating_sub(slots);
                let free = self.lanes.iter().position(|lane| lane.reader.is_none());
                let free = free.unwrap_or(self.lanes.len());
                if free == self.lanes.len() {
                    self.lanes.push(Lane::default());
                }
                if let Some(lane) = self.lanes.get_mut(free) {
                    let buffers = (take(&mut lane.batch), take(&mut lane.bytes));
                    *lane = Lane { reader: Some(reader), path: Some(path), file, slots, ..Lane::default() };
                    lane.run.window = run.window;
                    (lane.batch, lane.bytes) = buffers;
                }
                self.hungry = Some(free);
            }
            Err(reason) => {
                self.owed += length;
                self.troubles.push_back(Trouble { path, offset: 0, unpacked: false, frames: 0, reason });
            }
        }
    }

    /// Reads on in a lane that has nothing left. False when nothing came and it must be asked again.
    fn fill(&mut self, number: usize, run: &mut Run) -> bool {
        let Some(lane) = self.lanes.get_mut(number) else { return true };
        let Some(reader) = &mut lane.reader else { return true };
        let before = lane.run.left_out;
        let pull = reader.pull(&mut lane.batch, &mut lane.run);
        run.left_out += lane.run.left_out - before;
        self.owed += lane.batch.consumed;
        match pull {
            Pull::Filled => {
                lane.hold();
                self.hungry = None;
                self.heads.extend(lane.key().map(|key| (key, number)));
            }
            Pull::Idle => {
                self.hungry = Some(number);
                return false;
            }
            Pull::Trouble(trouble) => {
                self.troubles.push_back(trouble);
                self.hungry = Some(number);
            }
            Pull::End => {
                lane.reader = None;
                self.slots += lane.slots;
            }
        }
        true
    }

    /// Takes frames from a lane as long as no other comes first.
    fn take(&mut self, number: usize, filling: &mut Filling<'_>, batch_bytes: usize) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        let other = self.heads.first().map(|(key, _)| *key);
        let file = self.waiting.front().map(|(key, _)| *key).filter(|_| self.slots >= PACKED);
        let bound = [other, file].into_iter().flatten().min();
        while let Some(key) = lane.key() {
            if bound.is_some_and(|bound| bound < key) || filling.batch.bytes.len() >= batch_bytes {
                self.heads.insert((key, number));
                return;
            }
            self.reached = self.reached.max(key.0);
            if let (Some(held), Some(path)) = (lane.frames.pop_front(), &lane.path) {
                filling.frame(&held, lane.bytes.get(held.range.clone()).unwrap_or_default(), path);
            }
        }
        self.hungry = Some(number);
    }
}

impl Lane {
    /// What orders its next frame.
    fn key(&self) -> Option<Key> {
        self.frames.front().map(|held| (held.time, self.file))
    }

    /// Takes apart what was read.
    fn hold(&mut self) {
        let Self { clock, batch, bytes, frames, .. } = self;
        bytes.clear();
        for piece in &batch.pieces {
            batch.walk(piece, |Frame { bytes: packet, wire_len, link, stamp, number, .. }| {
                clock.tick(stamp);
                let start = bytes.len();
                bytes.extend_from_slice(packet);
                let range = start..bytes.len();
                frames.push_back(Held { range, wire_len, link, time: clock.stamp(), stamp, number });
            });
        }
    }
}

/// Fills a batch, frame by frame.
struct Filling<'a> {
    batch: &'a mut Batch,
    run: &'a mut Run,
    /// The link types of the last piece.
    links: Vec<LinkType>,
    piece_bytes: usize,
}

impl Filling<'_> {
    fn frame(&mut self, held: &Held, packet: &[u8], path: &Arc<Path>) {
        let Batch { pieces, places, .. } = &mut *self.batch;
        let seq = self.run.seq;
        let goes_on = |last: &Place| {
            Arc::ptr_eq(&last.path, path) && seq - last.first_seq == held.number.wrapping_sub(last.first_number)
        };
        if !places.last().is_some_and(goes_on) {
            places.push(Place { first_seq: seq, first_number: held.number, path: Arc::clone(path) });
        }
        if pieces.last().is_none_or(|piece| piece.range.len() >= self.piece_bytes) {
            self.finish();
            let Batch { bytes, pieces, .. } = &mut *self.batch;
            pieces.push(Piece {
                range: bytes.len()..bytes.len(),
                framing: Framing::Merged { links: Arc::new([]) },
                clock: self.run.clock,
                first_seq: seq,
                first_number: held.number,
                frames: 0,
            });
        }
        let Batch { bytes, pieces, .. } = &mut *self.batch;
        for field in [packet.len() as u32, held.wire_len, held.link.0] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(held.stamp.0.to_le_bytes());
        bytes.extend(held.number.to_le_bytes());
        bytes.extend(packet);
        if let Some(piece) = pieces.last_mut() {
            piece.range.end = bytes.len();
            piece.frames += 1;
        }
        if !self.links.contains(&held.link) {
            self.links.push(held.link);
        }
        self.run.seq += 1;
        self.run.clock.tick(held.stamp);
    }

    /// Ends the last piece.
    fn finish(&mut self) {
        if let Some(Piece { framing: Framing::Merged { links }, .. }) = self.batch.pieces.last_mut() {
            *links = take(&mut self.links).into();
        }
    }
}

/// Hands out the frames of a piece, as [`Batch::walk`] does.
pub(super) fn walk<'a>(bytes: &'a [u8], piece: &Piece, mut each: impl FnMut(Frame<'a>)) {
    let mut rest = bytes.get(piece.range.clone()).unwrap_or_default();
    let (mut clock, mut seq) = (piece.clock, piece.first_seq);
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
        let [c0, c1, c2, c3, w0, w1, w2, w3, l0, l1, l2, l3, times @ ..] = *header;
        let Some((stamp, number)) = times.split_first_chunk::<8>() else { return };
        let Some(number) = number.first_chunk::<8>() else { return };
        let captured = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let Some((packet, next)) = behind.split_at_checked(captured) else { return };
        let stamp = Time(i64::from_le_bytes(*stamp));
        each(Frame {
            bytes: packet,
            wire_len: u32::from_le_bytes([w0, w1, w2, w3]),
            link: LinkType(u32::from_le_bytes([l0, l1, l2, l3])),
            stamp,
            clock: clock.tick(stamp),
            seq,
            number: u64::from_le_bytes(*number),
        });
        seq += 1;
        rest = next;
    }
}
