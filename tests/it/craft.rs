//! Captures made by code, so that a reader of a test sees its packets.
//!
//! In: a story, one packet a call. Out: a [`Capture`], the bytes of a file in any format.
//! Must not know what Tripline makes of it: the packets are built by pnet, which the
//! decoders do not use, so that the two check each other.
//!
//! ```text
//! Capture::new().syn("10.0.0.2:40000", "10.0.0.1:22").refused()
//!     .wait(0.5).syn("10.0.0.2:40001", "10.0.0.1:80").accepted().aborted()
//! ```
//!
//! Read next: `craft/frame.rs` (the layers), `craft/pieces.rs` (fragments), `craft/file.rs` (the formats).

pub(crate) mod file;
pub(crate) mod frame;
pub(crate) mod pieces;

use std::net::{IpAddr, SocketAddr};

use frame::{ACK, RST, SYN, Segment};

const SECOND: i64 = 1_000_000_000;
/// When each story begins: 2026-11-22 12:00:00 UTC.
const BEGIN: i64 = 1_795_348_800 * SECOND;
/// From one packet of a story to the next, unless it waits.
const STEP: i64 = 1_000_000;

/// One frame and its stamp, in nanoseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    pub(crate) stamp: i64,
    pub(crate) bytes: Vec<u8>,
}

/// A story told in Ethernet frames.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    now: i64,
    /// The last packet of whoever asked: what answers answer.
    asked: Option<Segment>,
    pub(crate) frames: Vec<Stamped>,
}

impl Capture {
    pub(crate) fn new() -> Self {
        Self { now: BEGIN, asked: None, frames: Vec::new() }
    }

    /// So many seconds pass.
    pub(crate) fn wait(mut self, seconds: f64) -> Self {
        self.now += (seconds * SECOND as f64) as i64;
        self
    }

    /// Any frame.
    pub(crate) fn frame(mut self, bytes: Vec<u8>) -> Self {
        self.frames.push(Stamped { stamp: self.now, bytes });
        self.now += STEP;
        self
    }

    /// A TCP segment that asks something. Its sequence number is made of its ports, so
    /// that no two doors share one, as with any kernel.
    pub(crate) fn tcp(mut self, from: &str, to: &str, flags: u8) -> Self {
        let (from, to) = (socket(from), socket(to));
        let seq = u32::from(from.port()) << 16 | u32::from(to.port());
        let segment = Segment { from, to, flags, seq, ack: 0, payload: 0 };
        self.asked = Some(segment);
        self.frame(segment.frame())
    }

    /// Somebody tries to connect.
    pub(crate) fn syn(self, from: &str, to: &str) -> Self {
        self.tcp(from, to, SYN)
    }

    /// The door is closed: a reset that echoes the probe.
    pub(crate) fn refused(self) -> Self {
        let Some(asked) = self.asked else { return self };
        let answer = Segment { seq: 0, ack: asked.after(), flags: RST | ACK, ..asked.turned() };
        self.frame(answer.frame())
    }

    /// The door is open: a SYN-ACK that echoes the probe.
    pub(crate) fn accepted(self) -> Self {
        let Some(asked) = self.asked else { return self };
        let answer = Segment { seq: asked.server_isn(), ack: asked.after(), flags: SYN | ACK, ..asked.turned() };
        self.frame(answer.frame())
    }

    /// A SYN-ACK that acknowledges what nobody sent: forged blindly, by somebody else.
    pub(crate) fn accepted_by_a_forger(self) -> Self {
        let Some(asked) = self.asked else { return self };
        let ack = asked.after().wrapping_add(77);
        let answer = Segment { seq: asked.server_isn(), ack, flags: SYN | ACK, ..asked.turned() };
        self.frame(answer.frame())
    }

    /// Who asked resets the half-open connection, as a raw sender's kernel does.
    pub(crate) fn aborted(self) -> Self {
        let Some(asked) = self.asked else { return self };
        let reset = Segment { seq: asked.after(), flags: RST, ..asked };
        self.frame(reset.frame())
    }

