//! How an answer is read: which door answered, and what it said.
//!
//! In: an observation addressed to the cell's own host. Out: the door that it speaks for, its
//! word, and whether it echoes the probe. An answer counts only when it does: without that anybody
//! could frame a host, or acquit one, with forged answers.
//! Source: RFC 9293 section 3.10.7 (which numbers a reset carries), RFC 792, 4443, 9260, 826.

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        contacts::{Contact, Door},
        technique::{ACK, FIN, RST, SYN, Technique},
    },
    decode::{Kind, Marks, Observation, observation::ARP},
};

/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// SCTP's protocol number.
pub const SCTP: u8 = 132;
/// ICMP's protocol number; ICMPv6 is folded into it.
pub const ICMP: u8 = 1;
/// ICMPv6's protocol number.
const ICMPV6: u8 = 58;
/// Stands for "a protocol as such": the door's port is the protocol number.
pub const ANY: u8 = 0;

/// How a first contact ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Answered.
    Open,
    /// Refused.
    Closed,
    /// Some router said no.
    Unreachable,
    /// No word.
    Silent,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The door is open.
    Open,
    /// It is closed.
    Closed,
    /// The host or net cannot be reached, or somebody forbids it.
    Unreachable,
    /// The hop limit ran out on the way.
    Traced,
}

/// The door that a probe knocks at.
#[inline]
#[must_use]
pub fn door_of(o: &Observation, technique: Technique) -> Door {
    let (protocol, port) = match technique {
        Technique::Udp => (UDP, o.dst_port),
        Technique::SctpInit | Technique::SctpCookieEcho => (SCTP, o.dst_port),
        Technique::IpProtocol => (ANY, u16::from(o.protocol)),
        Technique::IcmpEcho => (ICMP, 8),
        Technique::IcmpTimestamp => (ICMP, 13),
        Technique::IcmpMask => (ICMP, 17),
        Technique::Arp => (ARP, 0),
        _ => (TCP, o.dst_port),
    };
    Door { source: o.src, target: o.dst, port, protocol, incoming: false }
}

/// The number that an answer to this probe has to echo: of TCP what a reset or SYN-ACK acknowledges
/// (or, to a probe that carries an ACK, the sequence number of a bare reset); of UDP the port it came from; of
/// SCTP the tag; of ICMP the identifier.
#[must_use]
pub fn echo_of(o: &Observation, technique: Technique) -> u32 {
    match technique {
        _ if technique.is_tcp() && o.flags & ACK != 0 => o.tcp_ack,
        _ if technique.is_tcp() => {
            let counted = u32::from(o.flags & SYN != 0) + u32::from(o.flags & FIN != 0);
            o.tcp_seq.wrapping_add(counted).wrapping_add(u32::from(o.payload_len))
        }
        Technique::Udp | Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpMask => u32::from(o.src_port),
        Technique::SctpInit => o.tcp_seq,
        Technique::SctpCookieEcho => o.tcp_ack,
        _ => 0,
    }
}

/// The door that an answer speaks for and what it says; `None` for what answers nothing.
/// The door's source is the one addressed: the one who knocked.
#[must_use]
pub fn answer(o: &Observation) -> Option<(Door, Word)> {
    let from = |protocol, port| Door { source: o.dst, target: o.src, port, protocol, incoming: false };
    Some(match o.kind {
        Kind::Tcp if o.flags & (FIN | SYN | ACK | RST) == SYN | ACK => (from(TCP, o.src_port), Word::Open),
        Kind::Tcp if o.flags & RST != 0 && o.flags & SYN == 0 => (from(TCP, o.src_port), Word::Closed),
        Kind::Udp => (from(UDP, o.src_port), Word::Open),
        Kind::SctpInitAck => (from(SCTP, o.src_port), Word::Open),
        Kind::SctpAbort => (from(SCTP, o.src_port), Word::Closed),
        Kind::ArpReply => (from(ARP, 0), Word::Open),
        Kind::Other => (from(ANY, u16::from(o.protocol)), Word::Open),
        Kind::IcmpReply => {
            let asked = match o.icmp_type {
                0 | 129 => 8,
                14 => 13,
                18 => 17,
                _ => return None,
            };
            (from(ICMP, asked), Word::Open)
        }
        Kind::IcmpError => return error(o),
        _ => return None,
    })
}

/// Reads an ICMP error. Types and codes: RFC 792 and 1812, RFC 4443 section 3.
fn error(o: &Observation) -> Option<(Door, Word)> {
    /// The classes of errors that matter, the same for both families.
    enum Class {
        Port,
        Protocol,
        Elsewhere,
        Expired,
    }
    let v4 = o.dst.as_v4().is_some();
    let class = match (v4, o.icmp_type, o.icmp_code) {
        (true, 3, 3) | (false, 1, 4) => Class::Port,
        (true, 3, 2) | (false, 4, 1) => Class::Protocol,
        (true, 3, 4) | (false, 2, _) => return None, // too big: somebody is there and the packet was not for it
        (true, 3, _) | (false, 1, _) => Class::Elsewhere,
        (true, 11, 0) | (false, 3, 0) => Class::Expired,
        _ => return None,
    };
    let (protocol, port) = match (&class, o.protocol) {
        (Class::Protocol, number) => (ANY, u16::from(number)),
        (_, TCP) => (TCP, o.src_port),
        (_, UDP) => (UDP, o.src_port),
        (_, SCTP) => (SCTP, o.src_port),
        // Of a quoted ping the flags hold the type; only requests are evidence, and anybody may quote anything.
        (_, ICMP | ICMPV6) if o.flags == 13 || o.flags == 17 => (ICMP, u16::from(o.flags)),
        (_, ICMP | ICMPV6) => (ICMP, 8),
        (_, number) => (ANY, u16::from(number)),
    };
    let word = match class {
        Class::Port | Class::Protocol => Word::Closed,
        Class::Elsewhere => Word::Unreachable,
        Class::Expired => Word::Traced,
    };
    Some((Door { source: o.dst, target: o.src, port, protocol, incoming: false }, word))
}

