//! Sources with one judged contact: sixteen bytes each, until the second makes a suspect.
//!
//! In: a source and the slot of its contact. Out: that slot, when the source comes again.
//! A flood of forged sources that knock once each thus never reaches the table of suspects.
//! Must not know what a contact is.

use crate::{cells::contacts::Slot, decode::Address, dispatch::Key};

/// Entries of a bucket; the one that came first is replaced first.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Keyed hash of the source; 0 for none. Its owner verifies by the contact in the slot.
    source: u64,
    slot: Option<Slot>,
}

/// The table.
#[derive(Debug)]
pub struct Waiting {
    buckets: Vec<[Entry; WAYS]>,
}

impl Waiting {
    /// A table for `bytes` of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let buckets = (bytes / size_of::<[Entry; WAYS]>()).max(1);
        Self { buckets: vec![[Entry::default(); WAYS]; buckets] }
    }

    fn bucket(&mut self, hash: u64) -> Option<&mut [Entry; WAYS]> {
        let at = ((hash >> 32) * self.buckets.len() as u64) >> 32;
        self.buckets.get_mut(at as usize)
    }

    /// Takes out the slot of a source's contact.
    pub fn take(&mut self, key: &Key, source: Address) -> Option<Slot> {
        let hash = place(key, source);
        let entry = self.bucket(hash)?.iter_mut().find(|entry| entry.source == hash)?;
        std::mem::take(entry).slot
    }

    /// Lets a source wait.
    pub fn insert(&mut self, key: &Key, source: Address, slot: Slot) {
        let hash = place(key, source);
        if let Some(bucket) = self.bucket(hash) {
            // The last becomes the first; a hole is filled before anybody has to go.
            let out = bucket.iter().position(|entry| entry.source == 0).unwrap_or(WAYS - 1);
            if let Some(front) = bucket.get_mut(..=out) {
                front.rotate_right(1);
            }
            if let Some(first) = bucket.first_mut() {
                *first = Entry { source: hash, slot: Some(slot) };
            }
        }
    }
}

/// The hash of a source, another than that which chose its cell: of that one all sources here share the upper bits.
fn place(key: &Key, source: Address) -> u64 {
    key.hash((source, 'w')) | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_one_cell_spread_over_the_whole_table() {
        let key = Key::new(1);
        let mut waiting = Waiting::new(64 * size_of::<[Entry; WAYS]>());
        let mut table = crate::cells::contacts::Contacts::new(4096);
        let of_cell = (0..u32::MAX).map(|n| Address::v4(n.to_be_bytes())).filter(|a| key.cell(*a) == 7);
        let sources: Vec<Address> = of_cell.take(100).collect();
        for &source in &sources {
            let door = crate::cells::contacts::Door { source, target: source, port: 1, protocol: 6, incoming: false };
            table.find_or_insert(&key, &door, crate::source::Time(0));
            let slot = table.find(&key, &door, crate::source::Time(0)).unwrap().0;
            waiting.insert(&key, source, slot);
        }
        let kept = sources.iter().filter(|source| waiting.take(&key, **source).is_some()).count();
        assert!(kept > 90, "{kept} of 100 sources still wait in a table for 256");
    }

    #[test]
    fn a_source_waits_until_it_comes_again() {
        let (key, mut waiting) = (Key::new(1), Waiting::new(4096));
        let (a, b) = (Address::v4([1, 1, 1, 1]), Address::v4([2, 2, 2, 2]));
        let mut table = crate::cells::contacts::Contacts::new(4096);
        let door = crate::cells::contacts::Door { source: a, target: b, port: 1, protocol: 6, incoming: false };
        table.find_or_insert(&key, &door, crate::source::Time(0));
        let slot = table.find(&key, &door, crate::source::Time(0)).unwrap().0;
        waiting.insert(&key, a, slot);
        assert_eq!(waiting.take(&key, b), None);
        assert_eq!(waiting.take(&key, a), Some(slot));
        assert_eq!(waiting.take(&key, a), None);
    }
}
