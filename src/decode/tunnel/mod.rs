//! Tunnels: what carries a whole packet, or a whole frame, inside another packet.
//!
//! In: a packet whose IP protocol or UDP port is a tunnel's, and its payload. Out: the packet inside, with a [`Tunnel`] that
//! says what it came through. The inner packet is judged: its ends are those who scan and are scanned. What is
//! announced as a tunnel and holds no packet that can be read stays what it is outside, so that who
//! knocks at a tunnel's port is seen. Must not know who asks.
//! Read next: `gre.rs`, `vxlan.rs`; `../mod.rs` has the way round and its limit.

mod geneve;
mod gre;
mod gtp;
mod l2tp;
mod teredo;
mod vxlan;

use serde::{Deserialize, Serialize};

use super::{
    Address, Packet,
    body::Body,
    link::{Opened, ethernet, mpls, raw},
    transport::{Ports, Transport, protocol},
};

/// Tunnels around each other. Networks have two or three; the limit bounds the work that a frame can cause.
pub const DEEPEST: u8 = 8;

/// What a packet came through: the outermost tunnel, and how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// The end that put the packet in.
    pub src: Address,
    /// The end that takes it out.
    pub dst: Address,
    /// Network, key or session, where the protocol numbers them.
    pub id: Option<u32>,
    /// What sort of tunnel.
    pub protocol: Protocol,
    /// Tunnels around each other, from 1.
    pub depth: u8,
}

impl Tunnel {
    /// What a packet came through that came through `outer`, if it did, and then `inner`.
    #[must_use]
    pub fn around(outer: Option<Self>, inner: Option<Self>) -> Option<Self> {
        match (outer, inner) {
            (Some(outer), Some(inner)) => Some(Self { depth: outer.depth.saturating_add(inner.depth), ..outer }),
            (outer, inner) => outer.or(inner),
        }
    }
}

/// The sorts of tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// RFC 2784, 2890, 7637; the first version also carries Ethernet and MPLS.
    Gre,
    /// Version 1 of it, RFC 2637.
    Pptp,
    /// Cisco's mirror of a port, all three types.
    Erspan,
    /// IPv4 in IPv4 or IPv6, RFC 2003 and 2473.
    Ipv4,
    /// IPv6 in IPv4 or IPv6, RFC 4213 and 2473.
    Ipv6,
    /// Ethernet in IP, RFC 3378.
    EtherIp,
    /// MPLS in IP, RFC 4023.
    Mpls,
    /// RFC 7348, and its extension GPE.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// 3GPP TS 29.281.
    GtpU,
    /// RFC 4380.
    Teredo,
    /// Version 2, RFC 2661.
    L2tp,
}

impl Protocol {
    /// As events name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gre => "GRE",
            Self::Pptp => "PPTP",
            Self::Erspan => "ERSPAN",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::EtherIp => "EtherIP",
            Self::Mpls => "MPLS",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "GENEVE",
            Self::GtpU => "GTP-U",
            Self::Teredo => "Teredo",
            Self::L2tp => "L2TP",
        }
    }

    /// Whether the id names a network, the same in both directions. Those of the others name one end's session.
    #[must_use]
    pub fn has_networks(self) -> bool {
        matches!(self, Self::Gre | Self::Vxlan | Self::Geneve)
    }
}

/// A tunnel's header, read: what sort it is, its id, what it carries.
struct Header<'a> {
    protocol: Protocol,
    id: Option<u32>,
    carried: (u16, &'a [u8]),
}

/// UDP ports of tunnels (the IANA registry). Linux had its own for VXLAN before there was one.
mod port {
    pub(super) const L2TP: u16 = 1701;
    pub(super) const GTP_U: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const VXLAN_LINUX: u16 = 8472;
    pub(super) const GENEVE: u16 = 6081;
}

const UDP_HEADER: usize = 8;

/// Whether a packet may be a tunnel's: seen by its protocol or ports alone.
#[inline]
pub(super) fn is_tunnel(packet: &Packet) -> bool {
    match packet.transport {
        Transport::Udp(ports) => are_tunnel_ports(ports),
        Transport::Opaque => is_tunnel_protocol(packet.protocol),
        _ => false,
    }
}

