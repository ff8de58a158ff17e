//! Tripline tells an administrator who is rattling the doors.
//!
//! ```text
//! source ─► decode ─► defragment ─► dispatch ─► cells ───────► correlate ─► rules ─► outputs
//! batches   nom,      (the rare     by owner    first contacts, in order of  route    own threads
//!           parallel   ones)                    suspects        clock, seq
//!           by piece  sequential                parallel        sequential
//! ```
//!
//! Everything flows one way; nothing feeds back. That is what makes the result
//! independent of threads, batches and files.
//!
//! | stage | goes in | comes out |
//! |---|---|---|
//! | [`source`] | files, standard input | batches of records, cut into pieces |
//! | [`decode`] | one frame | a class and, when it is evidence, an observation |
//! | [`defragment`] | fragments, in order | whole datagrams |
//! | [`streams`] | packets, when a stream processor is on | what hosts say to each other |
//! | [`dispatch`] | observations | the same, by the cells that own them |
//! | [`fingerprint`] | probes of one scan | the program that sent them |
//! | [`cells`] | one address's packets, in order | first contacts with outcomes, suspects |
//! | [`correlate`] | what all cells saw, in order | scan events |
//! | [`rules`] | an event | severity, and the outputs that get it |
//! | [`output`] | events with text | bytes somewhere, on threads of their own |
//!
//! What the stages remember can be written down and taken up by a later run: [`checkpoint`].
//!
//! Read next: `docs/ARCHITECTURE.md`, then the `//!` of each stage in that order;
//! [`engine`] is the one place that wires them.

pub mod cells;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod correlate;
pub mod decode;
pub mod defragment;
pub mod dispatch;
pub mod engine;
pub mod fingerprint;
pub mod output;
pub mod presets;
pub mod rules;
pub mod source;
pub mod streams;

pub use cli::{Program, builtin, run_with};
