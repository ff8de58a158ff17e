//! One rule: how it is written, and what it says.
//!
//! In: a `[[rules]]` table and the names it may use. Out: a [`Rule`], or all that is wrong.
//! Must not know other rules.
//! Source: `docs/rules.md`, "Rules".
//! Read next: `conditions.rs` (its `if`), `route.rs` (what comes of it).

use std::sync::Arc;

use jiff::{Timestamp, civil, tz::TimeZone};
use tripline_plugin::event::Severity;

use super::{
    OutputEntry,
    conditions::{self, Nets},
    limit::{By, Limit},
    matching::{Condition, Reach},
    names::{self, Known, Words},
    route::OutputSet,
    trials,
};
use crate::config::{
    Diagnostics, Place, Unreadable,
    document::{Table, Value},
    units,
};

/// What happens to events that meet its conditions.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What events and the summary call it.
    pub name: Arc<str>,
    /// Where its name stands.
    pub place: Place,
    /// All of them must hold; none means that every event is meant.
    pub conditions: Vec<Condition>,
    /// The same, as they are written.
    pub written: String,
    /// The severity that it gives.
    pub severity: Option<Severity>,
    /// Who gets the events; `None` leaves them to `[default]`.
    pub outputs: Option<OutputSet>,
    /// Its events are counted and delivered nowhere.
    pub silence: Option<Silence>,
    /// No more than so many.
    pub limit: Option<Limit>,
    /// The rules below are asked too.
    pub goes_on: bool,
}

/// Why events are silenced, and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// For whoever reads the file, and the summary.
    pub reason: Option<String>,
    /// From this moment of capture time on, the rule takes nothing (nanoseconds since 1970).
    pub until: Option<i64>,
}

impl Rule {
    /// How many of an event's addresses must fit its conditions.
    pub fn reach(&self) -> Reach {
        if self.silence.is_some() { Reach::Every } else { Reach::One }
    }
}

/// The keys of `[[rules]]`.
pub const KEYS: [&str; 9] = ["name", "if", "severity", "outputs", "silence", "reason", "until", "limit", "continue"];

/// The keys of `limit`.
pub const LIMIT_KEYS: [&str; 3] = ["events", "per", "by"];

/// What limits may count for.
pub const BY: Words<By> = &[("source", By::Source), ("target", By::Target), ("all", By::All)];

/// What a rule may name.
#[derive(Clone, Copy)]
pub struct Vocabulary<'v> {
    /// The nets that have names.
    pub nets: &'v Nets,
    /// The outputs that there are.
    pub outputs: &'v [OutputEntry],
    /// What the program has.
    pub known: &'v Known<'v>,
}

/// Reads one `[[rules]]`.
pub fn read(table: &Table<'_>, words: &Vocabulary<'_>, errors: &mut Diagnostics) -> Option<Rule> {
    table.only("a rule", &KEYS, errors);
    let asked = table.get("if").and_then(|value| value.table(errors));
    let conditions = asked.as_ref().map(|asked| conditions::read(asked, words.nets, words.known, errors));
    let silence = read_silence(table, errors);
    let rule = Rule {
        name: "".into(),
        place: table.place.clone(),
        conditions: conditions.unwrap_or_default(),
        written: asked.as_ref().map(Table::written).unwrap_or_default(),
        severity: table
            .get("severity")
            .and_then(|value| value.parsed(|word| names::look_up(names::SEVERITIES, "severity", word), errors)),
        outputs: table.get("outputs").map(|value| read_outputs(&value, words.outputs, errors)),
        silence,
        limit: table.get("limit").and_then(|value| read_limit(&value, errors)),
        goes_on: table.get("continue").and_then(|value| value.boolean(errors)).unwrap_or_default(),
    };
    let Some(name) = table.get("name") else {
        errors.push(table.place.error("a rule has a name").hint("name = \"what it is for\"; events carry it"));
        return None;
    };
    let text = name.string(errors)?;
    if text.trim().is_empty() {
        errors.push(name.place.error("the name of a rule is empty"));
    }
    if text == trials::DEFAULT {
        errors.push(name.place.error("what no rule took is called so").hint("give the rule a name of its own"));
    }
    Some(Rule { name: text.into(), place: name.place, ..rule })
}

