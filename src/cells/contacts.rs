//! First contacts: who knocked at which door, and what became of it.
//!
//! In: keys of doors. Out: the [`Contact`] of each, in a table of fixed size.
//! The table is set-associative: a bucket of eight entries of one cache line each, found by
//! sixteen-bit tags that share a line of their own. A full bucket gives up what has been
//! judged before what is still open, the oldest first; a loss of an unjudged one is counted.
//! Must not know how contacts are judged.
//! Read next: `outcome.rs` (how answers are read), `mod.rs` (who asks).

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    cells::technique::Technique,
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Marks},
    dispatch::{Key, WINDOW},
    source::Time,
};

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
    /// What became of it.
    pub state: State,
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

    /// The door knocked at.
    #[must_use]
    pub fn door(&self) -> Door {
        let Self { source, target, port, protocol, .. } = *self;
        Door { source, target, port, protocol, incoming: self.state == State::Incoming }
    }

    /// Whether packets of its errands may have been settled in the window of `now`.
    #[must_use]
    pub fn may_be_settled(&self, now: Time) -> bool {
        self.last == window(now) && (self.state.is_answered() || self.state == State::Incoming)
    }

    /// Until when it deserves its place, in windows of the clock: of two, the one with the smaller goes first. What
    /// failed is evidence, for hours where somebody is slow; what was answered only saves a look later.
    fn worth(&self) -> u32 {
        const MINUTE: u32 = 4;
        const HOUR: u32 = 60 * MINUTE;
        let deserves = match self.state {
            State::Incoming | State::Traced => 0,
            State::Completed | State::Ended | State::Reset | State::Emptied | State::Promised => MINUTE,
            State::Open => 5 * MINUTE,
            State::Silent | State::Claimed => 2 * HOUR,
            State::Closed | State::Unreachable => 8 * HOUR,
            State::Pending => 24 * HOUR,
        };
        self.last.saturating_add(deserves)
    }
}

/// The window of the errands that a time lies in.
fn window(now: Time) -> u32 {
    (now.0 / WINDOW) as u32
}

/// Entries of a bucket.
const WAYS: usize = 8;

/// Where a contact lies in the table, until it is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot(u32);

/// The table.
#[derive(Debug)]
pub struct Contacts {
    tags: Vec<[u16; WAYS]>,
    entries: Vec<[Contact; WAYS]>,
    /// Contacts given up before they were judged.
    pub lost: u64,
    /// The last that was given up for a new one: to be taken out by whoever has to know.
    pub displaced: Option<Contact>,
}

