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

/// In the place of an `EtherType`: an 802.2 header follows. Other small numbers are frames
/// that no IP travels in.
const LLC: u16 = 4;

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
    if kind < ethertype::FIRST && kind != LLC {
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
