//! First contacts: who knocked at which door, and what became of it.
//!
//! In: keys of doors. Out: the [`Contact`] of each, in a table of fixed size.
//! The table is set-associative: a bucket of eight entries of one cache line each. What finds an entry (a sixteen-bit tag) and
//! until when it deserves its place stand in one more line before them, so that neither a look in vain nor the choice of who has to go
//! reads any entry, and a look costs one page and not two. A full bucket gives up what has been judged before what is still open, the oldest first;
//! a loss of an unjudged one is counted.
//! Must not know how contacts are judged.
//! Read next: `outcome.rs` (how answers are read), `mod.rs` (who asks).

use std::{
    io,
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Serialize};

use crate::{
    cells::{near::bring, technique::Technique},
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

impl Door {
    /// What it is called in the table, where its source and its target have these names.
    #[inline]
    #[must_use]
    pub fn name(&self, key: &Key, source: u64, target: u64) -> u64 {
        let rest = u64::from(self.port) | u64::from(self.protocol) << 16 | u64::from(self.incoming) << 24;
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

/// Entries of a bucket.
const WAYS: usize = 8;

/// Where a contact lies in the table, until it is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot(u32);

/// What is to be known of a bucket's entries to find one, or the one that has to go. One cache line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
struct Head {
    /// Of the hashes of their doors; 0 where there is none.
    tags: [u16; WAYS],
    /// Until when each deserves its place, 0 where there is none, and in the lowest bits which it is: the smallest of all says both.
    worths: [u32; WAYS],
}

impl Head {
    const EMPTY: Self = Self { tags: [0; WAYS], worths: [0, 1, 2, 3, 4, 5, 6, 7] };

    /// The entries that a door may be, by its tag. All are compared at once, four to a word: where a difference is nothing, taking one from it
    /// borrows from its highest bit. (Of what is above such a one a difference of one seems nothing, too: who asks looks closer anyway.)
    #[inline]
    fn candidates(&self, tag: u16) -> impl Iterator<Item = usize> + use<> {
        const ONES: u64 = 0x0001_0001_0001_0001;
        let word = |four: &[u16]| four.iter().rev().fold(0, |word, tag| word << 16 | u64::from(*tag));
        let alike = |four: u64| {
            let differ = four ^ (u64::from(tag) * ONES);
            differ.wrapping_sub(ONES) & !differ & (ONES << 15)
        };
        // The second four one bit lower.
        let (first, second) = self.tags.split_at(WAYS / 2);
        let mut left = alike(word(first)) | alike(word(second)) >> 1;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(bit / 16 + 4 * (1 - bit % 2))
        })
    }

    /// A free entry, or the one that is to be given up.
    #[inline]
    fn least(&self) -> usize {
        self.worths.iter().fold(i32::MAX, |least, worth| least.min(*worth as i32)) as usize % WAYS
    }
}

/// Ten to a page.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Bucket {
    head: Head,
    entries: [Contact; WAYS],
}

impl Bucket {
    const EMPTY: Self = Self { head: Head::EMPTY, entries: [Contact::EMPTY; WAYS] };

    /// The entry of a door, by its tag.
    #[inline]
    fn search(&self, tag: u16, door: &Door) -> Option<usize> {
        let is_its = |way: &usize| self.entries.get(*way).is_some_and(|entry| entry.is(door));
        self.head.candidates(tag).find(is_its)
    }

    /// An entry; this bucket is the one `at` this place in the table.
    #[inline]
    fn hold(&mut self, at: usize, way: usize) -> Option<Held<'_>> {
        let (contact, worth) = (self.entries.get_mut(way)?, self.head.worths.get_mut(way)?);
        Some(Held { contact, worth, slot: Slot((at * WAYS + way) as u32) })
    }
}

/// The table. It takes no memory before the first contact: of most captures few cells have any.
#[derive(Debug)]
pub struct Contacts {
    /// How many buckets there are, or will be.
    buckets: usize,
    table: Vec<Bucket>,
    /// Contacts given up before they were judged.
    pub lost: u64,
    /// The last that was given up for a new one, if that makes a difference: to be taken out by whoever has to know.
    pub displaced: Option<Contact>,
}

