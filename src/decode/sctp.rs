//! SCTP, RFC 9260: the common header and the first chunk.
//!
//! In: an IP payload. Out: [`Sctp`]. A scan shows in the first chunk alone: INIT knocks,
//! INIT-ACK and ABORT answer, COOKIE-ECHO knocks without having been asked in.
//! Read next: `transport.rs`, `class.rs`.

use nom::Parser;

use super::{
    Packet, Skip,
    body::{Body, Fields, be_u8, be_u16, be_u32},
    transport::{self, Ports, Transport},
};

const HEADER: usize = 12;
const CHUNK: usize = 4;

/// Chunk types that scans consist of.
pub mod chunk {
    /// Asks for an association.
    pub const INIT: u8 = 1;
    /// Grants it.
    pub const INIT_ACK: u8 = 2;
    /// Refuses or ends it.
    pub const ABORT: u8 = 6;
    /// The third of the four steps.
    pub const COOKIE_ECHO: u8 = 10;
}

/// The common header and what the first chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// Source and target port.
    pub ports: Ports,
    /// The verification tag: what the other side asked to be called by. An answer to an INIT
    /// carries the INIT's `initiate_tag` here.
    pub tag: u32,
    /// Of an INIT or INIT-ACK: how its sender wants to be called; else, or when cut, 0.
    pub initiate_tag: u32,
    /// Type of the first chunk.
    pub chunk: u8,
}

/// Reads a packet; gives the length of the common header.
pub(super) fn read(body: Body<'_>, packet: &mut Packet) -> usize {
    match header(body.bytes) {
        Ok((_, sctp)) if body.sent >= HEADER + CHUNK => packet.transport = Transport::Sctp(sctp),
        _ => {
            if let Ok((_, ports)) = transport::ports(body.bytes) {
                packet.transport = Transport::Ports(ports);
            }
            packet.flaw = Some(if body.sent < HEADER + CHUNK { Skip::ShortSctp } else { Skip::CutSctp });
        }
    }
    HEADER
}

/// Up to the first chunk's type, and the tag in it.
fn header(input: &[u8]) -> Fields<'_, Sctp> {
    let (rest, (ports, tag, _checksum, chunk)) = (transport::ports, be_u32, be_u32, be_u8).parse(input)?;
    let initiate_tag = match chunk {
        chunk::INIT | chunk::INIT_ACK => initiate_tag(rest).map_or(0, |(_, tag)| tag),
        _ => 0,
    };
    Ok((rest, Sctp { ports, tag, initiate_tag, chunk }))
}

/// Behind the chunk's type: flags, length, and how the sender wants to be called.
fn initiate_tag(input: &[u8]) -> Fields<'_, u32> {
    let (rest, (_flags, _length, tag)) = (be_u8, be_u16, be_u32).parse(input)?;
    Ok((rest, tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{hex, ipv4, raw};

    #[test]
    fn the_first_chunk_and_the_tags_are_read() {
        let packet = raw(&ipv4(132, &hex("c23c 0050 00000005 00000000 01 00 0014 cafebabe 0000"))).unwrap();
        let ports = Ports { src: 49724, dst: 80 };
        let expected = Sctp { ports, tag: 5, initiate_tag: 0xcafe_babe, chunk: chunk::INIT };
        assert_eq!(packet.transport, Transport::Sctp(expected));
    }

    #[test]
    fn a_cut_packet_keeps_its_ports() {
        let whole = ipv4(132, &hex("c23c 0050 00000005 00000000 01 00 0014 cafebabe"));
        let ports = Ports { src: 49724, dst: 80 };
        let cut = raw(&whole[..30]).unwrap();
        assert_eq!((cut.transport, cut.flaw), (Transport::Ports(ports), Some(Skip::CutSctp)));
        // With the chunk's type, all that matters is there.
        assert_eq!(raw(&whole[..33]).unwrap().flaw, None);
        let short = raw(&ipv4(132, &hex("c23c 0050 00000005 00000000"))).unwrap();
        assert_eq!((short.transport, short.flaw), (Transport::Ports(ports), Some(Skip::ShortSctp)));
    }
}
