//! Format `human`: a line that a person reads at a glance and `grep` and `awk` can cut.
//!
//! In: an event and a [`Look`]. Out: one line, and indented details unless quiet.
//! The first line's columns count from both ends, the words for people stand between:
//!
//! ```text
//! $1 date  $2 time  $3 severity  $4 source  $5 ->  $6 target   …   kind technique  tool  trust  id
//! ```
//!
//! An address that is not known, or a tool, is `-`. Of several targets or sources, the first is
//! named and the rest are counted in the words. Whatever came out of a capture is made visible.
//! Must not know where the line goes.
//!
//! Read next: `visible.rs`, `docs/events.md`.

use std::{
    fmt::{Arguments, Write},
    net::IpAddr,
};

use jiff::tz::Offset;
use tripline_plugin::{
    Event,
    event::{Counted, Kind, Phase, Scan, Severity, Trust},
};

use super::{Look, visible, zoned};

/// Open doors that the details name; the rest are counted.
const OPEN_SHOWN: usize = 24;
/// Sources that the details name; the rest are counted.
const SOURCES_SHOWN: usize = 8;

pub(super) fn render(event: &Event, look: &Look, into: &mut String) {
    let time = zoned(event.timestamp, &look.zone);
    let utc = look.zone.to_offset(time.timestamp()) == Offset::UTC;
    push(into, format_args!("{}", time.strftime(if utc { "%Y-%m-%d %H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%S%:z" })));
    into.push(' ');
    if let Some(scan) = &event.scan {
        push_scan(event, scan, look, into);
        if !look.quiet {
            push_details(event, scan, into);
        }
    } else {
        push_other(event, into);
    }
    if let Some(lost) = event.dropped_before.filter(|_| !look.quiet) {
        push(into, format_args!("\n    lost  {lost} events before this one: this output could not keep up"));
    }
}

/// What is no scan: an anomaly, in the same columns.
fn push_other(event: &Event, into: &mut String) {
    into.push_str("NOTE   ");
    if event.src_ip.is_some() || event.dest_ip.is_some() {
        push_ends(event.src_ip, event.dest_ip, into);
        into.push_str("   ");
    }
    if let Some(anomaly) = &event.anomaly {
        visible::push_word(&anomaly.kind, into);
        into.push_str(": ");
        visible::push_text(&anomaly.event, into);
    }
}

fn push_scan(event: &Event, scan: &Scan, look: &Look, into: &mut String) {
    // Padded by hand: the codes of colours must not count.
    let (severity, padding, colour) = match scan.severity {
        Severity::High => ("HIGH", "   ", "\u{1b}[1;31m"),
        Severity::Medium => ("MEDIUM", " ", "\u{1b}[33m"),
        Severity::Low => ("LOW", "    ", "\u{1b}[2m"),
    };
    if look.colour {
        push(into, format_args!("{colour}{severity}\u{1b}[0m{padding}"));
    } else {
        push(into, format_args!("{severity}{padding}"));
    }
    let target = event.dest_ip.or_else(|| first(&scan.targets));
    match &scan.prefix {
        // No one address is the scanner.
        Some(prefix) => {
            visible::push_word(prefix, into);
            into.push_str(" -> ");
            push_target(target, into);
        }
        None => push_ends(source(event, scan), target, into),
    }
    if scan.targets.count > 1 {
        push(into, format_args!(" and {}{} more", about(&scan.targets), scan.targets.count - 1));
    }
    into.push_str("   ");
    push_words(scan, into);
    push(into, format_args!("  {} ", kind(scan.kind)));
    visible::push_word(&scan.technique, into);
    into.push_str("  ");
    visible::push_word(scan.tool.as_ref().map_or("-", |tool| tool.name.as_str()), into);
    push(into, format_args!("  {}  ", trust(scan.trust)));
    // Eight of the sixteen digits: enough to find it again in an archive.
    visible::push_word(scan.id.get(..8).unwrap_or(&scan.id), into);
}

fn push_ends(source: Option<IpAddr>, target: Option<IpAddr>, into: &mut String) {
    match source {
        Some(source) => push(into, format_args!("{source} -> ")),
        None => into.push_str("- -> "),
    }
    push_target(target, into);
}

