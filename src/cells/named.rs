//! What addresses and doors are called in a cell's tables.
//!
//! In: the ends of the packet at hand, which are hashed already. Out: the names of addresses and doors: of these ends without hashing
//! them again, which nearly all are about. A short-cut and no more: whoever else is asked for is hashed.
//! Must not know what tables there are. Read next: `dispatch/hash.rs`.

use crate::{
    cells::contacts::Door,
    decode::{Address, Observation},
    dispatch::{Key, Names},
};

/// Knows the names of two addresses, and finds those of all others.
#[derive(Debug)]
pub(super) struct Named {
    key: Key,
    src: Address,
    dst: Address,
    names: Names,
}

impl Named {
    pub(super) fn new(key: &Key) -> Self {
        let (nobody, name) = (Address::default(), key.name(Address::default()));
        Self { key: key.clone(), src: nobody, dst: nobody, names: Names { src: name, dst: name } }
    }

    /// From now on it is about this packet, whose ends have these names.
    #[inline]
    pub(super) fn turn_to(&mut self, o: &Observation, names: Names) {
        (self.src, self.dst, self.names) = (o.src, o.dst, names);
    }

    /// The name of an address.
    #[inline]
    pub(super) fn of(&self, address: Address) -> u64 {
        if address == self.src {
            self.names.src
        } else if address == self.dst {
            self.names.dst
        } else {
            self.key.name(address)
        }
    }

    /// The name of a door of the packet's receiver at which its sender knocks.
    #[inline]
    pub(super) fn there(&self, door: &Door) -> u64 {
        door.name(&self.key, self.names.src, self.names.dst)
    }

    /// The name of a door of the packet's sender at which its receiver has knocked.
    #[inline]
    pub(super) fn back(&self, door: &Door) -> u64 {
        door.name(&self.key, self.names.dst, self.names.src)
    }

    /// The name of any door.
    #[inline]
    pub(super) fn of_door(&self, door: &Door) -> u64 {
        door.name(&self.key, self.of(door.source), self.of(door.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{host, syn};

    #[test]
    fn whoever_is_at_hand_all_are_called_what_they_are_always_called() {
        let key = Key::new(1);
        let mut named = Named::new(&key);
        let nobody = named.of(Address::default());
        for (from, to) in [(2, 1), (1, 2), (3, 3)] {
            let o = syn((from, 40_000), (to, 80));
            named.turn_to(&o, Names { src: key.name(o.src), dst: key.name(o.dst) });
            for n in 0..5 {
                assert_eq!(named.of(host(n)), key.name(host(n)));
            }
            assert_eq!(named.of(Address::default()), nobody);
        }
    }
}
