//! What drivers write before an 802.11 frame: radiotap, Prism, AVS (link types 127, 119, 163).
//!
//! In: a frame with such a header. Out: see `mod.rs`. Of the header only its length matters, and of
//! radiotap whether the driver padded the frame's own header.
//! Source: radiotap.org; `linux-wlan-ng`'s and AVS's descriptions in the registry of tcpdump.org.
//! Read next: `wifi.rs`.

use nom::Parser;

use super::{Opened, wifi};
use crate::decode::{
    Packet, Skip,
    body::{Fields, array, be_u32},
};

/// Another word of the list of fields follows.
const MORE: u32 = 1 << 31;
/// The list's first two fields: a clock of eight bytes, then the flags.
const CLOCK: u32 = 1;
const FLAGS: u32 = 2;
/// In the flags: the frame's header is filled up to a multiple of four bytes.
const PADDED: u8 = 0x20;

/// A Prism header has 144 bytes in every driver, whatever length it states.
const PRISM: usize = 144;
/// AVS frames are found under Prism's number, too: they begin with a magic number and a version.
const AVS: u32 = 0x8021_1000;

/// Opens a frame behind a radiotap header.
pub(super) fn open_radiotap<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (_, (len, padded)) = radiotap(input).map_err(|_| Skip::CutLinkHeader)?;
    wifi::open(input.get(len..).ok_or(Skip::CutLinkHeader)?, padded, packet)
}

/// Opens a frame behind a Prism header, or behind an AVS header under its number.
pub(super) fn open_prism<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let magic: Fields<'_, u32> = be_u32(input);
    if magic.is_ok_and(|(_, magic)| magic & 0xffff_f000 == AVS) {
        return open_avs(input, packet);
    }
    wifi::open(input.get(PRISM..).ok_or(Skip::CutLinkHeader)?, false, packet)
}

/// Opens a frame behind an AVS header, which states its own length.
pub(super) fn open_avs<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let fields: Fields<'_, (u32, u32)> = (be_u32, be_u32).parse(input);
    let (_, (_magic, len)) = fields.map_err(|_| Skip::CutLinkHeader)?;
    wifi::open(input.get(len as usize..).ok_or(Skip::CutLinkHeader)?, false, packet)
}

/// Length of the header, and whether the frame's own is padded.
fn radiotap(input: &[u8]) -> Fields<'_, (usize, bool)> {
    let (rest, (_version_and_pad, len, first)) = (array::<2>, array::<2>, array::<4>).parse(input)?;
    let first = u32::from_le_bytes(first);
    let (mut rest, mut word) = (rest, first);
    while word & MORE != 0 {
        let (behind, next) = array::<4>(rest)?;
        (rest, word) = (behind, u32::from_le_bytes(next));
    }
    // The clock lies on a multiple of eight, counted from the header's first byte.
    let before = input.len() - rest.len();
    let flags = if first & CLOCK == 0 { before } else { before.next_multiple_of(8) + 8 };
    let padded = first & FLAGS != 0 && input.get(flags).is_some_and(|flags| flags & PADDED != 0);
    Ok((rest, (usize::from(u16::from_le_bytes(len)), padded)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, tcp},
    };

    const DATA: &str = "8801 0000 020000000001 020000000002 020000000003 1000 0000";

    fn port(link: u32, header: &[u8], pad: &str) -> Option<u16> {
        let bytes = [header.to_vec(), hex(DATA), hex(pad), hex("aaaa03 000000 0800"), ipv4(6, &tcp(2))].concat();
        decode(&frame(link, &bytes)).ok()?.transport.ports().map(|p| p.dst)
    }

    #[test]
    fn the_frame_begins_where_the_header_says() {
        assert_eq!(port(127, &hex("00 00 0800 00000000"), ""), Some(80));
        // Three words of fields.
        assert_eq!(port(127, &hex("00 00 1000 00000080 00000080 00000000"), ""), Some(80));
        assert_eq!(port(119, &[0; 144], ""), Some(80));
        let avs = [hex("80211001 00000040"), vec![0; 56]].concat();
        assert_eq!((port(163, &avs, ""), port(119, &avs, "")), (Some(80), Some(80)));
    }

    #[test]
    fn padding_of_the_frame_s_own_header_is_stepped_over() {
        assert_eq!(port(127, &hex("00 00 0a00 02000000 20 00"), "0000"), Some(80));
        assert_eq!(port(127, &hex("00 00 1a00 03000000 0000000000000000 0000000000000000 20 00"), "0000"), None);
        let clock = "00 00 1200 03000000 0000000000000000 20 00";
        assert_eq!(port(127, &hex(clock), "0000"), Some(80));
    }

    #[test]
    fn a_header_longer_than_the_frame_or_endless_is_cut() {
        for bytes in [hex("00 00 ffff 00000000 08"), hex("00 00 0800 00000080"), hex("00 00 08")] {
            assert_eq!(decode(&frame(127, &bytes)), Err(Skip::CutLinkHeader));
        }
        assert_eq!(decode(&frame(163, &hex("80211001 ffffffff"))), Err(Skip::CutLinkHeader));
        assert_eq!(decode(&frame(119, &[0; 143])), Err(Skip::CutLinkHeader));
    }
}
