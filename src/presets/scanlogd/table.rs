//! Which sources scanlogd remembers: a ring of 256 entries, found through 512 short chains.
//!
//! In: entries of new sources. Out: the entry of a source. Its weaknesses are the original's
//! and wanted here: the oldest entry gives way whatever it holds, the hash has no key, and
//! a chain of 16 loses its oldest. Must not know what an entry means.
//! Source: the table of scanlogd 2.2.8.
//! Read next: `flood.rs`.

use std::io;

use super::Entry;
use crate::checkpoint::{Kept, Reader, Unfit, Writer};

/// Entries in the ring: each slot number is one byte.
const ENTRIES: usize = 256;
/// Bits of the hash.
const HASH_BITS: u32 = 9;
/// The longest chain.
const CHAIN: usize = 16;

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// The slot to be filled next, which holds the oldest entry.
    oldest: u8,
    /// Slots by hash, newest first, at most [`CHAIN`] each.
    chains: Vec<Vec<u8>>,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: vec![Entry::UNUSED; ENTRIES], oldest: 0, chains: vec![Vec::new(); 1 << HASH_BITS] }
    }
}

impl Table {
    /// The entry of `source`, if its chain leads there.
    pub(super) fn get_mut(&mut self, source: u32) -> Option<&mut Entry> {
        let entries = &self.entries;
        let is_it = |slot: &u8| entries.get(usize::from(*slot)).is_some_and(|entry| entry.source == source);
        let slot = *self.chains.get(hash(source))?.iter().find(|slot| is_it(slot))?;
        self.entries.get_mut(usize::from(slot))
    }

    /// Makes the entry of `source` unused. Its slot waits for its turn in the ring.
    pub(super) fn forget(&mut self, source: u32) {
        let Some(entry) = self.get_mut(source) else { return };
        entry.source = 0;
        let entries = &self.entries;
        if let Some(chain) = self.chains.get_mut(hash(source)) {
            chain.retain(|slot| entries.get(usize::from(*slot)).is_some_and(|entry| entry.source != 0));
        }
    }

    /// Enters a source that is in no chain, in the place of the oldest entry.
    pub(super) fn admit(&mut self, entry: Entry) {
        let slot = self.oldest;
        self.oldest = slot.wrapping_add(1);
        let chain_of = hash(entry.source);
        // An entry that a full chain loses keeps its slot until its turn comes.
        if let Some(chain) = self.chains.get_mut(chain_of) {
            chain.truncate(CHAIN - 1);
        }
        let Some(place) = self.entries.get_mut(usize::from(slot)) else { return };
        if let Some(chain) = self.chains.get_mut(hash(place.source)) {
            chain.retain(|other| *other != slot);
        }
        *place = entry;
        if let Some(chain) = self.chains.get_mut(chain_of) {
            chain.insert(0, slot);
        }
    }
}

/// The address as it lies in the memory of a little-endian machine, folded by 9 bits.
fn hash(source: u32) -> usize {
    let memory = source.swap_bytes();
    let folded = (0..u32::BITS).step_by(HASH_BITS as usize).fold(0, |hash, shift| hash ^ memory >> shift);
    (folded & ((1 << HASH_BITS) - 1)) as usize
}

impl Kept for Table {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { entries, oldest, chains } = self;
        to.put(entries.as_slice())?;
        to.put(oldest)?;
        to.list(chains.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.entries)?;
        self.oldest = from.take()?;
        if from.length(self.chains.len())? != self.chains.len() {
            return Err(Unfit::Other("a table has another size"));
        }
        self.chains.iter_mut().try_for_each(|chain| {
            *chain = from.list(CHAIN)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source: u32) -> Entry {
        let mut entry = Entry::UNUSED;
        entry.source = source;
        entry
    }

    #[test]
    fn the_hash_is_the_original_s() {
        // 10.10.0.2 lies in memory as 0x02000a0a: 0x00a ^ 0x005 ^ 0x080 ^ 0x000, low 9 bits each.
        assert_eq!(hash(0x0a0a_0002), 0x00a ^ 0x005 ^ 0x080);
        assert_eq!(hash(0), 0);
    }

    #[test]
    fn a_full_chain_loses_its_oldest_and_no_other() {
        let mut table = Table::default();
        // In memory order i << 9 | i folds to 0: one chain for all.
        let source = |i: u32| (i << 9 | i).swap_bytes();
        (1..=17).for_each(|i| table.admit(entry(source(i))));
        assert!(table.get_mut(source(1)).is_none());
        assert!((2..=17).all(|i| table.get_mut(source(i)).is_some()));
    }

    #[test]
    fn a_forgotten_source_makes_room_in_its_chain() {
        let mut table = Table::default();
        let source = |i: u32| (i << 9 | i).swap_bytes();
        (1..=16).for_each(|i| table.admit(entry(source(i))));
        table.forget(source(9));
        assert!(table.get_mut(source(9)).is_none());
        table.admit(entry(source(9)));
        assert!((1..=16).all(|i| table.get_mut(source(i)).is_some()));
    }

    #[test]
    fn the_ring_takes_the_oldest_slot_even_when_its_source_came_back() {
        let mut table = Table::default();
        table.admit(entry(7));
        table.forget(7);
        table.admit(entry(7));
        (1000..1254).for_each(|i| table.admit(entry(i)));
        assert!(table.get_mut(7).is_some());
        table.admit(entry(2000));
        assert!(table.get_mut(7).is_some(), "its first slot was re-used, its second lives");
        table.admit(entry(2001));
        assert!(table.get_mut(7).is_none());
    }
}
