//! One TCP connection: its states, and what each segment means in them.
//!
//! In: the segments of a pair of endpoints, in the order of the capture. Out: [`Outcome`], and steps for the [`Feed`].
//! It must not know other streams, nor memory beyond what it is told.
//!
//! ```text
//! opening ─► established ─► over        opening ─► over: attempted, refused, unreachable, half-open
//!            data, gaps     closed, reset, timed out, exiting, displaced
//! ```
//!
//! What is over is remembered for a minute, so that late copies do not begin anew.
//! Source: RFC 9293 section 3.10.7, RFC 5961 (resets and SYNs into open connections).
//! Read next: `handshake.rs`, `side.rs`, `feed.rs`.

use tripline_plugin::{Direction, End, Stream as About};

use super::{
    counts::Fate,
    feed::{Feed, Listeners},
    handshake::{Begun, Handshake, Meaning, Opening},
    segment::Segment,
    side::{Doubt, GRACE, Place, Side},
};
use crate::{defragment::Overlap, source::Time};

/// A SYN without an answer, or an answer that is not taken up: Linux gives the former up after 63 s.
const OPENING: i64 = 64 * Time::SECOND;
/// A connection on which nobody speaks. Two hours is when the first keep-alive comes, where they are on.
const IDLE: i64 = 2 * 3600 * Time::SECOND + 5 * 60 * Time::SECOND;
/// The same once one side has closed, and for streams of which one side alone was ever seen.
const IDLE_HALF: i64 = 10 * 60 * Time::SECOND;
/// After a reset that may have been obeyed.
const IDLE_RESET: i64 = 10 * Time::SECOND;
/// Late copies of what is over: twice what Linux takes for the life of a segment.
const OVER: i64 = 60 * Time::SECOND;

/// What a stream costs besides what waits in it: itself, its places in the tables and that of its client, with their
/// slack (measured: a map that has just doubled is half empty).
pub(super) const STREAM_COST: usize = size_of::<Stream>() + 448;

/// What became of a stream by a segment or by time.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Goes,
    /// It is over.
    Ends(End),
    /// It is over, and its ports begin another with the SYN of this side, if it was seen already, and this segment.
    Renews(End, Option<(Box<Opening>, usize)>),
    /// Nobody need remember it any longer.
    Forgotten,
}

#[derive(Debug)]
enum Phase {
    Opening(Handshake),
    Established,
    Over,
}

/// One connection.
pub(super) struct Stream {
    pub(super) about: About,
    /// The latest segment, by the clock.
    seen: Time,
    began: Time,
    phase: Phase,
    /// The client's direction and the server's.
    sides: [Side; 2],
    feed: Option<Feed>,
    /// A reset that its receiver may have obeyed, and when it came.
    reset: Option<Time>,
    /// How it seems to have ended before it was established, and when. A host that asks for timestamps does not obey a
    /// reset without the right one, so it counts when nobody takes the connection up.
    unborn: Option<(End, Time)>,
    /// A SYN into the open connection, and of whom.
    challenger: Option<(Box<Opening>, usize)>,
    /// Its first segment with data before the handshake was seen to be answered.
    early: Option<Time>,
}

impl Stream {
    /// Begins with nothing; the first segment says more. `overlaps` are the policies of the client and of the server,
    /// each for what it gets.
    pub(super) fn new(about: About, now: Time, overlaps: [Overlap; 2]) -> Self {
        let [to_client, to_server] = overlaps;
        let side = Side::new;
        let sides = [side(to_server), side(to_client)];
        let phase = Phase::Opening(Handshake::default());
        Self {
            about,
            seen: now,
            began: now,
            phase,
            sides,
            feed: None,
            reset: None,
            unborn: None,
            challenger: None,
            early: None,
        }
    }

    /// Begins with a SYN that was seen before.
    pub(super) fn recall(&mut self, opening: Opening, from: usize) {
        self.about.start = opening.stamp.0;
        if let Phase::Opening(handshake) = &mut self.phase {
            handshake.recall(opening, from);
        }
    }

    /// Whether what a sender sent can be its own, by its checksum.
    pub(super) fn vouches(&mut self, segment: &Segment<'_>, from: usize) -> bool {
        self.sides.get_mut(from).is_some_and(|side| side.vouches(segment))
    }

