//! One event of every kind, phase, technique and oddity, to try an output or a SIEM with.
//!
//! In: nothing. Out: [`sample_events`], always the same, with addresses of RFC 5737 and
//! RFC 3849 (nobody's) so that a receiver that acts on them harms nobody. They are consistent,
//! as the program's own events are: answers sum to doors, (`id`, `rev`) is unique.
//! Must not know any output.
//!
//! Read next: `testkit.rs` (who uses them), `event.schema.json` (what they keep to).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::event::{
    Anomaly, Answers, Completeness, Counted, Decoy, Direction, Event, EventType, Kind, Phase, Ports, Scan, Severity,
    Span, Tool, Trust, Tunnel,
};

/// 2026-11-22T11:38:30Z.
const START: i64 = 1_795_347_510_000_000_000;
const MILLISECOND: i64 = 1_000_000;
const SCANNER: IpAddr = v4(198, 51, 100, 7);
const TARGET: IpAddr = v4(192, 0, 2, 10);

/// Every technique, its `proto`, and the flags of its probes where it is TCP.
const TECHNIQUES: [(&str, Option<&str>, Option<&str>); 16] = [
    ("tcp-syn", Some("TCP"), Some("fSrpauxy")),
    ("tcp-connect", Some("TCP"), Some("f??pauxy")),
    ("tcp-fin", Some("TCP"), Some("Fsrpauxy")),
    ("tcp-null", Some("TCP"), Some("fsrpauxy")),
    ("tcp-xmas", Some("TCP"), Some("FsrPaUxy")),
    ("tcp-maimon", Some("TCP"), Some("FsrpAuxy")),
    ("tcp-ack", Some("TCP"), Some("fsrpAuxy")),
    ("tcp-other", Some("TCP"), Some("FSrpauXY")),
    ("udp", Some("UDP"), None),
    ("sctp-init", Some("SCTP"), None),
    ("sctp-cookie-echo", Some("SCTP"), None),
    ("ip-protocol", None, None),
    ("icmp-echo", Some("ICMP"), None),
    ("icmp-timestamp", Some("ICMP"), None),
    ("icmp-mask", Some("ICMP"), None),
    ("arp", Some("ARP"), None),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

fn v6(last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))
}

