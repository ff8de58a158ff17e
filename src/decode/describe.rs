//! A decoded frame in words, for `tripline packets`.
//!
//! In: a frame and what decoding made of it. Out: [`Described`], which serde writes as one JSON
//! object. What is not there is absent. Field names are those of the events, so that whoever
//! looks for an event's packets finds them.
//! Must not be called on the way of packets: it allocates.
//! Read next: `../cli/packets.rs` (who prints it).

use std::{borrow::Cow, net::IpAddr};

use serde::Serialize;

use super::{Class, Marks, Packet, Skip, Transport, classify, observation, through, transport::protocol};
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
    /// The outermost tunnel that it came through; all else is of the packet inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Through>,
    /// Which piece of a datagram it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragment: Option<Piece>,
    /// Why it is evidence about nobody, where that is so for another reason than being plain data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<&'static str>,
}

/// A tunnel, in the words of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Through {
    /// The end that put the packet in.
    pub src_ip: IpAddr,
    /// The end that takes it out.
    pub dest_ip: IpAddr,
    /// What sort of tunnel.
    pub proto: &'static str,
    /// Network, key or session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// Tunnels around each other.
    pub depth: u8,
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
    let packet = decoded.as_ref().ok();
    let transport = packet.map_or(Transport::Opaque, |p| p.transport);
    let ports = transport.ports();
    let tcp = if let Transport::Tcp(tcp) = transport { Some(tcp) } else { None };
    let icmp = if let Transport::Icmp(icmp) = transport { Some(icmp) } else { None };
    Described {
        frame: frame.number,
        time: frame.stamp.0,
        src_ip: packet.map(|p| p.src.ip()),
        dest_ip: packet.map(|p| p.dst.ip()),
        proto: packet.map(|p| name(p.protocol)),
        src_port: ports.map(|p| p.src),
        dest_port: ports.map(|p| p.dst),
        tcp_flags: tcp.map(|t| t.flags),
        icmp_type: icmp.map(|i| i.kind),
        icmp_code: icmp.map(|i| i.code),
        ttl: packet.filter(|p| p.protocol != observation::ARP).map(|p| p.ttl),
        length: frame.wire_len,
        vlan: packet.map_or([0; 2], |p| p.vlan).into_iter().filter(|id| *id != 0).collect(),
        tunnel: packet.filter(|p| p.marks.has(Marks::TUNNELLED)).and_then(|_| through(frame)).map(|t| Through {
            src_ip: t.src.ip(),
            dest_ip: t.dst.ip(),
            proto: t.protocol.name(),
            id: t.id,
            depth: t.depth,
        }),
        fragment: packet.and_then(|p| p.fragment).map(|f| Piece { id: f.id, offset: f.offset, more: f.more }),
        skipped: match decoded.as_ref().map(classify) {
            Err(skip) => Some(skip.name()),
            Ok(Class::Nobody(skip)) => Some(skip.name()),
            Ok(Class::Plain | Class::Fragment | Class::Evidence(_)) => None,
        },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, ipv6, tcp},
    };

    fn line(bytes: &[u8]) -> serde_json::Value {
        let frame = frame(1, bytes);
        serde_json::to_value(describe(&frame, &decode(&frame))).unwrap()
    }

    #[test]
    fn a_line_holds_what_is_there_and_nothing_else() {
        let mut got = line(&ethernet(0x8100, &[hex("000c 0800"), ipv4(6, &tcp(0x12))].concat()));
        assert!(got.as_object_mut().unwrap().remove("time").is_some());
        let expected = serde_json::json!({
            "frame": 10, "src_ip": "10.0.0.2", "dest_ip": "10.0.0.1", "proto": "TCP",
            "src_port": 49724, "dest_port": 80, "tcp_flags": 18, "ttl": 64, "length": 58, "vlan": [12],
        });
        assert_eq!(got, expected);
    }

    #[test]
    fn each_protocol_has_its_own_fields() {
        let echo = line(&ethernet(0x86dd, &ipv6(58, &hex("80 00 0000 0001 0002"))));
        assert_eq!(
            (&echo["proto"], &echo["icmp_type"], &echo["icmp_code"]),
            (&"IPv6-ICMP".into(), &128.into(), &0.into())
        );
        assert_eq!(line(&ethernet(0x0800, &ipv4(47, &[])))["proto"], "47");
        let arp = line(&ethernet(0x0806, &hex("0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009")));
        assert_eq!((&arp["proto"], &arp["dest_ip"], arp.get("ttl")), (&"ARP".into(), &"10.0.0.9".into(), None));
    }

    #[test]
    fn a_tunnel_is_told_beside_the_packet_inside() {
        let mut inner = ipv4(6, &tcp(2));
        inner[15] = 9;
        let got = line(&ethernet(0x0800, &ipv4(47, &[hex("2000 0800 00000007"), inner].concat())));
        assert_eq!((&got["src_ip"], &got["dest_port"]), (&"10.0.0.9".into(), &80.into()));
        let tunnel =
            serde_json::json!({"src_ip": "10.0.0.2", "dest_ip": "10.0.0.1", "proto": "GRE", "id": 7, "depth": 1});
        assert_eq!(got["tunnel"], tunnel);
    }

    #[test]
    fn a_piece_says_which_and_a_skipped_frame_why() {
        let mut bytes = ethernet(0x0800, &ipv4(17, &[0; 16]));
        bytes[20..22].copy_from_slice(&[0x20, 0x03]);
        assert_eq!(line(&bytes)["fragment"], serde_json::json!({"id": 0x1c46, "offset": 24, "more": true}));
        let lldp = line(&ethernet(0x88cc, &[]));
        assert_eq!((&lldp["skipped"], lldp.get("src_ip")), (&"unknown-ethertype".into(), None));
        let short = line(&ethernet(0x0800, &ipv4(6, &tcp(2)[..6])));
        assert_eq!((&short["skipped"], &short["dest_port"]), (&"short-tcp-header".into(), &80.into()));
    }
}