    /// Both sides are known to take part: it belongs to the pool of the established.
    pub(super) fn is_proven(&self) -> bool {
        matches!(self.phase, Phase::Established) && self.sides.iter().all(|side| side.heard)
    }

    /// It is over, and only remembered.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Memory, all in all.
    pub(super) fn cost(&self) -> usize {
        let opening = if let Phase::Opening(handshake) = &self.phase { handshake.cost() } else { 0 };
        let waiting: usize = self.sides.iter().map(Side::cost).sum();
        STREAM_COST + opening + waiting + self.feed.as_ref().map_or(0, Feed::cost)
    }

    /// The next segment. `room` is how many bytes may be kept of it before their turn.
    pub(super) fn read(&mut self, segment: &Segment<'_>, from: usize, room: usize, to: &mut Listeners<'_>) -> Outcome {
        self.about.seq = segment.place;
        if self.is_over() {
            return self.read_after_end(segment, from, to);
        }
        self.seen = segment.clock;
        self.about.now = segment.stamp.0;
        match &mut self.phase {
            Phase::Opening(handshake)
                if self.unborn.is_some()
                    && segment.syn()
                    && !handshake.has(from, segment.seq)
                    && !segment.ack_flag() =>
            {
                // It did end so: the next attempt is one of its own.
                Outcome::Renews(self.unborn().unwrap_or(End::Attempted), None)
            }
            Phase::Opening(handshake) => match handshake.read(segment, from) {
                Meaning::Goes => Outcome::Goes,
                Meaning::Foreign => {
                    to.counts.meet(Fate::WrongHandshake);
                    Outcome::Goes
                }
                Meaning::Early => self.wait_early(segment, from, room, to),
                Meaning::Refused => self.give_up(End::Refused, segment),
                Meaning::GivenUp => {
                    let end = if handshake.is_accepted() { End::HalfOpen } else { End::Attempted };
                    self.give_up(end, segment)
                }
                Meaning::Begun(begun) => {
                    self.establish(&begun, to);
                    self.go_on(segment, from, room, to)
                }
            },
            Phase::Established => self.go_on(segment, from, room, to),
            Phase::Over => Outcome::Goes,
        }
    }

    /// Meets a stream under way, by a segment with data.
    pub(super) fn meet(&mut self, segment: &Segment<'_>, from: usize, room: usize, to: &mut Listeners<'_>) -> Outcome {
        self.about.midstream = true;
        let [own, other] = self.turned(from);
        (own.ttl, own.heard) = (segment.ttl, true);
        own.begin(segment.seq);
        other.begin(segment.ack);
        self.phase = Phase::Established;
        self.feed = Some(to.feed(&self.about));
        self.go_on(segment, from, room, to)
    }

    /// An ICMP error says that the SYN with this number did not get through.
    pub(super) fn is_unreachable(&self, from: usize, seq: u32) -> bool {
        matches!(&self.phase, Phase::Opening(handshake) if !handshake.is_accepted() && handshake.has(from, seq))
    }

    /// When [`Self::settle`] has something to do though no packet comes.
    pub(super) fn due(&self) -> Time {
        let idle = match self.phase {
            Phase::Over => OVER,
            Phase::Opening(_) => OPENING,
            Phase::Established if self.reset.is_some() => IDLE_RESET,
            Phase::Established if !self.is_proven() || self.sides.iter().any(Side::is_closed) => IDLE_HALF,
            Phase::Established => IDLE,
        };
        // Answered or not, an attempt is over some time after its first SYN, however often it is repeated.
        let since = if matches!(self.phase, Phase::Opening(_)) { self.began } else { self.seen };
        let end = Time(since.0.saturating_add(idle));
        let waits = [self.early, self.unborn.map(|(_, since)| since)];
        let early = waits.into_iter().flatten().min().map(|since| Time(since.0.saturating_add(GRACE)));
        let sides = self.sides.iter().filter_map(Side::due).min().filter(|_| matches!(self.phase, Phase::Established));
        [early, sides].into_iter().flatten().fold(end, Time::min)
    }

    /// Does what time asks for, at [`Self::due`] or later.
    pub(super) fn settle(&mut self, now: Time, to: &mut Listeners<'_>) -> Outcome {
        if self.unborn.is_none() && self.early.is_some_and(|early| now.since(early) >= GRACE) {
            self.begin_one_sided(to);
        }
        self.drain(now, to);
        if self.both_closed() {
            return Outcome::Ends(End::Closed);
        }
        if now < self.due() {
            return Outcome::Goes;
        }
        if self.is_over() {
            return Outcome::Forgotten;
        }
        let silent = if self.reset.is_some() { End::Reset } else { End::TimedOut };
        Outcome::Ends(self.unborn().unwrap_or(silent))
    }

