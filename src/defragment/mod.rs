//! From fragments to whole datagrams, IPv4 and IPv6, in bounded memory.
//!
//! In: [`Fragment`]s, in the order of the run. Out: for each a [`Verdict`]: its datagram is
//! whole now, waits for more, or the fragment is lost for a named reason. It must not know
//! what a datagram carries.
//!
//! - Memory stays within [`Limits`], whatever comes; the datagram begun first gives way first.
//! - Overlaps. IPv4: exact copies are dropped; of copies that contradict each other the first
//!   to arrive wins, and the datagram says so ([`Datagram::conflict`]): to drop it would be
//!   a way to hide. IPv6: any overlap but an exact copy ends the datagram, as every
//!   receiver must (RFC 5722).
//! - A fragment that the capture cut counts with its length on the wire. The datagram is
//!   whole when all fragments have come, and holds the bytes up to the first missing one.
//! - Fragments of different VLANs never meet.
//!
//! Source: RFC 791, RFC 815, RFC 8200 section 4.5, RFC 5722, RFC 6946 (atomic fragments).
//! Read next: `fragment.rs` (what goes in and out), `building.rs` (overlaps), `loss.rs`.

mod building;
mod fragment;
mod loss;
mod overlap;
#[cfg(test)]
mod properties;

use std::collections::{BTreeMap, HashMap};

pub use fragment::{Datagram, Fragment, Header};
pub use loss::{Counts, Loss};
pub use overlap::{Overlap, Policies};

use building::Building;

use crate::{
    decode::{Address, Marks},
    source::Time,
};

/// The bounds. A sensor must hold more than one host does, but not much longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for what waits, bookkeeping included.
    pub bytes: usize,
    /// Datagrams that may wait at a time.
    pub datagrams: usize,
    /// Fragments of one datagram: looking for overlaps takes time for each.
    pub fragments: usize,
    /// Nanoseconds from a datagram's first fragment to its last, by the clock.
    pub timeout: i64,
}

impl Default for Limits {
    fn default() -> Self {
        // 30 s: what Linux grants IPv4; 1,024: a datagram of 64 KiB in pieces of 64 bytes.
        Self { bytes: 4 << 20, datagrams: 4096, fragments: 1024, timeout: 30 * Time::SECOND }
    }
}

/// What a waiting datagram costs besides its fragments: a [`Building`], its places in both
/// maps with their slack, the smallest list of parts.
const DATAGRAM_COST: usize = 768;
/// What a kept fragment costs besides its bytes: its part with the list's slack, the
/// allocator's own.
const FRAGMENT_COST: usize = 80;

/// The longest payload that fits behind an IPv4 header.
const LONGEST_V4: u32 = 65_535 - 20;
/// The longest payload of IPv6 without jumbograms, which cannot be fragmented.
const LONGEST_V6: u32 = 65_535;

/// What makes fragments belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    src: Address,
    dst: Address,
    id: u32,
    ipv6: bool,
    /// 0 in IPv6, whose fragments may name different next headers (RFC 8200 section 4.5).
    protocol: u8,
    vlan: [u16; 2],
}

impl Key {
    fn of(header: &Header) -> Self {
        let &Header { src, dst, id, ipv6, protocol, vlan, .. } = header;
        Self { src, dst, id, ipv6, protocol: if ipv6 { 0 } else { protocol }, vlan }
    }
}

/// A datagram that waits for more.
#[derive(Debug)]
struct Waiting {
    key: Key,
    since: Time,
    building: Building,
}

impl Waiting {
    fn cost(&self) -> usize {
        DATAGRAM_COST + self.building.fragments() * FRAGMENT_COST + self.building.bytes()
    }
}

/// What became of a fragment.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// It completed this datagram.
    Whole(Datagram<'a>),
    /// Others are missing.
    Pending,
    /// It is lost, and counted so.
    Lost(Loss),
}

