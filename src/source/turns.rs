//! Whose turn it is: captures in their order, of which the next few are opened, and unpacked, before their turn.
//!
//! In: captures, in order. Out: each in its turn, begun. While one is read, those that come next and are compressed are
//! unpacked on threads of their own, each as far as its buffers go. All that are open share out one amount of memory
//! ([`Unpacking`]): who finds too little left waits for his turn, and all behind him too, so that the one whose turn it is never
//! finds his share in the hands of a later one. What cannot be opened is told in its turn.
//! Must not know the formats.
//! Read next: `archive.rs` (who reads them), `input.rs` (what one file may take), `ahead.rs` (the thread).

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read},
    mem::take,
    path::Path,
    sync::Arc,
};

use super::{
    Sizes, Window,
    find::{Capture, Way},
    input::{Input, Opened, Room, Unpack},
    reader::Reader,
};

/// How compressed captures are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacking {
    /// How many at once, the one that is read among them.
    pub at_once: usize,
    /// Bytes that all of them may take: windows, decoders, and what was unpacked and not read yet.
    pub memory: u64,
}

impl Unpacking {
    /// What suits so many workers: one file for each, but two at the least, since whoever works alone has to wait for the
    /// disk, too.
    #[must_use]
    pub fn for_workers(workers: usize, memory: u64) -> Self {
        Self { at_once: workers.clamp(2, MOST), memory }
    }

    /// What a file may take for being ahead, if all are to have the same.
    fn share(self) -> u64 {
        self.memory / self.at_once.max(1) as u64
    }
}

impl Default for Unpacking {
    fn default() -> Self {
        Self::for_workers(2, MEMORY)
    }
}

/// Enough for one of `xz -6` or `zstd -19`, or for several of `gzip` or `zstd`. All else that the program takes with two
/// workers is 75 MiB over ordinary captures, 85 where a million sources make it fill its tables, and the whole is to stay
/// below 96 (benches/README.md).
pub const MEMORY: u64 = 8 << 20;

/// More files at once would be more threads than a processor has use for.
const MOST: usize = 16;

/// Captures of which none was read yet.
pub(super) struct Turns {
    waiting: VecDeque<Capture>,
    /// Those that come first, looked at already.
    near: VecDeque<Turn>,
    unpacking: Unpacking,
    sizes: Sizes,
    window: Option<Window>,
}

/// A capture, and what is done with it in its turn.
pub(super) enum Turn {
    /// It lies outside the window as a whole.
    Outside(Capture),
    /// It is read.
    Begun(Box<Reader>),
    /// It cannot be read, for this reason; its length is passed over.
    Failed(Arc<Path>, u64, String),
}

impl Turns {
    pub(super) fn new(captures: Vec<Capture>, sizes: Sizes) -> Self {
        let unpacking = Unpacking::default();
        Self { waiting: captures.into(), near: VecDeque::new(), unpacking, sizes, window: None }
    }

    /// Before the first turn.
    pub(super) fn set(&mut self, unpacking: Unpacking) {
        self.unpacking = unpacking;
    }

    /// Before the first turn.
    pub(super) fn within(&mut self, window: Window) {
        self.window = Some(window);
    }

    /// How many have not had their turn.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.near.len()
    }

    /// Those that nobody has begun, in order.
    pub(super) fn not_begun(&self) -> impl Iterator<Item = &Capture> {
        self.waiting.iter()
    }

    /// Passes over so many, before any is begun; the last of them.
    pub(super) fn pass(&mut self, many: usize) -> Option<Capture> {
        self.waiting.drain(..many.min(self.waiting.len())).next_back()
    }

    /// Begins one with nothing else open, and nothing to be opened before it is done.
    ///
    /// # Errors
    /// The operating system's reason, in words.
    pub(super) fn open_alone(&self, capture: Capture) -> Result<Reader, String> {
        capture.open(self.sizes, Unpack::Ahead(self.room(true)))
    }

    /// All that have not had their turn, none of them begun.
    pub(super) fn captures(&mut self) -> impl Iterator<Item = Capture> + use<> {
        self.put_back();
        take(&mut self.waiting).into_iter()
    }

    /// The next one. Whoever had his turn before is done, and has given back what he took.
    pub(super) fn next(&mut self) -> Option<Turn> {
        let turn = if let Some(turn) = self.near.pop_front() {
            turn
        } else {
            let capture = self.waiting.pop_front()?;
            self.in_turn(capture)
        };
        let held = if let Turn::Begun(reader) = &turn { reader.held() } else { 0 };
        self.look_ahead(held);
        Some(turn)
    }

    /// Begins one whose turn it is: nothing else is open.
    fn in_turn(&self, mut capture: Capture) -> Turn {
        if self.window.is_some_and(|window| capture.is_outside(window)) {
            return Turn::Outside(capture);
        }
        let (path, length) = (Arc::clone(&capture.path), capture.length().unwrap_or(0));
        match capture.open(self.sizes, Unpack::Ahead(self.room(false))) {
            Ok(reader) => Turn::Begun(Box::new(reader)),
            Err(reason) => Turn::Failed(path, length, reason),
        }
    }

    fn room(&self, alone: bool) -> Room {
        Room { memory: self.unpacking.memory, share: self.unpacking.share(), alone }
    }

    /// What those that are begun take at the most.
    pub(super) fn held(&self) -> u64 {
        let held = |turn: &Turn| if let Turn::Begun(reader) = turn { reader.held() } else { 0 };
        self.near.iter().map(held).sum()
    }

    /// Begins those that come next, as far as there is memory beside what is `held` by the one whose turn it is.
    fn look_ahead(&mut self, held: u64) {
        let mut free = self.unpacking.memory.saturating_sub(held + self.held());
        while self.near.len() + 1 < self.unpacking.at_once {
            let Some(mut capture) = self.waiting.pop_front() else { return };
            // What comes through a pipe is not there yet, and cannot be given back.
            let Way::File { length } = capture.way else { return self.waiting.push_front(capture) };
            if self.window.is_some_and(|window| capture.is_outside(window)) {
                self.near.push_back(Turn::Outside(capture));
                continue;
            }
            let file = File::open(&capture.path).and_then(|file| Opened::new(Box::new(file)));
            // An error will come again in its turn, if it does.
            let Some(opened) = file.ok().filter(|opened| opened.need() <= free) else {
                return self.waiting.push_front(capture);
            };
            let room = Room { share: self.unpacking.share().min(free), ..self.room(false) };
            let Ok(input) = opened.begin(Unpack::Ahead(room)) else { return self.waiting.push_front(capture) };
            free = free.saturating_sub(input.held());
            let reader = Reader::new(input, capture.path, length, self.sizes);
            self.near.push_back(Turn::Begun(Box::new(reader)));
        }
    }

    /// Those that were begun are no more, and will be begun again in their turn.
    fn put_back(&mut self) {
        while let Some(turn) = self.near.pop_back() {
            self.waiting.push_front(match turn {
                Turn::Outside(capture) => capture,
                Turn::Begun(reader) => reader.into_capture(),
                Turn::Failed(path, _, reason) => Capture { path, way: Way::Unreadable(reason) },
            });
        }
    }

    /// Lets the one whose turn it is have all of the memory, and go on from where it came to for want of it.
    pub(super) fn give_all(&mut self, reader: &mut Reader) {
        self.put_back();
        let room = self.room(true);
        reader.go_on(|path, taken| {
            let mut input = Input::new(Box::new(File::open(path)?), Unpack::Ahead(room))?;
            io::copy(&mut input.by_ref().take(taken), &mut io::sink())?;
            Ok(input)
        });
    }
}
