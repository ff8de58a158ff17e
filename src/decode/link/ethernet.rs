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
pub(in crate::decode) const GROUP: u8 = 1;

/// Opens a frame.
#[inline]
pub(in crate::decode) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (ethertype, rest) = header(input, packet)?;
    peel(ethertype, rest, packet)
}

/// Opens the header alone.
#[inline]
pub(super) fn header<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, ([to, ..], mac, ethertype)) =
        (array::<6>, array::<6>, be_u16).parse(input).map_err(|_: nom::Err<()>| Skip::CutLinkHeader)?;
    packet.mac = mac;
    if to & GROUP != 0 {
        packet.marks.set(Marks::TO_MANY);
    }
    Ok((ethertype, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, ipv4, tcp},
    };

    #[test]
    fn the_sender_is_known_and_a_group_address_marked() {
        let mut bytes = ethernet(0x0800, &ipv4(6, &tcp(2)));
        let packet = decode(&frame(1, &bytes)).unwrap();
        assert_eq!((packet.mac, packet.marks.has(Marks::TO_MANY)), ([2, 0, 0, 0, 0, 2], false));
        bytes[0] |= GROUP;
        assert!(decode(&frame(1, &bytes)).unwrap().marks.has(Marks::TO_MANY));
    }

    #[test]
    fn a_cut_header_or_another_protocol_is_named() {
        assert_eq!(decode(&frame(1, &[0; 13])), Err(Skip::CutLinkHeader));
        assert_eq!(decode(&frame(1, &ethernet(0x88cc, &[0; 40]))), Err(Skip::UnknownEthertype));
    }
}
