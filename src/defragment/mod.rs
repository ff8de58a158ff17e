//! From fragments to whole datagrams, IPv4 and IPv6, in bounded memory.
//!
//! In: [`Fragment`]s, in the order of the run. Out: for each a [`Verdict`]: its datagram is
//! whole now, waits for more, or the fragment is lost for a named reason. Of what a datagram
//! carries it asks only whether the checksum holds.
//!
//! - Memory stays within [`Limits`], whatever comes, and each source within its share; the datagram begun
//!   first gives way first.
//! - Overlaps. IPv4: exact copies are dropped; of copies that contradict each other those count that the
//!   target's policy prefers ([`Policies`]), and the datagram says so ([`Datagram::conflict`]). Where no
//!   host could take that reading, since its checksum is wrong, the other policies are tried: what is set up wrong here
//!   must not hide a scan. IPv6: any overlap but an exact copy ends the datagram, as every receiver must (RFC 5722).
//! - A fragment that the capture cut counts with its length on the wire. The datagram is
//!   whole when all fragments have come, and holds the bytes up to the first missing one.
//! - Fragments of different VLANs never meet.
//!
//! Source: RFC 791, RFC 815, RFC 8200 section 4.5, RFC 5722, RFC 6946 (atomic fragments), RFC 7112; `docs/fragments.md`.
//! Read next: `fragment.rs` (what goes in and out), `waiting.rs` (who waits, and how long), `building.rs`, `overlap.rs`
//! and `resolve.rs` (overlaps), `loss.rs`, `alarm.rs` (what is told of overlaps); `lines.rs` (what is cut above TCP).

mod alarm;
mod building;
mod fragment;
mod limits;
pub mod lines;
mod loss;
mod overlap;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod readings;
mod resolve;
#[cfg(test)]
mod samples;
mod waiting;

use std::io;

pub use alarm::{Alarm, Contradiction, Warning, Words};
pub use fragment::{Datagram, Fragment, Header};
pub use limits::Limits;
pub use loss::{Counts, Loss};
pub use overlap::{Overlap, Policies};

use building::Building;
use lines::Lines;
use waiting::{Key, Waiting};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Marks, checksum},
    source::Time,
};

/// The longest payload that fits behind an IPv4 header.
const LONGEST_V4: u32 = 65_535 - 20;
/// The longest payload of IPv6 without jumbograms, which cannot be fragmented.
const LONGEST_V6: u32 = 65_535;

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
    policies: Policies,
    waiting: Waiting,
    /// The bytes of the last whole datagram; its memory is used again.
    whole: Vec<u8>,
    counts: Counts,
    /// When somebody wants to be told of overlaps.
    alarm: Option<Alarm>,
    /// What else comes in pieces.
    pub lines: Lines,
}

