//! From a frame to what it is: pure, one file a protocol.
//!
//! In: a [`Frame`]. Out: a [`Packet`], its [`Class`], and an [`Observation`] when it is
//! evidence; or the [`Skip`] that it is counted under.
//!
//! ```text
//! link/ ─► ipv4, ipv6 (extension) ─► tcp, udp, icmp, sctp ─► class ─► observe
//!      ├─► arp                └─► tunnel/ ─► ipv4, ipv6 and so on, of the packet inside
//!      └─► skip
//! ```
//!
//! Every byte of a frame may be an attack: nothing here panics, allocates, loops without a
//! bound, or depends on anything but the frame. Reading is nom's, in its `complete` form: a
//! cut frame gives what is there, and the reason why it is not more.
//! Must not know files, clocks, other packets.
//! Read next: `packet.rs`, `link/mod.rs`, `ipv4.rs`, `tcp.rs`, `class.rs`.

pub mod arp;
mod body;
pub mod checksum;
pub mod class;
pub mod describe;
mod extension;
pub mod ftp;
mod glance;
pub mod icmp;
mod ipv4;
mod ipv6;
pub mod link;
pub mod observation;
pub mod observe;
pub mod packet;
#[cfg(test)]
mod samples;
pub mod sctp;
pub mod skip;
pub mod tcp;
pub mod telltale;
pub mod tenant;
pub mod transport;
pub mod tunnel;
mod udp;

pub use class::{Class, classify};
pub use extension::is_extension;
pub use glance::{Glance, glance};
pub use observation::{Address, Kind, Marks, Observation};
pub use observe::{announce, observe};
pub use packet::{Fragment, Packet, Span};
pub use skip::Skip;
pub use telltale::Telltale;
pub use transport::{Ports, Transport};
pub use tunnel::Tunnel;

use nom::Offset;

use crate::source::Frame;
use body::Body;
use link::ethertype;

/// Reads a frame. Called for every one of which a [`glance`] does not tell all.
///
/// # Errors
/// The frame holds no IP datagram and no ARP packet that could be read. What is wrong behind
/// the IP header is no error but [`Packet::flaw`]: the addresses are known.
#[inline]
pub fn decode(frame: &Frame<'_>) -> Result<Packet, Skip> {
    let mut packet = Packet::default();
    decode_into(frame, &mut packet)?;
    Ok(packet)
}

/// The same into a packet that is [`Packet::default`]: on the way of all frames it is too large to be handed on.
///
/// # Errors
/// As those of [`decode`].
#[inline]
pub fn decode_into(frame: &Frame<'_>, packet: &mut Packet) -> Result<(), Skip> {
    read(frame, packet, &mut Way::default())
}

/// What the packet in a frame came through; asked of those that are [`Marks::TUNNELLED`]. It reads the frame once more,
/// so that all others need not carry it along.
#[must_use]
pub fn through(frame: &Frame<'_>) -> Option<Tunnel> {
    let mut way = Way::default();
    read(frame, &mut Packet::default(), &mut way).ok()?;
    way
}

/// The tunnel around what is being read.
type Way = Option<Tunnel>;

#[inline]
fn read(frame: &Frame<'_>, packet: &mut Packet, way: &mut Way) -> Result<(), Skip> {
    let (ethertype, rest) = link::open(frame.link, frame.bytes, packet)?;
    network(ethertype, rest, packet, frame.bytes, way)
}

/// Reads what a link or a tunnel carries; `frame` is all that `rest` is the end of.
#[inline]
fn network(ethertype: u16, rest: &[u8], packet: &mut Packet, frame: &[u8], way: &mut Way) -> Result<(), Skip> {
    match ethertype {
        ethertype::IPV4 => finish(ipv4::read(rest, packet)?, packet, frame, way),
        ethertype::IPV6 => finish(ipv6::read(rest, packet)?, packet, frame, way),
        ethertype::ARP => arp::read(rest, packet)?,
        _ => return Err(Skip::UnknownEthertype),
    }
    Ok(())
}

