//! What was counted on the way: every frame ends up in exactly one of these.
//!
//! In: frames, as a worker meets them. Out: sums. Each worker's slot counts for itself and is summed at
//! the end: no atomics, no locks. Read next: `summary.rs` (what a person gets of it).

use serde::{Deserialize, Serialize};

use crate::{
    cells::technique::{ACK, SYN},
    decode::{Kind, Observation, Skip, transport::protocol},
    source::{Frame, LinkType, Time},
};

/// Counters of frames.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub frames: u64,
    /// Their bytes on the wire.
    pub wire_bytes: u64,
    /// Decoded ones by IP protocol number; 255 is ARP.
    pub protocols: Vec<u64>,
    /// By the reason why they are evidence about nobody, in the order of [`Skip::ALL`].
    pub skipped: Vec<u64>,
    /// Plain ACKs and data of connections.
    pub plain: u64,
    /// Pieces of datagrams.
    pub fragments: u64,
    /// Those that are evidence.
    pub evidence: u64,
    /// SYNs, and the SYN-ACKs that should come back: how one-sided the view is.
    pub syns: u64,
    /// See `syns`.
    pub syn_acks: u64,
    /// Those that the filter left out: they are counted here and nowhere else.
    pub filtered: u64,
    /// Smallest stamp.
    pub first: Option<Time>,
    /// Largest stamp.
    pub last: Option<Time>,
    /// The first frame of a link type that has no decoder: its type, number and place in the run.
    #[serde(skip)]
    pub unknown_link: Option<(LinkType, u64, u64)>,
}

/// What is counted of every frame, in a walk over some: in so few instructions as there can be.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// All.
    pub frames: u64,
    /// Their bytes on the wire.
    pub wire_bytes: u64,
    /// Those that were known at a glance as plain ACKs and data.
    pub plain: u64,
    first: Time,
    last: Time,
}

impl Default for Seen {
    fn default() -> Self {
        Self { frames: 0, wire_bytes: 0, plain: 0, first: Time(i64::MAX), last: Time(i64::MIN) }
    }
}

impl Seen {
    /// Counts a frame, whatever is in it.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        self.wire_bytes += u64::from(frame.wire_len);
        self.first = self.first.min(frame.stamp);
        self.last = self.last.max(frame.stamp);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            frames: 0,
            wire_bytes: 0,
            protocols: vec![0; 256],
            skipped: vec![0; Skip::ALL.len()],
            plain: 0,
            fragments: 0,
            evidence: 0,
            syns: 0,
            syn_acks: 0,
            filtered: 0,
            first: None,
            last: None,
            unknown_link: None,
        }
    }
}

impl Counts {
    /// Counts what a walk over frames has seen.
    pub fn saw(&mut self, seen: &Seen) {
        let &Seen { frames, wire_bytes, plain, first, last } = seen;
        if frames == 0 {
            return;
        }
        self.frames += frames;
        self.wire_bytes += wire_bytes;
        self.plain += plain;
        if let Some(tcp) = self.protocols.get_mut(usize::from(protocol::TCP)) {
            *tcp += plain;
        }
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
    }

    /// Counts a packet whose protocol is known.
    #[inline]
    pub fn known(&mut self, protocol: u8) {
        if let Some(count) = self.protocols.get_mut(usize::from(protocol)) {
            *count += 1;
        }
    }

    /// Counts a frame that is evidence about nobody.
    #[inline]
    pub fn skip(&mut self, skip: Skip) {
        if let Some(count) = self.skipped.get_mut(skip as usize) {
            *count += 1;
        }
    }

    /// Counts evidence.
    #[inline]
    pub fn observation(&mut self, o: &Observation) {
        self.evidence += 1;
        if o.kind == Kind::Tcp && o.flags & SYN != 0 {
            *(if o.flags & ACK == 0 { &mut self.syns } else { &mut self.syn_acks }) += 1;
        }
    }

    /// Adds another's sums to these.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.wire_bytes += other.wire_bytes;
        self.plain += other.plain;
        self.fragments += other.fragments;
        self.evidence += other.evidence;
        self.syns += other.syns;
        self.syn_acks += other.syn_acks;
        self.filtered += other.filtered;
        let sum = |mine: &mut [u64], theirs: &[u64]| mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        sum(&mut self.protocols, &other.protocols);
        sum(&mut self.skipped, &other.skipped);
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{Class, classify, decode, observe},
        source::Time,
    };

    /// A TCP segment with these flags, without a link header.
    fn segment(flags: u8) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        bytes.extend([0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 4, 0, 0, 0, 0, 0]);
        bytes
    }

    fn counted(stamp: i64, bytes: &[u8]) -> Counts {
        let mut counts = Counts::default();
        let (stamp, link) = (Time(stamp), LinkType(101));
        let frame = Frame { bytes, wire_len: 1_500, link, stamp, clock: stamp, seq: 0, number: 1 };
        let mut seen = Seen::default();
        seen.frame(&frame);
        counts.saw(&seen);
        match decode(&frame) {
            Err(skip) => counts.skip(skip),
            Ok(packet) => {
                counts.known(packet.protocol);
                if let Class::Evidence(kind) = classify(&packet) {
                    counts.observation(&observe(&frame, &packet, kind));
                } else {
                    counts.plain += 1;
                }
            }
        }
        counts
    }

    #[test]
    fn every_frame_ends_up_in_exactly_one_of_them() {
        let mut all = Counts::default();
        for (stamp, bytes) in [(5, segment(2)), (3, segment(18)), (9, segment(16)), (7, vec![0x45]), (8, segment(4))] {
            all.add(&counted(stamp, &bytes));
        }
        assert_eq!((all.frames, all.wire_bytes), (5, 7_500));
        assert_eq!((all.evidence, all.plain, all.skipped.iter().sum::<u64>()), (3, 1, 1));
        assert_eq!(all.evidence + all.plain + all.fragments + all.skipped.iter().sum::<u64>(), all.frames);
        assert_eq!((all.syns, all.syn_acks, all.protocols[6]), (1, 1, 4));
        assert_eq!((all.first, all.last), (Some(Time(3)), Some(Time(9))));
    }

    #[test]
    fn nothing_added_changes_nothing() {
        let mut counts = counted(5, &segment(2));
        counts.add(&Counts::default());
        assert_eq!((counts.frames, counts.first, counts.last), (1, Some(Time(5)), Some(Time(5))));
    }
}
