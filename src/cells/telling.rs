//! From the outcome of a first contact to what correlate is told.
//!
//! In: contacts that ended, by an answer or a deadline; chores that are due. Out: knocks for the suspects, [`Report`]s.
//! Must not know the terrain: it takes every silence at its worst.
//! Read next: `suspects.rs`, `report.rs`.

use std::sync::Arc;

use crate::{
    cells::{
        Cell, LONE, Moment, SAMPLED,
        contacts::{Contact, Contacts, Door, Slot, State},
        deadlines::{Appointment, Awaited, Chore},
        knock::{After, Knock},
        outcome::{Outcome, Word},
        promised::Promised,
        report::{Report, Suspicion, Turn, What},
        senders::{Senders, tail},
        suspects::{Effect, Scan},
        technique::Technique,
        waiting::Lone,
    },
    decode::{Address, Marks, Observation, observation::ARP},
    dispatch::{Key, WINDOW},
    source::Time,
};

impl Cell {
    /// Time is up for an answer at `due`; true when it had not come.
    pub(super) fn fall_silent(&mut self, awaited: &Awaited, due: Time) -> bool {
        let Some(contact) = self.contacts.at(awaited.slot) else { return false };
        if contact.state() != State::Pending || Awaited::mark(contact.first) != awaited.mark {
            return false;
        }
        let contact = contact.turned(State::Silent);
        let moment = Moment { clock: due, seq: awaited.seq, stamp: contact.first, vlan: [0; 2] };
        self.conclude(awaited.slot, &contact, false, moment);
        true
    }

    /// A first contact has its outcome; `silent` when it had been thought to have none.
    pub(super) fn conclude(&mut self, slot: Slot, contact: &Contact, silent: bool, moment: Moment) {
        let (source, failed) = (contact.source(), !contact.state().is_answered());
        self.witnesses.tell(source, |w| w.ended(Knock::of(contact), silent));
        if contact.marks.has(Marks::EXPECTED) && (!failed || self.promised.excuse(&self.key, source)) {
            return;
        }
        if source.as_v4().is_none() {
            self.take_turn(source, &Knock::of(contact), moment);
        }
        if let Some(suspect) = self.suspects.get_mut(source) {
            let knock = Knock::of(contact);
            if silent {
                suspect.revise(&knock, Outcome::Silent, knock.outcome, &self.key);
                return;
            }
            let effect = suspect.knock(knock, moment.clock, &self.key, &self.thresholds);
            self.note(source, effect, &knock, moment);
        } else if !silent {
            self.conclude_alone(slot, contact, failed, moment);
        }
    }

    /// A source that is no suspect has had an outcome at a door: of a flood of forged ones each comes here, and no further.
    fn conclude_alone(&mut self, slot: Slot, contact: &Contact, failed: bool, moment: Moment) {
        let (source, technique) = (contact.source(), contact.technique);
        let in_vain = failed && contact.state() != State::Claimed && technique.has_ports();
        if in_vain {
            self.in_vain(source, (contact.target(), contact.port()), &moment);
        }
        // Sixteen bytes outlast the contact where many come: then only that there was one is known.
        let Address(target) = contact.target();
        let door = self.key.join(target as u64, (target >> 64) as u64, u64::from(contact.port())) as u32;
        let Some(lone) = self.waiting.meet(&self.key, self.named.of(source), Lone { slot, door }) else {
            self.witnesses.tell(source, |w| w.is_alone(&Knock::of(contact)));
            if in_vain && technique.silence_tells() && technique != Technique::TcpAck {
                self.tell_lone(source, contact, moment);
            }
            return;
        };
        let knock = Knock::of(contact);
        let earlier = self.contacts.at(lone.slot).filter(|c| c.source() == source);
        let earlier = earlier.filter(|c| !matches!(c.state(), State::Pending | State::Promised)).map(|c| Knock::of(&c));
        let Some(suspect) = self.suspects.insert(source, moment.clock) else { return };
        if let Some(earlier) = earlier.filter(|e| (e.target, e.port) != (knock.target, knock.port)) {
            suspect.knock(earlier, moment.clock, &self.key, &self.thresholds);
        }
        let effect = suspect.knock(knock, moment.clock, &self.key, &self.thresholds);
        self.note(source, effect, &knock, moment);
    }

    /// A source has failed at its only door so far: others may have the other doors. In a flood only as many are told as there is
    /// room for.
    fn tell_lone(&mut self, source: Address, contact: &Contact, moment: Moment) {
        let window = moment.clock.0.div_euclid(WINDOW);
        if window != self.lone.0 {
            self.lone = (window, 0);
        }
        self.lone.1 += 1;
        if self.lone.1 <= LONE {
            self.report(source, &moment, What::Lone(Box::new(Knock::of(contact))));
        }
    }

