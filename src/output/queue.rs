//! The bounded queue between the program and one output, and the count of what became of all.
//!
//! In: events, from the one thread that routes them. Out: batches in the same order, to the
//! one thread that writes them. A full queue waits or drops by its [`Policy`]; whatever is not
//! delivered is counted. Must not know plugins or formats.
//!
//! Read next: `worker.rs` (who takes), `mod.rs` (who puts).

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tripline_plugin::Event;

/// What a full queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Waits until there is room: `read`, where nothing may be lost.
    Wait,
    /// Gives up the event with the lowest trust, then severity, of those that wait and the new
    /// one; among equals the newest. `watch`, where packets do not wait for a slow disk.
    DropLeast,
    /// Counts events and takes none: `read` without `--deliver`, for outputs that leave the machine.
    Withhold,
}

/// What was done with the events of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) offered: u64,
    pub(super) delivered: u64,
    pub(super) rejected: u64,
    /// Why the output stopped, or else why it first rejected something.
    pub(super) error: Option<String>,
}

/// What a taker is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Write what was taken; flush if that is all for now.
    Batch {
        /// Nothing waits any more.
        last: bool,
    },
    /// Open the destination anew.
    Reopen,
    /// All is written that was put: say where the destination stands.
    Position,
    /// Nothing comes any more.
    End,
}

/// A queue of a fixed capacity.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    policy: Policy,
    capacity: usize,
}

/// How long it waits for room before it looks around.
const PAUSE: Duration = Duration::from_millis(200);

/// Ranks of events: statistics, nine of scans (trust, then severity), anomalies.
const RANKS: usize = 11;

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, and most meet")]
struct State {
    /// One line for each rank, so that the least is found at once; each entry with its number,
    /// so that the order of all is kept.
    lines: [VecDeque<(u64, Arc<Event>)>; RANKS],
    waiting: usize,
    next: u64,
    /// Dropped since the last batch was taken.
    lost: u64,
    reopen: bool,
    /// Somebody waits to hear where the destination stands.
    asked: bool,
    /// What he is to hear.
    position: Option<Result<u64, String>>,
    /// Nobody puts any more.
    closed: bool,
    /// Nobody takes any more.
    failed: bool,
    /// The taker's thread is at its end.
    ended: bool,
    /// The destination does not take anything for now.
    troubled: bool,
    /// What others should hear of this output, until it was fetched.
    news: Option<String>,
    tally: Tally,
}

/// How much would be missed. An anomaly often stands for thousands of scans; statistics come again.
fn rank(event: &Event) -> usize {
    match (&event.scan, &event.anomaly) {
        (Some(scan), _) => 1 + 3 * scan.trust as usize + scan.severity as usize,
        (None, Some(_)) => RANKS - 1,
        (None, None) => 0,
    }
}

