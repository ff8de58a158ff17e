//! GRE: RFC 2784 with the options of RFC 1701 and 2890, NVGRE (RFC 7637), PPTP's version 1 (RFC 2637), ERSPAN.
//!
//! In: what follows an IP header of protocol 47. Out: what is inside, see `mod.rs`. The key is the id; of NVGRE the
//! network in its upper three bytes, of ERSPAN its session, of PPTP the call.
//! Source: the RFCs; for ERSPAN draft-foschiano-erspan-03.
//! Read next: `mod.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    Packet,
    body::{Fields, array, be_u8, be_u16, be_u32},
    link::{Opened, ethernet, peel, ppp, raw},
};

/// Which parts there are, and the version.
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// What is carried, where it is no `EtherType` that a link has, too.
const BRIDGED: u16 = 0x6558;
const PPP: u16 = 0x880b;
const MIRROR: u16 = 0x88be;
const MIRROR_III: u16 = 0x22eb;
const REDIRECTED: u16 = 0x883e;

/// RFC 1701 routes are a list; the limit bounds the work of one without an end.
const MOST_ROUTES: usize = 16;

/// Opens a header.
pub(super) fn open<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let (rest, (flags, kind, key)) = header(input).ok()?;
    let call = key.map(|key| key & 0xffff);
    let (protocol, id, opened): (_, _, Opened<'a>) = match (flags & VERSION, kind) {
        (0, MIRROR) => return mirror(rest, flags & SEQUENCE != 0, inner),
        (0, MIRROR_III) => return mirror_iii(rest, inner),
        (0, BRIDGED) => (Protocol::Gre, key, ethernet::open(rest, inner)),
        (0, REDIRECTED) => (Protocol::Gre, key, redirected(rest)),
        (0, PPP) => (Protocol::Gre, key, ppp::open_bare(rest, inner)),
        (0, kind) => (Protocol::Gre, key, peel(kind, rest, inner)),
        (1, PPP) => (Protocol::Pptp, call, ppp::open_bare(rest, inner)),
        _ => return None,
    };
    Some(Header { protocol, id, carried: opened.ok()? })
}

/// Flags and version, protocol, key.
fn header(input: &[u8]) -> Fields<'_, (u16, u16, Option<u32>)> {
    let (mut rest, (flags, kind)) = (be_u16, be_u16).parse(input)?;
    if flags & (CHECKSUM | ROUTING) != 0 {
        rest = array::<4>(rest)?.0;
    }
    let mut key = None;
    if flags & KEY != 0 {
        let (behind, value) = be_u32(rest)?;
        (rest, key) = (behind, Some(value));
    }
    if flags & SEQUENCE != 0 {
        rest = array::<4>(rest)?.0;
    }
    if flags & VERSION == 1 && flags & ACKNOWLEDGEMENT != 0 {
        rest = array::<4>(rest)?.0;
    }
    if flags & ROUTING != 0 {
        rest = routes(rest)?.0;
    }
    Ok((rest, (flags, kind, key)))
}

/// A list of routes, up to the one of no length.
fn routes(mut rest: &[u8]) -> Fields<'_, ()> {
    for _ in 0..MOST_ROUTES {
        let (behind, (_family, _offset, len)) = (be_u16, be_u8, be_u8).parse(rest)?;
        rest = behind.get(usize::from(len)..).ok_or(nom::Err::Error(()))?;
        if len == 0 {
            return Ok((rest, ()));
        }
    }
    Err(nom::Err::Error(()))
}

/// ERSPAN type I has no header of its own, and no sequence numbers in GRE's; type II has eight bytes.
fn mirror<'a>(input: &'a [u8], has_sequence: bool, inner: &mut Packet) -> Option<Header<'a>> {
    let (id, frame) = if has_sequence {
        let fields: Fields<'_, (u16, u16, u32)> = (be_u16, be_u16, be_u32).parse(input);
        let (frame, (_version_and_vlan, session, _index)) = fields.ok()?;
        (Some(u32::from(session & 0x03ff)), frame)
    } else {
        (None, input)
    };
    Some(Header { protocol: Protocol::Erspan, id, carried: ethernet::open(frame, inner).ok()? })
}