/// Puts datagrams together. See the head of this file.
#[derive(Debug, Default)]
pub struct Defragmenter {
    limits: Limits,
    /// By number, which is their age: the first is the oldest.
    waiting: BTreeMap<u64, Waiting>,
    numbers: HashMap<Key, u64>,
    next_number: u64,
    /// The cost of all that waits.
    held: usize,
    /// The bytes of the last whole datagram; its memory is used again.
    whole: Vec<u8>,
    counts: Counts,
}

impl Defragmenter {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes the next fragment. A datagram is lent until the next call.
    pub fn push<'a>(&'a mut self, fragment: &Fragment<'a>) -> Verdict<'a> {
        self.counts.fragments += 1;
        self.expire(fragment.clock);
        let &Fragment { mut header, len, stamp, clock, seq, .. } = fragment;
        let datagram = if fragment.offset == 0 && !fragment.more {
            // An atomic fragment waits for nobody and meets nobody (RFC 6946).
            let payload = fragment.known();
            Datagram { header, len, payload, stamp, clock, seq, fragments: 1, conflict: false }
        } else {
            let (len, building) = match self.place(fragment) {
                Ok(Some(whole)) => whole,
                Ok(None) => return Verdict::Pending,
                Err(loss) => {
                    self.counts.lose(loss, 1);
                    return Verdict::Lost(loss);
                }
            };
            header = building.header;
            header.marks.set(Marks::FRAGMENTED);
            let (fragments, conflict) = (building.fragments() as u32, building.conflict);
            building.write(&mut self.whole);
            if self.whole.len() < len as usize {
                header.marks.set(Marks::CUT);
            }
            Datagram { header, len, payload: &self.whole, stamp, clock, seq, fragments, conflict }
        };
        self.counts.join(&datagram);
        Verdict::Whole(datagram)
    }

    /// Gives up what has waited too long at `now`. [`Self::push`] does it by itself.
    pub fn expire(&mut self, now: Time) {
        while let Some(oldest) = self.waiting.first_entry() {
            if now.since(oldest.get().since) <= self.limits.timeout {
                break;
            }
            let number = *oldest.key();
            self.give_up(number, Loss::Timeout);
        }
    }

    /// Gives up all that waits: there is no more input.
    pub fn finish(&mut self) {
        while let Some((&number, _)) = self.waiting.first_key_value() {
            self.give_up(number, Loss::Unfinished);
        }
    }

    /// What became of all fragments so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Datagrams that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of memory for what waits; never above [`Limits::bytes`].
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Finds the fragment's datagram, adds it, and takes the datagram out when it is whole.
    fn place(&mut self, fragment: &Fragment<'_>) -> Result<Option<(u32, Building)>, Loss> {
        check(fragment)?;
        let key = Key::of(&fragment.header);
        let known = self.numbers.get(&key).copied();
        let conflict = match known.and_then(|number| self.waiting.get(&number)) {
            Some(waiting) if waiting.building.fragments() >= self.limits.fragments => return Err(Loss::TooMany),
            Some(waiting) => match waiting.building.judge(fragment) {
                Err(Loss::Overlap) => {
                    self.bury(known);
                    return Err(Loss::Overlap);
                }
                judged => judged?,
            },
            None => false,
        };
        self.make_room(fragment, known)?;
        let number = known.unwrap_or_else(|| self.begin(key, fragment));
        let Some(waiting) = self.waiting.get_mut(&number) else { return Ok(None) };
        waiting.building.add(fragment);
        waiting.building.conflict |= conflict;
        self.held += FRAGMENT_COST + fragment.known().len();
        match waiting.building.whole() {
            Some(len) => Ok(self.take(number).map(|waiting| (len, waiting.building))),
            None => Ok(None),
        }
    }

    /// Begins a datagram; there must be room.
    fn begin(&mut self, key: Key, fragment: &Fragment<'_>) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(key, number);
        let building = Building::new(fragment.header);
        self.waiting.insert(number, Waiting { key, since: fragment.clock, building });
        self.held += DATAGRAM_COST;
        number
    }

