//! What scanlogd found, as an event.
//!
//! In: the entry of a source that scans, and the packet that decided. Out: an [`Event`] from
//! which the format `scanlogd` prints the original's line byte for byte. What the original
//! does not watch, such as answers, is said to be unknown.
//! Must not know how a line looks.
//! Read next: `output/formats/scanlogd.rs`.

use std::net::{IpAddr, Ipv4Addr};

use tripline_plugin::event::{
    Anomaly, Answers, Completeness, Counted, Event, EventType, Kind, Phase, Ports, Scan, Severity, Span, Trust,
};

use super::{ACK, Entry, FIN, PSH, RST, SYN, URG};
use crate::decode::Observation;

/// One line of scanlogd's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A source scans.
    Scan {
        /// What is known of it.
        entry: Box<Entry>,
        /// The packet that made it a scan; its port is not in the entry's list.
        decided_by: Observation,
    },
    /// "More possible port scans follow", and silence for 20 s.
    MoreFollow {
        /// The packet that would have made one scan more.
        decided_by: Observation,
    },
}

impl Report {
    /// The packet that decided: its `clock` and `seq` are the report's place in the order.
    #[must_use]
    pub fn decided_by(&self) -> &Observation {
        match self {
            Self::Scan { decided_by, .. } | Self::MoreFollow { decided_by } => decided_by,
        }
    }

    /// As an event of phase `begin`, the only one that the original knows.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::Scan { entry, decided_by } => scan_event(entry, decided_by),
            Self::MoreFollow { decided_by } => Event {
                anomaly: Some(Anomaly {
                    kind: "log-flood".to_owned(),
                    event: "More possible port scans follow".to_owned(),
                }),
                ..Event::new(EventType::Anomaly, decided_by.stamp.0)
            },
        }
    }
}

fn scan_event(entry: &Entry, decided_by: &Observation) -> Event {
    let source = IpAddr::V4(Ipv4Addr::from_bits(entry.source));
    let target = entry.dst.ip();
    let technique = technique(entry, decided_by.flags);
    // The deciding port is one more than the list has.
    let ports = entry.ports().len() as u64 + 1;
    let start = entry.start.0;
    let scan = Scan {
        v: 1,
        id: tripline_plugin::identity::identity("scanlogd", &source.to_string(), technique, start),
        rev: 1,
        phase: Phase::Begin,
        technique: technique.to_owned(),
        kind: if entry.others { Kind::Block } else { Kind::Vertical },
        severity: Severity::Low,
        start,
        end: decided_by.stamp.0,
        packets: entry.packets,
        doors: ports,
        answers: Answers { silent: ports, ..Answers::default() },
        // It notices that there are other targets and does not count them.
        targets: Counted { count: 1 + u64::from(entry.others), exact: !entry.others, sample: vec![target] },
        ports: Some(Ports { count: ports, exact: true, sample: entry.ports().to_vec(), ranges: None }),
        found: Vec::new(),
        sources: Counted { count: 1, exact: true, sample: vec![source] },
        prefix: None,
        decoy: None,
        flags: Some(entry.flags()),
        ttl: Some(entry.ttl),
        tos: (!entry.tos_varies).then_some(entry.tos),
        source_ports: Some(entry.source_port),
        fragmented: entry.fragmented,
        trust: Trust::Spoofable,
        on_link: entry.ttl == Span { min: u8::MAX, max: u8::MAX },
        tool: None,
        reason: format!("{ports} ports, no more than 3 s between new ones, weigh {} of 21", entry.weight),
        completeness: Completeness { one_sided: true, ..Completeness::default() },
        rule: None,
        preset: "scanlogd".to_owned(),
    };
    Event {
        src_ip: Some(source),
        src_port: (entry.source_port.min == entry.source_port.max).then_some(entry.source_port.min),
        dest_ip: (!entry.others).then_some(target),
        proto: Some("TCP".to_owned()),
        vlan: decided_by.vlan.into_iter().filter(|id| *id != 0).collect(),
        src_mac: (decided_by.mac != [0; 6]).then(|| mac(decided_by.mac)),
        scan: Some(Box::new(scan)),
        ..Event::new(EventType::Scan, decided_by.stamp.0)
    }
}