/// Reads a datagram that was put together from fragments.
///
/// `first` is the packet of its first fragment (or of any, if its `fragment.next` is the first's):
/// its addresses, link and IP facts are carried over. `payload` is what the fragments held, from
/// offset 0 on, and may end before `sent`, the length of the whole, when captures were cut.
/// The result's [`Packet::payload`] lies in `payload`; beside it stands the tunnel that the datagram was, if it was one's.
#[must_use]
pub fn decode_rebuilt(first: &Packet, payload: &[u8], sent: usize) -> (Packet, Option<Tunnel>) {
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
    let mut way = Way::default();
    finish(body, &mut packet, payload, &mut way);
    (packet, way)
}

/// Reads what lies behind the IP header, and says where the payload is.
#[inline]
fn finish(body: Body<'_>, packet: &mut Packet, frame: &[u8], way: &mut Way) {
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
        packet.header_len = header_there as u8;
        (start + header_there, there - header_there, body.sent.saturating_sub(header))
    };
    packet.payload = Span { start: start as u32, len: there as u32 };
    // Jumbograms aside, lengths fit.
    packet.payload_len = sent.min(usize::from(u16::MAX)) as u16;
    if tunnel::is_tunnel(packet) && packet.fragment.is_none() && packet.flaw.is_none() {
        go_through(body, packet, frame, way);
    }
}

/// Takes the packet inside for the packet, if it is a tunnel's and can be read; else it stays what it is outside.
#[cold]
fn go_through(body: Body<'_>, packet: &mut Packet, frame: &[u8], way: &mut Way) {
    let mut inner = Packet { mac: packet.mac, vlan: packet.vlan, ..Packet::default() };
    inner.marks.set(Marks(packet.marks.0 & Marks::FRAGMENTED.0 | Marks::TUNNELLED.0));
    let Some((tunnel, (ethertype, rest))) = tunnel::open(body, packet, &mut inner) else { return };
    let outer = *way;
    *way = Tunnel::around(outer, Some(tunnel));
    if way.is_some_and(|tunnel| tunnel.depth > tunnel::DEEPEST) {
        packet.flaw = Some(Skip::TooManyTunnels);
    } else if network(ethertype, rest, &mut inner, frame, way).is_ok() {
        *packet = inner;
        return;
    }
    *way = outer;
}

#[cfg(test)]
mod tests {
    use pnet::packet::{
        Packet as _, ethernet::EthernetPacket, ip::IpNextHeaderProtocols, ipv4::Ipv4Packet, tcp::TcpPacket,
        udp::UdpPacket,
    };
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::source::LinkType;
    use samples::{ethernet, frame, hex, ipv4, ipv6, tcp, udp};

    const LINKS: [u32; 24] =
        [0, 1, 9, 12, 14, 50, 51, 101, 104, 105, 107, 108, 113, 119, 127, 163, 178, 179, 180, 181, 228, 229, 239, 276];

    /// One good frame of each sort, over Ethernet.
    fn good() -> Vec<Vec<u8>> {
        let error = [hex("03 03 0000 00000000"), ipv4(17, &hex("c23c 829a 0028 0000"))].concat();
        let extended = [hex("3c 00 01 04 00000000 06 00 01 04 00000000"), tcp(2)].concat();
        let piece = [hex("3c 00 0001 cafebabe 11 00 01 04 00000000"), hex("c23c 0035 000a 0000 6869")].concat();
        vec![
            ethernet(0x0800, &ipv4(6, &[tcp(0x18), b"data".to_vec()].concat())),
            ethernet(0x8100, &[hex("0064 88a8 00c8 0800"), ipv4(17, &hex("c23c 0035 000a 0000 6869"))].concat()),
            ethernet(0x0800, &ipv4(1, &error)),
            ethernet(0x86dd, &ipv6(0, &extended)),
            ethernet(0x86dd, &ipv6(44, &piece)),
            ethernet(0x0800, &ipv4(132, &hex("c23c 0050 00000005 00000000 01 00 0014 cafebabe"))),
            ethernet(0x0806, &hex("0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009")),
            ethernet(
                0x003c,
                &[hex("aaaa03 000000 0800"), ipv4(51, &[hex("0604 0000"), vec![0; 20], tcp(2)].concat())].concat(),
            ),
            ethernet(0x8847, &[hex("00010040 00020140"), ipv4(6, &tcp(2))].concat()),
            ethernet(0x8864, &[hex("1100 0001 002a 0021"), ipv4(6, &tcp(2))].concat()),
            ethernet(
                0x0800,
                &ipv4(47, &[hex("b000 0800 0000 0000 00000007 00000001"), ipv4(4, &ipv6(6, &tcp(2)))].concat()),
            ),
            ethernet(
                0x0800,
                &ipv4(
                    47,
                    &[hex("1000 88be 00000001 1064 0005 00000000"), ethernet(0x0800, &ipv4(6, &tcp(2)))].concat(),
                ),
            ),
            ethernet(
                0x0800,
                &ipv4(17, &udp(9, 4789, &[hex("08000000 00000700"), ethernet(0x0800, &ipv4(6, &tcp(2)))].concat())),
            ),
            ethernet(
                0x86dd,
                &ipv6(17, &udp(9, 6081, &[hex("0200 86dd 00000700 0102 8001 cafebabe"), ipv6(6, &tcp(2))].concat())),
            ),
            ethernet(
                0x0800,
                &ipv4(
                    17,
                    &udp(2152, 2152, &[hex("34ff 0030 00000007 0000 0085 0110 09 00"), ipv4(6, &tcp(2))].concat()),
                ),
            ),
            ethernet(0x0800, &ipv4(17, &udp(9, 3544, &[hex("0000 1234 f5fffffe"), ipv6(6, &tcp(2))].concat()))),
            ethernet(
                0x0800,
                &ipv4(17, &udp(1701, 1701, &[hex("0802 0001 0007 0001 0002 0021"), ipv4(6, &tcp(2))].concat())),
            ),
        ]
    }

