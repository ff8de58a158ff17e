//! What most frames of most networks are, told at a glance: TCP and UDP, over Ethernet first, with a VLAN tag or two on trunks.
//!
//! In: a frame. Out: [`Glance`]: plain data, or evidence with its record, where `decode`, `classify` and `observe` would
//! come to the same; or nothing, and the frame takes the long way. It looks at fields where they stand when nothing
//! unusual comes before them (no IP options, no extension header, no missing bytes) or behind them (no tunnel), which costs a
//! quarter of decoding. A property test holds the two ways together.
//! Must not accept what the long way would not: an evader would go through here unseen.
//! Read next: `class.rs` (what plain means), `observe.rs` (the record).

use super::{
    Address, Kind, Marks, Observation, Packet,
    ftp::CONTROL,
    link::{self, ETHERNET, GROUP, ethertype, vlan},
    tcp::{
        self,
        flags::{ACK, PSH},
    },
    telltale,
    transport::{Ports, protocol},
    tunnel,
};
use crate::source::Frame;

const ETHERNET_HEADER: usize = 14;
/// Priority and id, and what follows.
const TAG: usize = 4;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const DONT_FRAGMENT: u16 = 0x4000;
/// The last of the bits of an IPv4 header's flags and offset, "reserved", is nobody's business.
const FRAGMENT: u16 = 0x3fff;

/// What a glance tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// TCP data and ACKs of some connection.
    Plain,
    /// A TCP segment or a UDP datagram that is evidence: its record is the last of the list.
    Evidence,
    /// Nothing: decode it.
    Unsure,
}

/// Looks at a frame. Use it before [`super::decode`] where nothing is wanted of plain frames but their number.
/// Evidence is put into `list` at once: it is too large to be handed from function to function. Always a part of the caller's loop:
/// handing the frame over would cost as much as the look.
#[expect(clippy::inline_always, reason = "measured: a call here costs as much as the look")]
#[inline(always)]
#[must_use]
pub fn glance(frame: &Frame<'_>, list: &mut Vec<Observation>) -> Glance {
    let glance = if frame.link.0 == ETHERNET { ethernet(frame, list) } else { other(frame, list) };
    glance.unwrap_or(Glance::Unsure)
}

#[expect(clippy::inline_always, reason = "see `glance`")]
#[inline(always)]
fn ethernet(frame: &Frame<'_>, list: &mut Vec<Observation>) -> Option<Glance> {
    let (header, network) = frame.bytes.split_first_chunk::<ETHERNET_HEADER>()?;
    let link = || {
        let marks = if header[0] & GROUP == 0 { Marks::default() } else { Marks::TO_MANY };
        Link { mac: field(header, 6), vlan: [0; 2], marks }
    };
    match half(header, 12) {
        ethertype::IPV4 => ipv4(frame, link, network, list),
        ethertype::IPV6 => ipv6(frame, link, network, list),
        kind => tagged(frame, link(), kind, network, list),
    }
}

/// What travels over another link than Ethernet, or behind more than tags. The link is opened as the long way opens it; behind that it goes as
/// fast as any.
#[inline(never)]
fn other(frame: &Frame<'_>, list: &mut Vec<Observation>) -> Option<Glance> {
    let mut opened = Packet::default();
    let (kind, network) = link::open(frame.link, frame.bytes, &mut opened).ok()?;
    let link = || Link { mac: opened.mac, vlan: opened.vlan, marks: opened.marks };
    match kind {
        ethertype::IPV4 => ipv4(frame, link, network, list),
        ethertype::IPV6 => ipv6(frame, link, network, list),
        _ => None,
    }
}

/// What the link says of a packet.
#[derive(Clone, Copy)]
struct Link {
    mac: [u8; 6],
    vlan: [u16; 2],
    marks: Marks,
}

/// What is behind one tag, or two. Not a part of the caller's loop: frames come with tags or without, and it shall be short for those without.
#[inline(never)]
fn tagged(
    frame: &Frame<'_>,
    mut link: Link,
    mut kind: u16,
    mut network: &[u8],
    list: &mut Vec<Observation>,
) -> Option<Glance> {
    for _ in 0..link.vlan.len() {
        match kind {
            ethertype::CUSTOMER | ethertype::SERVICE | ethertype::STACKED => {
                let (tag, rest) = network.split_first_chunk::<TAG>()?;
                vlan::note(&mut link.vlan, half(tag, 0));
                (kind, network) = (half(tag, 2), rest);
            }
            _ => break,
        }
    }
    match kind {
        ethertype::IPV4 => ipv4(frame, || link, network, list),
        ethertype::IPV6 => ipv6(frame, || link, network, list),
        _ => other(frame, list),
    }
}

