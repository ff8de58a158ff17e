//! SIGINT and SIGTERM, and SIGHUP, as flags that are looked at between batches.
//!
//! In: signals. Out: flags. What was recognised is still written; a second signal to end ends the
//! program at once, for who cannot wait.
//! Must not know what is stopped, or done anew.
//! Read next: `run.rs`, whose `progress` asks for it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

/// What a shell reports of a program that SIGINT ended.
const ENDED_BY_SIGNAL: i32 = 130;

/// Whether somebody asked the program to end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses to.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag down and only raises it.
            flag::register_conditional_shutdown(signal, ENDED_BY_SIGNAL, Arc::clone(&stop.0))?;
            flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    /// Whether a signal has come.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether somebody asked for settings and files to be looked at anew.
#[derive(Clone, Debug, Default)]
pub struct Hangup(Arc<AtomicBool>);

impl Hangup {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses to.
    pub fn on_signal() -> io::Result<Self> {
        let hangup = Self::default();
        flag::register(SIGHUP, Arc::clone(&hangup.0))?;
        Ok(hangup)
    }

    /// Whether a signal has come since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_is_told_once() {
        let hangup = Hangup::on_signal().unwrap();
        assert!(!hangup.take());
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert!(hangup.take() && !hangup.take());
    }

    #[test]
    fn a_signal_raises_the_flag_and_does_not_end_the_program() {
        let stop = Stop::on_signals().unwrap();
        assert!(!stop.is_asked());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.is_asked());
    }
}