/// ERSPAN type III: twelve bytes, eight more when the last bit says so; a frame, or bare IP.
fn mirror_iii<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    const FRAME_TYPE: u16 = 0x7c00;
    const IP: u16 = 0x0800;
    const MORE: u16 = 1;
    let fields: Fields<'_, (u16, u16, u32, u16, u16)> = (be_u16, be_u16, be_u32, be_u16, be_u16).parse(input);
    let (mut rest, (_version_and_vlan, session, _stamp, _group, kind)) = fields.ok()?;
    if kind & MORE != 0 {
        rest = rest.get(8..)?;
    }
    let opened = if kind & FRAME_TYPE == IP { raw::open(rest) } else { ethernet::open(rest, inner) };
    Some(Header { protocol: Protocol::Erspan, id: Some(u32::from(session & 0x03ff)), carried: opened.ok()? })
}

/// WCCP: its second version has four bytes before the IPv4 header, the first has none.
fn redirected(input: &[u8]) -> Opened<'_> {
    raw::open_v4(input).or_else(|_| raw::open_v4(input.get(4..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Tunnel,
        samples::{ethernet as over_ethernet, hex, ipv4, ipv6, tcp, tunnelled},
    };

    /// The target port inside, the sort, the id.
    fn read(header: &str, payload: &[u8]) -> Option<(Option<u16>, Protocol, Option<u32>)> {
        let (packet, tunnel) = tunnelled(&ipv4(47, &[hex(header), payload.to_vec()].concat()))?;
        let Tunnel { protocol, id, .. } = tunnel;
        Some((packet.transport.ports().map(|p| p.dst), protocol, id))
    }

    #[test]
    fn every_option_is_stepped_over_and_the_key_kept() {
        let ip = ipv4(6, &tcp(2));
        let found = |id| Some((Some(80), Protocol::Gre, id));
        assert_eq!(read("0000 0800", &ip), found(None));
        assert_eq!(read("0000 86dd", &ipv6(6, &tcp(2))), found(None));
        assert_eq!(read("8000 0800 1234 0000", &ip), found(None));
        assert_eq!(read("2000 0800 00000007", &ip), found(Some(7)));
        assert_eq!(read("1000 0800 00000001", &ip), found(None));
        assert_eq!(read("b000 0800 1234 0000 00000007 00000001", &ip), found(Some(7)));
        assert_eq!(read("4000 0800 0000 0000 0800 00 04 0a000001 0000 00 00", &ip), found(None));
        assert_eq!(read("0000 8847 00010140", &ip), found(None));
    }

    #[test]
    fn frames_and_lines_are_opened_too() {
        let frame = over_ethernet(0x0800, &ipv4(6, &tcp(2)));
        assert_eq!(read("0000 6558", &frame), Some((Some(80), Protocol::Gre, None)));
        assert_eq!(read("2000 6558 00abcd00", &frame), Some((Some(80), Protocol::Gre, Some(0x00ab_cd00))));
        let ip = ipv4(6, &tcp(2));
        let call = Some((Some(80), Protocol::Pptp, Some(6)));
        assert_eq!(read("3081 880b 002c 0006 00000001 00000001 ff03 0021", &ip), call);
        assert_eq!(read("3001 880b 002a 0006 00000001 21", &ip), call);
        assert_eq!(read("0000 883e", &ip), Some((Some(80), Protocol::Gre, None)));
        assert_eq!(read("0000 883e 00010203", &ip), Some((Some(80), Protocol::Gre, None)));
    }

    #[test]
    fn a_mirror_of_any_type_shows_its_frame() {
        let frame = over_ethernet(0x0800, &ipv4(6, &tcp(2)));
        let found = |id| Some((Some(80), Protocol::Erspan, id));
        assert_eq!(read("0000 88be", &frame), found(None));
        assert_eq!(read("1000 88be 00000001 1064 0405 00000000", &frame), found(Some(5)));
        assert_eq!(read("1000 22eb 00000001 2064 0005 00000000 0000 0000", &frame), found(Some(5)));
        assert_eq!(read("1000 22eb 00000001 2064 0005 00000000 0000 0001 0000000000000000", &frame), found(Some(5)));
        assert_eq!(read("1000 22eb 00000001 2064 0005 00000000 0000 0800", &ipv4(6, &tcp(2))), found(Some(5)));
    }

    #[test]
    fn what_holds_no_packet_is_left_closed() {
        for header in
            ["0000 2000", "0002 0800", "0001 0800", "0000 880b c021", "2000 0800 0000", "b000 0800", "1000 88be"]
        {
            assert_eq!(read(header, &[]), None, "{header}");
        }
        let endless = format!("4000 0800 0000 0000 {}", "0800 00 04 0a000001".repeat(99));
        assert_eq!(read(&endless, &ipv4(6, &tcp(2))), None);
    }
}
