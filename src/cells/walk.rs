//! The walk of one coherent group of first contacts, and when it makes a suspect.
//!
//! In: knocks of one source and technique that share a host (their ports) or a port (their hosts).
//! Out: a [`Ground`] for suspicion. Each failure is a step up, each answer a step down, and the sum
//! never falls below zero: success cannot be banked for later. A cell knows nothing of other
//! sources, so it takes every silence at its worst; `correlate/verdict.rs` knows better and decides.
//! Source: Jung et al. 2004 (sequential test), with the floor and the groups of our own.

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        knock::{After, Knock, Tally},
        outcome::Outcome,
        technique::{FIRST_UNPRIVILEGED, Technique},
    },
    decode::{Address, Marks},
    presets::tripline::Thresholds,
};

/// What the knocks of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Shape {
    /// The host: its ports are tried.
    Vertical(Address),
    /// The port: its hosts are tried.
    Horizontal(u16),
}

/// Why a group is suspect, as far as the cell can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// The walk reached its threshold.
    Failures,
    /// Packets that no honest stack sends.
    Dishonest,
    /// One source port and one sequence number on different doors.
    Repeated,
    /// Open doors reset without a word, and ever new ones.
    HalfOpen,
    /// Completed connections without a byte from the client, port after port.
    EmptyConnects,
    /// Connections on which the client said equally much, to port after port of one host: it has nothing to say.
    SameWords,
    /// Doors that an FTP client had named and that no client listens at.
    Bounced,
    /// Many hosts on one port, and a good part of them not there: nobody who knows where to go does that.
    Blind,
    /// Door after door that answered, each once and without a word: a list is being made.
    Once,
    /// Many contacts, most failed, that share neither host nor port.
    Incoherent,
}

/// Half a step: what a doubtful failure counts. All sums are in this unit.
pub const HALF: u32 = 1;
/// A step.
pub const STEP: u32 = 2;

/// The walk of one group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// How its members knocked.
    pub technique: Technique,
    /// What they share.
    pub shape: Shape,
    /// The walk's sum, in half steps.
    pub sum: u32,
    /// Its doors by outcome.
    pub tally: Tally,
    /// Doors on which the first one's source port and sequence number came again, the first included.
    repeated: u32,
    first: (u16, u32),
    /// Doors that got the first one's flags, the first included.
    alike: u32,
    flags: u8,
    /// Answered doors that the source reset at once.
    pub half_open: u32,
    /// Connections completed and closed without a byte.
    pub empty: u32,
    /// Connections on which as many bytes were said as on the first one, that one included; and how many of them
    /// went to a port that only a service has.
    same_words: (u32, u32),
    words: u32,
    /// Doors that the source was made to knock at.
    bounced: u32,
    /// Its failures are known to correlate, for the target's sake.
    pub told: bool,
}

impl Group {
    /// A group without members.
    #[must_use]
    pub fn new(shape: Shape, knock: &Knock) -> Self {
        let first = (knock.src_port, knock.isn);
        let technique = knock.technique;
        Self {
            technique,
            shape,
            sum: 0,
            tally: Tally::default(),
            repeated: 0,
            first,
            alike: 0,
            flags: knock.flags,
            half_open: 0,
            empty: 0,
            same_words: (0, 0),
            words: 0,
            bounced: 0,
            told: false,
        }
    }

    /// Whether a knock belongs here.
    #[must_use]
    pub fn holds(&self, knock: &Knock) -> bool {
        self.technique == knock.technique
            && match self.shape {
                Shape::Vertical(target) => target == knock.target,
                Shape::Horizontal(port) => port == knock.port,
            }
    }

    /// One step for a new door.
    pub fn step(&mut self, knock: &Knock) {
        self.tally.add(knock.outcome);
        if self.first == (knock.src_port, knock.isn) {
            self.repeated += 1;
        }
        self.alike += u32::from(self.flags == knock.flags);
        self.bounced += u32::from(knock.marks.has(Marks::BOUNCED));
        match knock.outcome {
            Outcome::Open => self.sum = self.sum.saturating_sub(STEP),
            // Noise is dropped by whoever gets it: only what is refused, or alike, tells.
            Outcome::Silent if !knock.technique.silence_tells() => {}
            // Silence is what UDP answers to a datagram that it takes or ignores: half a failure.
            Outcome::Silent if knock.technique == Technique::Udp => self.sum += HALF,
            _ => self.sum += STEP,
        }
    }

