//! The summary of a run, for a person, on standard error.
//!
//! In: a [`Summary`] and how much to say. Out: text. Must not count anything.
//! Nothing that stands in a file or a packet reaches the terminal with control characters in it.
//! Read next: `engine/summary.rs`, where the numbers come from.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tripline_plugin::event::Scan;

use crate::{
    config::{diagnostic::printable, units::show_size},
    engine::summary::{Delivered, Summary, Worst},
    rules::names::{self, word_for},
    source::Time,
};

/// How much to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What went wrong, nothing else.
    Least,
    /// The usual.
    Usual,
    /// All.
    Most,
}

/// Reasons for skipping that are shown unless all are wanted.
const REASONS: usize = 5;

/// Renders the summary; empty when there is nothing to say.
pub fn render(summary: &Summary, detail: Detail) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = if detail == Detail::Least { Ok(()) } else { write_all(&mut text, summary, detail) };
    let _ = write_troubles(&mut text, summary);
    text
}

fn write_all(to: &mut String, summary: &Summary, detail: Detail) -> fmt::Result {
    let frames = many(summary.frames, "frame");
    write!(to, "read      {frames}, {}", show_size(summary.wire_bytes))?;
    match summary.span {
        Some((first, last)) => writeln!(to, ", {} to {} ({})", stamp(first), stamp(last), span(last.since(first)))?,
        None => writeln!(to)?,
    }
    let protocols = ranked(summary.protocols.iter(), usize::MAX);
    row(to, "packets", &protocols)?;
    let reasons = if detail == Detail::Most { usize::MAX } else { REASONS };
    row(to, "skipped", &ranked(summary.skipped.iter(), reasons))?;
    row(to, "left out", &left_out(summary))?;
    if summary.late > 0 {
        let late = many(summary.late, "capture");
        row(to, "merged", &format!("{late} late: too many overlap; `mergecap` some of them first"))?;
    }
    row(to, "answers", &answers(summary))?;
    if summary.rebased > 0 {
        row(to, "clock", &format!("stepped back {}; what was known by then was kept", times(summary.rebased.into())))?;
    }
    if summary.copies > 0 {
        row(to, "copies", &format!("{}, seen twice and counted once", many(summary.copies, "packet")))?;
    }
    if summary.evicted > 0 {
        let given_up = many(summary.evicted, "first contact");
        row(to, "memory", &format!("{given_up} given up: scans may have been missed; give more with --memory"))?;
    }
    row(to, "forgotten", &ranked(summary.forgotten.iter(), usize::MAX))?;
    row(to, "streams", &ranked(summary.streams.iter(), reasons))?;
    write_scans(to, summary)?;
    let by_rule = |counts: &std::collections::BTreeMap<String, u64>| {
        let part = |(rule, count): (&String, &u64)| format!("{} by \"{}\"", number(*count), printable(rule));
        counts.iter().map(part).collect::<Vec<_>>().join(", ")
    };
    row(to, "silenced", &by_rule(&summary.silenced))?;
    row(to, "held back", &by_rule(&summary.held))?;
    row(to, "oddities", &ranked(summary.anomalies.iter(), usize::MAX))?;
    let by_output = |count: fn(&Delivered) -> Option<u64>| {
        let part = |output| Some(format!("{} {}", number(count(output)?), printable(&output.name)));
        summary.outputs.iter().filter_map(part).collect::<Vec<_>>().join(", ")
    };
    row(to, "delivered", &by_output(|output| (output.withheld == 0).then_some(output.delivered)))?;
    match by_output(|output| Some(output.withheld).filter(|withheld| *withheld > 0)) {
        withheld if withheld.is_empty() => Ok(()),
        withheld => row(to, "withheld", &format!("{withheld}: this leaves the machine, which takes --deliver")),
    }
}

fn write_scans(to: &mut String, summary: &Summary) -> fmt::Result {
    let scans = &summary.scans;
    if !summary.has_scans() {
        return row(to, "scans", "none");
    }
    let severities = scans.by_severity.iter().rev();
    let severities: Vec<_> = severities
        .map(|(severity, count)| format!("{} {}", number(*count), word_for(names::SEVERITIES, severity)))
        .collect();
    row(to, "scans", &format!("{}: {}", number(scans.total()), severities.join(", ")))?;
    let kinds = scans.by_kind.iter().map(|(kind, count)| (word_for(names::KINDS, kind), count));
    row(to, "", &ranked(kinds, usize::MAX))?;
    row(to, "", &ranked(scans.by_technique.iter(), usize::MAX))?;
    // One scan has been shown as an event already.
    let worst = if scans.total() > 1 { scans.worst.as_slice() } else { &[] };
    for (place, worst) in worst.iter().enumerate() {
        row(to, if place == 0 { "worst" } else { "" }, &describe(worst))?;
    }
    Ok(())
}

