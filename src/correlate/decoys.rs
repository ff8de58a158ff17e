//! Decoys: one scan under many names.
//!
//! In: pairs of sources that sent the same probe, and the suspicions of each. Out: sets of sources that make
//! one event, and who of them it probably was. A set is known from its first door on, before any of its
//! members has been refused often enough to be a scanner of its own.
//! Bounded: so many sets of so many members; beyond that a source stands for itself.
//! Source: DESIGN section 2 (`decoy`); the exact test is in `cells/twins.rs`.

use std::{collections::HashMap, io};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use tripline_plugin::{
    Event,
    event::{Counted, Decoy, Trust},
};

use crate::{
    cells::{evidence::SAMPLE, report::Suspicion},
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::Key,
};

/// Sets that are kept at a time; the oldest goes.
const SETS: usize = 256;
/// Members of a set. nmap takes 128 decoys at most.
const MEMBERS: usize = 129;

/// What is known of one member.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Member {
    source: Address,
    /// It reset doors that had answered, or completed handshakes: it gets our answers.
    reacts: bool,
    trust: Trust,
    /// It has been suspected, and its scan is not over.
    suspected: bool,
}

/// Sources that send the same probes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Set {
    /// In order of first sight.
    members: Vec<Member>,
    /// The last word of the member to whom most was answered: what is known of the scan.
    testimony: Option<Box<Suspicion>>,
}

/// All sets.
#[derive(Debug)]
pub struct Decoys {
    of: HashMap<Address, u64, FixedState>,
    sets: std::collections::BTreeMap<u64, Set>,
    next: u64,
}

impl Decoys {
    /// None yet.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let of = HashMap::with_hasher(FixedState::with_seed(key.hash(2_u8)));
        Self { of, sets: std::collections::BTreeMap::new(), next: 0 }
    }

    /// Two sources sent the same probe, `first` first.
    pub fn twins(&mut self, first: Address, second: Address) {
        let number = match (self.of.get(&first), self.of.get(&second)) {
            (Some(&number), _) | (None, Some(&number)) => number,
            (None, None) => self.begin(),
        };
        for source in [first, second] {
            let Some(set) = self.sets.get_mut(&number) else { return };
            if set.members.len() < MEMBERS && !self.of.contains_key(&source) {
                set.members.push(Member { source, reacts: false, trust: Trust::Spoofable, suspected: false });
                self.of.insert(source, number);
            }
        }
    }

    fn begin(&mut self) -> u64 {
        if self.sets.len() >= SETS
            && let Some((_, set)) = self.sets.pop_first()
        {
            for member in set.members {
                self.of.remove(&member.source);
            }
        }
        self.next += 1;
        self.sets.insert(self.next, Set::default());
        self.next
    }

    fn set(&mut self, source: Address) -> Option<&mut Set> {
        self.sets.get_mut(self.of.get(&source)?)
    }

    /// The member that stands for the set of a source, if it is of one: the one seen first.
    pub fn head(&mut self, source: Address) -> Option<Address> {
        self.set(source)?.members.first().map(|member| member.source)
    }

    /// Takes in what is known of a member. Of a scan that is `over` tells whether all of the set are.
    pub fn note(&mut self, source: Address, s: &Suspicion, over: bool) -> bool {
        let Some(set) = self.set(source) else { return true };
        if let Some(member) = set.members.iter_mut().find(|member| member.source == source) {
            member.reacts |= s.evidence.resets > 0 || s.evidence.completed > 0;
            member.trust = member.trust.max(s.evidence.trust());
            member.suspected = !over;
        }
        set.members.iter().all(|member| !member.suspected)
    }

    /// Takes the last word of a member whose scan is over; gives back that of the one who saw most answers: the
    /// doors were the same, and of what was answered to forged sources little is seen.
    pub fn testify(&mut self, source: Address, s: Box<Suspicion>) -> Box<Suspicion> {
        let Some(set) = self.set(source) else { return s };
        let answered = |s: &Suspicion| s.evidence.tally.doors() - s.evidence.tally.silent;
        match set.testimony.take() {
            Some(best) if answered(&best) > answered(&s) => {
                set.testimony = Some(best.clone());
                best
            }
            _ => {
                set.testimony = Some(s.clone());
                s
            }
        }
    }

    /// Writes into an event of the set what makes it one of decoys: all sources, and who it probably was.
    pub fn write(&mut self, source: Address, event: &mut Event) {
        let Some(set) = self.set(source) else { return };
        let mut reacting = set.members.iter().filter(|member| member.reacts);
        let likely = match (reacting.next(), reacting.next()) {
            (Some(member), None) => Some(*member),
            _ => None,
        };
        let others = set.members.len().saturating_sub(1);
        let reason = match likely {
            Some(_) => format!("of {} senders of the same packets only this one takes the answers", others + 1),
            None => "none of the senders has shown yet that it takes the answers".to_owned(),
        };
        event.src_ip = likely.map(|member| member.source.ip());
        event.src_mac = None;
        let Some(scan) = &mut event.scan else { return };
        scan.trust = likely.map_or(Trust::Spoofable, |member| member.trust);
        scan.sources = Counted {
            count: set.members.len() as u64,
            exact: set.members.len() < MEMBERS,
            sample: set.members.iter().take(SAMPLE).map(|member| member.source.ip()).collect(),
        };
        scan.reason = format!("the same packets under {} addresses; {}", others + 1, scan.reason);
        scan.decoy = Some(Decoy { likely_source: likely.map(|member| member.source.ip()), reason });
    }
}

impl Kept for Decoys {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Who is of which set follows from the sets.
        let Self { of: _, sets, next } = self;
        to.list(sets.iter())?;
        to.put(next)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        for (number, set) in from.list::<Vec<(u64, Set)>>(SETS)? {
            if set.members.len() > MEMBERS {
                return Err(Unfit::Damaged);
            }
            self.of.extend(set.members.iter().map(|member| (member.source, number)));
            self.sets.insert(number, set);
        }
        self.next = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> Address {
        Address::v4([10, 0, 0, n])
    }

    #[test]
    fn whoever_sends_the_same_is_of_one_set() {
        let mut decoys = Decoys::new(&Key::new(1));
        decoys.twins(address(1), address(2));
        decoys.twins(address(1), address(3));
        assert_eq!(
            [1, 2, 3, 4].map(|n| decoys.head(address(n))),
            [Some(address(1)), Some(address(1)), Some(address(1)), None]
        );
    }

    #[test]
    fn sets_are_bounded_and_the_oldest_goes() {
        let mut decoys = Decoys::new(&Key::new(1));
        for n in 0..=SETS as u32 {
            let [_, a, b, c] = n.to_be_bytes();
            decoys.twins(Address::v4([10, a, b, c]), Address::v4([11, a, b, c]));
        }
        assert_eq!((decoys.sets.len(), decoys.of.len()), (SETS, 2 * SETS));
        assert_eq!(decoys.head(Address::v4([10, 0, 0, 0])), None);
    }
}
