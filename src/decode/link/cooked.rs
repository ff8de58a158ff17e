//! Linux cooked captures, both versions (link types 113 and 276): what `-i any` writes.
//!
//! In: a frame with libpcap's made-up header. Out: see `mod.rs`. The header tells the
//! sender's address and whether the frame went to many, but not to whom.
//! Source: the registry of link-layer header types, `LINKTYPE_LINUX_SLL` and `LINKTYPE_LINUX_SLL2`.
//! Read next: `mod.rs`.

use nom::Parser;

use super::{Opened, ethertype, peel};
use crate::decode::{
    Marks, Packet, Skip,
    body::{Fields, array, be_u8, be_u16, be_u32},
};

const BROADCAST: u8 = 1;
const MULTICAST: u8 = 2;

/// Opens a frame of version 1.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, (sent_to, (mac, kind))) = header(input).map_err(|_| Skip::CutLinkHeader)?;
    finish(sent_to as u8, mac, kind, rest, packet)
}

/// Opens a frame of version 2.
pub(super) fn open_v2<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, (kind, (sent_to, mac))) = header_v2(input).map_err(|_| Skip::CutLinkHeader)?;
    finish(sent_to, mac, kind, rest, packet)
}

fn finish<'a>(sent_to: u8, mac: [u8; 6], kind: u16, rest: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    packet.mac = mac;
    if matches!(sent_to, BROADCAST | MULTICAST) {
        packet.marks.set(Marks::TO_MANY);
    }
    // Other small numbers are frames that no IP travels in.
    if kind < ethertype::FIRST && kind != ethertype::LLC {
        return Err(Skip::UnknownEthertype);
    }
    peel(kind, rest, packet)
}

/// Packet type; then address (8 bytes, of which Ethernet fills 6) and protocol.
fn header(input: &[u8]) -> Fields<'_, (u16, ([u8; 6], u16))> {
    let (rest, (packet, _hardware, _length, mac, _unused, kind)) =
        (be_u16, be_u16, be_u16, array::<6>, array::<2>, be_u16).parse(input)?;
    Ok((rest, (packet, (mac, kind))))
}

/// Protocol; then packet type and address.
fn header_v2(input: &[u8]) -> Fields<'_, (u16, (u8, [u8; 6]))> {
    let (rest, (kind, _reserved, _interface, _hardware, packet, _length, mac, _unused)) =
        (be_u16, be_u16, be_u32, be_u16, be_u8, be_u8, array::<6>, array::<2>).parse(input)?;
    Ok((rest, (kind, (packet, mac))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, ipv6, tcp},
    };

    #[test]
    fn both_versions_give_sender_and_protocol() {
        let v1 = [hex("0000 0001 0006 020000000002 0000 0800"), ipv4(6, &tcp(2))].concat();
        let v2 = [hex("86dd 0000 00000002 0001 04 06 020000000002 0000"), ipv6(6, &tcp(2))].concat();
        for (link, bytes) in [(113, v1), (276, v2)] {
            let packet = decode(&frame(link, &bytes)).unwrap();
            assert_eq!((packet.mac, packet.transport.ports().map(|p| p.dst)), ([2, 0, 0, 0, 0, 2], Some(80)));
            assert!(!packet.marks.has(Marks::TO_MANY));
        }
    }

    #[test]
    fn what_went_to_all_is_marked() {
        let arp = "0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009";
        let bytes = [hex("0001 0001 0006 020000000002 0000 0806"), hex(arp)].concat();
        assert!(decode(&frame(113, &bytes)).unwrap().marks.has(Marks::TO_MANY));
    }

    #[test]
    fn frames_of_other_worlds_are_named() {
        let can = hex("0000 0118 0000 0000000000000000 000c");
        assert_eq!(decode(&frame(113, &can)), Err(Skip::UnknownEthertype));
        assert_eq!(decode(&frame(113, &can[..15])), Err(Skip::CutLinkHeader));
        assert_eq!(decode(&frame(276, &can)), Err(Skip::CutLinkHeader));
    }
}
