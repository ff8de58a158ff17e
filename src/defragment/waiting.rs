//! The datagrams that wait for more, each source within its share.
//!
//! In: fragments that may be added. Out: datagrams that are whole; what had to be given up is counted.
//! Whoever is nearest to its time-out goes first: when that is over, when its source has used up its
//! share, when memory is used up. Must not know what overlaps.
//! Source: RFC 8200 section 4.5; RFC 4963 section 6 on floods of fragments.
//! Read next: `building.rs` (one of them), `limits.rs` (how much).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
};

use foldhash::quality::RandomState;
use serde::{Deserialize, Serialize};

use super::{
    Counts, Fragment, Header, Limits, Loss,
    building::Building,
    limits::{DATAGRAM_COST, FRAGMENT_COST},
};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    source::Time,
};

/// What makes fragments belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Key {
    src: Address,
    dst: Address,
    id: u32,
    ipv6: bool,
    /// 0 in IPv6, whose fragments may name different next headers (RFC 8200 section 4.5).
    protocol: u8,
    vlan: [u16; 2],
}

impl Key {
    pub(super) fn of(header: &Header) -> Self {
        let &Header { src, dst, id, ipv6, protocol, vlan, .. } = header;
        Self { src, dst, id, ipv6, protocol: if ipv6 { 0 } else { protocol }, vlan }
    }

    /// Who pays for it: an IPv4 address, or a /64 of IPv6, whose addresses one host may take as it likes.
    fn payer(&self) -> Address {
        if self.ipv6 { Address(self.src.0 >> 64 << 64) } else { self.src }
    }
}

/// When a datagram's time is up, and a number of its own: their order is that in which they go.
type Due = (Time, u64);

#[derive(Debug, Serialize, Deserialize)]
struct Datagram {
    due: Due,
    building: Building,
}

impl Datagram {
    fn cost(&self) -> usize {
        DATAGRAM_COST + self.building.fragments() * FRAGMENT_COST + self.building.bytes()
    }
}

/// What one source has under way.
#[derive(Debug, Default)]
struct Account {
    held: usize,
    dues: BTreeSet<Due>,
}

/// All that wait. The hashes are random in each process, and in no order that shows: who forges fragments can aim at nothing.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    limits: Limits,
    datagrams: HashMap<Key, Datagram, RandomState>,
    dues: BTreeMap<Due, Key>,
    accounts: HashMap<Address, Account, RandomState>,
    next_number: u64,
    held: usize,
}

impl Waiting {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Building> {
        self.datagrams.get_mut(key).map(|datagram| &mut datagram.building)
    }

    /// Adds a fragment to its datagram, which begins with it where there is none, and takes the datagram out
    /// when it is whole. To have room, the oldest go: those of the same source when it is the source that has too much.
    pub(super) fn add(
        &mut self,
        key: Key,
        fragment: &Fragment<'_>,
        counts: &mut Counts,
    ) -> Result<Option<(u32, Building)>, Loss> {
        self.make_room(key, fragment, counts)?;
        if !self.datagrams.contains_key(&key) {
            self.begin(key, fragment);
        }
        let Some(datagram) = self.datagrams.get_mut(&key) else { return Ok(None) };
        datagram.building.add(fragment);
        let whole = datagram.building.whole();
        self.pay(key, (FRAGMENT_COST + fragment.known().len()) as isize);
        Ok(whole.and_then(|len| self.take(&key).map(|building| (len, building))))
    }

    /// Gives up what has waited too long at `now`.
    pub(super) fn expire(&mut self, now: Time, counts: &mut Counts) {
        while let Some((&(until, _), &key)) = self.dues.first_key_value() {
            if until >= now {
                break;
            }
            self.give_up(key, Loss::Timeout, counts);
        }
    }

    /// Gives up all.
    pub(super) fn finish(&mut self, counts: &mut Counts) {
        while let Some((_, &key)) = self.dues.first_key_value() {
            self.give_up(key, Loss::Unfinished, counts);
        }
    }

