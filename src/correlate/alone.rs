//! Scans that leave each source one door: so many sources, so many doors of one host, in a minute.
//!
//! In: first contacts that failed of sources that have no other. Out: the knocks of a host that together can be nothing but
//! a scan, for its crowd (`distributed.rs`). One such knock is the background of the Internet, which brings an address one in
//! some minutes, and to the doors that everybody looks for. So it takes a minute with many, hardly two at one door, and services
//! among them: floods of forged sources go to one door, or to ports by chance, of which one in 64 is a service's.
//! Bounded: so many hosts, of each the latest knocks of a minute; of two that share a place the one with fewer goes.
//! Source: Durumeric et al. 2014 (1.4 billion packets a day to 5.5 million dark addresses); the number is in `presets/tripline.rs`.
//! Read next: `distributed.rs`, `cells/telling.rs` (how many are told).

use std::{collections::VecDeque, io};

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        knock::Knock,
        technique::{FIRST_UNPRIVILEGED, Technique},
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::{distributed::OWN_DOORS, likeness::is_from_service, surge::WINDOW},
    decode::Address,
    dispatch::Key,
    source::Time,
};

/// Hosts that are looked at.
const HOSTS: usize = 512;
/// Of each the latest knocks that are kept.
const KNOCKS: usize = 64;
/// One in so many doors at least is a service's, below 1024: of ports by chance one in 64 is.
const SERVICES: usize = 4;

/// A host at which lone sources knock.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Host {
    of: Option<(Address, Technique)>,
    /// With the clock, in order.
    latest: VecDeque<(Time, Address, Knock)>,
    /// Until when each lone knock there is of the scan that was found.
    scanned: Option<Time>,
}

/// All hosts that are looked at.
#[derive(Debug)]
pub struct Alone {
    key: Key,
    hosts: Vec<Host>,
}

/// Whose address it is: who has one of IPv6 has its whole network.
pub fn owner(source: Address) -> u128 {
    if source.as_v4().is_some() { source.0 } else { source.0 >> 80 }
}

impl Alone {
    /// None yet.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self { key: key.clone(), hosts: vec![Host::default(); HOSTS] }
    }

    /// A lone knock. The knocks that are a scan with it: all of the minute when it is found, then each by itself until
    /// there was none for `quiet`.
    pub fn note(&mut self, source: Address, knock: &Knock, now: Time, lone: u32, quiet: i64) -> Vec<(Address, Knock)> {
        if is_from_service(knock) {
            return Vec::new();
        }
        let of = Some((knock.target, knock.technique));
        let at = (self.key.hash((knock.target, knock.technique)) >> 32) as usize % HOSTS;
        let Some(host) = self.hosts.get_mut(at) else { return Vec::new() };
        host.expire(now);
        if host.of != of {
            // A host that is not knocked at any more gives way; else it loses the oldest of its knocks to the newcomer.
            if host.scanned.is_some() || host.latest.pop_front().is_some() && !host.latest.is_empty() {
                return Vec::new();
            }
            *host = Host { of, ..Host::default() };
        }
        if host.scanned.is_some() {
            host.scanned = Some(now.after(quiet));
            return vec![(source, *knock)];
        }
        if host.latest.iter().any(|(_, known, _)| owner(*known) == owner(source)) {
            return Vec::new();
        }
        if host.latest.len() >= KNOCKS {
            host.latest.pop_front();
        }
        host.latest.push_back((now, source, *knock));
        if !host.is_scanned(lone as usize) {
            return Vec::new();
        }
        host.scanned = Some(now.after(quiet));
        host.latest.drain(..).map(|(_, source, knock)| (source, knock)).collect()
    }
}

impl Host {
    fn expire(&mut self, now: Time) {
        while self.latest.front().is_some_and(|(then, ..)| now.since(*then) > WINDOW) {
            self.latest.pop_front();
        }
        self.scanned = self.scanned.filter(|until| now < *until);
    }

    fn is_scanned(&self, lone: usize) -> bool {
        if self.latest.len() < lone {
            return false;
        }
        let mut doors: Vec<u16> = self.latest.iter().map(|(.., knock)| knock.port).collect();
        doors.sort_unstable();
        doors.dedup();
        let services = doors.iter().filter(|port| **port < FIRST_UNPRIVILEGED).count();
        doors.len() >= lone
            && doors.len() as u64 * 100 >= self.latest.len() as u64 * OWN_DOORS
            && services * SERVICES >= doors.len()
    }
}

impl Kept for Alone {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { key: _, hosts } = self;
        to.put(hosts.as_slice())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.hosts)?;
        let fits = self.hosts.iter().all(|host| host.latest.len() <= KNOCKS);
        if fits { Ok(()) } else { Err(Unfit::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{
        outcome::Outcome,
        samples::{host, knock},
    };

    const QUIET: i64 = 3_600 * Time::SECOND;

    /// How many knocks are of a scan, of so many from a source each, so many seconds apart.
    fn found(many: u32, apart: f64, door: impl Fn(u32) -> u16) -> usize {
        let mut alone = Alone::new(&Key::new(1));
        let note = |n: u32| {
            let now = Time((f64::from(n) * apart * 1e9) as i64);
            alone.note(Address(u128::from(n) << 80), &knock(1, door(n), Outcome::Closed), now, 32, QUIET).len()
        };
        (0..many).map(note).sum()
    }

    #[test]
    fn a_minute_of_thirty_two_sources_with_a_door_each_is_a_scan_and_goes_on() {
        assert_eq!(found(31, 1.0, |n| n as u16 + 1), 0);
        assert_eq!(found(32, 1.0, |n| n as u16 + 1), 32);
        assert_eq!(found(100, 1.0, |n| n as u16 + 1), 100);
        assert_eq!(found(600, 2.0, |n| n as u16 + 1), 0, "slower nobody can tell it from the background");
    }

    #[test]
    fn doors_that_many_look_for_and_ports_by_chance_are_none() {
        assert_eq!(found(1_000, 0.01, |n| [23, 22, 80, 443, 445, 3_389][n as usize % 6]), 0);
        assert_eq!(found(20_000, 0.001, |n| (n.wrapping_mul(0x9e37_79b1) >> 16) as u16), 0, "a forged flood");
        assert_eq!(found(1_000, 0.01, |n| 30_000 + n as u16), 0, "peers");
    }

    #[test]
    fn one_owner_is_one_source_and_answers_are_no_knocks() {
        let mut alone = Alone::new(&Key::new(1));
        let mut from = |source: u128, n: u16, src_port: u16| {
            let knock = Knock { src_port, ..knock(1, n, Outcome::Closed) };
            alone.note(Address(source), &knock, Time(0), 32, QUIET).len()
        };
        assert!((1..100).all(|n| from(0x2001_0db8 << 96 | u128::from(n), n, 40_000) == 0), "one network");
        assert!((1..100).all(|n| from(u128::from(n) << 80, 2_000 + n, 53) == 0), "answers");
    }

    #[test]
    fn a_host_that_is_knocked_at_gives_way_to_no_other_for_long() {
        let mut alone = Alone::new(&Key::new(1));
        for n in 0..40_000_u32 {
            let target = Address::v4((0x0b00_0000 + n).to_be_bytes());
            let knock = Knock { target, ..knock(1, 22, Outcome::Closed) };
            alone.note(host(2), &knock, Time(0), 32, QUIET);
        }
        assert_eq!(alone.hosts.len(), HOSTS);
        assert!(alone.hosts.iter().all(|host| host.latest.len() <= 1));
    }
}