    /// A door that had been thought silent has answered after all.
    pub fn revise(&mut self, from: Outcome, to: Outcome) {
        self.tally.revise(from, to);
        if to == Outcome::Open {
            self.sum = self.sum.saturating_sub(2 * STEP);
        }
    }

    /// What the source did with a door that had answered.
    pub fn then(&mut self, knock: &Knock) {
        match knock.after {
            After::Reset => self.half_open += 1,
            After::Empty => self.empty += 1,
            After::Spoke if knock.said != 0 && (self.words == 0 || self.words == knock.said) => {
                self.words = knock.said;
                let (all, listeners) = self.same_words;
                self.same_words = (all + 1, listeners + u32::from(knock.port < FIRST_UNPRIVILEGED));
            }
            After::Nothing | After::Spoke | After::Ended | After::Claimed => {}
        }
    }

    /// A failure was only half of one.
    pub fn doubt(&mut self) {
        self.sum = self.sum.saturating_sub(STEP - HALF);
    }

    /// How near the group is to each ground that it could give, in the order in which they are asked.
    pub fn measures(&self, t: &Thresholds) -> impl Iterator<Item = Measure> {
        let count = |ground, has: u32, needs: u32| Measure::count(ground, has.into(), needs.into());
        let vertical = matches!(self.shape, Shape::Vertical(_));
        let (same, listeners) = self.same_words;
        let threshold = match self.technique {
            Technique::Arp => t.arp,
            _ if self.tally.open == 0 => t.walk,
            _ => t.walk_after_success,
        };
        let blind = Measure {
            share: Some(Share { part: self.tally.failed(), of: self.tally.doors(), percent: t.blind_percent.into() }),
            ..Measure::count(Ground::Blind, self.tally.doors(), t.blind.into())
        };
        [
            (!self.technique.is_honest()).then(|| count(Ground::Dishonest, self.alike, t.dishonest)),
            self.technique.is_tcp().then(|| count(Ground::Repeated, self.repeated, t.repeated)),
            Some(count(Ground::Failures, self.sum, threshold.saturating_mul(STEP))),
            self.may_be_blind().then_some(blind),
            Some(count(Ground::HalfOpen, self.half_open, t.half_open)),
            Some(count(Ground::Bounced, self.bounced, t.dishonest)),
            // Data connections may carry files of one length; they do not go to services.
            (vertical && 2 * listeners >= same).then(|| count(Ground::SameWords, same, t.empty_connects)),
            vertical.then(|| count(Ground::EmptyConnects, self.empty, t.empty_connects)),
        ]
        .into_iter()
        .flatten()
        .filter(|measure| !self.may_be_stale() || measure.ground == Ground::Repeated)
    }

    /// Whether its resets may be those of connections that only their client remembers: one that was asleep gets them from
    /// every server that it had. But not at one port with one number.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        self.technique == Technique::TcpAck && matches!(self.shape, Shape::Horizontal(_))
    }

    /// Whether the share of failures tells: on a port that only listeners own, or none. Where a walk among the living
    /// and the dead goes up and down for ever, too many still fail for anybody who knows where to go.
    fn may_be_blind(&self) -> bool {
        matches!(self.shape, Shape::Horizontal(port) if port < FIRST_UNPRIVILEGED)
            && self.technique.silence_tells()
            && !matches!(self.technique, Technique::Arp | Technique::Udp)
    }

    /// Whether the group gives ground for suspicion.
    #[must_use]
    pub fn ground(&self, t: &Thresholds) -> Option<Ground> {
        self.measures(t).find(Measure::is_reached).map(|measure| measure.ground)
    }
}

/// How near a group, or all contacts by one technique, are to a ground for suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Which.
    pub ground: Ground,
    /// How much there is of it: doors, of a walk half steps.
    pub has: u64,
    /// How much it takes.
    pub needs: u64,
    /// A share of doors that it takes, too.
    pub share: Option<Share>,
}

/// So many of so many, and how many in a hundred it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Doors that count.
    pub part: u64,
    /// Of all these.
    pub of: u64,
    /// It takes as many in a hundred.
    pub percent: u64,
}

