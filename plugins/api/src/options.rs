//! The options of an output: declared once, checked once, then read by type.
//!
//! In: a table of raw values (from a rules file, or `-o plugin:key=value`) and the plugin's
//! [`OptionSpec`]s. Out: [`Options`], in which every declared key is present or rightly absent
//! and of its kind; or all that is wrong, each error naming its key. Must not know where the
//! table came from: whoever has line and column adds them.
//!
//! Read next: `output.rs` (who gets them), `nearest.rs` (did you mean …?).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::nearest;

/// Raw values by key, as a configuration holds them.
pub type Table = BTreeMap<String, Value>;

/// One option of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// The key.
    pub name: &'static str,
    /// What its value must be.
    pub kind: OptionKind,
    /// What holds when the key is absent.
    pub need: Need,
    /// One line for `tripline plugins NAME`.
    pub help: &'static str,
}

/// What an option's value must be. From `-o` all values come as text and are read as their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A path of the file system; empty is refused.
    Path,
    /// `true` or `false`.
    Bool,
    /// A whole number from 0.
    Integer,
    /// Bytes: a number, or text such as `64 MiB` or `10 MB`.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or a size.
    ChoiceOrSize(&'static [&'static str]),
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// That is an error.
    Required,
    /// The plugin does without.
    Optional,
    /// This value, written as in a configuration.
    Default(&'static str),
}

/// What is wrong with one option, or with the table as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}{}", prefix("", option.as_deref(), ": "), prefix(" (", hint.as_deref(), ")"))]
pub struct ConfigError {
    /// The key, where one is to blame.
    pub option: Option<String>,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// `before`, the text and `after`; or nothing, without a text.
fn prefix(before: &str, text: Option<&str>, after: &str) -> String {
    text.map(|text| format!("{before}{text}{after}")).unwrap_or_default()
}

impl ConfigError {
    /// An error about one key.
    pub fn about(option: &str, reason: impl Into<String>) -> Self {
        Self { option: Some(option.into()), reason: reason.into(), hint: None }
    }

    /// The same with an advice.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The error for a word that is none of `known`, with the nearest of them as advice.
    pub fn unknown(option: &str, reason: String, word: &str, known: &[&str]) -> Self {
        let hint = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has none".into(),
            None => format!("known are: {}", known.join(", ")),
        };
        Self::about(option, reason).hint(hint)
    }
}

/// What a run that another may have to go on with asks of its outputs (`read --resume`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It begins. What is there stays; [`Output::position`](crate::Output::position) will be asked.
    Begin,
    /// It goes on: what lies behind this position, which an earlier run's output gave, is to be taken back before
    /// anything is written. It will be told again.
    At(u64),
}

/// The options of one output, checked against its plugin's specs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    values: BTreeMap<&'static str, Checked>,
    format: String,
    resume: Option<Resume>,
}

/// A value that is what its spec asks for.
#[derive(Clone, Debug, PartialEq)]
enum Checked {
    Text(String),
    Bool(bool),
    Number(u64),
}

impl Options {
    /// Checks a table against what a plugin declares, and fills in defaults.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the table's keys, then of the specs.
    pub fn check(specs: &[OptionSpec], table: &Table) -> Result<Self, Vec<ConfigError>> {
        let mut checked = BTreeMap::new();
        let mut errors = Vec::new();
        let known: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        for (key, value) in table {
            match specs.iter().find(|spec| spec.name == key) {
                None => errors.push(ConfigError::unknown(key, "no such option".into(), key, &known)),
                Some(spec) => match check(spec, value) {
                    Ok(value) => _ = checked.insert(spec.name, value),
                    Err(error) => errors.push(error),
                },
            }
        }
        for spec in specs.iter().filter(|spec| !table.contains_key(spec.name)) {
            match spec.need {
                Need::Optional => {}
                Need::Required => errors.push(ConfigError::about(spec.name, "is missing").hint(spec.help)),
                Need::Default(text) => match check(spec, &Value::String(text.into())) {
                    Ok(value) => _ = checked.insert(spec.name, value),
                    Err(error) => errors.push(error.hint("this is the plugin's own default: please report it")),
                },
            }
        }
        let format = String::new();
        if errors.is_empty() { Ok(Self { values: checked, format, resume: None }) } else { Err(errors) }
    }

