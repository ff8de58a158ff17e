//! Ethernet II and IEEE 802.3 (link type 1).
//!
//! In: a frame from its target address on, without preamble. Out: see `mod.rs`.
//! A trailing checksum is not looked for: lengths come from the network header.
//! Read next: `vlan.rs`.

use nom::Parser;

use super::{Opened, peel};
use crate::decode::{
    Marks, Packet, Skip,
    body::{array, be_u16},
};

/// The bit that tells a group address from one station's.
const GROUP: u8 = 1;

/// Opens a frame.
#[inline]
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, ([to, ..], mac, ethertype)) =
        (array::<6>, array::<6>, be_u16).parse(input).map_err(|_: nom::Err<()>| Skip::CutLinkHeader)?;
    packet.mac = mac;
    if to & GROUP != 0 {
        packet.marks.set(Marks::TO_MANY);
    }
    peel(ethertype, rest, packet)
}
