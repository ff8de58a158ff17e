//! The preset `zeek`: the notices of Zeek's script `policy/misc/scan`.
//!
//! In: observations, in order. Out: now and then a [`Found`]. Must not know what is local.
//!
//! `Address_Scan`: 25 hosts on one port, `Port_Scan`: 15 ports of one host, with which a source's attempts
//! failed within an epoch of five minutes. Failed is refused, unanswered for 5 s, and accepted but reset by the
//! source without data. The same notice about the same source comes once an hour.
//!
//! Its faults are the original's: TCP only, and only what begins with a SYN; epochs do not overlap, so a scan
//! across their border needs more; and one source's second scan within the hour is not told.
//! Left out: it also takes some connections seen from the wrong side for scans of the other end.
//!
//! Source: Zeek's `scripts/policy/misc/scan.zeek` (deprecated by its authors for its use of memory) and the
//! default `Notice::default_suppression_interval`. Read next: `attempts.rs`.

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Answers, Event, Kind};

use super::{
    alarm::{Alarm, Found, exact_ports, exactly},
    attempts::{Attempts, Ended, Outcome, Telling},
    recent::{Fades, Recent},
};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Observation},
    source::Time,
};

/// `addr_scan_interval` and `port_scan_interval`.
const EPOCH: i64 = 300 * Time::SECOND;
/// `addr_scan_threshold`.
const HOSTS: usize = 25;
/// `port_scan_threshold`.
const PORTS: usize = 15;
/// `Notice::default_suppression_interval`.
const SUPPRESSION: i64 = 3_600 * Time::SECOND;
/// Keys of each kind that are remembered; the original has no bound.
const KEYS: usize = 16_384;

/// Distinct things that failed in an epoch, up to the threshold.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "[T; N]: Serialize", deserialize = "[T; N]: Deserialize<'de>"))]
struct Failures<T, const N: usize> {
    epoch: i64,
    things: [T; N],
    known: usize,
    start: Time,
    attempts: u64,
    answers: Answers,
}

impl<T: Copy + Default, const N: usize> Default for Failures<T, N> {
    fn default() -> Self {
        let (start, answers) = (Time::default(), Answers::default());
        Self { epoch: -1, things: [T::default(); N], known: 0, start, attempts: 0, answers }
    }
}

impl<T: Copy + Default, const N: usize> Fades for Failures<T, N> {
    fn fades_after(&self) -> i64 {
        EPOCH
    }
}

impl<T: Copy + Default + PartialEq, const N: usize> Failures<T, N> {
    /// Adds a failure; whether the threshold is reached by it.
    fn add(&mut self, epoch: i64, thing: T, ended: &Ended) -> bool {
        if self.epoch != epoch {
            *self = Self { epoch, start: ended.began, ..Self::default() };
        }
        self.attempts += 1;
        let known = self.things.get(..self.known).unwrap_or_default();
        if known.contains(&thing) {
            return false;
        }
        let Some(place) = self.things.get_mut(self.known) else { return false };
        *place = thing;
        self.known += 1;
        match ended.outcome {
            Outcome::Refused => self.answers.closed += 1,
            Outcome::Dropped => self.answers.open += 1,
            _ => self.answers.silent += 1,
        }
        self.known == N
    }
}

/// What is told once an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Notice {
    AddressScan,
    PortScan,
}

/// A notice that was given: to a source, of a kind.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Given;

impl Fades for Given {
    fn fades_after(&self) -> i64 {
        SUPPRESSION
    }
}

/// All that the script remembers.
#[derive(Debug)]
pub struct ZeekState {
    attempts: Attempts,
    notices: Notices,
}

#[derive(Debug)]
struct Notices {
    /// When the first epoch began.
    first: Option<Time>,
    /// By source and port.
    hosts: Recent<(Address, u16), Failures<Address, HOSTS>>,
    /// By source and target.
    ports: Recent<(Address, Address), Failures<u16, PORTS>>,
    given: Recent<(Address, Notice), Given>,
}

