//! IEEE 802.2 LLC and SNAP (RFC 1042): how 802.3 frames say what they carry.
//!
//! In: what follows an 802.3 length. Out: an `EtherType` and what follows, or that it is
//! none of ours (spanning tree and the like, which every switched network is full of).
//! Read next: `mod.rs`.

use nom::Parser;

use super::ethertype;
use crate::decode::{
    Skip,
    body::{Fields, array, be_u16},
};

const SNAP: u8 = 0xaa;
/// The service access point that IP once had for itself.
const IP: u8 = 0x06;
const UNNUMBERED: u8 = 0x03;

/// Organisations whose SNAP numbers are `EtherType`s: IEEE itself, and 802.1H bridges.
const ENCAPSULATED: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];

/// Opens the header.
pub(super) fn open(input: &[u8]) -> Result<(u16, &[u8]), Skip> {
    let (rest, services) = array::<3>(input).map_err(|_| Skip::CutLinkHeader)?;
    match services {
        [SNAP, SNAP, UNNUMBERED] => {
            let (rest, (organisation, kind)) = snap(rest).map_err(|_| Skip::CutLinkHeader)?;
            if ENCAPSULATED.contains(&organisation) { Ok((kind, rest)) } else { Err(Skip::UnknownLlc) }
        }
        [IP, IP, UNNUMBERED] => Ok((ethertype::IPV4, rest)),
        _ => Err(Skip::UnknownLlc),
    }
}

fn snap(input: &[u8]) -> Fields<'_, ([u8; 3], u16)> {
    (array::<3>, be_u16).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, tcp},
    };

    fn framed(header: &str) -> Result<Option<u16>, Skip> {
        let payload = [hex(header), ipv4(6, &tcp(2))].concat();
        let bytes = ethernet(payload.len() as u16, &payload);
        decode(&frame(1, &bytes)).map(|packet| packet.transport.ports().map(|p| p.dst))
    }

    #[test]
    fn ip_is_found_in_802_3_frames() {
        assert_eq!(framed("aaaa03 000000 0800"), Ok(Some(80)));
        assert_eq!(framed("aaaa03 0000f8 0800"), Ok(Some(80)));
        assert_eq!(framed("060603"), Ok(Some(80)));
    }

    #[test]
    fn what_switches_tell_each_other_is_not_ip() {
        assert_eq!(framed("424203 0000"), Err(Skip::UnknownLlc));
        assert_eq!(framed("aaaa03 00000c 2000"), Err(Skip::UnknownLlc));
        assert_eq!(decode(&frame(1, &ethernet(2, &[0xaa, 0xaa]))), Err(Skip::CutLinkHeader));
    }
}