/// A contact in its place in the table.
#[derive(Debug)]
pub struct Held<'a> {
    contact: &'a mut Contact,
    worth: &'a mut u32,
    /// Where it lies.
    pub slot: Slot,
}

impl Held<'_> {
    /// A packet of it came at `now`.
    #[inline]
    fn seen(mut self, now: Time) -> Self {
        self.contact.last = window(now);
        let state = self.contact.state;
        self.turn(state);
        self
    }

    /// Gives it another state, and copies it. (Whoever reads at once, as a whole, what was written in parts has to wait for it.)
    #[inline]
    pub fn turned(mut self, state: State) -> Contact {
        let contact = Contact { state, ..*self.contact };
        self.turn(state);
        contact
    }

    /// Gives it another state.
    #[inline]
    pub fn turn(&mut self, state: State) {
        self.contact.state = state;
        let way = self.slot.0 % WAYS as u32;
        *self.worth = (worth(state, self.contact.last) << WAYS.trailing_zeros()) | way;
    }
}

impl Deref for Held<'_> {
    type Target = Contact;
    fn deref(&self) -> &Contact {
        self.contact
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Contact {
        self.contact
    }
}

/// What [`Contacts::find_or_insert`] came to.
#[derive(Debug)]
pub enum Found<'a> {
    /// It was there.
    Known(Held<'a>),
    /// It is new: pending, to be filled in.
    New(Held<'a>),
}

/// Where a door belongs: its bucket and its tag, which is never 0.
pub(super) type Place = (usize, u16);

/// Where nothing belongs.
pub(super) const NOWHERE: Place = (usize::MAX, 0);

impl Contacts {
    /// Bytes that one contact costs.
    pub const COST: usize = size_of::<Contact>() + size_of::<Head>() / WAYS;

    /// A table for `bytes` of memory.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let buckets = (bytes / (WAYS * Self::COST)).max(1);
        Self { buckets, table: Vec::new(), lost: 0, displaced: None }
    }

    #[cold]
    fn begin(&mut self) {
        self.table = vec![Bucket::EMPTY; self.buckets];
    }

    /// How many contacts fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buckets * WAYS
    }

    /// Where a door with this name belongs.
    #[inline]
    fn place(&self, name: u64) -> Place {
        let bucket = ((name >> 32) * self.buckets as u64) >> 32;
        (bucket as usize, name as u16 | 1)
    }

    /// The contact at a door, which has a `name`, if it is remembered. `now` is the clock.
    pub fn find(&mut self, name: u64, door: &Door, now: Time) -> Option<Held<'_>> {
        let (at, tag) = self.place(name);
        let bucket = self.table.get_mut(at)?;
        let way = bucket.search(tag, door)?;
        bucket.hold(at, way).map(|held| held.seen(now))
    }

    /// The contact at a door, as it is: looking does not keep it from ageing.
    #[must_use]
    pub fn peek(&self, name: u64, door: &Door) -> Option<&Contact> {
        let (at, tag) = self.place(name);
        let bucket = self.table.get(at)?;
        bucket.entries.get(bucket.search(tag, door)?)
    }

    /// The contact at a door; a new one takes the place of the least dear of its bucket.
    /// `now` is the clock.
    pub fn find_or_insert(&mut self, name: u64, door: &Door, now: Time) -> Option<Found<'_>> {
        let (at, tag) = self.place(name);
        if self.table.is_empty() {
            self.begin();
        }
        let bucket = self.table.get_mut(at)?;
        if let Some(way) = bucket.search(tag, door) {
            return bucket.hold(at, way).map(|held| Found::Known(held.seen(now)));
        }
        let way = bucket.head.least();
        let (known, contact) = (bucket.head.tags.get_mut(way)?, bucket.entries.get_mut(way)?);
        if *known != 0 {
            let open = contact.state == State::Pending;
            self.lost += u64::from(open);
            if open || contact.may_be_settled(now) {
                self.displaced = Some(*contact);
            }
        }
        *known = tag;
        let Door { source, target, port, protocol, incoming } = *door;
        *contact = Contact { source, target, port, protocol, last: window(now), ..Contact::EMPTY };
        let mut new = bucket.hold(at, way)?;
        new.turn(if incoming { State::Incoming } else { State::Pending });
        Some(Found::New(new))
    }

    /// Has the head of a door's bucket fetched, and tells where that is.
    #[inline]
    pub(super) fn bring_head(&self, name: u64) -> Place {
        let place = self.place(name);
        self.table.get(place.0).into_iter().for_each(|bucket| bring(&bucket.head));
        place
    }

    /// Has the entry fetched that a door has, or would get.
    #[inline]
    pub(super) fn bring_entry(&self, (at, tag): Place) {
        let Some(Bucket { head, entries }) = self.table.get(at) else { return };
        let way = head.candidates(tag).next().unwrap_or_else(|| head.least());
        entries.get(way).into_iter().for_each(bring);
    }

    /// Has the entry in a slot fetched, and the head of its bucket.
    #[inline]
    pub(super) fn bring_slot(&self, Slot(slot): Slot) {
        let (at, way) = (slot as usize / WAYS, slot as usize % WAYS);
        if let Some(Bucket { head, entries }) = self.table.get(at) {
            bring(head);
            entries.get(way).into_iter().for_each(bring);
        }
    }

    /// Whose contact lies in a slot.
    #[inline]
    pub(super) fn source_at(&self, Slot(slot): Slot) -> Option<Address> {
        let slot = slot as usize;
        self.table.get(slot / WAYS)?.entries.get(slot % WAYS).map(|contact| contact.source)
    }

    /// The contact in a slot: whoever kept the slot must see that it is still the same.
    pub fn at(&mut self, Slot(slot): Slot) -> Option<Held<'_>> {
        let slot = slot as usize;
        self.table.get_mut(slot / WAYS)?.hold(slot / WAYS, slot % WAYS)
    }
}