impl Queue {
    pub(super) fn new(policy: Policy, capacity: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), policy, capacity }
    }

    /// A panicking plugin poisons nothing: the state is whole between any two statements here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event in. When the queue is full and the policy says so, it waits for room, calling
    /// `meanwhile` now and then; never once the output has failed.
    pub(super) fn put(&self, event: &Arc<Event>, meanwhile: impl Fn()) {
        let mut state = self.state();
        state.tally.offered += 1;
        while self.policy == Policy::Wait && state.waiting >= self.capacity && !state.failed {
            let (waited, time) = self.emptied.wait_timeout(state, PAUSE).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if time.timed_out() {
                drop(state);
                meanwhile();
                state = self.state();
            }
        }
        self.push(state, event);
    }

    /// Puts an event in without waiting, whatever the policy: a full queue drops.
    pub(super) fn offer(&self, event: &Arc<Event>) {
        let mut state = self.state();
        state.tally.offered += 1;
        self.push(state, event);
    }

    fn push(&self, mut state: MutexGuard<'_, State>, event: &Arc<Event>) {
        if state.failed || self.policy == Policy::Withhold {
            return;
        }
        let rank = rank(event);
        if state.waiting >= self.capacity {
            state.lost += 1;
            // The lowest line that holds anything, below the newcomer's own.
            match state.lines.iter_mut().take(rank).find_map(VecDeque::pop_back) {
                Some(_) => state.waiting -= 1,
                None => return,
            }
        }
        let number = state.next;
        state.next += 1;
        state.waiting += 1;
        if let Some(line) = state.lines.get_mut(rank) {
            line.push_back((number, event.clone()));
        }
        self.filled.notify_one();
    }

    /// Moves up to `most` events into `batch`, in the order they were put; waits for the first.
    /// What was dropped before is said in the first one's `dropped_before`.
    pub(super) fn take(&self, batch: &mut Vec<Arc<Event>>, most: usize) -> Taken {
        let mut state = self.state();
        loop {
            if std::mem::take(&mut state.reopen) {
                return Taken::Reopen;
            }
            if state.waiting > 0 {
                break;
            }
            if std::mem::take(&mut state.asked) {
                return Taken::Position;
            }
            if state.closed {
                return Taken::End;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        batch.clear();
        while batch.len() < most {
            let oldest = state.lines.iter_mut().filter(|line| !line.is_empty());
            let oldest = oldest.min_by_key(|line| line.front().map_or(u64::MAX, |(number, _)| *number));
            let Some((_, event)) = oldest.and_then(VecDeque::pop_front) else { break };
            batch.push(event);
        }
        state.waiting -= batch.len();
        let lost = std::mem::take(&mut state.lost);
        if let Some(first) = batch.first_mut().filter(|_| lost > 0) {
            *first = Arc::new(Event { dropped_before: Some(lost), ..Event::clone(first) });
        }
        self.emptied.notify_all();
        Taken::Batch { last: state.waiting == 0 }
    }

    /// Nobody will put any more; what waits is still to be taken.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_one();
    }

    /// Whether [`Queue::close`] was called.
    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Nobody will take any more: what waits is lost, and whoever waits to put goes on.
    pub(super) fn fail(&self, why: String) {
        let mut state = self.state();
        state.failed = true;
        state.news = Some(format!("has failed: {why}"));
        state.tally.error = Some(why);
        state.lines = Default::default();
        state.waiting = 0;
        self.emptied.notify_all();
    }

    /// Why nobody takes any more, if so.
    pub(super) fn failure(&self) -> Option<String> {
        let state = self.state();
        state.tally.error.clone().filter(|_| state.failed)
    }

    /// The destination does not take anything for now, and is tried again.
    pub(super) fn troubled(&self, why: &str) {
        let mut state = self.state();
        if !state.troubled {
            state.troubled = true;
            state.news = Some(format!("does not get through and is tried again: {why}"));
        }
    }

    /// The destination took something.
    pub(super) fn well(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.troubled) {
            state.news = Some("gets through again".into());
        }
    }

    /// What others should hear of this output since the last call.
    pub(super) fn news(&self) -> Option<String> {
        self.state().news.take()
    }

    /// The taker's thread is at its end.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.emptied.notify_all();
    }

    /// Waits until the taker is at its end, so long at most (`None`: as long as it takes). Whether it is.
    pub(super) fn wait_for_end(&self, at_most: Option<Duration>) -> bool {
        let state = self.state();
        let goes_on = |state: &mut State| !state.ended;
        match at_most {
            None => self.emptied.wait_while(state, goes_on).unwrap_or_else(PoisonError::into_inner).ended,
            Some(time) => {
                let waited = self.emptied.wait_timeout_while(state, time, goes_on);
                waited.unwrap_or_else(PoisonError::into_inner).0.ended
            }
        }
    }

    /// Asks the taker to open its destination anew, before the next batch.
    pub(super) fn reopen(&self) {
        self.state().reopen = true;
        self.filled.notify_one();
    }

    /// Waits until all that was put is written, and hears where the destination stands.
    ///
    /// # Errors
    /// Nobody takes any more, or it has no such place, in words.
    pub(super) fn ask_position(&self) -> Result<u64, String> {
        let mut state = self.state();
        (state.asked, state.position) = (true, None);
        self.filled.notify_one();
        let waits = |state: &mut State| state.position.is_none() && !state.failed && !state.ended;
        let mut state = self.emptied.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        let failure = || state.tally.error.clone().unwrap_or_else(|| "it is at its end".into());
        let failed = state.failed.then(failure);
        match (failed, state.position.take()) {
            (None, Some(position)) => position,
            (failed, _) => Err(failed.unwrap_or_else(|| "it is at its end".into())),
        }
    }

    /// The answer to [`Taken::Position`].
    pub(super) fn stands(&self, position: Result<u64, String>) {
        self.state().position = Some(position);
        self.emptied.notify_all();
    }

    /// What must be known to go on counting later: the counts, and what was dropped and not said yet.
    pub(super) fn counts(&self) -> (Tally, u64) {
        let state = self.state();
        (state.tally.clone(), state.lost)
    }

    /// Goes on counting.
    pub(super) fn count_on(&self, (tally, lost): (Tally, u64)) {
        let mut state = self.state();
        (state.tally, state.lost) = (tally, lost);
    }

    /// Counts what was written.
    pub(super) fn delivered(&self, events: usize) {
        self.state().tally.delivered += events as u64;
    }

    /// Counts an event that the destination will never take.
    pub(super) fn rejected(&self, why: String) {
        let mut state = self.state();
        state.tally.rejected += 1;
        state.tally.error.get_or_insert(why);
    }

    /// The counts so far.
    pub(super) fn tally(&self) -> Tally {
        self.state().tally.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tripline_plugin::{
        event::{Scan, Severity, Trust},
        sample_events,
    };

    use super::*;

    /// An event with this trust and severity, told apart by its time.
    fn event(at: i64, trust: Trust, severity: Severity) -> Arc<Event> {
        let mut event = sample_events().remove(0);
        event.timestamp = at;
        event.scan = event.scan.map(|scan| Box::new(Scan { trust, severity, ..*scan }));
        Arc::new(event)
    }

    fn put(queue: &Queue, event: &Arc<Event>) {
        queue.put(event, || {});
    }

    fn low(at: i64) -> Arc<Event> {
        event(at, Trust::Spoofable, Severity::Low)
    }

    fn taken(queue: &Queue, most: usize) -> Vec<i64> {
        let mut batch = Vec::new();
        assert_ne!(queue.take(&mut batch, most), Taken::End);
        batch.iter().map(|event| event.timestamp).collect()
    }

    #[test]
    fn events_leave_in_the_order_they_came_whatever_their_rank() {
        let queue = Queue::new(Policy::Wait, 100);
        for at in 0..9 {
            let trust = [Trust::Confirmed, Trust::Spoofable, Trust::Reacted][at as usize % 3];
            put(&queue, &event(at, trust, Severity::Medium));
        }
        assert_eq!(taken(&queue, 4), [0, 1, 2, 3]);
        assert_eq!(taken(&queue, 256), [4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_full_queue_makes_read_wait_and_loses_nothing() {
        let queue = Queue::new(Policy::Wait, 2);
        thread::scope(|scope| {
            scope.spawn(|| (0..1_000).for_each(|at| put(&queue, &low(at))));
            let mut all = Vec::new();
            while all.len() < 1_000 {
                let batch = taken(&queue, 256);
                assert!(batch.len() <= 2);
                all.extend(batch);
            }
            assert_eq!(all, (0..1_000).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_full_queue_gives_up_the_least_first_and_says_how_many() {
        let queue = Queue::new(Policy::DropLeast, 3);
        put(&queue, &event(0, Trust::Reacted, Severity::Low));
        put(&queue, &low(1));
        put(&queue, &event(2, Trust::Spoofable, Severity::High));
        put(&queue, &event(3, Trust::Confirmed, Severity::Low)); // instead of 1
        put(&queue, &low(4)); // is itself the least
        put(&queue, &event(5, Trust::Spoofable, Severity::High)); // no better than 2, and newer
        put(&queue, &event(6, Trust::Reacted, Severity::High)); // instead of 2
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, 256), Taken::Batch { last: true });
        assert_eq!(batch.iter().map(|event| event.timestamp).collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(batch.iter().map(|event| event.dropped_before).collect::<Vec<_>>(), [Some(4), None, None]);
    }

    #[test]
    fn forged_scans_never_push_out_proven_ones_or_anomalies() {
        let queue = Queue::new(Policy::DropLeast, 2);
        let anomaly = sample_events().into_iter().find(|event| event.anomaly.is_some()).unwrap();
        put(&queue, &event(1, Trust::Reacted, Severity::Low));
        put(&queue, &Arc::new(anomaly.clone()));
        (2..1_000).for_each(|at| put(&queue, &event(at, Trust::Spoofable, Severity::High)));
        assert_eq!(taken(&queue, 256), [1, anomaly.timestamp]);
    }

    #[test]
    fn whoever_waits_for_a_failed_output_goes_on() {
        let queue = Queue::new(Policy::Wait, 1);
        thread::scope(|scope| {
            let putting = scope.spawn(|| (0..100).for_each(|at| put(&queue, &low(at))));
            thread::sleep(Duration::from_millis(20));
            assert!(!putting.is_finished(), "a full queue waits");
            queue.fail("gone".into());
        });
        assert_eq!(queue.failure().as_deref(), Some("gone"));
        assert_eq!((queue.tally().offered, queue.tally().delivered), (100, 0));
    }

    #[test]
    fn what_waits_at_the_end_is_still_taken() {
        let queue = Queue::new(Policy::Wait, 10);
        put(&queue, &low(1));
        queue.close();
        assert_eq!(taken(&queue, 256), [1]);
        assert_eq!(queue.take(&mut Vec::new(), 256), Taken::End);
    }

    #[test]
    fn what_was_lost_is_said_before_the_next_and_no_order_is_broken() {
        let ranks = |a: u8| (Trust::Spoofable, [Severity::Low, Severity::Medium, Severity::High][a as usize % 3]);
        proptest::proptest!(|(steps in proptest::collection::vec(0_u8..12, 1..200))| {
            let queue = Queue::new(Policy::DropLeast, 5);
            let (mut offered, mut got, mut said) = (0, Vec::new(), 0);
            let mut batch = Vec::new();
            for step in steps {
                if step < 9 {
                    offered += 1;
                    put(&queue, &event(offered, ranks(step).0, ranks(step).1));
                } else if queue.state().waiting > 0 {
                    queue.take(&mut batch, 3);
                    proptest::prop_assert!(batch.iter().skip(1).all(|event| event.dropped_before.is_none()));
                    said += batch[0].dropped_before.unwrap_or(0);
                    got.extend(batch.iter().map(|event| event.timestamp));
                }
            }
            proptest::prop_assert!(got.is_sorted());
            let state = queue.state();
            proptest::prop_assert_eq!(offered as u64, got.len() as u64 + said + state.lost + state.waiting as u64);
        });
    }

    #[test]
    fn who_waits_for_room_may_look_around_meanwhile() {
        let queue = Queue::new(Policy::Wait, 1);
        put(&queue, &low(1));
        let looked = std::cell::Cell::new(false);
        queue.put(&low(2), || {
            looked.set(true);
            queue.take(&mut Vec::new(), 1);
        });
        assert!(looked.get());
        assert_eq!(taken(&queue, 9), [2]);
    }

    #[test]
    fn what_is_withheld_is_counted_and_never_waits() {
        let queue = Queue::new(Policy::Withhold, 1);
        (0..10).for_each(|at| put(&queue, &low(at)));
        assert_eq!((queue.tally().offered, queue.state().waiting), (10, 0));
    }

    #[test]
    fn troubles_and_their_end_are_news_once() {
        let queue = Queue::new(Policy::Wait, 1);
        queue.well();
        assert_eq!(queue.news(), None);
        queue.troubled("no room");
        queue.troubled("no room");
        assert_eq!(queue.news().as_deref(), Some("does not get through and is tried again: no room"));
        assert_eq!(queue.news(), None);
        queue.well();
        assert_eq!(queue.news().as_deref(), Some("gets through again"));
    }

    #[test]
    fn a_request_to_reopen_comes_before_what_waits() {
        let queue = Queue::new(Policy::Wait, 10);
        put(&queue, &low(1));
        queue.reopen();
        assert_eq!(queue.take(&mut Vec::new(), 256), Taken::Reopen);
        assert_eq!(taken(&queue, 256), [1]);
    }
}
