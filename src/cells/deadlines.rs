//! What falls due in a cell: answers that did not come, scans that have gone quiet.
//!
//! In: the clock. Out: what is due, in order, each with its exact time. Answers all wait equally long
//! and the clock never runs back, so that a queue serves; scans are few and go by a heap.
//! Must not know what is done about them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use crate::{
    cells::{contacts::Slot, technique::Technique},
    decode::Address,
    source::Time,
};

/// A first contact that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    /// When it counts as silent.
    pub due: Time,
    /// The packet that knocked.
    pub seq: u64,
    /// Its contact, if that is still the one that bears the mark.
    pub slot: Slot,
    /// See [`Awaited::mark`].
    pub mark: u32,
}

impl Awaited {
    /// What a contact is recognised by when its slot may have been given to another: of its first stamp
    /// what the low half holds, 4 s in nanoseconds.
    #[must_use]
    pub fn mark(first: Time) -> u32 {
        first.0 as u32
    }
}

/// What is due of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// See whether it has gone quiet.
    Quiet,
    /// Report that it goes on.
    Day,
    /// See whether the source has come back to the doors that it left without a word.
    Review,
}

/// When something is due of whose scan.
pub type Appointment = (Time, Address, Technique, Chore);

/// All deadlines of a cell.
#[derive(Debug, Default)]
pub struct Deadlines {
    answers: VecDeque<Awaited>,
    most: usize,
    scans: BinaryHeap<Reverse<Appointment>>,
}

impl Deadlines {
    /// Bytes that one awaited answer costs.
    pub const COST: usize = size_of::<Awaited>();

    /// Room for `most` awaited answers.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { answers: VecDeque::with_capacity(most), most, scans: BinaryHeap::new() }
    }

    /// Waits for an answer. When there is no room the one that has waited longest is handed back:
    /// its time is up early.
    pub fn await_answer(&mut self, awaited: Awaited) -> Option<Awaited> {
        let early = if self.answers.len() >= self.most { self.answers.pop_front() } else { None };
        self.answers.push_back(awaited);
        early
    }

    /// The next answer that is overdue at `now`.
    #[inline]
    pub fn overdue(&mut self, now: Time) -> Option<Awaited> {
        self.answers.front().filter(|awaited| awaited.due <= now)?;
        self.answers.pop_front()
    }

    /// Appoints a chore.
    pub fn appoint(&mut self, due: Time, source: Address, technique: Technique, chore: Chore) {
        self.scans.push(Reverse((due, source, technique, chore)));
    }

    /// The next chore that is due at `now`.
    #[inline]
    pub fn chore(&mut self, now: Time) -> Option<Appointment> {
        self.scans.peek().filter(|Reverse((due, ..))| *due <= now)?;
        self.scans.pop().map(|Reverse(appointment)| appointment)
    }
}
