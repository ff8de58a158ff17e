//! UDP, RFC 768: the ports.
//!
//! In: an IP payload. Out: its ports. They are all that detection asks for, so a capture
//! that was cut right behind them gives as much as a whole one. Length and checksum are not
//! believed: whose door was knocked at does not depend on them.
//! Read next: `transport.rs`.

use super::{
    Packet, Skip,
    body::Body,
    transport::{self, Transport},
};

const HEADER: usize = 8;

/// Reads a datagram; gives the length of its header.
#[inline]
pub(super) fn read(datagram: Body<'_>, packet: &mut Packet) -> usize {
    match transport::ports(datagram.bytes) {
        Ok((_, ports)) => packet.transport = Transport::Udp(ports),
        Err(_) => packet.flaw = Some(Skip::CutUdp),
    }
    if datagram.sent < HEADER {
        packet.flaw = Some(Skip::ShortUdp);
    }
    HEADER
}
