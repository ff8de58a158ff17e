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
    } else {
        packet.marks.set(shape(header_len, options));
    }
    header_len
}

/// What shape the options of a header of `header_len` bytes have.
#[inline]
pub(super) fn shape(header_len: usize, options: &[u8]) -> Marks {
    let mut marks = Marks::default();
    if header_len > HEADER {
        marks.set(Marks::TCP_OPTIONS);
        // Kind 2, length 4, and no room for more.
        if header_len == HEADER + 4 && options.starts_with(&[2, 4]) {
            marks.set(Marks::MSS_ONLY);
        }
    }
    marks
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{hex, ipv4, raw, tcp};

    #[test]
    fn every_field_of_the_header_arrives() {
        let packet = raw(&ipv4(6, &hex("c23c 0050 11121314 21222324 50 c2 0400 0000 0000 6869"))).unwrap();
        let ports = Ports { src: 49724, dst: 80 };
        let expected = Tcp { ports, seq: 0x1112_1314, ack: 0x2122_2324, window: 1024, flags: 0xc2 };
        assert_eq!((packet.transport, packet.payload_len), (Transport::Tcp(expected), 2));
    }

    #[test]
    fn a_lone_mss_gives_a_raw_sender_away() {
        let marks = |options: &str| {
            let mut segment = [tcp(2), hex(options)].concat();
            segment[12] = (segment.len() as u8) << 2;
            raw(&ipv4(6, &segment)).unwrap().marks
        };
        assert!(marks("020405b4").has(Marks::MSS_ONLY));
        let linux = marks("020405b4 0402 080a 00000001 00000000 01 030307");
        assert!(linux.has(Marks::TCP_OPTIONS) && !linux.has(Marks::MSS_ONLY));
        assert!(!marks("").has(Marks::TCP_OPTIONS));
    }

    #[test]
    fn a_capture_cut_behind_the_flags_still_gives_a_segment() {
        let whole = ipv4(6, &tcp(2));
        for there in 0..20 {
            let packet = raw(&whole[..20 + there]).unwrap();
            let flags = if let Transport::Tcp(tcp) = packet.transport { Some(tcp.flags) } else { None };
            assert_eq!(flags, (there >= 14).then_some(2), "{there}");
            assert_eq!(packet.transport.ports().map(|p| p.dst), (there >= 4).then_some(80), "{there}");
            assert_eq!(packet.flaw, (there < 14).then_some(Skip::CutTcp), "{there}");
            assert!(packet.marks.has(Marks::CUT));
        }
    }

    #[test]
    fn a_segment_that_no_host_would_take_is_named() {
        assert_eq!(raw(&ipv4(6, &tcp(2)[..19])).unwrap().flaw, Some(Skip::ShortTcp));
        for header_len in [0x40, 0x60] {
            let mut segment = tcp(2);
            segment[12] = header_len;
            assert_eq!(raw(&ipv4(6, &segment)).unwrap().flaw, Some(Skip::BadTcpHeaderLength));
        }
    }
}
