//! Reading what people write: TOML with the place of every word, units, nets, ranges.
//!
//! In: text. Out: values, or diagnostics that show file, line, column, a caret and a hint.
//! Must not know what a rule is; only how values are written.
//!
//! Read next: `document.rs` (walking TOML so that all errors come at once), `diagnostic.rs`
//! (how they look), `units.rs`, `nets.rs`, `ranges.rs` (what stands in the values).

pub mod diagnostic;
pub mod document;
pub mod nearest;
pub mod nets;
pub mod ranges;
pub mod units;

pub use diagnostic::{Diagnostic, Diagnostics, Document, Place};

/// A value that cannot be read, in words for who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct Unreadable {
    /// What is wrong.
    pub message: String,
    /// How it would be right.
    pub hint: String,
}

impl Unreadable {
    /// Both halves.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}
