//! `[processors]`: which stream processors are on, and how streams are put together for them.
//!
//! In: the table. Out: [`Processors`], or all that is wrong with it. Must not know what a processor does.
//! Source: `docs/rules.md`, "[processors]".
//! Read next: `streams/config.rs` (who checks the keys of one).

use tripline_plugin::ConfigError;

use super::names::Known;
use crate::{
    config::{
        Diagnostics, Place, did_you_mean,
        document::{Entry, Table},
        units,
    },
    streams::Checksums,
};

/// The keys of `[processors]` that are no processors.
pub const KEYS: [&str; 2] = ["memory", "checksums"];

/// The part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processors {
    /// Bytes for streams.
    pub memory: Option<u64>,
    /// What becomes of segments with wrong checksums.
    pub checksums: Checksums,
    /// Those that are on, in the order of the file.
    pub entries: Vec<ProcessorEntry>,
}

/// `[processors.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorEntry {
    /// Which.
    pub name: String,
    /// Its keys.
    pub table: tripline_plugin::Table,
}

/// Reads the part.
pub fn read(table: &Table<'_>, known: &Known<'_>, errors: &mut Diagnostics) -> Processors {
    let mut processors = Processors::default();
    for entry in table.entries() {
        match entry.key {
            "memory" => {
                processors.memory = entry.value.as_count().or_else(|| entry.value.parsed(units::size, errors));
            }
            "checksums" => processors.checksums = entry.value.parsed(str::parse, errors).unwrap_or_default(),
            name if known.processors.contains(&name) => {
                processors.entries.extend(read_processor(&entry, known, errors));
            }
            name => {
                let message = format!("[processors] has no key and no processor `{name}`");
                let hint = did_you_mean(name, KEYS.into_iter().chain(known.processors.iter().copied()));
                errors.push(entry.place.error(message).hint(hint));
            }
        }
    }
    processors
}

fn read_processor(entry: &Entry<'_>, known: &Known<'_>, errors: &mut Diagnostics) -> Option<ProcessorEntry> {
    let keys = entry.value.table(errors)?.entries();
    let table = keys.iter().map(|key| (key.key.to_owned(), key.value.plain(errors))).collect();
    for ConfigError { option, reason, hint } in (known.check_processor)(entry.key, &table) {
        // What is missing has no place but its processor's.
        let key = keys.iter().find(|key| option.as_deref() == Some(key.key));
        let place: &Place = key.map_or(&entry.place, |key| &key.value.place);
        let wrong = place.error(option.map_or(reason.clone(), |option| format!("{option}: {reason}")));
        errors.push(match hint {
            Some(hint) => wrong.hint(hint),
            None => wrong,
        });
    }
    Some(ProcessorEntry { name: entry.key.to_owned(), table })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::samples;

    #[test]
    fn processors_are_on_when_they_are_named() {
        let text =
            "[processors]\nmemory = '8 MiB'\nchecksums = 'ignore'\nlisten = {}\n[processors.write]\npath = '/x'\n";
        let processors = samples::rules(text).processors;
        assert_eq!((processors.memory, processors.checksums), (Some(8 << 20), Checksums::Ignore));
        let names: Vec<&str> = processors.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["listen", "write"]);
        assert_eq!(processors.entries[1].table["path"], "/x");
        assert_eq!(samples::rules("").processors, Processors::default());
    }

    #[test]
    fn everything_wrong_with_it_is_said_at_its_place() {
        let text = r"version = 1
[processors]
memory = 'much'
checksums = 'maybe'
lisen = {}
listen = 7
[processors.write]
pth = 1
";
        insta::assert_snapshot!(samples::read(&[("rules.toml", text)]).unwrap_err(), @r#"
        rules.toml:3:10: error: `much` is no size: it must begin with a whole number
           |
         3 | memory = 'much'
           |          ^^^^^^
           = write it like 64 MiB or 1 GiB

        rules.toml:4:13: error: no checksum mode is called `maybe`
           |
         4 | checksums = 'maybe'
           |             ^^^^^^^
           = known: auto, verify, ignore

        rules.toml:5:1: error: [processors] has no key and no processor `lisen`
           |
         5 | lisen = {}
           | ^^^^^
           = did you mean `listen`?

        rules.toml:6:10: error: expected a table, found an integer
           |
         6 | listen = 7
           |          ^

        rules.toml:8:7: error: pth: no such option
           |
         8 | pth = 1
           |       ^
           = did you mean `path`?

        5 errors; nothing was started
        "#);
    }
}
