//! What one probe shows of the program that made it.
//!
//! In: an observation that probes. Out: a [`Sign`]: a relation between its fields that the program's code makes and
//! that chance makes once in so many times ([`Sign::odds`]). Most probes carry none.
//! A sign is an exact relation; what is merely usual for a program (a window, a TTL) is never one by itself.
//! Must not know other packets: relations between probes are in `series.rs`.
//! Source: the programs' own sources, as `docs/DETECTION.md` lists them.

use crate::decode::{Kind, Marks, Observation, Telltale};

const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// `ip.id` of every packet of `ZMap` up to 4.0.
const ZMAP_ID: u16 = 54_321;
/// The window of nmap's raw probes.
const NMAP_WINDOW: u16 = 1_024;
/// The window of hping3's.
const HPING_WINDOW: u16 = 512;
/// The sequence number of every probe of ipEye.
const IPEYE_SEQ: u32 = 1_958_810_375;
/// `ip.id` of every probe of synscan.
const SYNSCAN_ID: u16 = 39_426;
/// `ip.id` of every request of icmpenum.
const ICMPENUM_ID: u16 = 666;

/// What a probe carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sign {
    /// The IP identification is that of `ZMap`.
    ZmapId = 1,
    /// The TCP timestamp is the time of day.
    ZmapClock,
    /// The IP identification is target, port and sequence number taken together by XOR.
    MasscanId,
    /// The same of the number that a question over UDP carries.
    MasscanQuestion,
    /// The sequence number is the target's address.
    MiraiTarget,
    /// Window, no options, and an acknowledgement number on a packet that acknowledges nothing.
    HpingAck,
    /// Window and options of nmap's raw probes: what the relations of its numbers are looked for in.
    NmapShape,
    /// The same of probes with the ACK flag: a sequence number of 0 beside an acknowledgement.
    NmapBlank,
    /// A ping without payload whose sequence number is 0: nmap's, where the identifiers are drawn anew.
    NmapPing,
    /// A bare reset told the number that an unseen probe acknowledged.
    Acknowledged,
    /// The sequence number is ipEye's.
    IpEye,
    /// SYN and FIN with synscan's identification.
    Synscan,
    /// A ping with icmpenum's identification.
    Icmpenum,
}

/// How many signs there are, and 0.
pub(super) const SIGNS: usize = Sign::Icmpenum as usize + 1;

impl Sign {
    /// How seldom a sender that knows nothing of the program makes the sign: once in two to the power of this.
    #[must_use]
    pub fn odds(self) -> f64 {
        match self {
            Self::ZmapClock => 28.0,
            Self::MiraiTarget | Self::IpEye | Self::NmapBlank => 32.0,
            // The window, and the upper bits of two numbers that random(3) leaves 0.
            Self::HpingAck => 18.0,
            // One field of sixteen bits.
            _ => 16.0,
        }
    }
}

/// The sign that a probe carries, as a number for [`Marks::with_sign`]; 0 for none.
#[must_use]
pub fn sign(o: &Observation) -> u8 {
    match o.kind {
        Kind::Tcp => of_segment(o),
        Kind::Udp => of_datagram(o),
        Kind::IcmpRequest => of_ping(o),
        _ => of_any(o),
    }
    .map_or(0, |sign| sign as u8)
}

fn of_any(o: &Observation) -> Option<Sign> {
    (o.dst.as_v4().is_some() && o.ip_id == ZMAP_ID).then_some(Sign::ZmapId)
}

fn of_segment(o: &Observation) -> Option<Sign> {
    if o.telltale == Telltale::TimeOfDay {
        return Some(Sign::ZmapClock);
    }
    let by_address = o.dst.as_v4().and_then(|dst| of_segment_v4(o, dst));
    by_address
        .or_else(|| is_nmap_shaped(o).then_some(if o.flags & ACK == 0 { Sign::NmapShape } else { Sign::NmapBlank }))
}

/// Signs that lie in what IPv4 alone has: short addresses, an identification.
fn of_segment_v4(o: &Observation, dst: u32) -> Option<Sign> {
    let bare = !o.marks.has(Marks::TCP_OPTIONS);
    let (is_syn, acknowledges) = (o.flags & SYN != 0, o.flags & ACK != 0);
    if is_syn && o.tcp_seq == dst {
        Some(Sign::MiraiTarget)
    } else if is_syn && o.tcp_seq == IPEYE_SEQ {
        Some(Sign::IpEye)
    } else if o.flags & (SYN | FIN) == SYN | FIN && o.ip_id == SYNSCAN_ID {
        Some(Sign::Synscan)
    } else if o.ip_id == ZMAP_ID {
        Some(Sign::ZmapId)
    } else if o.ip_id == (dst ^ o.tcp_seq) as u16 ^ o.dst_port {
        Some(Sign::MasscanId)
    } else {
        let low = |number: u32| number >> 31 == 0;
        let leftover = bare && !acknowledges && o.tcp_ack != 0 && low(o.tcp_ack) && low(o.tcp_seq);
        (leftover && o.window == HPING_WINDOW).then_some(Sign::HpingAck)
    }
}

/// Of the two numbers only the one that the flags call for is set; MSS and no other option on a SYN, none on anything else.
fn is_nmap_shaped(o: &Observation) -> bool {
    let options = if o.flags & SYN != 0 { o.marks.has(Marks::MSS_ONLY) } else { !o.marks.has(Marks::TCP_OPTIONS) };
    let (used, unused) = if o.flags & ACK == 0 { (o.tcp_seq, o.tcp_ack) } else { (o.tcp_ack, o.tcp_seq) };
    o.window == NMAP_WINDOW && options && !o.marks.has(Marks::DONT_FRAGMENT) && used != 0 && unused == 0
}

fn of_datagram(o: &Observation) -> Option<Sign> {
    if o.telltale == Telltale::Bound { Some(Sign::MasscanQuestion) } else { of_any(o) }
}

fn of_ping(o: &Observation) -> Option<Sign> {
    let is_v4 = o.dst.as_v4().is_some();
    if is_v4 && o.ip_id == ICMPENUM_ID && o.payload_len == 0 {
        return Some(Sign::Icmpenum);
    }
    let is_echo = matches!(o.icmp_type, 8 | 128);
    let empty = is_echo && o.payload_len == 0 && o.dst_port == 0 && o.icmp_code == 0;
    of_any(o).or_else(|| (empty && !o.marks.has(Marks::DONT_FRAGMENT)).then_some(Sign::NmapPing))
}
