//! All that a plugin needs to know of Tripline: the event, the [`Output`] trait, the options, and a test kit that
//! holds every output to the same contract; and the [`Processor`] trait for whoever reads what hosts say.
//!
//! ```text
//! host ──► batch of Records ──► Output::write ──► a screen, a file, a socket …
//!   queues, batches,              only writes
//!   renders, retries, counts
//! ```
//!
//! Must not know how a scan is found, nor anything else of the project: it depends on
//! serde, `thiserror` and, for stamps, `jiff`.
//!
//! Read next: `output.rs` (the trait), `event.rs` (what it is given), `options.rs`, `processor.rs`, then
//! `plugins/README.md`, which builds an output in ten minutes.

pub mod event;
pub mod findings;
pub mod identity;
mod lines;
mod nearest;
pub mod options;
pub mod output;
pub mod processor;
mod samples;
pub mod stamp;
pub mod testkit;

pub use event::Event;
pub use findings::{Evidence, Findings};
pub use lines::WholeLines;
pub use nearest::nearest;
pub use options::{ConfigError, Need, OptionKind, OptionSpec, Options, Resume, Table};
pub use output::{Output, OutputError, OutputPlugin, Record};
pub use processor::{Chunk, Direction, End, Follower, Interest, Ip, Levels, Processor, ProcessorPlugin, Stream, Udp};
pub use samples::sample_events;
