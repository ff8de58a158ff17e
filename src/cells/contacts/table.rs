//! Where first contacts are kept.
//!
//! In: names of doors. Out: the [`Contact`] of each, in a table that takes no more memory than it is given.
//! It is set-associative: a bucket of eight entries of one cache line each. What finds an entry (a sixteen-bit tag) and
//! until when it deserves its place stand in one more line before them, so that neither a look in vain nor the choice of who has to go
//! reads any entry, and a look costs one page and not two. It begins small and grows before anybody has to go. When it may not grow any more, a full
//! bucket gives up what has been judged before what is still open, the oldest first; a loss of an unjudged one is counted.
//! Must not know how contacts are judged.
//! Read next: `../room.rs` (how it grows), `../mod.rs` (who asks).

use std::{
    io,
    ops::{Deref, DerefMut},
};

use serde::{Deserialize, Serialize};

use super::{Contact, Door, State, window, worth};
use crate::{
    cells::{near::bring, room::Room},
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::Key,
    source::Time,
};

/// Entries of a bucket.
pub(super) const WAYS: usize = 8;

/// Where a contact lies in the table, until it is given up or the table grows.
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

/// Seven to a page.
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

    /// Whether a new entry would push another out.
    #[inline]
    fn is_full(&self) -> bool {
        self.head.tags.iter().all(|tag| *tag != 0)
    }

    /// Puts an entry in its place as it is.
    fn set(&mut self, way: usize, tag: u16, worth: u32, contact: &Contact) {
        let Head { tags, worths } = &mut self.head;
        if let (Some(t), Some(w), Some(c)) = (tags.get_mut(way), worths.get_mut(way), self.entries.get_mut(way)) {
            (*t, *w, *c) = (tag, worth / WAYS as u32 * WAYS as u32 + way as u32, *contact);
        }
    }

    /// An entry; this bucket is the one `at` this place in the table.
    #[inline]
    fn hold(&mut self, at: usize, way: usize) -> Option<Held<'_>> {
        let (contact, worth) = (self.entries.get_mut(way)?, self.head.worths.get_mut(way)?);
        Some(Held { contact, worth, slot: Slot((at * WAYS + way) as u32) })
    }
}

/// Where contacts have gone, by the slots that they were in.
#[derive(Debug, Default)]
pub struct Moves(Vec<Slot>);

impl Moves {
    /// Where the one has gone that was in a slot.
    #[must_use]
    pub fn of(&self, Slot(slot): Slot) -> Slot {
        self.0.get(slot as usize).copied().unwrap_or_default()
    }

    /// These, and then others.
    fn then(self, next: Self) -> Self {
        if self.0.is_empty() { next } else { Self(self.0.into_iter().map(|slot| next.of(slot)).collect()) }
    }
}

/// The table. It takes no memory before the first contact: of most captures few cells have any.
#[derive(Debug)]
pub struct Contacts {
    key: Key,
    room: Room,
    table: Vec<Bucket>,
    /// Where those in it have gone when it grew: to be taken out by whoever keeps slots.
    moves: Moves,
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
pub(in crate::cells) type Place = (usize, u16);

/// Where nothing belongs.
pub(in crate::cells) const NOWHERE: Place = (usize::MAX, 0);

impl Contacts {
    /// Bytes that one contact costs.
    pub const COST: usize = size_of::<Contact>() + size_of::<Head>() / WAYS;

    /// A table for `bytes` of memory, of doors with names by this `key`.
    #[must_use]
    pub fn new(bytes: usize, key: &Key) -> Self {
        let room = Room::new(bytes / size_of::<Bucket>());
        Self { key: key.clone(), room, table: Vec::new(), moves: Moves::default(), lost: 0, displaced: None }
    }

    /// Gives the table so many buckets.
    #[cold]
    fn grow(&mut self, buckets: usize, now: Time) {
        let old = self.room.grow(&mut self.table, Bucket::EMPTY, buckets);
        let mut moves = Moves(vec![Slot::default(); old.len() * WAYS]);
        let entries = old.iter().flat_map(|Bucket { head, entries }| head.tags.iter().zip(head.worths).zip(entries));
        for (((_, worth), contact), slot) in entries.zip(&mut moves.0).filter(|(((known, _), _), _)| **known != 0) {
            let (source, target) = (self.key.name(contact.source), self.key.name(contact.target));
            let (at, tag) = self.place(contact.door().name(&self.key, source, target));
            if let Some(way) = self.vacate(at, now)
                && let Some(bucket) = self.table.get_mut(at)
            {
                bucket.set(way, tag, worth, contact);
                *slot = Slot((at * WAYS + way) as u32);
            }
        }
        self.moves = std::mem::take(&mut self.moves).then(moves);
    }

    /// Makes room in a bucket, and tells where. Who has to go is counted, and kept for whoever has to know.
    #[inline]
    fn vacate(&mut self, at: usize, now: Time) -> Option<usize> {
        let Bucket { head, entries } = self.table.get(at)?;
        let way = head.least();
        let contact = entries.get(way)?;
        if *head.tags.get(way)? != 0 {
            let open = contact.state == State::Pending;
            self.lost += u64::from(open);
            if open || contact.may_be_settled(now) {
                self.displaced = Some(*contact);
            }
        }
        Some(way)
    }

    /// Where contacts have gone since the last call, if they have.
    #[inline]
    pub fn moves(&mut self) -> Option<Moves> {
        if self.moves.0.is_empty() { None } else { Some(std::mem::take(&mut self.moves)) }
    }

