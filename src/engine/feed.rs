//! What comes out of the source, batch by batch, to whichever worker has time for it.
//!
//! In: a source. Out: batches, each read into the buffer of the worker that decodes it, so that its bytes are still in that core's
//! cache, and one buffer for each worker is enough. The workers pass the source on from hand to hand; what is
//! told on the way (trouble, progress) is noted for the thread that may tell it.
//! Must not know what becomes of a batch. Read next: `run.rs` (the rounds), `lot.rs` (what a worker makes of a batch).

use std::{
    collections::VecDeque,
    hint::spin_loop,
    mem::take,
    num::NonZero,
    path::Path,
    slice::IterMut,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError},
    thread,
};

use crate::{
    dispatch::KeyMaker,
    engine::{
        Sink,
        lot::{Slot, Wanted},
    },
    source::{Batch, Filter, Pull, Source, Trouble},
};

/// What is to be told to the sink.
enum Note {
    Trouble(Trouble),
    UnknownLink { path: Arc<Path>, number: u64, reason: String },
}

/// The source, and what was read of it to make the key.
#[expect(clippy::struct_excessive_bools, reason = "each says something else of it, and all can be true")]
pub(super) struct Feed<'a> {
    pub(super) source: &'a mut dyn Source,
    held: VecDeque<Batch>,
    ended: bool,
    /// Nobody wants more.
    pub(super) stopped: bool,
    /// It was stopped before there was enough to make the key from.
    pub(super) rushed: bool,
    /// Bytes of records so far.
    pub(super) read: u64,
    /// Bytes of the input so far, as it lies on the disk.
    pub(super) consumed: u64,
    notes: Vec<Note>,
    /// Bytes used up and frames read that the sink has not been told of.
    progress: (u64, u64),
    /// Nothing comes just now: what was read shall not wait for more.
    silent: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(source: &'a mut dyn Source) -> Self {
        Self {
            source,
            held: VecDeque::new(),
            ended: false,
            stopped: false,
            rushed: false,
            read: 0,
            consumed: 0,
            notes: Vec::new(),
            progress: (0, 0),
            silent: false,
        }
    }

    /// Whether the source stands behind the last batch that it gave.
    pub(super) fn may_pause(&self) -> bool {
        self.held.is_empty() && self.has_more()
    }

    /// Whether there may be more, and somebody wants it.
    pub(super) fn has_more(&self) -> bool {
        !self.ended && !self.stopped || !self.held.is_empty()
    }

    /// Fills `batch`, with no frames where there are none just now; false at the end.
    fn pull(&mut self, batch: &mut Batch) -> bool {
        if let Some(held) = self.held.pop_front() {
            *batch = held;
            return true;
        }
        batch.clear();
        if self.ended || self.stopped {
            return false;
        }
        (batch.consumed, self.silent) = (0, false);
        let pull = self.source.pull(batch);
        self.consumed += batch.consumed;
        self.progress.0 += batch.consumed;
        match pull {
            Pull::Filled => {
                self.read += batch.bytes.len() as u64;
                self.progress.1 += batch.pieces.iter().map(|piece| piece.frames).sum::<u64>();
                return true;
            }
            Pull::Trouble(trouble) => self.notes.push(Note::Trouble(trouble)),
            // Where something was used up it was frames that are left out.
            Pull::Idle => self.silent = batch.consumed == 0,
            Pull::End => self.ended = true,
        }
        // On a wire time has gone on, which the stages are to know; of all else there is nothing to see.
        batch.pieces.clear();
        !self.ended
    }

    /// Tells what was noted. What held no frame was read all the same.
    pub(super) fn tell(&mut self, sink: &mut dyn Sink) {
        for note in self.notes.drain(..) {
            match note {
                Note::Trouble(trouble) => sink.trouble(trouble),
                Note::UnknownLink { path, number, reason } => sink.unknown_link(&path, number, &reason),
            }
        }
        let (bytes, frames) = take(&mut self.progress);
        self.stopped |= !sink.progress(bytes, frames);
    }

    /// Reads ahead until there is enough to make the key from.
    pub(super) fn make_seed(&mut self, sink: &mut dyn Sink) -> u64 {
        let (mut maker, mut read) = (KeyMaker::default(), VecDeque::new());
        while !maker.is_done() {
            let mut batch = Batch::default();
            let more = self.pull(&mut batch);
            self.tell(sink);
            if !more {
                break;
            }
            for piece in &batch.pieces {
                if !maker.is_done() {
                    batch.walk(piece, |frame| maker.absorb(&frame));
                }
            }
            read.push_back(batch);
        }
        self.held = read;
        self.rushed = self.stopped && !maker.is_done();
        maker.seed()
    }
}

