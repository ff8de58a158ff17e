//! Linux's firewall log (link type 239): what `iptables -j NFLOG` gives a capture.
//!
//! In: a header and a list of attributes. Out: the one that is the packet, and the sender's address on the link from
//! another. Attributes stand in the byte order of the machine that wrote them, which nothing says: the
//! first one's length shows it.
//! Source: the registry of link-layer header types, `LINKTYPE_NFLOG`.
//! Read next: `raw.rs`.

use nom::{Parser, bytes::complete::take};

use super::{Opened, raw};
use crate::decode::{
    Packet, Skip,
    body::{Fields, array},
};

/// The attribute with the packet, and that with the sender's address.
const PAYLOAD: u16 = 9;
const HARDWARE: u16 = 8;
/// The kernel defines nineteen; the limit bounds the work of a frame made of attributes alone.
const MOST: usize = 64;

/// An attribute's own header: length, with it, and type.
const HEADER: u16 = 4;

/// Opens a frame.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    // Family, version, resource.
    let (mut rest, _) = array::<4>(input).map_err(|_| Skip::CutLinkHeader)?;
    let big = attribute(rest, false).is_err();
    for _ in 0..MOST {
        let (behind, (kind, value)) = attribute(rest, big).map_err(|_| Skip::CutLinkHeader)?;
        match kind {
            PAYLOAD => return raw::open(value),
            HARDWARE => packet.mac = hardware(value).map_or(packet.mac, |(_, mac)| mac),
            _ => {}
        }
        rest = behind;
    }
    Err(Skip::CutLinkHeader)
}

/// Type and value, and what follows the padding. The packet itself may be cut by the capture.
fn attribute(input: &[u8], big: bool) -> Fields<'_, (u16, &[u8])> {
    let number = if big { u16::from_be_bytes } else { u16::from_le_bytes };
    let (rest, (len, kind)) = (array::<2>, array::<2>).parse(input)?;
    let (len, kind) = (number(len), number(kind));
    let len = usize::from(len.checked_sub(HEADER).ok_or(nom::Err::Error(()))?);
    if kind == PAYLOAD {
        return Ok((&[], (kind, rest.get(..len).unwrap_or(rest))));
    }
    let (rest, value) = take(len).parse(rest)?;
    Ok((rest.get(len.next_multiple_of(4) - len..).unwrap_or_default(), (kind, value)))
}

/// Length and padding, then the address.
fn hardware(input: &[u8]) -> Fields<'_, [u8; 6]> {
    let (rest, _) = array::<4>(input)?;
    array(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, ipv6, tcp},
    };

    /// A prefix of five bytes (padded), the sender's address, the packet.
    fn logged(big: bool, payload: &[u8]) -> Vec<u8> {
        let number = |n: usize| if big { (n as u16).to_be_bytes() } else { (n as u16).to_le_bytes() };
        let attribute = |kind: usize, value: &[u8]| {
            let mut bytes = [&number(value.len() + 4)[..], &number(kind), value].concat();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        };
        let hardware = attribute(8, &hex("0006 0000 020000000002 0000"));
        [hex("02 00 0005"), attribute(10, b"scan\0"), hardware, attribute(9, payload)].concat()
    }

    #[test]
    fn the_packet_is_found_in_both_byte_orders() {
        for (big, ip) in [(false, ipv4(6, &tcp(2))), (true, ipv4(6, &tcp(2))), (false, ipv6(6, &tcp(2)))] {
            let packet = decode(&frame(239, &logged(big, &ip))).unwrap();
            assert_eq!((packet.transport.ports().map(|p| p.dst), packet.mac), (Some(80), [2, 0, 0, 0, 0, 2]));
        }
    }

    #[test]
    fn attributes_without_end_or_sense_end_the_work() {
        for bytes in
            [hex("02000000"), hex("02000000 0000 0100"), [hex("02000000"), hex("0400 0100").repeat(99)].concat()]
        {
            assert_eq!(decode(&frame(239, &bytes)), Err(Skip::CutLinkHeader), "{bytes:02x?}");
        }
    }
}
