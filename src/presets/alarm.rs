//! What a reference preset found, as an event.
//!
//! In: an [`Alarm`]: who, at which doors, since when. Out: an [`Event`] of phase `begin`; the originals know no
//! other. What an original does not know is left out, or said to be inexact.
//! Must not know how an original judges. scanlogd's own report needs more and is in `scanlogd/report.rs`.
//! Read next: `libnids.rs` (the shortest of those who raise alarms).

use std::{borrow::Cow, net::IpAddr};

use tripline_plugin::event::{
    Answers, Completeness, Counted, Event, EventType, Kind, Phase, Ports, Scan, Severity, Trust,
};

use crate::{
    decode::{Address, Observation},
    source::Time,
};

/// An event, and the packet that decided it when one did.
#[derive(Clone, Debug)]
pub struct Found {
    /// What there is to say.
    pub event: Event,
    /// The packet's place in the run; `None` when time decided.
    pub seq: Option<u64>,
}

/// Who is accused, and of what.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// The preset.
    pub preset: &'static str,
    /// As events name techniques.
    pub technique: &'static str,
    /// As events name protocols.
    pub proto: Cow<'static, str>,
    /// The shape, as far as the original tells.
    pub kind: Kind,
    /// Who is accused.
    pub source: Address,
    /// How many sources the original counted.
    pub sources: u64,
    /// The stamp of the first packet that counted.
    pub start: Time,
    /// When the original says it.
    pub time: Time,
    /// Packets that counted.
    pub packets: u64,
    /// Distinct doors, or what the original takes for them.
    pub doors: u64,
    /// How they answered, of those originals that look. They sum to `doors`.
    pub answers: Answers,
    /// The targets.
    pub targets: Counted<IpAddr>,
    /// The ports, where there are any.
    pub ports: Option<Ports>,
    /// What decided, in words.
    pub reason: String,
}

impl Alarm {
    /// The event. `by` is the packet that decided, when it was one of the accused.
    pub(super) fn event(self, by: Option<&Observation>) -> Event {
        let source = self.source.ip();
        let scan = Scan {
            v: 1,
            id: tripline_plugin::identity::identity(self.preset, &source.to_string(), self.technique, self.start.0),
            rev: 1,
            phase: Phase::Begin,
            technique: self.technique.to_owned(),
            kind: self.kind,
            severity: Severity::Low,
            start: self.start.0,
            end: self.time.0,
            packets: self.packets,
            doors: self.doors,
            answers: self.answers,
            targets: self.targets,
            ports: self.ports,
            found: Vec::new(),
            sources: Counted { count: self.sources, exact: self.sources == 1, sample: vec![source] },
            prefix: None,
            decoy: None,
            flags: None,
            ttl: None,
            tos: None,
            source_ports: None,
            fragmented: false,
            trust: Trust::Spoofable,
            on_link: false,
            tool: None,
            reason: self.reason,
            completeness: Completeness { one_sided: self.answers == silent(self.doors), ..Completeness::default() },
            rule: None,
            preset: self.preset.to_owned(),
        };
        let single = |count: u64, exact: bool| count == 1 && exact;
        let target = scan.targets.sample.first().filter(|_| single(scan.targets.count, scan.targets.exact)).copied();
        let port = scan.ports.as_ref().filter(|ports| single(ports.count, ports.exact));
        let port = port.and_then(|ports| ports.sample.first().copied());
        let by = by.filter(|packet| packet.src == self.source);
        Event {
            src_ip: Some(source),
            dest_ip: target,
            dest_port: port,
            proto: Some(self.proto.into_owned()),
            vlan: by.map_or_else(Vec::new, |packet| packet.vlan.into_iter().filter(|id| *id != 0).collect()),
            scan: Some(Box::new(scan)),
            ..Event::new(EventType::Scan, self.time.0)
        }
    }
}

/// The answers of those who do not look for any.
pub(super) fn silent(doors: u64) -> Answers {
    Answers { silent: doors, ..Answers::default() }
}

/// Each once, in order of first sight.
pub(super) fn distinct<T: Copy + PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// All of them are known.
pub(super) fn exactly(targets: &[Address]) -> Counted<IpAddr> {
    Counted { count: targets.len() as u64, exact: true, sample: targets.iter().map(|target| target.ip()).collect() }
}

/// All of them are known.
pub(super) fn exact_ports(sample: Vec<u16>) -> Ports {
    Ports { count: sample.len() as u64, exact: true, sample, ranges: None }
}

/// The shape that so many targets and ports have.
pub(super) fn shape(targets: usize, ports: usize) -> Kind {
    match (targets, ports) {
        (..=1, _) => Kind::Vertical,
        (_, ..=1) => Kind::Horizontal,
        _ => Kind::Block,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(targets: &[Address], ports: Vec<u16>) -> Alarm {
        Alarm {
            preset: "libnids",
            technique: "tcp-syn",
            proto: "TCP".into(),
            kind: shape(targets.len(), ports.len()),
            source: Address::v4([10, 0, 0, 2]),
            sources: 1,
            start: Time(1),
            time: Time(2),
            packets: 3,
            doors: 3,
            answers: silent(3),
            targets: exactly(targets),
            ports: Some(exact_ports(ports)),
            reason: "because".to_owned(),
        }
    }

    #[test]
    fn what_is_single_stands_in_the_envelope() {
        let [a, b] = [1, 2].map(|host| Address::v4([10, 0, 0, host]));
        let event = alarm(&[a], vec![22, 80]).event(None);
        assert_eq!((event.dest_ip, event.dest_port), (Some(a.ip()), None));
        assert_eq!(event.scan.as_ref().map(|scan| scan.kind), Some(Kind::Vertical));
        let event = alarm(&[a, b], vec![22]).event(None);
        assert_eq!((event.dest_ip, event.dest_port), (None, Some(22)));
        assert_eq!(event.scan.as_ref().map(|scan| scan.kind), Some(Kind::Horizontal));
        assert_eq!(alarm(&[a, b], vec![22, 80]).kind, Kind::Block);
    }

    #[test]
    fn an_event_names_its_preset_and_says_when_nobody_looked_for_answers() {
        let scan = alarm(&[Address::v4([10, 0, 0, 1])], vec![22]).event(None).scan.unwrap();
        assert_eq!((scan.preset.as_str(), scan.completeness.one_sided), ("libnids", true));
        assert_eq!((scan.start, scan.end, scan.reason.as_str()), (1, 2, "because"));
    }

    #[test]
    fn distinct_keeps_the_order_of_first_sight() {
        assert_eq!(distinct([3, 1, 3, 2, 1]), [3, 1, 2]);
    }
}
