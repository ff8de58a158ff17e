//! How something that goes on is told: when it begins, when it has grown tenfold, when it is over.
//!
//! In: what was counted in each window of the capture's clock. Out: whether there is something to say. A flood of a day
//! so makes a handful of events, not one a minute.
//! Must not know what is counted. Read next: `storms.rs`, `floods.rs`.

use serde::{Deserialize, Serialize};

use crate::source::Time;

/// A window: what rates are measured in.
pub const WINDOW: i64 = 60 * Time::SECOND;

/// The end of the window that a time lies in.
#[must_use]
pub fn window_end(now: Time) -> Time {
    Time((now.0.div_euclid(WINDOW) + 1).saturating_mul(WINDOW))
}

/// Something that goes on, window after window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surge {
    windows: u32,
    total: u64,
    told: u64,
}

/// What there is to say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// How much there was since it began.
    pub total: u64,
    /// In how many seconds.
    pub seconds: u64,
    /// It is over.
    pub over: bool,
}

impl Surge {
    /// A window ends in which there was so much; 0 when it was too little to go on.
    pub fn window(&mut self, count: u64) -> Option<Stand> {
        let over = count == 0;
        self.windows += u32::from(!over);
        self.total += count;
        let Self { windows, total, told } = *self;
        let is_news = if over { told != 0 && total > told } else { total >= 10 * told };
        if over {
            *self = Self::default();
        } else if is_news {
            self.told = total;
        }
        is_news.then_some(Stand { total, seconds: u64::from(windows) * (WINDOW / Time::SECOND) as u64, over })
    }

    /// Whether it goes on.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.windows > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_at_the_beginning_at_ten_times_as_much_and_at_the_end() {
        let mut surge = Surge::default();
        let said: Vec<Stand> = [5; 30].into_iter().chain([0, 0]).filter_map(|count| surge.window(count)).collect();
        let stand = |total, seconds, over| Stand { total, seconds, over };
        assert_eq!(said, [stand(5, 60, false), stand(50, 600, false), stand(150, 1_800, true)]);
        assert!(!surge.goes_on());
    }

    #[test]
    fn one_window_alone_is_told_once() {
        let mut surge = Surge::default();
        assert!(surge.window(7).is_some() && surge.window(0).is_none());
    }

    #[test]
    fn windows_end_on_the_minute() {
        assert_eq!(window_end(Time(0)), Time(WINDOW));
        assert_eq!(window_end(Time(WINDOW - 1)), Time(WINDOW));
        assert_eq!(window_end(Time(-1)), Time(0));
    }
}