/// What went wrong: said however little is wanted.
fn write_troubles(to: &mut String, summary: &Summary) -> fmt::Result {
    if summary.unread > 0 {
        row(to, "not read", &format!("{} as said above", many(summary.unread, "input")))?;
    }
    if summary.lost > 0 {
        let frames = many(summary.lost, "frame");
        row(
            to,
            "not seen",
            &format!("{frames}, for want of room in the kernel: give more with --buffer, or less to do with --filter"),
        )?;
    }
    for Delivered { name, lost, error, .. } in &summary.outputs {
        let why = error.as_deref().map(|error| format!(": {}", printable(error))).unwrap_or_default();
        if *lost > 0 || !why.is_empty() {
            row(to, "lost", &format!("{} for {}{why}", many(*lost, "event"), printable(name)))?;
        }
    }
    if summary.stopped { row(to, "stopped", "by a signal, before the end of the input") } else { Ok(()) }
}

/// What the user did not want to see.
fn left_out(summary: &Summary) -> String {
    let Summary { filtered, left_out, .. } = summary;
    let parts = [
        (*filtered, "frame", "by --filter"),
        (left_out.frames, "frame", "by --since and --until"),
        (left_out.files, "whole file", "by --since and --until"),
    ];
    let parts = parts.iter().filter(|(count, ..)| *count > 0);
    parts.map(|(count, what, why)| format!("{} {why}", many(*count, what))).collect::<Vec<_>>().join(", ")
}

fn answers(summary: &Summary) -> String {
    let (syns, syn_acks) = (number(summary.syns), number(summary.syn_acks));
    match (summary.syns, summary.syn_acks) {
        (0, 0) => String::new(),
        (_, 0) => format!("no SYN-ACK to {syns} SYN: only one side is in this capture, or nothing was open"),
        (0, _) => format!("no SYN to {syn_acks} SYN-ACK: only one side is in this capture"),
        _ => format!("{syn_acks} SYN-ACK to {syns} SYN"),
    }
}

fn describe(worst: &Worst) -> String {
    let Scan { severity, technique, kind, doors, answers, trust, id, sources, targets, .. } = &worst.scan;
    let side = |one: Option<std::net::IpAddr>, count: u64, what: &str| {
        one.map_or_else(|| many(count, what), |address| address.to_string())
    };
    let tool = worst.scan.tool.as_ref().map(|tool| format!("  {}", printable(&tool.name))).unwrap_or_default();
    format!(
        "{:6} {} -> {}  {}, {} open  {} {}{tool}  {}  {}",
        word_for(names::SEVERITIES, severity),
        side(worst.source, sources.count, "source"),
        side(worst.target, targets.count, "host"),
        many(*doors, "door"),
        number(answers.open),
        word_for(names::KINDS, kind),
        printable(technique),
        word_for(names::TRUSTS, trust),
        printable(id.get(..8).unwrap_or(id)),
    )
}

/// A name in the left column; nothing at all for an empty text.
fn row(to: &mut String, name: &str, text: &str) -> fmt::Result {
    if text.is_empty() { Ok(()) } else { writeln!(to, "{name:9} {text}") }
}

/// Counts from the largest down, the smallest ones summed up when there are more than `shown`.
fn ranked<'s, N: AsRef<str> + 's>(counts: impl Iterator<Item = (N, &'s u64)>, shown: usize) -> String {
    let mut counts: Vec<(N, u64)> =
        counts.map(|(name, count)| (name, *count)).filter(|(_, count)| *count > 0).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_ref().cmp(b.0.as_ref())));
    let part = |(name, count): &(N, u64)| format!("{} {}", number(*count), printable(name.as_ref()));
    let mut parts: Vec<String> = counts.iter().take(shown).map(part).collect();
    let rest: u64 = counts.iter().skip(shown).map(|(_, count)| count).sum();
    if rest > 0 {
        parts.push(format!("{} others", number(rest)));
    }
    parts.join(", ")
}

