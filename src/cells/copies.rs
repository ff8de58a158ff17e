//! Frames that are seen twice: a span port that shows a packet as it comes in and as it goes out.
//!
//! In: the cell's packets, in order. Out: whether one is a copy of another that came just before. Else each probe would look like one
//! that its sender repeats for want of an answer. A small direct-mapped memory does: the copy follows within
//! milliseconds, and no kernel sends again so soon (RFC 6298: not within a second, in practice 200 ms).
//! Must not take two probes for one: all that a packet is but its link must be equal, the hop limit too.
//! Read next: `mod.rs`.

use std::io;

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Observation,
    dispatch::Key,
    source::Time,
};

/// Packets that are remembered: 1 KiB a cell, when it is asked for.
const PACKETS: usize = 64;

/// Recent packets, by all that they are.
#[derive(Debug)]
pub struct Copies {
    /// Hashes and clocks.
    recent: Vec<(u64, Time)>,
    /// A copy comes no later: nanoseconds.
    within: i64,
    /// Copies of packets whose sender's cell this is, or whose only cell: each counts in one.
    pub counted: u64,
}

impl Copies {
    /// A memory of those that come within so many nanoseconds; of none at all for 0.
    #[must_use]
    pub fn new(within: i64) -> Self {
        let packets = if within > 0 { PACKETS } else { 0 };
        Self { recent: vec![(0, Time::default()); packets], within, counted: 0 }
    }

    /// Whether the same packet has come just before; takes note of it when not.
    #[inline]
    pub fn holds(&mut self, key: &Key, o: &Observation) -> bool {
        !self.recent.is_empty() && self.find(key, o)
    }

    fn find(&mut self, key: &Key, o: &Observation) -> bool {
        let ends = (o.src, o.dst, o.src_port, o.dst_port);
        let numbers = (o.tcp_seq, o.tcp_ack, o.window, o.ip_id, o.payload_len);
        let small = [o.protocol, o.kind as u8, o.flags, o.ttl, o.tos, o.icmp_type, o.icmp_code];
        let packet = key.hash((ends, numbers, small)) | 1;
        let at = (((packet >> 32) * self.recent.len() as u64) >> 32) as usize;
        let Some(place) = self.recent.get_mut(at) else { return false };
        if place.0 == packet && o.clock.since(place.1) <= self.within {
            // Once: a third one is new again.
            *place = (0, Time::default());
            return true;
        }
        *place = (packet, o.clock);
        false
    }
}

impl Kept for Copies {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { recent, within: _, counted } = self;
        to.put(recent.as_slice())?;
        to.put(counted)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.recent)?;
        self.counted = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{refusal, syn};

    const WITHIN: i64 = 5_000_000;

    fn at(millis: i64, o: Observation) -> Observation {
        Observation { clock: Time(millis * 1_000_000), seq: millis as u64, ..o }
    }

    #[test]
    fn the_same_packet_within_the_time_is_a_copy_once() {
        let (key, mut copies) = (Key::new(1), Copies::new(WITHIN));
        let probe = syn((2, 40_000), (1, 80));
        let other_way = Observation { mac: [1; 6], vlan: [12, 0], ..probe };
        assert!(!copies.holds(&key, &at(0, probe)));
        assert!(copies.holds(&key, &at(1, other_way)));
        assert!(!copies.holds(&key, &at(2, probe)), "a third is no copy of the second");
        assert!(!copies.holds(&key, &at(8, probe)), "too late");
    }

    #[test]
    fn what_differs_in_anything_is_another_packet() {
        let (key, mut copies) = (Key::new(1), Copies::new(WITHIN));
        let probe = syn((2, 40_000), (1, 80));
        for o in [
            probe,
            refusal(&probe),
            Observation { ip_id: 9, ..probe },
            Observation { ttl: 63, ..probe },
            Observation { tcp_seq: 9, ..probe },
            Observation { payload_len: 9, ..probe },
        ] {
            assert!(!copies.holds(&key, &o), "{o:?}");
        }
    }

    #[test]
    fn unasked_it_remembers_nothing() {
        let (key, mut copies) = (Key::new(1), Copies::new(0));
        let probe = syn((2, 40_000), (1, 80));
        assert!(!copies.holds(&key, &probe) && !copies.holds(&key, &probe));
        assert_eq!(copies.recent.capacity(), 0);
    }
}
