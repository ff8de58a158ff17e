//! The preset `trw`: threshold random walk, the sequential hypothesis test of Jung et al.
//!
//! In: observations, in order. Out: now and then a [`Found`]. Must not know ports: to the test a first contact
//! is one with a host.
//!
//! Attempts are taken in the order in which they began, which is our reading of the paper: so each is
//! judged 5 s after its begin. Each first contact of a source with a host multiplies the odds that it scans: by
//! 4 when it failed, by 1/4 when it was answered. Above 99 it is a scanner, below 1/99 it is not: four failures
//! more than successes, or the reverse. Either verdict holds for an hour, then it begins anew.
//!
//! Its faults are the original's: many ports of one host are one first contact, so no vertical scan is ever
//! found; only TCP, and only what begins with a SYN; a client of four hosts that are gone is a scanner; one
//! host that answers takes back one that did not.
//! Left out: the paper tests remote hosts only, and Zeek's old script spares those that a local host had talked
//! to. Here nobody knows what is local, so everybody is tested. Zeek's script also took connections whose begin
//! nobody saw for failures; the paper did not.
//!
//! Source: J. Jung, V. Paxson, A. Berger, H. Balakrishnan, "Fast Portscan Detection Using Sequential Hypothesis
//! Testing", 2004; the times after which things are forgotten are those of Bro's script `trw` (2006).
//! Read next: `attempts.rs`.

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Answers, Counted, Event, Kind, Ports};

use super::{
    alarm::{Alarm, Found, distinct},
    attempts::{Attempts, Ended, Outcome, Telling},
    recent::{Fades, Recent},
};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Observation},
    source::Time,
};

/// The paper's estimate of how often an honest source's first contact succeeds.
const THETA_0: f64 = 0.8;
/// The same of a scanner's.
const THETA_1: f64 = 0.2;
/// The share of scanners that shall be found.
const BETA: f64 = 0.99;
/// The share of honest sources that may be accused.
const ALPHA: f64 = 0.01;
/// Odds above which it is a scanner.
const GUILTY: f64 = BETA / ALPHA;
/// Odds below which it is none.
const INNOCENT: f64 = (1.0 - BETA) / (1.0 - ALPHA);

/// How long a verdict holds.
const VERDICT: i64 = 3_600 * Time::SECOND;
/// How long odds and first contacts are remembered without news.
const MEMORY: i64 = 1_800 * Time::SECOND;
/// Sources that are remembered; the original has no bound.
const SOURCES: usize = 32_768;
/// First contacts that are remembered; the original has no bound.
const CONTACTS: usize = 131_072;
/// First contacts that an event shows.
const SAMPLE: usize = 8;

/// Whether a host was already told to have failed, and to have answered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Contact {
    failed: bool,
    answered: bool,
}

impl Fades for Contact {
    fn fades_after(&self) -> i64 {
        MEMORY
    }
}

/// What is known of a source.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Walk {
    odds: f64,
    /// A verdict was reached, one way or the other.
    judged: bool,
    start: Time,
    answers: Answers,
    sample: [(Address, u16); SAMPLE],
}

impl Default for Walk {
    fn default() -> Self {
        let sample = [(Address::default(), 0); SAMPLE];
        Self { odds: 1.0, judged: false, start: Time::default(), answers: Answers::default(), sample }
    }
}

impl Fades for Walk {
    fn fades_after(&self) -> i64 {
        if self.judged { VERDICT } else { MEMORY }
    }
}

/// All that the test remembers.
#[derive(Debug)]
pub struct TrwState {
    attempts: Attempts,
    contacts: Recent<(Address, Address), Contact>,
    walks: Recent<Address, Walk>,
}

impl Default for TrwState {
    fn default() -> Self {
        Self {
            attempts: Attempts::new(Telling::InOrder),
            contacts: Recent::with_room(CONTACTS),
            walks: Recent::with_room(SOURCES),
        }
    }
}

impl TrwState {
    /// Takes the next packet.
    pub fn packet(&mut self, packet: &Observation, tell: &mut impl FnMut(Found)) {
        let Self { attempts, contacts, walks } = self;
        attempts.packet(packet, |ended| tell_of(contacts, walks, &ended, tell));
    }

    /// The input has ended.
    pub fn finish(&mut self, tell: &mut impl FnMut(Found)) {
        let Self { attempts, contacts, walks } = self;
        attempts.finish(|ended| tell_of(contacts, walks, &ended, tell));
    }

    /// What had to be forgotten for want of memory.
    pub fn given_up(&self) -> u64 {
        self.attempts.given_up() + self.contacts.given_up() + self.walks.given_up()
    }
}

fn tell_of(
    contacts: &mut Recent<(Address, Address), Contact>,
    walks: &mut Recent<Address, Walk>,
    ended: &Ended,
    tell: &mut impl FnMut(Found),
) {
    if let Some(event) = judge(contacts, walks, ended) {
        tell(Found { event, seq: ended.by.map(|packet| packet.seq) });
    }
}