/// The deciding packet is a probe (no ACK, no RST), so its flags tell how the source knocks.
fn technique(entry: &Entry, flags: u8) -> &'static str {
    // ECN bits are no part of a technique: every modern connection sets them in its SYN.
    match flags & (FIN | SYN | RST | PSH | ACK | URG) {
        // A source that acknowledged something at its ports completes what it begins.
        SYN if entry.flags_or & ACK != 0 => "tcp-connect",
        SYN => "tcp-syn",
        FIN => "tcp-fin",
        0 => "tcp-null",
        flags if flags == FIN | PSH | URG => "tcp-xmas",
        _ => "tcp-other",
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{ScanlogdState, by_hand::tcp},
        *,
    };
    use crate::decode::Address;

    /// The event of a scan of ports 1 to 7 with one packet each.
    fn scan_of(change: impl Fn(u16, &mut Observation)) -> Event {
        let mut state = ScanlogdState::default();
        let probe = |port| {
            let mut packet = tcp(i64::from(port), port, SYN);
            change(port, &mut packet);
            state.packet(&packet)
        };
        (1..=7).find_map(probe).expect("seven low ports are a scan").event()
    }

    #[test]
    fn the_event_holds_all_that_the_line_needs() {
        let event = scan_of(|_, _| ());
        let scan = event.scan.as_deref().unwrap();
        assert_eq!(event.src_ip.unwrap().to_string(), "10.0.0.2");
        assert_eq!((event.src_port, event.dest_ip.unwrap().to_string()), (Some(40_000), "10.0.0.1".to_owned()));
        assert_eq!(scan.ports.as_ref().unwrap().sample, [1, 2, 3, 4, 5, 6]);
        assert_eq!((scan.doors, scan.packets), (7, 7));
        assert_eq!(scan.flags.as_deref(), Some("fSrpauxy"));
        assert_eq!((scan.tos, scan.ttl), (Some(0), Some(Span { min: 50, max: 50 })));
        assert_eq!(scan.end - scan.start, 6_000_000);
        assert_eq!(event.src_mac.as_deref(), Some("02:00:00:00:00:02"));
    }

    #[test]
    fn what_changed_is_absent() {
        let event = scan_of(|port, packet| {
            packet.src_port = port;
            packet.tos = port as u8;
            packet.dst = Address::v4([10, 0, 0, port as u8]);
            packet.vlan = [12, 0];
        });
        let scan = event.scan.as_deref().unwrap();
        assert_eq!((event.src_port, event.dest_ip, scan.tos), (None, None, None));
        assert_eq!((scan.kind, scan.targets.count, scan.targets.exact), (Kind::Block, 2, false));
        assert_eq!(scan.targets.sample[0].to_string(), "10.0.0.1", "the line names the first");
        assert_eq!(event.vlan, [12]);
    }

    #[test]
    fn the_flags_name_the_technique() {
        let with = |flags| scan_of(|_, packet| packet.flags = flags).scan.unwrap().technique;
        assert_eq!(with(SYN), "tcp-syn");
        assert_eq!(with(SYN | 0xc0), "tcp-syn");
        assert_eq!(with(FIN), "tcp-fin");
        assert_eq!(with(0), "tcp-null");
        assert_eq!(with(FIN | PSH | URG), "tcp-xmas");
        assert_eq!(with(SYN | FIN), "tcp-other");
    }

    #[test]
    fn a_source_that_completes_handshakes_connects() {
        let mut state = ScanlogdState::default();
        let mut packets = (1..=7).flat_map(|port| [tcp(0, port, SYN), tcp(0, port, ACK)]);
        let report = packets.find_map(|packet| state.packet(&packet)).unwrap();
        assert_eq!(report.event().scan.unwrap().technique, "tcp-connect");
    }

    #[test]
    fn the_log_flood_is_an_anomaly() {
        let event = Report::MoreFollow { decided_by: tcp(0, 1, SYN) }.event();
        assert_eq!(event.event_type, EventType::Anomaly);
        assert_eq!(event.anomaly.unwrap().event, "More possible port scans follow");
        assert!(event.scan.is_none());
    }
}