    /// Frees an IPv6 datagram's fragments, and keeps only that it must never be whole.
    pub(super) fn bury(&mut self, key: Key, counts: &mut Counts) {
        let Some(datagram) = self.datagrams.get_mut(&key) else { return };
        counts.lose(Loss::Overlap, datagram.building.fragments() as u64);
        let before = datagram.cost();
        datagram.building.bury();
        let freed = before - datagram.cost();
        self.pay(key, -(freed as isize));
    }

    fn begin(&mut self, key: Key, fragment: &Fragment<'_>) {
        let timeout = if key.ipv6 { self.limits.timeout_v6 } else { self.limits.timeout };
        let due = (fragment.clock + timeout, self.next_number);
        self.next_number += 1;
        self.dues.insert(due, key);
        self.accounts.entry(key.payer()).or_default().dues.insert(due);
        self.datagrams.insert(key, Datagram { due, building: Building::new(fragment.header) });
        self.pay(key, DATAGRAM_COST as isize);
    }

    fn make_room(&mut self, key: Key, fragment: &Fragment<'_>, counts: &mut Counts) -> Result<(), Loss> {
        let keep = self.datagrams.get(&key).map(|datagram| datagram.due);
        let begins = usize::from(keep.is_none());
        let cost = begins * DATAGRAM_COST + FRAGMENT_COST + fragment.known().len();
        let goes = |due: &&Due| Some(**due) != keep;
        while let Some(account) = self.accounts.get(&key.payer())
            && account.held + cost > self.limits.source_bytes
        {
            let oldest = account.dues.iter().find(goes).and_then(|due| self.dues.get(due)).copied();
            self.give_up(oldest.ok_or(Loss::Share)?, Loss::Share, counts);
        }
        if cost > self.limits.source_bytes {
            return Err(Loss::Share);
        }
        while self.held + cost > self.limits.bytes || self.len() + begins > self.limits.datagrams {
            let oldest = self.dues.iter().find(|(due, _)| goes(due)).map(|(_, key)| *key);
            self.give_up(oldest.ok_or(Loss::Memory)?, Loss::Memory, counts);
        }
        Ok(())
    }

    /// Books what a datagram costs more than before, or less.
    fn pay(&mut self, key: Key, cost: isize) {
        self.held = self.held.saturating_add_signed(cost);
        if let Some(account) = self.accounts.get_mut(&key.payer()) {
            account.held = account.held.saturating_add_signed(cost);
        }
    }

    fn give_up(&mut self, key: Key, loss: Loss, counts: &mut Counts) {
        if let Some(building) = self.take(&key) {
            counts.lose(loss, building.fragments() as u64);
        }
    }

    fn take(&mut self, key: &Key) -> Option<Building> {
        let datagram = self.datagrams.remove(key)?;
        self.dues.remove(&datagram.due);
        self.pay(*key, -(datagram.cost() as isize));
        if let Some(account) = self.accounts.get_mut(&key.payer()) {
            account.dues.remove(&datagram.due);
            if account.dues.is_empty() {
                self.accounts.remove(&key.payer());
            }
        }
        Some(datagram.building)
    }
}