    /// Overlaps so far whose copies were not the same.
    pub(super) fn conflicts(&self) -> u64 {
        self.sides.iter().map(|side| side.pieces.conflicts).sum()
    }

    /// The input is over.
    pub(super) fn exit(&mut self, to: &mut Listeners<'_>) -> End {
        if self.unborn.is_none() {
            self.begin_one_sided(to);
        }
        let open = if self.reset.is_some() { End::Reset } else { End::Exiting };
        self.unborn().unwrap_or(open)
    }

    /// It is over: hands on what is left and says so. What then closed both directions was a proper end.
    pub(super) fn end(&mut self, mut end: End, to: &mut Listeners<'_>) {
        let mut unconfirmed = 0;
        self.settle_claims(Time(i64::MAX));
        let Self { sides, feed, about, .. } = self;
        let answered = [sides[1].heard, sides[0].heard];
        for ((side, answered), direction) in sides.iter_mut().zip(answered).zip(DIRECTIONS) {
            unconfirmed += side.finish(answered, &mut |step| {
                if let Some(feed) = feed {
                    feed.step(about, direction, &step, to);
                }
            });
            to.counts.conflicts += side.pieces.conflicts;
        }
        to.counts.meet_many(Fate::Unconfirmed, unconfirmed);
        if matches!(end, End::TimedOut | End::Exiting) && self.both_closed() {
            end = End::Closed;
        }
        to.counts.end(end);
        match self.feed.take() {
            Some(feed) => feed.end(&self.about, end, to.findings),
            None => {
                for (number, processor) in to.processors.iter_mut().enumerate() {
                    if processor.levels().tcp {
                        processor.attempted(&self.about, end, to.findings.of(number));
                    }
                }
            }
        }
        if let Phase::Opening(handshake) = &self.phase {
            // A copy of the same SYN is to be known.
            for side in [0, 1] {
                if let (Some(opening), Some(side)) = (handshake.last(side), self.sides.get_mut(side)) {
                    side.begin(opening.first());
                    side.heard = true;
                }
            }
        }
        (self.phase, self.challenger, self.early, self.reset, self.unborn) = (Phase::Over, None, None, None, None);
    }

    /// How it ends if it ends now without having been established.
    pub(super) fn unborn(&self) -> Option<End> {
        let Phase::Opening(handshake) = &self.phase else { return None };
        if let Some((end, _)) = self.unborn {
            return Some(end);
        }
        Some(if handshake.is_accepted() { End::HalfOpen } else { End::Attempted })
    }

    fn give_up(&mut self, end: End, segment: &Segment<'_>) -> Outcome {
        self.unborn.get_or_insert((end, segment.clock));
        Outcome::Goes
    }

    fn both_closed(&self) -> bool {
        matches!(self.phase, Phase::Established) && self.sides.iter().all(Side::is_closed)
    }

    fn turned(&mut self, from: usize) -> [&mut Side; 2] {
        let [client, server] = &mut self.sides;
        if from == 0 { [client, server] } else { [server, client] }
    }

    /// Both directions begin where the handshake says.
    fn establish(&mut self, begun: &Begun, to: &mut Listeners<'_>) {
        self.phase = Phase::Established;
        (self.early, self.unborn) = (None, None);
        self.feed = Some(to.feed(&self.about));
        let (scales, firsts) = (begun.scales(), begun.firsts());
        for (n, side) in self.sides.iter_mut().enumerate() {
            side.scale = scales.get(n).copied().flatten();
            if let Some(first) = firsts.get(n).copied().flatten() {
                side.begin_anew_at(first);
            }
            if let Some(opening) = begun.openings.get(n).and_then(Option::as_ref) {
                (side.ttl, side.heard) = (opening.ttl, true);
                side.recall_stamp(opening.timestamp);
            }
        }
        let [client, server] = &begun.openings;
        for (n, receiver) in [server, client].into_iter().enumerate() {
            let Some(side) = self.sides.get_mut(n) else { continue };
            if let Some(receiver) = receiver {
                // The window of a SYN is never scaled.
                side.offer(i64::from(receiver.window));
            }
            let taken = begun.taken_on_syn(n);
            if !taken.is_empty() {
                side.take_on_syn(taken);
            }
        }
        self.drain(self.seen, to);
    }

