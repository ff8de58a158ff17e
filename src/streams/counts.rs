//! What became of segments and streams, by name: nothing is lost silently.
//!
//! In: single events. Out: numbers. Must not know what decided.
//! Read next: `stream.rs`, which counts most of them.

use tripline_plugin::End;

/// Why a segment, a piece of one, or a stream did not get further; or only with reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A wrong checksum: no host takes it.
    Checksum,
    /// Beyond what any receiver takes.
    OutOfWindow,
    /// Without the ACK flag, which every segment of an open connection carries.
    WithoutAck,
    /// It acknowledges what cannot have been sent.
    FalseAck,
    /// It belongs to no handshake that was seen.
    WrongHandshake,
    /// It came after the stream's end.
    AfterEnd,
    /// It belongs to no stream, and none can begin with it.
    NoStream,
    /// Bytes that came before: sent again, or seen twice.
    Repeated,
    /// A reset beyond the window, or from before.
    FalseReset,
    /// A reset that is not exactly at the place that its receiver waits for: it counts when the stream is silent from then on.
    InexactReset,
    /// Doubtful: its TTL may not suffice to arrive.
    DoubtfulTtl,
    /// Doubtful: its timestamp is from before.
    DoubtfulTimestamp,
    /// Doubtful: just beyond the window.
    DoubtfulWindow,
    /// Doubtful: it acknowledges what was not seen.
    DoubtfulAck,
    /// A piece that never was acknowledged when its stream ended.
    Unconfirmed,
    /// Bytes that could not be kept before their turn: memory is used up.
    PieceMemory,
    /// An established stream that made room for another.
    StreamMemory,
    /// A half-open stream that made room for another.
    HalfOpenMemory,
    /// Leftovers that a processor did not take in time.
    TapeMemory,
}

impl Fate {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 19] = [
        Self::Checksum,
        Self::OutOfWindow,
        Self::WithoutAck,
        Self::FalseAck,
        Self::WrongHandshake,
        Self::AfterEnd,
        Self::NoStream,
        Self::Repeated,
        Self::FalseReset,
        Self::InexactReset,
        Self::DoubtfulTtl,
        Self::DoubtfulTimestamp,
        Self::DoubtfulWindow,
        Self::DoubtfulAck,
        Self::Unconfirmed,
        Self::PieceMemory,
        Self::StreamMemory,
        Self::HalfOpenMemory,
        Self::TapeMemory,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checksum => "segment-checksum",
            Self::OutOfWindow => "segment-out-of-window",
            Self::WithoutAck => "segment-without-ack",
            Self::FalseAck => "segment-false-ack",
            Self::WrongHandshake => "segment-wrong-handshake",
            Self::AfterEnd => "segment-after-end",
            Self::NoStream => "segment-no-stream",
            Self::Repeated => "segment-repeated",
            Self::FalseReset => "reset-false",
            Self::InexactReset => "reset-inexact",
            Self::DoubtfulTtl => "doubtful-ttl",
            Self::DoubtfulTimestamp => "doubtful-timestamp",
            Self::DoubtfulWindow => "doubtful-window",
            Self::DoubtfulAck => "doubtful-ack",
            Self::Unconfirmed => "piece-unconfirmed",
            Self::PieceMemory => "piece-memory",
            Self::StreamMemory => "stream-memory",
            Self::HalfOpenMemory => "half-open-memory",
            Self::TapeMemory => "tape-memory",
        }
    }
}

/// What became of everything so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Segments that came.
    pub segments: u64,
    /// Streams that were established, or met under way.
    pub established: u64,
    /// Bytes that were handed on, in order.
    pub bytes: u64,
    /// Urgent bytes beside them.
    pub urgent: u64,
    /// Gaps, and the bytes that they lack.
    pub gaps: u64,
    /// See `gaps`.
    pub missing: u64,
    /// Overlaps in which the copies were not the same.
    pub conflicts: u64,
    fates: [u64; Fate::ALL.len()],
    ends: [u64; End::ALL.len()],
}

impl Counts {
    /// How often this happened.
    #[must_use]
    pub fn of(&self, fate: Fate) -> u64 {
        self.fates.get(fate as usize).copied().unwrap_or_default()
    }

    /// How many streams ended so.
    #[must_use]
    pub fn ended(&self, end: End) -> u64 {
        self.ends.get(end as usize).copied().unwrap_or_default()
    }

    /// Everything that happened, with its number.
    pub fn fates(&self) -> impl Iterator<Item = (Fate, u64)> {
        Fate::ALL.into_iter().map(|fate| (fate, self.of(fate))).filter(|(_, count)| *count != 0)
    }

    pub(super) fn meet(&mut self, fate: Fate) {
        self.meet_many(fate, 1);
    }

    pub(super) fn meet_many(&mut self, fate: Fate, times: u64) {
        if let Some(count) = self.fates.get_mut(fate as usize) {
            *count = count.saturating_add(times);
        }
    }

    pub(super) fn end(&mut self, end: End) {
        if let Some(count) = self.ends.get_mut(end as usize) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fate_and_every_end_has_a_counter_of_its_own() {
        let mut counts = Counts::default();
        for (times, fate) in (1..).zip(Fate::ALL) {
            counts.meet_many(fate, times);
        }
        for (times, end) in (1..).zip(End::ALL) {
            (0..times).for_each(|_| counts.end(end));
        }
        assert!(counts.fates().eq(Fate::ALL.into_iter().zip(1..)));
        assert!(End::ALL.into_iter().map(|end| counts.ended(end)).eq(1..=End::ALL.len() as u64));
    }
}
