//! Whether an event is what a rule's `if` describes.
//!
//! In: conditions and an event. Out: yes or no. Pure: the same event, the same answer.
//! Must not know how conditions are written, nor what follows from a match.
//!
//! Events of many hosts name the first few of each side. A condition on addresses or ports
//! holds when *one* of them fits. A rule that silences is stricter, since what it takes is
//! gone: *all* must fit, and all must be known. Else a scan of the whole network would be
//! hidden by the one honeypot in its path.
//! Read next: `route.rs` (what follows), `conditions.rs` (how they are written).

use std::net::IpAddr;

use tripline_plugin::event::{Direction, Event, Kind, Phase, Scan, Severity, Trust};

use crate::config::{nets::NetSet, ranges::Ranges};

/// One thing that an event must be.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Each is the key of `if` of the same name.
pub enum Condition {
    Source(NetSet),
    Target(NetSet),
    Ports(Ranges),
    Direction(Vec<Direction>),
    Technique(Vec<String>),
    Kind(Vec<Kind>),
    Phase(Vec<Phase>),
    Severity(Vec<Severity>),
    Tool(Vec<String>),
    Trust(Vec<Trust>),
    Number(Measure, Bounds),
    Interface(Vec<String>),
    Vlan(Ranges),
    Preset(Vec<String>),
}

/// A number of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is the event's field of the same name.
pub enum Measure {
    Open,
    Closed,
    Unreachable,
    Silent,
    Packets,
    Doors,
    Targets,
    Ports,
    Sources,
}

impl Measure {
    fn of(self, scan: &Scan) -> u64 {
        match self {
            Self::Open => scan.answers.open,
            Self::Closed => scan.answers.closed,
            Self::Unreachable => scan.answers.unreachable,
            Self::Silent => scan.answers.silent,
            Self::Packets => scan.packets,
            Self::Doors => scan.doors,
            Self::Targets => scan.targets.count,
            Self::Ports => scan.ports.as_ref().map_or(0, |ports| ports.count),
            Self::Sources => scan.sources.count,
        }
    }
}

/// From a smallest to a largest number, both in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

/// How many of an event's addresses and ports must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One of them.
    One,
    /// Every one, and none may be unknown.
    Every,
}

impl Condition {
    /// Whether the event fits. What an event does not have fits nothing.
    pub fn holds(&self, event: &Event, reach: Reach) -> bool {
        let scan = event.scan.as_deref();
        let is = |test: &dyn Fn(&Scan) -> bool| scan.is_some_and(test);
        match self {
            Self::Source(nets) => {
                let complete = is(&|scan| scan.sources.count <= scan.sources.sample.len().max(1) as u64);
                addresses_fit(sources(event), nets, reach, complete || scan.is_none())
            }
            Self::Target(nets) => {
                let complete = is(&|scan| scan.targets.count <= scan.targets.sample.len().max(1) as u64);
                addresses_fit(targets(event), nets, reach, complete || scan.is_none())
            }
            Self::Ports(ports) => ports_fit(event, ports, reach),
            Self::Direction(ways) => event.direction.is_some_and(|way| ways.contains(&way)),
            Self::Technique(names) => is(&|scan| names.contains(&scan.technique)),
            Self::Kind(kinds) => is(&|scan| kinds.contains(&scan.kind)),
            Self::Phase(phases) => is(&|scan| phases.contains(&scan.phase)),
            Self::Severity(severities) => is(&|scan| severities.contains(&scan.severity)),
            Self::Tool(names) => is(&|scan| {
                scan.tool.as_ref().is_some_and(|tool| names.iter().any(|name| name.eq_ignore_ascii_case(&tool.name)))
            }),
            Self::Trust(trusts) => is(&|scan| trusts.contains(&scan.trust)),
            Self::Number(measure, bounds) => is(&|scan| (bounds.min..=bounds.max).contains(&measure.of(scan))),
            Self::Interface(names) => event.in_iface.as_ref().is_some_and(|name| names.contains(name)),
            Self::Vlan(ids) => event.vlan.iter().any(|id| ids.contains(*id)),
            Self::Preset(names) => is(&|scan| names.contains(&scan.preset)),
        }
    }

