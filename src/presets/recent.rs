//! Tables that reference presets remember in: of fixed size, the longest unused gives way.
//!
//! In: keys, at the clock. Out: what is kept of each. An original that remembers without a bound gets one here:
//! buckets of eight, each made when it is first needed. In a full bucket what has faded goes first, without
//! loss; else what was unused the longest, and that is counted. The hash has no key, as with most of the
//! originals. Must not know what a value means.
//! Read next: `attempts.rs`, `snort/mod.rs`, which remember in it.

use std::{
    hash::{BuildHasher, Hash},
    io,
};

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    source::Time,
};

/// Entries that a key may lie in.
const BUCKET: usize = 8;

/// What the table asks of a value.
pub(super) trait Fades: Copy + Default {
    /// Nanoseconds of disuse after which it is worth nothing.
    fn fades_after(&self) -> i64;

    /// Whether nothing else may take its place before that.
    fn is_shielded(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry<K, V> {
    key: K,
    value: V,
    used: Time,
}

impl<K, V: Fades> Entry<K, V> {
    fn has_faded(&self, now: Time) -> bool {
        now.0.saturating_sub(self.used.0) > self.value.fades_after()
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    buckets: Vec<Vec<Entry<K, V>>>,
    hasher: FixedState,
    given_up: u64,
}

impl<K: Copy + Eq + Hash, V: Fades> Recent<K, V> {
    /// With room for so many.
    pub(super) fn with_room(entries: usize) -> Self {
        let buckets = (0..entries.div_ceil(BUCKET)).map(|_| Vec::new()).collect();
        Self { buckets, hasher: FixedState::default(), given_up: 0 }
    }

    /// What is kept of `key`, unless it has faded. Nobody will know that it was asked for.
    pub(super) fn peek(&self, key: &K, now: Time) -> Option<&V> {
        let entry = self.buckets.get(self.place(key))?.iter().find(|entry| entry.key == *key)?;
        (!entry.has_faded(now)).then_some(&entry.value)
    }

    /// The same, and that it was used now is noted.
    pub(super) fn get(&mut self, key: &K, now: Time) -> Option<&mut V> {
        let at = self.place(key);
        let entry = self.buckets.get_mut(at)?.iter_mut().find(|entry| entry.key == *key)?;
        if entry.has_faded(now) {
            return None;
        }
        entry.used = now;
        Some(&mut entry.value)
    }

    /// The same, and what is not there begins with nothing. `None` when all of its bucket is shielded.
    pub(super) fn get_or_begin(&mut self, key: K, now: Time) -> Option<&mut V> {
        let at = self.place(&key);
        let bucket = self.buckets.get_mut(at)?;
        let new = Entry { key, value: V::default(), used: now };
        let place = match bucket.iter().position(|entry| entry.key == key) {
            Some(place) => place,
            None if bucket.len() < BUCKET => {
                bucket.reserve_exact(BUCKET - bucket.len());
                bucket.push(new);
                bucket.len() - 1
            }
            None => {
                let (rank, place) = displaced(bucket, now)?;
                self.given_up += u64::from(rank > Rank::Faded);
                if rank == Rank::Shielded {
                    return None;
                }
                *bucket.get_mut(place)? = new;
                place
            }
        };
        let entry = bucket.get_mut(place)?;
        if entry.has_faded(now) {
            *entry = new;
        }
        entry.used = now;
        Some(&mut entry.value)
    }

    /// How many were given up before they had faded, or could not be taken in.
    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The number of the key's bucket.
    fn place(&self, key: &K) -> usize {
        let hash = self.hasher.hash_one(key) >> 32;
        ((hash * self.buckets.len() as u64) >> 32) as usize
    }
}

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Faded,
    Usual,
    Shielded,
}

/// Which entry of a full bucket gives way, and what it is worth.
fn displaced<K, V: Fades>(bucket: &[Entry<K, V>], now: Time) -> Option<(Rank, usize)> {
    let rank = |entry: &Entry<K, V>| match entry {
        entry if entry.has_faded(now) => Rank::Faded,
        entry if entry.value.is_shielded() => Rank::Shielded,
        _ => Rank::Usual,
    };
    let ranked = bucket.iter().zip(0..).map(|(entry, place)| (rank(entry), entry.used, place));
    ranked.min().map(|(rank, _, place)| (rank, place))
}

impl<K: Serialize + DeserializeOwned, V: Serialize + DeserializeOwned> Kept for Recent<K, V> {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { buckets, hasher: _, given_up } = self;
        to.put(given_up)?;
        to.list(buckets.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.given_up = from.take()?;
        if from.length(self.buckets.len())? != self.buckets.len() {
            return Err(Unfit::Other("a table has another size"));
        }
        self.buckets.iter_mut().try_for_each(|bucket| {
            *bucket = from.list(BUCKET)?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, Default)]
    struct Note {
        times: u32,
        shielded: bool,
    }

    impl Fades for Note {
        fn fades_after(&self) -> i64 {
            100
        }

        fn is_shielded(&self) -> bool {
            self.shielded
        }
    }

    /// One bucket, full of the keys 0 to 7, used at the times 0 to 7.
    fn full() -> Recent<u32, Note> {
        let mut table: Recent<u32, Note> = Recent::with_room(BUCKET);
        (0..8).for_each(|key| table.get_or_begin(key, Time(i64::from(key))).unwrap().times = 1);
        table
    }

    #[test]
    fn what_was_noted_is_found_until_it_fades() {
        let mut table = full();
        assert_eq!(table.get(&3, Time(103)).map(|note| note.times), Some(1));
        assert!(table.get(&4, Time(105)).is_none() && table.peek(&3, Time(203)).is_some());
        assert_eq!(table.get_or_begin(3, Time(204)).unwrap().times, 0, "unused for 101: it begins anew");
        assert_eq!(table.given_up(), 0);
    }

    #[test]
    fn the_longest_unused_gives_way_and_is_counted() {
        let mut table = full();
        table.get(&0, Time(8));
        table.get_or_begin(8, Time(9));
        assert!(table.get(&1, Time(9)).is_none() && table.get(&0, Time(9)).is_some());
        assert_eq!(table.given_up(), 1);
    }

    #[test]
    fn what_has_faded_goes_without_loss() {
        let mut table = full();
        table.get_or_begin(8, Time(104));
        assert_eq!(table.given_up(), 0);
    }

    #[test]
    fn what_is_shielded_stays_and_the_new_one_is_refused() {
        let mut table = full();
        (0..8).for_each(|key| table.get(&key, Time(8)).unwrap().shielded = key != 5);
        table.get_or_begin(8, Time(9)).unwrap().shielded = true;
        assert!(table.get(&5, Time(9)).is_none());
        assert!(table.get_or_begin(9, Time(9)).is_none());
        assert_eq!(table.given_up(), 2);
    }
}