/// Whose a packet is. Most are plain, and nobody asks: so it is handed on as who would tell.
#[derive(Clone, Copy)]
struct Ends {
    link: Link,
    src: Address,
    dst: Address,
}

/// What the network header says of a packet, and its segment or datagram.
struct Carried<'a> {
    frame: &'a Frame<'a>,
    /// What is captured of it, padding of the frame taken off.
    bytes: &'a [u8],
    /// Its length as the header says.
    sent: usize,
    marks: Marks,
    ip_id: u16,
    protocol: u8,
    ttl: u8,
    tos: u8,
}

#[expect(clippy::inline_always, reason = "see `glance`")]
#[inline(always)]
fn ipv4(frame: &Frame<'_>, link: impl Fn() -> Link, network: &[u8], list: &mut Vec<Observation>) -> Option<Glance> {
    let (header, following) = network.split_first_chunk::<IPV4_HEADER>()?;
    let (total, fragment) = (usize::from(half(header, 2)), half(header, 6));
    if header[0] != 0x45 || fragment & FRAGMENT != 0 {
        return None;
    }
    let sent = total.checked_sub(IPV4_HEADER)?;
    let marks = if fragment & DONT_FRAGMENT == 0 { Marks::default() } else { Marks::DONT_FRAGMENT };
    let bytes = following.get(..sent).unwrap_or(following);
    let (protocol, ttl, tos) = (header[9], header[8], header[1]);
    Carried { frame, bytes, sent, marks, ip_id: half(header, 4), protocol, ttl, tos }.look(list, || Ends {
        link: link(),
        src: Address::v4(field(header, 12)),
        dst: Address::v4(field(header, 16)),
    })
}

#[inline]
fn ipv6(frame: &Frame<'_>, link: impl Fn() -> Link, network: &[u8], list: &mut Vec<Observation>) -> Option<Glance> {
    let (header, following) = network.split_first_chunk::<IPV6_HEADER>()?;
    // Addresses that begin with 0 may be IPv4's in disguise: the long way looks closer.
    if header[0] >> 4 != 6 || header[8] == 0 || header[24] == 0 {
        return None;
    }
    let sent = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let bytes = following.get(..sent).unwrap_or(following);
    let (marks, ip_id, tos) = (Marks::default(), 0, header[0] << 4 | header[1] >> 4);
    Carried { frame, bytes, sent, marks, ip_id, protocol: header[6], ttl: header[7], tos }.look(list, || Ends {
        link: link(),
        src: Address::v6(field(header, 8)),
        dst: Address::v6(field(header, 24)),
    })
}

impl Carried<'_> {
    /// Reads what is carried.
    #[expect(clippy::inline_always, reason = "see `glance`")]
    #[inline(always)]
    fn look(self, list: &mut Vec<Observation>, ends: impl Fn() -> Ends) -> Option<Glance> {
        match self.protocol {
            protocol::TCP => {
                let (header, options) = self.bytes.split_first_chunk::<TCP_HEADER>()?;
                let (header_len, flags) = (usize::from(header[12] >> 4) * 4, header[13]);
                if header_len < TCP_HEADER || header_len > self.sent {
                    return None;
                }
                if flags == ACK || flags == ACK | PSH {
                    // Who talks over FTP's control channel says at which doors there will be knocks: the long way listens.
                    let ports: [[u8; 2]; 2] = [field(header, 0), field(header, 2)];
                    return (!ports.contains(&CONTROL.to_be_bytes())).then_some(Glance::Plain);
                }
                let o = self.observation(list, Kind::Tcp, ends(), header, header_len)?;
                let word = |at| u32::from_be_bytes(field(header, at));
                (o.tcp_seq, o.tcp_ack, o.window, o.flags) = (word(4), word(8), half(header, 14), flags);
                o.marks.set(tcp::shape(header_len, options));
                o.telltale = telltale::of_segment(o, self.bytes.get(..header_len).unwrap_or(self.bytes));
            }
            protocol::UDP => {
                let (header, payload) = self.bytes.split_first_chunk::<UDP_HEADER>()?;
                if tunnel::are_tunnel_ports(Ports { src: half(header, 0), dst: half(header, 2) }) {
                    return None;
                }
                let o = self.observation(list, Kind::Udp, ends(), header, UDP_HEADER)?;
                o.telltale = telltale::of_datagram(o, payload);
            }
            _ => return None,
        }
        Some(Glance::Evidence)
    }

    /// What the network header says, and the ports: the transport's `header`, of `header_len` bytes, begins with them. It is written where
    /// it belongs: to be copied there as a whole, it would have to wait until all its parts are written.
    #[expect(clippy::inline_always, reason = "see `glance`")]
    #[inline(always)]
    fn observation<'a>(
        &self,
        list: &'a mut Vec<Observation>,
        kind: Kind,
        ends: Ends,
        header: &[u8],
        header_len: usize,
    ) -> Option<&'a mut Observation> {
        let Ends { link, src, dst } = ends;
        let mut marks = self.marks;
        marks.set(link.marks);
        if self.bytes.len() < self.sent {
            marks.set(Marks::CUT);
        }
        if dst.is_many() {
            marks.set(Marks::TO_MANY);
        }
        list.push(Observation::BLANK);
        let o = list.last_mut()?;
        (o.src, o.dst) = (src, dst);
        (o.stamp, o.clock, o.seq) = (self.frame.stamp, self.frame.clock, self.frame.seq);
        (o.src_port, o.dst_port) = (half(header, 0), half(header, 2));
        (o.ip_id, o.ttl, o.tos, o.protocol) = (self.ip_id, self.ttl, self.tos, self.protocol);
        o.payload_len = self.sent.saturating_sub(header_len) as u16;
        (o.vlan, o.mac) = (link.vlan, link.mac);
        (o.kind, o.marks) = (kind, marks);
        Some(o)
    }
}