    /// The same with the name of the format that records will come in, which the host knows.
    #[must_use]
    pub fn with_format(self, name: &str) -> Self {
        Self { format: name.into(), ..self }
    }

    /// The name of the format that records come in: `eve`, `scanlogd` and so on. For what depends
    /// on it, such as whether a line may be cut; empty when the host did not say.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// The same for a run that another may have to go on with, or that goes on itself.
    #[must_use]
    pub fn with_resume(self, resume: Resume) -> Self {
        Self { resume: Some(resume), ..self }
    }

    /// What such a run asks; `None` of any other. An output that cannot give a position need not look: the host refuses it.
    pub fn resume(&self) -> Option<Resume> {
        self.resume
    }

    /// The text of a `Text` or `Choice` option, the word of a `ChoiceOrSize`; `None` when there is none.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Checked::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A `Path` option.
    ///
    /// # Errors
    /// It is absent: the plugin needs it but did not declare it as required.
    pub fn path(&self, name: &str) -> Result<PathBuf, ConfigError> {
        self.text(name).map(|text| Path::new(text).to_owned()).ok_or_else(|| ConfigError::about(name, "is missing"))
    }

    /// A `Bool` option; `false` when it is absent.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Checked::Bool(true)))
    }

    /// An `Integer` option, a `Size` in bytes, the size of a `ChoiceOrSize`; `None` when there is none.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.values.get(name) {
            Some(Checked::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// Takes a text of the command line apart, `name` or `name:key=value,key=value`: the name, the keys, and all that is
/// wrong with them.
pub fn read_spec(spec: &str) -> (&str, Table, Vec<ConfigError>) {
    let (name, rest) = spec.split_once(':').unwrap_or((spec, ""));
    let (mut table, mut errors) = (Table::new(), Vec::new());
    for part in rest.split(',').filter(|part| !part.trim().is_empty()) {
        match part.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, _)) if table.contains_key(key) => errors.push(ConfigError::about(key, "is given twice")),
            Some((key, value)) if !key.is_empty() => _ = table.insert(key.into(), value.into()),
            _ => errors.push(ConfigError {
                option: None,
                reason: format!("`{}` is not key=value", part.escape_debug()),
                hint: Some("write name:key=value,key=value; a value with a comma needs a rules file".into()),
            }),
        }
    }
    (name.trim(), table, errors)
}

/// Reads a value as its spec says.
fn check(spec: &OptionSpec, value: &Value) -> Result<Checked, ConfigError> {
    let wrong = |wanted: &str| ConfigError::about(spec.name, format!("{} is not {wanted}", shown(value)));
    let number = || value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let text = value.as_str();
    let size = || number().or_else(|| bytes(text?));
    match spec.kind {
        OptionKind::Text => text.map(|t| Checked::Text(t.into())).ok_or_else(|| wrong("text")),
        OptionKind::Path => match text {
            Some(t) if !t.is_empty() && !t.contains('\0') => Ok(Checked::Text(t.into())),
            _ => Err(wrong("a path")),
        },
        OptionKind::Bool => {
            value.as_bool().or_else(|| text?.parse().ok()).map(Checked::Bool).ok_or_else(|| wrong("`true` or `false`"))
        }
        OptionKind::Integer => number().map(Checked::Number).ok_or_else(|| wrong("a whole number from 0")),
        OptionKind::Size => size().map(Checked::Number).ok_or_else(|| {
            wrong("a size").hint("write a number of bytes, or a number and KiB, MiB, GiB, kB, MB or GB")
        }),
        OptionKind::ChoiceOrSize(words) => match text {
            Some(t) if words.contains(&t) => Ok(Checked::Text(t.into())),
            _ => size().map(Checked::Number).ok_or_else(|| {
                let reason = format!("{} is neither one of its words nor a size such as `64 MiB`", shown(value));
                ConfigError::unknown(spec.name, reason, text.unwrap_or_default(), words)
            }),
        },
        OptionKind::Choice(words) => match text {
            Some(t) if words.contains(&t) => Ok(Checked::Text(t.into())),
            _ => {
                let reason = format!("{} is none of its values", shown(value));
                Err(ConfigError::unknown(spec.name, reason, text.unwrap_or_default(), words))
            }
        },
    }
}