    /// How many contacts fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.room.most() * WAYS
    }

    /// Where a door with this name belongs.
    #[inline]
    fn place(&self, name: u64) -> Place {
        let bucket = ((name >> 32) * self.table.len() as u64) >> 32;
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
        let (mut at, tag) = self.place(name);
        if let Some(way) = self.table.get(at).and_then(|bucket| bucket.search(tag, door)) {
            return self.table.get_mut(at)?.hold(at, way).map(|held| Found::Known(held.seen(now)));
        }
        while self.room.is_left(self.table.len()) && self.table.get(at).is_none_or(Bucket::is_full) {
            self.grow(self.room.more(self.table.len()), now);
            at = self.place(name).0;
        }
        let way = self.vacate(at, now)?;
        let bucket = self.table.get_mut(at)?;
        let (known, contact) = (bucket.head.tags.get_mut(way)?, bucket.entries.get_mut(way)?);
        *known = tag;
        let Door { source, target, port, protocol, incoming } = *door;
        *contact = Contact { source, target, port, protocol, last: window(now), ..Contact::EMPTY };
        let mut new = bucket.hold(at, way)?;
        new.turn(if incoming { State::Incoming } else { State::Pending });
        Some(Found::New(new))
    }

    /// Has the head of a door's bucket fetched, and tells where that is.
    #[inline]
    pub(in crate::cells) fn bring_head(&self, name: u64) -> Place {
        let place = self.place(name);
        self.table.get(place.0).into_iter().for_each(|bucket| bring(&bucket.head));
        place
    }

    /// Has the entry fetched that a door has, or would get.
    #[inline]
    pub(in crate::cells) fn bring_entry(&self, (at, tag): Place) {
        let Some(Bucket { head, entries }) = self.table.get(at) else { return };
        let way = head.candidates(tag).next().unwrap_or_else(|| head.least());
        entries.get(way).into_iter().for_each(bring);
    }

    /// Has the entry in a slot fetched, and the head of its bucket.
    #[inline]
    pub(in crate::cells) fn bring_slot(&self, Slot(slot): Slot) {
        let (at, way) = (slot as usize / WAYS, slot as usize % WAYS);
        if let Some(Bucket { head, entries }) = self.table.get(at) {
            bring(head);
            entries.get(way).into_iter().for_each(bring);
        }
    }

    /// Whose contact lies in a slot.
    #[inline]
    pub(in crate::cells) fn source_at(&self, Slot(slot): Slot) -> Option<Address> {
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
        // How large it may grow follows from the memory, and nobody has moved who was not told of.
        let Self { key: _, room: _, table, moves: _, lost, displaced } = self;
        to.list(table.iter())?;
        to.put(&(lost, displaced))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.table = from.list(self.room.most())?;
        self.room.check(self.table.len())?;
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
    fn a_head_is_one_cache_line() {
        assert_eq!((size_of::<Head>(), size_of::<Bucket>()), (64, WAYS * Contacts::COST));
    }

    #[test]
    fn a_door_is_new_once() {
        let key = Key::new(1);
        let mut table = Contacts::new(64 << 10, &key);
        assert!(matches!(table.find_or_insert(name(&key, 22), &door(22), Time(0)), Some(Found::New(..))));
        assert!(matches!(table.find_or_insert(name(&key, 22), &door(22), Time(0)), Some(Found::Known(..))));
        assert!(table.find(name(&key, 23), &door(23), Time(0)).is_none());
    }

    #[test]
    fn nobody_takes_no_memory() {
        let key = Key::new(1);
        let mut table = Contacts::new(1 << 20, &key);
        assert!(table.find(name(&key, 22), &door(22), Time(0)).is_none() && table.table.capacity() == 0);
        table.find_or_insert(name(&key, 22), &door(22), Time(0));
        assert!(table.table.len() * WAYS * 16 <= table.capacity(), "and few take little");
        assert!(table.find(name(&key, 22), &door(22), Time(0)).is_some());
    }

    #[test]
    fn a_full_table_gives_up_what_is_judged_first_and_counts_the_rest() {
        let key = Key::new(1);
        let mut table = Contacts::new(WAYS * Contacts::COST, &key);
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

    #[test]
    fn it_grows_before_it_gives_up_anybody_and_tells_where_all_have_gone() {
        let key = Key::new(1);
        let mut table = Contacts::new(64 * WAYS * Contacts::COST, &key);
        let mut slots: Vec<(u16, Slot)> = Vec::new();
        let mut sizes = vec![0];
        for n in 1..=250 {
            let Some(Found::New(mut contact)) = table.find_or_insert(name(&key, n), &door(n), Time(0)) else {
                panic!("new")
            };
            contact.turn(if n % 2 == 0 { State::Closed } else { State::Pending });
            let slot = contact.slot;
            if let Some(moves) = table.moves() {
                for (_, slot) in &mut slots {
                    *slot = moves.of(*slot);
                }
            }
            slots.push((n, slot));
            sizes.push(table.table.len());
            for (n, slot) in &slots {
                assert_eq!(table.at(*slot).map(|held| held.door()), Some(door(*n)), "{n} of {}", slots.len());
            }
        }
        sizes.dedup();
        assert_eq!((sizes, table.lost), (vec![0, 4, 16, 64], 0));
        for (n, slot) in slots {
            let found = table.find(name(&key, n), &door(n), Time(0)).map(|held| (held.slot, held.state()));
            assert_eq!(found, Some((slot, if n % 2 == 0 { State::Closed } else { State::Pending })));
        }
    }
}