/// The `N` bytes at `at`, which lie inside.
#[inline]
fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

/// The number of two bytes at `at`.
#[inline]
fn half(header: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(field(header, at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{
        Class, classify, decode, observe,
        samples::{ethernet, frame, hex, ipv4 as over_v4, ipv6 as over_v6, tcp},
    };

    const DATAGRAM: &str = "c23c 0035 000a 0000 6869";

    fn at_a_glance(link: u32, bytes: &[u8]) -> Glance {
        glance(&frame(link, bytes), &mut Vec::new())
    }

    /// Whether a glance comes to what the long way comes to, wherever it comes to anything.
    fn agree(link: u32, bytes: &[u8]) -> bool {
        let frame = frame(link, bytes);
        let packet = decode(&frame);
        let class = packet.map(|packet| classify(&packet));
        let mut list = Vec::new();
        match (glance(&frame, &mut list), packet, class) {
            (Glance::Unsure, ..) | (Glance::Plain, _, Ok(Class::Plain)) => list.is_empty(),
            (Glance::Evidence, Ok(packet), Ok(Class::Evidence(kind))) => list == [observe(&frame, &packet, kind)],
            _ => false,
        }
    }

    #[test]
    fn data_and_acks_are_known_at_a_glance() {
        for flags in [ACK, ACK | PSH] {
            for bytes in [ethernet(0x0800, &over_v4(6, &tcp(flags))), ethernet(0x86dd, &over_v6(6, &tcp(flags)))] {
                assert_eq!(at_a_glance(1, &bytes), Glance::Plain);
            }
        }
    }

    #[test]
    fn probes_and_datagrams_are_read_as_the_long_way_reads_them() {
        let with_mss = [tcp(2)[..12].to_vec(), hex("60 02 0400 0000 0000 020405b4")].concat();
        for segment in [tcp(2), tcp(0x12), tcp(0), with_mss] {
            for bytes in [ethernet(0x0800, &over_v4(6, &segment)), ethernet(0x86dd, &over_v6(6, &segment))] {
                assert!(at_a_glance(1, &bytes) == Glance::Evidence && agree(1, &bytes));
            }
        }
        for bytes in [ethernet(0x0800, &over_v4(17, &hex(DATAGRAM))), ethernet(0x86dd, &over_v6(17, &hex(DATAGRAM)))] {
            assert!(at_a_glance(1, &bytes) == Glance::Evidence && agree(1, &bytes));
        }
    }

    #[test]
    fn tags_are_looked_through_as_the_long_way_does() {
        for (tags, plain) in [
            ("000c 0800", Glance::Plain),
            ("600c 8100 0007 0800", Glance::Plain),
            ("0000 88a8 0007 0800", Glance::Plain),
            ("000c 8100 0007 8100 0008 0800", Glance::Plain),
            ("000c 8847 00010140", Glance::Plain),
            ("000c 8864 1100 0001 0040 0021", Glance::Plain),
            ("000c 8847", Glance::Unsure),
            ("000c 08", Glance::Unsure),
        ] {
            for outer in [0x8100, 0x88a8, 0x9100] {
                let tagged = |segment: &[u8]| ethernet(outer, &[hex(tags), over_v4(6, segment)].concat());
                assert_eq!(at_a_glance(1, &tagged(&tcp(ACK))), plain, "{tags}");
                let probe = tagged(&tcp(2));
                assert_eq!(at_a_glance(1, &probe) == Glance::Evidence, plain == Glance::Plain, "{tags}");
                assert!(agree(1, &probe), "{tags}");
            }
        }
    }

    /// Links with what their headers are before IPv4 and IPv6.
    const LINKS: [(u32, &str, &str); 8] = [
        (1, "02000000000102000000000208 00", "020000000001 020000000002 86dd"),
        (101, "", ""),
        (113, "0000 0001 0006 020000000002 0000 0800", "0001 0001 0006 020000000002 0000 86dd"),
        (276, "0800 0000 00000002 0001 04 06 020000000002 0000", "86dd 0000 00000002 0001 02 06 020000000002 0000"),
        (0, "02000000", "1e000000"),
        (9, "ff03 0021", "ff03 0057"),
        (104, "0f00 0800", "0f00 86dd"),
        (1, "010000000001 020000000002 8847 00010140", "020000000001 020000000002 8864 1100 0001 0040 0057"),
    ];

    #[test]
    fn behind_every_link_it_goes_as_fast_and_comes_to_the_same() {
        for (link, before_v4, before_v6) in LINKS {
            for (flags, expected) in [(ACK, Glance::Plain), (2, Glance::Evidence)] {
                for bytes in [
                    [hex(before_v4), over_v4(6, &tcp(flags))].concat(),
                    [hex(before_v6), over_v6(6, &tcp(flags))].concat(),
                ] {
                    assert_eq!(at_a_glance(link, &bytes), expected, "{link}");
                    assert!(agree(link, &bytes), "{link}");
                }
            }
        }
        assert_eq!(at_a_glance(147, &over_v4(6, &tcp(ACK))), Glance::Unsure, "nobody knows this link");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn nothing_passes_at_a_glance_that_the_long_way_would_read_otherwise(
            flags in prop_oneof![Just(ACK), Just(ACK | PSH), any::<u8>()],
            ipv6: bool,
            udp: bool,
            tags in 0..4_usize,
            damage in prop::collection::vec((0..80_usize, any::<u8>()), 0..3),
            len in 0..102_usize,
        ) {
            let (next, body) =
                if udp { (17, hex(DATAGRAM)) } else { (6, [tcp(flags), hex("020405b4 04020100 00000000")].concat()) };
            let mut bytes =
                if ipv6 { ethernet(0x86dd, &over_v6(next, &body)) } else { ethernet(0x0800, &over_v4(next, &body)) };
            let kind = [bytes[12], bytes[13]];
            for (n, tag) in [[0x81, 0, 0, 7], [0x88, 0xa8, 0x60, 12], [0x81, 0, 0, 0]].into_iter().enumerate().take(tags) {
                bytes.splice(12 + 4 * n..12 + 4 * n, tag);
            }
            prop_assert_eq!(&bytes[12 + 4 * tags..14 + 4 * tags], &kind);
            for (at, byte) in damage {
                if let Some(field) = bytes.get_mut(at) {
                    *field = byte;
                }
            }
            bytes.truncate(len);
            prop_assert!(agree(1, &bytes), "{:02x?}", bytes);
        }

        #[test]
        fn nor_behind_another_link(
            at in 0..LINKS.len(),
            flags in prop_oneof![Just(ACK), Just(ACK | PSH), any::<u8>()],
            ipv6: bool,
            udp: bool,
            damage in prop::collection::vec((0..90_usize, any::<u8>()), 0..3),
            len in 0..110_usize,
        ) {
            let (link, before_v4, before_v6) = LINKS[at];
            let (next, body) =
                if udp { (17, hex(DATAGRAM)) } else { (6, [tcp(flags), hex("020405b4 04020100 00000000")].concat()) };
            let mut bytes = if ipv6 {
                [hex(before_v6), over_v6(next, &body)].concat()
            } else {
                [hex(before_v4), over_v4(next, &body)].concat()
            };
            for (at, byte) in damage {
                if let Some(field) = bytes.get_mut(at) {
                    *field = byte;
                }
            }
            bytes.truncate(len);
            prop_assert!(agree(link, &bytes), "{} {:02x?}", link, bytes);
        }
    }
}
