//! A first contact as its source's record keeps it, once its outcome is known.
//!
//! In: a contact. Out: [`Knock`], and [`Tally`] to count them by outcome.
//! Read next: `suspects.rs` (who keeps them), `evidence.rs` (what a scan makes of them).

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        contacts::{Contact, State},
        outcome::Outcome,
        technique::Technique,
    },
    decode::{Address, Marks},
    fingerprint::Probe,
    source::Time,
};

/// One first contact with its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// At whose door.
    pub target: Address,
    /// Stamp of its first packet.
    pub stamp: Time,
    /// TCP sequence number of the probe.
    pub isn: u32,
    /// Bytes that the source had sent when it closed the connection.
    pub said: u32,
    /// Port, or what stands for it.
    pub port: u16,
    /// Source port of the probe.
    pub src_port: u16,
    /// The probe's marks.
    pub marks: Marks,
    /// How it knocked.
    pub technique: Technique,
    /// How it ended.
    pub outcome: Outcome,
    /// What the source did with an open door.
    pub after: After,
    /// Flags of the probe.
    pub flags: u8,
    /// Hop limit of the probe.
    pub ttl: u8,
    /// TOS of the probe.
    pub tos: u8,
}

/// What the source did after a door had answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum After {
    /// Nothing that tells, so far.
    Nothing,
    /// It reset the connection that it had asked for.
    Reset,
    /// It closed a completed connection without having sent a byte.
    Empty,
    /// It closed a completed connection on which it had sent something.
    Spoke,
    /// It closed as one who got the answer, but its numbers do not prove that.
    Ended,
    /// The same, and no answer was seen: one direction is not captured, or it pretends.
    Claimed,
}

impl Knock {
    /// A contact as a knock, with the outcome that its state stands for.
    #[must_use]
    pub fn of(contact: &Contact) -> Self {
        let outcome = match contact.state() {
            State::Open | State::Reset | State::Emptied | State::Completed | State::Ended => Outcome::Open,
            State::Closed => Outcome::Closed,
            State::Unreachable => Outcome::Unreachable,
            State::Claimed | State::Pending | State::Silent | State::Traced | State::Incoming | State::Promised => {
                Outcome::Silent
            }
        };
        let after = match contact.state() {
            State::Reset => After::Reset,
            State::Emptied => After::Empty,
            State::Completed => After::Spoke,
            State::Ended => After::Ended,
            State::Claimed => After::Claimed,
            _ => After::Nothing,
        };
        let door = contact.door();
        Self {
            target: door.target,
            stamp: contact.first,
            isn: contact.isn,
            said: if contact.state() == State::Completed { contact.echo } else { 0 },
            port: door.port,
            src_port: contact.src_port,
            marks: contact.marks,
            technique: contact.technique,
            outcome,
            after,
            flags: contact.flags,
            ttl: contact.ttl,
            tos: contact.tos,
        }
    }

    /// What of it shows its sender.
    #[must_use]
    pub fn probe(&self) -> Probe {
        let target = self.target.as_v4().filter(|_| self.technique.is_tcp());
        let &Self { port, src_port, isn: seq, ttl, marks, .. } = self;
        Probe { sign: marks.sign(), target, port, src_port, seq, ttl, dont_fragment: marks.has(Marks::DONT_FRAGMENT) }
    }

    /// Whether it is one of ICMP's requests, which ask for nothing but a sign of life.
    #[must_use]
    pub fn is_ping(&self) -> bool {
        matches!(self.technique, Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpMask)
    }

    /// Whether it is one and the same first contact, whatever became of it.
    #[must_use]
    pub fn is_at_same_door(&self, other: &Self) -> bool {
        (self.technique, self.target, self.port) == (other.technique, other.target, other.port)
    }

    /// Whether the door did not answer as one who wants to talk.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.outcome != Outcome::Open
    }
}

/// Doors by how they answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Answered.
    pub open: u64,
    /// Refused.
    pub closed: u64,
    /// A router said no.
    pub unreachable: u64,
    /// No word.
    pub silent: u64,
}

impl Tally {
    fn slot(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Open => &mut self.open,
            Outcome::Closed => &mut self.closed,
            Outcome::Unreachable => &mut self.unreachable,
            Outcome::Silent => &mut self.silent,
        }
    }

    /// Counts one door.
    pub fn add(&mut self, outcome: Outcome) {
        *self.slot(outcome) += 1;
    }

    /// A door that was thought to be `from` turned out to be `to`.
    pub fn revise(&mut self, from: Outcome, to: Outcome) {
        let slot = self.slot(from);
        *slot = slot.saturating_sub(1);
        self.add(to);
    }

    /// All doors.
    #[must_use]
    pub fn doors(&self) -> u64 {
        self.open + self.failed()
    }

    /// Those that did not answer as one who wants to talk.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.closed + self.unreachable + self.silent
    }
}
