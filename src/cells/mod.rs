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
//! Read next: `technique.rs`, `contacts.rs`, `outcome.rs`, `suspects.rs`, then `correlate`.

#[cfg(test)]
mod behaviour;
pub mod contacts;
pub mod copies;
pub mod deadlines;
pub mod distinct;
pub mod evidence;
pub mod knock;
pub mod outcome;
pub mod paths;
pub mod promised;
#[cfg(test)]
mod properties;
pub mod report;
#[cfg(test)]
pub(crate) mod samples;
pub mod senders;
pub mod suspects;
pub mod technique;
pub mod twins;
pub mod waiting;
pub mod walk;
pub mod witness;

use std::sync::Arc;

use crate::{
    cells::{
        contacts::{Contact, Contacts, Door, Found, Slot, State},
        copies::Copies,
        deadlines::{Appointment, Awaited, Chore, Deadlines, Due},
        knock::{After, Knock},
        outcome::{Outcome, TCP, UDP, Word, answer, door_of, echo_of, echoes, has_no_route},
        paths::Paths,
        promised::Promised,
        senders::{Senders, tail},
        suspects::{Effect, Scan, Suspects},
        technique::{ACK, FIRST_UNPRIVILEGED, RST, SYN, Technique, is_reset_probe, probes},
        twins::Twins,
        waiting::{Lone, Waiting},
        witness::{Witness, Witnesses},
    },
    decode::{Address, Kind, Marks, Observation, observation::ARP},
    dispatch::{CELLS, Key, Role, Sighting, WINDOW as ERRAND, owners},
    fingerprint::{self, Sign},
    presets::tripline::Thresholds,
    source::Time,
};

pub use report::{Report, Suspicion, What};

/// Shares of a cell's memory, in percent; the rest is for the awaited answers and for slack.
const CONTACTS_SHARE: usize = 42;
const WAITING_SHARE: usize = 14;
const SUSPECTS_SHARE: usize = 25;
const SEEN_SHARE: usize = 4;

/// Of so many knocks in vain one is told, for floods: of the first of unknown sources, and of repeats.
pub const SAMPLED: u64 = 64;

/// Errands that are remembered as settled: 2 KiB a cell.
const SETTLED: usize = 256;

