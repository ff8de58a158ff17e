//! What cells tell correlate.
//!
//! In: nothing. Out: [`Report`], with the key by which all reports of all cells are put into one order.
//! The clock in the key is that of the packet or, of a deadline, the exact due time: never that of
//! the packet or batch that made somebody look.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::{
    cells::{evidence::Evidence, knock::Knock, technique::Technique, walk::Ground, walk::Shape},
    decode::{Address, Tunnel},
    source::Time,
};

/// One thing that a cell has to tell.
#[derive(Clone, Debug)]
pub struct Report {
    /// When: of the packet, or the due time of a deadline.
    pub clock: Time,
    /// The packet, or the one that set the deadline.
    pub seq: u64,
    /// Whom it is about.
    pub source: Address,
    /// What.
    pub what: What,
}

/// What there is to tell. The order of variants is the order at equal time: what is known of the
/// terrain comes before the judgement that needs it.
#[derive(Clone, Debug)]
pub enum What {
    /// A host refused `source`, echoing its probe: it is there, and its network is in view.
    Alive {
        /// The host.
        target: Address,
    },
    /// A door answered `source`, the first in this cell to get an answer there.
    Answered {
        /// Whose door.
        target: Address,
        /// Its protocol.
        protocol: u8,
        /// Its port.
        port: u16,
    },
    /// `source` sent a probe that `other` had sent to the letter.
    Twin {
        /// Who was first.
        other: Address,
    },
    /// One of so many knocks of `source` in vain, the rest of which is not told.
    Vain {
        /// At whose door.
        target: Address,
        /// Its port.
        port: u16,
    },
    /// `source` has failed at several doors of one host and is below every threshold: those that were not told before.
    Few(Vec<Knock>),
    /// `source`, of IPv6, has failed at a door and is no scan; or it has succeeded, where its network has failed before.
    Turn(Box<Turn>),
    /// `source` has failed at a door and is not known to have knocked at another.
    Lone(Box<Knock>),
    /// `source`, about whom somebody asks, has come nearer to a ground for suspicion than before: what is known of it so
    /// far. It changes nothing.
    Near(Box<Suspicion>),
    /// `source` gives ground for suspicion, or has grown since it did.
    Suspicion(Box<Suspicion>),
    /// The scan has lasted another day.
    Day(Box<Suspicion>),
    /// The scan is over: it was quiet for long, or its record was given up, or the input ended.
    Ended(Box<Suspicion>),
}

/// One first contact of a source of IPv6, beside which others of its network may have had theirs.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Which.
    pub knock: Knock,
    /// Nobody of its /64 has had a success, as far as the cell knows.
    pub is_fresh: bool,
    /// Failures of the cell's networks before it that were not told, for there were too many.
    pub untold: u32,
}

/// A suspected scan at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Suspicion {
    /// How it knocks.
    pub technique: Technique,
    /// Why it is suspect.
    pub ground: Ground,
    /// What the first group that was suspect had in common.
    pub shape: Option<Shape>,
    /// The stamp of the packet that made this report: what the event will print.
    pub stamp: Time,
    /// The knocks that judgement looks at, in the order in which their outcomes became known; the
    /// latest ones, capped.
    pub case: Vec<Knock>,
    /// All that is known.
    pub evidence: Evidence,
    /// 802.1Q ids of the first probe seen as suspect.
    pub vlan: [u16; 2],
    /// What its packets came through.
    pub tunnel: Option<Box<Tunnel>>,
    /// The sender's link address then.
    pub mac: [u8; 6],
    /// Who makes the source knock, where that was seen.
    pub prompter: Option<Address>,
}

impl Suspicion {
    /// Of failures, of which nothing is known but what they were.
    #[must_use]
    pub fn of_failures(
        technique: Technique,
        shape: Option<Shape>,
        stamp: Time,
        case: Vec<Knock>,
        evidence: Evidence,
    ) -> Self {
        let (vlan, tunnel, mac, prompter) = Default::default();
        Self { technique, ground: Ground::Failures, shape, stamp, case, evidence, vlan, tunnel, mac, prompter }
    }
}

impl Report {
    /// The key of the one order.
    #[must_use]
    fn order(&self) -> (Time, u64, u8, Address, u8) {
        let (phase, technique) = match &self.what {
            What::Alive { .. } => (0, 0),
            What::Answered { .. } => (1, 0),
            What::Twin { .. } => (1, 1),
            What::Vain { .. } => (1, 2),
            What::Few(knocks) => (1, knocks.first().map_or(0, |k| k.technique as u8)),
            What::Turn(turn) => (1, 32 + turn.knock.technique as u8),
            What::Lone(knock) => (1, 48 + knock.technique as u8),
            What::Near(s) => (1, 16 + s.technique as u8),
            What::Suspicion(s) => (2, s.technique as u8),
            What::Day(s) => (3, s.technique as u8),
            What::Ended(s) => (4, s.technique as u8),
        };
        (self.clock, self.seq, phase, self.source, technique)
    }

    /// Which of two comes first in that order: nearly always the packets that they are of tell.
    #[inline]
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let of = |report: &Self| (report.clock, report.seq);
        of(self).cmp(&of(other)).then_with(|| self.order().cmp(&other.order()))
    }
}
