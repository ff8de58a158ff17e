//! The presets `snort-low`, `snort-medium`, `snort-high`: what Snort 3's inspector `port_scan` would have told.
//!
//! In: observations, in order, plain ACKs included (they complete handshakes). Out: now and then a [`Found`].
//! Must not know addresses to spare: the originals' `watch_ip` and `ignore_scanners` are the user's, here as
//! there.
//!
//! For each protocol and host there is a tracker of what it scans, and one of how it is scanned. An attempt
//! counts in both, a handshake takes it back, a reset or an ICMP error is a reject. Four tests follow: scan,
//! decoy, sweep, distributed.
//!
//! Its faults are the original's (those of counting are in `tracker.rs`):
//! - Only SYNs are attempts over TCP: FIN, null, Xmas, ACK scans are never found, though their resets count as
//!   rejects.
//! - A packet of another IP protocol counts as one more address, and its window never ends: thirty of one
//!   protocol, ever, are a sweep.
//! - A reset of no known flow counts in both directions, and an alarm of the first is lost.
//! - Of a scan it tells counts and one port, not which.
//!
//! What differs: checksums are not looked at, IGMP is not seen, ICMP of other routers counts for the host that
//! the lost packet was meant for, and 65,536 trackers are remembered (the original's 10 MiB hold about as
//! many). ICMP over IPv6 is not watched there either: types are compared with those of IPv4.
//!
//! Source: the behaviour of Snort 3 and the configuration of 3.12. Read next: `flows.rs`, `tracker.rs`, `levels.rs`.

mod flows;
mod levels;
mod tracker;

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Counted, Event, Ports};

use super::{
    alarm::{Alarm, Found, silent},
    recent::Recent,
};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Kind, Observation, describe},
    source::Time,
};
use flows::{Flows, Step, Turn};
use levels::Level;
use tracker::{Moment, Shape, Tracker, Verdict, judge, sweep};

/// Trackers that are remembered.
const TRACKERS: usize = 65_536;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// ICMP "destination unreachable" and three of its codes (RFC 792, RFC 1812).
const UNREACHABLE: u8 = 3;
const NO_PROTOCOL: u8 = 2;
const NO_PORT: u8 = 3;
const FILTERED: u8 = 13;

/// Whose counts: of what, and whether as the one that scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Who {
    what: What,
    scans: bool,
    host: Address,
}

/// What is scanned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum What {
    Tcp,
    Udp,
    Ip,
    Icmp,
}

/// Snort's port scan detector at one level.
#[derive(Debug)]
pub struct SnortState {
    level: &'static Level,
    flows: Flows,
    trackers: Recent<Who, Tracker>,
}

impl SnortState {
    /// The one of the preset, if that is one of Snort's.
    #[must_use]
    pub fn named(preset: &str) -> Option<Self> {
        let level = [&levels::LOW, &levels::MEDIUM, &levels::HIGH].into_iter().find(|level| level.preset == preset)?;
        Some(Self { level, flows: Flows::default(), trackers: Recent::with_room(TRACKERS) })
    }

