//! First contacts: who knocked at which door, and what became of it.
//!
//! In: nothing. Out: [`Door`], its [`Contact`] and that one's [`State`]; how long each deserves to be remembered.
//! Must not know how contacts are judged, nor how they are kept.
//! Read next: `contacts/table.rs` (where they are), `outcome.rs` (how answers are read), `mod.rs` (who asks).

mod table;

use serde::{Deserialize, Serialize};

use crate::{
    cells::technique::Technique,
    decode::{Address, Marks},
    dispatch::{Key, WINDOW},
    source::Time,
};

use table::WAYS;
pub use table::{Contacts, Found, Held, Moves, Slot};
pub(super) use table::{NOWHERE, Place};

/// What became of a first contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// No answer yet.
    Pending,
    /// Answered.
    Open,
    /// Answered, and the source reset it without a word.
    Reset,
    /// Answered, and the source's packets prove that it got the answer; it closed without a byte.
    Emptied,
    /// The same, and it sent something.
    Completed,
    /// Answered, and it ended the connection as one who got the answer, but its numbers prove nothing.
    Ended,
    /// No answer was seen, and it ended a connection as one who got it.
    Claimed,
    /// Refused.
    Closed,
    /// Some router said no.
    Unreachable,
    /// No answer came.
    Silent,
    /// Its hop limit ran out on the way: somebody traces a route.
    Traced,
    /// A datagram that came to the cell's own address: what goes back on it is an answer.
    Incoming,
    /// Nobody has knocked yet: FTP's control channel has named the door.
    Promised,
}

impl State {
    /// Whether the door has answered as one who wants to talk.
    #[must_use]
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Open | Self::Reset | Self::Emptied | Self::Completed | Self::Ended)
    }

    /// Whether an answer may still come, late as it may be.
    #[must_use]
    pub fn is_unanswered(self) -> bool {
        matches!(self, Self::Pending | Self::Silent | Self::Claimed)
    }
}

/// A door, and who knocks: the key of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Door {
    /// Who knocks.
    pub source: Address,
    /// At whose.
    pub target: Address,
    /// Port, protocol number or ICMP type: what stands for the port; 0 for ARP.
    pub port: u16,
    /// IP protocol number, 255 for ARP, 0 for any protocol as such.
    pub protocol: u8,
    /// The cell owns the target, not the source.
    pub incoming: bool,
}

impl Door {
    /// What it is called in the table, where its source and its target have these names.
    #[inline]
    #[must_use]
    pub fn name(&self, key: &Key, source: u64, target: u64) -> u64 {
        // In another order than they lie in memory: read at once, they would have to wait until each is written.
        let rest = u64::from(self.port) << 16 | u64::from(self.protocol) << 8 | u64::from(self.incoming);
        key.join(source, target, rest)
    }
}

/// A first contact. One cache line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub struct Contact {
    source: Address,
    target: Address,
    /// Stamp of its first packet.
    pub first: Time,
    /// Clock of its last packet, in windows: what ages it. No finer, for packets of settled errands are not seen.
    last: u32,
    /// TCP sequence number of the probe.
    pub isn: u32,
    /// Pending: the number that an answer must echo. Open: the target's sequence number. Completed: how many bytes the
    /// source has sent.
    pub echo: u32,
    port: u16,
    /// Source port of the probe.
    pub src_port: u16,
    protocol: u8,
    /// How it knocked.
    pub technique: Technique,
    /// See [`Contact::state`]: with each turn the head of its bucket is told.
    state: State,
    /// Flags of the probe.
    pub flags: u8,
    /// Hop limit of the probe.
    pub ttl: u8,
    /// TOS of the probe.
    pub tos: u8,
    /// The probe's marks.
    pub marks: Marks,
}

impl Contact {
    const EMPTY: Self = Self {
        source: Address(0),
        target: Address(0),
        first: Time(0),
        last: 0,
        isn: 0,
        echo: 0,
        port: 0,
        src_port: 0,
        protocol: 0,
        technique: Technique::TcpSyn,
        state: State::Silent,
        flags: 0,
        ttl: 0,
        tos: 0,
        marks: Marks(0),
    };

    fn is(&self, door: &Door) -> bool {
        self.source == door.source
            && self.target == door.target
            && self.port == door.port
            && self.protocol == door.protocol
            && (self.state == State::Incoming) == door.incoming
    }

    /// Who knocks.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Address {
        self.source
    }

    /// At whose door.
    #[inline]
    #[must_use]
    pub fn target(&self) -> Address {
        self.target
    }

    /// At which: see [`Door::port`].
    #[inline]
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The door knocked at.
    #[must_use]
    pub fn door(&self) -> Door {
        let Self { source, target, port, protocol, .. } = *self;
        Door { source, target, port, protocol, incoming: self.state == State::Incoming }
    }

    /// What became of it.
    #[inline]
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether packets of its errands may have been settled in the window of `now`.
    #[must_use]
    pub fn may_be_settled(&self, now: Time) -> bool {
        let settles = self.state.is_answered() || matches!(self.state, State::Incoming | State::Claimed);
        self.last == window(now) && settles
    }
}

/// Until when who has this state and came last in the window `last` deserves its place, in windows of the clock: of two,
/// the one with the smaller goes first. What failed is evidence, for hours where somebody is slow; what was answered only
/// saves a look later. Never 0.
#[inline]
fn worth(state: State, last: u32) -> u32 {
    const MINUTE: u32 = 4;
    const HOUR: u32 = 60 * MINUTE;
    let deserves = match state {
        State::Incoming | State::Traced => 1,
        State::Completed | State::Ended | State::Reset | State::Emptied | State::Promised => MINUTE,
        State::Open => 5 * MINUTE,
        State::Silent | State::Claimed => 2 * HOUR,
        State::Closed | State::Unreachable => 8 * HOUR,
        State::Pending => 24 * HOUR,
    };
    // With room for the bits of a way and none for a sign, which costs more to compare without: that is the year 2106.
    last.saturating_add(deserves).min(i32::MAX as u32 >> WAYS.trailing_zeros())
}

/// The window of the errands that a time lies in.
fn window(now: Time) -> u32 {
    (now.0 / WINDOW) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_one_cache_line() {
        assert_eq!(size_of::<Contact>(), 64);
    }
}
