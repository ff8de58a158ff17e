//! How the `if` of a rule is written.
//!
//! In: the table behind `if`, and the nets that have names. Out: [`Condition`]s, or all that
//! is wrong with them. Must not know what follows from a match.
//! Source: `docs/rules.md`, "Conditions".
//! Read next: `matching.rs`, which holds events against them.

use std::collections::BTreeMap;

use super::{
    matching::{Bounds, Condition, Measure},
    names::{self, Known, Words},
};
use crate::config::{
    Diagnostics, Unreadable, did_you_mean,
    document::{Table, Value},
    nets::{self, NetSet},
    ranges::Ranges,
};

/// Nets by name.
pub type Nets = BTreeMap<String, NetSet>;

/// The keys of `if`.
pub const KEYS: [&str; 15] = [
    "source",
    "target",
    "ports",
    "direction",
    "technique",
    "kind",
    "phase",
    "severity",
    "tool",
    "trust",
    "answers",
    "counts",
    "interface",
    "vlan",
    "preset",
];

/// The keys of `answers`.
pub const ANSWERS: Words<Measure> = &[
    ("open", Measure::Open),
    ("closed", Measure::Closed),
    ("unreachable", Measure::Unreachable),
    ("silent", Measure::Silent),
];

/// The keys of `counts`.
pub const COUNTS: Words<Measure> = &[
    ("packets", Measure::Packets),
    ("doors", Measure::Doors),
    ("targets", Measure::Targets),
    ("ports", Measure::Ports),
    ("sources", Measure::Sources),
];

/// Reads the table behind `if`.
pub fn read(table: &Table<'_>, nets: &Nets, known: &Known<'_>, errors: &mut Diagnostics) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for entry in table.entries() {
        let value = &entry.value;
        let condition = match entry.key {
            "source" => read_nets(value, nets, errors).map(Condition::Source),
            "target" => read_nets(value, nets, errors).map(Condition::Target),
            "ports" => read_ranges(value, "port", errors).map(Condition::Ports),
            "vlan" => read_ranges(value, "VLAN id", errors).map(Condition::Vlan),
            "direction" => {
                if !nets.contains_key(names::HOME) {
                    let message = "a direction is seen from the net `home`, and there is none";
                    errors.push(entry.place.error(message).hint("name your networks: [nets] home = [\"10.0.0.0/8\"]"));
                }
                read_words(value, names::DIRECTIONS, "direction", errors).map(Condition::Direction)
            }
            "kind" => read_words(value, names::KINDS, "kind", errors).map(Condition::Kind),
            "phase" => read_words(value, names::PHASES, "phase", errors).map(Condition::Phase),
            "severity" => read_degrees(value, names::SEVERITIES, "severity", errors).map(Condition::Severity),
            "trust" => read_degrees(value, names::TRUSTS, "trust", errors).map(Condition::Trust),
            "technique" => read_known(value, "technique", &names::TECHNIQUES, errors).map(Condition::Technique),
            "preset" => read_known(value, "preset", known.presets, errors).map(Condition::Preset),
            "tool" => read_texts(value, errors).map(Condition::Tool),
            "interface" => read_texts(value, errors).map(Condition::Interface),
            "answers" => {
                read_numbers(value, "`answers`", ANSWERS, &mut conditions, errors);
                None
            }
            "counts" => {
                read_numbers(value, "`counts`", COUNTS, &mut conditions, errors);
                None
            }
            key => {
                errors.push(entry.place.error(format!("`if` has no key `{key}`")).hint(hint_for(key)));
                None
            }
        };
        conditions.extend(condition);
    }
    conditions
}

/// Numbers are what people forget to put into their table.
fn hint_for(key: &str) -> String {
    for (table, words) in [("answers", ANSWERS), ("counts", COUNTS)] {
        if words.iter().any(|(word, _)| *word == key) {
            return format!("numbers stand together: {table} = {{ {key} = \">= 60\" }}");
        }
    }
    did_you_mean(key, KEYS)
}

/// The elements of a list that must not be empty: a condition on nothing holds never, and was
/// not meant.
fn elements<'d>(value: &Value<'d>, errors: &mut Diagnostics) -> Vec<Value<'d>> {
    let elements = value.one_or_many();
    if elements.is_empty() {
        errors.push(value.place.error("an empty list fits nothing").hint("leave the key out, or name something"));
    }
    elements
}

/// Each element read by `read`; `None` unless all could be.
fn read_each<T>(
    value: &Value<'_>,
    errors: &mut Diagnostics,
    mut read: impl FnMut(&Value<'_>, &mut Diagnostics) -> Option<T>,
) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = elements(value, errors).iter().map(|element| read(element, errors)).collect();
    read.into_iter().collect()
}

/// Nets by name, CIDRs and addresses, each with `!` or without; one or a list.
pub fn read_nets(value: &Value<'_>, nets: &Nets, errors: &mut Diagnostics) -> Option<NetSet> {
    let mut set = NetSet::default();
    read_each(value, errors, |element, errors| element.parsed(|text| add_to(&mut set, text, nets), errors))?;
    Some(set)
}