    /// The preset's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.level.preset
    }

    /// What had to be forgotten for want of memory.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.flows.given_up() + self.trackers.given_up()
    }

    /// Takes the next packet.
    pub fn packet(&mut self, packet: &Observation) -> Option<Found> {
        let (what, turn) = self.turn(packet)?;
        let event = if turn.both {
            // The alarm of the first direction is marked as told, and is not.
            self.count(what, Turn { reversed: false, ..turn }, packet);
            self.count(what, Turn { reversed: true, ..turn }, packet)
        } else {
            self.count(what, turn, packet)
        };
        Some(Found { event: event?, seq: Some(packet.seq) })
    }

    /// What a packet means, if anything.
    fn turn(&mut self, packet: &Observation) -> Option<(What, Turn)> {
        let attempt = Turn::new(Step::Attempt, false);
        let is_v4 = packet.src.as_v4().is_some();
        match packet.kind {
            Kind::Tcp => Some((What::Tcp, self.flows.tcp(packet)?)),
            Kind::Udp => Some((What::Udp, self.flows.other(packet, UDP)?)),
            Kind::IcmpRequest if is_v4 => Some((What::Icmp, attempt)),
            // Such an observation stands as if the door had answered: its source is the host that was scanned.
            Kind::IcmpError if is_v4 && packet.icmp_type == UNREACHABLE => {
                let what = match (packet.icmp_code, packet.protocol) {
                    (NO_PORT | FILTERED, TCP) => What::Tcp,
                    (NO_PORT | FILTERED, UDP) => What::Udp,
                    (NO_PROTOCOL | FILTERED, _) => What::Ip,
                    _ => What::Icmp,
                };
                Some((what, Turn::new(Step::Reject, true)))
            }
            Kind::SctpInit | Kind::SctpInitAck | Kind::SctpAbort | Kind::SctpCookieEcho | Kind::Other => {
                Some((What::Ip, self.flows.other(packet, packet.protocol)?))
            }
            Kind::IcmpRequest
            | Kind::IcmpReply
            | Kind::IcmpError
            | Kind::ArpRequest
            | Kind::ArpReply
            | Kind::DataDoor => None,
        }
    }

    /// Counts it for both hosts and judges them.
    fn count(&mut self, what: What, turn: Turn, packet: &Observation) -> Option<Event> {
        let (source, target) = if turn.reversed { (packet.dst, packet.src) } else { (packet.src, packet.dst) };
        let [on_source, on_target] = [(source, true), (target, false)].map(|(host, scans)| Who { what, scans, host });
        let second = packet.clock.0.div_euclid(Time::SECOND);
        let at = Moment { stamp: packet.stamp, second, window: self.level.window };
        let port = if what == What::Icmp { 0 } else { packet.dst_port };
        let mut add = |who: Who, other: Address| {
            let tracker = self.trackers.get_or_begin(who, packet.clock)?;
            match (what, turn.step) {
                (What::Ip, Step::Reject) => tracker.protocol(1, packet.stamp),
                (What::Ip, _) => tracker.protocol(packet.protocol, packet.stamp),
                (_, Step::Attempt) => tracker.attempt(other, port, at),
                (_, Step::Complete) => tracker.complete(),
                (_, Step::Reject) => tracker.reject(),
            }
            Some(*tracker)
        };
        let victim = if what == What::Icmp { None } else { add(on_target, source) };
        let scanner = add(on_source, target);
        let verdict = match what {
            What::Tcp => judge(&self.level.tcp, scanner.as_ref(), victim.as_ref()),
            What::Udp => judge(&self.level.udp, scanner.as_ref(), victim.as_ref()),
            What::Ip => judge(&self.level.ip, scanner.as_ref(), victim.as_ref()),
            What::Icmp => sweep(self.level.icmp_sweep, scanner.as_ref()),
        }?;
        let (told_of, tracker) = match verdict.kind {
            Shape::Sweep => (on_source, scanner?),
            Shape::Scan | Shape::Decoy | Shape::Distributed => (on_target, victim?),
        };
        self.trackers.get(&told_of, packet.clock)?.told = true;
        Some(self.event(what, verdict, &tracker, (source, target), turn.reversed, packet))
    }

    fn event(
        &self,
        what: What,
        verdict: Verdict,
        tracker: &Tracker,
        (source, target): (Address, Address),
        reversed: bool,
        packet: &Observation,
    ) -> Event {
        use tripline_plugin::event::Kind;
        let (technique, proto) = match what {
            What::Tcp => ("tcp-syn", "TCP".into()),
            What::Udp => ("udp", "UDP".into()),
            What::Ip => ("ip-protocol", describe::name(packet.protocol)),
            What::Icmp => ("icmp-echo", "ICMP".into()),
        };
        let (nets, ports) = (u64::from(tracker.nets), u64::from(tracker.ports));
        let (kind, word, sources, targets) = match verdict.kind {
            Shape::Scan => (Kind::Vertical, "portscan", 1, 1),
            Shape::Decoy => (Kind::Decoy, "decoy portscan", nets, 1),
            Shape::Sweep => (Kind::Horizontal, "portsweep", 1, nets),
            Shape::Distributed => (Kind::Distributed, "distributed portscan", nets, 1),
        };
        let doors = targets.max(ports);
        let port = if reversed { packet.src_port } else { packet.dst_port };
        let shows_ports = matches!(what, What::Tcp | What::Udp);
        let filtered = if verdict.filtered { "filtered " } else { "" };
        let Tracker { scans, rejects, .. } = tracker;
        let alarm = Alarm {
            preset: self.level.preset,
            technique,
            proto,
            kind,
            source,
            sources,
            start: tracker.start,
            time: packet.stamp,
            packets: u64::from(*scans),
            doors,
            answers: silent(doors),
            targets: Counted { count: targets, exact: targets == 1, sample: vec![target.ip()] },
            ports: shows_ports.then(|| Ports { count: ports, exact: false, sample: vec![port], ranges: None }),
            reason: format!(
                "{filtered}{word}: {scans} attempts without a connection, {rejects} rejects, \
                 {nets} changes of address, {ports} of port"
            ),
        };
        alarm.event(Some(packet))
    }
}