    /// The answer was not seen, but the sender goes on: waits for it, since one who goes on before it is there fools
    /// somebody.
    fn wait_early(&mut self, segment: &Segment<'_>, from: usize, room: usize, to: &mut Listeners<'_>) -> Outcome {
        let Phase::Opening(handshake) = &self.phase else { return Outcome::Goes };
        let Some(first) = handshake.last(from).map(Opening::first) else {
            let early = self.early.is_some();
            let [own, _] = self.turned(from);
            if early && own.place(segment, true) == Place::Here(None) {
                // The answer was missed, but both agree on it.
                self.begin_one_sided(to);
                return self.go_on(segment, from, room, to);
            }
            to.counts.meet(Fate::WrongHandshake);
            return Outcome::Goes;
        };
        let early = self.early.is_some();
        let [own, other] = self.turned(from);
        if !early {
            own.begin(first);
            other.begin(segment.ack);
        }
        own.heard = true;
        if own.place(segment, false) != Place::OutOfWindow
            && !own.take(segment, Some(Doubt::Acknowledgement), room, &mut |_| ())
        {
            to.counts.meet(Fate::PieceMemory);
        }
        self.early.get_or_insert(segment.clock);
        Outcome::Goes
    }

    /// Nobody answers in this capture, and somebody goes on: its other half went another way.
    fn begin_one_sided(&mut self, to: &mut Listeners<'_>) {
        if self.early.take().is_some() && matches!(self.phase, Phase::Opening(_)) {
            self.phase = Phase::Established;
            self.feed = Some(to.feed(&self.about));
        }
    }

    fn go_on(&mut self, segment: &Segment<'_>, from: usize, room: usize, to: &mut Listeners<'_>) -> Outcome {
        if segment.syn() {
            return self.challenged(segment, from, to);
        }
        if let Some(outcome) = self.hear(segment, from) {
            return outcome;
        }
        let [own, other] = self.turned(from);
        let place = own.place(segment, other.heard);
        if segment.rst() {
            return self.reset(segment, from, place, to);
        }
        if !segment.ack_flag() {
            to.counts.meet(Fate::WithoutAck);
            return Outcome::Goes;
        }
        let mut doubt = match place {
            Place::Here(doubt) => doubt,
            Place::Old => {
                to.counts.meet(Fate::Repeated);
                return Outcome::Goes;
            }
            Place::OutOfWindow => {
                to.counts.meet(Fate::OutOfWindow);
                return Outcome::Goes;
            }
        };
        let Place::Here(doubtful) = other.place_of_ack(segment.ack) else {
            to.counts.meet(Fate::FalseAck);
            return Outcome::Goes;
        };
        doubt = doubt.or(doubtful);
        // Where a SYN was missed nobody knows the shift; the largest refuses nothing.
        let window = i64::from(segment.window) << own.scale.unwrap_or(14);
        match doubt {
            None => {
                other.acknowledge(segment.ack, window);
                own.remember(segment, other.heard);
            }
            Some(doubt) => {
                to.counts.meet(doubt.fate());
                if doubt == Doubt::Acknowledgement {
                    other.claim(segment.ack, window, segment.clock);
                }
            }
        }
        let direction = direction(from);
        let Self { sides, feed, about, reset, .. } = self;
        if doubt.is_none() && reset.is_some_and(|reset| segment.clock.since(reset) >= GRACE) {
            // Somebody who goes on did not obey.
            *reset = None;
        }
        let taken = sides.get_mut(from).is_none_or(|own| {
            own.take(segment, doubt, room, &mut |step| {
                if let Some(feed) = feed {
                    feed.step(about, direction, &step, to);
                }
            })
        });
        if !taken {
            to.counts.meet(Fate::PieceMemory);
        }
        self.drain(segment.clock, to);
        if self.both_closed() { Outcome::Ends(End::Closed) } else { Outcome::Goes }
    }

