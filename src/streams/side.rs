//! One direction of a stream: what its sender sent, as far as its receiver took it.
//!
//! In: the sender's segments, and the receiver's acknowledgements. Out: [`Step`]s: bytes in order, urgent bytes, gaps.
//! It must not know handshakes and ends, which need both directions.
//!
//! One rule against chaff: *a segment that its receiver may have refused, or never got, is doubtful. Its bytes count
//! only when the receiver acknowledges them and no better copy was there by then.* [`Doubt`] lists what makes a
//! segment doubtful. So nobody needs to know for sure what a host refuses.
//!
//! Places are 64-bit offsets from the first byte, so that nothing wraps.
//! Source: RFC 9293 section 3.10.7, RFC 7323 (PAWS), RFC 6093 (urgent data), Ptacek and Newsham, "Insertion, Evasion,
//! and Denial of Service" (1998).
//! Read next: `pieces.rs` (overlaps), `stream.rs` (both directions).

use super::{
    pieces::{Pieces, Trust},
    segment::{Segment, Sum},
};
use crate::{defragment::Overlap, source::Time};

/// How long missing bytes are waited for that the receiver has acknowledged: taps and queues reorder packets by
/// milliseconds, hosts that lost a packet wait for it longer, but do not acknowledge it.
pub(super) const GRACE: i64 = Time::SECOND;

/// The largest window that there can be (RFC 7323 section 2.3).
pub(super) const LARGEST_WINDOW: i64 = 65_535 << 14;

/// How far beyond the window a segment is still kept as doubtful: the acknowledgement that opened the window may be
/// missing in the capture.
const BEYOND_WINDOW: i64 = 65_535;

/// RFC 7323 section 5.5: a timestamp that was not renewed for so long says nothing any more.
const STAMP_IS_OLD: i64 = 24 * 24 * 3600 * Time::SECOND;

/// What a direction gives, in order.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// A byte beside the stream.
    Urgent(u8),
    /// So many bytes are missing.
    Gap(u64),
}

/// Why a receiver may have refused a segment, or never got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Its TTL is lower than that of segments which are known to have arrived.
    Ttl,
    /// Its timestamp is older than the latest (PAWS).
    Timestamp,
    /// It lies beyond the window.
    Window,
    /// It acknowledges what the other side is not known to have sent.
    Acknowledgement,
}

/// How a sender's checksums come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Unknown,
    /// Right ones: wrong ones are not its own.
    Honest,
    /// All unfinished: its network card computes them behind the place where it was captured.
    Offloads,
}

/// Where a segment lies in its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It may be taken; doubtful ones have a reason.
    Here(Option<Doubt>),
    /// Nothing in it is new.
    Old,
    /// No receiver could take it.
    OutOfWindow,
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// The sequence number of offset 0.
    base: u32,
    /// What was handed on.
    next: i64,
    /// The end of what was seen to be sent.
    sent: i64,
    /// What the receiver acknowledged.
    acked: i64,
    /// What it acknowledged beyond `sent`, and since when: the capture lacks it, or somebody lies.
    claimed: Option<(i64, Time)>,
    /// The receiver takes bytes before this place.
    edge: i64,
    /// The largest window that it offered.
    window: i64,
    /// By how many bits this sender shifts the windows that it offers; of a stream met under way nobody knows.
    pub(super) scale: Option<u8>,
    /// The latest timestamp that counts, and when it came.
    recent: Option<(u32, Time)>,
    /// Where its FIN stands.
    fin: Option<i64>,
    /// The same of a doubtful one.
    doubtful_fin: Option<i64>,
    urgent: Option<i64>,
    /// Segments with less may not arrive.
    pub(super) ttl: u8,
    habit: Habit,
    /// How the receiver resolves overlaps.
    overlap: Overlap,
    /// The sender was seen at all.
    pub(super) heard: bool,
    pub(super) pieces: Pieces,
    /// Since when something is missing that should not be.
    missing: Option<Time>,
}

impl Side {
    /// One of which nothing was seen yet; its receiver resolves overlaps so.
    pub(super) fn new(overlap: Overlap) -> Self {
        Self { overlap, ..Self::default() }
    }

