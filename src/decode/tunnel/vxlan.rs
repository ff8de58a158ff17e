//! VXLAN, RFC 7348; its extension for other payloads (GPE, draft-ietf-nvo3-vxlan-gpe-13).
//!
//! In: a UDP payload. Out: the frame inside, see `mod.rs`; the id is the network's (VNI).
//! Read next: `geneve.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    Packet,
    body::{Fields, array, be_u8, be_u32},
    link::{ethernet, mpls, raw},
};

/// The network id is valid: so in every frame.
const HAS_NETWORK: u8 = 0x08;
/// Of GPE: the last byte before the id tells what is inside.
const HAS_NEXT: u8 = 0x04;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const ETHERNET: u8 = 3;
const MPLS: u8 = 5;

/// Opens a header.
pub(super) fn open<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let (rest, (flags, _, id)) = header(input).ok()?;
    if flags & HAS_NETWORK == 0 {
        return None;
    }
    Some(Header { protocol: Protocol::Vxlan, id: Some(id), carried: ethernet::open(rest, inner).ok()? })
}

/// Opens a header of the extension.
pub(super) fn open_gpe<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let (rest, (flags, next, id)) = header(input).ok()?;
    if flags & HAS_NETWORK == 0 {
        return None;
    }
    let opened = match next {
        _ if flags & HAS_NEXT == 0 => ethernet::open(rest, inner),
        IPV4 => raw::open_v4(rest),
        IPV6 => raw::open_v6(rest),
        ETHERNET => ethernet::open(rest, inner),
        MPLS => mpls::open(rest, inner),
        _ => return None,
    };
    Some(Header { protocol: Protocol::Vxlan, id: Some(id), carried: opened.ok()? })
}

/// Flags, what is next, the network.
fn header(input: &[u8]) -> Fields<'_, (u8, u8, u32)> {
    let (rest, (flags, _reserved, next, id)) = (be_u8, array::<2>, be_u8, be_u32).parse(input)?;
    Ok((rest, (flags, next, id >> 8)))
}

#[cfg(test)]
mod tests {
    use crate::decode::samples::{ethernet, hex, ipv4, ipv6, tcp, tunnelled, udp};

    fn read(port: u16, header: &str, payload: &[u8]) -> Option<(Option<u16>, Option<u32>, [u16; 2])> {
        let bytes = ipv4(17, &udp(50_000, port, &[hex(header), payload.to_vec()].concat()));
        tunnelled(&bytes).map(|(packet, tunnel)| (packet.transport.ports().map(|p| p.dst), tunnel.id, packet.vlan))
    }

    #[test]
    fn the_frame_and_its_network_are_found() {
        let frame = ethernet(0x8100, &[hex("000c 0800"), ipv4(6, &tcp(2))].concat());
        for port in [4789, 8472, 4790] {
            assert_eq!(read(port, "08000000 00000700", &frame), Some((Some(80), Some(7), [12, 0])), "{port}");
        }
        assert_eq!(read(4789, "88000001 00000700", &frame), Some((Some(80), Some(7), [12, 0])), "a group policy");
    }

    #[test]
    fn the_extension_says_what_is_inside() {
        let found = Some((Some(80), Some(7), [0, 0]));
        assert_eq!(read(4790, "0c000001 00000700", &ipv4(6, &tcp(2))), found);
        assert_eq!(read(4790, "0c000002 00000700", &ipv6(6, &tcp(2))), found);
        assert_eq!(read(4790, "0c000003 00000700", &ethernet(0x0800, &ipv4(6, &tcp(2)))), found);
        assert_eq!(read(4790, "0c000004 00000700", &ipv4(6, &tcp(2))), None);
    }

    #[test]
    fn a_header_without_a_network_is_none() {
        assert_eq!(read(4789, "00000000 00000700", &ethernet(0x0800, &ipv4(6, &tcp(2)))), None);
    }
}
