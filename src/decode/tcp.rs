//! TCP, RFC 9293: the fixed header, and whether options are there.
//!
//! In: an IP payload. Out: [`Tcp`], as far as it is there. A capture that was cut anywhere
//! behind the flags still gives a segment, one cut before them its ports.
//! Options are not read here but for their shape: what made them is asked of few packets.
//! Read next: `class.rs` (why most segments end there).

use nom::Parser;

use super::{
    Marks, Packet, Skip,
    body::{Body, Fields, be_u8, be_u16, be_u32},
    transport::{self, Ports, Transport},
};

const HEADER: usize = 20;
/// The flags stand in the 14th byte.
const THROUGH_FLAGS: usize = 14;

/// The flags, as they stand in the 14th byte.
pub mod flags {
    #![allow(missing_docs)] // They have their names from the RFC.
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;
}

/// A TCP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tcp {
    /// Source and target port.
    pub ports: Ports,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Window as it stands, unscaled; 0 when the capture was cut before it.
    pub window: u16,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
}

/// Reads a segment; gives the length of its header.
#[inline]
pub(super) fn read(segment: Body<'_>, packet: &mut Packet) -> usize {
    let Ok((options, (tcp, header_len))) = header(segment.bytes) else { return read_cut(segment, packet) };
    packet.transport = Transport::Tcp(tcp);
    if header_len < HEADER || header_len > segment.sent {
        packet.flaw = Some(Skip::BadTcpHeaderLength);
    } else if header_len > HEADER {
        packet.marks.set(Marks::TCP_OPTIONS);
        // Kind 2, length 4, and no room for more.
        if header_len == HEADER + 4 && options.starts_with(&[2, 4]) {
            packet.marks.set(Marks::MSS_ONLY);
        }
    }
    header_len
}

/// The fixed header, with the length that it claims for itself.
#[inline]
fn header(input: &[u8]) -> Fields<'_, (Tcp, usize)> {
    let (rest, (ports, seq, ack, offset, flags)) = (transport::ports, be_u32, be_u32, be_u8, be_u8).parse(input)?;
    let (rest, (window, _checksum, _urgent)) = (be_u16, be_u16, be_u16).parse(rest)?;
    Ok((rest, (Tcp { ports, seq, ack, window, flags }, usize::from(offset >> 4) * 4)))
}

/// Fewer than 20 bytes are there: reads as if zeros followed, and keeps what was not made up.
#[cold]
fn read_cut(segment: Body<'_>, packet: &mut Packet) -> usize {
    let mut padded = [0; HEADER];
    for (to, from) in padded.iter_mut().zip(segment.bytes) {
        *to = *from;
    }
    let Ok((_, (tcp, header_len))) = header(&padded) else { return HEADER };
    let there = segment.bytes.len();
    packet.transport = match there {
        THROUGH_FLAGS.. => Transport::Tcp(tcp),
        4.. => Transport::Ports(tcp.ports),
        _ => Transport::Opaque,
    };
    packet.flaw = if segment.sent < HEADER {
        Some(Skip::ShortTcp)
    } else if there < THROUGH_FLAGS {
        Some(Skip::CutTcp)
    } else if header_len < HEADER || header_len > segment.sent {
        Some(Skip::BadTcpHeaderLength)
    } else {
        None
    };
    header_len.max(HEADER)
}
