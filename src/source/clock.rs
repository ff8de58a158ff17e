//! The clock of a capture: what time it is, told by the frames alone.
//!
//! In: each frame's stamp, in file order. Out: a time that never runs backwards,
//! for every time-out of the program. Knows nothing of the wall clock, so that an
//! archive read twice gives the same result twice.
//! Read next: `mod.rs` (who keeps a clock), `cells` (who lives by it).

use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Nanoseconds. As a stamp: since 1970, as the capture says. As a clock: since 1970
/// as far as the stamps can be believed; see [`Clock`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub i64);

impl Time {
    /// One second.
    pub const SECOND: i64 = 1_000_000_000;

    /// This time plus so many nanoseconds, held at the ends of the range.
    #[must_use]
    pub fn after(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to this time (negative when it is later).
    #[must_use]
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<i64> for Time {
    type Output = Self;
    fn add(self, nanos: i64) -> Self {
        self.after(nanos)
    }
}

impl Sub for Time {
    type Output = i64;
    fn sub(self, earlier: Self) -> i64 {
        self.since(earlier)
    }
}

/// Steps back up to this are jitter between queues or interfaces and are absorbed.
pub const JITTER: i64 = 5 * Time::SECOND;

/// A jump forward of more than this counts only when the next frame confirms it:
/// one damaged stamp must not time out everything that is known.
pub const LEAP: i64 = 3_600 * Time::SECOND;

/// No stamp lies at or above it but the very last, which takes the long way as well.
const NO_FLOOR: i64 = i64::MAX;

/// The running maximum of capture time, with the follies of real captures taken out.
///
/// - A step back of up to [`JITTER`] leaves the clock where it is.
/// - A larger one re-bases it: the stamps from here on are shifted so that the clock
///   goes on from where it was. What is known neither ages nor dies by it.
/// - A jump forward of more than [`LEAP`] is believed when the following frame agrees.
///
/// It is small and `Copy`: whoever walks a piece of a batch starts from a copy of the
/// clock at its border and comes to the same times as everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The stamp that the clock's time has: most frames are a little later, and are dealt with by that alone.
    /// [`NO_FLOOR`] while a frame is to be looked at more closely.
    floor: i64,
    /// The time now; meaningless until `started`.
    now: Time,
    /// What is added to a stamp to get clock time; grows with each re-basing.
    shift: i64,
    /// A stamp (shifted) that leapt ahead and waits for the next to confirm it.
    leap: Option<Time>,
    started: bool,
    /// Steps back of more than [`JITTER`] so far: each deserves a warning.
    pub rebased: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self { floor: NO_FLOOR, now: Time(0), shift: 0, leap: None, started: false, rebased: 0 }
    }
}

impl Clock {
    /// Reads a frame's stamp and tells the clock time at that frame.
    #[inline]
    pub fn tick(&mut self, stamp: Time) -> Time {
        match stamp.0.checked_sub(self.floor) {
            Some(ahead @ 0..=LEAP) => {
                self.floor = stamp.0;
                self.now.0 = self.now.0.saturating_add(ahead);
                self.now
            }
            _ => self.tick_oddly(stamp),
        }
    }

    /// The rest of [`Clock::tick`]: the first frame, steps back, leaps.
    #[cold]
    fn tick_oddly(&mut self, stamp: Time) -> Time {
        let at = Time(stamp.0.saturating_add(self.shift));
        let ahead = at.since(self.now);
        if !self.started {
            // Frames without a stamp may have come at 0 already, and it runs back for nobody: stamps before
            // 1970, which only a made-up capture has, are counted from there.
            self.started = true;
            self.now = at.max(Time(0));
            self.shift = at.0.min(0).saturating_neg();
        } else if ahead > LEAP {
            match self.leap {
                // The frame before leapt too, and this one is no further from it
                // than frames may be from each other: it is the time.
                Some(leap) if (-JITTER..=LEAP).contains(&at.since(leap)) => {
                    self.leap = None;
                    self.now = at.max(leap);
                }
                _ => self.leap = Some(at),
            }
        } else if ahead >= 0 {
            (self.leap, self.now) = (None, at);
        } else {
            self.leap = None;
            if ahead < -JITTER {
                self.shift = self.shift.saturating_sub(ahead);
                self.rebased = self.rebased.saturating_add(1);
            }
        }
        let calm = self.started && self.leap.is_none();
        self.floor = self.now.0.checked_sub(self.shift).filter(|_| calm).unwrap_or(NO_FLOOR);
        self.now
    }

    /// The stamp that a frame would bear if it were taken now: for frames that have none.
    #[must_use]
    pub fn stamp(&self) -> Time {
        Time(self.now.0.saturating_sub(self.shift))
    }

    /// The time at the last frame.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stamps: &[i64]) -> (Vec<i64>, u32) {
        let mut clock = Clock::default();
        let seconds = |t: Time| t.0 / Time::SECOND;
        let times = stamps.iter().map(|s| seconds(clock.tick(Time(s * Time::SECOND)))).collect();
        (times, clock.rebased)
    }

    #[test]
    fn it_never_runs_back_not_even_from_a_frame_without_a_stamp_to_the_time_before_1970() {
        let mut clock = Clock::default();
        assert_eq!((clock.now(), clock.stamp()), (Time(0), Time(0)));
        for (stamp, now) in [(-7_000, 0), (-6_000, 1_000), (i64::MIN, 1_000)] {
            assert_eq!(clock.tick(Time(stamp)), Time(now), "{stamp}");
        }
        let mut clock = Clock::default();
        assert_eq!((clock.tick(Time(i64::MIN)), clock.now()), (Time(0), Time(0)));
    }

    #[test]
    fn jitter_is_absorbed() {
        assert_eq!(run(&[100, 103, 99, 104]), (vec![100, 103, 103, 104], 0));
    }

    #[test]
    fn a_large_step_back_goes_on_from_where_it_was() {
        assert_eq!(run(&[10_000, 10_001, 500, 501, 510]), (vec![10_000, 10_001, 10_001, 10_002, 10_011], 1));
    }

    #[test]
    fn a_frame_without_a_stamp_gets_that_of_its_neighbours() {
        let mut clock = Clock::default();
        for stamp in [10_000, 500] {
            clock.tick(Time(stamp * Time::SECOND));
            assert_eq!(clock.stamp(), Time(stamp * Time::SECOND));
        }
    }

    #[test]
    fn one_wild_stamp_moves_nothing() {
        assert_eq!(run(&[100, 900_000, 101, 102]), (vec![100, 100, 101, 102], 0));
    }

    #[test]
    fn a_leap_counts_when_the_next_frame_confirms_it() {
        assert_eq!(run(&[100, 90_000, 90_001, 90_002]), (vec![100, 100, 90_001, 90_002], 0));
    }

    #[test]
    fn stamps_at_the_ends_of_the_range_do_no_harm() {
        let mut clock = Clock::default();
        for stamp in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MAX, i64::MIN] {
            let before = clock.now();
            let started = clock != Clock::default();
            assert!(clock.tick(Time(stamp)) >= before || !started);
        }
    }
}
