//! Captures on Juniper's routers (link types 178 to 181): Ethernet, PPP, Frame Relay and Cisco HDLC
//! behind a header of theirs.
//!
//! In: a frame from that header's magic number on. Out: see `mod.rs`. Where the router had taken the link's own
//! header off, the IP version tells what is left.
//! Source: the registry of tcpdump.org names the types; the header is known from captures.
//! Read next: `mod.rs`, which knows what follows.

use nom::Parser;

use super::{Opened, raw};
use crate::decode::{
    Packet, Skip,
    body::{Fields, array, be_u8, be_u16},
};

const MAGIC: [u8; 3] = *b"MGC";
/// Flags of the header: no link header follows, and a list of extensions does.
const BARE: u8 = 0x02;
const EXTENDED: u8 = 0x80;

/// Opens a frame whose own link header `link` opens.
pub(super) fn open<'a>(
    input: &'a [u8],
    packet: &mut Packet,
    link: fn(&'a [u8], &mut Packet) -> Opened<'a>,
) -> Opened<'a> {
    let (mut rest, (magic, flags)) = cut((array::<3>, be_u8).parse(input))?;
    if magic != MAGIC {
        return Err(Skip::UnknownJuniper);
    }
    if flags & EXTENDED != 0 {
        let (extensions, len) = cut(be_u16(rest))?;
        rest = extensions.get(usize::from(len)..).ok_or(Skip::CutLinkHeader)?;
    }
    if flags & BARE == 0 {
        return link(rest, packet);
    }
    let (rest, _protocol) = cut(array::<4>(rest))?;
    raw::open(rest)
}

fn cut<T>(fields: Fields<'_, T>) -> Result<(&[u8], T), Skip> {
    fields.map_err(|_| Skip::CutLinkHeader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, tcp},
    };

    fn port(link: u32, header: &str, payload: &[u8]) -> Result<Option<u16>, Skip> {
        let bytes = [hex(header), payload.to_vec()].concat();
        decode(&frame(link, &bytes)).map(|packet| packet.transport.ports().map(|p| p.dst))
    }

    #[test]
    fn each_link_is_opened_behind_the_header() {
        let ip = ipv4(6, &tcp(2));
        assert_eq!(port(178, "4d4743 00", &ethernet(0x0800, &ip)), Ok(Some(80)));
        assert_eq!(port(178, "4d4743 81 0006 010102 020103", &ethernet(0x0800, &ip)), Ok(Some(80)));
        assert_eq!(port(179, "4d4743 01 ff03 0021", &ip), Ok(Some(80)));
        assert_eq!(port(180, "4d4743 01 1861 0800", &ip), Ok(Some(80)));
        assert_eq!(port(181, "4d4743 01 0f00 0800", &ip), Ok(Some(80)));
        assert_eq!(port(178, "4d4743 03 00000002", &ip), Ok(Some(80)));
    }

    #[test]
    fn another_beginning_is_named() {
        assert_eq!(port(178, "4d4744 00", &[]), Err(Skip::UnknownJuniper));
        assert_eq!(port(178, "4d4743 80 ffff", &[]), Err(Skip::CutLinkHeader));
        assert_eq!(port(178, "4d4743 03 0000", &[]), Err(Skip::CutLinkHeader));
    }
}
