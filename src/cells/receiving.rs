//! What a cell makes of what is sent to its addresses: answers, refusals, doors that are promised.
//!
//! In: observations whose receiver the cell owns. Out: contacts with their outcome; what tells of others.
//! What answers nothing counts against nobody: that is backscatter.
//! Read next: `outcome.rs` (how answers are read), `telling.rs`.

use crate::{
    cells::{
        Cell, Moment,
        ahead::Probe,
        contacts::{Door, Found, Slot, State},
        is_silly,
        knock::Knock,
        outcome::{TCP, UDP, Word, answer, echoes, has_no_route},
        report::{Report, What},
        technique::{ACK, FIRST_UNPRIVILEGED, Technique},
    },
    decode::{Address, Kind, Marks, Observation},
    fingerprint::Sign,
};

impl Cell {
    /// True when another datagram of the errand would change nothing.
    pub(super) fn received_datagram(&mut self, o: &Observation) -> bool {
        if is_silly(o) {
            return false;
        }
        let asked = Door { source: o.dst, target: o.src, port: o.src_port, protocol: UDP, incoming: false };
        if let Some(contact) = self.contacts.find(self.named.back(&asked), &asked, o.clock) {
            let (state, slot) = (contact.state(), contact.slot);
            let is_answer = state.is_unanswered() && echoes(o, &contact);
            let is_known = is_answer || state.is_answered();
            if is_answer {
                self.answered(slot, &asked, Word::Open, o);
            }
            is_known && o.src_port < o.dst_port
        } else {
            // Whoever speaks first on UDP probes; what its partner sends back is an answer.
            let door = Door { source: o.src, target: o.dst, port: o.dst_port, protocol: UDP, incoming: true };
            self.contacts.find_or_insert(self.named.there(&door), &door, o.clock);
            self.make_room(o.clock);
            o.dst_port <= o.src_port
        }
    }

    /// Its addresses were probed: what was sent, with the hashes of all in which another would have to agree.
    #[inline]
    pub(super) fn probed(&mut self, probes: &mut Vec<Probe<'_>>) {
        for (probe, o) in probes.drain(..) {
            self.was_probed(probe, o);
        }
    }

    /// One of its addresses was probed.
    #[inline]
    pub(super) fn was_probed(&mut self, probe: u64, o: &Observation) {
        if let Some(other) = self.twins.see(probe, o) {
            self.reports.push(Report { clock: o.clock, seq: o.seq, source: o.src, what: What::Twin { other } });
        }
    }

    /// One of its addresses was sent this. True when another packet of the errand would change nothing.
    pub(super) fn received(&mut self, o: &Observation) -> bool {
        if is_silly(o) {
            return false;
        }
        if o.kind == Kind::DataDoor {
            self.expect(o);
            return false;
        }
        let Some((door, word)) = answer(o) else { return false };
        match self.contacts.find(self.named.back(&door), &door, o.clock) {
            Some(contact) if contact.state().is_unanswered() && echoes(o, &contact) => {
                let slot = contact.slot;
                self.answered(slot, &door, word, o);
                true
            }
            Some(contact) => contact.state().is_answered(),
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
    pub(super) fn expect(&mut self, o: &Observation) {
        let target =
            if o.tcp_seq == 0 { o.src } else { Address::v4(o.tcp_seq.to_be_bytes()).of_tenant(o.dst.tenant()) };
        let (port, bounces) = (o.src_port, o.src_port < FIRST_UNPRIVILEGED);
        if target != o.src && !bounces {
            return;
        }
        let door = Door { source: o.dst, target, port, protocol: TCP, incoming: false };
        if let Some(Found::New(mut contact)) = self.contacts.find_or_insert(self.named.of_door(&door), &door, o.clock) {
            contact.turn(State::Promised);
            contact.marks = if bounces { Marks::BOUNCED } else { Marks::EXPECTED };
            contact.isn = o.src.as_v4().unwrap_or(0);
            self.make_room(o.clock);
        }
    }

    /// A contact that was waiting, or thought silent, has its answer.
    pub(super) fn answered(&mut self, slot: Slot, door: &Door, word: Word, o: &Observation) {
        let Some(mut contact) = self.contacts.at(slot) else { return };
        let silent = matches!(contact.state(), State::Silent | State::Claimed);
        contact.turn(match word {
            Word::Open => State::Open,
            Word::Closed => State::Closed,
            Word::Unreachable => State::Unreachable,
            Word::Traced => State::Traced,
        });
        if word == Word::Unreachable && has_no_route(o) {
            contact.marks.set(Marks::NO_ROUTE);
        }
        if o.kind == Kind::Tcp && word == Word::Open {
            // From here on the numbers of the connection: it may be a later attempt's.
            (contact.isn, contact.echo, contact.src_port) = (o.tcp_ack.wrapping_sub(1), o.tcp_seq, o.dst_port);
        }
        let contact = *contact;
        self.tell_once(door, word, o);
        if word == Word::Traced {
            self.witnesses.tell(door.source, |w| w.traced(&Knock::of(&contact)));
        } else {
            self.conclude(slot, &contact, silent, Moment::of(o));
        }
    }

    /// A bare reset that answers no contact in memory answers a bare ACK on no connection: that is how an
    /// ACK scan is seen. From a listener's port to a client's only: else every browser that aborts would
    /// convict its web server.
    pub(super) fn unasked_reset(&mut self, o: &Observation, door: &Door) {
        if o.flags & ACK != 0 || o.src_port >= FIRST_UNPRIVILEGED || o.dst_port < FIRST_UNPRIVILEGED {
            return;
        }
        if let Some(Found::New(mut contact)) = self.contacts.find_or_insert(self.named.back(door), door, o.clock) {
            contact.first = o.stamp;
            contact.technique = Technique::TcpAck;
            // It says the number that the probe acknowledged.
            contact.isn = o.tcp_seq;
            if o.tcp_seq != 0 {
                contact.marks = Marks::default().with_sign(Sign::Acknowledged as u8);
            }
            contact.src_port = o.dst_port;
            contact.flags = ACK;
            contact.turn(State::Closed);
            let (slot, contact) = (contact.slot, *contact);
            self.witnesses.tell(door.source, |w| w.knocked(Knock::of(&contact)));
            self.make_room(o.clock);
            self.conclude(slot, &contact, false, Moment::of(o));
        }
    }
}