/// The outputs of a list; also that of `[default]`.
pub fn read_outputs(value: &Value<'_>, outputs: &[OutputEntry], errors: &mut Diagnostics) -> OutputSet {
    if value.one_or_many().is_empty() {
        let message = "an empty list of outputs would lose events unseen";
        errors.push(value.place.error(message).hint("say silence = true, which counts them, or leave the key out"));
    }
    named_outputs(value, outputs, errors)
}

/// The outputs of a list that may be empty.
pub fn named_outputs(value: &Value<'_>, outputs: &[OutputEntry], errors: &mut Diagnostics) -> OutputSet {
    let mut set = OutputSet::default();
    for element in value.one_or_many() {
        let read = |name: &str| {
            let found = outputs.iter().position(|output| output.name == name);
            found.ok_or_else(|| Unreadable::unknown("output", name, outputs.iter().map(|output| output.name.as_str())))
        };
        set.extend(element.parsed(read, errors));
    }
    set
}

fn read_silence(table: &Table<'_>, errors: &mut Diagnostics) -> Option<Silence> {
    let silent = table.get("silence").and_then(|value| value.boolean(errors)).unwrap_or_default();
    let reason = table.get("reason").and_then(|value| value.string(errors)).map(str::to_owned);
    let until = table.get("until").and_then(|value| read_date(&value, errors));
    let contradicts: &[(&str, &str)] = if silent {
        &[
            ("severity", "a silenced event has no severity"),
            ("outputs", "a silenced event goes to no output"),
            ("limit", "a silenced event needs no limit"),
            ("continue", "a silenced event meets no more rules"),
        ]
    } else {
        &[("reason", "`reason` belongs to `silence = true`"), ("until", "`until` belongs to `silence = true`")]
    };
    for entry in table.entries() {
        if let Some((_, why)) = contradicts.iter().find(|(key, _)| *key == entry.key) {
            errors.push(entry.place.error(*why).hint("take one of the two out"));
        }
    }
    silent.then_some(Silence { reason, until })
}

/// How dates and times are written.
const A_DATE: &str = "write 2027-01-31 or 2027-01-31T18:00:00+02:00";

/// A date means until the end of that day, UTC; a time without an offset is UTC.
fn read_date(value: &Value<'_>, errors: &mut Diagnostics) -> Option<i64> {
    read_time(value, civil::Date::tomorrow, errors)
}

/// A date means the beginning of that day, UTC; a time without an offset is UTC.
pub fn read_moment(value: &Value<'_>, errors: &mut Diagnostics) -> Option<i64> {
    read_time(value, Ok, errors)
}

/// A moment in nanoseconds since 1970; of a bare date the beginning of the `day` that it means.
fn read_time(
    value: &Value<'_>,
    day: impl FnOnce(civil::Date) -> Result<civil::Date, jiff::Error>,
    errors: &mut Diagnostics,
) -> Option<i64> {
    let written = value.as_datetime().map(|datetime| datetime.to_string());
    let Some(text) = written.as_deref().or_else(|| value.as_str()) else {
        errors.push(value.unexpected("a date").hint(A_DATE));
        return None;
    };
    let utc = |at: civil::DateTime| at.to_zoned(TimeZone::UTC).map(|at| at.timestamp());
    // A timestamp's parser wants an offset and a date-time's takes a bare date too,
    // so the narrower ones come first.
    let moment = text.parse::<Timestamp>().or_else(|_| {
        if text.len() > "2027-01-31".len() {
            text.parse::<civil::DateTime>().and_then(utc)
        } else {
            text.parse::<civil::Date>().and_then(day).and_then(|day| utc(day.at(0, 0, 0, 0)))
        }
    });
    let nanos = moment.ok().and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
    if nanos.is_none() {
        errors.push(value.place.error(format!("`{text}` is no date")).hint(A_DATE));
    }
    nanos
}

