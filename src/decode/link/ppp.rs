//! PPP, RFC 1661 and 1662 (link types 9 and 50), and Cisco's HDLC (104), which shares its wires.
//!
//! In: a frame with or without the two bytes of HDLC before it. Out: see `mod.rs`.
//! Compressed and multilink PPP are not looked into.
//! Read next: `mod.rs`.

use nom::{
    Parser,
    branch::alt,
    bytes::complete::tag,
    combinator::{map, opt, verify},
    sequence::preceded,
};

use super::{Opened, ethertype, peel};
use crate::decode::{
    Marks, Packet, Skip,
    body::{Fields, array, be_u8, be_u16},
};

/// All stations, unnumbered information: what PPP puts there when it puts anything.
const HDLC: [u8; 2] = [0xff, 0x03];
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
/// Label stacks, to one and to many (RFC 3032).
const MPLS: u16 = 0x0281;
const MPLS_MULTICAST: u16 = 0x0283;
/// Cisco's two addresses: to one station, to all.
const UNICAST: u8 = 0x0f;
const BROADCAST: u8 = 0x8f;

/// Opens a frame of link type 9 or 50. Either may be of a line that speaks Cisco's HDLC: no
/// protocol of PPP begins with these bytes.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    if let Some(&(UNICAST | BROADCAST)) = input.first() {
        return open_cisco(input, packet);
    }
    open_bare(input, packet)
}

/// Opens what is PPP for sure: a session's, a tunnel's.
pub(in crate::decode) fn open_bare<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, protocol) = protocol(input).map_err(|_| Skip::CutLinkHeader)?;
    match protocol {
        MPLS | MPLS_MULTICAST => peel(ethertype::MPLS, rest, packet),
        IPV4 => Ok((ethertype::IPV4, rest)),
        IPV6 => Ok((ethertype::IPV6, rest)),
        _ => Err(Skip::UnknownPppProtocol),
    }
}

/// Opens a frame of Cisco HDLC, which says what it carries by `EtherType`.
pub(super) fn open_cisco<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, ([station, _control], kind)) = cisco(input).map_err(|_| Skip::CutLinkHeader)?;
    if station == BROADCAST {
        packet.marks.set(Marks::TO_MANY);
    }
    peel(kind, rest, packet)
}

fn cisco(input: &[u8]) -> Fields<'_, ([u8; 2], u16)> {
    (array::<2>, be_u16).parse(input)
}

/// Two bytes; or one, when both ends agreed to save the first: only the last byte is odd.
fn protocol(input: &[u8]) -> Fields<'_, u16> {
    let short = map(verify(be_u8, |byte| byte & 1 == 1), u16::from);
    preceded(opt(tag(HDLC.as_slice())), alt((short, be_u16))).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, ipv6, tcp},
    };

    #[test]
    fn ip_is_found_with_and_without_what_may_be_left_out() {
        for (header, ip) in [
            ("ff03 0021", ipv4(6, &tcp(2))),
            ("0021", ipv4(6, &tcp(2))),
            ("21", ipv4(6, &tcp(2))),
            ("ff03 0057", ipv6(6, &tcp(2))),
            ("0f00 0800", ipv4(6, &tcp(2))),
            ("8f00 86dd", ipv6(6, &tcp(2))),
        ] {
            for link in [9, 50] {
                let bytes = [hex(header), ip.clone()].concat();
                let packet = decode(&frame(link, &bytes)).unwrap();
                assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80), "{header}");
                assert_eq!(packet.marks.has(Marks::TO_MANY), header.starts_with("8f"));
            }
        }
    }

    #[test]
    fn the_line_s_own_talk_is_named() {
        assert_eq!(decode(&frame(9, &hex("ff03 c021 01"))), Err(Skip::UnknownPppProtocol));
        assert_eq!(decode(&frame(104, &hex("0f00 8035"))), Err(Skip::UnknownEthertype));
        assert_eq!(decode(&frame(9, &hex("ff03"))), Err(Skip::CutLinkHeader));
    }
}