    /// Whether this condition holds, for certain, wherever `other` does (both asked with the
    /// same reach). False when they are about different things.
    pub fn covers(&self, other: &Self) -> bool {
        fn all_in<T: PartialEq>(own: &[T], others: &[T]) -> bool {
            others.iter().all(|other| own.contains(other))
        }
        match (self, other) {
            (Self::Source(own), Self::Source(other)) | (Self::Target(own), Self::Target(other)) => own.covers(other),
            (Self::Ports(own), Self::Ports(other)) | (Self::Vlan(own), Self::Vlan(other)) => own.covers(other),
            (Self::Direction(own), Self::Direction(other)) => all_in(own, other),
            (Self::Kind(own), Self::Kind(other)) => all_in(own, other),
            (Self::Phase(own), Self::Phase(other)) => all_in(own, other),
            (Self::Severity(own), Self::Severity(other)) => all_in(own, other),
            (Self::Trust(own), Self::Trust(other)) => all_in(own, other),
            (Self::Technique(own), Self::Technique(other))
            | (Self::Tool(own), Self::Tool(other))
            | (Self::Interface(own), Self::Interface(other))
            | (Self::Preset(own), Self::Preset(other)) => all_in(own, other),
            (Self::Number(measure, own), Self::Number(of, other)) => {
                measure == of && own.min <= other.min && other.max <= own.max
            }
            _ => false,
        }
    }

    /// Whether [`Reach`] makes a difference to it.
    pub fn is_about_many(&self) -> bool {
        matches!(self, Self::Source(_) | Self::Target(_) | Self::Ports(_))
    }
}

/// The sources that an event names.
pub fn sources(event: &Event) -> impl Iterator<Item = IpAddr> {
    let sample = event.scan.iter().flat_map(|scan| &scan.sources.sample).copied();
    event.src_ip.into_iter().chain(sample)
}

/// The targets that an event names.
pub fn targets(event: &Event) -> impl Iterator<Item = IpAddr> {
    let sample = event.scan.iter().flat_map(|scan| &scan.targets.sample).copied();
    event.dest_ip.into_iter().chain(sample)
}

fn addresses_fit(addresses: impl Iterator<Item = IpAddr>, nets: &NetSet, reach: Reach, complete: bool) -> bool {
    let mut addresses = addresses.map(|address| nets.contains(address)).peekable();
    match reach {
        Reach::One => addresses.any(|is_in| is_in),
        Reach::Every => complete && addresses.peek().is_some() && addresses.all(|is_in| is_in),
    }
}

fn ports_fit(event: &Event, wanted: &Ranges, reach: Reach) -> bool {
    let ports = event.scan.as_deref().and_then(|scan| scan.ports.as_ref());
    let all = ports.and_then(|ports| Ranges::parse(ports.ranges.as_deref()?, "port").ok());
    let complete = all.is_some() || ports.is_none_or(|ports| ports.count <= ports.sample.len() as u64);
    let sample = ports.into_iter().flat_map(|ports| &ports.sample).copied();
    let known: Ranges = sample.chain(event.dest_port).map(|port| (port, port)).collect();
    let known = all.unwrap_or(known);
    match reach {
        Reach::One => wanted.overlaps(&known),
        Reach::Every => complete && known != Ranges::default() && wanted.covers(&known),
    }
}

/// Whether every event that meets the conditions `later` meets `earlier` too.
pub fn all_cover(earlier: &[Condition], earlier_reach: Reach, later: &[Condition], later_reach: Reach) -> bool {
    // Of one set, "every" is the harder: what one address meets, all need not.
    let harder = earlier_reach == Reach::Every && later_reach == Reach::One;
    earlier.iter().all(|own| !(harder && own.is_about_many()) && later.iter().any(|other| own.covers(other)))
}

#[cfg(test)]
mod tests {
    use tripline_plugin::event::{Ports, Tool};

    use super::*;
    use crate::rules::samples;

    /// Whether a rule with this `if` takes the event; `silence` asks for the strict reach.
    fn met(condition: &str, silence: bool, event: &Event) -> bool {
        let rules = samples::rules(&format!("[[rules]]\nname = 'x'\nif = {{ {condition} }}\nsilence = {silence}\n"));
        let rule = &rules.rules[0];
        rule.conditions.iter().all(|condition| condition.holds(event, rule.reach()))
    }

    /// The conditions of the first list are met, those of the second are not.
    fn check(event: &Event, yes: &[&str], no: &[&str]) {
        for condition in yes {
            assert!(met(condition, false, event), "not met: {condition}");
        }
        for condition in no {
            assert!(!met(condition, false, event), "met: {condition}");
        }
    }

    #[test]
    fn source_and_target_are_nets_cidrs_and_exceptions() {
        check(
            &samples::between(&["10.0.9.7"], &["192.0.2.1"]),
            &[
                "source = 'ours'",
                "source = ['10.0.9.7']",
                "source = '10.0.9.0/24'",
                "source = ['home', '!10.0.8.0/24']",
                "source = '!192.0.2.0/24'",
                "target = ['ours', '192.0.2.1']",
                "source = 'ours', target = '! home'",
            ],
            &["source = '!ours'", "source = ['home', '!ours']", "target = 'home'", "source = 'ours', target = 'ours'"],
        );
    }

