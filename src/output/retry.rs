//! How a destination that fails for now is tried again.
//!
//! In: something to attempt. Out: that it was done, or the error that no waiting mends.
//! Pauses double up to a bound; it sleeps in between, on the output's own thread.
//! Must not know what is attempted.
//!
//! Read next: `worker.rs` (who attempts).

use std::{
    thread,
    time::{Duration, Instant},
};

use tripline_plugin::OutputError;

/// How long is waited, and between what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// After so long the output is given up.
    pub give_up: Duration,
    /// After so long when the program is about to end.
    pub give_up_at_end: Duration,
    /// After so long at the end a plugin that does not come back is left alone; `None`: never.
    pub abandon_at_end: Option<Duration>,
}

impl Patience {
    /// `read` waits for an output, so somebody sits and waits for `read`: half a minute is
    /// time enough to make room on a disk, and not so long that it seems to hang.
    pub const READ: Self = Self {
        first: Duration::from_millis(50),
        longest: Duration::from_secs(2),
        give_up: Duration::from_secs(30),
        give_up_at_end: Duration::from_secs(30),
        // Standard output may be a pager, and somebody reads in it.
        abandon_at_end: None,
    };

    /// `watch` waits for nobody and runs for months: it never gives up, and ends soon when told to.
    pub const LIVE: Self = Self {
        give_up: Duration::MAX,
        give_up_at_end: Duration::from_secs(5),
        abandon_at_end: Some(Duration::from_secs(15)),
        ..Self::READ
    };

    /// Attempts it until it is done, patience ends, or an error comes that is not
    /// [`OutputError::Retry`]. `ending` tells whether the program is about to end; `troubled` hears
    /// why, from the second failure on: a connection that is made again at once is no news.
    pub(super) fn attempt(
        &self,
        ending: impl Fn() -> bool,
        troubled: impl Fn(&str),
        mut attempt: impl FnMut() -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let begun = Instant::now();
        let mut pause = self.first;
        loop {
            let why = match attempt() {
                Err(OutputError::Retry(why)) => why,
                other => return other,
            };
            let give_up = if ending() { self.give_up_at_end.min(self.give_up) } else { self.give_up };
            let waited = begun.elapsed();
            if waited.saturating_add(pause) > give_up {
                return Err(OutputError::Fatal(format!("{why}; given up after {:.1} s", waited.as_secs_f64())));
            }
            if pause > self.first {
                troubled(&why);
            }
            thread::sleep(pause);
            pause = pause.saturating_mul(2).min(self.longest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Patience = Patience {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        give_up: Duration::from_millis(40),
        give_up_at_end: Duration::ZERO,
        abandon_at_end: None,
    };

    #[test]
    fn what_works_later_is_done() {
        let mut times = 0;
        let done = QUICK.attempt(
            || false,
            |_| {},
            || {
                times += 1;
                if times < 4 { Err(OutputError::Retry("disk full".into())) } else { Ok(()) }
            },
        );
        assert_eq!((done, times), (Ok(()), 4));
    }

    #[test]
    fn what_never_works_is_given_up_with_its_reason() {
        let mut times = 0;
        let error = QUICK.attempt(
            || false,
            |_| {},
            || {
                times += 1;
                Err(OutputError::Retry("disk full".into()))
            },
        );
        assert!(matches!(&error, Err(OutputError::Fatal(why)) if why.starts_with("disk full; given up after ")));
        // How many fit into the time is the machine's affair; that the pauses grow bounds them.
        assert!((1..=20).contains(&times), "pauses grow to 4 ms: {times}");
    }

    #[test]
    fn other_errors_are_not_tried_again() {
        for error in [OutputError::Reject("too long".into()), OutputError::Fatal("closed".into())] {
            let mut times = 0;
            let outcome = QUICK.attempt(
                || false,
                |_| {},
                || {
                    times += 1;
                    Err(error.clone())
                },
            );
            assert_eq!((outcome, times), (Err(error), 1));
        }
    }

    #[test]
    fn a_program_that_ends_does_not_wait() {
        let outcome = QUICK.attempt(|| true, |_| {}, || Err(OutputError::Retry("away".into())));
        assert!(matches!(outcome, Err(OutputError::Fatal(_))));
    }
}
