//! How a rules file is written: version, detection, nets, outputs and the default.
//!
//! In: a document. Out: [`Settings`] of all files together, or all that is wrong with them.
//! The rules themselves are read afterwards, when the names they may use are known.
//! Must not know where files lie, nor what rules do.
//! Source: `docs/rules.md`.
//! Read next: `rule.rs` (the rules), `check.rs` (what only the whole can show).

use std::collections::BTreeMap;

use tripline_plugin::ConfigError;

use super::{
    Detect, OutputEntry, OutputSet, Threshold,
    conditions::Nets,
    names::{self, Known, Quantity},
    processors::{self, Processors},
};
use crate::config::{
    Diagnostics, Place, did_you_mean,
    document::{Entry, Table, Value},
    nets::{self, NetSet},
    units,
};

/// The parts of a rules file.
pub const PARTS: [&str; 9] =
    ["version", "detect", "nets", "reassembly", "processors", "outputs", "rules", "default", "tests"];

/// The keys of `[detect]` that are no thresholds.
pub const DETECT_KEYS: [&str; 3] = ["preset", "memory", "tenants"];

/// The keys of `[default]`.
pub const DEFAULT_KEYS: [&str; 1] = ["outputs"];

/// What is not a rule, of all files together. Each part remembers where it stands.
#[derive(Debug, Default)]
pub struct Settings<'d> {
    /// `[detect]`.
    pub detect: Option<(Detect, Place)>,
    /// `[nets]`.
    pub nets: Option<(Nets, Place)>,
    /// `[reassembly]`, to be read when all nets are known.
    pub reassembly: Option<(Table<'d>, Place)>,
    /// `[processors]`.
    pub processors: Option<(Processors, Place)>,
    /// `[outputs.NAME]` of all files, in order.
    pub outputs: Vec<OutputEntry>,
    /// `[default]`, to be read when all outputs are known.
    pub default: Option<(Table<'d>, Place)>,
    /// The `[[rules]]` of all files, in order, to be read when all names are known.
    pub rules: Vec<Table<'d>>,
    /// The `[[tests]]` of all files, in order, to be read when the rules are.
    pub tests: Vec<Table<'d>>,
}

impl<'d> Settings<'d> {
    /// Adds what a file says.
    pub fn read(&mut self, file: &Table<'d>, known: &Known<'_>, errors: &mut Diagnostics) {
        match file.get("version") {
            Some(version) if version.as_count() == Some(1) => {}
            Some(version) => errors.push(version.place.error("this program reads version 1").hint("version = 1")),
            None => errors.push(file.place.error("a rules file says its version").hint("begin it with: version = 1")),
        }
        for entry in file.entries() {
            match entry.key {
                "version" => {}
                "detect" => {
                    let read = |table: &Table<'_>, errors: &mut Diagnostics| read_detect(table, known, errors);
                    once(&mut self.detect, &entry, errors, read);
                }
                "nets" => once(&mut self.nets, &entry, errors, read_nets),
                "reassembly" => once(&mut self.reassembly, &entry, errors, |table, _| table.clone()),
                "processors" => {
                    let read = |table: &Table<'_>, errors: &mut Diagnostics| processors::read(table, known, errors);
                    once(&mut self.processors, &entry, errors, read);
                }
                "default" => once(&mut self.default, &entry, errors, |table, _| table.clone()),
                "outputs" => self.read_outputs(&entry.value, known, errors),
                "rules" => self.rules.extend(tables(&entry.value, errors)),
                "tests" => self.tests.extend(tables(&entry.value, errors)),
                key => {
                    let message = format!("a rules file has no part called `{key}`");
                    errors.push(entry.place.error(message).hint(did_you_mean(key, PARTS)));
                }
            }
        }
    }

    fn read_outputs(&mut self, value: &Value<'_>, known: &Known<'_>, errors: &mut Diagnostics) {
        for entry in value.table(errors).iter().flat_map(Table::entries) {
            if let Some(first) = self.outputs.iter().find(|output| output.name == entry.key) {
                let message = format!("an output is called `{}` already", entry.key);
                errors.push(entry.place.error(message).hint(format!("the first one stands at {}", first.place)));
            } else if let Some(output) = read_output(&entry, known, errors) {
                self.outputs.push(output);
                if self.outputs.len() == OutputSet::CAPACITY + 1 {
                    errors.push(entry.place.error(format!("there can be {} outputs at most", OutputSet::CAPACITY)));
                }
            }
        }
    }
}

/// The tables of a list of tables.
fn tables<'d>(value: &Value<'d>, errors: &mut Diagnostics) -> Vec<Table<'d>> {
    let elements = value.list(errors).unwrap_or_default();
    elements.iter().filter_map(|element| element.table(errors)).collect()
}

/// Reads a part that may stand in one file only.
fn once<'d, T>(
    part: &mut Option<(T, Place)>,
    entry: &Entry<'d>,
    errors: &mut Diagnostics,
    read: impl FnOnce(&Table<'d>, &mut Diagnostics) -> T,
) {
    if let Some((_, first)) = part {
        let message = format!("[{}] stands in another file already", entry.key);
        errors.push(entry.place.error(message).hint(format!("it can stand in one only: see {first}")));
    } else if let Some(table) = entry.value.table(errors) {
        *part = Some((read(&table, errors), entry.place.clone()));
    }
}

