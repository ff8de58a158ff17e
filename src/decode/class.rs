//! What a packet is to detection: evidence, a piece, plain traffic, or nothing.
//!
//! In: a [`Packet`]. Out: its [`Class`]. Most frames of a network are plain data of somebody's
//! connection and leave the pipeline here; that is why Tripline is fast.
//! Must not know time, other packets, or who will judge.
//! Read next: `observe.rs` (what becomes of evidence).

use super::{
    Kind, Packet, Skip, Transport,
    arp::Operation,
    icmp::{is_error_v4, is_error_v6, kind, kind6},
    observation,
    sctp::chunk,
    tcp::flags::{ACK, PSH},
    transport::protocol,
};

/// What a packet is to detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// TCP with exactly ACK, or exactly ACK and PSH: some connection goes on.
    Plain,
    /// A piece of a datagram: evidence once it is whole.
    Fragment,
    /// It tells about somebody.
    Evidence(Kind),
    /// Read, or as good as, and evidence about nobody; counted under this name.
    Nobody(Skip),
}

/// Tells what a packet is.
#[inline]
#[must_use]
pub fn classify(packet: &Packet) -> Class {
    if packet.fragment.is_some() {
        return Class::Fragment;
    }
    if let Some(flaw) = packet.flaw {
        return Class::Nobody(flaw);
    }
    match packet.transport {
        // scanlogd and libnids look at neither, and a scan made of these alone would have to
        // be told from every download there is.
        Transport::Tcp(tcp) if tcp.flags == ACK || tcp.flags == ACK | PSH => Class::Plain,
        Transport::Tcp(_) => Class::Evidence(Kind::Tcp),
        Transport::Udp(_) => Class::Evidence(Kind::Udp),
        Transport::Icmp(icmp) if packet.protocol == protocol::ICMP => class_v4(icmp.kind),
        Transport::Icmp(icmp) => class_v6(icmp.kind),
        Transport::Sctp(sctp) => class_sctp(sctp.chunk),
        Transport::Arp(operation) => class_arp(packet, operation),
        Transport::Opaque if packet.protocol == protocol::IGMP => Class::Nobody(Skip::Igmp),
        Transport::Opaque | Transport::Ports(_) => Class::Evidence(Kind::Other),
    }
}

fn class_v4(icmp: u8) -> Class {
    match icmp {
        kind::ECHO | kind::TIMESTAMP | kind::MASK => Class::Evidence(Kind::IcmpRequest),
        kind::ECHO_REPLY | kind::TIMESTAMP_REPLY | kind::MASK_REPLY => Class::Evidence(Kind::IcmpReply),
        error if is_error_v4(error) => Class::Evidence(Kind::IcmpError),
        kind::REDIRECT | kind::ROUTER_ADVERTISEMENT | kind::ROUTER_SOLICITATION => Class::Nobody(Skip::RouterMessage),
        _ => Class::Nobody(Skip::OtherIcmp),
    }
}

fn class_v6(icmp: u8) -> Class {
    match icmp {
        kind6::ECHO => Class::Evidence(Kind::IcmpRequest),
        kind6::ECHO_REPLY => Class::Evidence(Kind::IcmpReply),
        error if is_error_v6(error) => Class::Evidence(Kind::IcmpError),
        kind6::LISTENER_QUERY..=kind6::LISTENER_DONE | kind6::LISTENER_REPORT_V2 => {
            Class::Nobody(Skip::MulticastListener)
        }
        kind6::NEIGHBOUR_SOLICITATION | kind6::NEIGHBOUR_ADVERTISEMENT => Class::Nobody(Skip::NeighbourDiscovery),
        kind6::ROUTER_SOLICITATION | kind6::ROUTER_ADVERTISEMENT | kind6::REDIRECT => {
            Class::Nobody(Skip::RouterMessage)
        }
        _ => Class::Nobody(Skip::OtherIcmp),
    }
}

fn class_sctp(first: u8) -> Class {
    match first {
        chunk::INIT => Class::Evidence(Kind::SctpInit),
        chunk::INIT_ACK => Class::Evidence(Kind::SctpInitAck),
        chunk::ABORT => Class::Evidence(Kind::SctpAbort),
        chunk::COOKIE_ECHO => Class::Evidence(Kind::SctpCookieEcho),
        _ => Class::Nobody(Skip::SctpAssociation),
    }
}

