//! PPP over Ethernet, RFC 2516: sessions.
//!
//! In: what an `EtherType` of PPPoE announced. Out: what the session carries. Its discovery has an
//! `EtherType` of its own and carries nothing. The session's id is one line's, not a network's.
//! Read next: `ppp.rs`.

use nom::Parser;

use super::{Opened, ppp};
use crate::decode::{
    Packet, Skip,
    body::{array, be_u8, be_u16},
};

/// The code of a session's data.
const SESSION: u8 = 0;

/// Opens the header, and the PPP header behind it.
pub(super) fn open<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    let (rest, (_version_and_type, code, _session, len)) =
        (be_u8, be_u8, array::<2>, be_u16).parse(input).map_err(|_: nom::Err<()>| Skip::CutLinkHeader)?;
    if code != SESSION {
        return Err(Skip::UnknownPppProtocol);
    }
    ppp::open_bare(rest.get(..usize::from(len)).unwrap_or(rest), packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet, frame, hex, ipv4, ipv6, tcp},
    };

    fn port(header: &str, payload: &[u8]) -> Result<Option<u16>, Skip> {
        let bytes = ethernet(0x8864, &[hex(header), payload.to_vec()].concat());
        decode(&frame(1, &bytes)).map(|packet| packet.transport.ports().map(|p| p.dst))
    }

    #[test]
    fn both_families_are_found_in_a_session() {
        assert_eq!(port("11 00 0976 002a 0021", &ipv4(6, &tcp(2))), Ok(Some(80)));
        assert_eq!(port("11 00 0976 003e 0057", &ipv6(6, &tcp(2))), Ok(Some(80)));
    }

    #[test]
    fn what_is_no_data_is_named() {
        assert_eq!(port("11 00 0976 0006 c021", &[1, 2, 3, 4]), Err(Skip::UnknownPppProtocol));
        assert_eq!(port("11 a7 0976 0000", &[]), Err(Skip::UnknownPppProtocol));
        assert_eq!(port("11 00 09", &[]), Err(Skip::CutLinkHeader));
        assert_eq!(port("11 00 0976 0001 00", &[]), Err(Skip::CutLinkHeader));
    }
}