    /// The first segment of a side that had not been seen: where it stands is known by what the other acknowledged.
    fn hear(&mut self, segment: &Segment<'_>, from: usize) -> Option<Outcome> {
        let (proven, midstream) = (self.is_proven(), self.about.midstream);
        let [own, other] = self.turned(from);
        if own.heard || segment.rst() {
            return None;
        }
        if other.place_of_ack(segment.ack) == Place::OutOfWindow && midstream && !proven {
            // Both cannot be of one stream, and what came first was believed too soon.
            let data = segment.len > 0;
            return Some(if data { Outcome::Renews(End::TimedOut, None) } else { Outcome::Goes });
        }
        let far = own.place(segment, true) == Place::OutOfWindow;
        if far {
            own.begin(segment.seq);
        }
        (own.heard, own.ttl) = (true, segment.ttl);
        None
    }

    /// Resets end a stream only at exactly the place that the receiver waits for (RFC 5961 section 3); at others in the
    /// window, and doubtful ones, when it is silent from then on.
    fn reset(&mut self, segment: &Segment<'_>, from: usize, place: Place, to: &mut Listeners<'_>) -> Outcome {
        let [own, _] = self.turned(from);
        match place {
            // A reset needs no timestamp (RFC 7323 section 3.2).
            Place::Here(None | Some(Doubt::Timestamp)) if own.is_exact(segment.seq) => Outcome::Ends(End::Reset),
            Place::Here(_) => {
                to.counts.meet(Fate::InexactReset);
                self.reset = Some(segment.clock);
                Outcome::Goes
            }
            Place::Old | Place::OutOfWindow => {
                to.counts.meet(Fate::FalseReset);
                Outcome::Goes
            }
        }
    }

    /// A SYN into an open connection: a copy, a forgery, or the beginning of another one, which counts when it is
    /// answered (RFC 5961 section 4).
    fn challenged(&mut self, segment: &Segment<'_>, from: usize, to: &mut Listeners<'_>) -> Outcome {
        let unproven = self.about.midstream && !self.is_proven();
        let [own, _] = self.turned(from);
        if own.heard && own.is_first(segment.seq.wrapping_add(1)) && !unproven {
            to.counts.meet(Fate::Repeated);
            return Outcome::Goes;
        }
        if unproven {
            return Outcome::Renews(End::TimedOut, None);
        }
        if !segment.ack_flag() {
            self.challenger = Some((Box::new(Opening::of(segment)), from));
            return Outcome::Goes;
        }
        let answered = self.challenger.take_if(|(opening, by)| *by != from && opening.is_answered_by(segment.ack));
        if answered.is_some() {
            return Outcome::Renews(End::TimedOut, answered);
        }
        to.counts.meet(Fate::WrongHandshake);
        Outcome::Goes
    }

    fn read_after_end(&mut self, segment: &Segment<'_>, from: usize, to: &mut Listeners<'_>) -> Outcome {
        let [own, _] = self.turned(from);
        if segment.syn() && !segment.ack_flag() && !(own.heard && own.is_first(segment.seq.wrapping_add(1))) {
            return Outcome::Renews(End::Closed, None);
        }
        to.counts.meet(Fate::AfterEnd);
        Outcome::Goes
    }

    /// What one side acknowledged is believed to have been sent by the other, or not yet.
    fn settle_claims(&mut self, now: Time) {
        let [client, server] = &mut self.sides;
        if client.settle_claims(now) {
            server.pieces.believe_claims();
        }
        if server.settle_claims(now) {
            client.pieces.believe_claims();
        }
    }

    /// Hands on whatever can be, of both directions.
    fn drain(&mut self, now: Time, to: &mut Listeners<'_>) {
        if !matches!(self.phase, Phase::Established) {
            return;
        }
        self.settle_claims(now);
        let Self { sides, feed, about, .. } = self;
        let [client, server] = sides;
        let answered = [server.heard, client.heard];
        for ((side, answered), direction) in [client, server].into_iter().zip(answered).zip(DIRECTIONS) {
            side.drain(now, answered, &mut |step| {
                if let Some(feed) = feed {
                    feed.step(about, direction, &step, to);
                }
            });
        }
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

fn direction(from: usize) -> Direction {
    if from == 0 { Direction::ToServer } else { Direction::ToClient }
}

impl Doubt {
    fn fate(self) -> Fate {
        match self {
            Self::Ttl => Fate::DoubtfulTtl,
            Self::Timestamp => Fate::DoubtfulTimestamp,
            Self::Window => Fate::DoubtfulWindow,
            Self::Acknowledgement => Fate::DoubtfulAck,
        }
    }
}
