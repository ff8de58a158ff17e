//! GENEVE, RFC 8926.
//!
//! In: a UDP payload. Out: what is inside, see `mod.rs`; the id is the network's (VNI). Options are stepped over.
//! Read next: `gtp.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    Packet,
    body::{Fields, be_u8, be_u16, be_u32},
    link::{ethernet, peel},
};

/// What is carried: a frame; else an `EtherType` tells.
const BRIDGED: u16 = 0x6558;

/// Opens a header.
pub(super) fn open<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let fields: Fields<'_, (u8, u8, u16, u32)> = (be_u8, be_u8, be_u16, be_u32).parse(input);
    let (rest, (version_and_len, _flags, kind, network)) = fields.ok()?;
    if version_and_len >> 6 != 0 {
        return None;
    }
    let rest = rest.get(usize::from(version_and_len & 0x3f) * 4..)?;
    let opened = if kind == BRIDGED { ethernet::open(rest, inner) } else { peel(kind, rest, inner) };
    Some(Header { protocol: Protocol::Geneve, id: Some(network >> 8), carried: opened.ok()? })
}

#[cfg(test)]
mod tests {
    use crate::decode::samples::{ethernet, hex, ipv4, ipv6, tcp, tunnelled, udp};

    fn read(header: &str, payload: &[u8]) -> Option<(Option<u16>, Option<u32>)> {
        let bytes = ipv4(17, &udp(50_000, 6081, &[hex(header), payload.to_vec()].concat()));
        tunnelled(&bytes).map(|(packet, tunnel)| (packet.transport.ports().map(|p| p.dst), tunnel.id))
    }

    #[test]
    fn frames_and_bare_ip_are_found_behind_any_options() {
        let found = Some((Some(80), Some(7)));
        assert_eq!(read("0000 6558 00000700", &ethernet(0x0800, &ipv4(6, &tcp(2)))), found);
        assert_eq!(read("0040 0800 00000700", &ipv4(6, &tcp(2))), found);
        assert_eq!(read("0200 86dd 00000700 0102 80 01 cafebabe", &ipv6(6, &tcp(2))), found);
    }

    #[test]
    fn another_version_or_payload_is_left_closed() {
        assert_eq!(read("4000 0800 00000700", &ipv4(6, &tcp(2))), None);
        assert_eq!(read("0000 2000 00000700", &ipv4(6, &tcp(2))), None);
        assert_eq!(read("3f00 0800 00000700", &ipv4(6, &tcp(2))), None);
    }
}
