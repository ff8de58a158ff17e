//! No more than so many events in so much time.
//!
//! In: a rule, the event's addresses, its time. Out: whether it may pass, or which window is full. Runs on capture
//! time alone, so an archive read twice is limited the same way twice.
//! Must not know what an event is, nor that the `end` of a scan whose `begin` went out always
//! passes: `route.rs` sees to that.
//!
//! Memory is bounded whatever is thrown at it: when the table is full of running windows,
//! newcomers share one window of their rule, so that forged sources limit each other.
//! Read next: `route.rs`; `digest.rs` (what becomes of the others).

use std::{collections::HashMap, io, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Kept, Reader, Unfit, Writer};

/// `limit = { events = 20, per = "1m", by = "source" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many events pass.
    pub events: u64,
    /// In so many nanoseconds of capture time.
    pub per: i64,
    /// Counted for what.
    pub by: By,
}

/// What has a count of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Each source.
    Source,
    /// Each target.
    Target,
    /// The rule.
    All,
}

/// Windows that run at the same time at most; about 4 MiB.
const WINDOWS: usize = 65_536;

/// Old windows are looked for at most this often, in nanoseconds: under a flood of new
/// sources each look would walk the whole table in vain.
const SWEEP: i64 = 1_000_000_000;

/// The running windows of all rules.
#[derive(Debug, Default)]
pub struct Windows {
    running: HashMap<(usize, Option<IpAddr>), Window>,
    swept: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Window {
    start: i64,
    per: i64,
    passed: u64,
}

impl Window {
    /// A stamp from long before the start is of another part of the archive.
    fn is_over(&self, now: i64) -> bool {
        let age = now.saturating_sub(self.start);
        age >= self.per || age < self.per.saturating_neg()
    }
}

/// A window that lets nothing more through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Whose it is; `None` when it is that of all.
    pub who: Option<IpAddr>,
    /// When it is over (nanoseconds since 1970).
    pub end: i64,
}

impl Windows {
    /// Counts one more event of rule number `rule` at `now` (nanoseconds since 1970); `None`
    /// when it may pass, else the window that is full.
    pub fn hold(&mut self, rule: usize, limit: &Limit, who: Option<IpAddr>, now: i64) -> Option<Full> {
        let fresh = Window { start: now, per: limit.per, passed: 0 };
        let key = self.key(rule, who, now);
        let window = self.running.entry(key).or_insert(fresh);
        if window.is_over(now) {
            *window = fresh;
        }
        let passes = window.passed < limit.events;
        window.passed += u64::from(passes);
        (!passes).then(|| Full { who: key.1, end: window.start.saturating_add(window.per) })
    }

    /// The key under which an event counts: its own, or that of all when there is no room.
    fn key(&mut self, rule: usize, who: Option<IpAddr>, now: i64) -> (usize, Option<IpAddr>) {
        let key = (rule, who);
        if self.running.len() < WINDOWS || self.running.contains_key(&key) {
            return key;
        }
        if now.saturating_sub(self.swept).saturating_abs() >= SWEEP {
            self.swept = now;
            self.running.retain(|_, window| !window.is_over(now));
        }
        if self.running.len() < WINDOWS { key } else { (rule, None) }
    }
}

impl Kept for Windows {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { running, swept } = self;
        to.list(running.iter())?;
        to.put(swept)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let running = from.list::<Vec<((usize, Option<IpAddr>), Window)>>(2 * WINDOWS)?;
        self.running.extend(running);
        self.swept = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const LIMIT: Limit = Limit { events: 2, per: 60 * SECOND, by: By::Source };

    fn host(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn so_many_pass_in_so_much_time() {
        let mut windows = Windows::default();
        let passed: Vec<bool> = [0, 10, 20, 59, 60, 61, 62]
            .map(|second| windows.hold(0, &LIMIT, Some(host(1)), second * SECOND).is_none())
            .into();
        assert_eq!(passed, [true, true, false, false, true, true, false]);
    }

    #[test]
    fn sources_and_rules_have_counts_of_their_own() {
        let mut windows = Windows::default();
        let mut at = |rule, n| windows.hold(rule, &LIMIT, Some(host(n)), 0).is_none();
        assert!(at(0, 1) && at(0, 1) && !at(0, 1));
        assert!(at(0, 2) && at(1, 1));
    }

    #[test]
    fn a_full_window_says_whose_it_is_and_when_it_ends() {
        let mut windows = Windows::default();
        let mut at = |second: i64| windows.hold(0, &LIMIT, Some(host(1)), second * SECOND);
        assert_eq!((at(5), at(6)), (None, None));
        assert_eq!(at(7), Some(Full { who: Some(host(1)), end: 65 * SECOND }));
    }

    #[test]
    fn stamps_that_step_far_back_begin_anew() {
        let mut windows = Windows::default();
        let mut at = |second: i64| windows.hold(0, &LIMIT, Some(host(1)), second * SECOND).is_none();
        assert!(at(1_000) && at(1_001) && !at(999) && at(10));
    }

    #[test]
    fn a_flood_of_sources_cannot_fill_the_memory() {
        let mut windows = Windows::default();
        let passed = (0..2 * WINDOWS as u32).filter(|n| windows.hold(0, &LIMIT, Some(host(*n)), 0).is_none()).count();
        assert!(windows.running.len() <= WINDOWS + 1);
        assert_eq!(passed, WINDOWS + LIMIT.events as usize);
        // When the windows are over, there is room again for each.
        assert!((0..10).all(|n| windows.hold(0, &LIMIT, Some(host(n + 1_000_000)), 120 * SECOND).is_none()));
        assert!(windows.running.len() <= 10);
    }
}