fn push_target(target: Option<IpAddr>, into: &mut String) {
    match target {
        Some(target) => push(into, format_args!("{target}")),
        None => into.push('-'),
    }
}

/// What was tried, how long it took, what was found: the words between the columns.
fn push_words(scan: &Scan, into: &mut String) {
    match scan.phase {
        Phase::Begin => into.push_str("begin: "),
        Phase::Update => into.push_str("update: "),
        Phase::End => {}
    }
    // IP protocol scans knock at protocol numbers, which stand where ports do.
    let (one, many) = if scan.technique == "ip-protocol" { ("protocol", "protocols") } else { ("port", "ports") };
    match &scan.ports {
        Some(ports) if ports.count == 1 && !ports.sample.is_empty() => {
            push(into, format_args!("{one} {}", ports.sample.first().copied().unwrap_or_default()));
        }
        Some(ports) => {
            let about = if ports.exact { "" } else { "about " };
            push(into, format_args!("{about}{} {many}", ports.count));
        }
        // Without ports, hosts are what was tried.
        None if scan.targets.count > 1 => {
            push(into, format_args!("{}{} hosts", about(&scan.targets), scan.targets.count));
        }
        None => push(into, format_args!("{} doors", scan.doors)),
    }
    if scan.kind == Kind::Block {
        push(into, format_args!(", {} doors", scan.doors));
    }
    push(into, format_args!(" in {}", Duration(scan.end.saturating_sub(scan.start))));
    if scan.answers.open > 0 {
        push(into, format_args!(", {} open", scan.answers.open));
    }
    match scan.kind {
        Kind::Distributed => push(into, format_args!(", from {}{} sources", about(&scan.sources), scan.sources.count)),
        Kind::Decoy => push(into, format_args!(", among {}{} sources", about(&scan.sources), scan.sources.count)),
        Kind::Vertical | Kind::Horizontal | Kind::Block => {}
    }
}

/// The indented lines below.
fn push_details(event: &Event, scan: &Scan, into: &mut String) {
    if !scan.found.is_empty() {
        into.push_str("\n    open ");
        for door in scan.found.iter().take(OPEN_SHOWN) {
            into.push(' ');
            // With a single target its address stands above already.
            visible::push_word(event.dest_ip.and_then(|ip| port_at(door, ip)).unwrap_or(door), into);
        }
        push_rest(scan.answers.open, scan.found.len().min(OPEN_SHOWN), into);
    }
    if scan.sources.count > 1 {
        into.push_str("\n    from ");
        for source in scan.sources.sample.iter().take(SOURCES_SHOWN) {
            push(into, format_args!(" {source}"));
        }
        push_rest(scan.sources.count, scan.sources.sample.len().min(SOURCES_SHOWN), into);
    }
    if let Some(decoy) = &scan.decoy {
        match decoy.likely_source {
            Some(source) => push(into, format_args!("\n    who   probably {source}: ")),
            None => into.push_str("\n    who   not known: "),
        }
        visible::push_text(&decoy.reason, into);
    }
    into.push_str("\n    why   ");
    visible::push_text(&scan.reason, into);
    let complete = scan.completeness;
    if complete.one_sided {
        into.push_str("\n    note  answers were not captured: what is open is not known");
    }
    if complete.evicted > 0 {
        push(
            into,
            format_args!("\n    note  {} of its first contacts were given up for want of memory", complete.evicted),
        );
    }
    if complete.drops > 0 {
        push(into, format_args!("\n    note  the capture had lost {} frames by then", complete.drops));
    }
}

fn push_rest(all: u64, shown: usize, into: &mut String) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        push(into, format_args!(" and {rest} more"));
    }
}

/// Whom to name: the source, or the likely one of a decoy; the first of a distributed scan.
fn source(event: &Event, scan: &Scan) -> Option<IpAddr> {
    event.src_ip.or_else(|| match &scan.decoy {
        Some(decoy) => decoy.likely_source,
        None => first(&scan.sources),
    })
}