/// So often somebody looks whether it is his turn before he falls asleep: some tens of microseconds, in which a batch is read.
const PATIENCE: u32 = 2_000;

/// How often one of so many workers looks. With more of them than cores whoever is at the counter may need the core of who looks.
pub(super) fn patience(workers: usize) -> u32 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    if workers <= cores { PATIENCE } else { 0 }
}

/// Where workers get their batches in a round.
pub(super) struct Desk<'a, 'f> {
    counter: Mutex<Counter<'a, 'f>>,
    filter: Option<&'a RwLock<Filter>>,
    wanted: Wanted<'a>,
    /// Somebody needs the bytes of the round's batches later.
    keep: bool,
    /// The next batch may not be there yet: all else comes first.
    may_wait: bool,
    patience: u32,
}

/// What only one worker at a time has in its hands.
struct Counter<'a, 'f> {
    feed: &'a mut Feed<'f>,
    slots: IterMut<'a, Slot>,
    given: usize,
}

impl<'a, 'f> Desk<'a, 'f> {
    pub(super) fn new(
        feed: &'a mut Feed<'f>,
        slots: &'a mut [Slot],
        filter: Option<&'a RwLock<Filter>>,
        wanted: Wanted<'a>,
        keep: bool,
    ) -> Self {
        // Of a wire there is one batch in a round, since it has to be waited for.
        let may_wait = slots.len() == 1;
        let counter = Mutex::new(Counter { feed, slots: slots.iter_mut(), given: 0 });
        Self { counter, filter, wanted, keep, may_wait, patience: PATIENCE }
    }

    /// Whose workers look so often whether it is their turn.
    pub(super) fn with_patience(self, patience: u32) -> Self {
        Self { patience, ..self }
    }

    /// Works off batches until all slots are given out, or there are no more; their bytes go into `buffer`. While somebody else is at
    /// the counter, and at the end, does what there is beside: `other` does some of it, and is false when there is nothing left.
    pub(super) fn work(&self, buffer: &mut Vec<u8>, mut other: impl FnMut() -> bool) {
        if self.may_wait {
            while other() {}
        }
        loop {
            let counter = match self.counter.try_lock() {
                Ok(counter) => counter,
                Err(TryLockError::Poisoned(counter)) => counter.into_inner(),
                Err(TryLockError::WouldBlock) if other() => continue,
                Err(TryLockError::WouldBlock) => self.turn(),
            };
            let Some(slot) = self.next(counter, buffer) else { break };
            // Who has this one waits for nobody.
            let filter = self.filter.map(|filter| filter.read().unwrap_or_else(PoisonError::into_inner));
            slot.work.digest(&slot.batch, self.wanted, filter.as_deref());
            if !self.keep {
                *buffer = take(&mut slot.batch.bytes);
            }
        }
        while other() {}
    }

    /// The next slot, with its batch.
    fn next(&self, mut counter: MutexGuard<'_, Counter<'a, 'f>>, buffer: &mut Vec<u8>) -> Option<&'a mut Slot> {
        let slot = counter.slots.next()?;
        if !self.keep {
            slot.batch.bytes = take(buffer);
        }
        if !counter.feed.pull(&mut slot.batch) {
            counter.slots = IterMut::default();
            return None;
        }
        counter.given += 1;
        if counter.feed.silent {
            counter.slots = IterMut::default();
        }
        if let Some(filter) = self.filter {
            prepare(filter, &slot.batch, &mut counter.feed.notes);
        }
        Some(slot)
    }

    /// Waits for its turn at the counter. Who is there reads, and waits for nobody but the source: mostly for no longer than it
    /// would take to fall asleep and be woken again.
    fn turn(&self) -> MutexGuard<'_, Counter<'a, 'f>> {
        for _ in 0..self.patience {
            match self.counter.try_lock() {
                Ok(counter) => return counter,
                Err(TryLockError::Poisoned(counter)) => return counter.into_inner(),
                Err(TryLockError::WouldBlock) => spin_loop(),
            }
        }
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many slots were given out.
    pub(super) fn close(self) -> usize {
        self.counter.into_inner().unwrap_or_else(PoisonError::into_inner).given
    }
}

/// Makes the filter ready for a batch, and notes for which of its frames it makes no sense.
fn prepare(filter: &RwLock<Filter>, batch: &Batch, notes: &mut Vec<Note>) {
    if filter.read().unwrap_or_else(PoisonError::into_inner).is_ready(batch) {
        return;
    }
    let told = filter.write().unwrap_or_else(PoisonError::into_inner).prepare(batch);
    if let (Err(reason), Some(piece)) = (told, batch.pieces.first())
        && let Some(path) = batch.origin_of(piece.first_seq)
    {
        notes.push(Note::UnknownLink { path: Arc::clone(path), number: piece.first_number, reason });
    }
}
