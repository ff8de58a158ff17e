//! Which of two hosts began, and how far their connection has come: as much of Snort's stream tracking as
//! `port_scan` asks for.
//!
//! In: packets of TCP, UDP and other protocols, in order. Out: a [`Turn`]. It remembers 65,536 flows.
//! Must not know counts.
//!
//! Without a SYN the side with the higher port is taken for the client, as in the original.
//! Source: the behaviour of Snort 3's `stream`, `stream_tcp` (180 s), `stream_udp` (30 s), `stream_ip` (60 s).
//! Read next: `tracker.rs`.

use std::io;

use serde::{Deserialize, Serialize};

use super::super::recent::{Fades, Recent};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Observation},
    source::Time,
};

/// Flows that are remembered; the original's `max_flows` is 476,288.
const FLOWS: usize = 65_536;

const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Both ends, the lesser first, and the protocol.
type Ends = ((Address, u16), (Address, u16), u8);

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    #[default]
    New,
    /// Nobody saw its SYN. Flows of other protocols stay here.
    Midstream,
    /// The client sent a SYN.
    Asked,
    /// The server has spoken, not with SYN and ACK.
    Answered,
    /// The server sent SYN and ACK.
    Accepted,
    /// The handshake is complete.
    Established,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Flow {
    stage: Stage,
    /// The first of the two ends began.
    first_began: bool,
    /// Somebody reset it.
    reset: bool,
    protocol: u8,
}

impl Fades for Flow {
    fn fades_after(&self) -> i64 {
        let seconds = match self.protocol {
            TCP => 180,
            UDP => 30,
            _ => 60,
        };
        seconds * Time::SECOND
    }
}

/// What a packet means for the counts of those who scan and are scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One attempt more.
    Attempt,
    /// One attempt became a connection.
    Complete,
    /// One attempt was rejected.
    Reject,
}

/// A step, and who takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) step: Step,
    /// The server's side sent the packet.
    pub(super) reversed: bool,
    /// Nobody knows whose side: it counts for both.
    pub(super) both: bool,
}

impl Turn {
    /// A step of the one whose packet it is.
    pub(super) fn new(step: Step, reversed: bool) -> Self {
        Self { step, reversed, both: false }
    }
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Flows {
    table: Recent<Ends, Flow>,
}

impl Default for Flows {
    fn default() -> Self {
        Self { table: Recent::with_room(FLOWS) }
    }
}

impl Flows {
    /// What a TCP packet means, if anything.
    pub(super) fn tcp(&mut self, packet: &Observation) -> Option<Turn> {
        let (ends, from_first) = ends(packet, TCP);
        let shown = packet.flags & (SYN | RST | ACK);
        let is_reset = shown & RST != 0;
        // A reset of nothing begins nothing.
        let flow =
            if is_reset { self.table.get(&ends, packet.clock) } else { self.table.get_or_begin(ends, packet.clock) };
        let Some(flow) = flow else {
            return match shown {
                SYN => Some(Turn::new(Step::Attempt, false)),
                _ if is_reset => Some(Turn { both: true, ..Turn::new(Step::Reject, false) }),
                _ => None,
            };
        };
        let is_over = flow.reset || matches!(flow.stage, Stage::Midstream | Stage::Established);
        if flow.stage == Stage::New || shown == SYN && is_over {
            let by_sender = shown == SYN || shown != SYN | ACK && packet.src_port > packet.dst_port;
            let stage = if shown == SYN { Stage::Asked } else { Stage::Midstream };
            *flow = Flow { stage, first_began: by_sender == from_first, reset: false, protocol: TCP };
        }
        flow.reset |= is_reset;
        flow.next(shown, from_first != flow.first_began)
    }

    /// What a packet of another protocol means: the first sender attempts, the other answers.
    pub(super) fn other(&mut self, packet: &Observation, protocol: u8) -> Option<Turn> {
        let (ends, from_first) = ends(packet, protocol);
        let flow = self.table.get_or_begin(ends, packet.clock)?;
        if flow.stage == Stage::New {
            *flow = Flow { stage: Stage::Midstream, first_began: from_first, reset: false, protocol };
        }
        let reversed = from_first != flow.first_began;
        Some(Turn::new(if reversed { Step::Complete } else { Step::Attempt }, reversed))
    }

