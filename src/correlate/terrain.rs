//! The terrain: which doors ever answered somebody, which hosts are there, which networks are in view.
//!
//! In: reports of verified answers (they echoed their probes, so nobody forged them blind). Out: what a
//! silence or a refusal is worth. Bounded: direct-mapped memories of keyed hashes; what is forgotten only
//! makes a judgement milder or harsher by half a step.
//! Source: `docs/DETECTION.md`; the idea of learning instead of configuring is scan-NG's landmines turned round.

use std::io;

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::Key,
};

/// A bounded set of hashes: newer ones displace older ones that share their place.
#[derive(Debug)]
struct Memory(Vec<u64>);

impl Memory {
    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.0.len() as u64) >> 32) as usize
    }

    fn insert(&mut self, hash: u64) {
        let at = self.place(hash);
        if let Some(slot) = self.0.get_mut(at) {
            *slot = hash;
        }
    }

    fn has(&self, hash: u64) -> bool {
        self.0.get(self.place(hash)) == Some(&hash)
    }
}

/// What is known of the targets' side.
#[derive(Debug)]
pub struct Terrain {
    key: Key,
    doors: Memory,
    hosts: Memory,
    networks: Memory,
}

/// Entries of each memory: 2 MiB in all, taken from the correlate stage's own fixed budget.
const ENTRIES: usize = 1 << 17;

impl Terrain {
    /// Nothing known yet.
    #[must_use]
    pub fn new(key: Key) -> Self {
        let memory = |n| Memory(vec![0; n]);
        Self { key, doors: memory(ENTRIES), hosts: memory(ENTRIES / 2), networks: memory(ENTRIES / 8) }
    }

    /// A door answered.
    pub fn answered(&mut self, target: Address, protocol: u8, port: u16) {
        let door = self.key.hash((target, protocol, port)) | 1;
        self.doors.insert(door);
        self.alive(target);
    }

    /// A host gave a sign of life.
    pub fn alive(&mut self, target: Address) {
        let (host, network) = (self.key.hash(target) | 1, self.network(target));
        self.hosts.insert(host);
        self.networks.insert(network);
    }

    /// Whether a door ever answered somebody.
    #[must_use]
    pub fn has_answered(&self, target: Address, protocol: u8, port: u16) -> bool {
        self.doors.has(self.key.hash((target, protocol, port)) | 1)
    }

    /// Whether a host ever gave a sign of life.
    #[must_use]
    pub fn is_alive(&self, target: Address) -> bool {
        self.hosts.has(self.key.hash(target) | 1)
    }

    /// Whether anything was ever heard from a host's network: else the view is one-sided there.
    #[must_use]
    pub fn is_in_view(&self, target: Address) -> bool {
        self.networks.has(self.network(target))
    }

    /// The /24 or /48 of an address.
    fn network(&self, address: Address) -> u64 {
        let prefix = if address.as_v4().is_some() { address.0 >> 8 } else { address.0 >> 80 };
        self.key.hash((prefix, address.as_v4().is_some())) | 1
    }
}

impl Kept for Terrain {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { key: _, doors, hosts, networks } = self;
        [doors, hosts, networks].into_iter().try_for_each(|memory| to.put(memory.0.as_slice()))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let Self { doors, hosts, networks, .. } = self;
        [doors, hosts, networks].into_iter().try_for_each(|memory| from.fill(&mut memory.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::host;

    #[test]
    fn a_door_that_answered_shows_its_host_and_puts_its_network_in_view() {
        let mut terrain = Terrain::new(Key::new(1));
        assert!(!terrain.is_in_view(host(1)));
        terrain.answered(host(1), 6, 80);
        assert!(terrain.has_answered(host(1), 6, 80));
        assert!(!terrain.has_answered(host(1), 6, 81) && !terrain.has_answered(host(1), 17, 80));
        assert!(terrain.is_alive(host(1)) && !terrain.is_alive(host(2)), "a host, not its neighbours");
        assert!(terrain.is_in_view(host(2)) && !terrain.is_in_view(Address::v4([10, 0, 1, 1])), "a /24");
    }

    #[test]
    fn a_refusal_shows_the_host_and_opens_no_door() {
        let mut terrain = Terrain::new(Key::new(1));
        terrain.alive(host(1));
        assert!(terrain.is_alive(host(1)) && terrain.is_in_view(host(9)) && !terrain.has_answered(host(1), 6, 80));
    }

    #[test]
    fn of_ipv6_a_network_is_a_48() {
        let at = |text: &str| text.parse::<Address>().unwrap();
        let mut terrain = Terrain::new(Key::new(1));
        terrain.alive(at("2001:db8:1:1::1"));
        assert!(terrain.is_in_view(at("2001:db8:1:ffff::9")) && !terrain.is_in_view(at("2001:db8:2::1")));
    }

    #[test]
    fn memory_is_fixed_and_what_is_displaced_is_forgotten_not_mistaken() {
        let mut terrain = Terrain::new(Key::new(1));
        let before = terrain.doors.0.len();
        for n in 0..1_000_000_u32 {
            terrain.answered(Address::v4(n.to_be_bytes()), 6, 80);
        }
        assert_eq!(terrain.doors.0.len(), before);
        let known = (0..1_000_000_u32).filter(|n| terrain.has_answered(Address::v4(n.to_be_bytes()), 6, 80)).count();
        assert!((before / 2..=before).contains(&known), "{known} of {before}");
        assert!((0..1_000_u32).all(|n| !terrain.has_answered(Address::v4((0xf000_0000 + n).to_be_bytes()), 6, 80)));
    }
}
