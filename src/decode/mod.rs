//! From a frame to what it is: pure, one file a protocol.
//!
//! In: a [`Frame`]. Out: a [`Packet`], its [`Class`], and an [`Observation`] when it is
//! evidence; or the [`Skip`] that it is counted under.
//!
//! ```text
//! link/ ─► ipv4, ipv6 (extension) ─► tcp, udp, icmp, sctp ─► class ─► observe
//!      └─► arp
//! ```
//!
//! Every byte of a frame may be an attack: nothing here panics, allocates, loops without a
//! bound, or depends on anything but the frame. Reading is nom's, in its `complete` form: a
//! cut frame gives what is there, and the reason why it is not more.
//! Must not know files, clocks, other packets.
//! Read next: `packet.rs`, `link/mod.rs`, `ipv4.rs`, `tcp.rs`, `class.rs`.

pub mod arp;
mod body;
pub mod class;
pub mod describe;
mod extension;
pub mod icmp;
mod ipv4;
mod ipv6;
pub mod link;
pub mod observation;
pub mod observe;
pub mod packet;
mod plain;
pub mod sctp;
pub mod skip;
pub mod tcp;
pub mod transport;
mod udp;

pub use class::{Class, classify};
pub use observation::{Address, Kind, Marks, Observation};
pub use observe::observe;
pub use packet::{Fragment, Packet, Span};
pub use plain::is_plain;
pub use skip::Skip;
pub use transport::{Ports, Transport};

use nom::Offset;

use crate::source::Frame;
use body::Body;
use link::ethertype;

/// Reads a frame. Called for every one that is not plain data at a glance, see [`is_plain`].
///
/// # Errors
/// The frame holds no IP datagram and no ARP packet that could be read. What is wrong behind
/// the IP header is no error but [`Packet::flaw`]: the addresses are known.
#[inline]
pub fn decode(frame: &Frame<'_>) -> Result<Packet, Skip> {
    let mut packet = Packet::default();
    let (ethertype, rest) = link::open(frame.link, frame.bytes, &mut packet)?;
    match ethertype {
        ethertype::IPV4 => finish(ipv4::read(rest, &mut packet)?, &mut packet, frame.bytes),
        ethertype::IPV6 => finish(ipv6::read(rest, &mut packet)?, &mut packet, frame.bytes),
        ethertype::ARP => arp::read(rest, &mut packet)?,
        _ => return Err(Skip::UnknownEthertype),
    }
    Ok(packet)
}

/// Reads a datagram that was put together from fragments.
///
/// `first` is the packet of its first fragment (or of any, if its `fragment.next` is the first's):
/// its addresses, link and IP facts are carried over. `payload` is what the fragments held, from
/// offset 0 on, and may end before `sent`, the length of the whole, when captures were cut.
/// The result's [`Packet::payload`] lies in `payload`.
#[must_use]
pub fn decode_rebuilt(first: &Packet, payload: &[u8], sent: usize) -> Packet {
    let next = first.fragment.map_or(first.protocol, |f| f.next);
    let mut packet = Packet { transport: Transport::Opaque, fragment: None, flaw: None, ..*first };
    packet.marks.set(Marks::FRAGMENTED);
    let body = Body::new(next, payload, sent.max(payload.len()));
    let body = if first.src.as_v4().is_some() {
        extension::authenticated(body, &mut packet)
    } else {
        extension::walk(body, &mut packet)
    };
    if packet.fragment.take().is_some() {
        packet.flaw = Some(Skip::NestedFragment);
    }
    finish(body, &mut packet, payload);
    packet
}

/// Reads what lies behind the IP header, and says where the payload is.
#[inline]
fn finish(body: Body<'_>, packet: &mut Packet, frame: &[u8]) {
    packet.protocol = body.protocol;
    if body.is_cut() {
        packet.marks.set(Marks::CUT);
    }
    if packet.dst.is_many() {
        packet.marks.set(Marks::TO_MANY);
    }
    let later = packet.fragment.is_some_and(|f| f.offset > 0);
    let header = if later || packet.flaw.is_some() { 0 } else { transport::read(body, packet) };
    // Of an empty body nobody knows where it lies: it need not be a part of the frame.
    let start = if body.bytes.is_empty() { frame.len() } else { frame.offset(body.bytes) };
    let there = body.bytes.len();
    let (start, there, sent) = if packet.fragment.is_some() {
        packet.marks.set(Marks::FRAGMENTED);
        (start.saturating_sub(body.stepped), there + body.stepped, body.sent + body.stepped)
    } else {
        let header_there = header.min(there);
        (start + header_there, there - header_there, body.sent.saturating_sub(header))
    };
    packet.payload = Span { start: start as u32, len: there as u32 };
    // Jumbograms aside, lengths fit.
    packet.payload_len = sent.min(usize::from(u16::MAX)) as u16;
}
