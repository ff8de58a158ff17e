//! How attempts to connect over TCP end, as Zeek tells it to its scripts.
//!
//! In: TCP observations, in order, plain ones included (data without a flag ends nothing, but tells). Out:
//! [`Ended`], each once or in two steps. An attempt begins with a SYN; without an answer for 5 s it has failed.
//! Answers are believed as they come: whether they echo the SYN is not looked at, as in the original. It
//! remembers 65,536 connections and as many deadlines; what it has to give up is counted.
//! Must not know what a scan is.
//! Source: Zeek's TCP analyzer (`tcp_attempt_delay` 5 s) and its events `connection_attempt`,
//! `connection_rejected`, `connection_reset`, `connection_established`. Read next: `trw.rs`, `zeek.rs`.

use std::{collections::VecDeque, io};

use serde::{Deserialize, Serialize};

use super::recent::{Fades, Recent};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Kind, Observation},
    source::Time,
};

/// How long an answer may take: `tcp_attempt_delay`.
const ANSWER: i64 = 5 * Time::SECOND;
/// After so long without a packet the same ports are a new connection: `tcp_inactivity_timeout`.
const IDLE: i64 = 300 * Time::SECOND;
/// Connections that are remembered.
const CONNECTIONS: usize = 65_536;

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One TCP connection, as the one sees it who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Connection {
    pub(super) client: Address,
    pub(super) server: Address,
    pub(super) client_port: u16,
    pub(super) server_port: u16,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The server sent SYN and ACK.
    Accepted,
    /// The server sent a reset instead.
    Refused,
    /// Nobody answered within 5 s.
    Silent,
    /// The client reset it before there was an answer.
    Withdrawn,
    /// It had been accepted, and the client reset it before either had sent data.
    Dropped,
}

/// An attempt that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) connection: Connection,
    pub(super) outcome: Outcome,
    /// The stamp of its first SYN.
    pub(super) began: Time,
    /// The stamp of its end.
    pub(super) stamp: Time,
    /// The same by the clock: when it was due, however late somebody noticed.
    pub(super) clock: Time,
    /// The packet that ended it; `None` when time did.
    pub(super) by: Option<Observation>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    New,
    Asked,
    Accepted,
    Over,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Attempt {
    state: State,
    began: Time,
    /// How it ended first, for those who are told later.
    outcome: Option<Outcome>,
}