    /// What must hold of any frame whatever.
    fn look_at(link: u32, bytes: &[u8]) {
        let frame = frame(link, bytes);
        let decoded = decode(&frame);
        let mut list = Vec::new();
        let seen = glance(&frame, &mut list);
        let Ok(packet) = decoded else { return assert_eq!(seen, Glance::Unsure, "a glance sees no more") };
        match (seen, classify(&packet)) {
            (Glance::Evidence, Class::Evidence(kind)) => assert_eq!(list, [observe(&frame, &packet, kind)]),
            (Glance::Unsure, _) | (Glance::Plain, Class::Plain) => {}
            (seen, class) => panic!("{seen:?} for {class:?}"),
        }
        let Span { start, len } = packet.payload;
        assert_eq!(packet.payload.of_bytes(bytes).len(), len as usize, "the payload lies in the frame: {start}");
        assert!(len <= u32::from(packet.payload_len) || packet.payload_len == u16::MAX);
        let (whole, tunnel) = decode_rebuilt(&packet, packet.payload.of_bytes(bytes), usize::from(packet.payload_len));
        assert!(tunnel.is_some() || (whole.fragment, whole.src) == (None, packet.src));
        assert_eq!(packet.marks.has(Marks::TUNNELLED), through(&frame).is_some());
        if let Class::Evidence(kind) = classify(&packet) {
            assert_eq!(observe(&frame, &packet, kind).kind, kind);
        }
    }

