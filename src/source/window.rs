//! `--since` and `--until`: the span of capture time that is looked at.
//!
//! In: stamps. Out: whether they lie inside, or so far outside that a whole file can be left out.
//! Must not know where stamps come from.
//! Read next: `cut.rs` (frames outside), `tail.rs` and `archive.rs` (files outside).

use super::Time;

/// From one time up to, but not including, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    since: Time,
    until: Time,
}

/// Stamps in a file may be out of order, between queues and interfaces by seconds. A file is left out
/// whole only when it is this far away, an hour, so that nobody has to think of it.
const SLACK: i64 = 3_600 * Time::SECOND;

impl Window {
    /// From `since` up to `until`; nothing stands for no end. `None` when no time lies between them.
    pub fn new(since: Option<Time>, until: Option<Time>) -> Option<Self> {
        let window = Self { since: since.unwrap_or(Time(i64::MIN)), until: until.unwrap_or(Time(i64::MAX)) };
        (window.since < window.until).then_some(window)
    }

    /// Whether a frame of this stamp is looked at.
    #[inline]
    pub fn holds(&self, stamp: Time) -> bool {
        self.since <= stamp && stamp < self.until
    }

    /// Whether a file that begins at `first` is over before anybody looks at it.
    pub(super) fn is_before(&self, first: Time) -> bool {
        self.until.after(SLACK) <= first
    }

    /// Whether a file that ends at `last` ended before anybody looks.
    pub(super) fn is_behind(&self, last: Time) -> bool {
        last.after(SLACK) < self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600 * Time::SECOND;

    #[test]
    fn the_begin_belongs_to_it_and_the_end_does_not() {
        let window = Window::new(Some(Time(10)), Some(Time(20))).unwrap();
        let held: Vec<_> = [9, 10, 19, 20].map(|at| window.holds(Time(at))).into();
        assert_eq!(held, [false, true, true, false]);
        assert_eq!(Window::new(Some(Time(20)), Some(Time(20))), None);
    }

    #[test]
    fn files_are_far_away_or_else_they_are_read() {
        let window = Window::new(Some(Time(10 * HOUR)), Some(Time(20 * HOUR))).unwrap();
        assert!(window.is_behind(Time(8 * HOUR)) && !window.is_behind(Time(9 * HOUR)));
        assert!(window.is_before(Time(21 * HOUR)) && !window.is_before(Time(21 * HOUR - 1)));
        let open = Window::new(None, None).unwrap();
        assert!(!open.is_behind(Time(i64::MIN)) && !open.is_before(Time(i64::MAX - 1)));
    }
}
