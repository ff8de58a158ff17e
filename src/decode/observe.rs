//! From a packet that is evidence to the record that flows.
//!
//! In: the frame (for its stamp and place), the [`Packet`], the [`Kind`] that `class.rs` found.
//! Out: an [`Observation`]. An ICMP error is turned round here: it speaks of the quoted packet,
//! so that whoever judges sees an answer from a door to its prober, whatever carried it.
//! Read next: `observation.rs` (the record), `dispatch/owner.rs` (whose evidence it is).

use super::{
    Kind, Marks, Observation, Packet, Telltale, Transport, ftp::DataDoor, icmp::Quoted, observation, telltale,
};
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
        telltale: Telltale::None,
    };
    match packet.transport {
        Transport::Tcp(tcp) => {
            (seen.src_port, seen.dst_port) = (tcp.ports.src, tcp.ports.dst);
            (seen.tcp_seq, seen.tcp_ack, seen.window, seen.flags) = (tcp.seq, tcp.ack, tcp.window, tcp.flags);
            let end = frame.bytes.len().min(packet.payload.start as usize);
            seen.telltale = telltale::of_segment(&seen, frame.bytes.get(..end).unwrap_or_default());
        }
        Transport::Udp(ports) => {
            (seen.src_port, seen.dst_port) = (ports.src, ports.dst);
            seen.telltale = telltale::of_datagram(&seen, packet.payload.of_bytes(frame.bytes));
        }
        Transport::Ports(ports) => (seen.src_port, seen.dst_port) = (ports.src, ports.dst),
        Transport::Sctp(sctp) => {
            (seen.src_port, seen.dst_port) = (sctp.ports.src, sctp.ports.dst);
            (seen.tcp_seq, seen.tcp_ack) = (sctp.initiate_tag, sctp.tag);
        }
        Transport::Icmp(icmp) => {
            (seen.icmp_type, seen.icmp_code) = (icmp.kind, icmp.code);
            (seen.src_port, seen.dst_port) = (icmp.id, icmp.sequence);
            if let Some(quoted) = icmp.quoted {
                turn_round(&mut seen, packet, &quoted);
            }
        }
        Transport::Arp(_) => seen.protocol = observation::ARP,
        Transport::Opaque => {}
    }
    seen
}

/// A door that a segment of FTP's control channel names, as a record of its own; `None` where it lies with a third
/// party that has no IPv4 address.
#[must_use]
pub fn announce(frame: &Frame<'_>, packet: &Packet, door: DataDoor) -> Option<Observation> {
    let tcp_seq = match door.host.filter(|host| host.of_tenant(packet.src.tenant()) != packet.src) {
        Some(host) => host.as_v4()?,
        None => 0,
    };
    Some(Observation { src_port: door.port, tcp_seq, ..observe(frame, packet, Kind::DataDoor) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::{
            Class, classify, decode,
            samples::{address, ethernet, frame, hex, ipv4, tcp},
        },
        source::Time,
    };

    fn seen(bytes: &[u8]) -> Observation {
        let frame = frame(1, bytes);
        let packet = decode(&frame).unwrap();
        let Class::Evidence(kind) = classify(&packet) else { panic!("{packet:?}") };
        observe(&frame, &packet, kind)
    }

    #[test]
    fn a_probe_arrives_with_all_that_detection_asks() {
        let o = seen(&ethernet(0x0800, &ipv4(6, &tcp(2))));
        assert_eq!((o.src, o.src_port, o.dst, o.dst_port), (address("10.0.0.2"), 49724, address("10.0.0.1"), 80));
        assert_eq!((o.kind, o.flags, o.tcp_seq, o.tcp_ack, o.window), (Kind::Tcp, 2, 1, 2, 1024));
        assert_eq!((o.ttl, o.ip_id, o.mac), (64, 0x1c46, [2, 0, 0, 0, 0, 2]));
        assert_eq!((o.stamp, o.clock, o.seq), (Time(7), Time(8), 9));
    }

    #[test]
    fn an_error_speaks_of_the_door_whoever_sent_it() {
        let probe = ipv4(6, &tcp(2)[..8]);
        let error = |from: u8| {
            let mut bytes = ipv4(1, &[hex("03 0d 0000 00000000"), probe.clone()].concat());
            bytes[12..20].copy_from_slice(&[10, 0, 0, from, 10, 0, 0, 2]);
            seen(&ethernet(0x0800, &bytes))
        };
        let o = error(1);
        assert_eq!((o.src, o.src_port, o.dst, o.dst_port), (address("10.0.0.1"), 80, address("10.0.0.2"), 49724));
        assert_eq!((o.kind, o.protocol, o.icmp_type, o.icmp_code, o.tcp_seq), (Kind::IcmpError, 6, 3, 13, 1));
        assert!(o.marks.has(Marks::BY_TARGET));
        let by_router = error(254);
        assert_eq!((by_router.src, by_router.marks.has(Marks::BY_TARGET)), (address("10.0.0.1"), false));
    }

    #[test]
    fn an_answer_to_an_sctp_init_carries_its_tag() {
        let init = seen(&ethernet(0x0800, &ipv4(132, &hex("c23c 0050 00000000 00000000 01 00 0014 cafebabe"))));
        let abort = seen(&ethernet(0x0800, &ipv4(132, &hex("0050 c23c cafebabe 00000000 06 00 0004"))));
        assert_eq!((init.kind, init.tcp_seq, init.tcp_ack), (Kind::SctpInit, 0xcafe_babe, 0));
        assert_eq!((abort.kind, abort.tcp_ack), (Kind::SctpAbort, 0xcafe_babe));
    }

    #[test]
    fn a_ping_has_its_numbers_for_ports() {
        let o = seen(&ethernet(0x0800, &ipv4(1, &hex("08 00 0000 1234 0007"))));
        assert_eq!((o.kind, o.icmp_type, o.src_port, o.dst_port), (Kind::IcmpRequest, 8, 0x1234, 7));
    }
}
