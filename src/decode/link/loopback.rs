//! BSD loopback: `LINKTYPE_NULL` (0) and `LINKTYPE_LOOP` (108).
//!
//! In: a frame with four bytes of address family before IP. Out: see `mod.rs`.
//! The family stands in the byte order of the machine that captured, which a file does not
//! say; but every family is a small number, so the order shows. IPv6 is numbered differently
//! by each system.
//! Read next: `raw.rs`.

use super::{Opened, ethertype};
use crate::decode::{
    Skip,
    body::{Fields, be_u32},
};

/// Opens a frame.
pub(super) fn open(input: &[u8]) -> Opened<'_> {
    let read: Fields<'_, u32> = be_u32(input);
    let (rest, family) = read.map_err(|_| Skip::CutLinkHeader)?;
    let kind = match family.min(family.swap_bytes()) {
        2 => ethertype::IPV4,
        // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS.
        10 | 23 | 24 | 28 | 30 => ethertype::IPV6,
        _ => return Err(Skip::UnknownFamily),
    };
    Ok((kind, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, hex, ipv4, ipv6, tcp},
    };

    #[test]
    fn every_system_s_families_are_known_in_both_byte_orders() {
        for (family, ip) in [
            ("02000000", ipv4(6, &tcp(2))),
            ("00000002", ipv4(6, &tcp(2))),
            ("1e000000", ipv6(6, &tcp(2))),
            ("0000001c", ipv6(6, &tcp(2))),
            ("18000000", ipv6(6, &tcp(2))),
        ] {
            for link in [0, 108] {
                let bytes = [hex(family), ip.clone()].concat();
                let packet = decode(&frame(link, &bytes)).unwrap();
                assert_eq!(packet.transport.ports().map(|p| p.dst), Some(80), "{family}");
            }
        }
    }

    #[test]
    fn another_family_is_named() {
        assert_eq!(decode(&frame(0, &hex("07000000 45"))), Err(Skip::UnknownFamily));
        assert_eq!(decode(&frame(0, &hex("020000"))), Err(Skip::CutLinkHeader));
    }
}