impl Kept for Waiting {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Who is due when, and what each source holds, follows from the datagrams.
        let Self { limits: _, datagrams, dues: _, accounts: _, next_number, held: _ } = self;
        to.put(next_number)?;
        to.list(datagrams.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.next_number = from.take()?;
        for _ in 0..from.length(self.limits.datagrams)? {
            let (key, datagram): (Key, Datagram) = from.take()?;
            if !datagram.building.is_sound() || self.dues.insert(datagram.due, key).is_some() {
                return Err(Unfit::Damaged);
            }
            let (due, cost) = (datagram.due, datagram.cost());
            self.accounts.entry(key.payer()).or_default().dues.insert(due);
            if self.datagrams.insert(key, datagram).is_some() {
                return Err(Unfit::Damaged);
            }
            self.pay(key, cost as isize);
        }
        if self.held > self.limits.bytes { Err(Unfit::Other("fragments take more than their memory")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Defragmenter, Verdict, samples::*};
    use super::*;

    /// A fragment of datagram `id` from 10.0.0.`host`.
    fn of(host: u8, id: u32, offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
        let header = Header { src: Address::v4([10, 0, 0, host]), id, ..HEADER };
        Fragment { header, ..fragment(offset, more, payload) }
    }

    #[test]
    fn what_waits_longer_than_the_time_out_is_given_up() {
        let Limits { timeout, timeout_v6, .. } = Limits::default();
        let late = |clock| Fragment { clock: Time(clock), ..fragment(8, false, b"end") };
        assert!(rebuild(&[fragment(0, true, &[0; 8]), late(timeout)]).is_some());
        assert!(rebuild(&[fragment(0, true, &[0; 8]), late(timeout + 1)]).is_none());
        assert!(rebuild(&[v6(fragment(0, true, &[0; 8])), v6(late(timeout_v6))]).is_some());
        assert!(rebuild(&[v6(fragment(0, true, &[0; 8])), v6(late(timeout_v6 + 1))]).is_none());
    }

    #[test]
    fn the_oldest_gives_way_when_there_are_too_many() {
        let mut defragmenter = Defragmenter::new(Limits { datagrams: 2, ..Limits::default() });
        (1..=3).for_each(|id| _ = defragmenter.push(&of(1, id, 0, true, &[0; 8])));
        assert_eq!(defragmenter.counts().lost(Loss::Memory), 1);
        assert!(matches!(defragmenter.push(&of(1, 2, 8, false, &[0; 8])), Verdict::Whole(_)));
        assert!(matches!(defragmenter.push(&of(1, 1, 8, false, &[0; 8])), Verdict::Pending), "its beginning is gone");
    }

    #[test]
    fn a_source_that_floods_displaces_its_own_and_nobody_else_s() {
        let mut defragmenter = Defragmenter::default();
        defragmenter.push(&of(1, 7, 0, true, &[1; 1480]));
        let flood = [9; 1480];
        (0..20_000).for_each(|id| _ = defragmenter.push(&of(2, id, 0, true, &flood)));
        assert!(defragmenter.held() <= Limits::default().source_bytes + 4_096, "{}", defragmenter.held());
        assert!(defragmenter.counts().lost(Loss::Share) > 19_000 && defragmenter.counts().lost(Loss::Memory) == 0);
        assert!(matches!(defragmenter.push(&of(1, 7, 1480, false, &[1; 20])), Verdict::Whole(_)));
        assert!(matches!(defragmenter.push(&of(2, 19_999, 1480, false, &[1; 20])), Verdict::Whole(_)), "its latest");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share_one_account() {
        let mut defragmenter = Defragmenter::default();
        for host in 0..20_000 {
            let header = Header { src: Address(0x2001_0db8 << 96 | host), ipv6: true, ..HEADER };
            defragmenter.push(&Fragment { header, ..fragment(0, true, &[9; 1480]) });
        }
        assert!(defragmenter.held() <= Limits::default().source_bytes, "{}", defragmenter.held());
    }

    #[test]
    fn nothing_is_kept_of_a_source_that_has_nothing_under_way() {
        let mut waiting = Waiting::default();
        let mut counts = Counts::default();
        for host in 0..200 {
            let first = of(host, 1, 0, true, &[0; 8]);
            assert!(waiting.add(Key::of(&first.header), &first, &mut counts).unwrap().is_none());
        }
        assert_eq!(waiting.accounts.len(), 200);
        waiting.expire(Time(Limits::default().timeout + 1), &mut counts);
        assert_eq!((waiting.accounts.len(), waiting.dues.len(), waiting.len(), waiting.held()), (0, 0, 0, 0));
    }
}