    /// Who asked completes the connection, sends `bytes` bytes and closes it, as a client does.
    pub(crate) fn used(self, bytes: u16) -> Self {
        let Some(asked) = self.asked else { return self };
        let up = Segment { seq: asked.after(), ack: asked.server_isn().wrapping_add(1), ..asked };
        let sent = up.seq.wrapping_add(u32::from(bytes));
        let down = Segment { seq: up.ack, ack: sent, ..asked.turned() };
        self.frame(Segment { flags: ACK, ..up }.frame())
            .frame(Segment { flags: ACK | frame::PSH, payload: bytes, ..up }.frame())
            .frame(Segment { flags: ACK | frame::FIN, seq: sent, ..up }.frame())
            .frame(Segment { flags: ACK | frame::FIN, ack: sent.wrapping_add(1), ..down }.frame())
            .frame(Segment { flags: ACK, seq: sent.wrapping_add(1), ack: down.seq.wrapping_add(1), ..up }.frame())
    }

    /// A segment of an established connection that says `text`.
    pub(crate) fn told(self, from: &str, to: &str, text: &str) -> Self {
        self.told_at(from, to, 9, text)
    }

    /// The same with this sequence number.
    pub(crate) fn told_at(self, from: &str, to: &str, seq: u32, text: &str) -> Self {
        let (from, to, flags) = (socket(from), socket(to), ACK | frame::PSH);
        let segment = Segment { from, to, flags, seq, ack: 9, payload: text.len() as u16 };
        let mut bytes = segment.frame();
        let at = bytes.len() - text.len();
        bytes[at..].copy_from_slice(text.as_bytes());
        self.frame(bytes)
    }

    /// A UDP datagram of `bytes` bytes.
    pub(crate) fn udp(self, from: &str, to: &str, bytes: u16) -> Self {
        let datagram = frame::udp(socket(from), socket(to), bytes);
        self.frame(datagram)
    }

    /// The host says that nobody listens on the port of the last datagram.
    pub(crate) fn port_unreachable(self) -> Self {
        let Some(last) = self.frames.last() else { return self };
        let error = frame::port_unreachable(&last.bytes);
        self.frame(error)
    }

    /// An echo request.
    pub(crate) fn ping(self, from: &str, to: &str) -> Self {
        let request = frame::ping(address(from), address(to));
        self.frame(request)
    }

    /// The host answers the echo request before.
    pub(crate) fn pong(self) -> Self {
        let Some(last) = self.frames.last() else { return self };
        let reply = frame::pong(&last.bytes);
        self.frame(reply)
    }

    /// An ARP request: `from` asks who has `to`.
    pub(crate) fn who_has(self, from: &str, to: &str) -> Self {
        let request = frame::arp_request(address(from), address(to));
        self.frame(request)
    }

    /// An ARP reply: `from` tells `to` that it has its address.
    pub(crate) fn has(self, from: &str, to: &str) -> Self {
        let reply = frame::arp_reply(address(from), address(to));
        self.frame(reply)
    }

    /// The same packets in so many captures that run side by side.
    pub(crate) fn dealt_out(&self, parts: usize) -> Vec<Self> {
        let part = |n| self.frames.iter().skip(n).step_by(parts).cloned().collect();
        (0..parts).map(|n| Self { frames: part(n), ..self.clone() }).collect()
    }

    /// The same packets in so many captures, one after the other.
    pub(crate) fn cut_into(&self, parts: usize) -> Vec<Self> {
        let size = self.frames.len().div_ceil(parts).max(1);
        self.frames.chunks(size).map(|frames| Self { frames: frames.to_vec(), ..self.clone() }).collect()
    }
}

/// `address:port`, IPv6 in brackets; panics on anything else, being a test's own words.
fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
