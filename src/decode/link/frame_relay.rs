//! Frame Relay (link type 107), as RFC 2427 and as Cisco fills it.
//!
//! In: a frame from its address on. Out: see `mod.rs`. RFC 2427 has a control byte and then a number of ISO's
//! list for the protocol; Cisco's own way has an `EtherType` in their place.
//! Read next: `ppp.rs`, `llc.rs`.

use nom::{Parser, bytes::complete::take_while_m_n};

use super::{Opened, ethernet, ethertype, peel, ppp};
use crate::decode::{
    Packet, Skip,
    body::{Fields, array, be_u8, be_u16},
};

/// Unnumbered information, where RFC 2427 has it.
const UNNUMBERED: u8 = 0x03;
/// Between it and the protocol a zero may stand, to make the rest even.
const PAD: u8 = 0;

const IPV4: u8 = 0xcc;
const IPV6: u8 = 0x8e;
const PPP: u8 = 0xcf;
const SNAP: u8 = 0x80;

/// The organisation of `EtherType`s, and that of 802.1 bridges with its numbers for Ethernet.
const ENCAPSULATED: [u8; 3] = [0, 0, 0];
const BRIDGED: [u8; 3] = [0, 0x80, 0xc2];
const ETHERNET: [u16; 2] = [1, 7];

/// Opens a frame.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let rest = address(input).map_err(|_| Skip::CutLinkHeader)?.0;
    let Some((&UNNUMBERED, numbered)) = rest.split_first() else {
        let (rest, kind) = cut(be_u16(rest))?;
        return peel(kind, rest, packet);
    };
    let numbered = numbered.strip_prefix(&[PAD]).unwrap_or(numbered);
    let (rest, number) = cut(be_u8(numbered))?;
    match number {
        IPV4 => Ok((ethertype::IPV4, rest)),
        IPV6 => Ok((ethertype::IPV6, rest)),
        PPP => ppp::open_bare(rest, packet),
        SNAP => {
            let (rest, (organisation, kind)) = cut((array::<3>, be_u16).parse(rest))?;
            match organisation {
                ENCAPSULATED => peel(kind, rest, packet),
                BRIDGED if ETHERNET.contains(&kind) => ethernet::open(rest, packet),
                _ => Err(Skip::UnknownFrameRelay),
            }
        }
        _ => Err(Skip::UnknownFrameRelay),
    }
}

/// Two to four bytes, of which only the last is odd.
fn address(input: &[u8]) -> Fields<'_, u8> {
    let (rest, _) = take_while_m_n(1, 3, |byte| byte & 1 == 0).parse(input)?;
    be_u8(rest)
}

fn cut<T>(fields: Fields<'_, T>) -> Result<(&[u8], T), Skip> {
    fields.map_err(|_| Skip::CutLinkHeader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, ipv6, tcp},
    };

    fn port(header: &str, payload: &[u8]) -> Result<Option<u16>, Skip> {
        let bytes = [hex(header), payload.to_vec()].concat();
        decode(&frame(107, &bytes)).map(|packet| packet.transport.ports().map(|p| p.dst))
    }

    #[test]
    fn ip_is_found_in_every_way_to_fill_a_frame() {
        let (v4, v6) = (ipv4(6, &tcp(2)), ipv6(6, &tcp(2)));
        for (header, payload) in [
            ("1861 0800", &v4),
            ("48e1 86dd", &v6),
            ("1861 03 cc", &v4),
            ("1861 03 8e", &v6),
            ("180061 03 cc", &v4),
            ("18000061 03 cc", &v4),
            ("1861 03 00 80 000000 0800", &v4),
            ("1861 03 00 80 0080c2 0007", &ethernet(0x0800, &v4)),
            ("1861 03 cf 0021", &v4),
        ] {
            assert_eq!(port(header, payload), Ok(Some(80)), "{header}");
        }
    }

    #[test]
    fn the_network_s_own_talk_is_named() {
        assert_eq!(port("0001 03 08 0075", &[]), Err(Skip::UnknownFrameRelay));
        assert_eq!(port("1861 03 00 80 0080c2 000e", &[]), Err(Skip::UnknownFrameRelay));
        assert_eq!(port("1861 2000", &[]), Err(Skip::UnknownEthertype));
        for short in ["18", "1861", "1861 03", "1861 03 00 80 0000"] {
            assert_eq!(port(short, &[]), Err(Skip::CutLinkHeader), "{short}");
        }
    }
}
