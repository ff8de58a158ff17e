//! From evidence to event: what a scan's record says to the world.
//!
//! In: a suspicion found guilty and where it is in its life. Out: an [`Event`] without severity and
//! rule, which `rules` add. Must not judge: everything here only renders.
//! Source: `docs/events.md`.

use tripline_plugin::event::{
    Answers, Completeness, Counted, Event, EventType, Kind, Phase, Ports, Scan, Severity, Span, Trust, Tunnel,
};

use crate::{
    cells::{
        Suspicion,
        evidence::{Evidence, SAMPLE},
        technique::Technique,
        walk::{Ground, Shape},
    },
    correlate::life::Life,
    decode::{self, Address, Marks},
    source::Time,
};

/// Ranges of ports that an event lists at most.
const RANGES: usize = 512;

/// The shape that a scan's hosts and ports make.
#[must_use]
pub fn kind(s: &Suspicion) -> Kind {
    let (hosts, _) = s.evidence.targets();
    let ports =
        if s.technique.has_ports() || s.technique == Technique::IpProtocol { s.evidence.ports.len() as u64 } else { 1 };
    match (hosts, ports) {
        (1, _) => Kind::Vertical,
        (_, 1 | 2) if hosts > 2 => Kind::Horizontal,
        // A few ports over very many hosts: a sweep for a handful of services.
        (_, 3 | 4) if hosts >= 8 * ports => Kind::Horizontal,
        _ if hosts > 2 => Kind::Block,
        _ if matches!(s.shape, Some(Shape::Horizontal(_))) && ports < 3 => Kind::Horizontal,
        _ => Kind::Vertical,
    }
}

/// The technique as it is shown: a handshake that the source completed makes a SYN scan a connect scan.
#[must_use]
pub fn shown(s: &Suspicion) -> Technique {
    let e = &s.evidence;
    if s.technique == Technique::TcpSyn && e.completed > 0 && e.completed >= e.resets {
        Technique::TcpConnect
    } else {
        s.technique
    }
}

/// Renders an event of a scan.
#[must_use]
pub fn render(source: Address, s: &Suspicion, phase: Phase, life: &Life) -> Event {
    let e = &s.evidence;
    let (targets, exact) = e.targets();
    let has_ports = s.technique.has_ports();
    let ports = e.ports.len() as u64;
    let single_target = e.target_sample.first().filter(|_| targets == 1).map(|a| a.ip());
    let same_source_port = has_ports && e.source_ports.min == e.source_ports.max;
    let scan = Scan {
        v: 1,
        id: life.id.clone(),
        rev: life.rev,
        phase,
        technique: life.technique.name().to_owned(),
        kind: life.kind,
        severity: Severity::Low,
        start: e.start.0,
        end: e.end.0,
        packets: e.packets,
        doors: e.tally.doors(),
        answers: Answers {
            open: e.tally.open,
            closed: e.tally.closed,
            unreachable: e.tally.unreachable,
            silent: e.tally.silent,
        },
        targets: Counted { count: targets, exact, sample: e.target_sample.iter().map(|a| a.ip()).collect() },
        ports: (has_ports || s.technique == Technique::IpProtocol).then(|| Ports {
            count: ports,
            exact: true,
            sample: e.port_sample.clone(),
            ranges: e.ports.ranges(RANGES),
        }),
        found: e.found.iter().map(|&(target, port)| found(target, port, has_ports)).collect(),
        sources: Counted { count: 1, exact: true, sample: vec![source.ip()] },
        prefix: None,
        decoy: None,
        flags: s.technique.is_tcp().then(|| flags(e.flags_or, e.flags_and)),
        // Of an ACK scan only the resets that it earned were seen.
        ttl: (s.technique != Technique::TcpAck && s.technique != Technique::Arp).then_some(e.ttl),
        tos: e.tos.filter(|_| s.technique != Technique::TcpAck && s.technique != Technique::Arp),
        source_ports: has_ports.then_some(e.source_ports),
        fragmented: e.marks.has(Marks::FRAGMENTED),
        trust: trust(s),
        // A hop limit tells how far the sender is from where it was seen, and not when a tunnel lies between.
        on_link: s.technique == Technique::Arp
            || e.neighbour
            || e.ttl == Span { min: 255, max: 255 } && !e.marks.has(Marks::TUNNELLED),
        tool: e.traces.tool(),
        reason: reason(s, life),
        completeness: Completeness { drops: 0, evicted: e.evicted, one_sided: life.one_sided },
        rule: None,
        preset: "tripline".to_owned(),
    };
    Event {
        timestamp: s.stamp.0,
        event_type: EventType::Scan,
        host: None,
        pcap_filename: None,
        pcap_cnt: None,
        in_iface: None,
        vlan: s.vlan.iter().copied().filter(|&id| id != 0).collect(),
        src_ip: Some(source.ip()),
        src_port: same_source_port.then_some(e.source_ports.min),
        dest_ip: single_target,
        dest_port: e.port_sample.first().copied().filter(|_| has_ports && ports == 1),
        proto: protocol(s.technique, source, e),
        direction: None,
        src_mac: (s.mac != [0; 6]).then(|| s.mac.map(|b| format!("{b:02x}")).join(":")),
        tunnel: s.tunnel.as_deref().map(tunnel),
        scan: Some(Box::new(scan)),
        anomaly: None,
        dropped_before: None,
    }
}

