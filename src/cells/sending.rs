//! What a cell makes of what its own addresses send: probes, and what ends what they began.
//!
//! In: observations whose sender the cell owns. Out: first contacts, new or known; what the source did with a door that answered.
//! Must not know how contacts are judged: `telling.rs` hands them on.
//! Source: RFC 9293 (which numbers end a connection).
//! Read next: `receiving.rs`, `contacts.rs`.

use crate::{
    cells::{
        Cell, LATER, Moment, PROVEN, RETRY, WINDOW,
        contacts::{Contact, Door, Found, State},
        deadlines::Awaited,
        is_nobody, is_silly,
        knock::{After, Knock},
        outcome::{UDP, door_of, echo_of},
        senders::tail,
        technique::{ACK, FIRST_UNPRIVILEGED, RST, SYN, Technique, is_reset_probe, probes},
    },
    decode::{Address, Kind, Marks, Observation},
    dispatch::WINDOW as ERRAND,
    fingerprint,
    source::Time,
};

impl Cell {
    /// True when another datagram of the errand would change nothing.
    pub(super) fn sent_datagram(&mut self, o: &Observation) -> bool {
        if is_silly(o) || is_nobody(o.src) {
            return false;
        }
        let back = Door { source: o.dst, target: o.src, port: o.src_port, protocol: UDP, incoming: true };
        let to_lower = o.dst_port <= o.src_port;
        if self.contacts.find(self.named.back(&back), &back, o.clock).is_some() {
            return !to_lower;
        }
        self.probe(o, Technique::Udp) == State::Open && to_lower
    }

    /// One of its addresses sent this. True when another packet of the errand would change nothing.
    pub(super) fn sent(&mut self, o: &Observation) -> bool {
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
    pub(super) fn probe(&mut self, o: &Observation, technique: Technique) -> State {
        let door = door_of(o, technique);
        let mut before = Marks::default();
        let mut contact = match self.contacts.find_or_insert(self.named.there(&door), &door, o.clock) {
            Some(Found::New(contact)) => contact,
            // Another way of knocking at a door that has been judged is a first contact of its own. And a probe that
            // died on the way has not knocked at all: else nobody would see the door of one who sends it ahead.
            Some(Found::Known(mut contact))
                if contact.technique != technique && contact.state() != State::Pending
                    || contact.state() == State::Traced =>
            {
                contact.turn(State::Pending);
                before = Marks::AGAIN;
                self.settled.clear();
                contact
            }
            Some(Found::Known(mut contact)) if contact.state() == State::Promised => {
                contact.turn(State::Pending);
                before = contact.marks;
                if let (true, Some(by)) = (before.has(Marks::BOUNCED), (contact.isn != 0).then_some(contact.isn)) {
                    self.promised.prompt(o.src, Address::v4(by.to_be_bytes()).of_tenant(o.src.tenant()));
                }
                contact
            }
            Some(Found::Known(mut contact)) => {
                let state = contact.state();
                if contact.technique != technique || state.is_answered() || state == State::Claimed {
                    // Judged from the beginning of the window on: what is settled in it is not seen again.
                    let now = Time(o.clock.0 / ERRAND * ERRAND);
                    let later = now.since(contact.first) >= LATER && !contact.marks.has(Marks::PERSISTED);
                    if state.is_answered() && later {
                        contact.marks.set(Marks::PERSISTED);
                        self.suspects.revisit(o.src, technique);
                    }
                    return state;
                }
                // Who goes round pings the dead, too.
                if !technique.has_ports()
                    && o.clock.since(contact.first) >= LATER
                    && !contact.marks.has(Marks::PERSISTED)
                {
                    contact.marks.set(Marks::PERSISTED);
                    self.suspects.revisit(o.src, technique);
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
                    self.in_vain(o.src, (o.dst, door.port), &Moment::of(o));
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
        fill_in(&mut contact, o, technique, before);
        self.senders.note(o);
        let slot = contact.slot;
        self.witnesses.tell(o.src, |w| w.knocked(Knock::of(&contact)));
        self.make_room(o.clock);
        let awaited =
            Awaited { due: o.clock.after(self.thresholds.answer_wait), seq: o.seq, slot, mark: Awaited::mark(o.stamp) };
        if let Some(early) = self.deadlines.await_answer(awaited) {
            self.early += u64::from(self.fall_silent(&early, o.clock));
        }
        State::Pending
    }

    /// A FIN or RST: what the source does with a door that answered, or a probe that looks like an end.
    /// True when another would change nothing.
    pub(super) fn close(&mut self, o: &Observation) -> bool {
        let door = door_of(o, Technique::TcpSyn);
        let Some(mut contact) = self.contacts.find(self.named.there(&door), &door, o.clock) else {
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
        let after = match contact.state() {
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
                let silent = contact.state() == State::Silent;
                // Anybody can send this: what it is worth depends on whether answers are heard from there.
                contact.turn(State::Claimed);
                let (slot, contact) = (contact.slot, *contact);
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
            contact.turn(match after {
                After::Reset => State::Reset,
                After::Empty => State::Emptied,
                After::Ended => State::Ended,
                _ => State::Completed,
            });
            contact.echo = sent;
            if contact.marks.has(Marks::EXPECTED) && after != After::Reset {
                return false;
            }
            let knock = Knock::of(&contact);
            self.follow_up(door.source, &knock, Moment::of(o));
        } else if o.src_port == contact.src_port && !contact.marks.has(Marks::ASTRAY) {
            // It ends what had not begun, or with a number that is not the target's: as one who does not hear.
            contact.marks.set(Marks::ASTRAY);
            if contact.state() != State::Pending
                && let Some(suspect) = self.suspects.get_mut(o.src)
            {
                suspect.came_back(Technique::TcpSyn, o.dst, door.port, Marks::ASTRAY);
            }
        }
        false
    }
}

/// What a first contact knows of its probe; `before`: what was known of the door.
fn fill_in(contact: &mut Contact, o: &Observation, technique: Technique, before: Marks) {
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
}
