//! From a packet that is evidence to the record that flows.
//!
//! In: the frame (for its stamp and place), the [`Packet`], the [`Kind`] that `class.rs` found.
//! Out: an [`Observation`]. An ICMP error is turned round here: it speaks of the quoted packet,
//! so that whoever judges sees an answer from a door to its prober, whatever carried it.
//! Read next: `observation.rs` (the record), `dispatch/owner.rs` (whose evidence it is).

use super::{Kind, Marks, Observation, Packet, Transport, icmp::Quoted, observation};
use crate::source::Frame;

/// Makes the record. Cheap enough for every packet, needed for evidence alone.
#[inline]
#[must_use]
pub fn observe(frame: &Frame<'_>, packet: &Packet, kind: Kind) -> Observation {
    let mut seen = Observation {
        src: packet.src,
        dst: packet.dst,
        stamp: frame.stamp,
        clock: frame.clock,
        seq: frame.seq,
        tcp_seq: 0,
        tcp_ack: 0,
        src_port: 0,
        dst_port: 0,
        window: 0,
        ip_id: packet.ip_id,
        payload_len: packet.payload_len,
        vlan: packet.vlan,
        marks: packet.marks,
        mac: packet.mac,
        protocol: packet.protocol,
        kind,
        flags: 0,
        ttl: packet.ttl,
        tos: packet.tos,
        icmp_type: 0,
        icmp_code: 0,
    };
    match packet.transport {
        Transport::Tcp(tcp) => {
            (seen.src_port, seen.dst_port) = (tcp.ports.src, tcp.ports.dst);
            (seen.tcp_seq, seen.tcp_ack, seen.window, seen.flags) = (tcp.seq, tcp.ack, tcp.window, tcp.flags);
        }
        Transport::Udp(ports) | Transport::Ports(ports) => (seen.src_port, seen.dst_port) = (ports.src, ports.dst),
        Transport::Sctp(sctp) => {
            (seen.src_port, seen.dst_port) = (sctp.ports.src, sctp.ports.dst);
            (seen.tcp_seq, seen.tcp_ack) = (sctp.initiate_tag, sctp.tag);
        }
        Transport::Icmp(icmp) => {
            (seen.icmp_type, seen.icmp_code) = (icmp.kind, icmp.code);
            match icmp.quoted {
                Some(quoted) => turn_round(&mut seen, packet, &quoted),
                None => (seen.src_port, seen.dst_port) = (icmp.id, icmp.sequence),
            }
        }
        Transport::Arp(_) => seen.protocol = observation::ARP,
        Transport::Opaque => {}
    }
    seen
}

/// An error's facts become the quoted packet's, seen from its target.
fn turn_round(seen: &mut Observation, error: &Packet, quoted: &Quoted) {
    (seen.src, seen.dst) = (quoted.dst, quoted.src);
    (seen.src_port, seen.dst_port) = (quoted.ports.dst, quoted.ports.src);
    (seen.tcp_seq, seen.flags) = (quoted.seq, quoted.flags);
    (seen.protocol, seen.ip_id) = (quoted.protocol, quoted.ip_id);
    if error.src == quoted.dst {
        seen.marks.set(Marks::BY_TARGET);
    }
}
