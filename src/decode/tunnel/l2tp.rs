//! L2TP version 2, RFC 2661: PPP over UDP. Version 3 does not say in the packet what it carries, and is left closed.
//!
//! In: a UDP payload. Out: what the session carries, see `mod.rs`; the id is the session's, another for each direction.
//! Control messages build tunnels up and carry nothing.
//! Read next: `../link/ppp.rs`.

use nom::Parser;

use super::{Header, Protocol};
use crate::decode::{
    Packet,
    body::{Fields, array, be_u16},
    link::ppp,
};

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
/// The version, and bits that must be 0.
const FIXED: u16 = 0x34ff;
const VERSION: u16 = 2;

/// Opens a header.
pub(super) fn open<'a>(input: &'a [u8], inner: &mut Packet) -> Option<Header<'a>> {
    let (rest, session) = header(input).ok()?;
    Some(Header { protocol: Protocol::L2tp, id: Some(u32::from(session)), carried: ppp::open_bare(rest, inner).ok()? })
}

/// The session of a data message.
fn header(input: &[u8]) -> Fields<'_, u16> {
    let (mut rest, flags) = be_u16(input)?;
    if flags & CONTROL != 0 || flags & FIXED != VERSION {
        return Err(nom::Err::Error(()));
    }
    if flags & LENGTH != 0 {
        let (behind, len) = be_u16(rest)?;
        if input.len() > usize::from(len) {
            return Err(nom::Err::Error(()));
        }
        rest = behind;
    }
    let (behind, (_tunnel, session)) = (be_u16, be_u16).parse(rest)?;
    rest = behind;
    if flags & SEQUENCE != 0 {
        rest = array::<4>(rest)?.0;
    }
    if flags & OFFSET != 0 {
        let (behind, pad) = be_u16(rest)?;
        rest = behind.get(usize::from(pad)..).ok_or(nom::Err::Error(()))?;
    }
    Ok((rest, session))
}

#[cfg(test)]
mod tests {
    use crate::decode::samples::{hex, ipv4, tcp, tunnelled, udp};

    fn read(header: &str) -> Option<(Option<u16>, Option<u32>)> {
        let bytes = ipv4(17, &udp(1701, 1701, &[hex(header), ipv4(6, &tcp(2))].concat()));
        tunnelled(&bytes).map(|(packet, tunnel)| (packet.transport.ports().map(|p| p.dst), tunnel.id))
    }

    #[test]
    fn ppp_is_found_behind_every_option() {
        let found = Some((Some(80), Some(7)));
        assert_eq!(read("0002 0001 0007 ff03 0021"), found);
        assert_eq!(read("4002 0034 0001 0007 ff03 0021"), found);
        assert_eq!(read("0802 0001 0007 0001 0002 0021"), found);
        assert_eq!(read("4a02 003a 0001 0007 0001 0002 0002 abcd 0021"), found);
    }

    #[test]
    fn control_messages_and_other_versions_are_left_closed() {
        for header in ["c802 0034 0001 0000 0000 0000", "0003 0001 0007 ff03 0021", "4002 0010 0001 0007 ff03 0021"] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