    /// How many were forgotten before their time.
    pub(super) fn given_up(&self) -> u64 {
        self.table.given_up()
    }
}

impl Flow {
    /// The next packet. Whatever its flags, all that the client sends before the server has spoken is an attempt, if
    /// the first was a SYN.
    fn next(&mut self, shown: u8, from_server: bool) -> Option<Turn> {
        let (is_reset, accepts) = (shown & RST != 0, shown == SYN | ACK);
        let step = match (self.stage, from_server) {
            (Stage::Established, _) => None,
            (Stage::Midstream, _) if is_reset => Some(Step::Reject),
            (Stage::Midstream, _) => accepts.then_some(Step::Complete),
            (Stage::Asked, false) => Some(Step::Attempt),
            (Stage::Accepted, false) if shown == ACK => {
                self.stage = Stage::Established;
                Some(Step::Complete)
            }
            (stage, true) => {
                self.stage = match stage {
                    _ if accepts => Stage::Accepted,
                    Stage::Asked => Stage::Answered,
                    stage => stage,
                };
                is_reset.then_some(Step::Reject)
            }
            (Stage::New | Stage::Answered | Stage::Accepted, false) => None,
        };
        Some(Turn::new(step?, from_server))
    }
}

/// Both ends in one order, and whether the first is the sender.
fn ends(packet: &Observation, protocol: u8) -> (Ends, bool) {
    let has_ports = protocol == TCP || protocol == UDP;
    let port = |port| if has_ports { port } else { 0 };
    let (from, to) = ((packet.src, port(packet.src_port)), (packet.dst, port(packet.dst_port)));
    if from <= to { ((from, to, protocol), true) } else { ((to, from, protocol), false) }
}

impl Kept for Flows {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { table } = self;
        table.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.table.resume(from)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::by_hand::{answer, tcp},
        *,
    };

    fn steps(packets: impl IntoIterator<Item = Observation>) -> Vec<Option<(Step, bool)>> {
        let mut flows = Flows::default();
        packets.into_iter().map(|packet| flows.tcp(&packet).map(|turn| (turn.step, turn.reversed))).collect()
    }

    const ATTEMPT: Option<(Step, bool)> = Some((Step::Attempt, false));

    #[test]
    fn a_handshake_takes_back_its_attempt_and_a_reset_rejects_it() {
        let shaken = [tcp(0, 80, SYN), answer(1, 80, SYN | ACK), tcp(2, 80, ACK), tcp(3, 80, ACK), answer(4, 80, ACK)];
        assert_eq!(steps(shaken), [ATTEMPT, None, Some((Step::Complete, false)), None, None]);
        assert_eq!(steps([tcp(0, 80, SYN), answer(1, 80, RST | ACK)]), [ATTEMPT, Some((Step::Reject, true))]);
    }

    #[test]
    fn half_open_ports_stay_attempts_and_repeats_count() {
        let half = [tcp(0, 80, SYN), tcp(1, 80, SYN), answer(2, 80, SYN | ACK), tcp(3, 80, RST)];
        assert_eq!(steps(half), [ATTEMPT, ATTEMPT, None, None]);
    }

    #[test]
    fn what_begins_without_a_syn_is_no_attempt_and_its_resets_are_rejects() {
        let fin = 1;
        assert_eq!(steps([tcp(0, 80, fin), answer(1, 80, RST | ACK)]), [None, Some((Step::Reject, true))]);
        let mut flows = Flows::default();
        assert!(flows.tcp(&answer(1, 80, RST)).is_some_and(|turn| turn.both), "nobody knows who began");
    }

    #[test]
    fn a_new_connection_of_the_same_ports_begins_anew() {
        let again = [tcp(0, 80, SYN), answer(1, 80, RST | ACK), tcp(2, 80, SYN), answer(3, 80, RST | ACK)];
        assert_eq!(steps(again)[2..], [ATTEMPT, Some((Step::Reject, true))]);
    }

    #[test]
    fn of_datagrams_the_first_sender_is_the_client() {
        let mut flows = Flows::default();
        let mut step = |packet: Observation| flows.other(&packet, UDP).map(|turn| (turn.step, turn.reversed));
        assert_eq!(step(tcp(0, 53, 0)), ATTEMPT);
        assert_eq!(step(answer(1, 53, 0)), Some((Step::Complete, true)));
        assert_eq!(step(answer(40_000, 53, 0)), ATTEMPT, "after 30 s it is another flow");
    }
}