/// The events, in order of time.
pub fn sample_events() -> Vec<Event> {
    let mut events: Vec<Event> = TECHNIQUES.into_iter().map(plain).collect();
    events.extend([sweep(), block(), distributed(), decoy(), unnamed_decoy(), ipv6(), inside(), estimated()]);
    events.extend([one_sided(), tunnelled(), storm(), flood_of_lines(), hostile_text(), overlap(), rotating()]);
    // Each a second after the one before, so that times and ids are theirs alone.
    for (number, event) in (1..).zip(&mut events) {
        let later = number * 1_000 * MILLISECOND;
        event.timestamp += later;
        if let Some(scan) = &mut event.scan {
            scan.start += later;
            scan.end += later;
            // The golden ratio spreads the bits; a real id is a hash.
            scan.id = format!("{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }
    events.extend(life());
    events.sort_by_key(|event| event.timestamp);
    events
}

/// A small scan of one host by the technique, just recognised; sweeps for what has no doors on a host.
fn plain((technique, proto, flags): (&str, Option<&str>, Option<&str>)) -> Event {
    let has_ports = matches!(proto, Some("TCP" | "UDP" | "SCTP"));
    let sweeps = matches!(proto, Some("ICMP" | "ARP"));
    let targets: Vec<IpAddr> = (10..if sweeps { 14 } else { 11 }).map(|host| v4(192, 0, 2, host)).collect();
    let scan = Scan {
        v: 1,
        id: String::new(),
        rev: 1,
        phase: Phase::Begin,
        technique: technique.into(),
        kind: if sweeps { Kind::Horizontal } else { Kind::Vertical },
        severity: Severity::Low,
        start: START,
        end: START + 400 * MILLISECOND,
        packets: 4,
        doors: 4,
        answers: Answers { closed: 4, ..Answers::default() },
        targets: counted(&targets),
        ports: match proto {
            _ if has_ports => Some(ports(&[21, 22, 23, 80], "21-23,80")),
            None => Some(ports(&[1, 2, 6, 47], "1-2,6,47")),
            Some(_) => None,
        },
        found: Vec::new(),
        sources: counted(&[SCANNER]),
        prefix: None,
        decoy: None,
        flags: flags.map(Into::into),
        ttl: Some(Span { min: 51, max: 51 }),
        tos: Some(0),
        source_ports: has_ports.then_some(Span { min: 49_724, max: 49_724 }),
        fragmented: false,
        trust: Trust::Spoofable,
        on_link: proto == Some("ARP"),
        tool: None,
        reason: "4 of 4 first contacts refused in 0.40 s".into(),
        completeness: Completeness::default(),
        rule: Some("default".into()),
        preset: "tripline".into(),
    };
    Event {
        pcap_filename: Some("sample.pcap".into()),
        pcap_cnt: Some(8),
        src_ip: Some(SCANNER),
        src_port: has_ports.then_some(49_724),
        dest_ip: (targets.len() == 1).then_some(TARGET),
        proto: proto.map(Into::into),
        scan: Some(Box::new(scan)),
        ..Event::new(EventType::Scan, START + 400 * MILLISECOND)
    }
}

/// A TCP SYN scan, changed by `change`.
fn syn(change: impl FnOnce(&mut Event, &mut Scan)) -> Event {
    let [first, ..] = TECHNIQUES;
    let mut event = plain(first);
    if let Some(mut scan) = event.scan.take() {
        change(&mut event, &mut scan);
        event.scan = Some(scan);
    }
    event
}

fn counted(sample: &[IpAddr]) -> Counted<IpAddr> {
    Counted { count: sample.len() as u64, exact: true, sample: sample.to_vec() }
}

fn ports(sample: &[u16], ranges: &str) -> Ports {
    Ports { count: sample.len() as u64, exact: true, sample: sample.to_vec(), ranges: Some(ranges.into()) }
}

/// All three phases of one scan: nmap against a thousand ports, fifteen of them open.
fn life() -> [Event; 3] {
    const OPEN: [u16; 15] = [21, 22, 25, 53, 80, 110, 143, 443, 587, 993, 3306, 8000, 8080, 20005, 31337];
    let phase = |phase, rev, doors: u64, open: usize, millis: i64| {
        syn(|event, scan| {
            event.src_ip = Some(v4(10, 10, 0, 2));
            event.dest_ip = Some(v4(10, 10, 0, 1));
            event.direction = Some(Direction::Inside);
            event.src_mac = Some("02:10:00:00:00:02".into());
            event.timestamp = START + millis * MILLISECOND;
            "9c1f04ab5d2e7716".clone_into(&mut scan.id);
            (scan.phase, scan.rev, scan.packets, scan.doors) = (phase, rev, doors + 2, doors);
            (scan.severity, scan.trust) = (Severity::High, Trust::Reacted);
            scan.end = event.timestamp;
            scan.answers = Answers { open: open as u64, closed: doors - open as u64, ..Answers::default() };
            scan.targets = counted(&[v4(10, 10, 0, 1)]);
            scan.ports = Some(Ports { count: doors, ranges: None, ..ports(&OPEN, "") });
            scan.found = OPEN.iter().take(open).map(|port| format!("10.10.0.1:{port}")).collect();
            scan.sources = counted(&[v4(10, 10, 0, 2)]);
            scan.ttl = Some(Span { min: 37, max: 59 });
            scan.tool = Some(Tool {
                name: "nmap".into(),
                confidence: 0.99,
                evidence: vec!["one sequence number on many doors".into(), "window 1024, MSS the only option".into()],
            });
            let closed = doors - open as u64;
            scan.reason = format!("{closed} of {doors} first contacts refused; it reset all {open} that answered");
        })
    };
    [phase(Phase::Begin, 1, 21, 2, 4), phase(Phase::Update, 2, 210, 9, 20), phase(Phase::End, 3, 1_000, OPEN.len(), 80)]
}

/// One port over a network, full handshakes: the address is proven.
fn sweep() -> Event {
    syn(|event, scan| {
        (event.dest_ip, event.dest_port, event.src_port) = (None, Some(22), None);
        event.direction = Some(Direction::Inbound);
        (scan.phase, scan.rev, scan.kind) = (Phase::End, 4, Kind::Horizontal);
        scan.technique = "tcp-connect".into();
        scan.flags = Some("f??p?uxy".into());
        (scan.severity, scan.trust) = (Severity::High, Trust::Confirmed);
        scan.end = START + 3_100 * MILLISECOND;
        (scan.packets, scan.doors) = (301, 254);
        scan.answers = Answers { open: 2, closed: 40, unreachable: 2, silent: 210 };
        let sample: Vec<IpAddr> = (1..=16).map(|host| v4(192, 0, 2, host)).collect();
        scan.targets = Counted { count: 254, exact: true, sample };
        scan.ports = Some(ports(&[22], "22"));
        scan.found = vec!["192.0.2.10:22".into(), "192.0.2.77:22".into()];
        scan.source_ports = Some(Span { min: 40_112, max: 40_391 });
        scan.reason = "252 of 254 first contacts failed; handshakes completed".into();
    })
}

/// Many ports over many hosts.
fn block() -> Event {
    syn(|event, scan| {
        event.dest_ip = None;
        (scan.phase, scan.rev, scan.kind, scan.severity) = (Phase::End, 3, Kind::Block, Severity::Medium);
        scan.trust = Trust::Reacted;
        scan.end = START + 754_000 * MILLISECOND;
        (scan.packets, scan.doors) = (3_300, 3_200);
        scan.answers = Answers { open: 0, closed: 3_000, unreachable: 0, silent: 200 };
        scan.targets = counted(&(10..42).map(|host| v4(192, 0, 2, host)).collect::<Vec<_>>());
        scan.ports = Some(Ports { count: 100, ranges: Some("1-100".into()), ..ports(&[1, 2, 3, 4, 5, 6, 7, 8], "") });
        scan.reason = "3000 of 3200 first contacts refused".into();
    })
}

/// Five sources share the doors of one target.
fn distributed() -> Event {
    syn(|event, scan| {
        (event.src_ip, event.src_port) = (None, None);
        (scan.phase, scan.rev, scan.kind) = (Phase::End, 2, Kind::Distributed);
        scan.end = START + 42_000 * MILLISECOND;
        (scan.packets, scan.doors, scan.answers.closed) = (100, 100, 100);
        scan.ports = Some(Ports { count: 100, ranges: Some("1-100".into()), ..ports(&[1, 21, 41, 61, 81, 2], "") });
        scan.sources = counted(&(3..8).map(|host| v4(198, 51, 100, host)).collect::<Vec<_>>());
        scan.ttl = Some(Span { min: 44, max: 58 });
        scan.source_ports = Some(Span { min: 33_579, max: 62_462 });
        scan.reason = "5 sources tried 20 doors each, none of them twice".into();
    })
}

/// A scan by a source that takes the addresses of its network in turn.
fn rotating() -> Event {
    syn(|event, scan| {
        let source = |last| IpAddr::from([0x2001, 0xdb8, 1, 2, 0x9c3f, 7, 8, last]);
        (event.src_ip, event.src_port) = (None, None);
        event.dest_ip = Some(IpAddr::from([0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1]));
        (scan.phase, scan.rev) = (Phase::End, 2);
        (scan.packets, scan.doors, scan.answers.closed) = (40, 40, 40);
        scan.targets = counted(&event.dest_ip.into_iter().collect::<Vec<_>>());
        scan.ports = Some(Ports { count: 40, ranges: Some("1-40".into()), ..ports(&[1, 2, 3, 4], "") });
        scan.sources = Counted { count: 40, ..counted(&[1, 2, 3].map(source)) };
        scan.prefix = Some("2001:db8:1:2::/64".into());
        scan.reason =
            "40 addresses of 2001:db8:1:2::/64 in turn, few doors each; 40 of 40 first contacts refused in 40 s".into();
    })
}

/// A scan hidden among forged sources, seen through.
fn decoy() -> Event {
    syn(|event, scan| {
        (scan.phase, scan.rev, scan.kind) = (Phase::End, 2, Kind::Decoy);
        scan.trust = Trust::Reacted;
        scan.severity = Severity::Medium;
        event.timestamp += 1_000 * MILLISECOND;
        scan.sources = counted(&[v4(203, 0, 113, 1), v4(203, 0, 113, 2), SCANNER, v4(203, 0, 113, 3)]);
        let reason = "it alone reset the doors that answered".into();
        scan.decoy = Some(Decoy { likely_source: event.src_ip, reason });
        (scan.packets, scan.answers) = (16, Answers { open: 1, closed: 3, ..Answers::default() });
        scan.found = vec!["192.0.2.10:80".into()];
        scan.reason = "the same 4 probes came from 4 sources".into();
    })
}

/// The same, not seen through: nobody is named as source.
fn unnamed_decoy() -> Event {
    syn(|event, scan| {
        (event.src_ip, scan.kind) = (None, Kind::Decoy);
        scan.sources = counted(&[v4(203, 0, 113, 1), v4(203, 0, 113, 2)]);
        scan.decoy = Some(Decoy { likely_source: None, reason: "nothing tells them apart".into() });
        scan.reason = "the same 4 probes came from 2 sources".into();
    })
}

/// UDP over IPv6.
fn ipv6() -> Event {
    syn(|event, scan| {
        (event.src_ip, event.dest_ip, event.proto) = (Some(v6(0xbad)), Some(v6(1)), Some("UDP".into()));
        (scan.technique, scan.flags) = ("udp".into(), None);
        (scan.targets, scan.sources) = (counted(&[v6(1)]), counted(&[v6(0xbad)]));
        scan.answers = Answers { open: 1, closed: 1, unreachable: 1, silent: 1 };
        scan.found = vec!["[2001:db8::1]:53".into()];
        scan.ports = Some(ports(&[53, 123, 161, 500], "53,123,161,500"));
        scan.reason = "3 of 4 first contacts failed in 0.40 s".into();
    })
}

/// A neighbour that asks for everybody: ARP, live, on the local link.
fn inside() -> Event {
    let [.., arp] = TECHNIQUES;
    let mut event = plain(arp);
    (event.pcap_filename, event.pcap_cnt) = (None, None);
    event.host = Some("sensor-1".into());
    event.in_iface = Some("eth0".into());
    event.vlan = vec![12, 100];
    event.direction = Some(Direction::Inside);
    event.src_mac = Some("02:10:00:00:00:02".into());
    if let Some(scan) = &mut event.scan {
        (scan.severity, scan.trust, scan.phase, scan.rev) = (Severity::High, Trust::Reacted, Phase::Update, 2);
    }
    event
}

/// So many targets that they are an estimate; over days; and this output lost events before it.
fn estimated() -> Event {
    syn(|event, scan| {
        (event.dest_ip, event.dest_port, event.dropped_before) = (None, Some(23), Some(12));
        event.direction = Some(Direction::Outbound);
        (scan.phase, scan.rev, scan.kind, scan.severity) = (Phase::Update, 7, Kind::Horizontal, Severity::High);
        scan.end = START + 300_000_000 * MILLISECOND;
        event.timestamp = scan.end;
        (scan.packets, scan.doors) = (4_311_870, 4_200_000);
        scan.answers = Answers { open: 1_822, closed: 198_178, unreachable: 0, silent: 4_000_000 };
        scan.targets = Counted { count: 4_200_000, exact: false, sample: vec![v4(203, 0, 113, 9), TARGET] };
        scan.ports = Some(ports(&[23], "23"));
        scan.found = vec!["203.0.113.9:23".into(), "192.0.2.10:23".into()];
        scan.tool = Some(Tool { name: "mirai".into(), confidence: 1.0, evidence: vec!["seq = target".into()] });
        scan.completeness = Completeness { drops: 1_204, evicted: 55, one_sided: false };
        scan.reason = "4198178 of 4200000 first contacts failed".into();
    })
}

/// Only one direction was captured; probes in fragments.
fn one_sided() -> Event {
    syn(|_, scan| {
        scan.answers = Answers { silent: 4, ..Answers::default() };
        (scan.fragmented, scan.tos) = (true, None);
        scan.completeness.one_sided = true;
        scan.reason = "4 doors in 0.40 s; nothing came back".into();
    })
}

/// Seen inside a tunnel.
fn tunnelled() -> Event {
    syn(|event, scan| {
        let (src_ip, dest_ip) = (v4(203, 0, 113, 20), v4(203, 0, 113, 21));
        event.tunnel = Some(Tunnel { src_ip, dest_ip, proto: "VXLAN".into(), id: Some(7), depth: 1 });
        event.direction = Some(Direction::Transit);
        scan.phase = Phase::End;
    })
}

fn anomaly(kind: &str, text: &str) -> Event {
    let anomaly = Anomaly { kind: kind.into(), event: text.into() };
    Event { anomaly: Some(anomaly), ..Event::new(EventType::Anomaly, START) }
}

fn storm() -> Event {
    let text = "12034 scans from sources that may be forged in 60 s, all against 192.0.2.10, told as this one event";
    Event { dest_ip: Some(TARGET), ..anomaly("storm", text) }
}

/// Somebody wants the sensor to read other bytes than the target.
fn overlap() -> Event {
    let text = "fragments of one datagram overlap with different bytes: hosts differ in what they read";
    Event { src_ip: Some(SCANNER), dest_ip: Some(TARGET), proto: Some("TCP".into()), ..anomaly("overlap", text) }
}

/// What the preset `scanlogd` says when it stops saying.
fn flood_of_lines() -> Event {
    anomaly("log-flood", "More possible port scans follow")
}

/// Names that an attacker may choose, meant for the terminal and the log of whoever reads them.
fn hostile_text() -> Event {
    syn(|event, scan| {
        event.pcap_filename = Some("\u{1b}]0;owned\u{7}\n2026-01-01 fake line.pcap".into());
        event.host = Some("sensor\u{9b}31m\u{202e}\u{7f}\"\\".into());
        scan.rule = Some("two\nlines\r\u{2028}".into());
        scan.tool = Some(Tool { name: "x\u{1b}[2J y".into(), confidence: 0.5, evidence: vec!["\u{0}".into()] });
        scan.reason = "a reason\u{1b}[31m with\ncontrols \u{e0041}".into();
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scans() -> Vec<Scan> {
        sample_events().into_iter().filter_map(|event| event.scan.map(|scan| *scan)).collect()
    }

    #[test]
    fn every_kind_phase_trust_and_severity_is_there() {
        let names = |name: fn(&Scan) -> String| scans().iter().map(name).collect::<BTreeSet<_>>().len();
        assert_eq!(names(|scan| format!("{:?}", scan.kind)), 5);
        assert_eq!(names(|scan| format!("{:?}", scan.phase)), 3);
        assert_eq!(names(|scan| format!("{:?}", scan.trust)), 3);
        assert_eq!(names(|scan| format!("{:?}", scan.severity)), 3);
        assert_eq!(names(|scan| scan.technique.clone()), TECHNIQUES.len());
    }

    #[test]
    fn they_are_consistent_as_real_events_are() {
        let mut known = BTreeSet::new();
        for scan in scans() {
            let Answers { open, closed, unreachable, silent } = scan.answers;
            assert_eq!(open + closed + unreachable + silent, scan.doors, "{}", scan.reason);
            assert!(scan.found.len() as u64 <= open, "{}", scan.reason);
            assert!(scan.doors <= scan.packets && scan.start <= scan.end);
            assert!(scan.targets.sample.len() as u64 <= scan.targets.count);
            assert!(known.insert((scan.id.clone(), scan.rev)), "{} {} twice", scan.id, scan.rev);
        }
    }

    #[test]
    fn each_reads_back_as_it_was_written() {
        for event in sample_events() {
            let json = serde_json::to_string(&event).unwrap();
            assert!(!json.contains(":null"), "absent is absent: {json}");
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        }
    }
}
