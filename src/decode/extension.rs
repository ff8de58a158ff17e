//! The headers between IP and the transport: RFC 8200 section 4, RFC 4302 (AH).
//!
//! In: what follows an IPv6 header (or a rebuilt datagram's payload). Out: what lies behind the
//! last extension header; the packet's fragment, where there was such a header, and its flaw.
//! The chain is walked for a bounded number of headers; their options are not read.
//! Read next: `ipv6.rs`.

use nom::Parser;

use super::{
    Fragment, Marks, Packet, Skip,
    body::{Body, Fields, be_u8, be_u16, be_u32},
};

pub(super) const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
pub(super) const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// RFC 8200 has use for 7. What is longer serves to slip past a filter; the limit leaves
/// room for the harmless and bounds the work that a frame can cause.
const LONGEST_CHAIN: usize = 16;

/// Walks from the first header to the transport, or to the end of what can be read.
#[inline]
pub(super) fn walk<'a>(first: Body<'a>, packet: &mut Packet) -> Body<'a> {
    // Most datagrams have none. One that ends here has none either: its protocol number
    // is all it says, which is how protocol scans look.
    if !is_extension(first.protocol) || first.sent == 0 {
        return first;
    }
    walk_on(first, packet)
}

#[cold]
fn walk_on<'a>(mut body: Body<'a>, packet: &mut Packet) -> Body<'a> {
    packet.marks.set(Marks::IP_OPTIONS);
    for _ in 0..LONGEST_CHAIN {
        let over = packet.fragment.is_some_and(|f| f.offset > 0);
        if over || !is_extension(body.protocol) || body.sent == 0 {
            return body;
        }
        match step(body, packet) {
            Ok(behind) => body = behind,
            Err(flaw) => {
                packet.flaw = Some(flaw);
                return body;
            }
        }
    }
    packet.flaw = Some(Skip::TooManyExtensions);
    body
}

#[inline]
fn is_extension(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION)
}

/// Over one header.
fn step<'a>(header: Body<'a>, packet: &mut Packet) -> Result<Body<'a>, Skip> {
    let (_, (next, len)) = beginning(header.bytes).map_err(|_| Skip::CutExtension)?;
    let size = match header.protocol {
        FRAGMENT => 8,
        AUTHENTICATION => (usize::from(len) + 2) * 4,
        _ => (usize::from(len) + 1) * 8,
    };
    if size > header.sent {
        return Err(Skip::BadExtension);
    }
    let body = header.behind(next, size).ok_or(Skip::CutExtension)?;
    if header.protocol != FRAGMENT {
        return Ok(body);
    }
    if packet.fragment.is_some() {
        return Err(Skip::NestedFragment);
    }
    packet.fragment = fragment(header.bytes).map_err(|_| Skip::CutExtension)?.1;
    Ok(Body { stepped: 0, ..body })
}

fn beginning(input: &[u8]) -> Fields<'_, (u8, u8)> {
    (be_u8, be_u8).parse(input)
}

/// The fragment header; `None` for an atomic one (RFC 6946), which is whole.
fn fragment(input: &[u8]) -> Fields<'_, Option<Fragment>> {
    let (rest, (next, _reserved, offset_and_more, id)) = (be_u8, be_u8, be_u16, be_u32).parse(input)?;
    let (offset, more) = (offset_and_more & 0xfff8, offset_and_more & 1 != 0);
    Ok((rest, (offset > 0 || more).then_some(Fragment { id, offset, more, next })))
}

/// What IPv4's only such header, AH, protects; anything else as it is. AH that cannot be read
/// stays a protocol of its own: so a protocol scan sends it.
#[inline]
pub(super) fn authenticated<'a>(body: Body<'a>, packet: &mut Packet) -> Body<'a> {
    if body.protocol != AUTHENTICATION || packet.fragment.is_some_and(|f| f.offset > 0) {
        return body;
    }
    let behind = || {
        let (_, (next, len)) = beginning(body.bytes).ok()?;
        body.behind(next, (usize::from(len) + 2) * 4)
    };
    behind().inspect(|_| packet.marks.set(Marks::IP_OPTIONS)).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(protocol: u8, bytes: &[u8]) -> Body<'_> {
        Body::new(protocol, bytes, bytes.len())
    }

    #[test]
    fn the_transport_is_found_behind_any_mix_of_headers() {
        // Hop-by-hop (8), routing type 4 with one segment (24), AH (24), destination options (16), then TCP.
        let mut bytes = vec![ROUTING, 0, 1, 4, 0, 0, 0, 0];
        bytes.extend([AUTHENTICATION, 2, 4, 0].iter().chain(&[0; 20]));
        bytes.extend([DESTINATION, 4, 0, 0].iter().chain(&[0; 20]));
        bytes.extend([6, 1, 1, 12].iter().chain(&[0; 12]));
        bytes.extend(b"tcp!");
        let chain = walk(body(HOP_BY_HOP, &bytes));
        assert_eq!((chain.body.protocol, chain.body.bytes, chain.body.sent), (6, &b"tcp!"[..], 4));
        assert!(chain.met && chain.flaw.is_none() && chain.fragment.is_none());
    }

    #[test]
    fn a_first_piece_keeps_what_reassembly_needs_and_shows_its_transport() {
        let mut bytes = vec![DESTINATION, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend(b"udp");
        let chain = walk(body(FRAGMENT, &bytes));
        assert_eq!(chain.fragment, Some(Fragment { id: 0xcafe_babe, offset: 0, more: true, next: DESTINATION }));
        assert_eq!((chain.body.protocol, chain.body.bytes), (17, &b"udp"[..]));
        assert_eq!(chain.piece.bytes.len(), 11);
    }

    #[test]
    fn a_later_piece_is_not_read_as_a_header() {
        let bytes = [DESTINATION, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff];
        let chain = walk(body(FRAGMENT, &bytes));
        assert_eq!(chain.fragment.map(|f| (f.offset, f.more)), Some((8, false)));
        assert_eq!((chain.body.bytes, chain.flaw), (&[0xff, 0xff][..], None));
    }

    #[test]
    fn an_atomic_fragment_is_whole() {
        let chain = walk(body(FRAGMENT, &[6, 0, 0, 0, 0, 0, 0, 1, 9]));
        assert_eq!((chain.fragment, chain.body.protocol, chain.body.bytes), (None, 6, &[9][..]));
    }

    #[test]
    fn evaders_are_named() {
        let endless = [HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0].repeat(LONGEST_CHAIN + 1);
        assert_eq!(walk(body(HOP_BY_HOP, &endless)).flaw, Some(Skip::TooManyExtensions));
        let nested = [FRAGMENT, 0, 0, 1, 0, 0, 0, 1].repeat(3);
        assert_eq!(walk(body(FRAGMENT, &nested)).flaw, Some(Skip::NestedFragment));
        assert_eq!(walk(body(ROUTING, &[6, 9, 0, 0, 0, 0, 0, 0])).flaw, Some(Skip::BadExtension));
        assert_eq!(walk(Body::new(ROUTING, &[6, 0, 0], 100)).flaw, Some(Skip::CutExtension));
    }

    #[test]
    fn a_bare_protocol_number_stays_one() {
        let chain = walk(body(DESTINATION, &[]));
        assert_eq!((chain.body.protocol, chain.flaw, chain.met), (DESTINATION, None, false));
    }
}
