//! The table of suspects, within a byte budget.
//!
//! In: sources. Out: their suspects, and those that had to go. A full table gives up by shares ([`Rank`]): who forges sources that come twice cannot
//! push out scans, who forges scans cannot push out the slow, and neither those that showed that they get answers; nor does a network keep more than
//! half. Of one rank all can be forged alike, so that chance picks a few, and of these the one with the least evidence goes.
//! Must not know what a knock means. Read next: `../suspects.rs`.

use std::{collections::HashMap, hash::BuildHasher, io};

use foldhash::quality::FixedState;

use super::{Rank, Suspect};
use crate::{
    cells::{
        deadlines::{Appointment, Chore},
        technique::Technique,
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    source::Time,
};

const RANKS: usize = 3;
/// Each rank keeps one in so many bytes of the table, whatever the others would have.
const SHARE: usize = RANKS + 1;

/// Counters of suspects by network (a /16, of IPv6 a /32): 512 bytes a cell.
const NETWORKS: usize = 256;

/// Suspects of a rank that are compared when one has to go. The more, the easier are those with little evidence pushed
/// out by forged ones with a little more.
const COMPARED: usize = 2;
/// Suspects that are looked at to find them.
const LOOKED_AT: usize = 64;

/// The table.
#[derive(Debug)]
pub struct Suspects {
    index: HashMap<Address, u32, FixedState>,
    slots: Vec<Option<Box<Suspect>>>,
    free: Vec<u32>,
    bytes: usize,
    budget: usize,
    /// How many there are of networks as they are handed out, by their hashes.
    of_network: Vec<u16>,
    /// Bytes of each rank.
    held: [usize; RANKS],
    /// Suspects that were given up.
    pub lost: u64,
}

impl Suspects {
    /// A table for `budget` bytes. The index is keyed by `seed`.
    #[must_use]
    pub fn new(budget: usize, seed: u64) -> Self {
        let index = HashMap::with_hasher(FixedState::with_seed(seed));
        let of_network = vec![0; NETWORKS];
        Self { index, slots: Vec::new(), free: Vec::new(), bytes: 0, budget, of_network, held: [0; RANKS], lost: 0 }
    }

    /// A source has come back to a door, if it is a suspect.
    pub fn revisit(&mut self, source: Address, technique: Technique) {
        if let Some(suspect) = self.get_mut(source) {
            suspect.revisit(technique);
        }
    }

    /// The suspect at an address.
    pub fn get_mut(&mut self, source: Address) -> Option<&mut Suspect> {
        let slot = *self.index.get(&source)?;
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// Whether what an appointment was made for is still there.
    #[must_use]
    pub fn expects(&self, &(due, source, technique, chore): &Appointment) -> bool {
        let suspect = self.index.get(&source).and_then(|&slot| self.slots.get(slot as usize)?.as_deref());
        let Some(suspect) = suspect else { return false };
        let scan = suspect.scans.iter().find(|scan| scan.technique == technique);
        match chore {
            Chore::Quiet => scan.is_some_and(|scan| scan.quiet_at == Some(due)),
            Chore::Day => scan.is_some_and(|scan| scan.day == due),
            Chore::Review => suspect.crowds.iter().any(|c| c.technique == technique && c.review_at == Some(due)),
        }
    }

    /// Makes one.
    pub fn insert(&mut self, source: Address, now: Time) -> Option<&mut Suspect> {
        let suspect = Box::new(Suspect::new(source, now));
        self.hold(suspect.rank, suspect.bytes, 0);
        self.count(source, true);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.index.insert(source, slot);
        let place = self.slots.get_mut(slot as usize)?;
        *place = Some(suspect);
        place.as_deref_mut()
    }

    /// Counts what a suspect has grown by, and gives up others while there is too much; hands them out.
    pub fn settle(&mut self, source: Address, mut given_up: impl FnMut(Suspect)) {
        if let Some(suspect) = self.get_mut(source) {
            let (bytes, rank) = (suspect.measure(), suspect.rank());
            let before = (suspect.rank, suspect.bytes);
            (suspect.rank, suspect.bytes) = (rank, bytes);
            self.hold(before.0, 0, before.1);
            self.hold(rank, bytes, 0);
        }
        while self.bytes > self.budget && self.index.len() > 1 {
            let Some(slot) = self.least(source) else { return };
            let Some(suspect) = self.slots.get_mut(slot).and_then(Option::take) else { return };
            self.hold(suspect.rank, 0, suspect.bytes);
            self.count(suspect.source, false);
            self.index.remove(&suspect.source);
            self.free.push(slot as u32);
            self.lost += 1;
            given_up(*suspect);
        }
    }

    /// Where the suspects of a source's network are counted.
    fn network(&self, source: Address) -> usize {
        let network = source.as_v4().map_or(source.0 >> 96, |v4| u128::from(v4 >> 16));
        (self.index.hasher().hash_one(network) >> 32) as usize % NETWORKS
    }

    /// Counts one more of a source's network, or one less.
    fn count(&mut self, source: Address, more: bool) {
        let at = self.network(source);
        if let Some(count) = self.of_network.get_mut(at) {
            *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
    }

    /// Whether a source's network takes more than half of the table: it is the first to give room then, so that who forges
    /// neighbours pushes out each other, and not those of all other networks.
    fn is_of_the_most(&self, source: Address) -> bool {
        let count = self.of_network.get(self.network(source)).copied().unwrap_or_default();
        usize::from(count) * 2 > self.index.len()
    }

    /// Counts bytes that came to a rank, and such as went.
    fn hold(&mut self, rank: Rank, more: usize, less: usize) {
        self.bytes = self.bytes + more - less;
        if let Some(held) = self.held.get_mut(rank as usize) {
            *held = *held + more - less;
        }
    }

    /// Which has to go, but not `spare`: of the lowest rank that holds more than its share, the one with the least
    /// evidence of a few that chance picks.
    fn least(&self, spare: Address) -> Option<usize> {
        let over = |rank: &Rank| self.held.get(*rank as usize).is_some_and(|held| *held > self.budget / SHARE);
        let rank = [Rank::Doubtful, Rank::Scan].into_iter().find(over).unwrap_or(Rank::Proven);
        let start = self.index.hasher().hash_one(self.lost) >> 32;
        let slots = self.slots.len();
        let start = ((start * slots as u64) >> 32) as usize;
        let around = (start..slots).chain(0..start);
        let suspects = around.filter_map(|slot| Some((slot, self.slots.get(slot)?.as_deref()?)));
        let others = suspects.filter(|(_, suspect)| suspect.source != spare).take(LOOKED_AT);
        // Where none of the rank is near, the lowest that is.
        let mut compared = 0;
        let few = others.take_while(|(_, suspect)| {
            let more = compared < COMPARED;
            compared += usize::from(suspect.rank == rank);
            more
        });
        few.min_by_key(|(_, suspect)| {
            (suspect.rank != rank, suspect.rank, !self.is_of_the_most(suspect.source), suspect.worth())
        })
        .map(|(slot, _)| slot)
    }

    /// All suspects in order of their slots, to be looked at.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Suspect> {
        self.slots.iter_mut().flatten().map(Box::as_mut)
    }

    /// All suspects in order of their slots, taken out.
    pub fn drain(&mut self) -> impl Iterator<Item = Suspect> {
        self.index.clear();
        self.free.clear();
        self.of_network.fill(0);
        (self.bytes, self.held) = (0, [0; RANKS]);
        self.slots.drain(..).flatten().map(|suspect| *suspect)
    }

    /// Bytes in use.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What one suspect may take: the last one stays, however large it is.
const LARGEST: usize = 1 << 20;

impl Kept for Suspects {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // The index, the sums and the counts follow from the slots, the budget from the memory.
        let Self { index: _, slots, free, bytes: _, budget: _, held: _, of_network: _, lost } = self;
        to.put(slots)?;
        to.put(free)?;
        to.put(lost)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let most = self.budget + LARGEST;
        let slots = from.length(u32::MAX as usize)?;
        for slot in 0..slots as u32 {
            let suspect: Option<Box<Suspect>> = from.take()?;
            if let Some(suspect) = &suspect {
                if self.index.insert(suspect.source, slot).is_some() || suspect.bytes > most {
                    return Err(Unfit::Damaged);
                }
                self.hold(suspect.rank, suspect.measure(), 0);
                if self.bytes > most {
                    return Err(Unfit::Other("suspects take more than their share of the memory"));
                }
            }
            self.slots.push(suspect);
        }
        // As they were counted: what one has grown by since its last knock is not.
        (self.bytes, self.held) = (0, [0; RANKS]);
        let suspects = self.slots.iter().flatten();
        let counted: Vec<_> = suspects.map(|suspect| (suspect.source, suspect.rank, suspect.bytes)).collect();
        for (source, rank, bytes) in counted {
            self.hold(rank, bytes, 0);
            self.count(source, true);
        }
        self.free = from.list(slots)?;
        let mut free = self.free.clone();
        free.sort_unstable();
        free.dedup();
        let is_free = |slot: &u32| self.slots.get(*slot as usize).is_some_and(Option::is_none);
        let all_free = self.slots.iter().filter(|slot| slot.is_none()).count();
        if free.len() != self.free.len() || free.len() != all_free || !free.iter().all(is_free) {
            return Err(Unfit::Damaged);
        }
        self.lost = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{
            knock::Knock,
            outcome::Outcome,
            samples::{host, knock},
        },
        dispatch::Key,
        presets::tripline::Thresholds,
    };

    fn tell(suspects: &mut Suspects, source: u8, knocks: impl Iterator<Item = Knock>) {
        let (key, t) = (Key::new(1), Thresholds::default());
        if suspects.get_mut(host(source)).is_none() {
            suspects.insert(host(source), Time(0)).unwrap();
        }
        for knock in knocks {
            suspects.get_mut(host(source)).unwrap().knock(knock, Time(0), &key, &t);
        }
    }

    #[test]
    fn the_table_stays_within_its_budget_and_gives_up_the_least_evidence() {
        let mut suspects = Suspects::new(64 << 10, 1);
        let mut given_up = Vec::new();
        tell(&mut suspects, 1, (1..=200).map(|port| knock(9, port, Outcome::Closed)));
        suspects.settle(host(1), |_| {});
        for source in 2..=255 {
            tell(&mut suspects, source, (1..=5).map(|port| knock(9, port, Outcome::Closed)));
            suspects.settle(host(source), |suspect| given_up.push(suspect.source));
            assert!(suspects.bytes() <= 64 << 10, "{} bytes", suspects.bytes());
        }
        assert!(suspects.lost > 100 && given_up.len() as u64 == suspects.lost, "each had a scan: {}", suspects.lost);
        assert!(suspects.get_mut(host(1)).is_some(), "the one with most evidence outlives the many");
    }

    #[test]
    fn a_network_that_has_more_than_half_gives_room_first_whatever_its_evidence() {
        let (key, t) = (Key::new(1), Thresholds::default());
        let mut suspects = Suspects::new(64 << 10, 1);
        let lonely = Address::v4([20, 7, 0, 1]);
        let mut show = |source: Address, ports: u16| {
            if suspects.get_mut(source).is_none() {
                suspects.insert(source, Time(0));
            }
            for port in 1..=ports {
                suspects.get_mut(source).unwrap().knock(knock(9, port, Outcome::Closed), Time(0), &key, &t);
            }
            suspects.settle(source, |_| {});
            suspects.get_mut(lonely).is_some()
        };
        show(lonely, 2);
        for n in 0..2_000_u16 {
            let [c, d] = n.to_be_bytes();
            assert!(show(Address::v4([30, 1, c, d]), 3), "pushed out by the {n}th of one network");
        }
        let counted: u32 = suspects.of_network.iter().map(|count| u32::from(*count)).sum();
        assert_eq!(counted as usize, suspects.index.len());
    }

    #[test]
    fn what_it_says_to_hold_is_what_it_holds() {
        let mut suspects = Suspects::new(1 << 20, 1);
        for source in 1..=20 {
            tell(&mut suspects, source, (1..=100).map(|port| knock(9, port, Outcome::Closed)));
            suspects.settle(host(source), |_| {});
        }
        let measured: usize = suspects.slots.iter().flatten().map(|s| s.measure()).sum();
        assert_eq!(suspects.bytes(), measured);
        assert_eq!((suspects.drain().count(), suspects.bytes()), (20, 0));
    }

    #[test]
    fn a_scan_takes_failures_and_answers_only_where_it_has_been() {
        let mut suspects = Suspects::new(1 << 20, 1);
        tell(&mut suspects, 1, (1..=4).map(|port| knock(9, port, Outcome::Closed)));
        tell(&mut suspects, 1, [knock(9, 80, Outcome::Open), knock(8, 443, Outcome::Open)].into_iter());
        let scan = suspects.get_mut(host(1)).unwrap().scan_mut(Technique::TcpSyn).unwrap();
        assert_eq!((scan.evidence.tally.open, scan.evidence.found.as_slice()), (1, &[(host(9), 80)][..]));
    }
}
