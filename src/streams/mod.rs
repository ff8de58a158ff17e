//! From packets to what hosts say to each other: TCP streams as their receivers read them, and those who follow them.
//!
//! In: frames, in the order of the run. Out: calls of [`Processor`]s: datagrams, streams, bytes in order, gaps, ends; and
//! the [`Findings`] that they make of it. Off unless somebody asks: then nothing of it is even made.
//! It must not know who detects scans, nor what a processor does.
//!
//! ```text
//! frame ─► intake ─► segment ─► table ─► stream ─► side (two) ─► pieces
//!          decode,   checksum,  budget,  states,   window, PAWS,  overlaps
//!          defragment options   time     resets    doubt, gaps
//!                                          └─► feed ─► followers
//! ```
//!
//! Source: RFC 9293, RFC 7323, RFC 5961; libnids 1.26 (what it gives a program); `docs/streams.md` (evasions).
//! Read next: `intake.rs`, `table.rs`, `stream.rs`, `side.rs`, `pieces.rs`; `config.rs` (which processors are
//! on), `plugins/streams` (the processor of `tripline streams`).

mod builtin;
mod config;
mod counts;
mod feed;
mod handshake;
mod intake;
mod pieces;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
mod segment;
mod side;
#[cfg(test)]
mod stories;
mod stream;
mod table;

pub use builtin::builtin;
pub use config::{HOST_KEYS, ProcessorConfig};
pub use counts::{Counts, Fate};
pub use intake::{Checksums, Intake, Settings};

#[cfg(doc)]
use tripline_plugin::{Findings, Processor};
