//! Format `scanlogd`: the line that scanlogd 2.2.8 writes, byte for byte.
//!
//! In: an event and a time zone. Out:
//! `saddr[:sport] to daddr [and others,] ports port[, port...], ..., fsrpauxy[, TOS xx][, TTL n] @HH:MM:SS`,
//! so that every filter and script made for scanlogd reads Tripline too. Scans that scanlogd never
//! knew keep the form: the technique stands for the flags, an IPv6 address with a port in brackets.
//! Must not know the preset: any scan can be told this way.
//! Source: scanlogd 2.2.8, `do_log` and `params.h`.
//!
//! Read next: `presets/scanlogd` (who finds what it finds).

use std::{fmt::Write, net::IpAddr};

use jiff::tz::TimeZone;
use tripline_plugin::{
    Event,
    event::{Counted, Scan},
};

use super::{visible, zoned};

/// scanlogd: `LOG_MAX_LENGTH`. Ports go, the last first, until the line is no longer; one always stays.
const MAX_LENGTH: usize = 120;

/// scanlogd: `SCAN_MAX_COUNT - 1` ports are remembered.
const MAX_PORTS: usize = 20;

pub(super) fn render(event: &Event, zone: &TimeZone, into: &mut String) {
    match (&event.scan, &event.anomaly) {
        (Some(scan), _) => render_scan(event, scan, zone, into),
        (None, Some(anomaly)) => visible::push_text(&anomaly.event, into),
        (None, None) => {}
    }
}

fn render_scan(event: &Event, scan: &Scan, zone: &TimeZone, into: &mut String) {
    let mut head = String::new();
    match (source(event, scan), event.src_port) {
        (Some(IpAddr::V6(source)), Some(port)) => push(&mut head, format_args!("[{source}]:{port}")),
        (Some(source), Some(port)) => push(&mut head, format_args!("{source}:{port}")),
        (Some(source), None) => push(&mut head, format_args!("{source}")),
        (None, _) => head.push('?'),
    }
    // Of several sources, as of several targets, one is named.
    if event.src_ip.is_none() && scan.sources.count > 1 {
        head.push_str(" and others,");
    }
    match event.dest_ip.or_else(|| first(&scan.targets)) {
        Some(target) => push(&mut head, format_args!(" to {target}")),
        None => head.push_str(" to ?"),
    }
    head.push_str(if scan.targets.count > 1 { " and others, ports " } else { " ports " });

    let mut tail = String::from("..., ");
    let flags = scan.flags.as_deref().filter(|_| scan.technique.starts_with("tcp-"));
    visible::push_word(flags.unwrap_or(&scan.technique), &mut tail);
    if let Some(tos) = scan.tos {
        push(&mut tail, format_args!(", TOS {tos:02x}"));
    }
    if let Some(ttl) = scan.ttl.filter(|ttl| ttl.min == ttl.max) {
        push(&mut tail, format_args!(", TTL {}", ttl.min));
    }
    push(&mut tail, format_args!(" @{}", zoned(scan.start, zone).strftime("%H:%M:%S")));

    into.push_str(&head);
    let mut room = MAX_LENGTH.saturating_sub(head.len() + tail.len());
    for (at, port) in ports(event, scan).take(MAX_PORTS).enumerate() {
        let text = format!("{port}, ");
        if text.len() > room && at > 0 {
            break;
        }
        room = room.saturating_sub(text.len());
        into.push_str(&text);
    }
    into.push_str(&tail);
}

/// Whom the line accuses: the source, or the likely one, or the first of several.
fn source(event: &Event, scan: &Scan) -> Option<IpAddr> {
    event.src_ip.or_else(|| scan.decoy.as_ref()?.likely_source).or_else(|| first(&scan.sources))
}

fn first(addresses: &Counted<IpAddr>) -> Option<IpAddr> {
    addresses.sample.first().copied()
}

/// The ports in order of first sight.
fn ports(event: &Event, scan: &Scan) -> impl Iterator<Item = u16> {
    let sample = scan.ports.iter().flat_map(|ports| ports.sample.iter().copied());
    let single = event.dest_port.filter(|_| scan.ports.as_ref().is_none_or(|ports| ports.sample.is_empty()));
    sample.chain(single)
}

