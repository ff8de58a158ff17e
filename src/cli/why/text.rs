//! The story of one address for a person at three in the morning: what it did, what was thought of it, and last why.
//!
//! In: a [`Tale`]. Out: text. Nothing that stands in a file or a packet reaches the terminal with control characters in it:
//! `tale.rs` has made names printable. Must not know where the numbers come from. Read next: `tale.rs`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use jiff::Timestamp;

use super::tale::{Judged, Tale, Told, Walked};
use crate::cli::summary::{many, number};

/// Adds the text of a story.
pub(super) fn render(tale: &Tale, to: &mut String) {
    // Writing to a string cannot fail.
    let _ = write_all(tale, to);
}

fn write_all(tale: &Tale, to: &mut String) -> fmt::Result {
    if !to.is_empty() {
        writeln!(to)?;
    }
    let tenant = tale.tenant.as_ref().map(|tenant| format!(" of tenant {tenant}")).unwrap_or_default();
    writeln!(to, "{}{tenant}", tale.address)?;
    if let Some(seen) = &tale.seen {
        row(to, "seen", &format!("{} to {}", time(seen.first), time(seen.last)))?;
        row(to, "sent", &packets(&seen.sent))?;
        row(to, "got", &packets(&seen.received))?;
    }
    write_doors(tale, to)?;
    if let Some(head) = &tale.set {
        writeln!(to)?;
        row(to, "set", &format!("one of several senders of the same packets; they are judged as one, as {head}"))?;
    }
    tale.judged.iter().try_for_each(|judged| write_judged(judged, tale.set.is_some(), to))?;
    write_lost(tale, to)?;
    for (place, preset) in tale.presets.iter().enumerate() {
        let found = match preset.scans {
            0 if preset.takes == "see above" => "found no scan".to_owned(),
            0 => format!("found no scan; it takes {}", preset.takes),
            scans => format!("found {}", many(scans, "scan")),
        };
        row(to, if place == 0 { "presets" } else { "" }, &format!("{:<12} {found}", preset.preset))?;
    }
    write_events(tale, to)?;
    writeln!(to, "\n{}", tale.answer.words)?;
    tale.answer.decided.iter().try_for_each(|line| writeln!(to, "    {line}"))
}

fn write_doors(tale: &Tale, to: &mut String) -> fmt::Result {
    for (place, c) in tale.contacts.iter().enumerate() {
        let known = c.open + c.closed + c.unreachable + c.silent;
        let counts = [(c.open, "open"), (c.closed, "closed"), (c.unreachable, "unreachable"), (c.silent, "silent")];
        let unknown = [(c.doors.saturating_sub(known), "not known")];
        let parts = counts.into_iter().chain(unknown).filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{} {word}", number(count))).collect();
        let doors = many(c.doors, "door");
        row(
            to,
            if place == 0 { "knocked" } else { "" },
            &format!("{:<12} {doors}: {}", c.technique, parts.join(", ")),
        )?;
    }
    let half = tale.doors.len().div_ceil(2);
    for (place, door) in tale.doors.iter().enumerate() {
        if tale.doors_between > 0 && place == half {
            row(to, "", &format!("... and {} more ...", number(tale.doors_between)))?;
        }
        let details = if door.details.is_empty() { String::new() } else { format!("  ({})", door.details.join("; ")) };
        let line = format!("{}  {:<12} {:<28} {}{details}", time(door.time), door.technique, door.door, door.outcome);
        row(to, if place == 0 { "doors" } else { "" }, &line)?;
    }
    Ok(())
}

fn write_judged(judged: &Judged, in_set: bool, to: &mut String) -> fmt::Result {
    let Judged { technique, verdict, group, doors, .. } = judged;
    let verdict = match *verdict {
        "guilty" => {
            format!("found guilty at {}, of {}: {}", time(judged.time), many(*doors, "door"), ground(judged, group))
        }
        "acquitted" => format!(
            "suspected at {}, of {}: {}; acquitted",
            time(judged.time),
            many(*doors, "door"),
            ground(judged, group)
        ),
        _ if in_set => "not by itself; had it been, before it was suspected:".to_owned(),
        _ => "no suspect; had it been judged:".to_owned(),
    };
    writeln!(to)?;
    row(to, "judged", &format!("{technique}: {verdict}"))?;
    if judged.acquittals > 0 && judged.trials > 1 {
        row(to, "", &format!("judged {} times, acquitted {}", judged.trials, judged.acquittals))?;
    }
    if judged.one_sided {
        row(to, "", "one-sided: nothing is heard from its targets' networks, so only counts tell")?;
    }
    judged.said.iter().try_for_each(|said| row(to, "", said))?;
    judged.walks.iter().try_for_each(|walk| write_walk(walk, to))?;
    if judged.more_walks > 0 {
        row(to, "", &format!("and {}, none of them nearer to its threshold", many(judged.more_walks, "more group")))?;
    }
    Ok(())
}

