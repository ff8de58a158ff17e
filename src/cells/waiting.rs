//! Sources with one judged contact: sixteen bytes each, until the second makes a suspect.
//!
//! In: a source, its door and the slot of its contact. Out: these, when the source comes again.
//! A flood of forged sources that knock once each thus never reaches the table of suspects. Nor does it wash out who
//! waits: half of a bucket goes by age, and who is pushed out of that draws a lot: three in
//! four stay for a while, one for thrice as long. So there is no number of packets that surely hides the next knock, and a scan
//! that goes on draws again with each. Nothing here ranks: all that a lone knock says can be forged.
//! Must not know what a contact is.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        contacts::{Moves, Slot},
        near,
        room::Room,
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    dispatch::Key,
};

/// Places of a bucket that go by age, the newest first.
const RECENT: usize = 2;
/// Places behind them: the first is given up three times as often as the second.
const STAYING: usize = 2;

/// A lone knock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lone {
    /// Where its contact lies, unless that had to go: its owner verifies.
    pub slot: Slot,
    /// Hash of its door.
    pub door: u32,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Entry {
    /// Keyed hash of the source; 0 for none.
    source: u64,
    knock: Lone,
}

/// One cache line: a flood costs one look at it for each packet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[repr(align(64))]
struct Bucket {
    recent: [Entry; RECENT],
    staying: [Entry; STAYING],
}

impl Bucket {
    /// Whether a new one would push another out.
    fn is_full(&self) -> bool {
        self.recent.iter().all(|entry| entry.source != 0)
    }

    /// Lets one wait. A hole is filled before anybody has to go.
    fn add(&mut self, new: Entry) {
        let Self { recent, staying } = self;
        let out = recent.iter().position(|entry| entry.source == 0).unwrap_or(RECENT - 1);
        let Some(front) = recent.get_mut(..=out) else { return };
        front.rotate_right(1);
        let oldest = front.first_mut().map(|first| std::mem::replace(first, new));
        if let Some(oldest) = oldest.filter(|oldest| oldest.source != 0) {
            let hole = staying.iter().position(|entry| entry.source == 0);
            if let Some(place) = staying.get_mut(hole.unwrap_or_else(|| oldest.lot())) {
                *place = oldest;
            }
        }
    }
}

/// The table. It takes no memory before somebody waits, and grows before anybody has to go.
#[derive(Debug)]
pub struct Waiting {
    room: Room,
    buckets: Vec<Bucket>,
}

impl Waiting {
    /// A table for `bytes` of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { room: Room::new(bytes / size_of::<Bucket>()), buckets: Vec::new() }
    }

    /// Gives the table so many buckets.
    #[cold]
    fn grow(&mut self, buckets: usize) {
        for Bucket { recent, staying } in self.room.grow(&mut self.buckets, Bucket::default(), buckets) {
            // The oldest first.
            for entry in staying.into_iter().chain(recent.into_iter().rev()).filter(|entry| entry.source != 0) {
                self.bucket(entry.source).into_iter().for_each(|bucket| bucket.add(entry));
            }
        }
    }

    /// Their contacts have gone elsewhere.
    pub fn follow(&mut self, moves: &Moves) {
        let all = self.buckets.iter_mut().flat_map(|b| b.recent.iter_mut().chain(b.staying.iter_mut()));
        all.for_each(|entry| entry.knock.slot = moves.of(entry.knock.slot));
    }

    fn at(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets.len() as u64) >> 32) as usize
    }

    fn bucket(&mut self, hash: u64) -> Option<&mut Bucket> {
        let at = self.at(hash);
        self.buckets.get_mut(at)
    }

    /// Has the place fetched where a source would wait.
    #[inline]
    pub(super) fn bring(&self, key: &Key, source: u64) {
        self.buckets.get(self.at(place(key, source))).into_iter().for_each(near::bring);
    }

    /// A lone knock: that of before at another door, which waits no more; without one the source waits with this.
    pub fn meet(&mut self, key: &Key, source: u64, knock: Lone) -> Option<Lone> {
        let hash = place(key, source);
        if let Some(Bucket { recent, staying }) = self.bucket(hash)
            && let Some(entry) = recent.iter_mut().chain(staying.iter_mut()).find(|entry| entry.source == hash)
        {
            let before = std::mem::take(entry).knock;
            if before.door != knock.door {
                return Some(before);
            }
        }
        while self.room.is_left(self.buckets.len()) && self.buckets.get(self.at(hash)).is_none_or(Bucket::is_full) {
            self.grow(self.room.more(self.buckets.len()));
        }
        self.bucket(hash).into_iter().for_each(|bucket| bucket.add(Entry { source: hash, knock }));
        None
    }
}