fn push(into: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = into.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use tripline_plugin::{
        event::{Ports, Span},
        sample_events,
    };

    use super::super::tests::rendered;
    use super::*;

    /// The small SYN scan of the samples, changed.
    fn line(change: impl FnOnce(&mut Event, &mut Scan)) -> String {
        let is_plain = |event: &&Event| event.scan.as_ref().is_some_and(|scan| scan.doors == 4);
        let mut event = sample_events().iter().find(is_plain).unwrap().clone();
        let mut scan = event.scan.take().unwrap();
        event.src_ip = Some("10.10.0.2".parse().unwrap());
        event.dest_ip = Some("10.10.0.1".parse().unwrap());
        scan.start = 1_795_347_510_000_000_000;
        change(&mut event, &mut scan);
        event.scan = Some(scan);
        rendered("scanlogd", &event)
    }

    fn ports(sample: &[u16]) -> Ports {
        Ports { count: sample.len() as u64, exact: true, sample: sample.to_vec(), ranges: None }
    }

    // The lines of these four were written by scanlogd 2.2.8 itself, watching nmap, pnscan and ftp.

    #[test]
    fn a_constant_source_port_is_named() {
        let sequential = line(|event, scan| {
            event.src_port = Some(56_947);
            scan.ports = Some(ports(&[1, 2, 3, 4, 5, 6]));
            scan.ttl = Some(Span { min: 37, max: 59 });
        });
        assert_eq!(sequential, "10.10.0.2:56947 to 10.10.0.1 ports 1, 2, 3, 4, 5, 6, ..., fSrpauxy, TOS 00 @11:38:30");
    }

    #[test]
    fn a_constant_ttl_is_named() {
        let vertical = line(|event, scan| {
            event.src_port = None;
            scan.ports = Some(ports(&[1, 2, 3, 4, 5, 6]));
            scan.ttl = Some(Span { min: 64, max: 64 });
        });
        assert_eq!(vertical, "10.10.0.2 to 10.10.0.1 ports 1, 2, 3, 4, 5, 6, ..., fSrpauxy, TOS 00, TTL 64 @11:38:30");
    }

    #[test]
    fn ports_go_until_the_line_fits() {
        let long = line(|event, scan| {
            event.src_port = Some(47_606);
            scan.ports = Some(ports(&[3472, 3930, 3482, 1576, 1205, 2554, 2472, 2001, 2002, 2003]));
            scan.flags = Some("f??pauxy".into());
            scan.ttl = Some(Span { min: 255, max: 255 });
        });
        let expected = "10.10.0.2:47606 to 10.10.0.1 ports 3472, 3930, 3482, 1576, 1205, 2554, 2472, \
            ..., f??pauxy, TOS 00, TTL 255 @11:38:30";
        assert_eq!(long, expected);
    }

    #[test]
    fn the_line_that_says_there_are_more_is_just_that() {
        let is_flood = |event: &&Event| event.anomaly.as_ref().is_some_and(|anomaly| anomaly.kind == "log-flood");
        let event = sample_events().iter().find(is_flood).unwrap().clone();
        assert_eq!(rendered("scanlogd", &event), "More possible port scans follow");
    }

    #[test]
    fn a_line_of_120_fits_and_one_of_121_does_not() {
        let with = |sample: &[u16]| {
            line(|event, scan| {
                event.src_port = Some(52_793);
                scan.ports = Some(ports(sample));
                scan.ttl = Some(Span { min: 64, max: 64 });
            })
        };
        let exact = with(&[10_001, 10_002, 10_003, 10_004, 10_005, 100, 1_000]);
        assert_eq!(exact.len(), 120, "{exact}");
        assert!(exact.contains(" 1000, ..., "));
        let longer = with(&[10_001, 10_002, 10_003, 10_004, 10_005, 100, 10_000]);
        assert!(longer.contains(" 100, ..., "), "{longer}");
    }

    #[test]
    fn one_port_stays_however_long_the_line() {
        let long = line(|event, scan| {
            event.src_ip = Some("2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap());
            event.dest_ip = Some("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff".parse().unwrap());
            scan.targets.count = 2;
            scan.ports = Some(ports(&[10_001, 10_002]));
        });
        assert!(long.len() > MAX_LENGTH);
        assert!(long.starts_with("[2001:db8:1111:2222:3333:4444:5555:6666]:49724 to 2001:db8:aaaa:"), "{long}");
        assert!(long.contains(" and others, ports 10001, ..., fSrpauxy"), "{long}");
    }

    #[test]
    fn scans_that_scanlogd_never_knew_keep_the_form() {
        let lines: Vec<_> = sample_events().iter().map(|event| rendered("scanlogd", event)).collect();
        let has = |part: &str| assert!(lines.iter().any(|line| line.contains(part)), "{part} in {lines:#?}");
        has("198.51.100.7 to 192.0.2.10 and others, ports ..., icmp-echo, TOS 00, TTL 51 @");
        has("[2001:db8::bad]:49724 to 2001:db8::1 ports 53, 123, 161, 500, ..., udp, TOS 00, TTL 51 @");
        has("198.51.100.3 and others, to 192.0.2.10 ports 1, 21, 41, 61, 81, 2, ..., fSrpauxy");
        has("198.51.100.7 to 192.0.2.1 and others, ports 22, ..., f??p?uxy, TOS 00, TTL 51 @");
    }
}