fn read_detect(table: &Table<'_>, known: &Known<'_>, errors: &mut Diagnostics) -> Detect {
    let mut detect = Detect::default();
    for entry in table.entries() {
        match entry.key {
            "preset" => {
                for preset in entry.value.one_or_many() {
                    let name = preset.parsed(|name| names::one_of(known.presets, "preset", name), errors);
                    detect.presets.extend(name);
                }
            }
            "memory" => {
                let bytes = entry.value.as_count().or_else(|| entry.value.parsed(units::size, errors));
                detect.memory = bytes;
            }
            "tenants" => detect.tenants = entry.value.boolean(errors).unwrap_or_default(),
            key => {
                let Some((_, quantity)) = known.thresholds.iter().find(|(name, _)| *name == key) else {
                    let thresholds = known.thresholds.iter().map(|(name, _)| *name);
                    let message = format!("[detect] has no setting called `{key}`");
                    let hint = did_you_mean(key, DETECT_KEYS.into_iter().chain(thresholds));
                    errors.push(entry.place.error(message).hint(hint));
                    continue;
                };
                let value = match quantity {
                    Quantity::Count => entry.value.count(errors).map(|count| i64::try_from(count).unwrap_or(i64::MAX)),
                    Quantity::Duration => entry.value.parsed(units::duration, errors),
                };
                let threshold = |value| (key.to_owned(), Threshold { value, place: entry.value.place.clone() });
                detect.thresholds.extend(value.map(threshold));
            }
        }
    }
    detect
}

fn read_nets(table: &Table<'_>, errors: &mut Diagnostics) -> Nets {
    let mut all = BTreeMap::new();
    for entry in table.entries() {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !entry.key.starts_with(char::is_alphabetic) || !entry.key.chars().all(is_name) {
            let message = format!("`{}` is no name for a net", entry.key);
            errors.push(entry.place.error(message).hint("begin with a letter; letters, digits, - _ . may follow"));
        }
        let mut set = NetSet::default();
        for element in entry.value.one_or_many() {
            let add = |text: &str| {
                let bare = text.strip_prefix('!').map_or(text, str::trim_start);
                nets::net(bare).map(|net| set.add(net, bare.len() < text.len()))
            };
            element.parsed(add, errors);
        }
        all.insert(entry.key.to_owned(), set);
    }
    all
}

fn read_output(entry: &Entry<'_>, known: &Known<'_>, errors: &mut Diagnostics) -> Option<OutputEntry> {
    let keys = entry.value.table(errors)?.entries();
    let table = keys.iter().map(|key| (key.key.to_owned(), key.value.plain(errors))).collect();
    for ConfigError { option, reason, hint } in (known.check_output)(entry.key, &table) {
        // What is missing has no place but its output's.
        let key = keys.iter().find(|key| option.as_deref() == Some(key.key));
        let place = key.map_or(&entry.place, |key| &key.value.place);
        let wrong = place.error(option.map_or(reason.clone(), |option| format!("{option}: {reason}")));
        errors.push(match hint {
            Some(hint) => wrong.hint(hint),
            None => wrong,
        });
    }
    Some(OutputEntry { name: entry.key.to_owned(), table, place: entry.place.clone() })
}

#[cfg(test)]
mod tests {
    use crate::rules::samples;

    #[test]
    fn everything_wrong_with_the_settings_is_said_at_once() {
        let text = r#"version = 2
colour = "red"

[detect]
preset = ["tripline", "scanlogt"]
memory = "64 lightyears"
refusd = 4

[nets]
home = ["10.0.0.0/33", "10.0.0.1/8"]
"two words" = []

[outputs.alerts]
plugin = "sylog"
phases = ["begin", "middle"]

[outputs.archive]
path = "/var/log/scans.jsonl"
"#;
        insta::assert_snapshot!(samples::read(&[("rules.toml", text)]).unwrap_err(), @r#"
        rules.toml:1:11: error: this program reads version 1
           |
         1 | version = 2
           |           ^
           = version = 1

        rules.toml:2:1: error: a rules file has no part called `colour`
           |
         2 | colour = "red"
           | ^^^^^^
           = known: version, detect, nets, reassembly, processors, outputs, rules, default, tests

        rules.toml:5:23: error: no preset is called `scanlogt`
           |
         5 | preset = ["tripline", "scanlogt"]
           |                       ^^^^^^^^^^
           = did you mean `scanlogd`?

        rules.toml:6:10: error: `64 lightyears` is no size: the units are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB
           |
         6 | memory = "64 lightyears"
           |          ^^^^^^^^^^^^^^^
           = write it like 64 MiB or 1 GiB

        rules.toml:7:1: error: [detect] has no setting called `refusd`
           |
         7 | refusd = 4
           | ^^^^^^
           = did you mean `refused`?

        rules.toml:10:9: error: `33` is no prefix length of 10.0.0.0: it goes from 0 to 32
            |
         10 | home = ["10.0.0.0/33", "10.0.0.1/8"]
            |         ^^^^^^^^^^^^^
            = write 10.0.0.0/8, 192.0.2.7 or fc00::/7

        rules.toml:10:24: error: `10.0.0.1/8` has bits set behind its prefix
            |
         10 | home = ["10.0.0.0/33", "10.0.0.1/8"]
            |                        ^^^^^^^^^^^^
            = the net is 10.0.0.0/8, the one host 10.0.0.1

        rules.toml:11:1: error: `two words` is no name for a net
            |
         11 | "two words" = []
            | ^^^^^^^^^^^
            = begin with a letter; letters, digits, - _ . may follow

        rules.toml:14:10: error: plugin: `sylog` is no plugin
            |
         14 | plugin = "sylog"
            |          ^^^^^^^
            = known are: stdout, file

        rules.toml:17:10: error: plugin: is missing
            |
         17 | [outputs.archive]
            |          ^^^^^^^

        10 errors; nothing was started
        "#);
    }
}