impl Entry {
    /// The place behind that it draws: another with another door.
    fn lot(&self) -> usize {
        let drawn = (self.source ^ u64::from(self.knock.door)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::from(drawn.is_multiple_of(4))
    }
}

/// Where a source waits, by its name: another hash, for of the one that chose its cell all sources here share the upper bits.
fn place(key: &Key, source: u64) -> u64 {
    key.join(source, 0, u64::from('w')) | 1
}

impl Kept for Waiting {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { room: _, buckets } = self;
        to.list(buckets.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.buckets = from.list(self.room.most())?;
        self.room.check(self.buckets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Address;

    fn other() -> Lone {
        knock(u32::MAX)
    }

    fn knock(door: u32) -> Lone {
        Lone { door, ..Lone::default() }
    }

    fn sources(of: std::ops::Range<u32>) -> impl Iterator<Item = Address> {
        of.map(|n| Address::v4(n.to_be_bytes()))
    }

    #[test]
    fn the_latest_all_wait_and_of_those_pushed_out_some_whatever_comes() {
        const PLACES: u32 = 64 * (RECENT + STAYING) as u32;
        let key = Key::new(1);
        let mut waiting = Waiting::new(64 * size_of::<Bucket>());
        for (source, door) in sources(0..3 * PLACES).zip(0..) {
            waiting.meet(&key, key.name(source), knock(door));
        }
        let mut still = |of: std::ops::Range<u32>| {
            sources(of).filter(|s| waiting.meet(&key, key.name(*s), other()).is_some()).count()
        };
        let (latest, early) = (still(3 * PLACES - 64..3 * PLACES), still(0..PLACES));
        assert!(latest >= 48, "{latest} of the latest 64");
        assert!(early >= 4, "{early} of the first {PLACES}, after twice as many as there are places");
    }

    #[test]
    fn sources_of_one_cell_spread_over_the_whole_table() {
        let key = Key::new(1);
        let mut waiting = Waiting::new(64 * size_of::<Bucket>());
        let of_cell = (0..u32::MAX).map(|n| Address::v4(n.to_be_bytes())).filter(|a| key.cell(*a) == 7);
        let sources: Vec<Address> = of_cell.take(100).collect();
        for &source in &sources {
            waiting.meet(&key, key.name(source), knock(1));
        }
        let kept = sources.iter().filter(|source| waiting.meet(&key, key.name(**source), other()).is_some()).count();
        assert!(kept > 90, "{kept} of 100 sources still wait in a table for 256");
    }

    #[test]
    fn a_source_waits_until_it_comes_again() {
        let (key, mut waiting) = (Key::new(1), Waiting::new(4096));
        let (a, b) = (7, 8);
        assert_eq!(waiting.meet(&key, a, knock(7)), None);
        assert_eq!(waiting.meet(&key, b, knock(8)), None);
        assert_eq!(waiting.meet(&key, a, knock(7)), None, "the same door again");
        assert_eq!(waiting.meet(&key, a, knock(9)), Some(knock(7)));
        assert_eq!(waiting.meet(&key, a, knock(9)), None, "it is taken out");
    }
}
