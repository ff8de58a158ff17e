//! One packet as an Ethernet frame, by pnet.
//!
//! In: addresses, ports, flags. Out: bytes with right lengths and checksums.
//! Read next: `file.rs`, which writes them down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use pnet::packet::{
    Packet, arp,
    ethernet::{EtherType, EtherTypes, MutableEthernetPacket},
    icmp, icmpv6,
    ip::{IpNextHeaderProtocol, IpNextHeaderProtocols},
    ipv4, ipv6, tcp, udp as udp_packet,
};
use pnet::util::MacAddr;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const URG: u8 = 32;

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TTL: u8 = 57;

/// A TCP segment; its payload is so many zeros.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) payload: u16,
}

impl Segment {
    /// The sequence number behind a SYN or a FIN.
    pub(crate) fn after(&self) -> u32 {
        self.seq.wrapping_add(1)
    }

    /// What the other side numbers its answers from, if it answers.
    pub(crate) fn server_isn(&self) -> u32 {
        self.seq.rotate_left(7) ^ 0x5eed_5eed
    }

    /// The other way.
    pub(crate) fn turned(self) -> Self {
        Self { from: self.to, to: self.from, ..self }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut bytes = vec![0; 20 + usize::from(self.payload)];
        let mut header = tcp::MutableTcpPacket::new(&mut bytes).unwrap();
        header.set_source(self.from.port());
        header.set_destination(self.to.port());
        header.set_sequence(self.seq);
        header.set_acknowledgement(self.ack);
        header.set_data_offset(5);
        header.set_flags(self.flags);
        header.set_window(64_240);
        let sum = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => tcp::ipv4_checksum(&header.to_immutable(), &from, &to),
            (from, to) => tcp::ipv6_checksum(&header.to_immutable(), &v6(from), &v6(to)),
        };
        header.set_checksum(sum);
        ip(self.from.ip(), self.to.ip(), IpNextHeaderProtocols::Tcp, &bytes)
    }
}

/// A UDP datagram with so many zeros in it.
pub(crate) fn udp(from: SocketAddr, to: SocketAddr, payload: u16) -> Vec<u8> {
    let mut bytes = vec![0; 8 + usize::from(payload)];
    let mut header = udp_packet::MutableUdpPacket::new(&mut bytes).unwrap();
    header.set_source(from.port());
    header.set_destination(to.port());
    header.set_length(8 + payload);
    let sum = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => udp_packet::ipv4_checksum(&header.to_immutable(), &from, &to),
        (from, to) => udp_packet::ipv6_checksum(&header.to_immutable(), &v6(from), &v6(to)),
    };
    header.set_checksum(sum);
    ip(from.ip(), to.ip(), IpNextHeaderProtocols::Udp, &bytes)
}

/// An echo request of either family.
pub(crate) fn ping(from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    if let (IpAddr::V6(from), IpAddr::V6(to)) = (from, to) {
        let mut header = icmpv6::MutableIcmpv6Packet::new(&mut bytes).unwrap();
        header.set_icmpv6_type(icmpv6::Icmpv6Types::EchoRequest);
        let sum = icmpv6::checksum(&header.to_immutable(), &from, &to);
        header.set_checksum(sum);
        return ip(from.into(), to.into(), IpNextHeaderProtocols::Icmpv6, &bytes);
    }
    let mut header = icmp::MutableIcmpPacket::new(&mut bytes).unwrap();
    header.set_icmp_type(icmp::IcmpTypes::EchoRequest);
    let sum = icmp::checksum(&header.to_immutable());
    header.set_checksum(sum);
    ip(from, to, IpNextHeaderProtocols::Icmp, &bytes)
}

/// The answer to an echo request over IPv4.
pub(crate) fn pong(request: &[u8]) -> Vec<u8> {
    let asked = ipv4::Ipv4Packet::new(&request[ETHERNET..]).unwrap();
    let mut bytes = asked.payload().to_vec();
    let mut header = icmp::MutableIcmpPacket::new(&mut bytes).unwrap();
    header.set_icmp_type(icmp::IcmpTypes::EchoReply);
    let sum = icmp::checksum(&header.to_immutable());
    header.set_checksum(sum);
    ip(asked.get_destination().into(), asked.get_source().into(), IpNextHeaderProtocols::Icmp, &bytes)
}

