//! VLAN tags: IEEE 802.1Q, 802.1ad, and the older number for stacked ones.
//!
//! In: an `EtherType` and what follows it. Out: the first that is no tag, with the outer two
//! ids in the packet. Also where an 802.3 length leads to `llc.rs`.
//! Read next: `llc.rs`.

use nom::Parser;

use super::{Opened, ethertype, llc};
use crate::decode::{
    Packet, Skip,
    body::{Fields, be_u16},
};

/// The outer of two tags before 802.1ad gave it 0x88a8.
const STACKED: u16 = 0x9100;
const CUSTOMER: u16 = 0x8100;
const SERVICE: u16 = 0x88a8;

/// Networks stack two, labs four. The limit bounds the work of a frame made of tags alone.
const DEEPEST: usize = 8;

/// Peels tags and 802.2 headers until something else comes.
pub(super) fn peel<'a>(mut kind: u16, mut input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let mut ids = 0;
    for _ in 0..=DEEPEST {
        match kind {
            CUSTOMER | SERVICE | STACKED => {
                let (rest, (tag, next)) = tag(input).map_err(|_| Skip::CutLinkHeader)?;
                if let Some(id) = packet.vlan.get_mut(ids) {
                    *id = tag & 0x0fff;
                }
                ids += 1;
                (kind, input) = (next, rest);
            }
            0..ethertype::FIRST => {
                let (next, rest) = llc::open(input)?;
                if next < ethertype::FIRST {
                    return Err(Skip::UnknownLlc);
                }
                (kind, input) = (next, rest);
            }
            _ => return Ok((kind, input)),
        }
    }
    Err(Skip::TooManyTags)
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
        let bytes = [ethernet(CUSTOMER, &hex(tags)), ipv4(6, &tcp(2))].concat();
        let packet = decode(&frame(1, &bytes))?;
        assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80));
        Ok(packet.vlan)
    }

    #[test]
    fn tags_of_any_depth_are_peeled_and_the_outer_two_kept() {
        assert_eq!(tagged("600c 0800"), Ok([12, 0]));
        assert_eq!(tagged("0064 88a8 00c8 0800"), Ok([100, 200]));
        assert_eq!(tagged("0001 9100 0002 8100 0003 0800"), Ok([1, 2]));
        assert_eq!(tagged("000c 0030 aaaa03 000000 0800"), Ok([12, 0]));
    }

    #[test]
    fn a_frame_of_tags_alone_ends_the_work() {
        assert_eq!(tagged(&"0001 8100 ".repeat(300)), Err(Skip::TooManyTags));
        assert_eq!(decode(&frame(1, &ethernet(CUSTOMER, &[0, 1, 8]))), Err(Skip::CutLinkHeader));
    }
}
