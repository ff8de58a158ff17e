//! UDP, RFC 768: the ports.
//!
//! In: an IP payload. Out: its ports. They are all that detection asks for, so a capture
//! that was cut right behind them gives as much as a whole one. Length and checksum are not
//! believed: whose door was knocked at does not depend on them.
//! Read next: `transport.rs`.

use super::{
    Packet, Skip,
    body::Body,
    transport::{self, Transport},
};

const HEADER: usize = 8;

/// Reads a datagram; gives the length of its header.
#[inline]
pub(super) fn read(datagram: Body<'_>, packet: &mut Packet) -> usize {
    match transport::ports(datagram.bytes) {
        Ok((_, ports)) => packet.transport = Transport::Udp(ports),
        Err(_) => packet.flaw = Some(Skip::CutUdp),
    }
    if datagram.sent < HEADER {
        packet.flaw = Some(Skip::ShortUdp);
    }
    HEADER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Ports,
        samples::{hex, ipv4, raw},
    };

    #[test]
    fn ports_are_enough() {
        let whole = ipv4(17, &hex("c23c 0035 000a 0000 6869"));
        let ports = Transport::Udp(Ports { src: 49724, dst: 53 });
        for there in [4, 8, 10] {
            let packet = raw(&whole[..20 + there]).unwrap();
            assert_eq!((packet.transport, packet.flaw, packet.payload_len), (ports, None, 2), "{there}");
        }
        let packet = raw(&whole[..23]).unwrap();
        assert_eq!((packet.transport, packet.flaw), (Transport::Opaque, Some(Skip::CutUdp)));
    }

    #[test]
    fn fewer_than_eight_bytes_are_no_datagram() {
        assert_eq!(raw(&ipv4(17, &hex("c23c 0035 0008"))).unwrap().flaw, Some(Skip::ShortUdp));
    }
}