    /// Gives up the oldest datagrams but `keep` until the fragment can be added.
    fn make_room(&mut self, fragment: &Fragment<'_>, keep: Option<u64>) -> Result<(), Loss> {
        let begins = usize::from(keep.is_none());
        let cost = begins * DATAGRAM_COST + FRAGMENT_COST + fragment.known().len();
        while self.held + cost > self.limits.bytes || self.waiting.len() + begins > self.limits.datagrams {
            let Some(oldest) = self.waiting.keys().copied().find(|number| Some(*number) != keep) else {
                return Err(Loss::Memory);
            };
            self.give_up(oldest, Loss::Memory);
        }
        Ok(())
    }

    /// Frees an IPv6 datagram's fragments, and keeps only that it must never be whole.
    fn bury(&mut self, number: Option<u64>) {
        if let Some(waiting) = number.and_then(|number| self.waiting.get_mut(&number)) {
            self.counts.lose(Loss::Overlap, waiting.building.fragments() as u64);
            self.held -= waiting.cost();
            waiting.building.bury();
            self.held += waiting.cost();
        }
    }

    fn give_up(&mut self, number: u64, loss: Loss) {
        if let Some(waiting) = self.take(number) {
            self.counts.lose(loss, waiting.building.fragments() as u64);
        }
    }

    fn take(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        self.numbers.remove(&waiting.key);
        self.held -= waiting.cost();
        Some(waiting)
    }
}

/// Refuses what no datagram can hold.
fn check(fragment: &Fragment<'_>) -> Result<(), Loss> {
    let longest = if fragment.header.ipv6 { LONGEST_V6 } else { LONGEST_V4 };
    match fragment.len {
        0 => Err(Loss::Empty),
        len if fragment.more && len % 8 != 0 => Err(Loss::Length),
        _ if fragment.end() > longest => Err(Loss::TooBig),
        _ => Ok(()),
    }
}

/// Fragments made by hand for the tests of this folder.
#[cfg(test)]
mod by_hand {
    use super::*;

    pub(super) const HEADER: Header = Header {
        src: Address(1),
        dst: Address(2),
        ipv6: false,
        id: 7,
        protocol: 6,
        ttl: 64,
        tos: 0,
        vlan: [0; 2],
        mac: [0; 6],
        marks: Marks(0),
    };

    pub(super) fn fragment(offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
        let len = payload.len() as u32;
        Fragment { header: HEADER, offset, more, len, payload, stamp: Time(0), clock: Time(0), seq: 0 }
    }