/// As an event has it.
fn tunnel(through: &decode::Tunnel) -> Tunnel {
    let decode::Tunnel { src, dst, id, protocol, depth } = *through;
    Tunnel { src_ip: src.ip(), dest_ip: dst.ip(), proto: protocol.name().to_owned(), id, depth }
}

fn found(target: Address, port: u16, has_ports: bool) -> String {
    match (has_ports, target.as_v4().is_some()) {
        (false, _) => target.to_string(),
        (true, true) => format!("{target}:{port}"),
        (true, false) => format!("[{target}]:{port}"),
    }
}

/// As EVE names it; of a scan for protocols their number, when there is just one.
fn protocol(technique: Technique, source: Address, e: &Evidence) -> Option<String> {
    let name = match technique {
        Technique::Udp => "UDP",
        Technique::SctpInit | Technique::SctpCookieEcho => "SCTP",
        Technique::Arp => "ARP",
        Technique::IpProtocol => {
            let single = e.port_sample.first().filter(|_| e.ports.len() == 1);
            return single.map(u16::to_string);
        }
        Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpMask => {
            if source.as_v4().is_some() {
                "ICMP"
            } else {
                "IPv6-ICMP"
            }
        }
        _ => "TCP",
    };
    Some(name.to_owned())
}

/// scanlogd's notation: small letters always clear, capitals always set, question marks sometimes.
#[must_use]
pub fn flags(or: u8, and: u8) -> String {
    "fsrpauxy"
        .chars()
        .enumerate()
        .map(|(bit, letter)| match (or >> bit & 1, and >> bit & 1) {
            (0, _) => letter,
            (_, 1) => letter.to_ascii_uppercase(),
            _ => '?',
        })
        .collect()
}

/// Who makes the source knock, where there is somebody: not a target, whose late answers look the same.
fn prompter(s: &Suspicion) -> Option<Address> {
    let (targets, _) = s.evidence.targets();
    let bounced = s.evidence.marks.has(Marks::BOUNCED);
    s.prompter.filter(|by| bounced || targets <= SAMPLE as u64 && !s.evidence.target_sample.contains(by))
}

/// How far the source can be believed. An idle host does get the answers, but whoever uses it is another.
fn trust(s: &Suspicion) -> Trust {
    match s.evidence.trust() {
        Trust::Reacted if prompter(s).is_some() => Trust::Spoofable,
        trust => trust,
    }
}

