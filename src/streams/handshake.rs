//! How a stream begins: which SYN, which SYN-ACK, and whether somebody took the connection up.
//!
//! In: segments of a pair of endpoints before their stream is established. Out: [`Begun`]: where both directions begin.
//! It must not know what comes after.
//!
//! Each side may have said several things, of which some never arrived: an evader sends SYNs with other numbers and a
//! low TTL. None is believed until the other side's acknowledgement names it.
//! Source: RFC 9293 section 3.5 (simultaneous open included), RFC 7413 (data on SYN).
//! Read next: `stream.rs`.

use super::{segment::Segment, side::LARGEST_WINDOW};
use crate::source::Time;

/// SYNs with different numbers that are kept of one side: more is no way to connect.
const MOST: usize = 4;

/// What a side said when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The number of its SYN.
    pub(super) seq: u32,
    /// What it acknowledges, if it is a SYN-ACK.
    ack: Option<u32>,
    pub(super) scale: Option<u8>,
    pub(super) timestamp: Option<(u32, Time)>,
    pub(super) window: u16,
    /// The highest of all its copies: one of them arrived.
    pub(super) ttl: u8,
    /// Data on the SYN, which counts when it is acknowledged.
    pub(super) payload: Box<[u8]>,
    pub(super) stamp: Time,
}

impl Opening {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        let &Segment { seq, scale, window, ttl, stamp, .. } = segment;
        let ack = segment.ack_flag().then_some(segment.ack);
        let timestamp = segment.timestamp.map(|value| (value, segment.clock));
        Self { seq, ack, scale, timestamp, window, ttl, payload: segment.payload.into(), stamp }
    }

    /// The number of the first byte behind the SYN.
    pub(super) fn first(&self) -> u32 {
        self.seq.wrapping_add(1)
    }

    /// How far behind the SYN (and the data on it) an acknowledgement lies, if it can be meant for it.
    pub(super) fn distance(&self, ack: u32) -> Option<u32> {
        let distance = ack.wrapping_sub(self.first());
        (i64::from(distance) <= LARGEST_WINDOW).then_some(distance)
    }

    /// Whether a SYN-ACK or a reset with this acknowledgement answers it.
    pub(super) fn is_answered_by(&self, ack: u32) -> bool {
        self.distance(ack).is_some_and(|distance| distance as usize <= self.payload.len())
    }
}

/// What was said so far; by the client (0) and the server (1).
#[derive(Debug, Default)]
pub(super) struct Handshake {
    said: [Vec<Opening>; 2],
}

/// What a segment means for a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It goes on.
    Goes,
    /// It is none of this handshake.
    Foreign,
    /// The sender goes on though no answer was seen yet: the segment must wait.
    Early,
    /// The connection is taken up.
    Begun(Box<Begun>),
    /// The target answered with a reset.
    Refused,
    /// One who had begun, or accepted, resets.
    GivenUp,
}

/// Which openings counted; none where it was not seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// Of the client and the server.
    pub(super) openings: [Option<Opening>; 2],
}

impl Handshake {
    /// Reads the next segment, of side `from`.
    pub(super) fn read(&mut self, segment: &Segment<'_>, from: usize) -> Meaning {
        if segment.rst() {
            self.read_reset(segment, from)
        } else if segment.syn() {
            let foreign =
                segment.ack_flag() && !self.said(1 - from).is_empty() && self.answered(segment, from).is_none();
            if foreign {
                return Meaning::Foreign;
            }
            self.add(segment, from);
            Meaning::Goes
        } else if segment.ack_flag() {
            self.read_ack(segment, from)
        } else {
            Meaning::Foreign
        }
    }

    /// A SYN that was seen before.
    pub(super) fn recall(&mut self, opening: Opening, from: usize) {
        if let Some(said) = self.said.get_mut(from) {
            said.reserve_exact(1);
            said.push(opening);
        }
    }

    /// The side accepted: it answered a SYN.
    pub(super) fn is_accepted(&self) -> bool {
        self.said.iter().flatten().any(|opening| opening.ack.is_some())
    }

    /// What a side said last.
    pub(super) fn last(&self, side: usize) -> Option<&Opening> {
        self.said(side).last()
    }

    /// Whether the side sent a SYN with this number.
    pub(super) fn has(&self, side: usize, seq: u32) -> bool {
        self.said(side).iter().any(|opening| opening.seq == seq)
    }