fn is_tunnel_protocol(number: u8) -> bool {
    use protocol::{ETHER_IP, GRE, IPV4, IPV6, MPLS};
    matches!(number, IPV4 | IPV6 | GRE | ETHER_IP | MPLS)
}

/// Whether a datagram may be a tunnel's.
#[inline]
pub(super) fn are_tunnel_ports(ports: Ports) -> bool {
    is_tunnel_port(ports.dst) || is_session_port(ports.src)
}

#[inline]
fn is_tunnel_port(number: u16) -> bool {
    is_session_port(number) || matches!(number, port::VXLAN | port::VXLAN_GPE | port::VXLAN_LINUX | port::GENEVE)
}

/// Of these, what goes back comes from the port. The others send to it in both directions.
#[inline]
fn is_session_port(number: u16) -> bool {
    matches!(number, port::L2TP | port::GTP_U | port::TEREDO)
}

/// Opens a tunnel. `body` is what lies behind the outer IP header. Gives the tunnel, the `EtherType` of what is inside, and
/// that; `inner` gets what the way there tells of it.
pub(super) fn open<'a>(body: Body<'a>, outer: &Packet, inner: &mut Packet) -> Option<(Tunnel, (u16, &'a [u8]))> {
    let header = match outer.transport {
        Transport::Udp(ports) => over_udp(ports, body.bytes.get(UDP_HEADER..)?, inner),
        _ => over_ip(body.protocol, body.bytes, inner),
    }?;
    let Header { protocol, id, carried } = header;
    Some((Tunnel { src: outer.src, dst: outer.dst, id, protocol, depth: 1 }, carried))
}

fn over_ip<'a>(number: u8, payload: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let (protocol, opened): (_, Opened<'a>) = match number {
        protocol::IPV4 => (Protocol::Ipv4, raw::open_v4(payload)),
        protocol::IPV6 => (Protocol::Ipv6, raw::open_v6(payload)),
        protocol::ETHER_IP => (Protocol::EtherIp, ether_ip(payload, inner)),
        protocol::MPLS => (Protocol::Mpls, mpls::open(payload, inner)),
        protocol::GRE => return gre::open(payload, inner),
        _ => return None,
    };
    Some(Header { protocol, id: None, carried: opened.ok()? })
}

fn over_udp<'a>(ports: Ports, payload: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let session = if is_tunnel_port(ports.dst) { ports.dst } else { ports.src };
    match session {
        port::VXLAN | port::VXLAN_LINUX => vxlan::open(payload, inner),
        port::VXLAN_GPE => vxlan::open_gpe(payload, inner),
        port::GENEVE => geneve::open(payload, inner),
        port::GTP_U => gtp::open(payload),
        port::TEREDO => teredo::open(payload),
        port::L2TP => l2tp::open(payload, inner),
        _ => None,
    }
}