/// Whether an ICMP error says that some router on the way knows no route. Codes: RFC 1812 section 5.2.7.1, RFC 4443
/// section 3.1. (That a host does not answer is another code, and a last router's word about that host.)
#[must_use]
pub fn has_no_route(o: &Observation) -> bool {
    let v4 = o.dst.as_v4().is_some();
    let codes = matches!((v4, o.icmp_type, o.icmp_code), (true, 3, 0 | 6 | 11) | (false, 1, 0));
    o.kind == Kind::IcmpError && codes && !o.marks.has(Marks::BY_TARGET)
}

/// Whether an answer echoes a probe of the contact, its first or its latest. Errors quote the probe's sequence number.
#[must_use]
pub fn echoes(o: &Observation, contact: &Contact) -> bool {
    let Contact { isn, echo, .. } = *contact;
    let is_either = |number: u32| number == isn || number == echo;
    match o.kind {
        // A SYN's payload need not be taken, a FIN beside a SYN neither: one or the other is acknowledged.
        Kind::Tcp if o.flags & ACK != 0 => {
            o.tcp_ack == echo || o.tcp_ack == isn.wrapping_add(1) || echo.wrapping_sub(o.tcp_ack) == 1
        }
        Kind::Tcp => o.tcp_seq == echo,
        Kind::IcmpError if o.protocol == TCP => o.tcp_seq == isn || echo.wrapping_sub(o.tcp_seq) <= 1,
        Kind::IcmpError if o.protocol == SCTP => o.dst_port == contact.src_port,
        Kind::IcmpError if matches!(o.protocol, UDP | ICMP | ICMPV6) => is_either(u32::from(o.dst_port)),
        Kind::IcmpReply => is_either(u32::from(o.src_port)),
        Kind::Udp => is_either(u32::from(o.dst_port)),
        Kind::SctpInitAck | Kind::SctpAbort => is_either(o.tcp_ack),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::samples::{back, error, host, ping, refusal, syn, tcp, udp, welcome},
        decode::Address,
    };

    #[test]
    fn an_answer_speaks_for_the_door_that_was_knocked_at() {
        let probe = syn((2, 40_000), (1, 80));
        let door = door_of(&probe, Technique::TcpSyn);
        assert_eq!((door.source, door.target, door.port), (host(2), host(1), 80));
        assert_eq!(answer(&welcome(&probe)), Some((door, Word::Open)));
        assert_eq!(answer(&refusal(&probe)), Some((door, Word::Closed)));
        assert_eq!(answer(&probe), None, "a probe answers nothing");
        assert_eq!(answer(&Observation { flags: SYN | FIN | ACK, ..welcome(&probe) }), None, "no stack welcomes so");
        let datagram = udp((2, 40_000), (1, 53));
        assert_eq!(answer(&back(&datagram)), Some((door_of(&datagram, Technique::Udp), Word::Open)));
        let reply = Observation { kind: Kind::IcmpReply, icmp_type: 0, ..back(&ping(2, 1)) };
        assert_eq!(answer(&reply), Some((door_of(&ping(2, 1), Technique::IcmpEcho), Word::Open)));
    }

    #[test]
    fn errors_of_either_family_say_the_same() {
        let v6 = |o: Observation| Observation { src: Address(1), dst: Address(2), ..o };
        let probe = udp((2, 40_000), (1, 53));
        let word = |o: &Observation| answer(o).map(|(_, word)| word);
        for (four, six, expected) in [
            ((3, 3), (1, 4), Some(Word::Closed)),
            ((3, 2), (4, 1), Some(Word::Closed)),
            ((3, 13), (1, 1), Some(Word::Unreachable)),
            ((3, 4), (2, 0), None),
            ((11, 0), (3, 0), Some(Word::Traced)),
            ((11, 1), (3, 1), None),
        ] {
            assert_eq!(word(&error(&probe, four.0, four.1)), expected, "{four:?}");
            assert_eq!(word(&v6(error(&probe, six.0, six.1))), expected, "{six:?}");
        }
    }

    #[test]
    fn a_refused_protocol_is_a_door_of_its_own() {
        let refused = error(&Observation { protocol: 47, ..udp((2, 0), (1, 0)) }, 3, 2);
        let Some((door, word)) = answer(&refused) else { panic!("no answer") };
        assert_eq!((door.protocol, door.port, word), (ANY, 47, Word::Closed));
    }

    #[test]
    fn what_has_to_be_echoed_counts_flags_and_payload_as_the_standard_does() {
        let echo = |flags, payload_len, technique| {
            let o = Observation { tcp_seq: 100, tcp_ack: 900, payload_len, ..tcp((2, 1), (1, 80), flags) };
            echo_of(&o, technique)
        };
        assert_eq!(echo(SYN, 0, Technique::TcpSyn), 101);
        assert_eq!(echo(SYN, 20, Technique::TcpSyn), 121);
        assert_eq!(echo(FIN, 0, Technique::TcpFin), 101);
        assert_eq!(echo(0, 0, Technique::TcpNull), 100);
        assert_eq!(echo(SYN | FIN, 0, Technique::TcpOther), 102);
        assert_eq!(echo(FIN | ACK, 0, Technique::TcpMaimon), 900);
        let last = Observation { tcp_seq: u32::MAX, ..syn((2, 1), (1, 80)) };
        assert_eq!(echo_of(&last, Technique::TcpSyn), 0, "numbers wrap");
    }
}
