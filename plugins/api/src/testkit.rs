//! The contract that every output keeps, as tests: call them from your `tests/contract.rs`.
//!
//! In: a plugin's card, or a way to open one and to read what it wrote. Out: nothing, or a
//! failed assertion that says which promise was broken. Must not know any plugin.
//!
//! Read next: `output.rs` (the contract in words), any `plugins/*/tests/contract.rs`.

use std::sync::Arc;

use crate::{Need, Options, Output, OutputPlugin, Record, Table, sample_events};

/// Every sample event as a record, its line a small one with the event's number in it.
pub fn records() -> Vec<Record> {
    let numbered = (1..).zip(sample_events());
    numbered.map(|(number, event)| Record { event: Arc::new(event), line: format!("sample event {number}") }).collect()
}

/// What must be found at the destination after them.
fn text(records: &[Record]) -> String {
    records.iter().flat_map(|record| [record.line.as_str(), "\n"]).collect()
}

/// The card is complete: a name that fits a configuration, help for every option, defaults
/// that are right, and a word of help for whoever mistypes an option.
///
/// # Panics
/// When it is not.
pub fn check_card(plugin: &OutputPlugin) {
    let named = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'_');
    assert!(named(plugin.name), "`{}`: use lower-case letters and dashes", plugin.name);
    assert!(
        !plugin.summary.is_empty() && !plugin.summary.contains('\n'),
        "{}: give a summary of one line",
        plugin.name
    );
    let mut table = Table::new();
    for (at, spec) in plugin.options.iter().enumerate() {
        assert!(named(spec.name), "option `{}`: use lower-case letters and dashes", spec.name);
        assert!(!spec.help.is_empty(), "option `{}` has no help", spec.name);
        let twice = plugin.options.iter().skip(at + 1).any(|other| other.name == spec.name);
        assert!(!twice, "option `{}` is declared twice", spec.name);
        // The host takes these out of the table; the plugin would never see them.
        assert!(!["plugin", "format", "phases"].contains(&spec.name), "option `{}` is the host's own", spec.name);
        if let Need::Default(text) = spec.need {
            table.insert(spec.name.into(), text.into());
        }
    }
    let errors = Options::check(plugin.options, &table).err().unwrap_or_default();
    let wrong: Vec<_> = errors.iter().filter(|error| error.reason != "is missing").collect();
    assert!(wrong.is_empty(), "a default is not of its option's kind: {wrong:?}");
}

/// Whole lines, in order, nothing added, nothing lost: one by one, in small batches, in one.
///
/// `open` gives an output with an empty destination, `read` all that this destination holds.
///
/// # Panics
/// When the output does otherwise.
pub fn check_lines<D>(mut open: impl FnMut() -> (Box<dyn Output>, D), read: impl Fn(&D) -> String) {
    let records = records();
    let whole = text(&records);
    for size in [1, 3, records.len()] {
        let (mut output, destination) = open();
        for batch in records.chunks(size) {
            assert_eq!(output.write(batch), Ok(()), "a batch of {} was not taken", batch.len());
        }
        assert_eq!(output.flush(), Ok(()));
        assert_eq!(output.flush(), Ok(()), "a flush of nothing");
        assert_eq!(read(&destination), whole, "in batches of {size}");
    }
}

/// An empty batch and a flush of nothing write nothing.
///
/// # Panics
/// When the output does otherwise.
pub fn check_empty<D>(open: impl FnOnce() -> (Box<dyn Output>, D), read: impl Fn(&D) -> String) {
    let (mut output, destination) = open();
    assert_eq!(output.write(&[]), Ok(()));
    assert_eq!(output.flush(), Ok(()));
    assert_eq!(read(&destination), "");
}

/// Reopening, before anything was written, in between and twice over, loses and repeats nothing.
///
/// # Panics
/// When the output does otherwise.
pub fn check_reopen<D>(open: impl FnOnce() -> (Box<dyn Output>, D), read: impl Fn(&D) -> String) {
    let (mut output, destination) = open();
    let records = records();
    let whole = text(&records);
    assert_eq!(output.reopen(), Ok(()));
    for batch in records.chunks(5) {
        assert_eq!(output.write(batch), Ok(()));
        assert_eq!(output.reopen(), Ok(()));
        assert_eq!(output.reopen(), Ok(()));
    }
    assert_eq!(output.flush(), Ok(()));
    assert_eq!(read(&destination), whole);
}