/// Version 3 and twelve reserved bits, then a frame.
fn ether_ip<'a>(payload: &'a [u8], inner: &mut Packet) -> Opened<'a> {
    let frame = payload.strip_prefix(&[0x30, 0]).ok_or(super::Skip::CutLinkHeader)?;
    ethernet::open(frame, inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Class, Kind, Marks, Skip, classify, decode,
        samples::{address, ethernet, frame, hex, ipv4, ipv6, raw, tcp, tunnelled, udp},
        through,
    };

    fn inside(bytes: &[u8]) -> (Option<u16>, Protocol, u8) {
        let (packet, tunnel) = tunnelled(bytes).unwrap();
        (packet.transport.ports().map(|p| p.dst), tunnel.protocol, tunnel.depth)
    }

    #[test]
    fn either_version_of_ip_is_found_in_either() {
        for (number, inner, sort) in [(4, ipv4(6, &tcp(2)), Protocol::Ipv4), (41, ipv6(6, &tcp(2)), Protocol::Ipv6)] {
            for outer in [ipv4(number, &inner), ipv6(number, &inner)] {
                assert_eq!(inside(&outer), (Some(80), sort, 1));
            }
        }
        let bridged = [hex("3000"), ethernet(0x0800, &ipv4(6, &tcp(2)))].concat();
        assert_eq!(inside(&ipv4(97, &bridged)), (Some(80), Protocol::EtherIp, 1));
        let labelled = [hex("00010140"), ipv4(6, &tcp(2))].concat();
        assert_eq!(inside(&ipv4(137, &labelled)), (Some(80), Protocol::Mpls, 1));
    }

    #[test]
    fn the_inner_packet_is_judged_and_the_outermost_tunnel_told() {
        let mut inner = ipv4(6, &tcp(2));
        (inner[8], inner[15], inner[19]) = (7, 9, 8);
        let vxlan = udp(50_000, 4789, &[hex("08000000 00000700"), ethernet(0x0800, &inner)].concat());
        let bytes = ethernet(0x0800, &ipv4(47, &[hex("0000 86dd"), ipv6(17, &vxlan)].concat()));
        let packet = decode(&frame(1, &bytes)).unwrap();
        assert_eq!((packet.src, packet.dst, packet.ttl), (address("10.0.0.9"), address("10.0.0.8"), 7));
        assert_eq!(classify(&packet), Class::Evidence(Kind::Tcp));
        assert!(packet.marks.has(Marks::TUNNELLED));
        let tunnel = through(&frame(1, &bytes)).unwrap();
        assert_eq!((tunnel.src, tunnel.dst), (address("10.0.0.2"), address("10.0.0.1")));
        assert_eq!((tunnel.protocol, tunnel.id, tunnel.depth), (Protocol::Gre, None, 2));
    }

    #[test]
    fn who_knocks_at_a_tunnel_s_door_is_seen() {
        for payload in [vec![], hex("0800"), hex("08000000 00000700"), hex("ffffffff ffffffff ffffffff")] {
            for port in [1701, 2152, 3544, 4789, 4790, 6081, 8472] {
                let bytes = ipv4(17, &udp(50_000, port, &payload));
                let class = classify(&raw(&bytes).unwrap());
                assert_eq!((tunnelled(&bytes), class), (None, Class::Evidence(Kind::Udp)), "{port}");
            }
            for number in [4, 41, 47, 97, 137] {
                let bytes = ipv4(number, &payload);
                let class = classify(&raw(&bytes).unwrap());
                assert_eq!((tunnelled(&bytes), class), (None, Class::Evidence(Kind::Other)), "{number}");
            }
        }
    }

    #[test]
    fn what_the_outer_packet_went_through_is_not_the_inner_one_s() {
        let mut outer = ipv4(4, &ipv4(6, &tcp(2)));
        outer[16..20].copy_from_slice(&[224, 0, 0, 1]);
        let mut bytes = ethernet(0x0800, &outer);
        bytes[0] |= 1;
        let packet = decode(&frame(1, &bytes)).unwrap();
        assert!(!packet.marks.has(Marks::TO_MANY), "the group is of the tunnel's ends");
        assert_eq!(packet.mac, [2, 0, 0, 0, 0, 2], "the link's sender, for nothing nearer is known");
    }

    #[test]
    fn a_packet_of_tunnels_alone_ends_the_work() {
        let mut bytes = tcp(2);
        let nested = |n: u8| (0..n).fold(ipv4(6, &tcp(2)), |inner, _| ipv4(4, &inner));
        assert_eq!(tunnelled(&nested(DEEPEST)).map(|(_, tunnel)| tunnel.depth), Some(DEEPEST));
        assert_eq!(classify(&raw(&nested(DEEPEST + 1)).unwrap()), Class::Nobody(Skip::TooManyTunnels));
        for _ in 0..500 {
            bytes = ipv4(4, &bytes);
        }
        assert_eq!(classify(&raw(&bytes).unwrap()), Class::Nobody(Skip::TooManyTunnels));
    }

    #[test]
    fn a_piece_inside_a_tunnel_is_a_piece() {
        let mut piece = ipv4(17, &[0; 16]);
        piece[6..8].copy_from_slice(&[0x20, 0x02]);
        let bytes = ipv4(4, &piece);
        let packet = raw(&bytes).unwrap();
        assert_eq!((classify(&packet), packet.fragment.map(|f| f.offset)), (Class::Fragment, Some(16)));
        assert_eq!(packet.payload.of_bytes(&bytes), [0; 16]);
    }
}