impl Fades for Attempt {
    fn fades_after(&self) -> i64 {
        IDLE
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Deadline {
    due: Time,
    connection: Connection,
    began: Time,
}

/// When an end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// As soon as it is known, each end.
    AtOnce,
    /// In the order in which attempts began: how each had ended first, 5 s after its begin. Whoever is told
    /// at once hears of what was answered before what was not, however they were mixed.
    InOrder,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Attempts {
    telling: Telling,
    connections: Recent<Connection, Attempt>,
    /// In order of the clock, since all wait equally long.
    deadlines: VecDeque<Deadline>,
    cut_short: u64,
}

impl Attempts {
    /// That tell so.
    pub(super) fn new(telling: Telling) -> Self {
        let connections = Recent::with_room(CONNECTIONS);
        Self { telling, connections, deadlines: VecDeque::new(), cut_short: 0 }
    }

    /// Takes the next packet and tells which attempts have ended by then, that of the packet last.
    pub(super) fn packet(&mut self, packet: &Observation, mut tell: impl FnMut(Ended)) {
        while self.deadlines.front().is_some_and(|deadline| deadline.due <= packet.clock) {
            self.fall_due(&mut tell);
        }
        if packet.kind != Kind::Tcp {
            return;
        }
        let forth = connection(packet.src, packet.dst, packet.src_port, packet.dst_port);
        let back = connection(packet.dst, packet.src, packet.dst_port, packet.src_port);
        let (now, telling) = (packet.clock, self.telling);
        let mut end = |connection, outcome, attempt: &mut Attempt| match telling {
            Telling::InOrder => _ = attempt.outcome.get_or_insert(outcome),
            Telling::AtOnce => {
                let (began, stamp, clock) = (attempt.began, packet.stamp, packet.clock);
                tell(Ended { connection, outcome, began, stamp, clock, by: Some(*packet) });
            }
        };
        let asked = |attempt: &&mut Attempt| attempt.state == State::Asked;
        match packet.flags & (SYN | RST | ACK) {
            SYN => self.ask(forth, packet, &mut tell),
            flags if flags == SYN | ACK => {
                if let Some(attempt) = self.connections.get(&back, now).filter(asked) {
                    attempt.state = State::Accepted;
                    end(back, Outcome::Accepted, attempt);
                }
            }
            flags if flags & RST != 0 => {
                // Whose reset it is shows in who had asked.
                if let Some(attempt) = self.connections.get(&back, now).filter(asked) {
                    attempt.state = State::Over;
                    end(back, Outcome::Refused, attempt);
                } else if let Some(attempt) = self.connections.get(&forth, now) {
                    match std::mem::replace(&mut attempt.state, State::Over) {
                        State::Asked => end(forth, Outcome::Withdrawn, attempt),
                        State::Accepted => end(forth, Outcome::Dropped, attempt),
                        State::New | State::Over => {}
                    }
                }
            }
            // Data: whatever comes now, it was a connection.
            _ if packet.payload_len > 0 => {
                for one in [forth, back] {
                    if let Some(attempt) = self.connections.get(&one, now).filter(|a| a.state == State::Accepted) {
                        attempt.state = State::Over;
                    }
                }
            }
            _ => {}
        }
    }

    /// The input has ended: nobody will answer those who still wait.
    pub(super) fn finish(&mut self, mut tell: impl FnMut(Ended)) {
        while !self.deadlines.is_empty() {
            self.fall_due(&mut tell);
        }
    }

    /// Connections that were forgotten before they ended, and those that were called silent too early.
    pub(super) fn given_up(&self) -> u64 {
        self.connections.given_up() + self.cut_short
    }

    /// A SYN: an attempt begins, unless it is one more SYN of it.
    fn ask(&mut self, connection: Connection, packet: &Observation, tell: &mut impl FnMut(Ended)) {
        let Some(attempt) = self.connections.get_or_begin(connection, packet.clock) else { return };
        if attempt.state != State::New {
            return;
        }
        *attempt = Attempt { state: State::Asked, began: packet.stamp, outcome: None };
        if self.deadlines.len() >= CONNECTIONS {
            self.cut_short += 1;
            self.fall_due(tell);
        }
        let due = Time(packet.clock.0.saturating_add(ANSWER));
        self.deadlines.push_back(Deadline { due, connection, began: packet.stamp });
    }

    /// Who waits the longest has waited long enough.
    fn fall_due(&mut self, tell: &mut impl FnMut(Ended)) {
        let Some(Deadline { due, connection, began }) = self.deadlines.pop_front() else { return };
        let Some(attempt) = self.connections.get(&connection, due) else { return };
        let is_silent = attempt.state == State::Asked;
        if attempt.began == began && (is_silent || self.telling == Telling::InOrder) {
            attempt.state = if is_silent { State::Over } else { attempt.state };
            let outcome = attempt.outcome.unwrap_or(Outcome::Silent);
            let stamp = Time(began.0.saturating_add(ANSWER));
            tell(Ended { connection, outcome, began, stamp, clock: due, by: None });
        }
    }
}

fn connection(client: Address, server: Address, client_port: u16, server_port: u16) -> Connection {
    Connection { client, server, client_port, server_port }
}

impl Kept for Attempts {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { telling: _, connections, deadlines, cut_short } = self;
        connections.keep(to)?;
        to.put(deadlines)?;
        to.put(cut_short)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.connections.resume(from)?;
        self.deadlines = from.list(CONNECTIONS)?;
        self.cut_short = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::by_hand::{answer, tcp},
        *,
    };

    fn outcomes(packets: impl IntoIterator<Item = Observation>) -> Vec<(u16, Outcome)> {
        told(Telling::AtOnce, packets)
    }

    fn told(telling: Telling, packets: impl IntoIterator<Item = Observation>) -> Vec<(u16, Outcome)> {
        let (mut attempts, mut told) = (Attempts::new(telling), Vec::new());
        for packet in packets {
            attempts.packet(&packet, |ended| told.push((ended.connection.server_port, ended.outcome)));
        }
        attempts.finish(|ended| told.push((ended.connection.server_port, ended.outcome)));
        told
    }

    #[test]
    fn each_attempt_ends_once_and_as_it_was_answered() {
        let told = outcomes([
            tcp(0, 1, SYN),
            answer(1, 1, SYN | ACK),
            tcp(0, 2, SYN),
            answer(2, 2, RST | ACK),
            answer(2, 2, RST | ACK),
            tcp(3, 3, SYN),
            tcp(4, 3, SYN),
            tcp(5, 4, SYN),
            tcp(6, 4, RST),
        ]);
        let expected = [(1, Outcome::Accepted), (2, Outcome::Refused), (4, Outcome::Withdrawn), (3, Outcome::Silent)];
        assert_eq!(told, expected);
    }

    #[test]
    fn in_order_each_is_told_once_and_as_it_began() {
        let packets = [
            tcp(0, 1, SYN),
            tcp(1, 2, SYN),
            answer(2, 2, SYN | ACK),
            tcp(3, 2, RST),
            tcp(4, 3, SYN),
            answer(5, 3, RST | ACK),
        ];
        let expected = [(1, Outcome::Silent), (2, Outcome::Accepted), (3, Outcome::Refused)];
        assert_eq!(told(Telling::InOrder, packets), expected);
    }

    #[test]
    fn an_answer_may_take_five_seconds() {
        for (millis, expected) in [(4_999, Outcome::Accepted), (5_000, Outcome::Silent)] {
            assert_eq!(outcomes([tcp(0, 1, SYN), answer(millis, 1, SYN | ACK)]), [(1, expected)]);
        }
    }

    #[test]
    fn who_resets_what_was_accepted_has_dropped_it_unless_there_was_data() {
        let opened = [tcp(0, 1, SYN), answer(1, 1, SYN | ACK), tcp(2, 1, ACK)];
        let dropped = outcomes(opened.into_iter().chain([tcp(3, 1, RST)]));
        assert_eq!(dropped, [(1, Outcome::Accepted), (1, Outcome::Dropped)]);
        let data = Observation { payload_len: 9, ..answer(3, 1, ACK) };
        assert_eq!(outcomes(opened.into_iter().chain([data, tcp(4, 1, RST)])), [(1, Outcome::Accepted)]);
    }

    #[test]
    fn without_a_syn_there_is_no_attempt() {
        assert!(outcomes([answer(0, 1, SYN | ACK), answer(0, 2, RST), tcp(0, 3, 1), tcp(0, 4, ACK)]).is_empty());
    }

    #[test]
    fn a_flood_cannot_make_it_grow_and_what_is_lost_is_counted() {
        let mut attempts = Attempts::new(Telling::AtOnce);
        let flood = CONNECTIONS as u32 * 3 / 2;
        let mut told = 0;
        for n in 0..flood {
            let packet = Observation { src: Address::v4(n.to_be_bytes()), ..tcp(0, 80, SYN) };
            attempts.packet(&packet, |_| told += 1);
        }
        assert!(attempts.deadlines.len() <= CONNECTIONS && attempts.given_up() > 0);
        attempts.finish(|_| told += 1);
        assert!(told <= flood && attempts.deadlines.is_empty());
    }
}