impl Default for ZeekState {
    fn default() -> Self {
        let (hosts, ports) = (Recent::with_room(KEYS), Recent::with_room(KEYS));
        let notices = Notices { first: None, hosts, ports, given: Recent::with_room(KEYS) };
        Self { attempts: Attempts::new(Telling::AtOnce), notices }
    }
}

impl ZeekState {
    /// Takes the next packet.
    pub fn packet(&mut self, packet: &Observation, tell: &mut impl FnMut(Found)) {
        let Self { attempts, notices } = self;
        notices.first.get_or_insert(packet.clock);
        attempts.packet(packet, |ended| notices.attempt(&ended, tell));
    }

    /// The input has ended.
    pub fn finish(&mut self, tell: &mut impl FnMut(Found)) {
        let Self { attempts, notices } = self;
        attempts.finish(|ended| notices.attempt(&ended, tell));
    }

    /// What had to be forgotten for want of memory.
    pub fn given_up(&self) -> u64 {
        let Notices { hosts, ports, given, .. } = &self.notices;
        self.attempts.given_up() + hosts.given_up() + ports.given_up() + given.given_up()
    }
}

impl Notices {
    fn attempt(&mut self, ended: &Ended, tell: &mut impl FnMut(Found)) {
        if matches!(ended.outcome, Outcome::Accepted | Outcome::Withdrawn) {
            return;
        }
        let (connection, now) = (ended.connection, ended.clock);
        let (source, target, port) = (connection.client, connection.server, connection.server_port);
        let epoch = now.0.saturating_sub(self.first.unwrap_or_default().0).div_euclid(EPOCH);
        let hosts = self.hosts.get_or_begin((source, port), now);
        let sweep = hosts.filter(|hosts| hosts.epoch != epoch || hosts.known < HOSTS);
        let sweep = sweep.and_then(|hosts| hosts.add(epoch, target, ended).then_some(*hosts));
        let ports = self.ports.get_or_begin((source, target), now);
        let scan = ports.filter(|ports| ports.epoch != epoch || ports.known < PORTS);
        let scan = scan.and_then(|ports| ports.add(epoch, port, ended).then_some(*ports));
        let seq = ended.by.map(|packet| packet.seq);
        if let Some(hosts) = sweep
            && self.is_news(source, Notice::AddressScan, now)
        {
            tell(Found { event: address_scan(ended, &hosts), seq });
        }
        if let Some(ports) = scan
            && self.is_news(source, Notice::PortScan, now)
        {
            tell(Found { event: port_scan(ended, &ports), seq });
        }
    }

    /// Whether the notice was not given about the source within the hour; it is now.
    fn is_news(&mut self, source: Address, notice: Notice, now: Time) -> bool {
        if self.given.peek(&(source, notice), now).is_some() {
            return false;
        }
        self.given.get_or_begin((source, notice), now);
        true
    }
}

fn address_scan(ended: &Ended, hosts: &Failures<Address, HOSTS>) -> Event {
    let alarm = Alarm {
        kind: Kind::Horizontal,
        targets: exactly(&hosts.things),
        ports: Some(exact_ports(vec![ended.connection.server_port])),
        reason: format!("Address_Scan: attempts at {HOSTS} hosts on one port failed within 5 minutes"),
        ..alarm(ended, hosts)
    };
    alarm.event(ended.by.as_ref())
}

fn port_scan(ended: &Ended, ports: &Failures<u16, PORTS>) -> Event {
    let alarm = Alarm {
        kind: Kind::Vertical,
        targets: exactly(&[ended.connection.server]),
        ports: Some(exact_ports(ports.things.to_vec())),
        reason: format!("Port_Scan: attempts at {PORTS} ports of one host failed within 5 minutes"),
        ..alarm(ended, ports)
    };
    alarm.event(ended.by.as_ref())
}

