//! VLAN tags: IEEE 802.1Q, 802.1ad, and the older number for stacked ones.
//!
//! In: what follows a tag's `EtherType`. Out: the next `EtherType` and what follows it, with the id
//! in the packet: the outer two are kept, through tunnels too.
//! Read next: `llc.rs`, `mpls.rs`.

use nom::Parser;

use super::Opened;
use crate::decode::{
    Packet, Skip,
    body::{Fields, be_u16},
};

/// Opens one tag.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, (tag, next)) = tag(input).map_err(|_| Skip::CutLinkHeader)?;
    note(&mut packet.vlan, tag);
    Ok((next, rest))
}

/// Notes a tag's id among the outer two. One with id 0 is of no VLAN: it only tells how urgent the frame is.
#[inline]
pub(in crate::decode) fn note(ids: &mut [u16; 2], tag: u16) {
    if let Some(id) = ids.iter_mut().find(|id| **id == 0) {
        *id = tag & 0x0fff;
    }
}

/// Priority and id, then the next `EtherType`.
fn tag(input: &[u8]) -> Fields<'_, (u16, u16)> {
    (be_u16, be_u16).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, tcp},
    };

    fn tagged(tags: &str) -> Result<[u16; 2], Skip> {
        let bytes = [ethernet(0x8100, &hex(tags)), ipv4(6, &tcp(2))].concat();
        let packet = decode(&frame(1, &bytes))?;
        assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80));
        Ok(packet.vlan)
    }

    #[test]
    fn tags_of_any_depth_are_peeled_and_the_outer_two_kept() {
        assert_eq!(tagged("600c 0800"), Ok([12, 0]));
        assert_eq!(tagged("0064 88a8 00c8 0800"), Ok([100, 200]));
        assert_eq!(tagged("0001 9100 0002 8100 0003 0800"), Ok([1, 2]));
        assert_eq!(tagged("6000 8100 000c 0800"), Ok([12, 0]), "urgent, and of VLAN 12");
        assert_eq!(tagged("000c 0030 aaaa03 000000 0800"), Ok([12, 0]));
    }

    #[test]
    fn a_frame_of_tags_alone_ends_the_work() {
        assert_eq!(tagged(&"0001 8100 ".repeat(300)), Err(Skip::TooManyTags));
        assert_eq!(decode(&frame(1, &ethernet(0x8100, &[0, 1, 8]))), Err(Skip::CutLinkHeader));
    }
}
