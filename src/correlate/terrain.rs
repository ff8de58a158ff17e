//! The terrain: which doors ever answered somebody, which hosts are there, which networks are in view.
//!
//! In: reports of verified answers (they echoed their probes, so nobody forged them blind). Out: what a
//! silence or a refusal is worth. Bounded: direct-mapped memories of keyed hashes; what is forgotten only
//! makes a judgement milder or harsher by half a step.
//! Source: `docs/DETECTION.md`; the idea of learning instead of configuring is scan-NG's landmines turned round.

use crate::{decode::Address, dispatch::Key};

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