impl Defragmenter {
    /// An empty one. Overlaps are resolved as Linux does it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: Waiting::new(limits), ..Self::default() }
    }

    /// The same, with a policy for each target.
    #[must_use]
    pub fn following(self, policies: Policies) -> Self {
        Self { policies, ..self }
    }

    /// The same, and overlaps are told of: whoever asks for it must call [`Self::warnings`] now and then.
    #[must_use]
    pub fn telling(self) -> Self {
        Self { alarm: Some(Alarm::new(Words::DATAGRAMS)), ..self }
    }

    /// Takes the next fragment. A datagram is lent until the next call.
    pub fn push<'a>(&'a mut self, fragment: &Fragment<'a>) -> Verdict<'a> {
        self.counts.fragments += 1;
        self.expire(fragment.clock);
        let &Fragment { mut header, len, stamp, clock, seq, .. } = fragment;
        let datagram = if fragment.offset == 0 && !fragment.more {
            // An atomic fragment waits for nobody and meets nobody (RFC 6946).
            let (payload, reading) = (fragment.known(), Overlap::default());
            Datagram {
                header,
                len,
                payload,
                stamp,
                clock,
                seq,
                fragments: 1,
                conflict: false,
                headless: false,
                reading,
            }
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
            let reading = self.read(&building);
            if self.whole.len() < len as usize {
                header.marks.set(Marks::CUT);
            }
            let (fragments, conflict, headless) = (building.fragments() as u32, building.conflict, building.headless);
            Datagram { header, len, payload: &self.whole, stamp, clock, seq, fragments, conflict, headless, reading }
        };
        self.counts.join(&datagram);
        Verdict::Whole(datagram)
    }

    /// Gives up what has waited too long at `now`. [`Self::push`] does it by itself.
    pub fn expire(&mut self, now: Time) {
        self.waiting.expire(now, &mut self.counts);
    }

    /// Gives up all that waits: there is no more input, whose clock ended at `last`.
    pub fn finish(&mut self, last: Time) {
        self.waiting.finish(&mut self.counts);
        self.alarm.iter_mut().for_each(|alarm| alarm.finish(last));
    }

    /// What there is to tell of overlaps up to `now`, in order.
    pub fn warnings(&mut self, now: Time) -> impl Iterator<Item = Warning> {
        self.alarm.iter_mut().flat_map(move |alarm| {
            alarm.advance(now);
            alarm.warnings()
        })
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
        self.waiting.held()
    }

    /// Finds the fragment's datagram, adds it, and takes the datagram out when it is whole.
    fn place(&mut self, fragment: &Fragment<'_>) -> Result<Option<(u32, Building)>, Loss> {
        let fragment = &self.trimmed(fragment);
        check(fragment)?;
        let key = Key::of(&fragment.header);
        if let Some(building) = self.waiting.get_mut(&key) {
            if building.fragments() >= self.limits.fragments {
                return Err(Loss::TooMany);
            }
            let before = building.conflict;
            let judged = building.judge(fragment);
            if building.conflict && !before {
                self.counts.conflicts += 1;
                self.alarm.iter_mut().for_each(|alarm| alarm.note(&alarm::contradiction(fragment)));
            }
            if judged == Err(Loss::Overlap) {
                self.waiting.bury(key, &mut self.counts);
            }
            judged?;
        }
        self.waiting.add(key, fragment, &mut self.counts)
    }

    /// Linux takes an IPv4 fragment whose length is no multiple of 8 without its last bytes, where others drop it.
    fn trimmed<'a>(&self, fragment: &Fragment<'a>) -> Fragment<'a> {
        let odd = if fragment.more && !fragment.header.ipv6 { fragment.len % 8 } else { 0 };
        let trims = odd != 0 && self.policies.of(fragment.header.dst) == Overlap::Linux;
        Fragment { len: fragment.len - if trims { odd } else { 0 }, ..*fragment }
    }

    /// Writes a datagram down as its target reads it, and says by which policy.
    fn read(&mut self, building: &Building) -> Overlap {
        let header = &building.header;
        let target = if building.conflict { self.policies.of(header.dst) } else { Overlap::default() };
        let others = Overlap::ALL.into_iter().filter(|other| *other != target);
        // Only contradictions can be read in more than one way.
        for overlap in [target].into_iter().chain(others) {
            building.write(overlap, &mut self.whole);
            if !building.conflict || checksum::holds(header.src, header.dst, header.protocol, &self.whole) {
                return overlap;
            }
        }
        building.write(target, &mut self.whole);
        target
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

impl Kept for Defragmenter {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { limits: _, policies: _, waiting, whole: _, counts, alarm, lines } = self;
        waiting.keep(to)?;
        to.put(counts)?;
        lines.keep(to)?;
        alarm.iter().try_for_each(|alarm| alarm.keep(to))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.waiting.resume(from)?;
        self.counts = from.take()?;
        self.lines.resume(from)?;
        self.alarm.iter_mut().try_for_each(|alarm| alarm.resume(from))
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};
    use crate::decode::Address;

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
        assert_eq!(loss(&[fragment(0, true, b"1234567")]), Some(Loss::Empty), "nothing is left of it");
        assert_eq!(loss(&[v6(fragment(0, true, b"1234567"))]), Some(Loss::Length));
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
    fn an_ipv6_datagram_whose_headers_are_not_all_in_its_first_fragment_is_marked() {
        for headless in [false, true] {
            let mut defragmenter = Defragmenter::default();
            defragmenter.push(&Fragment { headless, ..v6(fragment(0, true, &[0; 8])) });
            let last = v6(fragment(8, false, &[0; 8]));
            let Verdict::Whole(datagram) = defragmenter.push(&last) else { panic!("not whole") };
            assert_eq!(datagram.headless, headless);
            assert_eq!(defragmenter.counts().headless, u64::from(headless));
        }
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
    fn a_datagram_of_too_many_fragments_gets_no_more() {
        let mut defragmenter = Defragmenter::new(Limits { fragments: 3, ..Limits::default() });
        let mut push = |i: u32| matches!(defragmenter.push(&fragment(8 * i, true, &[0; 8])), Verdict::Pending);
        assert!((0..3).all(&mut push));
        assert!(!push(3));
    }
}
