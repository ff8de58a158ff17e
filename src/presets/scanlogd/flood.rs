//! When scanlogd falls silent: nobody shall fill the log by scanning from forged addresses.
//!
//! In: the time of a scan. Out: whether it is logged. After five scans with no more than
//! 20 s from one to the next a last line tells that more follow; then nothing until 20 s
//! after *that* line, however many scans come in between.
//! Source: the log limit of scanlogd 2.2.8.
//! Read next: `report.rs`.

use std::io;

use super::TICK;
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    source::Time,
};

/// Scans in a row that are logged.
const LINES: u32 = 5;
/// Twenty seconds: a longer pause ends the row.
const PAUSE: i64 = 20 * Time::SECOND / TICK;

/// What the log gets of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The scan.
    Scan,
    /// The remark that more follow.
    MoreFollow,
    /// Nothing.
    Nothing,
}

/// How many scans came in a row.
#[derive(Debug, Default)]
pub(super) struct Flood {
    count: u32,
    last: i64,
}

impl Flood {
    /// What to log of a scan at `now`, in ticks.
    pub(super) fn line(&mut self, now: i64) -> Line {
        if !(0..=PAUSE).contains(&now.saturating_sub(self.last)) {
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        match self.count {
            0..=LINES => {
                self.last = now;
                Line::Scan
            }
            count if count == LINES + 1 => {
                self.last = now;
                Line::MoreFollow
            }
            _ => Line::Nothing,
        }
    }
}

impl Kept for Flood {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { count, last } = self;
        to.put(&(count, last))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        (self.count, self.last) = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_lines_the_remark_and_silence() {
        let mut flood = Flood::default();
        assert!((0..5).all(|i| flood.line(i * PAUSE) == Line::Scan));
        assert_eq!(flood.line(5 * PAUSE), Line::MoreFollow);
        assert_eq!(flood.line(5 * PAUSE + 1), Line::Nothing);
    }

    #[test]
    fn suppressed_scans_do_not_prolong_the_silence() {
        let mut flood = Flood::default();
        (0..6).for_each(|_| _ = flood.line(0));
        assert!((1..=PAUSE).all(|now| flood.line(now) == Line::Nothing));
        assert_eq!(flood.line(PAUSE + 1), Line::Scan);
    }

    #[test]
    fn a_pause_ends_the_row() {
        let mut flood = Flood::default();
        assert!((0..50).all(|i| flood.line(i * (PAUSE + 1)) == Line::Scan));
    }
}
