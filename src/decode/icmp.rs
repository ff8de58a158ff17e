//! ICMP (RFC 792, 950) and ICMPv6 (RFC 4443): type, code, numbers, and what an error quotes.
//!
//! In: an IP payload. Out: [`Icmp`], with the [`Quoted`] packet of an error: whose probe it
//! answers. The quote is anybody's to forge, and so is read with the same care as a packet.
//! Read next: `observe.rs` (how an error becomes an answer), `class.rs`.

use nom::Parser;

use super::{
    Address, Packet, Skip,
    body::{Body, Fields, be_u8, be_u16, be_u32},
    ipv4, ipv6,
    transport::{self, Ports, Transport, protocol},
};

const HEADER: usize = 8;

/// An ICMP or ICMPv6 message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Of a request or reply: identifier.
    pub id: u16,
    /// Of a request or reply: sequence number.
    pub sequence: u16,
    /// Of an error: the packet that caused it, as far as it is quoted.
    pub quoted: Option<Quoted>,
}

/// The beginning of a packet, as an ICMP error gives it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quoted {
    /// Who sent it: the owner of the evidence.
    pub src: Address,
    /// Whom it was for.
    pub dst: Address,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// Its IP protocol.
    pub protocol: u8,
    /// Its ports; of an ICMP request identifier and sequence number, as in [`Icmp`].
    /// 0 for other protocols.
    pub ports: Ports,
    /// TCP sequence number, or SCTP verification tag.
    pub seq: u32,
    /// TCP flags where the quote reaches so far; of an ICMP request its type.
    pub flags: u8,
}

/// Types of ICMP (IANA) by their part in a scan.
pub mod kind {
    #![allow(missing_docs)] // They have their names from the registry.
    pub const ECHO_REPLY: u8 = 0;
    pub const UNREACHABLE: u8 = 3;
    pub const SOURCE_QUENCH: u8 = 4;
    pub const REDIRECT: u8 = 5;
    pub const ECHO: u8 = 8;
    pub const ROUTER_ADVERTISEMENT: u8 = 9;
    pub const ROUTER_SOLICITATION: u8 = 10;
    pub const TIME_EXCEEDED: u8 = 11;
    pub const PARAMETER_PROBLEM: u8 = 12;
    pub const TIMESTAMP: u8 = 13;
    pub const TIMESTAMP_REPLY: u8 = 14;
    pub const MASK: u8 = 17;
    pub const MASK_REPLY: u8 = 18;
}

/// Types of ICMPv6 (IANA) by their part in a scan.
pub mod kind6 {
    #![allow(missing_docs)] // They have their names from the registry.
    pub const UNREACHABLE: u8 = 1;
    pub const PARAMETER_PROBLEM: u8 = 4;
    pub const ECHO: u8 = 128;
    pub const ECHO_REPLY: u8 = 129;
    pub const LISTENER_QUERY: u8 = 130;
    pub const LISTENER_DONE: u8 = 132;
    pub const ROUTER_SOLICITATION: u8 = 133;
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    pub const NEIGHBOUR_SOLICITATION: u8 = 135;
    pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    pub const REDIRECT: u8 = 137;
    pub const LISTENER_REPORT_V2: u8 = 143;
}

/// Whether a type of ICMP is an error that a probe may cause.
#[inline]
pub(super) fn is_error_v4(kind: u8) -> bool {
    matches!(kind, kind::UNREACHABLE | kind::SOURCE_QUENCH | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM)
}

/// Whether a type of ICMPv6 is an error that a probe may cause.
#[inline]
pub(super) fn is_error_v6(kind: u8) -> bool {
    matches!(kind, kind6::UNREACHABLE..=kind6::PARAMETER_PROBLEM)
}

/// How a quoted packet is read: by its IP version, into a packet of its own.
type Network = for<'a> fn(&'a [u8], &mut Packet) -> Result<Body<'a>, Skip>;

/// Reads a message over IPv4; gives the length of its header.
pub(super) fn read_v4(body: Body<'_>, packet: &mut Packet) -> usize {
    read(body, packet, is_error_v4, ipv4::read)
}

/// Reads a message over IPv6; gives the length of its header.
pub(super) fn read_v6(body: Body<'_>, packet: &mut Packet) -> usize {
    read(body, packet, is_error_v6, ipv6::read)
}

fn read(body: Body<'_>, packet: &mut Packet, is_error: fn(u8) -> bool, network: Network) -> usize {
    let Ok((quoted, mut icmp)) = header(body.bytes) else {
        if let Ok((_, icmp)) = beginning(body.bytes) {
            packet.transport = Transport::Icmp(icmp);
        }
        packet.flaw = Some(if body.sent < HEADER { Skip::ShortIcmp } else { Skip::CutIcmp });
        return HEADER;
    };
    if is_error(icmp.kind) {
        (icmp.id, icmp.sequence) = (0, 0);
        icmp.quoted = quote(quoted, network);
        if icmp.quoted.is_none() {
            packet.flaw = Some(Skip::UnreadableQuote);
        }
    }
    packet.transport = Transport::Icmp(icmp);
    HEADER
}

/// Type and code.
fn beginning(input: &[u8]) -> Fields<'_, Icmp> {
    let (rest, (kind, code)) = (be_u8, be_u8).parse(input)?;
    Ok((rest, Icmp { kind, code, ..Icmp::default() }))
}

/// With identifier and sequence number, where the type has them.
fn header(input: &[u8]) -> Fields<'_, Icmp> {
    let (rest, (icmp, _checksum, id, sequence)) = (beginning, be_u16, be_u16, be_u16).parse(input)?;
    Ok((rest, Icmp { id, sequence, ..icmp }))
}