/// Where an errand is remembered.
#[inline]
fn settled_at(errand: u64) -> usize {
    (errand >> 32) as usize % SETTLED
}

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
    thresholds: Arc<Thresholds>,
    contacts: Contacts,
    waiting: Waiting,
    suspects: Suspects,
    deadlines: Deadlines,
    /// Direct-mapped memory of what was told already; forgetting only repeats a report.
    seen: Vec<u64>,
    /// Direct-mapped memory of errands of which more packets say nothing new for now.
    settled: Box<[u64; SETTLED]>,
    twins: Twins,
    paths: Paths,
    copies: Copies,
    senders: Senders,
    promised: Promised,
    /// Those who tell of addresses that somebody asks about; there are none but for `tripline why`.
    witnesses: Witnesses,
    early: u64,
    /// Knocks in vain.
    vain: u64,
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
        let contacts = Contacts::new(share(CONTACTS_SHARE));
        let rest = mine - share(CONTACTS_SHARE + WAITING_SHARE + SUSPECTS_SHARE + SEEN_SHARE);
        Self {
            waiting: Waiting::new(share(WAITING_SHARE)),
            suspects: Suspects::new(share(SUSPECTS_SHARE), key.hash(0_u8)),
            deadlines: Deadlines::new((rest / Deadlines::COST).clamp(1, contacts.capacity())),
            seen: vec![0; (share(SEEN_SHARE) / 8).max(1)],
            contacts,
            settled: Box::new([0; SETTLED]),
            twins: Twins::default(),
            paths: Paths::default(),
            copies: Copies::new(thresholds.copies),
            senders: Senders::default(),
            promised: Promised::default(),
            witnesses: Witnesses::default(),
            early: 0,
            vain: 0,
            reports: Vec::new(),
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

    /// Takes in one packet of one of its addresses. What falls due before it comes first.
    #[inline]
    pub fn see(&mut self, sighting: Sighting<'_>) {
        let Sighting { observation: o, role, errand, .. } = sighting;
        if self.is_settled(errand) {
            return;
        }
        self.advance(o.clock);
        self.paths.note(&self.key, &sighting);
        if self.copies.holds(&self.key, o) {
            self.copies.counted += u64::from(role == Role::Sender || !owners(o).sender);
            return;
        }
        let is_settled = match (o.kind, role) {
            (Kind::Udp, Role::Sender) => self.sent_datagram(o),
            (Kind::Udp, Role::Receiver) => self.received_datagram(o),
            (_, Role::Sender) => self.sent(o),
            (_, Role::Receiver) => self.received(o),
        };
        if let Some(place) = self.settled.get_mut(settled_at(errand)).filter(|_| is_settled && errand != 0) {
            *place = errand;
        }
    }

    /// Whether more packets of an errand say nothing new.
    #[inline]
    fn is_settled(&self, errand: u64) -> bool {
        errand != 0 && self.settled.get(settled_at(errand)) == Some(&errand)
    }

    /// True when another datagram of the errand would change nothing.
    fn sent_datagram(&mut self, o: &Observation) -> bool {
        if is_silly(o) || is_nobody(o.src) {
            return false;
        }
        let back = Door { source: o.dst, target: o.src, port: o.src_port, protocol: UDP, incoming: true };
        let to_lower = o.dst_port <= o.src_port;
        if self.contacts.find(&self.key, &back, o.clock).is_some() {
            return !to_lower;
        }
        self.probe(o, Technique::Udp) == State::Open && to_lower
    }

    /// True when another datagram of the errand would change nothing.
    fn received_datagram(&mut self, o: &Observation) -> bool {
        if is_silly(o) {
            return false;
        }
        let asked = Door { source: o.dst, target: o.src, port: o.src_port, protocol: UDP, incoming: false };
        if let Some((slot, contact)) = self.contacts.find(&self.key, &asked, o.clock) {
            let is_answer = contact.state.is_unanswered() && echoes(o, contact);
            let is_known = is_answer || contact.state.is_answered();
            if is_answer {
                self.answered(slot, &asked, Word::Open, o);
            }
            is_known && o.src_port < o.dst_port
        } else {
            // Whoever speaks first on UDP probes; what its partner sends back is an answer.
            let door = Door { source: o.src, target: o.dst, port: o.dst_port, protocol: UDP, incoming: true };
            self.contacts.find_or_insert(&self.key, &door, o.clock);
            self.give_up(o.clock);
            o.dst_port <= o.src_port
        }
    }

    /// Lets the clock go on to `now`.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        while let Some(due) = self.deadlines.next(now) {
            match due {
                Due::Answer(awaited) => {
                    self.fall_silent(awaited);
                }
                Due::Chore(appointment) => self.look_after(appointment),
            }
        }
    }

    /// The input ends at `now`: nobody will answer any more, or come back.
    pub fn conclude_all(&mut self, now: Time) {
        while let Some(awaited) = self.deadlines.unanswered() {
            self.fall_silent(Awaited { due: awaited.due.min(now), ..awaited });
        }
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
                    self.reports.push(report(scan, source, &self.promised, moment, What::Suspicion));
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
                self.reports.push(report(&scan, suspect.source, &self.promised, moment, What::Ended));
            }
        }
    }

    /// One of its addresses sent this. True when another packet of the errand would change nothing.
    fn sent(&mut self, o: &Observation) -> bool {
        if is_silly(o) || is_nobody(o.src) {
            return false;
        }
        match probes(o) {
            Some(technique) => self.probe(o, technique).is_answered(),
            None if o.kind == Kind::Tcp && o.flags & SYN == 0 => self.close(o),
            None => false,
        }
    }

    /// A probe: a first contact, or a repeat of one. Tells the state of the contact.
    fn probe(&mut self, o: &Observation, technique: Technique) -> State {
        let door = door_of(o, technique);
        let mut before = Marks::default();
        let (slot, contact) = match self.contacts.find_or_insert(&self.key, &door, o.clock) {
            Some(Found::New(slot, contact)) => (slot, contact),
            // Another way of knocking at a door that has been judged is a first contact of its own. And a probe that
            // died on the way has not knocked at all: else nobody would see the door of one who sends it ahead.
            Some(Found::Known(slot, contact))
                if contact.technique != technique && contact.state != State::Pending
                    || contact.state == State::Traced =>
            {
                contact.state = State::Pending;
                before = Marks::AGAIN;
                self.settled.fill(0);
                (slot, contact)
            }
            Some(Found::Known(slot, contact)) if contact.state == State::Promised => {
                (contact.state, before) = (State::Pending, contact.marks);
                if let (true, Some(by)) = (before.has(Marks::BOUNCED), (contact.isn != 0).then_some(contact.isn)) {
                    self.promised.prompt(o.src, Address::v4(by.to_be_bytes()).of_tenant(o.src.tenant()));
                }
                (slot, contact)
            }
            Some(Found::Known(_, contact)) => {
                let state = contact.state;
                if contact.technique != technique || state.is_answered() || state == State::Claimed {
                    // Judged from the beginning of the window on: what is settled in it is not seen again.
                    let now = Time(o.clock.0 / ERRAND * ERRAND);
                    let later = now.since(contact.first) >= LATER && !contact.marks.has(Marks::PERSISTED);
                    if state.is_answered() && later {
                        contact.marks.set(Marks::PERSISTED);
                        if let Some(suspect) = self.suspects.get_mut(o.src) {
                            suspect.revisit(technique);
                        }
                    }
                    return state;
                }
                let (echo, waited) = (echo_of(o, technique), o.stamp.since(contact.first).unsigned_abs());
                let is_latest = !technique.is_tcp() || contact.isn != o.tcp_seq || contact.echo == echo;
                let mark = match state {
                    _ if !technique.is_tcp() => Marks::default(),
                    State::Pending | State::Silent
                        if contact.isn == o.tcp_seq && is_latest && waited >= RETRY.unsigned_abs() =>
                    {
                        Marks::RETRIED
                    }
                    State::Closed if contact.src_port != o.src_port => Marks::PERSISTED,
                    _ => Marks::default(),
                };
                contact.marks.set(mark);
                if mark != Marks::default() {
                    self.witnesses.tell(o.src, |w| w.came_back(technique, o.dst, door.port, mark));
                }
                // An older attempt that comes again says nothing of the later one: that may have been answered.
                if state.is_unanswered() && is_latest {
                    contact.echo = echo;
                }
                if technique.has_ports() {
                    self.in_vain(&door, o.clock, o.seq);
                }
                if let Some(suspect) = self.suspects.get_mut(o.src) {
                    if mark != Marks::default() {
                        suspect.came_back(technique, o.dst, door.port, mark);
                    }
                    if let Some(scan) = suspect.scan_mut(technique) {
                        scan.evidence.repeat(o.stamp);
                        scan.last = scan.last.max(o.clock);
                    }
                }
                return state;
            }
            None => return State::Pending,
        };
        contact.first = o.stamp;
        contact.echo = echo_of(o, technique);
        contact.isn = match technique {
            Technique::Arp => tail(o.mac),
            technique if technique.is_tcp() => o.tcp_seq,
            _ => contact.echo,
        };
        contact.src_port = o.src_port;
        contact.technique = technique;
        contact.flags = o.flags;
        contact.ttl = o.ttl;
        contact.tos = o.tos;
        contact.marks = o.marks.with_sign(fingerprint::sign(o));
        contact.marks.set(before);
        self.senders.note(o);
        self.witnesses.tell(o.src, |w| w.knocked(Knock::of(contact)));
        self.give_up(o.clock);
        let awaited =
            Awaited { due: o.clock.after(self.thresholds.answer_wait), seq: o.seq, slot, mark: Awaited::mark(o.stamp) };
        if let Some(early) = self.deadlines.await_answer(awaited) {
            self.early += u64::from(self.fall_silent(Awaited { due: o.clock, ..early }));
        }
        State::Pending
    }

    /// A FIN or RST: what the source does with a door that answered, or a probe that looks like an end.
    /// True when another would change nothing.
    fn close(&mut self, o: &Observation) -> bool {
        let door = door_of(o, Technique::TcpSyn);
        let Some((slot, contact)) = self.contacts.find(&self.key, &door, o.clock) else {
            // No connection that we know of. Towards a listener's port from a client's these may be probes.
            if is_reset_probe(o) {
                self.probe(o, Technique::TcpOther);
            } else if o.flags & RST == 0 && o.dst_port < FIRST_UNPRIVILEGED && o.src_port >= FIRST_UNPRIVILEGED {
                self.probe(o, Technique::TcpMaimon);
            }
            return false;
        };
        if contact.technique != Technique::TcpSyn {
            return false;
        }
        let sent = o.tcp_seq.wrapping_sub(contact.isn).wrapping_sub(1);
        let after = match contact.state {
            // Of another connection to the same door, whose numbers are not known.
            State::Open | State::Closed if o.src_port != contact.src_port => return false,
            State::Open if o.flags & ACK == 0 => (sent == 0).then_some(After::Reset),
            State::Open => {
                let heard = o.tcp_ack.wrapping_sub(contact.echo).wrapping_sub(1);
                // Nothing said by either (a FIN counts one): who fetches a file says nothing either, but hears.
                let empty = sent == 0 && heard <= 1;
                (heard < WINDOW && sent < WINDOW).then_some(match heard {
                    _ if empty => After::Empty,
                    ..PROVEN => After::Spoke,
                    _ => After::Ended,
                })
            }
            // No answer was seen, but it closes as one who got it: the view is one-sided.
            State::Pending | State::Silent
                if o.flags & (ACK | RST) == ACK && (sent < WINDOW || o.tcp_seq.wrapping_sub(contact.echo) < WINDOW) =>
            {
                let silent = contact.state == State::Silent;
                // Anybody can send this: what it is worth depends on whether answers are heard from there.
                contact.state = State::Claimed;
                let contact = *contact;
                if silent {
                    self.follow_up(door.source, &Knock::of(&contact), Moment::of(o));
                } else {
                    self.conclude(slot, &contact, false, Moment::of(o));
                }
                return true;
            }
            State::Claimed | State::Completed | State::Ended | State::Emptied | State::Reset => return true,
            _ => None,
        };
        if let Some(after) = after {
            contact.state = match after {
                After::Reset => State::Reset,
                After::Empty => State::Emptied,
                After::Ended => State::Ended,
                _ => State::Completed,
            };
            contact.echo = sent;
            if contact.marks.has(Marks::EXPECTED) && after != After::Reset {
                return false;
            }
            let knock = Knock::of(contact);
            self.follow_up(door.source, &knock, Moment::of(o));
        } else if o.src_port == contact.src_port && !contact.marks.has(Marks::ASTRAY) {
            // It ends what had not begun, or with a number that is not the target's: as one who does not hear.
            contact.marks.set(Marks::ASTRAY);
            if contact.state != State::Pending
                && let Some(suspect) = self.suspects.get_mut(o.src)
            {
                suspect.came_back(Technique::TcpSyn, o.dst, door.port, Marks::ASTRAY);
            }
        }
        false
    }

    /// One of its addresses was sent this. True when another packet of the errand would change nothing.
    fn received(&mut self, o: &Observation) -> bool {
        if is_silly(o) {
            return false;
        }
        if o.kind == Kind::Tcp && o.flags & (ACK | RST) == 0 {
            if let Some(other) = self.twins.see(&self.key, o) {
                self.reports.push(Report { clock: o.clock, seq: o.seq, source: o.src, what: What::Twin { other } });
            }
            return false;
        }
        if o.kind == Kind::DataDoor {
            self.expect(o);
            return false;
        }
        let Some((door, word)) = answer(o) else { return false };
        match self.contacts.find(&self.key, &door, o.clock) {
            Some((slot, contact)) if contact.state.is_unanswered() && echoes(o, contact) => {
                self.answered(slot, &door, word, o);
                true
            }
            Some((_, contact)) => contact.state.is_answered(),
            None if o.kind == Kind::Tcp && word == Word::Closed => {
                self.unasked_reset(o, &door);
                false
            }
            None => {
                // A SYN-ACK out of the blue: backscatter, or one who reads an idle host's counters.
                if o.kind == Kind::Tcp && word == Word::Open {
                    self.promised.prompt(o.dst, o.src);
                }
                false
            }
        }
    }

    /// One of its addresses is told by FTP's control channel where to knock. At a port that a client takes for data, of
    /// the one who says so, that is expected. A port that none takes means a bounce, whosever it is; another's
    /// port means little: servers exchange files, and translators forget to change addresses.
    fn expect(&mut self, o: &Observation) {
        let target =
            if o.tcp_seq == 0 { o.src } else { Address::v4(o.tcp_seq.to_be_bytes()).of_tenant(o.dst.tenant()) };
        let (port, bounces) = (o.src_port, o.src_port < FIRST_UNPRIVILEGED);
        if target != o.src && !bounces {
            return;
        }
        let door = Door { source: o.dst, target, port, protocol: TCP, incoming: false };
        if let Some(Found::New(_, contact)) = self.contacts.find_or_insert(&self.key, &door, o.clock) {
            contact.state = State::Promised;
            contact.marks = if bounces { Marks::BOUNCED } else { Marks::EXPECTED };
            contact.isn = o.src.as_v4().unwrap_or(0);
            self.give_up(o.clock);
        }
    }

    /// A contact that was waiting, or thought silent, has its answer.
    fn answered(&mut self, slot: Slot, door: &Door, word: Word, o: &Observation) {
        let Some(contact) = self.contacts.at(slot) else { return };
        let silent = matches!(contact.state, State::Silent | State::Claimed);
        contact.state = match word {
            Word::Open => State::Open,
            Word::Closed => State::Closed,
            Word::Unreachable => State::Unreachable,
            Word::Traced => State::Traced,
        };
        if word == Word::Unreachable && has_no_route(o) {
            contact.marks.set(Marks::NO_ROUTE);
        }
        if o.kind == Kind::Tcp && word == Word::Open {
            // From here on the numbers of the connection: it may be a later attempt's.
            (contact.isn, contact.echo, contact.src_port) = (o.tcp_ack.wrapping_sub(1), o.tcp_seq, o.dst_port);
        }
        let contact = *contact;
        match word {
            Word::Open => self.tell_once(
                door.source,
                What::Answered { target: door.target, protocol: door.protocol, port: door.port },
                (door.target, door.protocol, door.port),
                o,
            ),
            Word::Closed => {
                self.tell_once(door.source, What::Alive { target: door.target }, door.target, o);
            }
            Word::Unreachable | Word::Traced => {}
        }
        if word == Word::Traced {
            self.witnesses.tell(door.source, |w| w.traced(&Knock::of(&contact)));
        } else {
            self.conclude(slot, &contact, silent, Moment::of(o));
        }
    }

    /// A bare reset that answers no contact in memory answers a bare ACK on no connection: that is how an
    /// ACK scan is seen. From a listener's port to a client's only: else every browser that aborts would
    /// convict its web server.
    fn unasked_reset(&mut self, o: &Observation, door: &Door) {
        if o.flags & ACK != 0 || o.src_port >= FIRST_UNPRIVILEGED || o.dst_port < FIRST_UNPRIVILEGED {
            return;
        }
        if let Some(Found::New(slot, contact)) = self.contacts.find_or_insert(&self.key, door, o.clock) {
            contact.first = o.stamp;
            contact.technique = Technique::TcpAck;
            // It says the number that the probe acknowledged.
            contact.isn = o.tcp_seq;
            if o.tcp_seq != 0 {
                contact.marks = Marks::default().with_sign(Sign::Acknowledged as u8);
            }
            contact.src_port = o.dst_port;
            contact.flags = ACK;
            contact.state = State::Closed;
            let contact = *contact;
            self.witnesses.tell(door.source, |w| w.knocked(Knock::of(&contact)));
            self.give_up(o.clock);
            self.conclude(slot, &contact, false, Moment::of(o));
        }
    }

    /// Time is up for an answer; true when it had not come.
    fn fall_silent(&mut self, awaited: Awaited) -> bool {
        let Some(contact) = self.contacts.at(awaited.slot) else { return false };
        if contact.state != State::Pending || Awaited::mark(contact.first) != awaited.mark {
            return false;
        }
        contact.state = State::Silent;
        let contact = *contact;
        let moment = Moment { clock: awaited.due, seq: awaited.seq, stamp: contact.first, vlan: [0; 2] };
        self.conclude(awaited.slot, &contact, false, moment);
        true
    }

    /// A first contact has its outcome; `silent` when it had been thought to have none.
    fn conclude(&mut self, slot: Slot, contact: &Contact, silent: bool, moment: Moment) {
        let source = contact.door().source;
        let knock = Knock::of(contact);
        self.witnesses.tell(source, |w| w.ended(knock, silent));
        if knock.marks.has(Marks::EXPECTED) && (!knock.failed() || self.promised.excuse(&self.key, source)) {
            return;
        }
        if let Some(suspect) = self.suspects.get_mut(source) {
            if silent {
                suspect.revise(&knock, Outcome::Silent, knock.outcome, &self.key);
                return;
            }
            let effect = suspect.knock(knock, moment.clock, &self.key, &self.thresholds);
            self.note(source, effect, &knock, moment);
        } else if !silent {
            if knock.failed() && knock.after != After::Claimed && knock.technique.has_ports() {
                self.in_vain(&contact.door(), moment.clock, moment.seq);
            }
            // Sixteen bytes outlast the contact where many come: then only that there was one is known.
            let door = self.key.hash((knock.target, knock.port)) as u32;
            let Some(lone) = self.waiting.take(&self.key, source).filter(|lone| lone.door != door) else {
                self.waiting.insert(&self.key, source, Lone { slot, door });
                self.witnesses.tell(source, |w| w.is_alone(&knock));
                return;
            };
            let earlier = self.contacts.at(lone.slot).filter(|c| c.door().source == source);
            let earlier =
                earlier.filter(|c| !matches!(c.state, State::Pending | State::Promised)).map(|c| Knock::of(c));
            let Some(suspect) = self.suspects.insert(source, moment.clock) else { return };
            if let Some(earlier) = earlier.filter(|e| (e.target, e.port) != (knock.target, knock.port)) {
                suspect.knock(earlier, moment.clock, &self.key, &self.thresholds);
            }
            let effect = suspect.knock(knock, moment.clock, &self.key, &self.thresholds);
            self.note(source, effect, &knock, moment);
        }
    }

    /// The source has shown what it wanted of an open door.
    fn follow_up(&mut self, source: Address, knock: &Knock, moment: Moment) {
        self.witnesses.tell(source, |w| w.then(knock));
        let t = Arc::clone(&self.thresholds);
        if let Some(suspect) = self.suspects.get_mut(source) {
            let effect = suspect.then(knock, moment.clock, &self.key, &t);
            self.tell(source, effect, moment);
        }
    }

    /// Reports what a new knock came to.
    fn note(&mut self, source: Address, effect: Effect, knock: &Knock, moment: Moment) {
        if effect == Effect::Few
            && let Some(suspect) = self.suspects.get_mut(source)
        {
            let Moment { clock, seq, .. } = moment;
            self.reports.push(Report { clock, seq, source, what: What::Few(suspect.few(knock)) });
        }
        self.tell(source, effect, moment);
    }

    /// A knock in vain: one of so many is told.
    fn in_vain(&mut self, door: &Door, clock: Time, seq: u64) {
        self.vain += 1;
        if self.vain.is_multiple_of(SAMPLED) {
            let Door { source, target, port, .. } = *door;
            self.reports.push(Report { clock, seq, source, what: What::Vain { target, port } });
        }
    }

    /// Reports what a knock came to, and keeps the table within its budget.
    fn tell(&mut self, source: Address, effect: Effect, moment: Moment) {
        if let Some(witness) = self.witnesses.of(source)
            && let Some(suspect) = self.suspects.get_mut(source)
        {
            let nearer = witness.look(suspect, &self.thresholds);
            let Moment { clock, seq, .. } = moment;
            let near = nearer.into_iter().filter_map(|technique| suspect.so_far(technique, &self.key));
            self.reports.extend(near.map(|s| Report { clock, seq, source, what: What::Near(Box::new(s)) }));
        }
        if let Effect::Review(technique) = effect {
            self.appoint((moment.clock.after(self.thresholds.review), source, technique, Chore::Review));
        }
        if let Effect::Report(technique) = effect {
            let quiet = self.thresholds.quiet;
            if let Some(scan) = self.suspects.get_mut(source).and_then(|s| s.scan_mut(technique)) {
                let path = self.paths.of(&self.key, source);
                if scan.vlan == [0; 2] {
                    scan.vlan = if path.vlan == [0; 2] { moment.vlan } else { path.vlan };
                }
                if scan.tunnel.is_none() {
                    scan.tunnel = path.tunnel.map(Box::new);
                }
                introduce(scan, source, &self.senders, &self.contacts, &self.key);
                self.reports.push(report(scan, source, &self.promised, moment, What::Suspicion));
                if scan.quiet_at.is_none() {
                    let (quiet_at, day) = (scan.last.after(quiet), scan.day);
                    scan.quiet_at = Some(quiet_at);
                    self.appoint((quiet_at, source, technique, Chore::Quiet));
                    self.appoint((day, source, technique, Chore::Day));
                }
            }
        }
        let (reports, promised, witnesses) = (&mut self.reports, &self.promised, &mut self.witnesses);
        self.suspects.settle(source, |gone| {
            witnesses.tell(gone.source, |w| w.forget(moment.clock));
            for scan in &gone.scans {
                let moment = Moment { stamp: scan.evidence.end, vlan: scan.vlan, ..moment };
                reports.push(report(scan, gone.source, promised, moment, What::Ended));
            }
        });
    }

    /// Does what is due of a scan.
    fn look_after(&mut self, appointment: Appointment) {
        if !self.suspects.expects(&appointment) {
            // Of a scan that is over; another may have begun since.
            return;
        }
        let (due, source, technique, chore) = appointment;
        let quiet = self.thresholds.quiet;
        let Some(suspect) = self.suspects.get_mut(source) else { return };
        if chore == Chore::Review {
            let t = Arc::clone(&self.thresholds);
            let effect = suspect.review(technique, due, &self.key, &t);
            let stamp = suspect.scan_mut(technique).map_or(due, |scan| scan.evidence.end);
            self.tell(source, effect, Moment { clock: due, seq: 0, stamp, vlan: [0; 2] });
            return;
        }
        let Some(scan) = suspect.scan_mut(technique) else { return };
        let moment = Moment { clock: due, seq: 0, stamp: scan.evidence.end, vlan: scan.vlan };
        match chore {
            // It knocked again since this was appointed.
            Chore::Quiet if scan.last.after(quiet) > due => {
                let quiet_at = scan.last.after(quiet);
                scan.quiet_at = Some(quiet_at);
                self.appoint((quiet_at, source, technique, chore));
            }
            Chore::Quiet => {
                self.reports.push(report(scan, source, &self.promised, moment, What::Ended));
                suspect.scans.retain(|scan| scan.technique != technique);
            }
            Chore::Day => {
                let day = due.after(86_400 * Time::SECOND);
                scan.day = day;
                self.reports.push(report(scan, source, &self.promised, moment, What::Day));
                self.appoint((day, source, technique, chore));
            }
            Chore::Review => {}
        }
    }

    fn appoint(&mut self, appointment: Appointment) {
        let suspects = &self.suspects;
        self.deadlines.appoint(appointment, |appointment| suspects.expects(appointment));
    }

    /// Draws the conclusions when a contact had to go for a new one: its scan is no longer complete, and what was
    /// settled because it was known is open again.
    fn give_up(&mut self, now: Time) {
        let Some(contact) = self.contacts.displaced.take() else { return };
        if contact.may_be_settled(now) {
            self.settled.fill(0);
        }
        if contact.state == State::Pending {
            let door = contact.door();
            self.witnesses.tell(door.source, |w| w.lost(&door, contact.technique));
            let suspect = self.suspects.get_mut(door.source);
            if let Some(scan) = suspect.and_then(|suspect| suspect.scan_mut(contact.technique)) {
                scan.evidence.evicted += 1;
            }
        }
    }

    /// Tells something about the terrain, once as far as memory goes.
    fn tell_once(&mut self, source: Address, what: What, identity: impl std::hash::Hash, o: &Observation) {
        let hash = self.key.hash(identity) | 1;
        let at = ((hash >> 32) * self.seen.len() as u64) >> 32;
        if let Some(seen) = self.seen.get_mut(at as usize).filter(|seen| **seen != hash) {
            *seen = hash;
            self.reports.push(Report { clock: o.clock, seq: o.seq, source, what });
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

/// Finds out by which link address a scan's source sends, and whether that is its own: it asked for the first target by
/// ARP from there, and was told. (A forger elsewhere sends by way of a router.)
fn introduce(scan: &mut Scan, source: Address, senders: &Senders, contacts: &Contacts, key: &Key) {
    if scan.mac == [0; 6] {
        scan.mac = senders.of(source);
    }
    let Some(&target) = scan.evidence.target_sample.first().filter(|_| scan.mac != [0; 6]) else { return };
    let asked = Door { source, target, port: 0, protocol: ARP, incoming: false };
    scan.evidence.neighbour |=
        contacts.peek(key, &asked).is_some_and(|c| c.state.is_answered() && c.isn == tail(scan.mac));
}

fn report(
    scan: &Scan,
    source: Address,
    promised: &Promised,
    moment: Moment,
    what: fn(Box<Suspicion>) -> What,
) -> Report {
    let Moment { clock, seq, stamp, .. } = moment;
    let what = what(Box::new(Suspicion {
        technique: scan.technique,
        ground: scan.ground,
        shape: scan.shape,
        stamp,
        case: scan.case(),
        evidence: scan.evidence.clone(),
        vlan: scan.vlan,
        tunnel: scan.tunnel.clone(),
        mac: scan.mac,
        prompter: promised.prompter(source),
    }));
    Report { clock, seq, source, what }
}
