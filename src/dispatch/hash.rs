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
pub struct Key(FixedState);

impl Key {
    /// A key from a number.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of anything.
    #[inline]
    pub fn hash(&self, what: impl Hash) -> u64 {
        self.0.hash_one(what)
    }

    /// Which cell an address belongs to. IPv6 addresses go by their /64: a host has as many as it likes.
    #[inline]
    #[must_use]
    pub fn cell(&self, address: Address) -> u8 {
        let owner = if address.as_v4().is_some() { address.0 } else { address.0 >> 64 };
        (self.hash(owner) >> 56) as u8
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
    fn another_key_is_another_order() {
        let cells = |seed| (0..32).map(|i| Key::new(seed).cell(Address::v4([10, 0, 0, i]))).collect::<Vec<_>>();
        assert_ne!(cells(1), cells(2));
        assert_eq!(cells(1), cells(1));
    }
}
