//! What falls due in a cell: answers that did not come, scans that have gone quiet.
//!
//! In: the clock. Out: what is due, in order, each with its exact time. Answers all wait equally long
//! and the clock never runs back, so that a queue serves; scans are few and go by a heap.
//! Must not know what is done about them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io,
};

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        contacts::{Moves, Slot},
        near,
        technique::Technique,
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    source::Time,
};

/// A first contact that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Something that falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// An answer that has not come, unless it has.
    Answer(Awaited),
    /// A chore about a scan.
    Chore(Appointment),
}

/// Chores that are kept without looking whether anybody expects them.
const FEW: usize = 64;

/// Chores that a state may hold: each is of a suspect, and no cell has as many.
const APPOINTMENTS: usize = 1 << 22;

/// When nothing is due.
const NEVER: Time = Time(i64::MAX);

/// More than there are packets under way at a time (`ahead.rs`): those of them that turn out to be no first contacts push nobody out.
const UNDER_WAY: usize = 32;

/// So many answers further on what is to be looked at soon is fetched.
const NEAR: usize = 8;

/// All deadlines of a cell.
#[derive(Debug)]
pub struct Deadlines {
    answers: VecDeque<Awaited>,
    most: usize,
    /// So many of the first answers have their contacts fetched, and so many the places of their sources.
    approached: usize,
    arrived: usize,
    scans: BinaryHeap<Reverse<Appointment>>,
    /// When the first of them is due: it is asked for at each packet.
    soonest: Time,
    /// So many chores make it worth looking which of them are still expected.
    many: usize,
}

impl Deadlines {
    /// Bytes that one awaited answer costs.
    pub const COST: usize = size_of::<Awaited>();

    /// Room for `most` awaited answers.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (answers, scans) = Default::default();
        Self { answers, most, approached: 0, arrived: 0, scans, soonest: NEVER, many: FEW }
    }

    /// Waits for an answer. When there is no room the one that has waited longest is handed back:
    /// its time is up early. (A part of the caller: what is written word by word and then read as a whole has to wait for all writes before it.)
    #[inline]
    pub fn await_answer(&mut self, awaited: Awaited) -> Option<Awaited> {
        let early = if self.answers.len() >= self.most { self.unanswered() } else { None };
        if self.answers.capacity() == 0 {
            self.begin();
        }
        self.answers.push_back(awaited);
        early
    }

    /// Takes addresses for all that may wait; memory only as the ring goes round.
    #[cold]
    fn begin(&mut self) {
        self.answers.reserve_exact(self.most);
    }

    /// The contacts that are awaited have gone elsewhere.
    pub fn follow(&mut self, moves: &Moves) {
        self.answers.iter_mut().for_each(|awaited| awaited.slot = moves.of(awaited.slot));
    }

    /// Appoints a chore. When there have become many, those that nobody `expects` any more are forgotten first:
    /// scans that were given up leave theirs behind, and a flood of them must not pile up for a day.
    pub fn appoint(&mut self, appointment: Appointment, expects: impl Fn(&Appointment) -> bool) {
        if self.scans.len() >= self.many {
            self.scans.retain(|Reverse(appointment)| expects(appointment));
            self.many = FEW.max(2 * self.scans.len());
        }
        self.scans.push(Reverse(appointment));
        self.look_up();
    }

    /// Finds out which chore is due first.
    fn look_up(&mut self) {
        self.soonest = self.scans.peek().map_or(NEVER, |Reverse((due, ..))| *due);
    }

    /// What falls due next, at `now` at the latest. One order for both sorts: it must not matter how often
    /// somebody looks.
    #[inline]
    pub fn next(&mut self, now: Time) -> Option<Due> {
        let answer = self.answers.front().map_or(NEVER, |awaited| awaited.due);
        if answer.min(self.soonest) > now {
            None
        } else if self.soonest < answer {
            self.chore()
        } else {
            self.unanswered().map(Due::Answer)
        }
    }

    /// Forgets what was handed out: it has gone from the caches by now.
    #[inline]
    pub(super) fn begin_anew(&mut self) {
        (self.approached, self.arrived) = (0, 0);
    }

    /// Hands those to `fetch` that fall due until `clock` and were not handed out so before; and where another may come, for which there is
    /// no room, one that then goes early.
    #[inline]
    pub(super) fn approach(&mut self, clock: Time, another: bool, mut fetch: impl FnMut(&Awaited)) {
        let mut early = another && self.answers.len() >= self.most && self.approached < UNDER_WAY;
        while let Some(awaited) = self.answers.get(self.approached).filter(|awaited| early || awaited.due <= clock) {
            fetch(awaited);
            self.approached += 1;
            self.answers.get(self.approached + NEAR).into_iter().for_each(near::bring);
            early = false;
        }
    }

    /// Hands those to `fetch` that [`Deadlines::approach`] has handed out.
    #[inline]
    pub(super) fn arrive(&mut self, mut fetch: impl FnMut(&Awaited)) {
        while self.arrived < self.approached {
            self.answers.get(self.arrived).into_iter().for_each(&mut fetch);
            self.arrived += 1;
        }
    }

    /// The packet whose answer is awaited the longest.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.answers.front().map(|awaited| awaited.seq)
    }

    /// The next awaited answer, due or not.
    pub fn unanswered(&mut self) -> Option<Awaited> {
        self.approached = self.approached.saturating_sub(1);
        self.arrived = self.arrived.saturating_sub(1);
        self.answers.pop_front()
    }

    /// How many chores are appointed.
    #[must_use]
    pub fn appointments(&self) -> usize {
        self.scans.len()
    }

    fn chore(&mut self) -> Option<Due> {
        let next = self.scans.pop().map(|Reverse(appointment)| Due::Chore(appointment));
        self.look_up();
        next
    }
}