/// What a quoted packet says; `None` when that is not enough to know the door it was for.
fn quote(input: &[u8], network: Network) -> Option<Quoted> {
    let mut packet = Packet::default();
    let body = network(input, &mut packet).ok()?;
    let Packet { src, dst, ip_id, fragment, flaw, .. } = packet;
    if flaw.is_some() {
        return None;
    }
    let mut quoted = Quoted { src, dst, ip_id, protocol: body.protocol, ..Quoted::default() };
    let has_door =
        matches!(body.protocol, protocol::TCP | protocol::UDP | protocol::SCTP | protocol::ICMP | protocol::ICMPV6);
    if !has_door || body.sent == 0 {
        return Some(quoted);
    }
    if fragment.is_some_and(|f| f.offset > 0) {
        return None;
    }
    if matches!(body.protocol, protocol::ICMP | protocol::ICMPV6) {
        let (_, Icmp { kind, id, sequence, .. }) = header(body.bytes).ok()?;
        return Some(Quoted { ports: Ports { src: id, dst: sequence }, flags: kind, ..quoted });
    }
    let (rest, ports) = transport::ports(body.bytes).ok()?;
    quoted.ports = ports;
    // Eight bytes are the rule of old; what is quoted beyond is a gift.
    if body.protocol != protocol::UDP
        && let Ok((rest, seq)) = be_u32(rest)
    {
        quoted.seq = seq;
        if body.protocol == protocol::TCP
            && let Ok((_, flags)) = flags(rest)
        {
            quoted.flags = flags;
        }
    }
    Some(quoted)
}

/// TCP's, behind its sequence number.
fn flags(input: &[u8]) -> Fields<'_, u8> {
    let (rest, (_ack, _header_len, flags)) = (be_u32, be_u8, be_u8).parse(input)?;
    Ok((rest, flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{address, hex, ipv4 as over_v4, ipv6 as over_v6, raw, tcp};

    fn icmp(packet: &Packet) -> Icmp {
        let Transport::Icmp(icmp) = packet.transport else { panic!("{packet:?}") };
        icmp
    }

    #[test]
    fn a_request_has_its_numbers() {
        let packet = raw(&over_v4(1, &hex("08 00 0000 1234 0007 6162"))).unwrap();
        assert_eq!(icmp(&packet), Icmp { kind: 8, code: 0, id: 0x1234, sequence: 7, quoted: None });
        assert_eq!(packet.payload_len, 2);
    }

    #[test]
    fn an_error_tells_whose_probe_it_answers() {
        // Port unreachable, quoting the header and eight bytes of UDP, as RFC 792 asks for.
        let probe = over_v4(17, &hex("c23c 829a 0028 0000"));
        let packet = raw(&over_v4(1, &[hex("03 03 0000 00000000"), probe].concat())).unwrap();
        let quoted = icmp(&packet).quoted.unwrap();
        assert_eq!((quoted.src, quoted.dst), (address("10.0.0.2"), address("10.0.0.1")));
        assert_eq!((quoted.protocol, quoted.ports), (17, Ports { src: 49724, dst: 33434 }));
        assert_eq!((quoted.ip_id, quoted.seq, quoted.flags), (0x1c46, 0, 0));
    }

    #[test]
    fn a_long_quote_gives_the_flags_and_a_short_one_the_sequence_number() {
        let quoting = |n: usize| {
            let probe = over_v6(6, &tcp(2));
            raw(&over_v6(58, &[hex("01 04 0000 00000000"), probe[..40 + n].to_vec()].concat())).unwrap()
        };
        let of = |n| icmp(&quoting(n)).quoted.map(|q| (q.ports.dst, q.seq, q.flags));
        assert_eq!(of(20), Some((80, 1, 2)));
        assert_eq!(of(8), Some((80, 1, 0)));
        assert_eq!(of(4), Some((80, 0, 0)));
        assert_eq!((of(3), quoting(3).flaw), (None, Some(Skip::UnreadableQuote)));
    }

    #[test]
    fn an_unanswered_ping_is_told_by_its_own_type_and_numbers() {
        let ping = over_v4(1, &hex("08 00 0000 1234 0007"));
        let quoted = icmp(&raw(&over_v4(1, &[hex("03 01 0000 00000000"), ping].concat())).unwrap()).quoted.unwrap();
        assert_eq!((quoted.protocol, quoted.flags, quoted.ports), (1, 8, Ports { src: 0x1234, dst: 7 }));
    }

    #[test]
    fn a_protocol_unreachable_names_the_protocol() {
        let probe = over_v4(47, &[]);
        let quoted = icmp(&raw(&over_v4(1, &[hex("03 02 0000 00000000"), probe].concat())).unwrap()).quoted.unwrap();
        assert_eq!((quoted.protocol, quoted.ports), (47, Ports::default()));
    }

    #[test]
    fn a_quoted_later_fragment_has_no_door() {
        let mut piece = over_v4(17, &[0; 16]);
        piece[7] = 3;
        let packet = raw(&over_v4(1, &[hex("03 01 0000 00000000"), piece].concat())).unwrap();
        assert_eq!(packet.flaw, Some(Skip::UnreadableQuote));
    }

    #[test]
    fn a_cut_message_keeps_its_type() {
        let whole = over_v4(1, &hex("08 00 0000 1234 0007"));
        let packet = raw(&whole[..23]).unwrap();
        assert_eq!((icmp(&packet).kind, packet.flaw), (8, Some(Skip::CutIcmp)));
        assert_eq!(raw(&over_v4(1, &[8, 0])).unwrap().flaw, Some(Skip::ShortIcmp));
    }
}