    #[test]
    fn every_good_frame_is_read_without_a_flaw() {
        for bytes in good() {
            assert_eq!(decode(&frame(1, &bytes)).map(|packet| packet.flaw), Ok(None), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_frame_cut_anywhere_gives_what_is_there() {
        for bytes in good() {
            for len in 0..bytes.len() {
                look_at(1, &bytes[..len]);
            }
        }
    }

    #[test]
    fn each_known_link_is_read_and_no_other_is_guessed_at() {
        for link in 0..300 {
            let known = LINKS.contains(&link);
            assert_eq!(link::is_known(LinkType(link)), known, "{link}");
            assert_eq!(decode(&frame(link, &ipv4(6, &tcp(2)))) != Err(Skip::UnknownLinkType), known, "{link}");
        }
    }

    #[test]
    fn a_rebuilt_datagram_is_read_as_if_it_had_come_whole() {
        let whole_bytes = ethernet(0x0800, &ipv4(6, &[tcp(2), b"data".to_vec()].concat()));
        let whole = decode(&frame(1, &whole_bytes)).unwrap();
        let mut first_bytes = ethernet(0x0800, &ipv4(6, &tcp(2)[..8]));
        first_bytes[20] = 0x60;
        let first = decode(&frame(1, &first_bytes)).unwrap();
        assert_eq!(classify(&first), Class::Fragment);
        let (rebuilt, _) = decode_rebuilt(&first, &whole_bytes[34..], 24);
        assert!(rebuilt.marks.has(Marks::FRAGMENTED));
        assert_eq!(rebuilt.payload.of_bytes(&whole_bytes[34..]), b"data");
        let (mut marks, payload) = (whole.marks, rebuilt.payload);
        marks.set(Marks::FRAGMENTED);
        assert_eq!(rebuilt, Packet { marks, payload, ..whole });
    }

    #[test]
    fn extension_headers_may_lie_in_the_fragmented_part() {
        let piece = hex("3c 00 0001 cafebabe 06 00 01 04 00000000");
        let first_bytes = ethernet(0x86dd, &ipv6(44, &piece));
        let first = decode(&frame(1, &first_bytes)).unwrap();
        assert_eq!(first.payload.of_bytes(&first_bytes), &piece[8..]);
        let (rebuilt, _) = decode_rebuilt(&first, &[&piece[8..], &tcp(2)].concat(), 28);
        assert_eq!((classify(&rebuilt), rebuilt.protocol), (Class::Evidence(Kind::Tcp), 6));
    }

    #[test]
    fn a_fragment_inside_a_rebuilt_datagram_goes_no_further() {
        let first = Packet { protocol: 44, src: samples::address("fd00::2"), ..Packet::default() };
        let (rebuilt, _) = decode_rebuilt(&first, &[&hex("06 00 0001 cafebabe")[..], &tcp(2)].concat(), 28);
        assert_eq!(classify(&rebuilt), Class::Nobody(Skip::NestedFragment));
    }

    /// The same fields as another decoder reads them.
    fn as_pnet_reads_it(bytes: &[u8]) -> (u8, u8, u16, u16, u16, u32, u16) {
        let ethernet = EthernetPacket::new(bytes).unwrap();
        let ip = Ipv4Packet::new(ethernet.payload()).unwrap();
        let (protocol, ttl, id) = (ip.get_next_level_protocol(), ip.get_ttl(), ip.get_identification());
        if protocol == IpNextHeaderProtocols::Tcp {
            let tcp = TcpPacket::new(ip.payload()).unwrap();
            let (source, target) = (tcp.get_source(), tcp.get_destination());
            (protocol.0, ttl, id, source, target, tcp.get_sequence(), u16::from(tcp.get_flags()))
        } else {
            let udp = UdpPacket::new(ip.payload()).unwrap();
            (protocol.0, ttl, id, udp.get_source(), udp.get_destination(), 0, 0)
        }
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_link_do_no_harm(link in prop::sample::select(&LINKS), bytes in vec(any::<u8>(), 0..200)) {
            look_at(link, &bytes);
        }

        #[test]
        fn any_damage_to_a_good_frame_does_no_harm(
            which in any::<prop::sample::Index>(),
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            len in any::<prop::sample::Index>(),
        ) {
            let mut bytes = good().swap_remove(which.index(good().len()));
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            look_at(1, &bytes[..=len.index(bytes.len())]);
        }

        #[test]
        fn fields_are_what_another_decoder_reads(
            is_tcp: bool, ttl: u8, id: u16, options in 0..=10_usize, header in vec(any::<u8>(), 20), data in vec(any::<u8>(), 0..9),
        ) {
            let mut header = header;
            header[12] = 0x50 | header[12] & 0x0f;
            let protocol = if is_tcp { 6 } else { 17 };
            let mut ip = ipv4(protocol, &[vec![1; 4 * options], header, data].concat());
            ip[0] = 0x45 + options as u8;
            ip[8] = ttl;
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            let bytes = ethernet(0x0800, &ip);
            let packet = decode(&frame(1, &bytes)).unwrap();
            let ports = packet.transport.ports().unwrap();
            let (seq, flags) =
                if let Transport::Tcp(tcp) = packet.transport { (tcp.seq, u16::from(tcp.flags)) } else { (0, 0) };
            let ours = (packet.protocol, packet.ttl, packet.ip_id, ports.src, ports.dst, seq, flags);
            prop_assert_eq!(ours, as_pnet_reads_it(&bytes));
        }
    }
}