/// The value as a message quotes it: in backquotes, cut, without line breaks.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    format!("`{cut}`")
}

/// Bytes from `64 MiB`, `10MB`, `512 k`: decimal with `B` alone, binary with `iB` or a bare letter.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec { name: "path", kind: OptionKind::Path, need: Need::Required, help: "the file to append to" },
        OptionSpec { name: "sync", kind: OptionKind::Bool, need: Need::Default("false"), help: "" },
        OptionSpec { name: "keep", kind: OptionKind::Integer, need: Need::Optional, help: "" },
        OptionSpec { name: "limit", kind: OptionKind::Size, need: Need::Default("1 MiB"), help: "" },
        OptionSpec { name: "rotate", kind: OptionKind::Choice(&["daily", "hourly"]), need: Need::Optional, help: "" },
    ];

    fn check(value: Value) -> Result<Options, Vec<String>> {
        let table: Table = serde_json::from_value(value).unwrap();
        Options::check(SPECS, &table).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn options_are_read_by_type_and_defaults_stand_in() {
        let options = check(json!({"path": "/x", "keep": 30, "rotate": "daily"})).unwrap();
        assert_eq!(options.path("path").unwrap(), Path::new("/x"));
        assert!(!options.bool("sync"));
        assert_eq!(options.number("keep"), Some(30));
        assert_eq!(options.number("limit"), Some(1 << 20));
        assert_eq!(options.text("rotate"), Some("daily"));
    }

    #[test]
    fn a_word_or_a_size_is_read_as_what_it_is() {
        let specs = [OptionSpec {
            name: "rotate",
            kind: OptionKind::ChoiceOrSize(&["never", "daily"]),
            need: Need::Default("never"),
            help: "",
        }];
        let check = |value: Value| Options::check(&specs, &Table::from([("rotate".into(), value)]));
        assert_eq!(check("daily".into()).unwrap().text("rotate"), Some("daily"));
        assert_eq!(check("1 MiB".into()).unwrap().number("rotate"), Some(1 << 20));
        let error = check("dayly".into()).unwrap_err().remove(0).to_string();
        assert!(
            error.starts_with("rotate: `dayly` is neither") && error.ends_with("(did you mean `daily`?)"),
            "{error}"
        );
        assert_eq!(Options::check(&specs, &Table::new()).unwrap().text("rotate"), Some("never"));
    }

    #[test]
    fn a_command_line_writes_everything_as_text() {
        let options = check(json!({"path": "/x", "sync": "true", "keep": "7", "limit": "10MB"})).unwrap();
        assert!(options.bool("sync"));
        assert_eq!(options.number("keep"), Some(7));
        assert_eq!(options.number("limit"), Some(10_000_000));
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_with_the_way_out() {
        let table = json!({"pth": "/x", "sync": "maybe", "keep": -1, "limit": "much", "rotate": "dayly"});
        let expected = [
            "keep: `-1` is not a whole number from 0",
            "limit: `much` is not a size (write a number of bytes, or a number and KiB, MiB, GiB, kB, MB or GB)",
            "pth: no such option (did you mean `path`?)",
            "rotate: `dayly` is none of its values (did you mean `daily`?)",
            "sync: `maybe` is not `true` or `false`",
            "path: is missing (the file to append to)",
        ];
        assert_eq!(check(table).unwrap_err(), expected);
    }

    #[test]
    fn sizes_beyond_all_measure_are_refused() {
        assert_eq!(bytes("99999999999 GiB"), None);
        assert_eq!(bytes("64 MiB"), Some(64 << 20));
        assert_eq!(bytes("MiB"), None);
    }

    #[test]
    fn a_message_shows_no_control_characters() {
        let errors = check(json!({"path": "/x", "rotate": "\u{1b}[2J\n"})).unwrap_err();
        assert!(errors[0].starts_with(r"rotate: `\u{1b}[2J\n` is none"), "{errors:?}");
    }
}