/// Adds the end of an attempt to its source's walk.
fn judge(
    contacts: &mut Recent<(Address, Address), Contact>,
    walks: &mut Recent<Address, Walk>,
    ended: &Ended,
) -> Option<Event> {
    let (source, target, now) = (ended.connection.client, ended.connection.server, ended.clock);
    // A verdict is not refreshed by being asked for, or it would hold for ever.
    if walks.peek(&source, now).is_some_and(|walk| walk.judged) {
        return None;
    }
    let Contact { mut failed, mut answered } = contacts.peek(&(source, target), now).copied().unwrap_or_default();
    let (told, factor) = match ended.outcome {
        Outcome::Accepted => (&mut answered, THETA_1 / THETA_0),
        Outcome::Refused | Outcome::Silent | Outcome::Withdrawn => (&mut failed, (1.0 - THETA_1) / (1.0 - THETA_0)),
        // Nobody who is told in order hears of it.
        Outcome::Dropped => return None,
    };
    if std::mem::replace(told, true) {
        return None;
    }
    *contacts.get_or_begin((source, target), now)? = Contact { failed, answered };
    let walk = walks.get_or_begin(source, now)?;
    let doors = walk.doors();
    if doors == 0 {
        walk.start = ended.began;
    }
    if let Some(place) = walk.sample.get_mut(doors as usize % SAMPLE) {
        *place = (target, ended.connection.server_port);
    }
    walk.odds *= factor;
    match ended.outcome {
        Outcome::Accepted => walk.answers.open += 1,
        Outcome::Refused => walk.answers.closed += 1,
        _ => walk.answers.silent += 1,
    }
    walk.judged = walk.odds > GUILTY || walk.odds < INNOCENT;
    (walk.odds > GUILTY).then(|| walk.event(ended))
}

impl Walk {
    fn doors(&self) -> u64 {
        self.answers.open + self.answers.closed + self.answers.silent
    }

    fn event(&self, ended: &Ended) -> Event {
        let doors = self.doors();
        let sample = self.sample.get(..doors.min(SAMPLE as u64) as usize).unwrap_or_default();
        let ports = distinct(sample.iter().map(|door| door.1));
        let known = doors <= SAMPLE as u64;
        let Answers { closed, silent, open, .. } = self.answers;
        let alarm = Alarm {
            preset: "trw",
            technique: "tcp-syn",
            proto: "TCP".into(),
            kind: if ports.len() > 1 { Kind::Block } else { Kind::Horizontal },
            source: ended.connection.client,
            sources: 1,
            start: self.start,
            time: ended.stamp,
            packets: doors,
            doors,
            answers: self.answers,
            // A host that failed once and answered once is two first contacts, as in the original.
            targets: Counted { count: doors, exact: false, sample: distinct(sample.iter().map(|door| door.0.ip())) },
            ports: Some(Ports { count: ports.len() as u64, exact: known, sample: ports, ranges: None }),
            reason: format!(
                "{} first contacts with hosts failed and {open} did not: odds of {:.0} to 1 are above {GUILTY:.0}",
                closed + silent,
                self.odds
            ),
        };
        alarm.event(ended.by.as_ref())
    }
}

impl Kept for TrwState {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { attempts, contacts, walks } = self;
        attempts.keep(to)?;
        contacts.keep(to)?;
        walks.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.attempts.resume(from)?;
        self.contacts.resume(from)?;
        self.walks.resume(from)
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

    fn found(packets: impl IntoIterator<Item = Observation>) -> Vec<Event> {
        let (mut state, mut events) = (TrwState::default(), Vec::new());
        for packet in packets {
            state.packet(&packet, &mut |found| events.push(found.event));
        }
        state.finish(&mut |found| events.push(found.event));
        events
    }

    /// A first contact with 10.0.0.`host` and its answer; none when `flags` is 0.
    fn contact(second: i64, host: u8, flags: u8) -> Vec<Observation> {
        let at = |packet: Observation| match packet.flags {
            SYN => Observation { dst: Address::v4([10, 0, 0, host]), ..packet },
            _ => Observation { src: Address::v4([10, 0, 0, host]), ..packet },
        };
        let mut packets = vec![at(tcp(second * 1_000, 80, SYN))];
        packets.extend((flags != 0).then(|| at(answer(second * 1_000 + 1, 80, flags))));
        packets
    }

    #[test]
    fn four_failures_more_than_successes_are_a_scan() {
        for (failures, expected) in [(3, 0), (4, 1), (30, 1)] {
            let packets = (0..failures).flat_map(|n| contact(n, 10 + n as u8, RST | ACK));
            assert_eq!(found(packets).len(), expected, "{failures}");
        }
        let one_open = (0..5).flat_map(|n| contact(n, 10 + n as u8, if n == 0 { SYN | ACK } else { RST | ACK }));
        assert!(found(one_open.clone()).is_empty());
        let events = found(one_open.chain(contact(5, 90, 0)));
        let scan = events[0].scan.as_ref().unwrap();
        assert_eq!((scan.answers.open, scan.answers.closed, scan.answers.silent), (1, 4, 1));
        assert_eq!(scan.doors, 6);
        assert_eq!(events[0].timestamp, tcp(10_000, 0, 0).stamp.0, "5 s after the last SYN");
    }

    #[test]
    fn four_successes_acquit_for_an_hour() {
        let honest = |at: i64| (0..4).flat_map(move |n| contact(at + n, 10 + n as u8, SYN | ACK));
        let scan = |at: i64| (0..8).flat_map(move |n| contact(at + n, 100 + n as u8, RST | ACK));
        assert!(found(honest(0).chain(scan(10))).is_empty());
        assert_eq!(found(honest(0).chain(scan(3_610))).len(), 1);
    }

    #[test]
    fn one_host_is_one_first_contact_whatever_the_ports() {
        let packets = (1..=100).flat_map(|port| [tcp(i64::from(port), port, SYN), answer(i64::from(port), port, RST)]);
        assert!(found(packets).is_empty());
    }

    #[test]
    fn a_scanner_is_told_again_after_an_hour() {
        let scan = |at: i64| (0..200).flat_map(move |n| contact(at + n, n as u8, RST | ACK));
        assert_eq!(found(scan(0).chain(scan(1_000)).chain(scan(4_000))).len(), 2);
    }
}
