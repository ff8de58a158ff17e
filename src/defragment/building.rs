//! One datagram that is being put together.
//!
//! In: its fragments, in any order. Out: its bytes, once all have come.
//! Fragments are kept as they came and resolved at the end, so that memory grows only by
//! what arrived (an offset costs nothing) and each policy for overlaps can be asked. Must not know the other datagrams, nor the time.
//! Source: RFC 791 section 3.2, RFC 815; RFC 5722 and 8200 section 4.5 for IPv6.
//! Read next: `mod.rs`.

use serde::{Deserialize, Serialize};

use super::{Fragment, Header, Loss, Overlap, resolve::resolve};

/// A fragment as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    start: u32,
    end: u32,
    /// How many came before it.
    arrival: u32,
    /// Its captured bytes, from `start` on.
    known: Box<[u8]>,
}

/// No fragment ends behind it.
const LONGEST: u32 = 1 << 17;

/// The parts so far.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Building {
    /// The first fragment's, once it is here.
    pub(super) header: Header,
    /// Copies of some bytes contradict each other.
    pub(super) conflict: bool,
    /// Its first fragment ended before its headers did.
    pub(super) headless: bool,
    /// In order of `start`.
    parts: Vec<Part>,
    /// The sum of their lengths; below `total` it cannot be whole.
    carried: u32,
    /// The largest `end`.
    reach: u32,
    /// Where the datagram ends; known with its last fragment.
    total: Option<u32>,
    /// An IPv6 datagram whose fragments overlapped: whatever comes of it is lost.
    buried: bool,
}

impl Building {
    pub(super) fn new(header: Header) -> Self {
        Self {
            header,
            conflict: false,
            headless: false,
            parts: Vec::new(),
            carried: 0,
            reach: 0,
            total: None,
            buried: false,
        }
    }

    /// Whether its parts can be parts of one datagram: what was read from a file may be anything.
    pub(super) fn is_sound(&self) -> bool {
        let fits = |part: &Part| {
            part.start <= part.end && part.end <= self.reach && part.known.len() <= (part.end - part.start) as usize
        };
        let reach = self.parts.iter().map(|part| part.end).max();
        self.reach <= LONGEST
            && reach.is_none_or(|reach| reach == self.reach)
            && self.parts.iter().all(fits)
            && self.parts.is_sorted_by_key(|part| part.start)
    }

    /// How many fragments it holds.
    pub(super) fn fragments(&self) -> usize {
        self.parts.len()
    }

    /// Their captured bytes.
    pub(super) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.known.len()).sum()
    }

    /// Whether the fragment can be added.
    ///
    /// IPv4: an exact copy is lost; overlaps are taken. IPv6: an exact copy is lost; any
    /// other overlap or disagreement ends the datagram ([`Loss::Overlap`], see [`Self::bury`]).
    /// Either way `conflict` says at last whether bytes contradict each other.
    pub(super) fn judge(&mut self, fragment: &Fragment<'_>) -> Result<(), Loss> {
        if self.buried {
            return Err(Loss::Overlap);
        }
        let (start, end) = (fragment.offset, fragment.end());
        let agrees = match (self.total, fragment.more) {
            (Some(total), true) => end <= total,
            (Some(total), false) => end == total,
            (None, true) => true,
            (None, false) => end >= self.reach,
        };
        let says_nothing_new = fragment.more || self.total == Some(end);
        let (mut overlaps, mut conflict) = (false, false);
        for part in self.parts.iter().filter(|part| part.start < end && start < part.end) {
            let contradicts = part.contradicts(start, fragment.known());
            // Once bytes contradict each other, it matters who says something last.
            let repeats = agrees && says_nothing_new && !contradicts && !self.conflict;
            if repeats && (part.start, part.end) == (start, end) {
                return Err(Loss::Duplicate);
            }
            overlaps = true;
            conflict |= contradicts;
        }
        match (agrees, fragment.header.ipv6) {
            (false, false) => return Err(Loss::End),
            (true, false) => self.conflict |= conflict,
            (agrees, true) if overlaps || !agrees => {
                // No honest sender does it, whatever the bytes; and who receives it drops the datagram.
                self.conflict = true;
                return Err(Loss::Overlap);
            }
            (_, true) => {}
        }
        Ok(())
    }

    /// Adds a fragment that [`Self::judge`] allowed.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>) {
        let part = Part {
            start: fragment.offset,
            end: fragment.end(),
            arrival: self.parts.len() as u32,
            known: fragment.known().into(),
        };
        self.headless |= fragment.headless;
        let is_first = part.start == 0 && self.parts.first().is_none_or(|first| first.start != 0);
        if is_first {
            self.header = fragment.header;
        }
        if !fragment.more {
            self.total = Some(part.end);
        }
        self.reach = self.reach.max(part.end);
        self.carried = self.carried.saturating_add(fragment.len);
        let place = self.parts.partition_point(|other| other.start <= part.start);
        self.parts.insert(place, part);
    }

    /// Gives the datagram up and remembers that, since its other fragments must be lost too.
    pub(super) fn bury(&mut self) {
        self.buried = true;
        self.parts = Vec::new();
    }

    /// The datagram's length, when nothing is missing.
    pub(super) fn whole(&self) -> Option<u32> {
        let total = self.total.filter(|total| self.carried >= *total)?;
        (contiguous(self.parts.iter().map(|part| (part.start, part.end))) == total).then_some(total)
    }

    /// Writes the bytes that count by the policy, as far as they are known without a gap from the first on.
    pub(super) fn write(&self, overlap: Overlap, to: &mut Vec<u8>) {
        to.clear();
        let at = |part: &Part| part.start..part.end;
        let mut arrived: Vec<&Part> = self.parts.iter().collect();
        if self.carried > self.reach {
            arrived.sort_unstable_by_key(|part| part.arrival);
        }
        // Without overlaps they are in order of their places already, which is the quickest.
        for stretch in resolve(overlap, arrived.iter().map(|part| at(part))) {
            let Some(part) = arrived.get(stretch.piece) else { break };
            let known = part.known.get((stretch.at.start - part.start) as usize..).unwrap_or_default();
            let len = stretch.at.len();
            to.extend_from_slice(known.get(..len).unwrap_or(known));
            if known.len() < len {
                break;
            }
        }
    }
}

impl Part {
    /// Whether a byte of `known`, which begins at `start`, differs from this part's.
    fn contradicts(&self, start: u32, known: &[u8]) -> bool {
        let from = start.max(self.start);
        let ours = self.known.get((from - self.start) as usize..).unwrap_or_default();
        let theirs = known.get((from - start) as usize..).unwrap_or_default();
        ours.iter().zip(theirs).any(|(our, their)| our != their)
    }
}

/// How far ranges that are in order of their starts reach from 0 without a gap.
fn contiguous(ranges: impl Iterator<Item = (u32, u32)>) -> u32 {
    let mut reach = 0;
    for (start, end) in ranges {
        if start > reach {
            break;
        }
        reach = reach.max(end);
    }
    reach
}
