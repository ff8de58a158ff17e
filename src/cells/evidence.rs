//! What is known of one scan: the evidence that an event is made of.
//!
//! In: knocks, repeats of probes, what the source did with open doors. Out: [`Evidence`], which a
//! report carries to correlate. Everything in it is bounded: samples are capped, sets turn into estimates.
//! Read next: `suspects.rs` (who owns it), `correlate/event.rs` (what becomes of it).

use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Span, Trust};

use crate::{
    cells::{
        distinct::{HashSet, PortSet},
        knock::{After, Knock, Tally},
        outcome::Outcome,
    },
    decode::{Address, Marks},
    fingerprint::Traces,
    source::Time,
};

/// Addresses and ports that an event lists.
pub const SAMPLE: usize = 20;
/// Open doors that an event lists.
const FOUND: usize = 64;

/// Of so many doors that a source left as one who hears, it may have left one as one who does not: the capture may have
/// lost the answer.
const ASTRAY: u64 = 16;

/// All that is known of a scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Stamp of the first probe.
    pub start: Time,
    /// Stamp of the last probe.
    pub end: Time,
    /// Probes, repeats included.
    pub packets: u64,
    /// Doors by outcome.
    pub tally: Tally,
    targets: HashSet,
    /// The first targets, in order of first sight.
    #[serde(with = "crate::checkpoint::roomy")]
    pub target_sample: Vec<Address>,
    /// The ports.
    pub ports: PortSet,
    /// The first ports, in order of first sight.
    #[serde(with = "crate::checkpoint::roomy")]
    pub port_sample: Vec<u16>,
    /// Open doors, in order of first sight.
    #[serde(with = "crate::checkpoint::roomy")]
    pub found: Vec<(Address, u16)>,
    /// Flags that were set on some probe.
    pub flags_or: u8,
    /// Flags that were set on all.
    pub flags_and: u8,
    /// Smallest and largest hop limit.
    pub ttl: Span<u8>,
    /// TOS, while it is always the same.
    pub tos: Option<u8>,
    /// Smallest and largest source port.
    pub source_ports: Span<u16>,
    /// Marks of all probes together.
    pub marks: Marks,
    /// What the probes show of the program that sent them.
    pub traces: Traces,
    /// Open doors that the source reset at once.
    pub resets: u64,
    /// Open doors where it proved that it got the answer.
    pub completed: u64,
    /// Doors that it left as only one does who does not hear the answers.
    pub astray: u64,
    /// It asked for its target by ARP, from where the probes came, and was told.
    pub neighbour: bool,
    /// First contacts of it that were given up for want of memory.
    pub evicted: u64,
}

impl Evidence {
    /// The evidence of one knock.
    #[must_use]
    pub fn new(knock: &Knock, target_hash: u64) -> Self {
        let mut evidence = Self {
            start: knock.stamp,
            end: knock.stamp,
            packets: 0,
            tally: Tally::default(),
            targets: HashSet::default(),
            target_sample: Vec::new(),
            ports: PortSet::default(),
            port_sample: Vec::new(),
            found: Vec::new(),
            flags_or: 0,
            flags_and: u8::MAX,
            ttl: Span { min: knock.ttl, max: knock.ttl },
            tos: Some(knock.tos),
            source_ports: Span { min: knock.src_port, max: knock.src_port },
            marks: Marks::default(),
            traces: Traces::default(),
            resets: 0,
            completed: 0,
            astray: 0,
            neighbour: false,
            evicted: 0,
        };
        evidence.add(knock, target_hash);
        evidence
    }

    /// Takes one more door in. `target_hash` is the keyed hash of its host.
    pub fn add(&mut self, knock: &Knock, target_hash: u64) {
        self.start = self.start.min(knock.stamp);
        self.end = self.end.max(knock.stamp);
        self.packets += 1;
        self.tally.add(knock.outcome);
        if self.targets.insert(target_hash) && self.target_sample.len() < SAMPLE {
            self.target_sample.push(knock.target);
        }
        if self.ports.insert(knock.port) && self.port_sample.len() < SAMPLE {
            self.port_sample.push(knock.port);
        }
        if knock.outcome == Outcome::Open {
            self.open(knock.target, knock.port);
        }
        self.flags_or |= knock.flags;
        self.flags_and &= knock.flags;
        self.ttl = Span { min: self.ttl.min.min(knock.ttl), max: self.ttl.max.max(knock.ttl) };
        self.tos = self.tos.filter(|&tos| tos == knock.tos);
        let ports = self.source_ports;
        self.source_ports = Span { min: ports.min.min(knock.src_port), max: ports.max.max(knock.src_port) };
        self.marks.set(knock.marks.with_sign(0));
        self.traces.add(&knock.probe());
        self.astray += u64::from(knock.marks.has(Marks::ASTRAY));
        self.then(knock.after);
    }

    /// What the source did with an open door.
    pub fn then(&mut self, after: After) {
        match after {
            After::Nothing | After::Ended | After::Claimed => {}
            After::Reset => self.resets += 1,
            After::Empty | After::Spoke => self.completed += 1,
        }
    }

    /// A door thought to be `from` turned out to be `to`.
    pub fn revise(&mut self, target: Address, port: u16, from: Outcome, to: Outcome) {
        self.tally.revise(from, to);
        if to == Outcome::Open {
            self.open(target, port);
        }
    }