impl Kept for SnortState {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { level: _, flows, trackers } = self;
        flows.keep(to)?;
        trackers.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.flows.resume(from)?;
        self.trackers.resume(from)
    }
}

#[cfg(test)]
mod tests {
    use tripline_plugin::event::Kind as Shown;

    use super::{
        super::by_hand::{answer, of, tcp},
        *,
    };

    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    fn events(preset: &str, packets: impl IntoIterator<Item = Observation>) -> Vec<(String, Shown, String)> {
        let mut state = SnortState::named(preset).unwrap();
        let found = packets.into_iter().filter_map(|packet| state.packet(&packet));
        let shown = |found: Found| {
            let (source, scan) = (found.event.src_ip.unwrap(), found.event.scan.unwrap());
            (source.to_string(), scan.kind, scan.reason.split(':').next().unwrap().to_owned())
        };
        found.map(shown).collect()
    }

    /// So many refused ports.
    fn refused(ports: std::ops::RangeInclusive<u16>) -> impl Iterator<Item = Observation> {
        ports.flat_map(|port| [tcp(0, port, SYN), answer(0, port, RST | ACK)])
    }

    #[test]
    fn each_level_has_its_own_thresholds_for_refused_ports() {
        for (preset, ports) in [("snort-low", 5), ("snort-medium", 15), ("snort-high", 10)] {
            assert!(events(preset, refused(1..=ports - 1)).is_empty(), "{preset}");
            let found = events(preset, refused(1..=ports));
            assert_eq!(found.len(), 1, "{preset}");
            assert_eq!(found[0].0, "10.0.0.2", "who scans, not who refused");
        }
        assert!(SnortState::named("snort").is_none());
    }

    #[test]
    fn silent_ports_are_a_filtered_scan_at_two_hundred() {
        let syns = |ports| (1..=ports).map(|port| tcp(0, port, SYN));
        assert!(events("snort-high", syns(199)).is_empty());
        let expected = ("10.0.0.2".to_owned(), Shown::Vertical, "filtered portscan".to_owned());
        assert_eq!(events("snort-high", syns(300)), [expected]);
        assert!(events("snort-low", syns(300)).is_empty());
    }

    #[test]
    fn a_sweep_is_told_of_the_one_who_sweeps() {
        let sweep = (1..=30).flat_map(|host| {
            let host = Address::v4([10, 0, 0, host]);
            [Observation { dst: host, ..tcp(0, 22, SYN) }, Observation { src: host, ..answer(0, 22, RST | ACK) }]
        });
        let expected = ("10.0.0.2".to_owned(), Shown::Horizontal, "portsweep".to_owned());
        assert_eq!(events("snort-high", sweep), [expected]);
    }

    #[test]
    fn a_ping_sweep_is_told_by_changes_of_address_and_completed_connections_are_not() {
        let ping = |host| Observation {
            kind: Kind::IcmpRequest,
            icmp_type: 8,
            dst: Address::v4([10, 0, 0, host]),
            ..tcp(0, 0, 0)
        };
        assert_eq!(events("snort-high", (1..=10).map(ping)).len(), 1);
        let honest = (1..=50).flat_map(|port| [tcp(0, port, SYN), answer(0, port, SYN | ACK), tcp(0, port, ACK)]);
        assert!(events("snort-high", honest).is_empty());
    }

    #[test]
    fn thirty_packets_of_another_protocol_are_a_sweep_which_is_the_fault_of_the_original() {
        let packets = (0..30).map(|n| Observation { kind: Kind::Other, protocol: 89, ..tcp(n * 60_000, 0, 0) });
        let expected = ("10.0.0.2".to_owned(), Shown::Horizontal, "filtered portsweep".to_owned());
        assert_eq!(events("snort-medium", packets), [expected]);
    }

    #[test]
    fn unreachables_reject_datagrams_and_many_sources_are_decoys() {
        let lost = |port| {
            let error = Observation { kind: Kind::IcmpError, icmp_type: 3, icmp_code: 3, ..answer(0, port, 0) };
            [Observation { kind: Kind::Udp, protocol: 17, ..tcp(0, port, 0) }, Observation { protocol: 17, ..error }]
        };
        assert_eq!(events("snort-high", (1..=10).flat_map(lost)).len(), 1);
        let from = |n: u16| of([10, 1, (n >> 8) as u8, n as u8], tcp(0, n + 1, SYN));
        let back = |n: u16| Observation { dst: from(n).src, ..answer(0, n + 1, RST | ACK) };
        let found = events("snort-high", (0..300).flat_map(|n| [from(n), back(n)]));
        assert!(found.iter().any(|(_, kind, _)| *kind == Shown::Distributed), "{found:?}");
    }
}