/// Why it was reported, for a person.
fn reason(s: &Suspicion, life: &Life) -> String {
    let e = &s.evidence;
    let doors = e.tally.doors();
    let refused = e.tally.closed + e.tally.unreachable;
    let ground = match s.ground {
        Ground::Failures | Ground::Blind => None,
        Ground::Dishonest => Some("such packets open no connection".to_owned()),
        Ground::Repeated => Some("one source port and sequence number on many doors, as no kernel sends".to_owned()),
        Ground::HalfOpen => Some(format!("{} answers reset at once", e.resets)),
        Ground::EmptyConnects => Some(format!("{} connections closed without a byte sent", e.completed)),
        Ground::SameWords => Some("equally much said to each, as to no two services".to_owned()),
        Ground::Bounced => Some("at doors that an FTP client named and that no client listens at: a bounce".to_owned()),
        Ground::Once => Some("door after door once, without a word, and never again".to_owned()),
        Ground::Incoherent => Some("many hosts and ports without a pattern, nearly all in vain".to_owned()),
    };
    let outcomes = match (refused, e.tally.silent) {
        (0, 0) => format!("all {doors} first contacts answered"),
        (0, silent) => format!("{silent} of {doors} first contacts unanswered"),
        (refused, 0) => format!("{refused} of {doors} first contacts refused"),
        (refused, silent) => format!("{refused} of {doors} first contacts refused, {silent} unanswered"),
    };
    let took = format!("in {}", duration(e.end.since(e.start)));
    let reset = match (trust(s), e.resets) {
        (Trust::Reacted, 1) => Some("it reset the one that answered".to_owned()),
        (Trust::Reacted, resets) => Some(format!("it reset all {resets} that answered")),
        (Trust::Confirmed, _) => Some("it completed handshakes".to_owned()),
        (Trust::Spoofable, _) => None,
    };
    let side = life.one_sided.then(|| "judged by counts: nothing is heard from the targets' network".to_owned());
    let prompter = prompter(s).map(|by| {
        if e.marks.has(Marks::BOUNCED) {
            format!("made to by {by} over FTP")
        } else {
            format!("{by} sends it SYN-ACKs that it never asked for, as one does who scans by way of an idle host")
        }
    });
    let parts = [Some(format!("{outcomes} {took}")), ground, reset, prompter, hints(s), side];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What the headers hint at, for a person who looks for the sender: how it takes its source ports, how far it is.
fn hints(s: &Suspicion) -> Option<String> {
    let e = &s.evidence;
    let ports = e.traces.source_ports().filter(|_| s.technique.has_ports() && s.ground != Ground::Repeated);
    let away = (e.ttl.min == e.ttl.max).then(|| hops(e.ttl.min)).flatten().map(|hops| match hops {
        1 => "about 1 hop away".to_owned(),
        hops => format!("about {hops} hops away"),
    });
    let hints: Vec<String> = ports.map(str::to_owned).into_iter().chain(away).collect();
    (!hints.is_empty()).then(|| hints.join(", "))
}

/// How many routers a packet has passed, if its stack began with one of the usual hop limits.
fn hops(ttl: u8) -> Option<u8> {
    /// Longer ways are not seen: the limit was another at the start.
    const FARTHEST: u8 = 32;
    let start = [64, 128, 255].into_iter().find(|&start| ttl <= start)?;
    Some(start - ttl).filter(|hops| ttl != 0 && (1..=FARTHEST).contains(hops))
}

/// A span of time for a person.
fn duration(nanos: i64) -> String {
    let seconds = nanos.max(0) as f64 / Time::SECOND as f64;
    match seconds {
        s if s < 0.000_5 => "less than a millisecond".to_owned(),
        s if s < 0.0995 => format!("{:.0} ms", s * 1_000.0),
        s if s < 99.5 => format!("{s:.1} s"),
        s if s < 5_400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{
        knock::{After, Knock},
        outcome::Outcome,
        samples::{host, knock},
    };

    fn suspicion(knocks: &[Knock]) -> Suspicion {
        let mut evidence = Evidence::new(&knocks[0], knocks[0].target.0 as u64);
        knocks.iter().skip(1).for_each(|k| evidence.add(k, k.target.0 as u64));
        Suspicion {
            technique: knocks[0].technique,
            ground: Ground::Failures,
            shape: None,
            stamp: Time(9),
            case: knocks.to_vec(),
            evidence,
            vlan: [12, 0],
            tunnel: None,
            prompter: None,
            mac: [0; 6],
        }
    }

    /// So many hosts, each with so many ports.
    fn grid(hosts: u8, ports: u16) -> Suspicion {
        let knocks: Vec<Knock> =
            (1..=hosts).flat_map(|h| (1..=ports).map(move |p| knock(h, p, Outcome::Closed))).collect();
        suspicion(&knocks)
    }

    #[test]
    fn hosts_and_ports_make_the_kind() {
        assert_eq!(kind(&grid(1, 4)), Kind::Vertical);
        assert_eq!(kind(&grid(4, 1)), Kind::Horizontal);
        assert_eq!(kind(&grid(4, 2)), Kind::Horizontal);
        assert_eq!(kind(&grid(30, 3)), Kind::Horizontal, "a sweep for a handful of services");
        assert_eq!(kind(&grid(4, 4)), Kind::Block);
        assert_eq!(kind(&grid(2, 20)), Kind::Vertical);
    }

    #[test]
    fn a_completed_handshake_makes_a_connect_scan() {
        let open = |after| Knock { after, ..knock(1, 80, Outcome::Open) };
        assert_eq!(shown(&suspicion(&[open(After::Empty)])), Technique::TcpConnect);
        assert_eq!(shown(&suspicion(&[open(After::Reset)])), Technique::TcpSyn);
        assert_eq!(shown(&suspicion(&[open(After::Nothing)])), Technique::TcpSyn);
    }

    #[test]
    fn an_event_says_what_is_single_and_sums_up_the_rest() {
        let s = suspicion(&[knock(1, 22, Outcome::Open), knock(1, 23, Outcome::Closed), knock(1, 24, Outcome::Silent)]);
        let life = Life::new(host(2), Technique::TcpSyn, s.evidence.start, kind(&s), 3, false);
        let event = render(host(2), &s, Phase::Begin, &life);
        assert_eq!((event.src_ip, event.dest_ip), (Some(host(2).ip()), Some(host(1).ip())));
        assert_eq!((event.src_port, event.dest_port), (Some(40_000), None));
        assert_eq!((event.timestamp, event.vlan.as_slice(), event.proto.as_deref()), (9, &[12][..], Some("TCP")));
        let scan = event.scan.unwrap();
        assert_eq!((scan.doors, scan.answers.open, scan.answers.closed, scan.answers.silent), (3, 1, 1, 1));
        assert_eq!((scan.found, scan.flags.as_deref()), (vec!["10.0.0.1:22".to_owned()], Some("fSrpauxy")));
        assert_eq!(scan.reason, "1 of 3 first contacts refused, 1 unanswered in less than a millisecond");
    }

    #[test]
    fn ipv6_doors_are_written_in_brackets() {
        let target: Address = "fd00::1".parse().unwrap();
        assert_eq!(found(target, 80, true), "[fd00::1]:80");
        assert_eq!(found(target, 0, false), "fd00::1");
    }

    #[test]
    fn flags_are_written_as_scanlogd_does() {
        assert_eq!(flags(2, 2), "fSrpauxy");
        assert_eq!(flags(0b11, 0b10), "?Srpauxy");
        assert_eq!(flags(0xff, 0), "????????");
    }

    #[test]
    fn times_are_words_of_a_fitting_unit() {
        let text = |seconds: f64| duration((seconds * Time::SECOND as f64) as i64);
        assert_eq!(
            [text(0.04), text(3.0), text(600.0), text(7_200.0), text(864_000.0)],
            ["40 ms", "3.0 s", "10 min", "2.0 h", "10.0 days"]
        );
        assert_eq!(duration(-5), "less than a millisecond");
    }

    #[test]
    fn hops_are_told_where_the_hop_limit_began_as_usual() {
        assert_eq!([64, 61, 127, 240, 255].map(hops), [None, Some(3), Some(1), Some(15), None]);
        assert_eq!([0, 20, 70, 200].map(hops), [None; 4], "nobody is so far away");
    }

    #[test]
    fn a_reason_hints_at_the_sender() {
        let ports: Vec<Knock> = (1..=5).map(|port| Knock { ttl: 61, ..knock(1, port, Outcome::Closed) }).collect();
        let s = suspicion(&ports);
        let life = Life::new(host(2), Technique::TcpSyn, s.evidence.start, kind(&s), 5, false);
        assert!(reason(&s, &life).ends_with("; one source port, about 3 hops away"), "{}", reason(&s, &life));
    }
}