/// Digits in groups of three: people compare lengths before they read.
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of them, in the plural where there are several.
pub fn many(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

/// UTC to the second, as `human` prints it.
fn stamp(time: Time) -> String {
    let moment = Timestamp::from_nanosecond(time.0.into()).unwrap_or_default();
    moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The two largest units of a span.
fn span(nanos: i64) -> String {
    let millis = nanos.max(0) / 1_000_000;
    let (seconds, minutes, hours) = (millis / 1_000, millis / 60_000, millis / 3_600_000);
    match (hours / 24, hours, minutes, seconds) {
        (0, 0, 0, seconds) => format!("{seconds}.{:03} s", millis % 1_000),
        (0, 0, minutes, seconds) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes, _) => format!("{hours} h {} min", minutes % 60),
        (days, hours, ..) => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use tripline_plugin::event::{Kind, Severity, Trust};

    use super::*;
    use crate::rules::{Route, samples};

    fn summary() -> Summary {
        let mut summary = Summary {
            frames: 10_000_000,
            wire_bytes: 851_443_712,
            span: Some((Time(1_795_347_510_000_000_000), Time(1_795_351_210_500_000_000))),
            syns: 1_200,
            syn_acks: 340,
            rebased: 1,
            copies: 1_200,
            evicted: 12,
            unread: 1,
            ..Summary::default()
        };
        for (name, count) in [("TCP", 9_000_000), ("UDP", 999_000), ("ARP", 1_000)] {
            summary.protocols.insert(name.to_owned(), count);
        }
        for reason in ["not IP", "cut before the ports", "IPv4 header too short", "x", "y", "z", "w"] {
            summary.skipped.insert(reason.to_owned(), reason.len() as u64);
        }
        let mut count = |change: &dyn Fn(&mut Scan), route: &Route| {
            let mut scan = samples::scan();
            change(&mut scan);
            summary.count(&samples::event(scan), route);
        };
        count(&|scan| (scan.severity, scan.trust) = (Severity::High, Trust::Reacted), &Route::default());
        let sweep = |scan: &mut Scan| {
            (scan.id, scan.kind, scan.technique) = ("2b".to_owned(), Kind::Horizontal, "udp".to_owned());
            scan.targets = samples::addresses(&["10.0.0.1", "10.0.0.2"]);
        };
        count(&sweep, &Route::default());
        let rule = Some("our own".into());
        count(&|scan| scan.id = "3".to_owned(), &Route { silenced: true, rule, ..Route::default() });
        summary.outputs = vec![
            Delivered { name: "screen".to_owned(), delivered: 2, ..Delivered::default() },
            Delivered {
                name: "archive".to_owned(),
                delivered: 1,
                lost: 1,
                error: Some("disk\u{7} full".to_owned()),
                ..Delivered::default()
            },
            Delivered { name: "alerts".to_owned(), withheld: 3, ..Delivered::default() },
        ];
        summary
    }

    #[test]
    fn a_person_sees_what_was_read_what_was_found_and_what_went_wrong() {
        insta::assert_snapshot!(render(&summary(), Detail::Usual), @r#"
        read      10,000,000 frames, 812 MiB, 2026-11-22 11:38:30Z to 2026-11-22 12:40:10Z (1 h 1 min)
        packets   9,000,000 TCP, 999,000 UDP, 1,000 ARP
        skipped   21 IPv4 header too short, 20 cut before the ports, 6 not IP, 1 w, 1 x, 2 others
        answers   340 SYN-ACK to 1,200 SYN
        clock     stepped back once; what was known by then was kept
        copies    1,200 packets, seen twice and counted once
        memory    12 first contacts given up: scans may have been missed; give more with --memory
        scans     2: 1 high, 1 low
                  1 horizontal, 1 vertical
                  1 tcp-syn, 1 udp
        worst     high   192.0.2.9 -> 10.0.0.1  21 doors, 2 open  vertical tcp-syn  reacted  9c1f04ab
                  low    192.0.2.9 -> 2 hosts  21 doors, 2 open  horizontal udp  spoofable  2b
        silenced  1 by "our own"
        delivered 2 screen, 1 archive
        withheld  3 alerts: this leaves the machine, which takes --deliver
        not read  1 input as said above
        lost      1 event for archive: disk� full
        "#);
    }

    #[test]
    fn quiet_says_only_what_went_wrong() {
        insta::assert_snapshot!(render(&summary(), Detail::Least), @r#"
        not read  1 input as said above
        lost      1 event for archive: disk� full
        "#);
        assert_eq!(render(&Summary::default(), Detail::Least), "");
    }

    #[test]
    fn what_the_kernel_lost_is_said_however_little_is_wanted() {
        let text = render(&Summary { lost: 1_234, ..Summary::default() }, Detail::Least);
        assert!(text.starts_with("not seen  1,234 frames") && text.contains("--buffer"), "{text}");
    }

    #[test]
    fn verbose_names_every_reason() {
        let text = render(&summary(), Detail::Most);
        assert!(text.contains("1 w, 1 x, 1 y, 1 z") && !text.contains("others"), "{text}");
    }

    #[test]
    fn one_sided_captures_are_called_so() {
        let line = |syns, syn_acks| answers(&Summary { syns, syn_acks, ..Summary::default() });
        assert!(line(100, 0).contains("only one side") && line(0, 100).contains("only one side"));
        assert!(!line(100, 90).contains("only one side") && line(0, 0).is_empty());
    }

    #[test]
    fn numbers_and_spans_are_written_for_people() {
        assert_eq!([number(0), number(999), number(1_000), number(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        let spans =
            [span(80_000_000), span(61 * Time::SECOND), span(3_700 * Time::SECOND), span(90_000 * Time::SECOND)];
        assert_eq!(spans, ["0.080 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(span(i64::MIN), "0.000 s");
    }
}