impl Kept for Contacts {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // How many buckets there are follows from the memory.
        let Self { buckets: _, table, lost, displaced } = self;
        to.put(&table.is_empty())?;
        to.put(table.as_slice())?;
        to.put(&(lost, displaced))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        if !from.take::<bool>()? {
            self.begin();
        }
        from.fill(&mut self.table)?;
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

    fn name(key: &Key, n: u16) -> u64 {
        let door = door(n);
        door.name(key, key.name(door.source), key.name(door.target))
    }

    #[test]
    fn a_contact_is_one_cache_line() {
        assert_eq!((size_of::<Contact>(), size_of::<Head>()), (64, 64));
    }

    #[test]
    fn a_door_is_new_once() {
        let (key, mut table) = (Key::new(1), Contacts::new(64 << 10));
        assert!(matches!(table.find_or_insert(name(&key, 22), &door(22), Time(0)), Some(Found::New(..))));
        assert!(matches!(table.find_or_insert(name(&key, 22), &door(22), Time(0)), Some(Found::Known(..))));
        assert!(table.find(name(&key, 23), &door(23), Time(0)).is_none());
    }

    #[test]
    fn nobody_takes_no_memory() {
        let (key, mut table) = (Key::new(1), Contacts::new(1 << 20));
        assert!(table.find(name(&key, 22), &door(22), Time(0)).is_none() && table.table.capacity() == 0);
        table.find_or_insert(name(&key, 22), &door(22), Time(0));
        assert_eq!(table.table.len() * WAYS, table.capacity());
        assert!(table.find(name(&key, 22), &door(22), Time(0)).is_some());
    }

    #[test]
    fn a_full_table_gives_up_what_is_judged_first_and_counts_the_rest() {
        let (key, mut table) = (Key::new(1), Contacts::new(WAYS * Contacts::COST));
        assert_eq!(table.capacity(), WAYS);
        for n in 0..8 {
            let Some(Found::New(mut contact)) = table.find_or_insert(name(&key, n), &door(n), Time(0)) else {
                panic!("new")
            };
            contact.turn(if n == 5 { State::Closed } else { State::Pending });
        }
        table.find_or_insert(name(&key, 100), &door(100), Time(0));
        assert!(table.find(name(&key, 5), &door(5), Time(0)).is_none(), "the judged one went");
        assert_eq!(table.lost, 0);
        table.find_or_insert(name(&key, 101), &door(101), Time(0));
        assert_eq!(table.lost, 1);
    }
}