fn read_limit(value: &Value<'_>, errors: &mut Diagnostics) -> Option<Limit> {
    let table = value.table(errors)?;
    table.only("`limit`", &LIMIT_KEYS, errors);
    let needs = |key: &str, errors: &mut Diagnostics| {
        let found = table.get(key);
        if found.is_none() {
            let message = format!("a limit says `{key}`");
            errors.push(value.place.error(message).hint("limit = { events = 20, per = \"1m\", by = \"source\" }"));
        }
        found
    };
    let events = needs("events", errors).and_then(|value| value.count(errors));
    let per = needs("per", errors).and_then(|value| {
        let per = value.parsed(units::duration, errors)?;
        if per == 0 {
            errors.push(value.place.error("a limit needs some time").hint("per = \"1m\""));
        }
        Some(per)
    });
    let by = table
        .get("by")
        .map_or(Some(By::All), |value| value.parsed(|word| names::look_up(BY, "way to count", word), errors));
    Some(Limit { events: events?, per: per?, by: by? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::samples;

    const DAY: i64 = 86_400_000_000_000;

    fn until(date: &str) -> i64 {
        let rules = samples::rules(&format!("[[rules]]\nname = 'x'\nsilence = true\nuntil = {date}\n"));
        rules.rules[0].silence.as_ref().unwrap().until.unwrap()
    }

    #[test]
    fn until_a_date_means_to_its_end() {
        assert_eq!(until("1970-01-02"), 2 * DAY);
        assert_eq!(until("'1970-01-02'"), 2 * DAY);
        assert_eq!(until("1970-01-02T00:00:00"), DAY);
        assert_eq!(until("1970-01-02 06:00:00"), DAY + DAY / 4);
        assert_eq!(until("1970-01-02T00:00:00+06:00"), DAY - DAY / 4);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for date in ["'soon'", "''", "12:00:00", "1", "'9999-99-99'"] {
            let rule = format!("[[rules]]\nname = 'x'\nsilence = true\nuntil = {date}\n");
            assert!(samples::errors(&rule).contains("write 2027-01-31"), "{date}");
        }
    }

    #[test]
    fn a_rule_cannot_contradict_itself() {
        let silent = "[[rules]]\nname = 'x'\nsilence = true\nseverity = 'high'\ncontinue = true\n";
        let shown = samples::errors(silent);
        assert!(shown.contains("a silenced event has no severity"), "{shown}");
        assert!(shown.contains("a silenced event meets no more rules"), "{shown}");
        let loud = samples::errors("[[rules]]\nname = 'x'\nreason = 'why'\n");
        assert!(loud.contains("`reason` belongs to `silence = true`"), "{loud}");
    }

    #[test]
    fn a_limit_says_how_many_and_in_what_time() {
        let read = |limit: &str| format!("[[rules]]\nname = 'x'\nlimit = {limit}\n");
        let rules = samples::rules(&read("{ events = 20, per = '1m', by = 'source' }"));
        assert_eq!(rules.rules[0].limit, Some(Limit { events: 20, per: DAY / 1440, by: By::Source }));
        for (limit, why) in [
            ("{ per = '1m' }", "a limit says `events`"),
            ("{ events = 20 }", "a limit says `per`"),
            ("{ events = 20, per = '0s' }", "a limit needs some time"),
            ("{ events = 20, per = '1m', by = 'colour' }", "no way to count is called `colour`"),
            ("{ events = 20, per = '1m', burst = 2 }", "`limit` has no key `burst`"),
        ] {
            let shown = samples::errors(&read(limit));
            assert!(shown.contains(why), "{limit}: {shown}");
        }
    }
}
