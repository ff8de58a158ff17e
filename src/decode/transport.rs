//! What stands above IP, and the choice of who reads it.
//!
//! In: a payload and its IP protocol number. Out: [`Transport`] with what is there of its
//! header. Whatever is missing leaves the rest readable: a cut header still gives its ports,
//! and the reason stands beside it as a flaw.
//! Read next: `tcp.rs`, `udp.rs`, `sctp.rs`, `icmp.rs`.

use nom::Parser;

use super::{
    Packet, arp,
    body::{Body, Fields, be_u16},
    icmp::{self, Icmp},
    sctp::{self, Sctp},
    tcp::{self, Tcp},
    udp,
};

/// IP protocol numbers (the IANA registry) that are looked into.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IGMP, whose header is not read: it is evidence about nobody.
    pub const IGMP: u8 = 2;
    /// IPv4 inside, a tunnel.
    pub const IPV4: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 inside, a tunnel.
    pub const IPV6: u8 = 41;
    /// GRE, a tunnel.
    pub const GRE: u8 = 47;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// Ethernet inside, a tunnel.
    pub const ETHER_IP: u8 = 97;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// MPLS inside, a tunnel.
    pub const MPLS: u8 = 137;
}

/// What stands above IP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// No header that is read: another protocol, a later fragment, or nothing at all.
    #[default]
    Opaque,
    /// A TCP segment.
    Tcp(Tcp),
    /// A UDP datagram.
    Udp(Ports),
    /// An SCTP packet.
    Sctp(Sctp),
    /// An ICMP or ICMPv6 message; the packet's protocol tells which.
    Icmp(Icmp),
    /// An ARP packet, with its operation.
    Arp(arp::Operation),
    /// TCP or SCTP of which no more than the ports is there.
    Ports(Ports),
}

/// The two ports that TCP, UDP and SCTP begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// The sender's.
    pub src: u16,
    /// The target's.
    pub dst: u16,
}

impl Transport {
    /// The ports, where the protocol has them and they are there.
    #[inline]
    #[must_use]
    pub fn ports(&self) -> Option<Ports> {
        match self {
            Self::Tcp(tcp) => Some(tcp.ports),
            Self::Sctp(sctp) => Some(sctp.ports),
            Self::Udp(ports) | Self::Ports(ports) => Some(*ports),
            Self::Opaque | Self::Icmp(_) | Self::Arp(_) => None,
        }
    }
}

/// Reads the transport header, if it is one we know, and gives its length.
#[inline]
pub(super) fn read(body: Body<'_>, packet: &mut Packet) -> usize {
    // A bare IP header says its protocol number and no more: so does a protocol scan.
    if body.sent == 0 {
        return 0;
    }
    match body.protocol {
        protocol::TCP => tcp::read(body, packet),
        protocol::UDP => udp::read(body, packet),
        protocol::ICMP => icmp::read_v4(body, packet),
        protocol::ICMPV6 => icmp::read_v6(body, packet),
        protocol::SCTP => sctp::read(body, packet),
        _ => 0,
    }
}

/// The first four bytes of TCP, UDP and SCTP.
#[inline]
pub(super) fn ports(input: &[u8]) -> Fields<'_, Ports> {
    let (rest, (src, dst)) = (be_u16, be_u16).parse(input)?;
    Ok((rest, Ports { src, dst }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{ipv4, raw, tcp};

    #[test]
    fn ports_are_read_in_network_order_or_not_at_all() {
        assert_eq!(ports(&[0, 22, 1, 0]).map(|(_, ports)| ports), Ok(Ports { src: 22, dst: 256 }));
        assert!(ports(&[0, 22, 1]).is_err());
    }

    #[test]
    fn other_protocols_are_left_alone() {
        let bytes = ipv4(47, &tcp(2));
        let packet = raw(&bytes).unwrap();
        assert_eq!((packet.transport, packet.transport.ports(), packet.flaw), (Transport::Opaque, None, None));
        assert_eq!(packet.payload.of_bytes(&bytes), tcp(2));
    }
}
