//! A TCP segment as reassembly wants it: numbers, options, bytes, and what its checksum says.
//!
//! In: a decoded packet and its frame's bytes. Out: [`Segment`], or nothing when no host could read it.
//! It must not know streams.
//! Source: RFC 9293 section 3.1; RFC 7323 (window scale, timestamps).
//! Read next: `side.rs` (what becomes of it).

use super::intake::{Checksums, segment_of};
use crate::{
    decode::{
        Address, Marks, Packet, Transport, checksum,
        tcp::flags::{ACK, FIN, RST, SYN, URG},
        transport::protocol,
    },
    source::{Frame, Time},
};

/// Of the fixed header.
const HEADER: usize = 20;

/// What a checksum says of who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// It is right, or nobody can tell: the capture cut the segment.
    Right,
    /// It is what a system leaves there for its network card to finish.
    Unfinished,
    /// No host would take it.
    Wrong,
}

/// A TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) src: (Address, u16),
    pub(super) dst: (Address, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) ttl: u8,
    /// The window scale option.
    pub(super) scale: Option<u8>,
    /// The sender's time in the timestamp option.
    pub(super) timestamp: Option<u32>,
    /// What was captured of its bytes.
    pub(super) payload: &'a [u8],
    /// How many bytes it had when it was sent.
    pub(super) len: u32,
    pub(super) sum: Sum,
    pub(super) stamp: Time,
    pub(super) clock: Time,
    /// The frame's place in the run.
    pub(super) place: u64,
}

/// When and where a packet came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) stamp: Time,
    /// The clock: what is due by now.
    pub(super) now: Time,
    /// When it came, to its stream: the first frame behind a long pause is stamped after it, but the clock waits for
    /// another one to believe that.
    pub(super) clock: Time,
    pub(super) seq: u64,
}

impl Arrival {
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        Self { stamp: frame.stamp, now: frame.clock, clock: frame.clock.max(frame.stamp), seq: frame.seq }
    }
}

impl<'a> Segment<'a> {
    /// Reads it. `bytes` are those that [`Packet::payload`] was made for.
    pub(super) fn of(packet: &Packet, bytes: &'a [u8], arrival: Arrival, checksums: Checksums) -> Option<Self> {
        let Transport::Tcp(tcp) = packet.transport else { return None };
        if packet.flaw.is_some() || packet.fragment.is_some() {
            return None;
        }
        let payload = packet.payload.of_bytes(bytes);
        let whole = segment_of(packet, bytes);
        let fixed: &[u8; HEADER] = whole.first_chunk()?;
        let options = Options::read(whole.get(HEADER..usize::from(packet.header_len)).unwrap_or_default());
        let [.., urgent_high, urgent_low] = *fixed;
        let cut = packet.marks.has(Marks::CUT) || payload.len() < usize::from(packet.payload_len);
        let sum = match checksums {
            _ if cut => Sum::Right,
            Checksums::Ignore => Sum::Right,
            Checksums::Auto => sum(packet, whole),
            Checksums::Verify if sum(packet, whole) == Sum::Right => Sum::Right,
            Checksums::Verify => Sum::Wrong,
        };
        Some(Self {
            src: (packet.src, tcp.ports.src),
            dst: (packet.dst, tcp.ports.dst),
            seq: tcp.seq,
            ack: tcp.ack,
            flags: tcp.flags,
            window: tcp.window,
            urgent: u16::from_be_bytes([urgent_high, urgent_low]),
            ttl: packet.ttl,
            scale: options.scale,
            timestamp: options.timestamp,
            payload,
            len: u32::from(packet.payload_len),
            sum,
            stamp: arrival.stamp,
            clock: arrival.clock,
            place: arrival.seq,
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn syn(&self) -> bool {
        self.has(SYN)
    }

    pub(super) fn ack_flag(&self) -> bool {
        self.has(ACK)
    }

    pub(super) fn rst(&self) -> bool {
        self.has(RST)
    }

    pub(super) fn fin(&self) -> bool {
        self.has(FIN)
    }

    pub(super) fn urg(&self) -> bool {
        self.has(URG)
    }

    /// Whether it takes up sequence numbers, so that its receiver must acknowledge it.
    pub(super) fn takes_place(&self) -> bool {
        self.len > 0 || self.syn() || self.fin()
    }
}

fn sum(packet: &Packet, whole: &[u8]) -> Sum {
    if checksum::holds(packet.src, packet.dst, protocol::TCP, whole) {
        Sum::Right
    } else if !packet.marks.has(Marks::FRAGMENTED) && checksum::is_unfinished(packet.src, packet.dst, whole) {
        // No card finishes what was cut into fragments.
        Sum::Unfinished
    } else {
        Sum::Wrong
    }
}

/// The options that reassembly asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    scale: Option<u8>,
    timestamp: Option<u32>,
}

impl Options {
    /// Reads as far as it makes sense, as hosts do.
    fn read(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let [kind, rest @ ..] = bytes {
            let len = match (kind, rest) {
                (0, _) => break,
                (1, _) => 1,
                (_, [len, ..]) if *len >= 2 => usize::from(*len),
                _ => break,
            };
            let Some((option, rest)) = bytes.split_at_checked(len) else { break };
            match *option {
                // RFC 7323 section 2.3: more than 14 means 14.
                [3, 3, scale] => options.scale = Some(scale.min(14)),
                [8, 10, a, b, c, d, ..] => options.timestamp = Some(u32::from_be_bytes([a, b, c, d])),
                _ => {}
            }
            bytes = rest;
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_far_as_they_make_sense() {
        let read = |bytes: &[u8]| {
            let Options { scale, timestamp } = Options::read(bytes);
            (scale, timestamp)
        };
        assert_eq!(read(&[2, 4, 5, 0xb4, 1, 3, 3, 7, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0]), (Some(7), Some(9)));
        assert_eq!(read(&[3, 3, 200]), (Some(14), None));
        for damaged in [&[3][..], &[3, 0, 7], &[3, 1, 7], &[8, 10, 1], &[0, 3, 3, 7], &[3, 4, 7]] {
            assert_eq!(read(damaged), (None, None), "{damaged:?}");
        }
    }
}
