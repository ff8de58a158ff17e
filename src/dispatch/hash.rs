//! The keyed hash that spreads addresses over cells, and the key it is keyed with.
//!
//! In: addresses, tuples; the first frames of the input. Out: hashes and a [`Key`].
//! When reading, the key comes from the input itself, so that a run can be repeated and yet
//! nobody who crafts packets knows where they will fall. Hashes never leave the process.
//! Source: docs/ARCHITECTURE.md; measured: foldhash with its `quality` finish costs 1.2 ns a key; `SipHash` 10 to 17.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

use crate::{
    decode::Address,
    source::{Frame, Time},
};

/// Cells there are, always, whatever the machine: results must not depend on it.
pub const CELLS: usize = 256;

/// How many frames the key is made from.
const KEY_FRAMES: u64 = 4_096;
/// Enough bytes of frames end the making earlier, so that little has to wait for it.
const KEY_BYTES: u64 = 4 << 20;

/// A key of the hash.
#[derive(Clone, Debug)]
pub struct Key {
    state: FixedState,
    /// For [`Key::join`].
    salt: [u64; 3],
}

impl Key {
    /// A key from a number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = FixedState::with_seed(seed);
        let salt = ["one", "other", "rest"].map(|of| state.hash_one(of) | 1);
        Self { state, salt }
    }

    /// The hash of anything.
    #[inline]
    pub fn hash(&self, what: impl Hash) -> u64 {
        self.state.hash_one(what)
    }

    /// What an address is called in tables: its hash. Of names others are made at a fraction of what hashing costs ([`Key::join`]).
    #[inline]
    #[must_use]
    pub fn name(&self, address: Address) -> u64 {
        self.hash(address.0)
    }

    /// The hash of two names, in this order, and of something small. (Of one name and a number: what is told apart by the number.)
    /// Two steps of the same folded multiplication that the hash is made of; nobody who does not know the names can aim at anything.
    #[inline]
    #[must_use]
    pub fn join(&self, one: u64, other: u64, rest: u64) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let [a, b, c] = self.salt;
        fold(fold(one ^ a, other.rotate_left(32) ^ b) ^ rest, c)
    }

    /// Which cell an address belongs to. IPv6 addresses go by their /64: a host has as many as it likes.
    #[inline]
    #[must_use]
    pub fn cell(&self, address: Address) -> u8 {
        self.cell_of(address, self.name(address))
    }

    /// The same for one whose name is known.
    #[inline]
    #[must_use]
    pub fn cell_of(&self, address: Address, name: u64) -> u8 {
        let owner = if address.as_v4().is_some() { name } else { self.hash(address.0 >> 64) };
        (owner >> 56) as u8
    }
}

/// Makes a key from the first frames' stamps and lengths.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyMaker {
    state: u64,
    frames: u64,
    bytes: u64,
}

impl KeyMaker {
    /// Takes one frame in, unless there have been enough.
    pub fn absorb(&mut self, frame: &Frame<'_>) {
        if !self.is_done() {
            let Time(stamp) = frame.stamp;
            self.state = FixedState::with_seed(self.state).hash_one((stamp, frame.wire_len));
            self.frames += 1;
            self.bytes += frame.bytes.len() as u64;
        }
    }

    /// Whether there have been enough frames.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.frames >= KEY_FRAMES || self.bytes >= KEY_BYTES
    }

    /// The number of the key, of what there was.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_leave_its_cell_by_changing_the_low_half_of_its_address() {
        let key = Key::new(7);
        let cell = |text: &str| key.cell(text.parse().unwrap());
        assert_eq!(cell("2001:db8::1"), cell("2001:db8::ffff:1"));
        let spread: std::collections::HashSet<u8> = (0..64).map(|i| cell(&format!("10.0.0.{i}"))).collect();
        assert!(spread.len() > 32, "IPv4 neighbours share cells: {}", spread.len());
    }

    #[test]
    fn joined_names_spread_like_hashes_and_know_their_order() {
        let key = Key::new(7);
        let names: Vec<u64> = (0..40).map(|n| key.name(Address::v4([10, 0, 0, n]))).collect();
        let mut joined = std::collections::HashSet::new();
        let mut ones = [0_u32; 64];
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (*one, *other))) {
            for rest in [0, 1, 2, 80, 81, 443, 1 << 16, 1 << 24] {
                let hash = key.join(one, other, rest);
                joined.insert(hash);
                (0..64).for_each(|bit| ones[bit] += (hash >> bit & 1) as u32);
            }
        }
        assert_eq!(joined.len(), 40 * 40 * 8, "no two are the same");
        assert!(ones.iter().all(|ones| (6_000..6_800).contains(ones)), "of 12,800 each bit is half: {ones:?}");
    }

    #[test]
    fn another_key_is_another_order() {
        let cells = |seed| (0..32).map(|i| Key::new(seed).cell(Address::v4([10, 0, 0, i]))).collect::<Vec<_>>();
        assert_ne!(cells(1), cells(2));
        assert_eq!(cells(1), cells(1));
    }
}