    /// Begins with the byte of this sequence number. What was known before of segments is forgotten.
    pub(super) fn begin(&mut self, base: u32) {
        let &mut Self { scale, ttl, habit, heard, overlap, .. } = self;
        *self = Self { base, scale, ttl, habit, overlap, heard, ..Self::default() };
        // Until the receiver says what it takes, what every receiver takes.
        (self.edge, self.window) = (65_535, 65_535);
    }

    /// The same, but keeps what waits if it was placed by the same beginning.
    pub(super) fn begin_anew_at(&mut self, base: u32) {
        if self.base != base || self.edge == 0 {
            self.begin(base);
        }
    }

    /// Whether its first byte has this number.
    pub(super) fn is_first(&self, seq: u32) -> bool {
        self.base == seq
    }

    /// The receiver's first window.
    pub(super) fn offer(&mut self, window: i64) {
        (self.edge, self.window) = (window, window);
    }

    /// The sender's timestamp when it began.
    pub(super) fn recall_stamp(&mut self, timestamp: Option<(u32, Time)>) {
        self.recent = timestamp;
    }

    /// Bytes that came with the SYN and were acknowledged with it.
    pub(super) fn take_on_syn(&mut self, bytes: &[u8]) {
        self.pieces.insert(0, bytes, (Trust::Sure, self.ttl), self.overlap);
        self.sent = bytes.len() as i64;
        self.acked = self.sent;
    }

    /// Whether its sender may have sent a segment with this checksum; learns from it.
    pub(super) fn vouches(&mut self, segment: &Segment<'_>) -> bool {
        match segment.sum {
            Sum::Wrong => return false,
            Sum::Unfinished if self.habit == Habit::Honest => return false,
            // Resets and late acknowledgements are made by another part of a system, which does not offload.
            Sum::Right | Sum::Unfinished if !segment.takes_place() => {}
            Sum::Right => self.habit = Habit::Honest,
            Sum::Unfinished => self.habit = Habit::Offloads,
        }
        true
    }

    /// The offset of a sequence number: of all that it may mean the nearest to what comes next.
    pub(super) fn offset(&self, seq: u32) -> i64 {
        let next = self.base.wrapping_add(self.next as u32);
        self.next + i64::from(seq.wrapping_sub(next) as i32)
    }

    /// Judges where a segment of this sender lies; `answered` says that the receiver is seen at all.
    pub(super) fn place(&self, segment: &Segment<'_>, answered: bool) -> Place {
        let begin = self.offset(segment.seq);
        let end = begin + i64::from(segment.len);
        if end < self.acked.min(self.next) || (segment.len > 0 && end <= self.next && !segment.fin()) {
            return Place::Old;
        }
        let edge = if answered { self.edge } else { self.next + LARGEST_WINDOW.min(1 << 20) };
        let beyond = begin >= edge && segment.takes_place() || begin > edge;
        if beyond && (!answered || begin > edge + self.window.max(BEYOND_WINDOW)) {
            return Place::OutOfWindow;
        }
        Place::Here(if beyond {
            Some(Doubt::Window)
        } else if self.is_old(segment) {
            Some(Doubt::Timestamp)
        } else if segment.ttl < self.ttl {
            Some(Doubt::Ttl)
        } else {
            None
        })
    }

    /// PAWS: the segment is from before others that arrived.
    fn is_old(&self, segment: &Segment<'_>) -> bool {
        let (Some((recent, since)), Some(value)) = (self.recent, segment.timestamp) else { return false };
        (value.wrapping_sub(recent) as i32) < 0 && segment.clock.since(since) < STAMP_IS_OLD
    }

    /// Where an acknowledgement of this direction's bytes lies.
    pub(super) fn place_of_ack(&self, ack: u32) -> Place {
        let acked = self.offset(ack);
        if !self.heard || (self.acked - self.window.max(BEYOND_WINDOW)..=self.sent).contains(&acked) {
            Place::Here(None)
        } else if acked > self.sent && acked <= self.edge.saturating_add(1) {
            Place::Here(Some(Doubt::Acknowledgement))
        } else {
            Place::OutOfWindow
        }
    }

    /// Its receiver says, beyond doubt, what it has got and how much more it takes.
    pub(super) fn acknowledge(&mut self, ack: u32, window: i64) {
        let acked = self.offset(ack);
        if !self.heard {
            // Nobody sees what was sent; this says it.
            self.sent = self.sent.max(acked);
            self.next = self.next.max(acked);
        }
        if acked <= self.sent {
            self.acked = self.acked.max(acked);
            self.window = self.window.max(window);
            self.edge = self.edge.max(acked.saturating_add(window));
        }
    }