fn first(addresses: &Counted<IpAddr>) -> Option<IpAddr> {
    addresses.sample.first().copied()
}

fn about(addresses: &Counted<IpAddr>) -> &'static str {
    if addresses.exact { "" } else { "about " }
}

/// The port of a door `addr:port` or `[addr]:port`, if it is at this address.
fn port_at(door: &str, address: IpAddr) -> Option<&str> {
    let (host, port) = door.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host.parse() == Ok(address)).then_some(port)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Vertical => "vertical",
        Kind::Horizontal => "horizontal",
        Kind::Block => "block",
        Kind::Distributed => "distributed",
        Kind::Decoy => "decoy",
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Spoofable => "spoofable",
        Trust::Reacted => "reacted",
        Trust::Confirmed => "confirmed",
    }
}

/// Nanoseconds as people say them: two figures that matter, one unit.
struct Duration(i64);

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.max(0) as f64 / 1e9;
        match seconds {
            s if s < 0.009_95 => write!(f, "{:.0} ms", s * 1e3),
            s if s < 9.995 => write!(f, "{s:.2} s"),
            s if s < 119.95 => write!(f, "{s:.1} s"),
            s if s < 7_170.0 => write!(f, "{:.0} min", s / 60.0),
            s if s < 172_000.0 => write!(f, "{:.1} h", s / 3_600.0),
            s => write!(f, "{:.1} days", s / 86_400.0),
        }
    }
}

