//! Raw IP (link type 101, and what two systems call 12 and 14): no link header at all.
//!
//! In: a frame that begins with an IP header. Out: see `mod.rs`; the version tells which.
//! Read next: `../ipv4.rs`.

use super::{Opened, ethertype};
use crate::decode::Skip;

/// Opens a frame.
pub(in crate::decode) fn open(input: &[u8]) -> Opened<'_> {
    let kind = match input.first().ok_or(Skip::CutLinkHeader)? >> 4 {
        4 => ethertype::IPV4,
        6 => ethertype::IPV6,
        _ => return Err(Skip::BadIpVersion),
    };
    Ok((kind, input))
}

/// Opens what can be IPv4 alone.
pub(in crate::decode) fn open_v4(input: &[u8]) -> Opened<'_> {
    open(input).and_then(|opened| if opened.0 == ethertype::IPV4 { Ok(opened) } else { Err(Skip::BadIpVersion) })
}

/// Opens what can be IPv6 alone.
pub(in crate::decode) fn open_v6(input: &[u8]) -> Opened<'_> {
    open(input).and_then(|opened| if opened.0 == ethertype::IPV6 { Ok(opened) } else { Err(Skip::BadIpVersion) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{frame, ipv4, ipv6, tcp},
    };

    #[test]
    fn the_version_tells() {
        for link in super::super::RAW {
            for bytes in [ipv4(6, &tcp(2)), ipv6(6, &tcp(2))] {
                let packet = decode(&frame(link, &bytes)).unwrap();
                assert_eq!((packet.transport.ports().map(|p| p.dst), packet.mac), (Some(80), [0; 6]));
            }
        }
        assert_eq!(open(&[0x50]), Err(Skip::BadIpVersion));
        assert_eq!(open(&[]), Err(Skip::CutLinkHeader));
    }
}
