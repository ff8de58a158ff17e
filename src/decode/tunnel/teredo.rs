//! Teredo: IPv6 over UDP through address translators, RFC 4380.
//!
//! In: a UDP payload. Out: the IPv6 packet inside, see `mod.rs`. What it may have before it tells who asks and where
//! he was seen. Its port may be a client's by chance: the lengths must fit.
//! Read next: `l2tp.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    body::{Fields, array, be_u8, be_u16},
    link::raw,
};

const AUTHENTICATION: [u8; 2] = [0, 1];
const ORIGIN: [u8; 2] = [0, 0];
const IPV6_HEADER: usize = 40;

/// Opens a datagram.
pub(super) fn open(input: &[u8]) -> Option<Header<'_>> {
    let rest = if input.starts_with(&AUTHENTICATION) { behind_authentication(input)? } else { input };
    let rest = if rest.starts_with(&ORIGIN) { rest.get(8..)? } else { rest };
    let fields: Fields<'_, ([u8; 4], u16)> = (array, be_u16).parse(rest);
    let (_, (_, len)) = fields.ok()?;
    // A capture may hold less than was sent.
    if rest.len() > usize::from(len) + IPV6_HEADER {
        return None;
    }
    Some(Header { protocol: Protocol::Teredo, id: None, carried: raw::open_v6(rest).ok()? })
}

/// Two lengths, what they measure, nonce and confirmation.
fn behind_authentication(input: &[u8]) -> Option<&[u8]> {
    let fields: Fields<'_, ([u8; 2], u8, u8)> = (array::<2>, be_u8, be_u8).parse(input);
    let (rest, (_, client, value)) = fields.ok()?;
    rest.get(usize::from(client) + usize::from(value) + 9..)
}

#[cfg(test)]
mod tests {
    use crate::decode::samples::{hex, ipv4, ipv6, tcp, tunnelled, udp};

    fn port(ports: [u16; 2], before: &str, payload: &[u8]) -> Option<u16> {
        let bytes = ipv4(17, &udp(ports[0], ports[1], &[hex(before), payload.to_vec()].concat()));
        tunnelled(&bytes).and_then(|(packet, _)| packet.transport.ports()).map(|p| p.dst)
    }

    #[test]
    fn ipv6_is_found_behind_what_may_be_before_it() {
        let ip = ipv6(6, &tcp(2));
        for before in [
            "",
            "0000 1234 f5fffffe",
            "0001 00 00 0000000000000000 00",
            "0001 02 01 6964 61 0000000000000000 00 0000 1234 f5fffffe",
        ] {
            assert_eq!(port([50_000, 3544], before, &ip), Some(80), "{before}");
            assert_eq!(port([3544, 50_000], before, &ip), Some(80), "{before}");
        }
    }

    #[test]
    fn what_only_looks_so_is_left_closed() {
        let ip = ipv6(6, &tcp(2));
        assert_eq!(port([3544, 53], "", &[&ip[..], b"more"].concat()), None);
        assert_eq!(port([3544, 53], "", &ipv4(6, &tcp(2))), None);
        assert_eq!(port([3544, 53], "0001 ff ff", &ip), None);
    }
}