    pub(super) fn v6(fragment: Fragment<'_>) -> Fragment<'_> {
        Fragment { header: Header { ipv6: true, ..fragment.header }, ..fragment }
    }

    /// The payload of the datagram that the last of the fragments completes.
    pub(super) fn rebuild(fragments: &[Fragment<'_>]) -> Option<Vec<u8>> {
        let mut defragmenter = Defragmenter::default();
        let (last, others) = fragments.split_last()?;
        for fragment in others {
            let verdict = defragmenter.push(fragment);
            assert!(!matches!(verdict, Verdict::Whole(_)), "whole too early");
        }
        match defragmenter.push(last) {
            Verdict::Whole(datagram) => Some(datagram.payload.to_vec()),
            Verdict::Pending | Verdict::Lost(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{by_hand::*, *};

    /// Why the last of the fragments is lost.
    fn loss(fragments: &[Fragment<'_>]) -> Option<Loss> {
        let mut defragmenter = Defragmenter::default();
        fragments.iter().fold(None, |_, fragment| match defragmenter.push(fragment) {
            Verdict::Lost(loss) => Some(loss),
            Verdict::Whole(_) | Verdict::Pending => None,
        })
    }

    #[test]
    fn the_datagram_has_the_first_fragment_s_header_and_the_completing_one_s_place() {
        let mut defragmenter = Defragmenter::default();
        let header = Header { ttl: 9, marks: Marks::IP_OPTIONS, ..HEADER };
        assert!(matches!(defragmenter.push(&fragment(8, false, b"later")), Verdict::Pending));
        let first = Fragment { header, clock: Time(5), stamp: Time(3), seq: 42, ..fragment(0, true, b"earliest") };
        let Verdict::Whole(datagram) = defragmenter.push(&first) else { panic!("not whole") };
        assert_eq!(datagram.payload, b"earliestlater");
        assert_eq!((datagram.header.ttl, datagram.fragments, datagram.conflict), (9, 2, false));
        assert_eq!((datagram.stamp, datagram.clock, datagram.seq), (Time(3), Time(5), 42));
        assert!(datagram.header.marks.has(Marks::FRAGMENTED) && datagram.header.marks.has(Marks::IP_OPTIONS));
        assert_eq!((defragmenter.held(), defragmenter.waiting()), (0, 0));
    }

    #[test]
    fn fragments_of_different_datagrams_never_meet() {
        let differing: [fn(&mut Header); 6] = [
            |h| h.src = Address(9),
            |h| h.dst = Address(9),
            |h| h.id = 9,
            |h| h.protocol = 17,
            |h| h.vlan = [9, 0],
            |h| h.ipv6 = true,
        ];
        for change in differing {
            let mut other = fragment(8, false, b"end");
            change(&mut other.header);
            assert_eq!(rebuild(&[fragment(0, true, &[0; 8]), other]), None);
        }
        // In IPv6 the first fragment's next header counts, whatever the others name.
        let mut last = v6(fragment(8, false, b"end"));
        last.header.protocol = 60;
        assert!(rebuild(&[v6(fragment(0, true, &[0; 8])), last]).is_some());
    }

    #[test]
    fn an_atomic_fragment_is_whole_at_once_and_leaves_others_alone() {
        let mut defragmenter = Defragmenter::default();
        defragmenter.push(&v6(fragment(0, true, &[1; 8])));
        let atomic = v6(fragment(0, false, b"atom"));
        let Verdict::Whole(datagram) = defragmenter.push(&atomic) else { panic!("not whole") };
        assert_eq!((datagram.payload, datagram.header.marks), (&b"atom"[..], Marks(0)));
        assert!(matches!(defragmenter.push(&v6(fragment(8, false, &[2; 3]))), Verdict::Whole(_)));
    }

    #[test]
    fn what_no_datagram_can_hold_is_refused() {
        assert_eq!(loss(&[fragment(8, false, b"")]), Some(Loss::Empty));
        assert_eq!(loss(&[fragment(0, true, b"1234567")]), Some(Loss::Length));
        assert_eq!(loss(&[fragment(65_512, false, b"1234")]), Some(Loss::TooBig));
        assert_eq!(loss(&[fragment(65_512, false, b"123")]), None);
        assert_eq!(loss(&[v6(fragment(65_528, false, b"12345678"))]), Some(Loss::TooBig));
        assert_eq!(loss(&[v6(fragment(65_528, false, b"1234567"))]), None);
    }

    #[test]
    fn a_fragment_that_contradicts_the_end_is_lost_and_the_datagram_lives() {
        let [first, last] = [fragment(0, true, &[1; 8]), fragment(16, false, &[3; 8])];
        for wrong in [fragment(24, true, &[9; 8]), fragment(8, false, &[9; 8]), fragment(24, false, &[9; 1])] {
            assert_eq!(loss(&[first, last, wrong]), Some(Loss::End));
            assert_eq!(rebuild(&[first, last, wrong, fragment(8, true, &[2; 8])]).map(|bytes| bytes.len()), Some(24));
        }
    }

    #[test]
    fn exact_copies_are_dropped_in_both_families() {
        let copy = fragment(8, true, &[2; 8]);
        assert_eq!(loss(&[copy, copy]), Some(Loss::Duplicate));
        assert_eq!(loss(&[v6(copy), v6(copy)]), Some(Loss::Duplicate));
    }

    #[test]
    fn of_contradicting_ipv4_copies_the_first_wins_and_it_is_told() {
        let mut defragmenter = Defragmenter::default();
        defragmenter.push(&fragment(0, true, &[1; 16]));
        defragmenter.push(&fragment(8, true, &[2; 16]));
        let last = fragment(24, false, &[3; 2]);
        let Verdict::Whole(datagram) = defragmenter.push(&last) else { panic!("not whole") };
        assert_eq!(datagram.payload, [[1; 8], [1; 8], [2; 8]].concat().into_iter().chain([3; 2]).collect::<Vec<u8>>());
        assert!(datagram.conflict);
        assert_eq!(defragmenter.counts().conflicts, 1);
    }

    #[test]
    fn an_ipv6_overlap_ends_the_datagram_for_good() {
        let mut defragmenter = Defragmenter::default();
        defragmenter.push(&v6(fragment(0, true, &[1; 16])));
        for (offset, more) in [(8, true), (16, true), (24, false)] {
            let late = v6(fragment(offset, more, &[1; 8]));
            assert!(matches!(defragmenter.push(&late), Verdict::Lost(Loss::Overlap)), "even with the same bytes");
        }
        assert_eq!(defragmenter.counts().lost(Loss::Overlap), 4);
    }

    #[test]
    fn what_waits_longer_than_the_time_out_is_given_up() {
        let limit = Limits::default().timeout;
        let late = |clock| Fragment { clock: Time(clock), ..fragment(8, false, b"end") };
        assert!(rebuild(&[fragment(0, true, &[0; 8]), late(limit)]).is_some());
        assert!(rebuild(&[fragment(0, true, &[0; 8]), late(limit + 1)]).is_none());
    }

    #[test]
    fn a_cut_capture_still_gives_the_bytes_up_to_the_first_gap() {
        let mut defragmenter = Defragmenter::default();
        let first = Fragment { len: 1480, payload: &[1; 62], ..fragment(0, true, &[]) };
        let last = Fragment { len: 500, payload: &[2; 62], ..fragment(1480, false, &[]) };
        defragmenter.push(&first);
        let Verdict::Whole(datagram) = defragmenter.push(&last) else { panic!("not whole") };
        assert_eq!((datagram.payload, datagram.len), (&[1; 62][..], 1980));
        assert!(datagram.header.marks.has(Marks::CUT));
    }

    #[test]
    fn padding_of_the_link_is_no_part_of_a_fragment() {
        let padded = Fragment { len: 3, ..fragment(8, false, b"endPADDING") };
        assert_eq!(rebuild(&[fragment(0, true, b"12345678"), padded]), Some(b"12345678end".to_vec()));
    }

    #[test]
    fn the_oldest_gives_way_when_there_are_too_many() {
        let limits = Limits { datagrams: 2, ..Limits::default() };
        let mut defragmenter = Defragmenter::new(limits);
        let of = |id, offset, more| Fragment { header: Header { id, ..HEADER }, ..fragment(offset, more, &[0; 8]) };
        (1..=3).for_each(|id| _ = defragmenter.push(&of(id, 0, true)));
        assert_eq!(defragmenter.counts().lost(Loss::Memory), 1);
        assert!(matches!(defragmenter.push(&of(2, 8, false)), Verdict::Whole(_)));
        assert!(matches!(defragmenter.push(&of(1, 8, false)), Verdict::Pending), "its beginning was given up");
    }

    #[test]
    fn a_datagram_of_too_many_fragments_gets_no_more() {
        let mut defragmenter = Defragmenter::new(Limits { fragments: 3, ..Limits::default() });
        let mut push = |i: u32| matches!(defragmenter.push(&fragment(8 * i, true, &[0; 8])), Verdict::Pending);
        assert!((0..3).all(&mut push));
        assert!(!push(3));
    }
}