impl Kept for Deadlines {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // How many answers have room follows from the memory, the soonest chore from them all, and what is being fetched is no part of what is known.
        let Self { answers, most: _, approached: _, arrived: _, scans, soonest: _, many } = self;
        to.put(answers)?;
        to.list(scans.iter())?;
        to.put(many)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.answers.extend(from.list::<Vec<Awaited>>(self.most)?);
        self.scans = from.list(APPOINTMENTS)?;
        self.look_up();
        self.many = from.take::<usize>()?.max(FEW);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{contacts::Contacts, samples::host};

    fn awaited(due: i64) -> Awaited {
        let key = crate::dispatch::Key::new(1);
        let mut table = Contacts::new(4096, &key);
        let door =
            crate::cells::contacts::Door { source: host(2), target: host(1), port: 1, protocol: 6, incoming: false };
        let name = door.name(&key, 1, 2);
        table.find_or_insert(name, &door, Time(0));
        let slot = table.find(name, &door, Time(0)).unwrap().slot;
        Awaited { due: Time(due), seq: 0, slot, mark: 0 }
    }

    fn chore(due: i64) -> Appointment {
        (Time(due), host(2), Technique::TcpSyn, Chore::Quiet)
    }

    #[test]
    fn answers_and_chores_fall_due_in_one_order_and_not_before() {
        let mut deadlines = Deadlines::new(8);
        for due in [10, 30] {
            assert_eq!(deadlines.await_answer(awaited(due)), None);
        }
        deadlines.appoint(chore(20), |_| true);
        deadlines.appoint(chore(5), |_| true);
        let mut seen = Vec::new();
        while let Some(due) = deadlines.next(Time(25)) {
            seen.push(match due {
                Due::Answer(awaited) => ("answer", awaited.due.0),
                Due::Chore((due, ..)) => ("chore", due.0),
            });
        }
        assert_eq!(seen, [("chore", 5), ("answer", 10), ("chore", 20)]);
        assert_eq!(deadlines.next(Time(29)), None);
        assert!(deadlines.next(Time(30)).is_some());
    }

    #[test]
    fn when_too_many_wait_the_longest_waiting_is_handed_back() {
        let mut deadlines = Deadlines::new(2);
        assert_eq!(deadlines.await_answer(awaited(1)), None);
        assert_eq!(deadlines.await_answer(awaited(2)), None);
        assert_eq!(deadlines.await_answer(awaited(3)).map(|a| a.due), Some(Time(1)));
    }

    #[test]
    fn chores_that_nobody_expects_do_not_pile_up() {
        let mut deadlines = Deadlines::new(2);
        for due in 0..100_000 {
            deadlines.appoint(chore(due), |(due, ..)| due.0 % 1_000 == 0);
        }
        assert!(deadlines.appointments() <= 2 * 100 + FEW, "{}", deadlines.appointments());
        let kept = std::iter::from_fn(|| deadlines.next(Time(i64::MAX)))
            .filter(|due| matches!(due, Due::Chore((due, ..)) if due.0 % 1_000 == 0));
        assert_eq!(kept.count(), 100, "the expected ones are all there");
    }
}
