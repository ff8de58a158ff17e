//! The one place that wires the stages together.
//!
//! In: a source and a plan. Out: events in order, and what was counted. Everything else in the program
//! knows only its neighbours. Read next: `run.rs` (the loop), `feed.rs` (who reads), `lot.rs` (what a batch becomes),
//! `follow.rs` (stream processors), `counts.rs`, `locate.rs`, `summary.rs` (what a person gets of it), `signals.rs`,
//! `ledger.rs` (what was read, for evidence), `checkpoint.rs` (runs that go on later), `story.rs` (what befell one address),
//! `privileges.rs`.

pub mod checkpoint;
pub mod counts;
mod feed;
pub mod follow;
pub mod ledger;
pub mod locate;
pub mod lot;
pub mod privileges;
pub mod run;
pub mod signals;
pub mod story;
pub mod summary;

pub use run::{Plan, RunError, Sink, Totals, run};

pub use crate::correlate::reference::Reference;

/// As many workers as there are cores; one where the system does not say.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