fn push(into: &mut String, text: Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = into.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use tripline_plugin::{event::Completeness, sample_events};

    use super::super::tests::rendered;
    use super::*;

    /// The first sample that `is` holds for.
    fn sample(is: impl Fn(&Event, &Scan) -> bool) -> Event {
        let has = |event: &Event| event.scan.as_ref().is_some_and(|scan| is(event, scan));
        sample_events().into_iter().find(has).unwrap()
    }

    fn human(is: impl Fn(&Event, &Scan) -> bool) -> String {
        rendered("human", &sample(is))
    }

    #[test]
    fn a_scan_of_one_host() {
        insta::assert_snapshot!(human(|_, scan| scan.doors == 1_000), @r"
        2026-11-22 11:38:30Z HIGH   10.10.0.2 -> 10.10.0.1   1000 ports in 0.08 s, 15 open  vertical tcp-syn  nmap  reacted  9c1f04ab
            open  21 22 25 53 80 110 143 443 587 993 3306 8000 8080 20005 31337
            why   985 of 1000 first contacts refused; it reset all 15 that answered
        ");
    }

    #[test]
    fn phases_before_the_end_are_named() {
        insta::assert_snapshot!(human(|_, scan| scan.doors == 21), @r"
        2026-11-22 11:38:30Z HIGH   10.10.0.2 -> 10.10.0.1   begin: 21 ports in 4 ms, 2 open  vertical tcp-syn  nmap  reacted  9c1f04ab
            open  21 22
            why   19 of 21 first contacts refused; it reset all 2 that answered
        ");
        insta::assert_snapshot!(human(|_, scan| scan.doors == 210), @r"
        2026-11-22 11:38:30Z HIGH   10.10.0.2 -> 10.10.0.1   update: 210 ports in 0.02 s, 9 open  vertical tcp-syn  nmap  reacted  9c1f04ab
            open  21 22 25 53 80 110 143 443 587
            why   201 of 210 first contacts refused; it reset all 9 that answered
        ");
    }

    #[test]
    fn a_sweep_names_the_first_target_and_counts_the_rest() {
        insta::assert_snapshot!(human(|_, scan| scan.doors == 254), @r"
        2026-11-22 11:38:47Z HIGH   198.51.100.7 -> 192.0.2.1 and 253 more   port 22 in 3.10 s, 2 open  horizontal tcp-connect  -  confirmed  81af1551
            open  192.0.2.10:22 192.0.2.77:22
            why   252 of 254 first contacts failed; handshakes completed
        ");
        insta::assert_snapshot!(human(|_, scan| scan.technique == "icmp-echo"), @r"
        2026-11-22 11:38:43Z LOW    198.51.100.7 -> 192.0.2.10 and 3 more   begin: 4 hosts in 0.40 s  horizontal icmp-echo  -  spoofable  08d12e6b
            why   4 of 4 first contacts refused in 0.40 s
        ");
    }

    #[test]
    fn a_block_says_hosts_ports_and_doors() {
        insta::assert_snapshot!(human(|_, scan| scan.kind == Kind::Block), @r"
        2026-11-22 11:38:48Z MEDIUM 198.51.100.7 -> 192.0.2.10 and 31 more   100 ports, 3200 doors in 13 min  block tcp-syn  -  reacted  1fe68f0a
            why   3000 of 3200 first contacts refused
        ");
    }

    #[test]
    fn a_distributed_scan_lists_its_sources() {
        insta::assert_snapshot!(human(|_, scan| scan.kind == Kind::Distributed), @r"
        2026-11-22 11:38:49Z LOW    198.51.100.3 -> 192.0.2.10   100 ports in 42.0 s, from 5 sources  distributed tcp-syn  -  spoofable  be1e08c4
            from  198.51.100.3 198.51.100.4 198.51.100.5 198.51.100.6 198.51.100.7
            why   5 sources tried 20 doors each, none of them twice
        ");
    }

    #[test]
    fn a_decoy_scan_says_who_it_probably_was() {
        insta::assert_snapshot!(human(|event, scan| scan.kind == Kind::Decoy && event.src_ip.is_some()), @r"
        2026-11-22 11:38:51Z MEDIUM 198.51.100.7 -> 192.0.2.10   4 ports in 0.40 s, 1 open, among 4 sources  decoy tcp-syn  -  reacted  5c55827d
            open  80
            from  203.0.113.1 203.0.113.2 198.51.100.7 203.0.113.3
            who   probably 198.51.100.7: it alone reset the doors that answered
            why   the same 4 probes came from 4 sources
        ");
        insta::assert_snapshot!(human(|event, scan| scan.kind == Kind::Decoy && event.src_ip.is_none()), @r"
        2026-11-22 11:38:51Z LOW    - -> 192.0.2.10   begin: 4 ports in 0.40 s, among 2 sources  decoy tcp-syn  -  spoofable  fa8cfc37
            from  203.0.113.1 203.0.113.2
            who   not known: nothing tells them apart
            why   the same 4 probes came from 2 sources
        ");
    }

    #[test]
    fn ipv6_and_protocols_fit_the_same_columns() {
        insta::assert_snapshot!(human(|event, _| event.src_ip.is_some_and(|ip| ip.is_ipv6())), @r"
        2026-11-22 11:38:52Z LOW    2001:db8::bad -> 2001:db8::1   begin: 4 ports in 0.40 s, 1 open  vertical udp  -  spoofable  98c475f0
            open  53
            why   3 of 4 first contacts failed in 0.40 s
        ");
        insta::assert_snapshot!(human(|_, scan| scan.technique == "ip-protocol"), @r"
        2026-11-22 11:38:42Z LOW    198.51.100.7 -> 192.0.2.10   begin: 4 protocols in 0.40 s  vertical ip-protocol  -  spoofable  6a99b4b1
            why   4 of 4 first contacts refused in 0.40 s
        ");
    }

    #[test]
    fn what_is_not_exact_or_not_complete_is_said() {
        insta::assert_snapshot!(human(|_, scan| !scan.targets.exact), @r"
        2026-11-25 22:58:54Z HIGH   198.51.100.7 -> 203.0.113.9 and about 4199999 more   update: port 23 in 3.5 days, 1822 open  horizontal tcp-syn  mirai  spoofable  d5336963
            open  203.0.113.9:23 192.0.2.10:23 and 1820 more
            why   4198178 of 4200000 first contacts failed
            note  55 of its first contacts were given up for want of memory
            note  the capture had lost 1204 frames by then
            lost  12 events before this one: this output could not keep up
        ");
        insta::assert_snapshot!(human(|_, scan| scan.completeness.one_sided), @r"
        2026-11-22 11:38:55Z LOW    198.51.100.7 -> 192.0.2.10   begin: 4 ports in 0.40 s  vertical tcp-syn  -  spoofable  736ae31d
            why   4 doors in 0.40 s; nothing came back
            note  answers were not captured: what is open is not known
        ");
    }

    #[test]
    fn an_anomaly_is_a_note() {
        let anomalies: Vec<_> = sample_events().into_iter().filter(|event| event.scan.is_none()).collect();
        let lines: Vec<_> = anomalies.iter().map(|event| rendered("human", event)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        2026-11-22 11:38:57Z NOTE   - -> 192.0.2.10   storm: 12034 scans from sources that may be forged in 60 s, all against 192.0.2.10, told as this one event
        2026-11-22 11:38:58Z NOTE   log-flood: More possible port scans follow
        2026-11-22 11:39:00Z NOTE   198.51.100.7 -> 192.0.2.10   overlap: fragments of one datagram overlap with different bytes: hosts differ in what they read
        ");
    }

    #[test]
    fn hostile_names_are_shown_and_obeyed_by_nobody() {
        insta::assert_snapshot!(human(|_, scan| scan.reason.contains('\u{1b}')), @r"
        2026-11-22 11:38:59Z LOW    198.51.100.7 -> 192.0.2.10   begin: 4 ports in 0.40 s  vertical tcp-syn  x\u{1b}[2J_y  spoofable  ec48ca03
            why   a reason\u{1b}[31m with\u{a}controls \u{e0041}
        ");
    }

    #[test]
    fn quiet_is_the_first_line_alone() {
        for event in sample_events() {
            let mut quiet = String::new();
            render(&event, &Look { quiet: true, ..Look::default() }, &mut quiet);
            assert_eq!(Some(quiet.as_str()), rendered("human", &event).lines().next());
        }
    }

    #[test]
    fn columns_count_from_both_ends() {
        for event in sample_events().iter().filter(|event| event.scan.is_some()) {
            let text = rendered("human", event);
            let columns: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
            let [_, _, _, source, arrow, target, .., kind, technique, _, trust, id] = columns[..] else {
                panic!("{text}")
            };
            let scan = event.scan.as_ref().unwrap();
            let is_network = scan.prefix.as_deref() == Some(source);
            assert!(source == "-" || is_network || source.parse::<IpAddr>().is_ok(), "{text}");
            assert!(arrow == "->" && target.parse::<IpAddr>().is_ok(), "{text}");
            assert_eq!((kind, technique), (super::kind(scan.kind), scan.technique.as_str()));
            assert_eq!((trust, id), (super::trust(scan.trust), &scan.id[..8]));
        }
    }

    #[test]
    fn live_times_are_local_and_say_so() {
        let mut line = String::new();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        render(&sample_events()[0], &Look { zone, ..Look::default() }, &mut line);
        assert!(line.starts_with("2026-11-22 12:38:30+01:00 HIGH "), "{line}");
    }

    #[test]
    fn colours_touch_the_severity_alone() {
        let event = sample(|_, scan| scan.severity == Severity::Medium);
        let mut coloured = String::new();
        render(&event, &Look { colour: true, ..Look::default() }, &mut coloured);
        assert!(coloured.contains(" \u{1b}[33mMEDIUM\u{1b}[0m "));
        assert_eq!(coloured.replace("\u{1b}[33m", "").replace("\u{1b}[0m", ""), rendered("human", &event));
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let mut event = sample(|_, scan| scan.doors == 1_000);
        let scan = event.scan.as_mut().unwrap();
        scan.found = (1..=100).map(|port| format!("10.10.0.1:{port}")).collect();
        scan.answers.open = 300;
        scan.completeness = Completeness::default();
        assert!(rendered("human", &event).contains(" 23 24 and 276 more\n"));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let said = |seconds: f64| Duration((seconds * 1e9) as i64).to_string();
        let all = [0.0004, 0.004, 0.08, 9.99, 42.0, 754.0, 20_000.0, 300_000.0].map(said);
        assert_eq!(all, ["0 ms", "4 ms", "0.08 s", "9.99 s", "42.0 s", "13 min", "5.6 h", "3.5 days"]);
        assert_eq!(said(-1.0), "0 ms");
    }
}
