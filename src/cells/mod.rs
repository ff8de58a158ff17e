//! Cells: each owns the evidence about the addresses that hash to it.
//!
//! In: observations of its own addresses, both directions, in order. Out: [`Report`]s. There are
//! always 256 of them; each owns by value its slice of the memory budget and shares nothing, so that
//! they run in parallel and yet do the same on any machine. Pure: no I/O, no wall clock, no threads.
//!
//! A source's probes become first contacts (`contacts.rs`), which answers (`outcome.rs`) or deadlines
//! (`deadlines.rs`) end; the ended ones are walked in groups (`suspects.rs`, `walk.rs`); a group that
//! gives ground makes a scan, whose evidence (`evidence.rs`) goes to correlate in reports.
//!
//! Read next: `technique.rs`, `contacts.rs`, `sending.rs`, `receiving.rs`, `telling.rs`, `suspects.rs`, then `correlate`.

mod ahead;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod behaviour;
pub mod contacts;
pub mod copies;
pub mod deadlines;
pub mod distinct;
pub mod evidence;
mod kept;
pub mod knock;
mod named;
mod near;
pub mod outcome;
pub mod paths;
pub mod promised;
#[cfg(test)]
mod properties;
mod receiving;
pub mod report;
mod room;
pub mod rotation;
#[cfg(test)]
pub(crate) mod samples;
pub mod senders;
mod sending;
pub mod settled;
pub mod suspects;
pub mod technique;
mod telling;
pub mod twins;
pub mod waiting;
pub mod walk;
pub mod witness;

use std::sync::Arc;

use crate::{
    cells::{
        contacts::{Contacts, State},
        copies::Copies,
        deadlines::{Deadlines, Due},
        named::Named,
        paths::Paths,
        promised::Promised,
        rotation::Rotation,
        senders::Senders,
        settled::Settled,
        suspects::{Effect, Suspects},
        telling::{drawn_up, introduce},
        twins::Twins,
        waiting::Waiting,
        witness::{Witness, Witnesses},
    },
    decode::{Address, Kind, Marks, Observation},
    dispatch::{CELLS, Key, Role, Sighting, owners},
    presets::tripline::Thresholds,
    source::Time,
};

pub use ahead::{Evidence, Slate, see};
pub use report::{Report, Suspicion, What};

/// Shares of a cell's memory, in percent; the rest is for the awaited answers and for slack.
const CONTACTS_SHARE: usize = 45;
const WAITING_SHARE: usize = 14;
const SUSPECTS_SHARE: usize = 25;
const SEEN_SHARE: usize = 4;

/// Of so many knocks in vain one is told, for floods: of the first of unknown sources, and of repeats.
pub const SAMPLED: u64 = 64;

/// Lone knocks in vain that a cell tells of in sixteen seconds: of all cells 512 a second, more than the background of a /16.
pub const LONE: u32 = 32;

/// No kernel sends a SYN again sooner (RFC 6298 says a second); what comes sooner is a copy that the span made.
const RETRY: i64 = Time::SECOND / 2;

/// Who comes to an open door again after this long comes back; before, it is one visit.
const LATER: i64 = 30 * Time::SECOND;

/// A sequence number this far ahead at most belongs to the same connection (RFC 9293: half the space is the past).
const WINDOW: u32 = 1 << 30;

/// Whoever acknowledges no more than so many bytes beyond the target's first number has seen it: a guess comes so near
/// once in four thousand times.
const PROVEN: u32 = 1 << 20;

/// Counters of what a cell had to give up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// First contacts that were given up before they were judged.
    pub contacts: u64,
    /// Suspects that were given up.
    pub suspects: u64,
    /// Contacts that were called silent early since too many waited.
    pub early: u64,
}

impl Losses {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            contacts: self.contacts + other.contacts,
            suspects: self.suspects + other.suspects,
            early: self.early + other.early,
        }
    }
}