    fn open(&mut self, target: Address, port: u16) {
        if self.found.len() < FOUND && !self.found.contains(&(target, port)) {
            self.found.push((target, port));
        }
    }

    /// Another packet to a door that is known.
    pub fn repeat(&mut self, stamp: Time) {
        self.packets += 1;
        self.end = self.end.max(stamp);
    }

    /// How many hosts, and whether that is exact.
    #[must_use]
    pub fn targets(&self) -> (u64, bool) {
        self.targets.count()
    }

    /// Whether a host, by its keyed hash, is one of the targets, as far as is known.
    #[must_use]
    pub fn has_target(&self, target_hash: u64) -> bool {
        self.targets.may_have(target_hash)
    }

    /// How far the source's address can be believed. `reacted` takes resets on the open doors, all but
    /// the one whose reset may still be under way: one reset alone could be forged blind.
    #[must_use]
    pub fn trust(&self) -> Trust {
        // Who forges resets or ends for all doors alike is right at the open ones, too.
        let hears = |proofs: u64| proofs > 0 && self.astray * ASTRAY <= proofs;
        if hears(self.completed) {
            Trust::Confirmed
        } else if hears(self.resets)
            && self.resets <= self.tally.open
            && self.tally.open <= self.resets.max(2) + u64::from(self.resets > 1)
        {
            Trust::Reacted
        } else {
            Trust::Spoofable
        }
    }

    /// Bytes that it holds beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.targets.bytes()
            + self.ports.bytes()
            + self.target_sample.capacity() * size_of::<Address>()
            + self.port_sample.capacity() * size_of::<u16>()
            + self.found.capacity() * size_of::<(Address, u16)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::samples::{host, knock},
        dispatch::Key,
    };

    fn evidence(knocks: &[Knock]) -> Evidence {
        let key = Key::new(1);
        let mut evidence = Evidence::new(&knocks[0], key.hash(knocks[0].target));
        knocks.iter().skip(1).for_each(|k| evidence.add(k, key.hash(k.target)));
        evidence
    }

    fn with(resets: u64, completed: u64, open: u64) -> Trust {
        let mut e = evidence(&[knock(1, 1, Outcome::Closed)]);
        (0..open).for_each(|_| e.tally.add(Outcome::Open));
        (0..resets).for_each(|_| e.then(After::Reset));
        (0..completed).for_each(|_| e.then(After::Empty));
        e.trust()
    }

    #[test]
    fn a_source_is_believed_as_far_as_it_showed_that_it_hears() {
        assert_eq!(with(0, 0, 5), Trust::Spoofable);
        assert_eq!(with(5, 0, 5), Trust::Reacted);
        assert_eq!(with(4, 0, 5), Trust::Reacted, "the last reset may be under way");
        assert_eq!(with(3, 0, 5), Trust::Spoofable, "it reset at a guess");
        assert_eq!(with(1, 0, 5), Trust::Spoofable);
        assert_eq!(with(6, 0, 5), Trust::Spoofable, "more than were open");
        assert_eq!(with(0, 1, 5), Trust::Confirmed);
    }

    #[test]
    fn who_goes_astray_is_believed_no_further_than_anybody() {
        let astray = |resets, completed, astray| {
            let mut e = evidence(&[knock(1, 1, Outcome::Closed)]);
            (0..resets).for_each(|_| e.tally.add(Outcome::Open));
            (e.resets, e.completed, e.astray) = (resets, completed, astray);
            e.trust()
        };
        assert_eq!(astray(3, 0, 1), Trust::Spoofable, "it reset a door that was closed");
        assert_eq!(astray(0, 3, 1), Trust::Spoofable, "it acknowledged what was not said");
        assert_eq!(astray(16, 0, 1), Trust::Reacted, "the capture may have lost one answer");
    }

    #[test]
    fn a_door_is_found_once() {
        let e = evidence(&[knock(1, 22, Outcome::Open), knock(1, 22, Outcome::Open), knock(1, 80, Outcome::Open)]);
        assert_eq!(e.found, [(host(1), 22), (host(1), 80)]);
    }

    #[test]
    fn outcomes_sum_to_the_doors_and_repeats_are_packets() {
        let mut e = evidence(&[
            knock(1, 22, Outcome::Open),
            knock(1, 23, Outcome::Closed),
            knock(1, 24, Outcome::Unreachable),
            knock(2, 22, Outcome::Silent),
        ]);
        e.repeat(Time(i64::MAX));
        assert_eq!((e.tally.doors(), e.packets, e.targets(), e.ports.len()), (4, 5, (2, true), 3));
        e.revise(host(2), 22, Outcome::Silent, Outcome::Open);
        assert_eq!((e.tally.doors(), e.tally.silent, e.tally.open), (4, 0, 2));
        assert_eq!(e.found, [(host(1), 22), (host(2), 22)]);
        assert_eq!((e.start, e.end), (Time(Time::SECOND + 22), Time(i64::MAX)));
    }

    #[test]
    fn it_stays_small_however_large_the_scan() {
        let knocks: Vec<Knock> = (0..=u16::MAX)
            .map(|port| Knock { target: Address(u128::from(port)), ..knock(1, port, Outcome::Open) })
            .collect();
        let e = evidence(&knocks);
        assert_eq!((e.ports.len(), e.target_sample.len(), e.port_sample.len()), (65_536, SAMPLE, SAMPLE));
        assert_eq!(e.found.len(), FOUND);
        assert!(e.bytes() < 48 << 10, "{} bytes", e.bytes());
    }
}