fn class_arp(packet: &Packet, operation: Operation) -> Class {
    debug_assert_eq!(packet.protocol, observation::ARP);
    match operation {
        _ if packet.src == packet.dst => Class::Nobody(Skip::ArpAnnouncement),
        Operation::Request => Class::Evidence(Kind::ArpRequest),
        Operation::Reply => Class::Evidence(Kind::ArpReply),
        Operation::Other => Class::Nobody(Skip::OtherArp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{ethernet, frame, hex, ipv4, ipv6, raw, tcp};

    fn class(bytes: &[u8]) -> Class {
        classify(&raw(bytes).unwrap())
    }

    #[test]
    fn only_ack_and_data_are_plain() {
        for flags in 0..=u8::MAX {
            let expected = if matches!(flags, 0x10 | 0x18) { Class::Plain } else { Class::Evidence(Kind::Tcp) };
            assert_eq!(class(&ipv4(6, &tcp(flags))), expected, "{flags:#04x}");
            assert_eq!(class(&ipv6(6, &tcp(flags))), expected, "{flags:#04x}");
        }
    }

    #[test]
    fn requests_replies_and_errors_of_both_icmps_are_evidence_and_their_housekeeping_is_not() {
        let icmp = |kind: u8| class(&ipv4(1, &[kind, 0, 0, 0, 0, 1, 0, 2]));
        for kind in [8, 13, 17] {
            assert_eq!(icmp(kind), Class::Evidence(Kind::IcmpRequest), "{kind}");
        }
        for kind in [0, 14, 18] {
            assert_eq!(icmp(kind), Class::Evidence(Kind::IcmpReply), "{kind}");
        }
        assert_eq!(icmp(3), Class::Nobody(Skip::UnreadableQuote));
        assert_eq!(icmp(5), Class::Nobody(Skip::RouterMessage));
        assert_eq!(icmp(15), Class::Nobody(Skip::OtherIcmp));
        let icmp6 = |kind: u8| class(&ipv6(58, &[kind, 0, 0, 0, 0, 1, 0, 2]));
        assert_eq!(icmp6(128), Class::Evidence(Kind::IcmpRequest));
        assert_eq!(icmp6(129), Class::Evidence(Kind::IcmpReply));
        assert_eq!(icmp6(1), Class::Nobody(Skip::UnreadableQuote));
        for (kind, skip) in [
            (131, Skip::MulticastListener),
            (143, Skip::MulticastListener),
            (134, Skip::RouterMessage),
            (135, Skip::NeighbourDiscovery),
            (200, Skip::OtherIcmp),
        ] {
            assert_eq!(icmp6(kind), Class::Nobody(skip), "{kind}");
        }
    }

    #[test]
    fn a_protocol_scan_is_seen_even_where_the_header_is_missing() {
        for protocol in [6, 17, 1, 132, 47, 50, 253] {
            assert_eq!(class(&ipv4(protocol, &[])), Class::Evidence(Kind::Other), "{protocol}");
        }
        assert_eq!(class(&ipv4(47, b"a tunnel")), Class::Evidence(Kind::Other));
        assert_eq!(class(&ipv6(59, &[])), Class::Evidence(Kind::Other));
        assert_eq!(class(&ipv4(2, &[0x16; 8])), Class::Nobody(Skip::Igmp));
    }

    #[test]
    fn the_first_chunk_tells_what_sctp_wants() {
        let sctp = |chunk: u8| class(&ipv4(132, &hex(&format!("c23c 0050 00000000 00000000 {chunk:02x} 00 0004"))));
        assert_eq!(sctp(1), Class::Evidence(Kind::SctpInit));
        assert_eq!(sctp(2), Class::Evidence(Kind::SctpInitAck));
        assert_eq!(sctp(6), Class::Evidence(Kind::SctpAbort));
        assert_eq!(sctp(10), Class::Evidence(Kind::SctpCookieEcho));
        assert_eq!(sctp(0), Class::Nobody(Skip::SctpAssociation));
    }

    #[test]
    fn a_host_that_announces_itself_asks_for_nobody() {
        let arp = |operation: &str, target: &str| {
            let text = format!("0001 0800 06 04 {operation} 020000000002 0a000002 000000000000 {target}");
            classify(&crate::decode::decode(&frame(1, &ethernet(0x0806, &hex(&text)))).unwrap())
        };
        assert_eq!(arp("0001", "0a000009"), Class::Evidence(Kind::ArpRequest));
        assert_eq!(arp("0002", "0a000009"), Class::Evidence(Kind::ArpReply));
        assert_eq!(arp("0001", "0a000002"), Class::Nobody(Skip::ArpAnnouncement));
        assert_eq!(arp("0008", "0a000009"), Class::Nobody(Skip::OtherArp));
    }

    #[test]
    fn a_piece_is_a_piece_whatever_it_begins_with() {
        let mut bytes = ipv4(6, &tcp(2)[..8]);
        bytes[6] = 0x20;
        assert_eq!(class(&bytes), Class::Fragment);
    }
}
