//! IPv6, RFC 8200: the fixed header; jumbograms (RFC 2675).
//!
//! In: bytes that the link says are IPv6. Out: the packet's addresses and IP facts, and the
//! [`Body`] behind the last extension header; or why there is none.
//! Read next: `extension.rs` (what may follow the header), then `transport.rs`.

use nom::{Parser, bytes::complete::tag, sequence::preceded};

use super::{
    Address, Packet, Skip,
    body::{Body, Fields, array, be_u8, be_u16, be_u32},
    extension,
};

/// Reads the header of a datagram that begins at the first byte of `input`.
#[inline]
pub(super) fn read<'a>(input: &'a [u8], packet: &mut Packet) -> Result<Body<'a>, Skip> {
    let (rest, (version_class_label, length, next, ttl)) = (be_u32, be_u16, be_u8, be_u8).parse(input).map_err(cut)?;
    let (rest, (src, dst)) = (array::<16>, array::<16>).parse(rest).map_err(cut)?;
    if version_class_label >> 28 != 6 {
        return Err(Skip::BadIpv6Version);
    }
    (packet.src, packet.dst) = (Address::v6(src), Address::v6(dst));
    if packet.src.as_v4().is_some() || packet.dst.as_v4().is_some() {
        return Err(Skip::MappedAddress);
    }
    (packet.ttl, packet.tos) = (ttl, (version_class_label >> 20) as u8);
    let sent = match length {
        0 if next == extension::HOP_BY_HOP => jumbo(rest).map_or(0, |(_, length)| length as usize),
        _ => usize::from(length),
    };
    Ok(extension::walk(Body::new(next, rest, sent), packet))
}

/// The length that stands in a hop-by-hop option when it does not fit the header. The option
/// must lie on a multiple of 4 plus 2, and is the first in practice.
fn jumbo(input: &[u8]) -> Fields<'_, u32> {
    preceded((array::<2>, tag([0xc2, 4].as_slice())), be_u32).parse(input)
}

fn cut(_: nom::Err<()>) -> Skip {
    Skip::CutIpv6Header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Transport,
        samples::{hex, ipv6, raw, tcp},
    };

    #[test]
    fn every_field_of_the_header_arrives() {
        let mut bytes = ipv6(6, &tcp(2));
        bytes[..2].copy_from_slice(&[0x6b, 0x8f]);
        let packet = raw(&bytes).unwrap();
        assert_eq!((packet.src.to_string(), packet.dst.to_string()), ("fd00::2".into(), "fd00::1".into()));
        assert_eq!((packet.tos, packet.ttl, packet.ip_id, packet.protocol), (0xb8, 64, 0, 6));
    }

    #[test]
    fn an_ipv4_host_cannot_be_framed_from_ipv6() {
        let mut bytes = ipv6(6, &tcp(2));
        bytes[8..24].copy_from_slice(&Address::v4([10, 0, 0, 9]).0.to_be_bytes());
        assert_eq!(raw(&bytes), Err(Skip::MappedAddress));
    }

    #[test]
    fn padding_behind_an_empty_datagram_is_not_its_payload() {
        let mut bytes = ipv6(6, &[]);
        bytes.extend([0xff; 6]);
        let packet = raw(&bytes).unwrap();
        assert_eq!((packet.transport, packet.flaw, packet.payload.len), (Transport::Opaque, None, 0));
    }

    #[test]
    fn a_jumbogram_has_its_length_in_an_option() {
        let mut bytes = ipv6(0, &[]);
        bytes.extend(hex("06 00 c2 04 00011170"));
        bytes.extend(tcp(0x18));
        bytes.extend(b"the first of 70000");
        let packet = raw(&bytes).unwrap();
        assert_eq!((packet.payload.of_bytes(&bytes), packet.payload_len), (&b"the first of 70000"[..], u16::MAX));
        assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80));
    }

    #[test]
    fn what_is_no_ipv6_is_named() {
        let bytes = ipv6(6, &[]);
        assert_eq!(raw(&bytes[..39]), Err(Skip::CutIpv6Header));
        assert_eq!(read(&[0x40; 40], &mut Packet::default()).map(|_| ()), Err(Skip::BadIpv6Version));
    }
}
