//! The names that may stand in rules files.
//!
//! In: nothing. Out: the words of events (techniques, kinds …) with what they stand for, and
//! [`Known`]: what the program at hand has of presets, thresholds, processors and outputs.
//! Must not know what is done with them.
//! Source: `docs/events.md` for the words.
//! Read next: `conditions.rs`, which looks them up.

use tripline_plugin::{
    ConfigError,
    event::{Direction, Kind, Phase, Severity, Trust},
};

use crate::config::Unreadable;

/// How a scan may knock.
pub const TECHNIQUES: [&str; 16] = [
    "tcp-syn",
    "tcp-connect",
    "tcp-fin",
    "tcp-null",
    "tcp-xmas",
    "tcp-maimon",
    "tcp-ack",
    "tcp-other",
    "udp",
    "sctp-init",
    "sctp-cookie-echo",
    "ip-protocol",
    "icmp-echo",
    "icmp-timestamp",
    "icmp-mask",
    "arp",
];

/// Words and what they stand for, from least to most where there is an order.
pub type Words<T> = &'static [(&'static str, T)];

/// The shapes of scans.
pub const KINDS: Words<Kind> = &[
    ("vertical", Kind::Vertical),
    ("horizontal", Kind::Horizontal),
    ("block", Kind::Block),
    ("distributed", Kind::Distributed),
    ("decoy", Kind::Decoy),
];

/// The moments of a scan's life.
pub const PHASES: Words<Phase> = &[("begin", Phase::Begin), ("update", Phase::Update), ("end", Phase::End)];

/// How much a scan matters.
pub const SEVERITIES: Words<Severity> =
    &[("low", Severity::Low), ("medium", Severity::Medium), ("high", Severity::High)];

/// How far a source can be believed.
pub const TRUSTS: Words<Trust> =
    &[("spoofable", Trust::Spoofable), ("reacted", Trust::Reacted), ("confirmed", Trust::Confirmed)];

/// Which way a scan goes.
pub const DIRECTIONS: Words<Direction> = &[
    ("inside", Direction::Inside),
    ("inbound", Direction::Inbound),
    ("outbound", Direction::Outbound),
    ("transit", Direction::Transit),
];

/// The net that directions are seen from.
pub const HOME: &str = "home";

/// What the program at hand has. Rules that name anything else are refused.
#[derive(Clone, Copy)]
pub struct Known<'k> {
    /// Detection presets.
    pub presets: &'k [&'k str],
    /// Thresholds of all presets, by the names that `[detect]` may set.
    pub thresholds: &'k [(&'k str, Quantity)],
    /// Stream processors.
    pub processors: &'k [&'k str],
    /// Says all that is wrong with the keys of a stream processor, without making one.
    pub check_processor: &'k dyn Fn(&str, &tripline_plugin::Table) -> Vec<ConfigError>,
    /// Says all that is wrong with the keys of an output, without opening it.
    pub check_output: &'k dyn Fn(&str, &tripline_plugin::Table) -> Vec<ConfigError>,
}

/// What a threshold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// A whole number.
    Count,
    /// A time such as `"1h"`.
    Duration,
}

/// What a word stands for; `what` names such a thing in the error ("kind", "phase").
pub fn look_up<T: Copy>(words: Words<T>, what: &str, word: &str) -> Result<T, Unreadable> {
    let found = words.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| Unreadable::unknown(what, word, words.iter().map(|(name, _)| *name)))
}

/// The word itself, when it is one of `known`.
pub fn one_of(known: &[&str], what: &str, word: &str) -> Result<String, Unreadable> {
    if known.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(Unreadable::unknown(what, word, known.iter().copied()))
    }
}

/// The word for something.
pub fn word_for<T: PartialEq>(words: Words<T>, meaning: &T) -> &'static str {
    words.iter().find(|(_, other)| other == meaning).map_or("?", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_events_print() {
        fn check<T: serde::Serialize + Copy>(words: Words<T>) {
            for (word, meaning) in words {
                assert_eq!(serde_json::to_value(meaning).unwrap(), *word);
            }
        }
        check(KINDS);
        check(PHASES);
        check(SEVERITIES);
        check(TRUSTS);
        check(DIRECTIONS);
    }
}
