//! IPv4, RFC 791: header, options, fragments.
//!
//! In: bytes that the link says are IPv4. Out: the packet's addresses and IP facts, and the
//! [`Body`] behind the header; or why there is none.
//! Options are stepped over, not read. Checksums are not verified: captures at the sender
//! hold unfinished ones, and a scanner's wrong one is a probe all the same.
//! Read next: `ipv6.rs`, then `transport.rs`.

use nom::Parser;

use super::{
    Address, Fragment, Marks, Packet, Skip,
    body::{Body, array, be_u8, be_u16},
    extension,
};

const HEADER: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Reads the header of a datagram that begins at the first byte of `input`.
#[inline]
pub(super) fn read<'a>(input: &'a [u8], packet: &mut Packet) -> Result<Body<'a>, Skip> {
    let (rest, (version_and_length, tos, total, ip_id, flags_and_offset)) =
        (be_u8, be_u8, be_u16, be_u16, be_u16).parse(input).map_err(cut)?;
    let (rest, (ttl, protocol, _checksum, src, dst)) =
        (be_u8, be_u8, be_u16, array::<4>, array::<4>).parse(rest).map_err(cut)?;

    if version_and_length >> 4 != 4 {
        return Err(Skip::BadIpv4Version);
    }
    let header_len = usize::from(version_and_length & 0xf) * 4;
    let options_len = header_len.checked_sub(HEADER).ok_or(Skip::BadIpv4HeaderLength)?;
    // A capture at the sender, before the card cut it into segments (TSO), has 0 here:
    // then all that is there belongs to it.
    let total = if total == 0 { input.len().max(header_len) } else { usize::from(total) };
    let sent = total.checked_sub(header_len).ok_or(Skip::BadIpv4TotalLength)?;

    (packet.src, packet.dst) = (Address::v4(src), Address::v4(dst));
    (packet.ttl, packet.tos, packet.ip_id) = (ttl, tos, ip_id);
    if options_len > 0 {
        packet.marks.set(Marks::IP_OPTIONS);
    }
    if flags_and_offset & DONT_FRAGMENT != 0 {
        packet.marks.set(Marks::DONT_FRAGMENT);
    }
    if flags_and_offset & (MORE_FRAGMENTS | OFFSET) != 0 {
        packet.fragment = Some(Fragment {
            id: u32::from(ip_id),
            offset: (flags_and_offset & OFFSET) << 3,
            more: flags_and_offset & MORE_FRAGMENTS != 0,
            next: protocol,
        });
    }
    if options_len > rest.len() {
        packet.flaw = Some(Skip::CutIpv4Options);
    }
    let (_, following) = rest.split_at(options_len.min(rest.len()));
    Ok(extension::authenticated(Body::new(protocol, following, sent), packet))
}

fn cut(_: nom::Err<()>) -> Skip {
    Skip::CutIpv4Header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Transport,
        samples::{address, hex, ipv4, raw, tcp},
    };

    #[test]
    fn every_field_of_the_header_arrives() {
        let packet = raw(&hex(
            "45 08 0028 1c46 4000 3b 06 0000 c0000201 c6336402 c23c 0050 00000001 00000000 5002 0400 0000 0000",
        ))
        .unwrap();
        assert_eq!((packet.src, packet.dst), (address("192.0.2.1"), address("198.51.100.2")));
        assert_eq!((packet.tos, packet.ttl, packet.ip_id, packet.protocol), (8, 59, 0x1c46, 6));
        assert!(packet.marks.has(Marks::DONT_FRAGMENT) && !packet.marks.has(Marks::IP_OPTIONS));
    }

    #[test]
    fn options_are_stepped_over() {
        // Record route, as `nmap --ip-options R` sends it, cut to one slot.
        let mut bytes = hex("47 00 0030 1c46 0000 40 06 0000 0a000002 0a000001 07 07 04 00000000 00");
        bytes.extend(tcp(2));
        let packet = raw(&bytes).unwrap();
        assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80));
        assert!(packet.marks.has(Marks::IP_OPTIONS));
        let cut = raw(&bytes[..24]).unwrap();
        assert_eq!((cut.src, cut.flaw), (address("10.0.0.2"), Some(Skip::CutIpv4Options)));
    }

    #[test]
    fn pieces_are_told_apart() {
        let mut bytes = ipv4(17, &[0; 16]);
        bytes[6..8].copy_from_slice(&[0x20, 0x02]);
        let packet = raw(&bytes).unwrap();
        assert_eq!(packet.fragment, Some(Fragment { id: 0x1c46, offset: 16, more: true, next: 17 }));
        assert_eq!((packet.transport, packet.payload_len), (Transport::Opaque, 16));
        assert_eq!(packet.payload.of_bytes(&bytes), [0; 16]);
    }

    #[test]
    fn a_segment_that_the_card_still_had_to_cut_is_taken_whole() {
        let mut bytes = ipv4(6, &[tcp(0x18), b"data".to_vec()].concat());
        bytes[2..4].copy_from_slice(&[0, 0]);
        let packet = raw(&bytes).unwrap();
        assert_eq!(packet.payload.of_bytes(&bytes), b"data");
    }

    #[test]
    fn padding_is_not_data_and_a_cut_is_marked() {
        let mut bytes = ipv4(6, &tcp(0x10));
        bytes.extend([0; 6]);
        let packet = raw(&bytes).unwrap();
        assert_eq!((packet.payload_len, packet.payload.len), (0, 0));
        let mut long = ipv4(6, &tcp(0x10));
        long[2..4].copy_from_slice(&1500_u16.to_be_bytes());
        let packet = raw(&long).unwrap();
        assert_eq!((packet.payload_len, packet.payload.len), (1460, 0));
        assert!(packet.marks.has(Marks::CUT));
    }

    #[test]
    fn headers_that_cannot_be_are_named() {
        let with = |at: usize, byte: u8| {
            let mut bytes = ipv4(6, &tcp(2));
            bytes[at] = byte;
            read(&bytes, &mut Packet::default()).map(|_| ())
        };
        assert_eq!(with(0, 0x55), Err(Skip::BadIpv4Version));
        assert_eq!(with(0, 0x44), Err(Skip::BadIpv4HeaderLength));
        assert_eq!(with(3, 19), Err(Skip::BadIpv4TotalLength));
        assert_eq!(raw(&ipv4(6, &[])[..19]), Err(Skip::CutIpv4Header));
    }
}
