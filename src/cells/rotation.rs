//! IPv6 networks of which one address after the other fails: what of that is told.
//!
//! In: how first contacts of IPv6 sources ended, which are no scan yet. Out: whether correlate has to hear of one. Who has a /64
//! has addresses without end, and can knock at each door from a new one. A network is walked as a group is: up with a
//! failure, down with a success, never below zero. One that has had successes has to fail twice before it is told, so
//! that of the honest little is told; what was told is taken back when they succeed.
//! Small and of fixed size; what is forgotten only tells more. Must not know of doors or of the terrain.
//! Read next: `telling.rs` (who asks), `correlate/prefixes.rs` (what is made of it).

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::{Key, WINDOW},
    source::Time,
};

/// Networks that are remembered: 1 KiB a cell.
const NETWORKS: usize = 64;
/// Failures that a cell tells of in a window of sixteen seconds: 256 a second, of all cells together as many as correlate
/// takes in a twentieth of its time.
const ROOM: u32 = 4_096;
/// Of more, one in so many.
const BEYOND: u32 = 64;
/// Net failures from which on a network is told of that has had successes.
const TWICE: u8 = 2;

/// A /64.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Network {
    hash: u64,
    /// Failures, net of successes.
    sum: u8,
    /// Those that were told and not taken back.
    told: u8,
    has_succeeded: bool,
}

/// What there is to say of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Nobody of its /64 has had a success, as far as is known.
    pub is_fresh: bool,
    /// Failures before it that were not told, for there were too many.
    pub untold: u32,
}

/// The networks of a cell.
#[derive(Debug)]
pub struct Rotation {
    networks: Vec<Network>,
    window: i64,
    told: u32,
    untold: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { networks: vec![Network::default(); NETWORKS], window: i64::MIN, told: 0, untold: 0 }
    }
}

impl Rotation {
    fn network(&mut self, key: &Key, source: Address) -> Option<&mut Network> {
        // Another hash than that which chose the cell.
        let hash = key.hash((source.0 >> 64, 'r')) | 1;
        let network = self.networks.get_mut((hash >> 32) as usize % NETWORKS)?;
        if network.hash != hash {
            *network = Network { hash, ..Network::default() };
        }
        Some(network)
    }

    /// A first contact of a source has failed; what of that is to be told, if anything.
    pub fn failed(&mut self, key: &Key, source: Address, now: Time) -> Option<Failure> {
        let network = self.network(key, source)?;
        network.sum = network.sum.saturating_add(1);
        let is_fresh = !network.has_succeeded;
        if !is_fresh && network.sum < TWICE {
            return None;
        }
        network.told = network.told.saturating_add(1);
        let window = now.0.div_euclid(WINDOW);
        if window != self.window {
            (self.window, self.told) = (window, 0);
        }
        self.told += 1;
        if self.told > ROOM && !self.told.is_multiple_of(BEYOND) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        Some(Failure { is_fresh, untold: std::mem::take(&mut self.untold) })
    }

    /// A first contact of a source has succeeded; whether that is to be told, since a failure of its network was.
    pub fn succeeded(&mut self, key: &Key, source: Address) -> bool {
        let Some(network) = self.network(key, source) else { return false };
        network.has_succeeded = true;
        network.sum = network.sum.saturating_sub(1);
        let told = network.told > 0;
        network.told = network.told.saturating_sub(1);
        told
    }
}

impl Kept for Rotation {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { networks, window, told, untold } = self;
        to.put(networks.as_slice())?;
        to.put(&(window, told, untold))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.networks)?;
        (self.window, self.told, self.untold) = from.take()?;
        // There is one more of each that is told of.
        self.told = self.told.min(u32::MAX / 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(last: u16) -> Address {
        format!("2001:db8:1:2::{last:x}").parse().unwrap()
    }

    #[test]
    fn a_network_that_only_fails_is_told_of_from_the_first_on() {
        let (key, mut rotation) = (Key::new(1), Rotation::default());
        let failure = Some(Failure { is_fresh: true, untold: 0 });
        assert!((0..20).all(|n| rotation.failed(&key, at(n), Time(0)) == failure));
    }

    #[test]
    fn of_the_honest_little_is_told_and_that_is_taken_back() {
        let (key, mut rotation) = (Key::new(1), Rotation::default());
        let mut told = 0;
        for n in 0..100 {
            told += i32::from(n % 5 == 0 && rotation.failed(&key, at(n), Time(0)).is_some());
            told -= i32::from(n % 5 != 0 && rotation.succeeded(&key, at(n)));
        }
        assert_eq!(told, 0);
    }

    #[test]
    fn a_flood_is_told_in_part_and_the_rest_is_counted() {
        let (key, mut rotation) = (Key::new(1), Rotation::default());
        let source = |n: u32| Address(0x2001_0db8_u128 << 96 | u128::from(n) << 64 | 1);
        let told: Vec<Failure> = (0..100_000).filter_map(|n| rotation.failed(&key, source(n), Time(0))).collect();
        let untold: u32 = told.iter().map(|failure| failure.untold).sum::<u32>() + rotation.untold;
        assert!(told.len() < ROOM as usize + 100_000 / BEYOND as usize, "{}", told.len());
        assert_eq!(told.len() as u32 + untold, 100_000);
        assert!(rotation.failed(&key, at(1), Time(WINDOW)).is_some(), "another window has room again");
    }
}
