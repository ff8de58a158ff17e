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