/// One cell.
#[derive(Debug)]
pub struct Cell {
    key: Key,
    named: Named,
    thresholds: Arc<Thresholds>,
    contacts: Contacts,
    waiting: Waiting,
    suspects: Suspects,
    deadlines: Deadlines,
    /// Direct-mapped memory of what was told already; forgetting only repeats a report.
    seen: Vec<u64>,
    /// Errands of which more packets say nothing new for now.
    settled: Settled,
    twins: Twins,
    paths: Paths,
    copies: Copies,
    senders: Senders,
    promised: Promised,
    rotation: Rotation,
    /// Those who tell of addresses that somebody asks about; there are none but for `tripline why`.
    witnesses: Witnesses,
    early: u64,
    /// Knocks in vain.
    vain: u64,
    /// Lone ones in a window of sixteen seconds, and which that is.
    lone: (i64, u32),
    reports: Vec<Report>,
}

/// Where and when something came to light: what a report says beside whom it is about.
#[derive(Clone, Copy, Debug)]
struct Moment {
    clock: Time,
    seq: u64,
    stamp: Time,
    vlan: [u16; 2],
}

impl Moment {
    fn of(o: &Observation) -> Self {
        Self { clock: o.clock, seq: o.seq, stamp: o.stamp, vlan: o.vlan }
    }
}

impl Cell {
    /// A cell with its share of `memory` bytes for all cells.
    #[must_use]
    pub fn new(memory: usize, key: Key, thresholds: Arc<Thresholds>) -> Self {
        let mine = memory / CELLS;
        let share = |percent| mine / 100 * percent;
        let contacts = Contacts::new(share(CONTACTS_SHARE), &key);
        let rest = mine - share(CONTACTS_SHARE + WAITING_SHARE + SUSPECTS_SHARE + SEEN_SHARE);
        Self {
            waiting: Waiting::new(share(WAITING_SHARE)),
            suspects: Suspects::new(share(SUSPECTS_SHARE), key.hash(0_u8)),
            deadlines: Deadlines::new((rest / Deadlines::COST).clamp(1, contacts.capacity())),
            seen: vec![0; (share(SEEN_SHARE) / 8).max(1)],
            contacts,
            settled: Settled::default(),
            twins: Twins::default(),
            paths: Paths::default(),
            copies: Copies::new(thresholds.copies),
            senders: Senders::default(),
            promised: Promised::default(),
            rotation: Rotation::default(),
            witnesses: Witnesses::default(),
            early: 0,
            vain: 0,
            lone: (i64::MIN, 0),
            reports: Vec::new(),
            named: Named::new(&key),
            key,
            thresholds,
        }
    }

    /// Tells of an address that somebody asks about, from now on: the first `keep` of its doors and the latest.
    pub fn watch(&mut self, source: Address, keep: usize) {
        self.witnesses.0.push(Witness::new(source, keep));
    }

    /// Those who were asked to tell.
    pub fn witnesses(&mut self) -> Vec<Witness> {
        std::mem::take(&mut self.witnesses).0
    }

