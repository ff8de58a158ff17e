//! Counting distinct things in bounded memory: exactly while they are few, then by estimate.
//!
//! In: ports, addresses. Out: how many there were, and whether that is exact.
//! Ports are 65,536 at most: a bitmap in blocks is always exact. Addresses are kept as keyed hashes
//! up to a bound and estimated by linear counting and then `HyperLogLog` beyond it; the hash is keyed, so
//! that nobody can choose addresses that count for nothing (Paterson and Raynal 2021).
//! Source: Flajolet et al. 2007.

use serde::{Deserialize, Serialize};

/// Distinct ports, exact: 1,024 blocks of 64 made as they are needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSet {
    /// Sorted by block number.
    #[serde(with = "crate::checkpoint::roomy")]
    blocks: Vec<(u16, u64)>,
}

impl PortSet {
    /// Adds a port; true when it was not there.
    pub fn insert(&mut self, port: u16) -> bool {
        let (block, bit) = (port / 64, 1_u64 << (port % 64));
        match self.blocks.binary_search_by_key(&block, |b| b.0) {
            Ok(at) => self.blocks.get_mut(at).is_some_and(|(_, bits)| {
                let new = *bits & bit == 0;
                *bits |= bit;
                new
            }),
            Err(at) => {
                self.blocks.insert(at, (block, bit));
                true
            }
        }
    }

    /// Whether a port is there.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        let block = self.blocks.binary_search_by_key(&(port / 64), |b| b.0).ok().and_then(|at| self.blocks.get(at));
        block.is_some_and(|(_, bits)| bits >> (port % 64) & 1 == 1)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|(_, bits)| bits.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.blocks
            .iter()
            .flat_map(|&(block, bits)| (0..64).filter(move |n| bits >> n & 1 == 1).map(move |n| block * 64 + n))
    }

    /// As a person writes them, `22-25,80,443`; `None` when there are more than `most` ranges.
    #[must_use]
    pub fn ranges(&self, most: usize) -> Option<String> {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for port in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if u32::from(*last) + 1 == u32::from(port) => *last = port,
                _ => ranges.push((port, port)),
            }
            if ranges.len() > most {
                return None;
            }
        }
        let text =
            |&(first, last): &(u16, u16)| if first == last { first.to_string() } else { format!("{first}-{last}") };
        Some(ranges.iter().map(text).collect::<Vec<_>>().join(","))
    }

    /// Bytes that it holds beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<(u16, u64)>()
    }
}

/// As many hashes are kept before an estimate takes over.
const EXACT: usize = 256;
/// Registers of the estimate: 1.04/√1024 = 3.3 % standard error.
const REGISTERS: usize = 1_024;

/// Distinct things by their keyed hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HashSet {
    /// All hashes, sorted.
    Exact(#[serde(with = "crate::checkpoint::roomy")] Vec<u64>),
    /// `HyperLogLog` registers.
    Estimate(#[serde(with = "crate::checkpoint::roomy")] Vec<u8>),
}

impl Default for HashSet {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl HashSet {
    /// Adds a hash; true when it certainly was not there.
    pub fn insert(&mut self, hash: u64) -> bool {
        match self {
            Self::Exact(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return false };
                hashes.insert(at, hash);
                if hashes.len() > EXACT {
                    let mut registers = vec![0; REGISTERS];
                    for &h in hashes.iter() {
                        register(&mut registers, h);
                    }
                    *self = Self::Estimate(registers);
                }
                true
            }
            Self::Estimate(registers) => {
                register(registers, hash);
                false
            }
        }
    }

    /// Whether a hash is there; of an estimate nobody knows, and it may be.
    #[must_use]
    pub fn may_have(&self, hash: u64) -> bool {
        match self {
            Self::Exact(hashes) => hashes.binary_search(&hash).is_ok(),
            Self::Estimate(_) => true,
        }
    }

    /// How many there are, and whether that is exact.
    #[must_use]
    pub fn count(&self) -> (u64, bool) {
        match self {
            Self::Exact(hashes) => (hashes.len() as u64, true),
            Self::Estimate(registers) => (estimate(registers), false),
        }
    }

    /// Bytes that it holds beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Exact(hashes) => hashes.capacity() * 8,
            Self::Estimate(registers) => registers.capacity(),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let rank = ((hash << 10 | 1 << 9).leading_zeros() + 1) as u8;
    if let Some(r) = registers.get_mut((hash >> 54) as usize) {
        *r = rank.max(*r);
    }
}

fn estimate(registers: &[u8]) -> u64 {
    let m = registers.len() as f64;
    let sum: f64 = registers.iter().map(|&r| (-f64::from(r)).exp2()).sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().map(|r| f64::from(u8::from(*r == 0))).sum::<f64>();
    // Linear counting is better while registers are empty.
    let best = if raw <= 2.5 * m && empty > 0.0 { m * (m / empty).ln() } else { raw };
    best.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_exactly_and_written_as_ranges() {
        let mut ports = PortSet::default();
        for port in [443, 22, 23, 24, 25, 80, 22, 65_535] {
            ports.insert(port);
        }
        assert_eq!((ports.len(), ports.ranges(9)), (7, Some("22-25,80,443,65535".to_owned())));
        assert_eq!(ports.ranges(2), None, "half a list would mislead");
        (0..=u16::MAX).for_each(|p| {
            ports.insert(p);
        });
        assert_eq!((ports.len(), ports.ranges(9)), (65_536, Some("0-65535".to_owned())));
    }

    #[test]
    fn estimates_stay_within_a_tenth() {
        let key = crate::dispatch::Key::new(3);
        let mut set = HashSet::default();
        for (n, wanted) in (0..100_000_u64).zip(1_u64..) {
            set.insert(key.hash(n));
            set.insert(key.hash(n));
            let (count, exact) = set.count();
            if exact {
                assert_eq!(count, wanted);
            } else if wanted % 997 == 0 {
                assert!(count.abs_diff(wanted) * 10 < wanted, "{count} for {wanted}");
            }
        }
    }
}