    #[test]
    fn one_of_many_addresses_is_enough_but_not_to_be_silenced() {
        let sweep = samples::between(&["192.0.2.9"], &["10.0.9.7", "10.0.9.9"]);
        assert!(met("target = 'ours'", false, &sweep));
        assert!(!met("target = 'ours'", true, &sweep));
        assert!(met("target = ['ours', '10.0.9.9']", true, &sweep));
    }

    #[test]
    fn what_is_not_all_known_is_not_silenced() {
        let mut sweep = samples::between(&["192.0.2.9"], &["10.0.9.7", "10.0.9.8"]);
        sweep.scan.as_mut().unwrap().targets.count = 500;
        assert!(met("target = 'ours'", false, &sweep) && !met("target = 'ours'", true, &sweep));
        let mut scan = samples::scan();
        scan.ports = Some(Ports { count: 500, exact: true, sample: vec![22], ranges: None });
        let many = samples::event(scan);
        assert!(met("ports = 22", false, &many) && !met("ports = 22", true, &many));
    }

    #[test]
    fn decoys_do_not_hide_behind_a_silenced_scanner() {
        let mut scan = samples::scan();
        scan.sources = samples::addresses(&["10.0.9.7", "198.51.100.1"]);
        let mut event = samples::event(scan);
        event.src_ip = Some("10.0.9.7".parse().unwrap());
        assert!(!met("source = 'ours'", true, &event));
    }

    #[test]
    fn ports_are_numbers_ranges_and_lists_of_both() {
        check(
            &samples::event(samples::scan()),
            &["ports = 22", "ports = '1-30'", "ports = [7, '79-81,90']", "ports = '41'"],
            &["ports = 443", "ports = '42-79'", "ports = [1, 2, '3-21']"],
        );
        let mut event = samples::event(Scan { ports: None, ..samples::scan() });
        check(&event, &[], &["ports = '0-65535'"]);
        event.dest_port = Some(443);
        check(&event, &["ports = 443"], &["ports = 22"]);
    }

    #[test]
    fn words_of_the_event_can_be_asked_for() {
        let mut scan = samples::scan();
        (scan.severity, scan.trust) = (Severity::Medium, Trust::Reacted);
        scan.tool = Some(Tool { name: "nmap".to_owned(), confidence: 0.9, evidence: Vec::new() });
        let mut event = samples::event(scan);
        event.direction = Some(Direction::Inbound);
        event.in_iface = Some("eth0".to_owned());
        event.vlan = vec![12, 100];
        check(
            &event,
            &[
                "direction = 'inbound'",
                "direction = ['inside', 'inbound']",
                "technique = ['udp', 'tcp-syn']",
                "kind = 'vertical'",
                "phase = ['begin', 'end']",
                "severity = 'medium'",
                "severity = '>= medium'",
                "trust = '>= reacted'",
                "trust = ['reacted', 'confirmed']",
                "tool = 'Nmap'",
                "interface = ['eth1', 'eth0']",
                "vlan = 100",
                "vlan = '1-20'",
                "preset = 'tripline'",
            ],
            &[
                "direction = 'transit'",
                "technique = 'udp'",
                "kind = ['block', 'horizontal']",
                "phase = 'update'",
                "severity = ['low', 'high']",
                "severity = '>= high'",
                "trust = '>= confirmed'",
                "tool = 'masscan'",
                "interface = 'eth1'",
                "vlan = 13",
                "preset = 'scanlogd'",
            ],
        );
    }

    #[test]
    fn numbers_are_compared() {
        check(
            &samples::event(samples::scan()),
            &[
                "answers = { open = '>= 1', closed = 19 }",
                "answers.silent = 0",
                "counts = { doors = '>= 21', packets = '< 24', targets = 1 }",
                "counts = { ports = '>= 20, <= 30', sources = '= 1' }",
            ],
            &["answers.open = '> 2'", "counts.doors = '> 21'", "answers = { open = 2, unreachable = '>= 1' }"],
        );
    }

    #[test]
    fn what_an_event_does_not_have_fits_nothing() {
        let mut event = samples::event(samples::scan());
        (event.scan, event.src_ip, event.dest_ip) = (None, None, None);
        check(
            &event,
            &[""],
            &[
                "source = '!ours'",
                "target = '!ours'",
                "kind = 'vertical'",
                "tool = 'nmap'",
                "counts.doors = '>= 0'",
                "interface = 'eth0'",
                "vlan = '0-4095'",
                "direction = ['inside', 'inbound', 'outbound', 'transit']",
            ],
        );
    }
}