/// Why it was suspected.
fn ground(judged: &Judged, group: &str) -> String {
    let why = match judged.ground {
        "failures" => "a walk reached its threshold",
        "dishonest" => "packets that open no connection",
        "repeated" => "one source port and sequence number on several doors",
        "half-open" => "answers reset without a word",
        "empty-connects" => "connections closed without a byte",
        "same-words" => "connections on which equally much was said",
        "bounced" => "doors that an FTP client had named",
        "blind" => "many hosts on one port, many of them not there",
        "once" => "door after door once and without a word",
        _ => "many contacts without a pattern, nearly all in vain",
    };
    format!("{why} ({group})")
}

fn write_walk(walk: &Walked, to: &mut String) -> fmt::Result {
    row(to, "", &format!("walk over {}", walk.group))?;
    if walk.steps_before > 0 {
        row(to, "", &format!("  ... {} before ...", many(walk.steps_before, "step")))?;
    }
    for step in &walk.steps {
        let weight = match step.weight {
            weight if weight > 0.0 => format!("+{weight}"),
            weight => format!("{weight}"),
        };
        let line = format!("  {weight:>4}  = {:<5} {:<28} {}", step.sum, step.door, step.because);
        row(to, "", &line)?;
    }
    let unseen = if walk.unseen > 0 {
        format!("; {} of {} doors needed where nothing is ever heard", walk.unseen, walk.unseen_needed)
    } else {
        String::new()
    };
    let verdict = match walk.excuse {
        Some(excuse) => excuse,
        None if walk.guilty => "a scan",
        None => "no scan",
    };
    row(to, "", &format!("  {} of {} steps needed{unseen}: {verdict}", walk.highest, walk.needed))
}

fn write_lost(tale: &Tale, to: &mut String) -> fmt::Result {
    let lost = &tale.lost;
    let mut parts = Vec::new();
    if lost.contacts > 0 {
        parts.push(format!("{} before the outcome was known", many(lost.contacts, "contact")));
    }
    if lost.alone > 0 {
        parts.push(format!("its only contact, {}", many(lost.alone, "time")));
    }
    if lost.suspect > 0 {
        parts.push(format!("all that it was suspected of, {}", many(lost.suspect, "time")));
    }
    if parts.is_empty() {
        return writeln!(to);
    }
    row(to, "memory", &format!("gave up {}", parts.join("; ")))?;
    writeln!(to)
}

fn write_events(tale: &Tale, to: &mut String) -> fmt::Result {
    for (place, event) in tale.events.iter().enumerate() {
        let Told { phase, id, severity, preset, .. } = event;
        let id = id.as_deref().map(|id| id.get(..8).unwrap_or(id)).unwrap_or_default();
        let words = [*phase, Some(id), preset.as_deref(), *severity].into_iter().flatten();
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        row(to, if place == 0 { "events" } else { "" }, &format!("{}  {}", time(event.time), words.join(" ")))?;
        row(to, "", &format!("  {}", event.what))?;
        row(to, "", &format!("  {}", route(event)))?;
    }
    if tale.more_events > 0 {
        row(to, "", &format!("and {}", many(tale.more_events, "more event")))?;
    }
    Ok(())
}

/// What rules and outputs did with an event.
fn route(event: &Told) -> String {
    let rule = event.rule.as_ref().map_or("[default]".to_owned(), |rule| format!("rule \"{rule}\""));
    let done = match event {
        Told { silenced: true, .. } => "silenced".to_owned(),
        Told { held: true, outputs, .. } if outputs.is_empty() => "held back by its limit".to_owned(),
        Told { outputs, .. } if outputs.is_empty() => "to nobody".to_owned(),
        Told { outputs, .. } => format!("to {}", outputs.join(" and ")),
    };
    let not: Vec<String> = event.not_taken.iter().map(|(name, why)| format!("; not to {name}: {why}")).collect();
    format!("{rule}: {done}{}", not.concat())
}

fn packets(packets: &BTreeMap<&'static str, u64>) -> String {
    let mut ranked: Vec<_> = packets.iter().collect();
    ranked.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let parts: Vec<String> = ranked.into_iter().map(|(sort, count)| format!("{sort} {}", number(*count))).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn row(to: &mut String, label: &str, text: &str) -> fmt::Result {
    let line = format!("    {label:<8}{text}");
    writeln!(to, "{}", line.trim_end())
}

/// UTC to the millisecond.
fn time(nanos: i64) -> String {
    let moment = Timestamp::from_nanosecond(nanos.into()).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()
}
