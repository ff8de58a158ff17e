//! Reading what people write: TOML with the place of every word, units, nets, ranges.
//!
//! In: text. Out: values, or diagnostics that show file, line, column, a caret and a hint.
//! Must not know what a rule is; only how values are written.
//!
//! Read next: `document.rs` (walking TOML so that all errors come at once), `diagnostic.rs`
//! (how they look), `units.rs`, `nets.rs`, `ranges.rs` (what stands in the values).

pub mod diagnostic;
pub mod document;
pub mod nets;
pub mod ranges;
pub mod units;

use tripline_plugin::nearest;

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
    /// The error for a word that is none of `known`; `what` names such a thing ("kind", "net").
    pub fn unknown<'k>(what: &str, word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Self {
        Self::new(format!("no {what} is called `{word}`"), did_you_mean(word, known))
    }

    /// Both halves.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The word that was meant, when one is near; else all that there are.
pub fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() { "there is none yet".to_owned() } else { format!("known: {}", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_gets_the_nearest_and_any_other_the_list() {
        assert_eq!(did_you_mean("hihg", ["low", "high"]), "did you mean `high`?");
        assert_eq!(
            Unreadable::unknown("fruit", "zzz", ["apple", "pear"]).to_string(),
            "no fruit is called `zzz`; known: apple, pear"
        );
    }
}
