//! A fragment as decode hands it over, and the datagram that comes of it.
//!
//! In: nothing. Out: [`Fragment`], [`Datagram`], and the [`Header`] that both have.
//! Must not know how they are put together. One pair serves IPv4 and IPv6.
//! Source: RFC 791 section 3.2, RFC 8200 section 4.5.
//! Read next: `mod.rs`.

use serde::{Deserialize, Serialize};

use super::Overlap;
use crate::{
    decode::{self, Address, Marks, Packet, Skip, Transport, Tunnel, transport::protocol},
    source::Time,
};

/// What the frame around a fragment says; a datagram has its first fragment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Who sent it.
    pub src: Address,
    /// To whom.
    pub dst: Address,
    /// IPv6, not IPv4: a mapped address does not tell.
    pub ipv6: bool,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Of IPv4 the protocol; of IPv6 the next header that the fragment header names, which
    /// may be a further extension header.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// 802.1Q tag ids from the outside in; 0 for none.
    pub vlan: [u16; 2],
    /// The sender's address on the link, where the link has one.
    pub mac: [u8; 6],
    /// Oddities of the frame. A rebuilt datagram also has [`Marks::FRAGMENTED`], and
    /// [`Marks::CUT`] when bytes are missing.
    pub marks: Marks,
}

/// One fragment, borrowed from its frame.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// What its frame says.
    pub header: Header,
    /// Where in the datagram its first byte belongs, in bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
    /// Bytes of the datagram that it carried on the wire, as the IP header says.
    pub len: u32,
    /// Those of them that were captured: the first ones, at most `len`.
    pub payload: &'a [u8],
    /// It is the first of an IPv6 datagram, and the headers go on behind its end (RFC 7112).
    pub headless: bool,
    /// The capture's stamp.
    pub stamp: Time,
    /// The clock.
    pub clock: Time,
    /// Its frame's place in the run.
    pub seq: u64,
}

impl<'a> Fragment<'a> {
    /// A packet that decode calls a fragment, with the payload that it found and the frame's place in time.
    /// `None` when it is no fragment.
    #[must_use]
    pub fn of(packet: &Packet, payload: &'a [u8], stamp: Time, clock: Time, seq: u64) -> Option<Self> {
        let &Packet { src, dst, ttl, tos, vlan, mac, marks, .. } = packet;
        let fragment = packet.fragment?;
        let (ipv6, id, protocol) = (src.as_v4().is_none(), fragment.id, fragment.next);
        let header = Header { src, dst, ipv6, id, protocol, ttl, tos, vlan, mac, marks };
        let (offset, more, len) = (u32::from(fragment.offset), fragment.more, u32::from(packet.payload_len));
        let headless = ipv6 && offset == 0 && lacks_headers(packet);
        Some(Self { header, offset, more, len, payload, headless, stamp, clock, seq })
    }

    /// What was captured of what it carried: padding of the link is none of it.
    pub(super) fn known(&self) -> &'a [u8] {
        self.payload.get(..self.len as usize).unwrap_or(self.payload)
    }

    /// Where in the datagram the byte after its last belongs.
    pub(super) fn end(&self) -> u32 {
        self.offset.saturating_add(self.len)
    }
}

/// Whether the headers of a first fragment go on behind its end, up to the fixed part of the transport's.
fn lacks_headers(packet: &Packet) -> bool {
    match packet.flaw {
        Some(Skip::ShortTcp | Skip::ShortUdp | Skip::ShortIcmp | Skip::ShortSctp | Skip::BadExtension) => true,
        Some(_) => false,
        // It ends just where the next header would begin.
        None => {
            let read = [protocol::TCP, protocol::UDP, protocol::ICMPV6, protocol::SCTP].contains(&packet.protocol);
            packet.transport == Transport::Opaque && (read || decode::is_extension(packet.protocol))
        }
    }
}

/// A whole datagram. Its `stamp`, `clock` and `seq` are those of the fragment that completed it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The first fragment's (that of offset 0).
    pub header: Header,
    /// Bytes behind the IP header on the wire.
    pub len: u32,
    /// Those of them that are known without a gap from the first on: all, unless the capture
    /// cut fragments.
    pub payload: &'a [u8],
    /// The completing fragment's stamp.
    pub stamp: Time,
    /// The completing fragment's clock.
    pub clock: Time,
    /// The completing fragment's place in the run.
    pub seq: u64,
    /// How many fragments it came in; 1 for an atomic one.
    pub fragments: u32,
    /// Copies of some bytes contradicted each other: `payload` has those that `reading` prefers.
    pub conflict: bool,
    /// The headers were not all in the first fragment of IPv6. Hosts that follow RFC 7112 did not take it, though it was
    /// tried: it is evidence about its sender, and nothing that a stream may hold.
    pub headless: bool,
    /// The policy by which overlaps were resolved.
    pub reading: Overlap,
}

impl Datagram<'_> {
    /// The packet that the whole is; or that is inside it, with the tunnel that it is then.
    #[must_use]
    pub fn packet(&self) -> (Packet, Option<Tunnel>) {
        let Header { src, dst, id, protocol, ttl, tos, vlan, mac, marks, .. } = self.header;
        // The low half is the whole of an IPv4 identification; of IPv6 no packet tells one.
        let ip_id = if self.header.ipv6 { 0 } else { id as u16 };
        let first = Packet { src, dst, mac, vlan, ip_id, ttl, tos, protocol, marks, ..Packet::default() };
        decode::decode_rebuilt(&first, self.payload, self.len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Frame, LinkType};

    /// The first fragment of an IPv6 datagram that begins with this header and holds these bytes.
    fn first(next: u8, bytes: &[u8]) -> bool {
        let mut frame = vec![0x60, 0, 0, 0, 0, 8 + bytes.len() as u8, 44, 64];
        frame.extend([[0xfd; 16], [0xfc; 16]].concat());
        frame.extend([next, 0, 0, 1, 0, 0, 0, 7]);
        frame.extend(bytes);
        let time = Time(0);
        let place = Frame {
            bytes: &frame,
            wire_len: frame.len() as u32,
            link: LinkType(101),
            stamp: time,
            clock: time,
            seq: 0,
            number: 1,
        };
        let packet = decode::decode(&place).unwrap();
        Fragment::of(&packet, packet.payload.of_bytes(&frame), time, time, 0).unwrap().headless
    }

    #[test]
    fn the_first_fragment_of_ipv6_holds_all_headers_up_to_the_transport_s() {
        assert!(first(6, &[0; 16]) && !first(6, &[0; 24]), "TCP has 20 bytes");
        assert!(!first(17, &[0; 8]), "UDP has 8");
        let options = [6, 0, 1, 4, 0, 0, 0, 0];
        assert!(first(60, &options), "it ends where TCP would begin");
        assert!(first(60, &[&options[..], &[0; 16]].concat()) && !first(60, &[&options[..], &[0; 24]].concat()));
        assert!(first(60, &[6, 9, 1, 4, 0, 0, 0, 0]), "the options go on behind it");
        assert!(!first(253, &[0; 8]), "nobody knows how long that header is");
    }
}