    /// Its receiver acknowledges what is not known to have been sent.
    pub(super) fn claim(&mut self, ack: u32, window: i64, now: Time) {
        let acked = self.offset(ack);
        let (before, since) = self.claimed.unwrap_or((acked, now));
        self.claimed = Some((before.max(acked), since));
        // Were it true, the sender could go on from there; what it then sends is held against the claim.
        self.window = self.window.max(window);
        self.edge = self.edge.max(acked.saturating_add(window));
    }

    /// The segment arrived, beyond doubt: remembers its timestamp if it is of what the receiver had come to.
    pub(super) fn remember(&mut self, segment: &Segment<'_>, answered: bool) {
        let come_to = if answered { self.acked } else { self.next };
        if let Some(value) = segment.timestamp
            && self.offset(segment.seq) <= come_to
            && self.recent.is_none_or(|(recent, _)| value.wrapping_sub(recent) as i32 >= 0)
        {
            self.recent = Some((value, segment.clock));
        }
    }

    /// Takes a segment's bytes and its FIN. False when there is no room for them.
    pub(super) fn take(
        &mut self,
        segment: &Segment<'_>,
        doubt: Option<Doubt>,
        room: usize,
        steps: &mut dyn FnMut(Step<'_>),
    ) -> bool {
        let begin = self.offset(segment.seq);
        let end = begin + i64::from(segment.len);
        if doubt.is_none() {
            if segment.len == 0 && self.claimed.is_some_and(|(claimed, _)| end < claimed) {
                // The sender itself says that it has not come so far.
                self.claimed = None;
            }
            if segment.urg() {
                self.point_at(begin + i64::from(segment.urgent.max(1)) - 1);
            }
        }
        // Doubtful or not: what was sent may be acknowledged.
        self.sent = self.sent.max(end + i64::from(segment.fin()));
        if segment.fin() {
            let fin = if doubt.is_none() { &mut self.fin } else { &mut self.doubtful_fin };
            fin.get_or_insert(end);
        }
        let bytes = match self.fin {
            // Nobody reads on behind the end.
            Some(fin) => segment.payload.get(..usize::try_from(fin - begin).unwrap_or(0)).unwrap_or(segment.payload),
            None => segment.payload,
        };
        if bytes.is_empty() {
            return true;
        }
        let new = usize::try_from(self.next - begin).unwrap_or(0);
        let trust = match doubt {
            None => Trust::Sure,
            Some(Doubt::Acknowledgement) => Trust::Claimed,
            Some(_) => Trust::Doubtful,
        };
        if doubt.is_none() && self.pieces.is_empty() && begin <= self.next {
            // What nearly every segment is.
            self.hand_on(bytes.get(new..).unwrap_or_default(), steps);
            return true;
        }
        if bytes.len() > room && begin > self.next {
            return false;
        }
        // What begins before `next` was handed on, but still counts for where its segment begins.
        self.pieces.insert(begin, bytes, (trust, segment.ttl), self.overlap);
        self.pieces.forget_before(self.next);
        true
    }

    /// An urgent pointer: a later one takes the place of one that was not come to, whose byte is then as any other.
    fn point_at(&mut self, place: i64) {
        if place >= self.next && self.urgent.is_none_or(|urgent| place > urgent) {
            self.urgent = Some(place);
        }
    }

    /// Hands on what can be. `answered` says that the receiver is seen at all: then missing bytes are waited for until
    /// it acknowledges them.
    pub(super) fn drain(&mut self, now: Time, answered: bool, steps: &mut dyn FnMut(Step<'_>)) {
        loop {
            while self.hand_on_next(answered, steps) {
                self.missing = None;
            }
            let Some(end) = self.hole(answered) else {
                self.missing = None;
                return;
            };
            if now.since(*self.missing.get_or_insert(now)) < GRACE {
                return;
            }
            self.skip(end, steps);
        }
    }

    /// There is no more to wait for. What the receiver never acknowledged behind a hole, it never read. How many
    /// pieces that is.
    pub(super) fn finish(&mut self, answered: bool, steps: &mut dyn FnMut(Step<'_>)) -> u64 {
        loop {
            while self.hand_on_next(answered, steps) {}
            let Some(end) = self.hole(answered) else { break };
            self.skip(end, steps);
        }
        if self.ends_unseen() {
            self.fin = Some(self.next);
        }
        self.pieces.clear()
    }

    /// All was sent and handed on, up to the FIN.
    pub(super) fn is_closed(&self) -> bool {
        self.fin.is_some_and(|fin| self.next >= fin)
    }

    /// Whether a reset with this sequence number is the one that the receiver obeys: exactly what it waits for.
    pub(super) fn is_exact(&self, seq: u32) -> bool {
        self.offset(seq) == self.next + i64::from(self.is_closed())
    }

    /// Memory for what waits.
    pub(super) fn cost(&self) -> usize {
        self.pieces.cost()
    }

    /// When [`Self::drain`] has something to do though no packet comes.
    pub(super) fn due(&self) -> Option<Time> {
        let claimed = self.claimed.map(|(_, since)| since);
        [self.missing, claimed].into_iter().flatten().min().map(|since| Time(since.0.saturating_add(GRACE)))
    }

    /// What was claimed to have been sent turned up, or has been missing for long enough to be believed: then true.
    pub(super) fn settle_claims(&mut self, now: Time) -> bool {
        let believed = self.claimed.is_some_and(|(claimed, since)| claimed <= self.sent || now.since(since) >= GRACE);
        if let Some((claimed, _)) = self.claimed.take_if(|_| believed) {
            self.sent = self.sent.max(claimed);
            self.acked = self.acked.max(claimed);
        }
        if let Some(fin) = self.doubtful_fin.filter(|fin| self.acked > *fin) {
            self.fin.get_or_insert(fin);
        }
        believed
    }

    /// Hands on the piece that is next, if it is there and believed.
    fn hand_on_next(&mut self, answered: bool, steps: &mut dyn FnMut(Step<'_>)) -> bool {
        // An acknowledgement behind the end counts the FIN, not a byte.
        let (next, end) = (self.next, self.fin.unwrap_or(i64::MAX));
        let acked = self.acked.min(end);
        let sure = self.pieces.take(next, end, |trust| trust == Trust::Sure || !answered);
        let Some(piece) = sure.or_else(|| self.pieces.take(next, acked, |_| true)) else { return false };
        if piece.trust == Trust::Doubtful && answered {
            // Acknowledged, so it arrived: a TTL like that suffices.
            self.ttl = self.ttl.min(piece.ttl);
        }
        self.hand_on(&piece.bytes, steps);
        self.sent = self.sent.max(self.next);
        true
    }

    fn hand_on(&mut self, bytes: &[u8], steps: &mut dyn FnMut(Step<'_>)) {
        let urgent = self.urgent.and_then(|urgent| usize::try_from(urgent - self.next).ok());
        match urgent.and_then(|at| Some((bytes.get(..at)?, *bytes.get(at)?, bytes.get(at + 1..)?))) {
            Some((before, byte, behind)) => {
                self.urgent = None;
                data(before, steps);
                steps(Step::Urgent(byte));
                data(behind, steps);
            }
            None => data(bytes, steps),
        }
        self.next += bytes.len() as i64;
    }

    /// Its receiver acknowledged one more than was seen, and nothing follows: a FIN that the capture lacks.
    fn ends_unseen(&self) -> bool {
        self.fin.is_none() && self.pieces.is_empty() && self.acked == self.next + 1
    }

    /// Where the bytes end that are missing from `next` on and will not come.
    fn hole(&self, answered: bool) -> Option<i64> {
        if answered && self.ends_unseen() {
            return None;
        }
        let first = self.pieces.first();
        let known = if answered { self.acked } else { first? };
        let end = known.min(first.unwrap_or(i64::MAX)).min(self.fin.unwrap_or(i64::MAX));
        (end > self.next).then_some(end)
    }

    fn skip(&mut self, end: i64, steps: &mut dyn FnMut(Step<'_>)) {
        steps(Step::Gap((end - self.next) as u64));
        self.next = end;
        self.missing = None;
        self.urgent = self.urgent.filter(|urgent| *urgent >= end);
    }
}

fn data(bytes: &[u8], steps: &mut dyn FnMut(Step<'_>)) {
    if !bytes.is_empty() {
        steps(Step::Data(bytes));
    }
}
