//! A decoded packet: what one frame says, by value.
//!
//! Out: [`Packet`], the one result of decoding, and [`Fragment`]. All fields are the
//! packet's own, in host order; absent ones are 0 and say so. It borrows nothing, so it
//! can wait beside its batch; bytes are found again through [`Span`].
//! Must not know what a packet is evidence of: that is `class.rs`.
//! Read next: `transport.rs` (what stands above IP), `observe.rs` (what detection gets of it).

use super::{Address, Marks, Skip, Transport};

/// What one frame says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet {
    /// The sender of the IP datagram, or of the ARP packet (its protocol address).
    pub src: Address,
    /// Its target; of ARP the protocol address that is asked for.
    pub dst: Address,
    /// The sender's address on the link; zeros where the link has none.
    pub mac: [u8; 6],
    /// The outer two 802.1Q ids, from the outside in and through tunnels; 0 for none.
    pub vlan: [u16; 2],
    /// IPv4 identification; 0 for IPv6 and ARP.
    pub ip_id: u16,
    /// IPv4 TTL or IPv6 hop limit; 0 for ARP.
    pub ttl: u8,
    /// IPv4 TOS or IPv6 traffic class.
    pub tos: u8,
    /// The IP protocol of `transport`, or [`super::observation::ARP`].
    pub protocol: u8,
    /// Oddities.
    pub marks: Marks,
    /// What stands above IP, as far as it is there.
    pub transport: Transport,
    /// Why `transport` is less than it should be, or not to be believed.
    pub flaw: Option<Skip>,
    /// Set when this is a piece of a datagram.
    pub fragment: Option<Fragment>,
    /// Bytes of the transport header right before `payload`, as far as they were captured; 0 where there is none.
    pub header_len: u8,
    /// Where in the frame the captured payload lies: behind the transport header; of a fragment
    /// behind the IP (or fragment) header, that is, what reassembly puts together.
    pub payload: Span,
    /// How long that payload was when sent, as the headers say; at most 65535.
    pub payload_len: u16,
}

/// Which piece of which datagram. Of the first piece (offset 0) the packet's `transport` holds
/// what of the transport header is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The identification that all pieces share (16 bits in IPv4).
    pub id: u32,
    /// Where the piece belongs, in bytes; a multiple of 8, at most 65528.
    pub offset: u16,
    /// More pieces follow.
    pub more: bool,
    /// What the whole datagram's payload begins with: an IP protocol or an extension header.
    /// In IPv6 only the first piece's is to be believed (RFC 8200, section 4.5).
    pub next: u8,
}

/// A run of bytes in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Bytes before it.
    pub start: u32,
    /// Its length.
    pub len: u32,
}

impl Span {
    /// The bytes, given those it was made for; of others possibly none, never a panic.
    #[inline]
    #[must_use]
    pub fn of_bytes(self, whole: &[u8]) -> &[u8] {
        let start = self.start as usize;
        whole.get(start..start.saturating_add(self.len as usize)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_other_bytes_is_empty_and_never_panics() {
        assert_eq!(Span { start: 2, len: 3 }.of_bytes(b"payload"), b"ylo");
        assert_eq!(Span { start: 2, len: 9 }.of_bytes(b"payload"), b"");
        assert_eq!(Span { start: u32::MAX, len: u32::MAX }.of_bytes(b"payload"), b"");
    }
}
