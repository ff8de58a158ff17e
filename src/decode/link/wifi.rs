//! IEEE 802.11 data frames (link type 105).
//!
//! In: a frame from its frame control on; where it came by radio, `radio.rs` has taken off what the
//! driver wrote before it. Out: see `mod.rs`. What hosts send each other stands in data frames alone,
//! behind 802.2 headers; beacons, acknowledgements and the like carry nothing of IP. Encrypted frames
//! are counted, not read. Of several packets sent as one frame (A-MSDU) the first is read.
//! Source: IEEE 802.11-2020, section 9.2 and 9.3.2. Numbers are little-endian there.
//! Read next: `radio.rs`, `llc.rs`.

use nom::Parser;

use super::{Opened, ethernet::GROUP, ethertype, peel};
use crate::decode::{
    Marks, Packet, Skip,
    body::{Fields, array, be_u16},
};

/// Version 0, type data: the low four bits of the first byte. What is above is the subtype.
const DATA: u8 = 0b1000;
const TYPE: u8 = 0b1111;
/// Subtypes with this bit carry no data.
const EMPTY: u8 = 0x40;
/// Subtypes with this bit say how urgent they are, in a field of their own.
const QOS: u8 = 0x80;

/// Bits of the second byte.
const TO_SYSTEM: u8 = 0x01;
const FROM_SYSTEM: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;

/// In that field: several packets are in the frame, each behind two addresses and a length.
const SEVERAL: u8 = 0x80;

/// Opens a frame; `padded` when the driver filled the header up to a multiple of four.
pub(super) fn open<'a>(input: &'a [u8], padded: bool, packet: &mut Packet) -> Opened<'a> {
    let (rest, [control, flags]) = cut(array(input))?;
    if control & TYPE != DATA {
        return Err(Skip::WifiControl);
    }
    let (rest, (_duration, first, second, third, sequence)) =
        cut((array::<2>, array::<6>, array::<6>, array::<6>, array::<2>).parse(rest))?;
    let both = TO_SYSTEM | FROM_SYSTEM;
    let (rest, fourth) = if flags & both == both { cut(array::<6>(rest))? } else { (rest, third) };
    // Who sent it and to whom: the others are the access points between them.
    let (to, from) = match flags & both {
        0 => (first, second),
        TO_SYSTEM => (third, second),
        FROM_SYSTEM => (first, third),
        _ => (third, fourth),
    };
    packet.mac = from;
    if to.first().is_some_and(|byte| byte & GROUP != 0) {
        packet.marks.set(Marks::TO_MANY);
    }
    if control & EMPTY != 0 {
        return Err(Skip::WifiControl);
    }
    if flags & PROTECTED != 0 {
        return Err(Skip::WifiProtected);
    }
    // The number of the piece is in the low four bits. Only the first begins with a header.
    if sequence.first().is_some_and(|low| low & 0x0f != 0) {
        return Err(Skip::WifiFragment);
    }
    let (rest, several) = if control & QOS == 0 {
        (rest, false)
    } else {
        let (rest, [low, _high]) = cut(array(rest))?;
        // High throughput control stands behind it when the order bit is set.
        let rest = if flags & ORDER == 0 { rest } else { cut(array::<4>(rest))?.0 };
        (rest, low & SEVERAL != 0)
    };
    let rest = if padded { rest.get((input.len() - rest.len()) % 4..).unwrap_or_default() } else { rest };
    if several {
        let (rest, (_to, from, len)) = cut((array::<6>, array::<6>, be_u16).parse(rest))?;
        packet.mac = from;
        return peel(ethertype::LLC, rest.get(..usize::from(len)).unwrap_or(rest), packet);
    }
    peel(ethertype::LLC, rest, packet)
}

fn cut<T>(fields: Fields<'_, T>) -> Result<(&[u8], T), Skip> {
    fields.map_err(|_| Skip::CutLinkHeader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, tcp},
    };

    const SNAP: &str = "aaaa03 000000 0800";

    /// The sender and the target port of a frame with this header and an IPv4 datagram.
    fn read(header: &str) -> Result<([u8; 6], Option<u16>), Skip> {
        let bytes = [hex(header), ipv4(6, &tcp(2))].concat();
        let packet = decode(&frame(105, &bytes))?;
        Ok((packet.mac, packet.transport.ports().map(|p| p.dst)))
    }

    #[test]
    fn the_sender_is_found_whichever_way_the_frame_goes() {
        let (a, b, c, d) = ("020000000001", "020000000002", "020000000003", "020000000004");
        for (control, sender) in [("0800", 2), ("0801", 2), ("0802", 3)] {
            let header = format!("{control} 0000 {a}{b}{c} 1000 {SNAP}");
            assert_eq!(read(&header), Ok(([2, 0, 0, 0, 0, sender], Some(80))), "{control}");
        }
        assert_eq!(read(&format!("0803 0000 {a}{b}{c} 1000 {d} {SNAP}")), Ok(([2, 0, 0, 0, 0, 4], Some(80))));
    }

    #[test]
    fn quality_of_service_and_what_else_may_follow_is_stepped_over() {
        let addresses = "020000000001 020000000002 020000000003 1000";
        let sender = [2, 0, 0, 0, 0, 2];
        assert_eq!(read(&format!("8801 0000 {addresses} 0000 {SNAP}")), Ok((sender, Some(80))));
        assert_eq!(read(&format!("8881 0000 {addresses} 0000 00000000 {SNAP}")), Ok((sender, Some(80))));
        // An A-MSDU: 8 bytes of LLC and SNAP and 40 of TCP.
        let inner = "020000000009 020000000008 0030";
        assert_eq!(read(&format!("8801 0000 {addresses} 8000 {inner} {SNAP}")), Ok(([2, 0, 0, 0, 0, 8], Some(80))));
    }

    #[test]
    fn what_carries_no_packet_that_can_be_read_is_named() {
        let addresses = "020000000001 020000000002 020000000003";
        assert_eq!(read(&format!("8000 0000 {addresses} 1000")), Err(Skip::WifiControl), "a beacon");
        assert_eq!(read(&format!("d400 0000 {addresses} 1000")), Err(Skip::WifiControl), "an acknowledgement");
        assert_eq!(read(&format!("4801 0000 {addresses} 1000")), Err(Skip::WifiControl), "power saving");
        assert_eq!(read(&format!("0841 0000 {addresses} 1000")), Err(Skip::WifiProtected));
        assert_eq!(read(&format!("0801 0000 {addresses} 1100 {SNAP}")), Err(Skip::WifiFragment));
        assert_eq!(decode(&frame(105, &hex("0801 0000 02000000"))), Err(Skip::CutLinkHeader));
    }

    #[test]
    fn a_group_address_is_marked() {
        let header = format!("0802 0000 ffffffffffff 020000000002 020000000003 1000 {SNAP}");
        let bytes = [hex(&header), ipv4(6, &tcp(2))].concat();
        assert!(decode(&frame(105, &bytes)).unwrap().marks.has(Marks::TO_MANY));
    }
}
