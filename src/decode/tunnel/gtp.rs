//! GTP-U: the packets of mobile networks' users (3GPP TS 29.281).
//!
//! In: a UDP payload. Out: the packet inside, see `mod.rs`; the id is the tunnel's (TEID), another for each
//! direction. All other messages keep the tunnel alive. Its port may be a client's by chance: the length must fit.
//! Read next: `teredo.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    body::{Fields, array, be_u8, be_u16, be_u32},
    link::raw,
};

/// Version 1, GTP and not its accounting twin.
const KIND: u8 = 0xf0;
const USER: u8 = 0x30;
/// Any of: extension headers, sequence number, N-PDU number. Then all three fields are there.
const OPTIONS: u8 = 0x07;
const EXTENSIONS: u8 = 0x04;
/// The message that carries a packet.
const PACKET: u8 = 255;

/// The limit bounds the work of a list without an end.
const MOST_EXTENSIONS: usize = 16;

/// Opens a header.
pub(super) fn open(input: &[u8]) -> Option<Header<'_>> {
    let fields: Fields<'_, (u8, u8, u16, u32)> = (be_u8, be_u8, be_u16, be_u32).parse(input);
    let (rest, (flags, message, len, id)) = fields.ok()?;
    // A capture may hold less than was sent.
    if flags & KIND != USER || message != PACKET || rest.len() > usize::from(len) {
        return None;
    }
    let packet = if flags & OPTIONS == 0 { rest } else { behind_options(rest, flags)? };
    Some(Header { protocol: Protocol::GtpU, id: Some(id), carried: raw::open(packet).ok()? })
}

fn behind_options(input: &[u8], flags: u8) -> Option<&[u8]> {
    let fields: Fields<'_, ([u8; 3], u8)> = (array::<3>, be_u8).parse(input);
    let (mut rest, (_, mut next)) = fields.ok()?;
    if flags & EXTENSIONS == 0 {
        return Some(rest);
    }
    for _ in 0..MOST_EXTENSIONS {
        if next == 0 {
            return Some(rest);
        }
        // In units of four bytes, with this one and the number of what is next, which is the last.
        let len = usize::from(*rest.first()?) * 4;
        next = *rest.get(len.checked_sub(1)?)?;
        rest = rest.get(len..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::decode::samples::{hex, ipv4, ipv6, tcp, tunnelled, udp};

    fn read(ports: [u16; 2], header: &str, payload: &[u8]) -> Option<(Option<u16>, Option<u32>)> {
        let bytes = ipv4(17, &udp(ports[0], ports[1], &[hex(header), payload.to_vec()].concat()));
        tunnelled(&bytes).map(|(packet, tunnel)| (packet.transport.ports().map(|p| p.dst), tunnel.id))
    }

    #[test]
    fn the_user_s_packet_is_found_behind_all_that_may_be_before_it() {
        let found = Some((Some(80), Some(7)));
        let (v4, v6) = (ipv4(6, &tcp(2)), ipv6(6, &tcp(2)));
        assert_eq!(read([2152, 2152], "30 ff 0028 00000007", &v4), found);
        assert_eq!(read([50_000, 2152], "30 ff 003c 00000007", &v6), found);
        assert_eq!(read([2152, 50_000], "32 ff 002c 00000007 0001 00 00", &v4), found);
        // The container of a session, as 5G has it, and one more.
        assert_eq!(read([2152, 2152], "34 ff 0038 00000007 0000 00 85 01 1009 c0 02 00000000 0000 00", &v4), found);
    }

    #[test]
    fn other_messages_and_what_only_looks_so_are_left_closed() {
        let v4 = ipv4(6, &tcp(2));
        assert_eq!(read([2152, 2152], "32 01 0004 00000000 0001 00 00", &[]), None, "echo");
        assert_eq!(read([2152, 53], "30 ff 0027 00000007", &v4), None, "the length does not fit");
        assert_eq!(read([2152, 2152], "20 ff 0028 00000007", &v4), None);
        assert_eq!(read([2152, 2152], "34 ff 0030 00000007 0000 00 85 00000000", &v4), None, "no end");
    }
}