/// What [`Contacts::find_or_insert`] came to.
pub enum Found<'a> {
    /// It was there.
    Known(Slot, &'a mut Contact),
    /// It is new: pending, to be filled in.
    New(Slot, &'a mut Contact),
}

impl Contacts {
    /// Bytes that one contact costs.
    pub const COST: usize = size_of::<Contact>() + size_of::<u16>();

    /// A table for `bytes` of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let buckets = (bytes / (WAYS * Self::COST)).max(1);
        let entries = vec![[Contact::EMPTY; WAYS]; buckets];
        Self { tags: vec![[0; WAYS]; buckets], entries, lost: 0, displaced: None }
    }

    /// How many contacts fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.entries.len() * WAYS
    }

    /// The bucket and the tag (never 0) of a door.
    fn place(&self, key: &Key, door: &Door) -> (usize, u16) {
        let hash = key.hash(door);
        let bucket = ((hash >> 32) * self.entries.len() as u64) >> 32;
        (bucket as usize, hash as u16 | 1)
    }

    fn search(&self, bucket: usize, tag: u16, door: &Door) -> Option<usize> {
        let tags = self.tags.get(bucket)?;
        let entries = self.entries.get(bucket)?;
        tags.iter().zip(entries).position(|(&t, entry)| t == tag && entry.is(door))
    }

    /// The contact at a door, if it is remembered. `now` is the clock.
    pub fn find(&mut self, key: &Key, door: &Door, now: Time) -> Option<(Slot, &mut Contact)> {
        let (bucket, tag) = self.place(key, door);
        let way = self.search(bucket, tag, door)?;
        let slot = Slot((bucket * WAYS + way) as u32);
        let contact = self.entries.get_mut(bucket)?.get_mut(way)?;
        contact.last = window(now);
        Some((slot, contact))
    }

    /// The contact at a door, as it is: looking does not keep it from ageing.
    #[must_use]
    pub fn peek(&self, key: &Key, door: &Door) -> Option<&Contact> {
        let (bucket, tag) = self.place(key, door);
        let way = self.search(bucket, tag, door)?;
        self.entries.get(bucket)?.get(way)
    }

    /// The contact at a door; a new one takes the place of the least dear of its bucket.
    /// `now` is the clock.
    pub fn find_or_insert(&mut self, key: &Key, door: &Door, now: Time) -> Option<Found<'_>> {
        let (bucket, tag) = self.place(key, door);
        if let Some(way) = self.search(bucket, tag, door) {
            let contact = self.entries.get_mut(bucket)?.get_mut(way)?;
            contact.last = window(now);
            return Some(Found::Known(Slot((bucket * WAYS + way) as u32), contact));
        }
        let tags = self.tags.get_mut(bucket)?;
        let entries = self.entries.get_mut(bucket)?;
        let way = tags.iter().position(|&t| t == 0).or_else(|| {
            let least = entries.iter().enumerate().min_by_key(|(_, contact)| contact.worth())?;
            self.lost += u64::from(least.1.state == State::Pending);
            self.displaced = Some(*least.1);
            Some(least.0)
        })?;
        *tags.get_mut(way)? = tag;
        let contact = entries.get_mut(way)?;
        let Door { source, target, port, protocol, incoming } = *door;
        let state = if incoming { State::Incoming } else { State::Pending };
        *contact = Contact { source, target, port, protocol, state, last: window(now), ..Contact::EMPTY };
        Some(Found::New(Slot((bucket * WAYS + way) as u32), contact))
    }

    /// The contact in a slot: whoever kept the slot must see that it is still the same.
    pub fn at(&mut self, Slot(slot): Slot) -> Option<&mut Contact> {
        let slot = slot as usize;
        self.entries.get_mut(slot / WAYS)?.get_mut(slot % WAYS)
    }
}

impl Kept for Contacts {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { tags, entries, lost, displaced } = self;
        to.put(tags.as_slice())?;
        to.put(entries.as_slice())?;
        to.put(&(lost, displaced))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.tags)?;
        from.fill(&mut self.entries)?;
        (self.lost, self.displaced) = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(n: u16) -> Door {
        let source = Address::v4([10, 0, 0, 2]);
        Door { source, target: Address::v4([10, 0, 0, 1]), port: n, protocol: 6, incoming: false }
    }

    #[test]
    fn a_contact_is_one_cache_line() {
        assert_eq!(size_of::<Contact>(), 64);
    }

    #[test]
    fn a_door_is_new_once() {
        let (key, mut table) = (Key::new(1), Contacts::new(64 << 10));
        assert!(matches!(table.find_or_insert(&key, &door(22), Time(0)), Some(Found::New(..))));
        assert!(matches!(table.find_or_insert(&key, &door(22), Time(0)), Some(Found::Known(..))));
        assert!(table.find(&key, &door(23), Time(0)).is_none());
    }

    #[test]
    fn a_full_table_gives_up_what_is_judged_first_and_counts_the_rest() {
        let (key, mut table) = (Key::new(1), Contacts::new(WAYS * Contacts::COST));
        assert_eq!(table.capacity(), WAYS);
        for n in 0..8 {
            let Some(Found::New(_, contact)) = table.find_or_insert(&key, &door(n), Time(0)) else { panic!("new") };
            contact.state = if n == 5 { State::Closed } else { State::Pending };
        }
        table.find_or_insert(&key, &door(100), Time(0));
        assert!(table.find(&key, &door(5), Time(0)).is_none(), "the judged one went");
        assert_eq!(table.lost, 0);
        table.find_or_insert(&key, &door(101), Time(0));
        assert_eq!(table.lost, 1);
    }
}
