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

/// Whether a protocol number is that of an extension header.
#[inline]
#[must_use]
pub fn is_extension(protocol: u8) -> bool {
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

    fn walked(protocol: u8, bytes: &[u8]) -> (Body<'_>, Packet) {
        let mut packet = Packet::default();
        (walk(Body::new(protocol, bytes, bytes.len()), &mut packet), packet)
    }

    #[test]
    fn the_transport_is_found_behind_any_mix_of_headers() {
        let mut bytes = vec![ROUTING, 0, 1, 4, 0, 0, 0, 0];
        bytes.extend([AUTHENTICATION, 2, 4, 0].iter().chain(&[0; 20]));
        bytes.extend([DESTINATION, 4, 0, 0].iter().chain(&[0; 20]));
        bytes.extend([6, 1, 1, 12].iter().chain(&[0; 12]));
        bytes.extend(b"tcp!");
        let (body, packet) = walked(HOP_BY_HOP, &bytes);
        assert_eq!((body.protocol, body.bytes, body.sent), (6, &b"tcp!"[..], 4));
        assert!(packet.marks.has(Marks::IP_OPTIONS) && packet.flaw.is_none() && packet.fragment.is_none());
    }

    #[test]
    fn a_first_piece_keeps_what_reassembly_needs_and_shows_its_transport() {
        let mut bytes = vec![DESTINATION, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        bytes.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend(b"udp");
        let (body, packet) = walked(FRAGMENT, &bytes);
        assert_eq!(packet.fragment, Some(Fragment { id: 0xcafe_babe, offset: 0, more: true, next: DESTINATION }));
        assert_eq!((body.protocol, body.bytes, body.stepped), (17, &b"udp"[..], 8));
    }

    #[test]
    fn a_later_piece_is_not_read_as_a_header() {
        let bytes = [DESTINATION, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff];
        let (body, packet) = walked(FRAGMENT, &bytes);
        assert_eq!(packet.fragment.map(|f| (f.offset, f.more)), Some((8, false)));
        assert_eq!((body.bytes, packet.flaw), (&[0xff, 0xff][..], None));
    }

    #[test]
    fn an_atomic_fragment_is_whole() {
        let bytes = [6, 0, 0, 0, 0, 0, 0, 1, 9];
        let (body, packet) = walked(FRAGMENT, &bytes);
        assert_eq!((packet.fragment, body.protocol, body.bytes), (None, 6, &[9][..]));
    }

    #[test]
    fn evaders_are_named() {
        let endless = [HOP_BY_HOP, 0, 0, 0, 0, 0, 0, 0].repeat(LONGEST_CHAIN + 1);
        assert_eq!(walked(HOP_BY_HOP, &endless).1.flaw, Some(Skip::TooManyExtensions));
        let nested = [FRAGMENT, 0, 0, 1, 0, 0, 0, 1].repeat(3);
        assert_eq!(walked(FRAGMENT, &nested).1.flaw, Some(Skip::NestedFragment));
        assert_eq!(walked(ROUTING, &[6, 9, 0, 0, 0, 0, 0, 0]).1.flaw, Some(Skip::BadExtension));
        let mut packet = Packet::default();
        walk(Body::new(ROUTING, &[6, 0, 0], 100), &mut packet);
        assert_eq!(packet.flaw, Some(Skip::CutExtension));
    }

    #[test]
    fn a_bare_protocol_number_stays_one() {
        let (body, packet) = walked(DESTINATION, &[]);
        assert_eq!((body.protocol, packet.flaw, packet.marks), (DESTINATION, None, Marks::default()));
    }

    #[test]
    fn what_ipv4_authenticates_is_read_and_a_scan_for_ah_stays_one() {
        let mut packet = Packet::default();
        let bytes = [&[6, 4, 0, 0][..], &[0; 20], b"tcp!"].concat();
        let body = authenticated(Body::new(AUTHENTICATION, &bytes, bytes.len()), &mut packet);
        assert_eq!((body.protocol, body.bytes), (6, &b"tcp!"[..]));
        let body = authenticated(Body::new(AUTHENTICATION, &[6, 4], 2), &mut packet);
        assert_eq!(body.protocol, AUTHENTICATION);
    }
}