/// What both notices have in common.
fn alarm<T, const N: usize>(ended: &Ended, failures: &Failures<T, N>) -> Alarm {
    Alarm {
        preset: "zeek",
        technique: "tcp-syn",
        proto: "TCP".into(),
        kind: Kind::Block,
        source: ended.connection.client,
        sources: 1,
        start: failures.start,
        time: ended.stamp,
        packets: failures.attempts,
        doors: failures.known as u64,
        answers: failures.answers,
        targets: exactly(&[]),
        ports: None,
        reason: String::new(),
    }
}

impl Kept for ZeekState {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { attempts, notices: Notices { first, hosts, ports, given } } = self;
        attempts.keep(to)?;
        to.put(first)?;
        hosts.keep(to)?;
        ports.keep(to)?;
        given.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let Self { attempts, notices: Notices { first, hosts, ports, given } } = self;
        attempts.resume(from)?;
        *first = from.take()?;
        hosts.resume(from)?;
        ports.resume(from)?;
        given.resume(from)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::by_hand::{answer, tcp},
        *,
    };

    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    fn found(packets: impl IntoIterator<Item = Observation>) -> Vec<(i64, String)> {
        let (mut state, mut events) = (ZeekState::default(), Vec::new());
        let mut tell = |found: Found| {
            let notice = found.event.scan.unwrap().reason.split(':').next().unwrap().to_owned();
            events.push((found.event.timestamp / Time::SECOND - 1_000, notice));
        };
        for packet in packets {
            state.packet(&packet, &mut tell);
        }
        state.finish(&mut tell);
        events
    }

    /// A refused door.
    fn refused(second: i64, host: u8, port: u16) -> [Observation; 2] {
        let host = Address::v4([10, 0, 0, host]);
        let (there, back) = (tcp(second * 1_000, port, SYN), answer(second * 1_000, port, RST | ACK));
        [Observation { dst: host, ..there }, Observation { src: host, ..back }]
    }

    #[test]
    fn fifteen_ports_of_a_host_or_twenty_five_hosts_on_a_port_are_a_notice() {
        assert!(found((1..=14).flat_map(|port| refused(0, 1, port))).is_empty());
        assert_eq!(found((1..=200).flat_map(|port| refused(0, 1, port))), [(0, "Port_Scan".to_owned())]);
        assert!(found((1..=24).flat_map(|host| refused(0, host, 22))).is_empty());
        assert_eq!(found((1..=200).flat_map(|host| refused(0, host, 22))), [(0, "Address_Scan".to_owned())]);
    }

    #[test]
    fn what_is_answered_and_used_is_no_failure_and_what_is_dropped_is() {
        let opened = |port| [tcp(0, port, SYN), answer(0, port, SYN | ACK)];
        assert!(found((1..=50).flat_map(opened)).is_empty());
        let dropped = (1..=50).flat_map(|port| opened(port).into_iter().chain([tcp(0, port, RST)]));
        assert_eq!(found(dropped), [(0, "Port_Scan".to_owned())]);
    }

    #[test]
    fn unanswered_ones_fail_after_five_seconds() {
        let syns = (1..=20).map(|port| tcp(0, port, SYN));
        assert_eq!(found(syns), [(5, "Port_Scan".to_owned())]);
    }

    #[test]
    fn epochs_do_not_overlap_and_a_notice_comes_once_an_hour() {
        let slow = |step: i64| (1..=20).flat_map(move |port| refused(i64::from(port) * step, 1, port));
        assert_eq!(found(slow(19)).len(), 1, "15 within 5 minutes");
        assert!(found(slow(30)).is_empty(), "10 in each epoch");
        let twice = |pause: i64| slow(1).chain((1..=20).flat_map(move |port| refused(pause, 2, port)));
        assert_eq!(found(twice(3_000)).len(), 1);
        assert_eq!(found(twice(3_700)).len(), 2);
    }
}
