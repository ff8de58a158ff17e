//! A decoded frame in words, for `tripline packets`.
//!
//! In: a frame and what decoding made of it. Out: [`Described`], which serde writes as one JSON
//! object. What is not there is absent. Field names are those of the events, so that whoever
//! looks for an event's packets finds them.
//! Must not be called on the way of packets: it allocates.
//! Read next: `../cli/packets.rs` (who prints it).

use std::{borrow::Cow, net::IpAddr};

use serde::Serialize;

use super::{Class, Packet, Skip, Transport, classify, observation, transport::protocol};
use crate::source::Frame;

/// One frame as a person or a script reads it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Described {
    /// Its number in its file, from 1.
    pub frame: u64,
    /// Its stamp: UTC with offset.
    #[serde(with = "tripline_plugin::stamp")]
    pub time: i64,
    /// Sender of the datagram or of the ARP packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<IpAddr>,
    /// Its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest_ip: Option<IpAddr>,
    /// TCP, UDP, ICMP, IPv6-ICMP, SCTP, ARP or a protocol number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<Cow<'static, str>>,
    /// TCP, UDP or SCTP port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    /// The target's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest_port: Option<u16>,
    /// The low 8 bits: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<u8>,
    /// Type of an ICMP or ICMPv6 message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// Its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// TTL or hop limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// The frame's bytes on the wire.
    pub length: u32,
    /// 802.1Q ids from the outside in, at most two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vlan: Vec<u16>,
    /// Which piece of a datagram it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Piece>,
    /// Why it is evidence about nobody, where that is so for another reason than being plain data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// A piece of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// What all pieces share.
    pub id: u32,
    /// Where it belongs, in bytes.
    pub offset: u16,
    /// More follow.
    pub more: bool,
}

/// Describes a frame.
#[must_use]
pub fn describe(frame: &Frame<'_>, decoded: &Result<Packet, Skip>) -> Described {
    let blank = Described {
        frame: frame.number,
        time: frame.stamp.0,
        src_ip: None,
        dest_ip: None,
        proto: None,
        src_port: None,
        dest_port: None,
        tcp_flags: None,
        icmp_type: None,
        icmp_code: None,
        ttl: None,
        length: frame.wire_len,
        vlan: Vec::new(),
        fragment: None,
        skipped: None,
    };
    match decoded {
        Ok(packet) => describe_packet(blank, packet),
        Err(skip) => Described { skipped: Some(skip.name()), ..blank },
    }
}

fn describe_packet(blank: Described, packet: &Packet) -> Described {
    let ports = packet.transport.ports();
    let tcp = if let Transport::Tcp(tcp) = packet.transport { Some(tcp) } else { None };
    let icmp = if let Transport::Icmp(icmp) = packet.transport { Some(icmp) } else { None };
    Described {
        src_ip: Some(packet.src.ip()),
        dest_ip: Some(packet.dst.ip()),
        proto: Some(name(packet.protocol)),
        src_port: ports.map(|p| p.src),
        dest_port: ports.map(|p| p.dst),
        tcp_flags: tcp.map(|t| t.flags),
        icmp_type: icmp.map(|i| i.kind),
        icmp_code: icmp.map(|i| i.code),
        ttl: (packet.protocol != observation::ARP).then_some(packet.ttl),
        vlan: packet.vlan.into_iter().filter(|id| *id != 0).collect(),
        fragment: packet.fragment.map(|f| Piece { id: f.id, offset: f.offset, more: f.more }),
        skipped: match classify(packet) {
            Class::Nobody(skip) => Some(skip.name()),
            Class::Plain | Class::Fragment | Class::Evidence(_) => None,
        },
        ..blank
    }
}

/// A protocol's name as events have it; its number where it has none.
#[must_use]
pub fn name(protocol: u8) -> Cow<'static, str> {
    Cow::Borrowed(match protocol {
        protocol::TCP => "TCP",
        protocol::UDP => "UDP",
        protocol::ICMP => "ICMP",
        protocol::ICMPV6 => "IPv6-ICMP",
        protocol::SCTP => "SCTP",
        observation::ARP => "ARP",
        other => return Cow::Owned(other.to_string()),
    })
}