/// Adds a named net, a CIDR or an address to a set, or excepts it when `!` stands before it.
fn add_to(set: &mut NetSet, text: &str, nets: &Nets) -> Result<(), Unreadable> {
    let bare = text.strip_prefix('!').map_or(text, str::trim_start);
    let excepted = bare.len() < text.len();
    if let Some(named) = nets.get(bare) {
        set.add_set(named, excepted);
        return Ok(());
    }
    let is_a_name = bare.starts_with(|c: char| c.is_alphabetic()) && !bare.contains([':', '/']);
    if is_a_name {
        return Err(Unreadable::unknown("net", bare, nets.keys().map(String::as_str)));
    }
    set.add(nets::net(bare)?, excepted);
    Ok(())
}

/// A number, `"22-25,80"`, or a list of such.
pub fn read_ranges(value: &Value<'_>, what: &str, errors: &mut Diagnostics) -> Option<Ranges> {
    let parts = read_each(value, errors, |element, errors| {
        let number = element.as_count().map(|number| number.to_string());
        let text = number.as_deref().or_else(|| element.as_str());
        let Some(text) = text else {
            errors.push(element.unexpected("a number or a range such as \"22-25\""));
            return None;
        };
        element.checked(Ranges::parse(text, what), errors)
    })?;
    let mut ranges = Ranges::default();
    ranges.extend(parts);
    Some(ranges)
}

fn read_words<T: Copy>(value: &Value<'_>, words: Words<T>, what: &str, errors: &mut Diagnostics) -> Option<Vec<T>> {
    read_each(value, errors, |element, errors| element.parsed(|word| names::look_up(words, what, word), errors))
}

/// Words that have an order: one, a list, or `">= word"` for it and all above.
fn read_degrees<T: Copy>(value: &Value<'_>, words: Words<T>, what: &str, errors: &mut Diagnostics) -> Option<Vec<T>> {
    let least = |text: &str| text.trim_start().strip_prefix(">=").map(|word| word.trim().to_owned());
    let Some(least) = value.as_str().and_then(least) else {
        return read_words(value, words, what, errors);
    };
    value.parsed(|_| names::look_up(words, what, &least), errors)?;
    Some(words.iter().skip_while(|(word, _)| *word != least).map(|(_, meaning)| *meaning).collect())
}

fn read_known(value: &Value<'_>, what: &str, known: &[&str], errors: &mut Diagnostics) -> Option<Vec<String>> {
    read_each(value, errors, |element, errors| element.parsed(|word| names::one_of(known, what, word), errors))
}

fn read_texts(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Vec<String>> {
    read_each(value, errors, |element, errors| element.string(errors).map(str::to_owned))
}

fn read_numbers(
    value: &Value<'_>,
    whose: &str,
    words: Words<Measure>,
    conditions: &mut Vec<Condition>,
    errors: &mut Diagnostics,
) {
    let Some(table) = value.table(errors) else { return };
    table.only(whose, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>(), errors);
    for (word, measure) in words {
        let Some(number) = table.get(word) else { continue };
        let bounds = match number.as_count() {
            Some(exactly) => Some(Bounds { min: exactly, max: exactly }),
            None => number.parsed(bounds, errors),
        };
        conditions.extend(bounds.map(|bounds| Condition::Number(*measure, bounds)));
    }
}

/// `>= 60`, `< 100`, `= 5`, or several with commas between them, all of which must hold.
fn bounds(text: &str) -> Result<Bounds, Unreadable> {
    let wrong = |why: &str| {
        Unreadable::new(format!("`{text}` is no comparison: {why}"), "write \">= 60\", \"< 100\", \">= 10, < 20\" or 5")
    };
    let mut bounds = Bounds { min: 0, max: u64::MAX };
    for part in text.split(',') {
        let part = part.trim();
        let number = part.trim_start_matches(['<', '>', '=']);
        let sign = part.strip_suffix(number).unwrap_or_default();
        let number: u64 = number.trim().parse().map_err(|_| wrong("a whole number must stand behind the sign"))?;
        let below = number.checked_sub(1).ok_or_else(|| wrong("nothing is below 0"));
        let (min, max) = match sign {
            ">=" => (number, u64::MAX),
            ">" => (number.saturating_add(1), u64::MAX),
            "<=" => (0, number),
            "<" => (0, below?),
            "=" | "" => (number, number),
            _ => return Err(wrong("the signs are >=, >, <=, <, =")),
        };
        bounds = Bounds { min: bounds.min.max(min), max: bounds.max.min(max) };
    }
    if bounds.min > bounds.max { Err(wrong("no number is all of that")) } else { Ok(bounds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_bounds() {
        let all = u64::MAX;
        for (text, min, max) in [
            (">= 60", 60, all),
            (">60", 61, all),
            ("<= 60", 0, 60),
            ("< 60", 0, 59),
            ("= 60", 60, 60),
            ("60", 60, 60),
            (">= 10, < 20", 10, 19),
        ] {
            assert_eq!(bounds(text), Ok(Bounds { min, max }), "{text}");
        }
    }

    #[test]
    fn what_is_no_comparison_is_told_why() {
        for (text, why) in [
            ("many", "whole number"),
            ("", "whole number"),
            (">=", "whole number"),
            ("=> 5", "the signs are"),
            ("< 0", "nothing is below 0"),
            (">= 20, < 10", "no number is all of that"),
            ("> -1", "whole number"),
        ] {
            let error = bounds(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