    /// A first contact of a source of IPv6 has its outcome: it may be one of many that its network has in turn.
    fn take_turn(&mut self, source: Address, knock: &Knock, moment: Moment) {
        let Moment { clock, seq, .. } = moment;
        let (is_fresh, untold) = if knock.failed() {
            let scans = self.suspects.get_mut(source).is_some_and(|s| s.scan_mut(knock.technique).is_some());
            if scans || knock.after == After::Claimed || knock.marks.has(Marks::AGAIN) {
                return;
            }
            let Some(failure) = self.rotation.failed(&self.key, source, clock) else { return };
            (failure.is_fresh, failure.untold)
        } else if self.rotation.succeeded(&self.key, source) {
            (false, 0)
        } else {
            return;
        };
        let what = What::Turn(Box::new(Turn { knock: *knock, is_fresh, untold }));
        self.reports.push(Report { clock, seq, source, what });
    }

    /// The source has shown what it wanted of an open door.
    pub(super) fn follow_up(&mut self, source: Address, knock: &Knock, moment: Moment) {
        self.witnesses.tell(source, |w| w.then(knock));
        let t = Arc::clone(&self.thresholds);
        if let Some(suspect) = self.suspects.get_mut(source) {
            let effect = suspect.then(knock, moment.clock, &self.key, &t);
            self.tell(source, effect, moment);
        }
    }

    /// Reports what a new knock came to.
    pub(super) fn note(&mut self, source: Address, effect: Effect, knock: &Knock, moment: Moment) {
        if effect == Effect::Few
            && let Some(suspect) = self.suspects.get_mut(source)
        {
            let Moment { clock, seq, .. } = moment;
            self.reports.push(Report { clock, seq, source, what: What::Few(suspect.few(knock)) });
        }
        self.tell(source, effect, moment);
    }

    /// A knock in vain: one of so many is told.
    #[inline]
    pub(super) fn in_vain(&mut self, source: Address, (target, port): (Address, u16), moment: &Moment) {
        self.vain += 1;
        if self.vain.is_multiple_of(SAMPLED) {
            self.report(source, moment, What::Vain { target, port });
        }
    }

    /// Of a flood nearly nothing comes here.
    #[cold]
    fn report(&mut self, source: Address, &Moment { clock, seq, .. }: &Moment, what: What) {
        self.reports.push(Report { clock, seq, source, what });
    }

    /// Reports what a knock came to, and keeps the table within its budget.
    pub(super) fn tell(&mut self, source: Address, effect: Effect, moment: Moment) {
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
                self.reports.push(drawn_up(scan, source, &self.promised, moment, What::Suspicion));
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
                reports.push(drawn_up(scan, gone.source, promised, moment, What::Ended));
            }
        });
    }

    /// Does what is due of a scan.
    pub(super) fn look_after(&mut self, appointment: Appointment) {
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
                self.reports.push(drawn_up(scan, source, &self.promised, moment, What::Ended));
                suspect.scans.retain(|scan| scan.technique != technique);
            }
            Chore::Day => {
                let day = due.after(86_400 * Time::SECOND);
                scan.day = day;
                self.reports.push(drawn_up(scan, source, &self.promised, moment, What::Day));
                self.appoint((day, source, technique, chore));
            }
            Chore::Review => {}
        }
    }

    pub(super) fn appoint(&mut self, appointment: Appointment) {
        let suspects = &self.suspects;
        self.deadlines.appoint(appointment, |appointment| suspects.expects(appointment));
    }

    /// Tells what an answer says of the terrain, once as far as memory goes: which door of a host is open, or that the host lives.
    pub(super) fn tell_once(&mut self, door: &Door, word: Word, o: &Observation) {
        let Door { source, target, protocol, port, .. } = *door;
        let what = match word {
            Word::Open => What::Answered { target, protocol, port },
            Word::Closed => What::Alive { target },
            Word::Unreachable | Word::Traced => return,
        };
        let told = self.told(self.named.of(target), door, word);
        let at = self.seen_at(told);
        if let Some(seen) = self.seen.get_mut(at).filter(|seen| **seen != told) {
            *seen = told;
            self.reports.push(Report { clock: o.clock, seq: o.seq, source, what });
        }
    }

    /// What that is called, where the host that answered is called so. Never 0.
    #[inline]
    pub(super) fn told(&self, target: u64, door: &Door, word: Word) -> u64 {
        let of_it =
            if word == Word::Open { 1 << 24 | u64::from(door.protocol) << 16 | u64::from(door.port) } else { 0 };
        self.key.join(target, 0, of_it) | 1
    }

    /// Where it is remembered.
    #[inline]
    pub(super) fn seen_at(&self, told: u64) -> usize {
        (((told >> 32) * self.seen.len() as u64) >> 32) as usize
    }
}

/// Finds out by which link address a scan's source sends, and whether that is its own: it asked for the first target by
/// ARP from there, and was told. (A forger elsewhere sends by way of a router.)
pub(super) fn introduce(scan: &mut Scan, source: Address, senders: &Senders, contacts: &Contacts, key: &Key) {
    if scan.mac == [0; 6] {
        scan.mac = senders.of(source);
    }
    let Some(&target) = scan.evidence.target_sample.first().filter(|_| scan.mac != [0; 6]) else { return };
    let asked = Door { source, target, port: 0, protocol: ARP, incoming: false };
    scan.evidence.neighbour |= contacts
        .peek(asked.name(key, key.name(source), key.name(target)), &asked)
        .is_some_and(|c| c.state().is_answered() && c.isn == tail(scan.mac));
}

pub(super) fn drawn_up(
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