/// What the target of an IPv4 frame says when nobody listens on its port: the frame's
/// IP header and the eight bytes behind it, quoted.
pub(crate) fn port_unreachable(frame: &[u8]) -> Vec<u8> {
    let quoted = &frame[ETHERNET..ETHERNET + IPV4 + 8];
    let asked = ipv4::Ipv4Packet::new(quoted).unwrap();
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(quoted);
    let mut header = icmp::MutableIcmpPacket::new(&mut bytes).unwrap();
    header.set_icmp_type(icmp::IcmpTypes::DestinationUnreachable);
    header.set_icmp_code(icmp::IcmpCode::new(3));
    let sum = icmp::checksum(&header.to_immutable());
    header.set_checksum(sum);
    ip(asked.get_destination().into(), asked.get_source().into(), IpNextHeaderProtocols::Icmp, &bytes)
}

/// An ARP request to everybody. IPv4 alone has ARP.
pub(crate) fn arp_request(from: IpAddr, to: IpAddr) -> Vec<u8> {
    arp_packet(from, to, arp::ArpOperations::Request, MacAddr::zero())
}

/// The answer to one.
pub(crate) fn arp_reply(from: IpAddr, to: IpAddr) -> Vec<u8> {
    arp_packet(from, to, arp::ArpOperations::Reply, mac(to))
}

fn arp_packet(from: IpAddr, to: IpAddr, operation: arp::ArpOperation, target: MacAddr) -> Vec<u8> {
    let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) else { panic!("ARP is of IPv4: {from}, {to}") };
    let mut bytes = vec![0; 28];
    let mut header = arp::MutableArpPacket::new(&mut bytes).unwrap();
    header.set_hardware_type(arp::ArpHardwareTypes::Ethernet);
    header.set_protocol_type(EtherTypes::Ipv4);
    header.set_hw_addr_len(6);
    header.set_proto_addr_len(4);
    header.set_operation(operation);
    header.set_sender_hw_addr(mac(from.into()));
    header.set_sender_proto_addr(from);
    header.set_target_proto_addr(to);
    header.set_target_hw_addr(target);
    let to = if target == MacAddr::zero() { MacAddr::broadcast() } else { target };
    ethernet(mac(from.into()), to, EtherTypes::Arp, &bytes)
}

fn ip(from: IpAddr, to: IpAddr, next: IpNextHeaderProtocol, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ip4(from, to, next, payload),
        _ => ip6(v6(from), v6(to), next, payload),
    }
}

fn ip4(from: Ipv4Addr, to: Ipv4Addr, next: IpNextHeaderProtocol, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; IPV4 + payload.len()];
    let mut header = ipv4::MutableIpv4Packet::new(&mut bytes).unwrap();
    header.set_version(4);
    header.set_header_length(5);
    header.set_total_length((IPV4 + payload.len()) as u16);
    header.set_ttl(TTL);
    header.set_next_level_protocol(next);
    header.set_source(from);
    header.set_destination(to);
    header.set_payload(payload);
    let sum = ipv4::checksum(&header.to_immutable());
    header.set_checksum(sum);
    ethernet(mac(from.into()), mac(to.into()), EtherTypes::Ipv4, &bytes)
}

fn ip6(from: Ipv6Addr, to: Ipv6Addr, next: IpNextHeaderProtocol, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; IPV6 + payload.len()];
    let mut header = ipv6::MutableIpv6Packet::new(&mut bytes).unwrap();
    header.set_version(6);
    header.set_payload_length(payload.len() as u16);
    header.set_next_header(next);
    header.set_hop_limit(TTL);
    header.set_source(from);
    header.set_destination(to);
    header.set_payload(payload);
    ethernet(mac(from.into()), mac(to.into()), EtherTypes::Ipv6, &bytes)
}

fn ethernet(from: MacAddr, to: MacAddr, kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; ETHERNET + payload.len()];
    let mut header = MutableEthernetPacket::new(&mut bytes).unwrap();
    header.set_source(from);
    header.set_destination(to);
    header.set_ethertype(kind);
    header.set_payload(payload);
    header.packet().to_vec()
}

/// A locally administered address made of the last bytes of the IP address.
fn mac(of: IpAddr) -> MacAddr {
    let [.., a, b, c, d] = v6(of).octets();
    MacAddr::new(2, 0, a, b, c, d)
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}