    /// What there is to tell since the last call.
    pub fn reports(&mut self) -> std::vec::Drain<'_, Report> {
        self.reports.drain(..)
    }

    /// What was given up so far.
    #[must_use]
    pub fn losses(&self) -> Losses {
        Losses { contacts: self.contacts.lost, suspects: self.suspects.lost, early: self.early }
    }

    /// Packets that it was shown twice.
    #[must_use]
    pub fn copies(&self) -> u64 {
        self.copies.counted
    }

    /// Takes in one packet of one of its addresses.
    #[inline]
    pub fn see(&mut self, sighting: &Sighting<'_>) {
        let &Sighting { observation: o, role, errand, .. } = sighting;
        if role == Role::Probed {
            self.was_probed(errand, o);
        } else if !self.settled.holds(errand) {
            self.take_in(sighting);
        }
    }

    /// Takes in a packet that is not settled. What falls due before it comes first.
    #[inline]
    fn take_in(&mut self, sighting: &Sighting<'_>) {
        let &Sighting { observation: o, role, errand, names, .. } = sighting;
        self.settled.advance(o.clock);
        self.advance(o.clock);
        self.paths.note(&self.key, sighting);
        if self.copies.holds(&self.key, o) {
            self.copies.counted += u64::from(role == Role::Sender || !owners(o).sender);
            return;
        }
        self.named.turn_to(o, *names);
        let is_settled = match (o.kind, role) {
            (Kind::Udp, Role::Sender) => self.sent_datagram(o),
            (Kind::Udp, Role::Receiver) => self.received_datagram(o),
            (_, Role::Sender) => self.sent(o),
            (_, Role::Receiver | Role::Probed) => self.received(o),
        };
        if is_settled {
            self.settled.add(errand);
        }
    }

    /// Lets the clock go on to `now`.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        while let Some(due) = self.deadlines.next(now) {
            match due {
                Due::Answer(awaited) => {
                    self.fall_silent(&awaited, awaited.due);
                }
                Due::Chore(appointment) => self.look_after(appointment),
            }
        }
    }

    /// The packet for whose answer it has waited the longest.
    #[must_use]
    pub fn waits_for(&self) -> Option<u64> {
        self.deadlines.first()
    }

    /// The input ends at `now`: packets before the one with this `seq` will not be answered any more.
    pub fn wait_no_more(&mut self, now: Time, seq: u64) {
        while self.waits_for().is_some_and(|first| first < seq)
            && let Some(awaited) = self.deadlines.unanswered()
        {
            self.fall_silent(&awaited, awaited.due.min(now));
        }
    }

    /// And nobody will come back.
    pub fn review_all(&mut self, now: Time) {
        let t = Arc::clone(&self.thresholds);
        for suspect in self.suspects.iter_mut() {
            let source = suspect.source;
            for technique in suspect.reviews() {
                if suspect.review(technique, now, &self.key, &t) == Effect::None {
                    continue;
                }
                if let Some(scan) = suspect.scan_mut(technique) {
                    introduce(scan, source, &self.senders, &self.contacts, &self.key);
                    let moment = Moment { clock: now, seq: 0, stamp: scan.evidence.end, vlan: scan.vlan };
                    self.reports.push(drawn_up(scan, source, &self.promised, moment, What::Suspicion));
                }
            }
        }
    }

    /// And so every scan is over. Apart from the above, for a cell may hold many: those that nobody was told of need
    /// not be kept for all cells together.
    pub fn end(&mut self, now: Time) {
        for suspect in self.suspects.drain() {
            for scan in suspect.scans {
                let moment = Moment { clock: now, seq: u64::MAX, stamp: scan.evidence.end, vlan: scan.vlan };
                self.reports.push(drawn_up(&scan, suspect.source, &self.promised, moment, What::Ended));
            }
        }
    }

    /// Draws the conclusions when a new contact has moved others, or one had to go for it: its scan is no longer complete, and what was
    /// settled because it was known is open again.
    #[inline]
    fn make_room(&mut self, now: Time) {
        if let Some(moves) = self.contacts.moves() {
            self.deadlines.follow(&moves);
            self.waiting.follow(&moves);
        }
        let Some(contact) = self.contacts.displaced.take() else { return };
        if contact.may_be_settled(now) {
            self.settled.clear();
        }
        if contact.state() == State::Pending {
            let door = contact.door();
            self.witnesses.tell(door.source, |w| w.lost(&door, contact.technique));
            let suspect = self.suspects.get_mut(door.source);
            if let Some(scan) = suspect.and_then(|suspect| suspect.scan_mut(contact.technique)) {
                scan.evidence.evicted += 1;
            }
        }
    }
}

/// What is no knock at anybody's door: sent to many, or under the target's own address. (Over the loopback that is the
/// rule, and where people try the program first.)
fn is_silly(o: &Observation) -> bool {
    o.marks.has(Marks::TO_MANY) && o.kind != Kind::ArpRequest || o.src == o.dst && !o.src.ip().is_loopback()
}

/// Whether an address is nobody's: a host that has none yet uses it.
fn is_nobody(address: Address) -> bool {
    address.as_v4() == Some(0) || address.0 == 0
}
