//! Which datagrams of a batch are of one flow.
//!
//! In: datagrams, in order. Out: for each the latest before it that has the same ends. A memory of fixed size: a guess, that whoever asks
//! has to verify, and one that is missed costs no more than the look that it would have saved.
//! Must not know what is saved. Read next: `scatter.rs`.

use crate::decode::Observation;

/// No datagram of the flow is behind this.
pub(super) const LAST: u32 = u32::MAX;

/// The latest datagrams of a batch, by their flows: a direct-mapped memory. Of one that is forgotten the next has leads of its own, and that is all.
#[derive(Debug)]
pub(super) struct Flows([u32; FLOWS]);

const FLOWS: usize = 256;

impl Default for Flows {
    fn default() -> Self {
        Self([LAST; FLOWS])
    }
}

impl Flows {
    pub(super) fn forget(&mut self) {
        self.0.fill(LAST);
    }

    /// The latest that may be of the flow of this one, which now is the latest.
    #[inline]
    pub(super) fn turn(&mut self, o: &Observation, index: u32) -> Option<u32> {
        let ends =
            (o.src.0 as u64).rotate_left(32) ^ o.dst.0 as u64 ^ u64::from(o.src_port) << 16 ^ u64::from(o.dst_port);
        let at = ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let before = std::mem::replace(self.0.get_mut(at as usize)?, index);
        (before != LAST).then_some(before)
    }
}

/// Whether two datagrams have the same ends, and so one errand in one window.
#[inline]
pub(super) fn is_of_one_flow(one: &Observation, other: &Observation) -> bool {
    (one.src_port, one.dst_port) == (other.src_port, other.dst_port) && one.src == other.src && one.dst == other.dst
}