impl Measure {
    /// One that is a count alone.
    #[must_use]
    pub fn count(ground: Ground, has: u64, needs: u64) -> Self {
        Self { ground, has, needs, share: None }
    }

    /// Whether that is enough.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.has >= self.needs && self.share.is_none_or(|s| s.part * 100 >= s.of * s.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{host, knock};

    fn group(shape: Shape, knocks: &[Knock]) -> Group {
        let mut group = Group::new(shape, &knocks[0]);
        for knock in knocks {
            group.step(knock);
        }
        group
    }

    fn ports(outcomes: &[Outcome]) -> Vec<Knock> {
        outcomes.iter().zip(1..).map(|(outcome, port)| knock(1, port, *outcome)).collect()
    }

    fn vertical(outcomes: &[Outcome]) -> Group {
        group(Shape::Vertical(host(1)), &ports(outcomes))
    }

    use Outcome::{Closed, Open, Silent};

    #[test]
    fn the_walk_never_falls_below_zero() {
        let mut walked = vertical(&[Open; 50]);
        assert_eq!(walked.sum, 0);
        walked.step(&knock(1, 99, Closed));
        assert_eq!(walked.sum, STEP, "fifty successes buy nothing");
        walked.revise(Silent, Open);
        assert_eq!(walked.sum, 0);
    }

    #[test]
    fn four_failures_are_ground_and_ten_after_a_success() {
        let t = Thresholds::default();
        assert_eq!(vertical(&[Closed; 3]).ground(&t), None);
        assert_eq!(vertical(&[Closed; 4]).ground(&t), Some(Ground::Failures));
        let after_success = |failures: usize| vertical(&[&[Open][..], &vec![Closed; failures]].concat()).ground(&t);
        assert_eq!(after_success(9), None);
        assert_eq!(after_success(10), Some(Ground::Failures));
    }

    #[test]
    fn doubtful_failures_count_half() {
        let udp = |k: Knock| Knock { technique: Technique::Udp, ..k };
        let silent: Vec<Knock> = ports(&[Silent; 8]).into_iter().map(udp).collect();
        let walked = group(Shape::Vertical(host(1)), &silent);
        assert_eq!(walked.sum, 8 * HALF, "silence over UDP");
        let mut walked = vertical(&[Closed; 4]);
        (0..4).for_each(|_| walked.doubt());
        assert_eq!(walked.sum, 4 * HALF, "doors that were tried anew");
    }

    #[test]
    fn noise_that_nobody_refuses_is_no_step_and_odd_sets_that_are_alike_are_ground() {
        let t = Thresholds::default();
        let odd = |flags: fn(u16) -> u8| {
            let odd = |k: Knock| Knock { technique: Technique::TcpOther, flags: flags(k.port), ..k };
            group(Shape::Vertical(host(1)), &ports(&[Silent; 9]).into_iter().map(odd).collect::<Vec<_>>()).ground(&t)
        };
        assert_eq!(odd(|port| port as u8), None);
        assert_eq!(odd(|_| 3), Some(Ground::Dishonest));
    }

    #[test]
    fn a_third_of_many_hosts_on_a_services_port_is_ground_on_a_clients_port_it_is_not() {
        let t = Thresholds::default();
        let sweep = |port: u16, every: usize| {
            let outcome = |n: usize| if n.is_multiple_of(every) { Closed } else { Open };
            let knocks: Vec<Knock> = (0..18).map(|n| knock(n as u8, port, outcome(n))).collect();
            group(Shape::Horizontal(port), &knocks).ground(&t)
        };
        assert_eq!(sweep(443, 3), Some(Ground::Blind));
        assert_eq!(sweep(443, 4), None);
        assert_eq!(sweep(8_443, 3), None);
    }

    #[test]
    fn a_group_holds_what_shares_its_host_or_port_and_its_technique() {
        let by_host = vertical(&[Closed]);
        let by_port = group(Shape::Horizontal(80), &[knock(1, 80, Closed)]);
        assert!(by_host.holds(&knock(1, 443, Open)) && !by_host.holds(&knock(2, 443, Open)));
        assert!(by_port.holds(&knock(2, 80, Open)) && !by_port.holds(&knock(2, 81, Open)));
        assert!(!by_host.holds(&Knock { technique: Technique::Udp, ..knock(1, 443, Open) }));
    }
}