    /// Memory, beside its own size.
    pub(super) fn cost(&self) -> usize {
        self.said.iter().flatten().map(|opening| size_of::<Opening>() + opening.payload.len()).sum()
    }

    fn said(&self, side: usize) -> &[Opening] {
        self.said.get(side).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, segment: &Segment<'_>, from: usize) {
        let Some(said) = self.said.get_mut(from) else { return };
        let new = Opening::of(segment);
        if let Some(old) = said.iter_mut().find(|old| old.seq == new.seq && old.ack == new.ack) {
            old.ttl = old.ttl.max(new.ttl);
            return;
        }
        if said.len() == MOST {
            // The first is what most handshakes go by; the latest is what a retry goes by.
            said.remove(1);
        }
        // Nearly always the only one.
        said.reserve_exact(1);
        said.push(new);
    }

    /// What of the other side a segment answers or acknowledges: the nearest.
    fn answered(&self, segment: &Segment<'_>, from: usize) -> Option<&Opening> {
        let syn = segment.syn();
        let fits = self.said(1 - from).iter().filter_map(|opening| {
            let distance = opening.distance(segment.ack)?;
            (!syn || opening.is_answered_by(segment.ack)).then_some((distance, opening))
        });
        fits.min_by_key(|(distance, _)| *distance).map(|(_, opening)| opening)
    }

    fn read_ack(&self, segment: &Segment<'_>, from: usize) -> Meaning {
        let own = self.said(from).iter().filter_map(|own| Some((own.distance(segment.seq)?, own)));
        let own = own.min_by_key(|(distance, _)| *distance).map(|(_, own)| own);
        if own.is_none() && !self.said(from).is_empty() {
            return Meaning::Foreign;
        }
        let Some(other) = self.answered(segment, from) else {
            return if self.said(1 - from).is_empty() { Meaning::Early } else { Meaning::Foreign };
        };
        // One who accepted and then only acknowledges may be answering anything; what takes a connection up is the
        // acknowledgement of a SYN-ACK, or data.
        if other.ack.is_none() && !(own.is_some() && segment.takes_place()) {
            return if own.is_none() { Meaning::Early } else { Meaning::Goes };
        }
        let (own, other) = (own.cloned(), Some(other.clone()));
        let openings = if from == 0 { [own, other] } else { [other, own] };
        Meaning::Begun(Box::new(Begun { openings }))
    }

    fn read_reset(&self, segment: &Segment<'_>, from: usize) -> Meaning {
        let answers = segment.ack_flag() && self.said(1 - from).iter().any(|other| other.is_answered_by(segment.ack));
        if answers && self.said(from).is_empty() {
            return Meaning::Refused;
        }
        let own = self
            .said(from)
            .iter()
            .any(|own| own.distance(segment.seq).is_some_and(|d| d as usize <= own.payload.len()));
        // Who never saw the SYN of the other side resets by what that acknowledged.
        let by_ack = self.said(1 - from).iter().any(|other| other.ack == Some(segment.seq));
        if own || by_ack || answers { Meaning::GivenUp } else { Meaning::Foreign }
    }
}

impl Begun {
    /// The shift of each side's windows: none unless both said one (RFC 7323 section 1.3), unknown unless both were seen.
    pub(super) fn scales(&self) -> [Option<u8>; 2] {
        match &self.openings {
            [Some(client), Some(server)] => match (client.scale, server.scale) {
                (Some(client), Some(server)) => [Some(client), Some(server)],
                _ => [Some(0); 2],
            },
            _ => [None; 2],
        }
    }

    /// Where each side begins, if that can be known.
    pub(super) fn firsts(&self) -> [Option<u32>; 2] {
        let [client, server] = &self.openings;
        let acked = |other: &Option<Opening>| other.as_ref().and_then(|other| other.ack);
        let first = |own: &Option<Opening>, other| own.as_ref().map(Opening::first).or_else(|| acked(other));
        [first(client, server), first(server, client)]
    }

    /// How many bytes of the data on its SYN a side's peer acknowledged with the SYN-ACK.
    pub(super) fn taken_on_syn(&self, side: usize) -> &[u8] {
        let [client, server] = &self.openings;
        let (own, other) = if side == 0 { (client, server) } else { (server, client) };
        let (Some(own), Some(ack)) = (own, other.as_ref().and_then(|other| other.ack)) else { return &[] };
        own.distance(ack).and_then(|distance| own.payload.get(..distance as usize)).unwrap_or_default()
    }
}
