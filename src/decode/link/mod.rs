//! From a frame's first byte to its network protocol: one file a link.
//!
//! In: a link type (the registry of tcpdump.org) and the frame. Out: an EtherType, what
//! follows, and the facts of the link: the sender's address, VLAN ids, whether it went to many.
//! An unknown link type is an error, never a guess: a wrong start makes nonsense of every byte.
//! Read next: `ethernet.rs`, the one that matters, then `vlan.rs`.

mod cooked;
pub(super) mod ethernet;
mod frame_relay;
mod juniper;
mod llc;
mod loopback;
pub(super) mod mpls;
mod nflog;
pub(super) mod ppp;
mod pppoe;
mod radio;
pub(super) mod raw;
pub(super) mod vlan;
mod wifi;

pub(super) use ethernet::GROUP;

use super::{Packet, Skip};
use crate::source::LinkType;

/// `EtherType` numbers (IEEE) that are looked into; every link's own numbers are put in these.
pub(super) mod ethertype {
    pub(in crate::decode) const IPV4: u16 = 0x0800;
    pub(in crate::decode) const ARP: u16 = 0x0806;
    pub(in crate::decode) const IPV6: u16 = 0x86dd;
    /// Label stacks, to one and to many.
    pub(in crate::decode) const MPLS: u16 = 0x8847;
    pub(in crate::decode) const MPLS_MULTICAST: u16 = 0x8848;
    pub(super) const PPPOE: u16 = 0x8864;
    /// A tag of 802.1Q; of 802.1ad; of stacks before that gave the outer one 0x88a8.
    pub(in crate::decode) const CUSTOMER: u16 = 0x8100;
    pub(in crate::decode) const SERVICE: u16 = 0x88a8;
    pub(in crate::decode) const STACKED: u16 = 0x9100;
    /// Below this, the field is the length of an 802.3 frame, and an 802.2 header follows.
    pub(super) const FIRST: u16 = 0x0600;
    /// In the place of an `EtherType`: an 802.2 header follows.
    pub(super) const LLC: u16 = 4;
}

/// A frame, opened: the `EtherType` of what it carries, and that.
pub(in crate::decode) type Opened<'a> = Result<(u16, &'a [u8]), Skip>;

const NULL: u32 = 0;
pub(super) const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const RAW: [u32; 3] = [12, 14, 101];
const PPP_HDLC: u32 = 50;
const PPPOE: u32 = 51;
const CISCO_HDLC: u32 = 104;
const WIFI: u32 = 105;
const FRAME_RELAY: u32 = 107;
const LOOP: u32 = 108;
const COOKED: u32 = 113;
const PRISM: u32 = 119;
const RADIOTAP: u32 = 127;
const AVS: u32 = 163;
const JUNIPER_ETHERNET: u32 = 178;
const JUNIPER_PPP: u32 = 179;
const JUNIPER_FRAME_RELAY: u32 = 180;
const JUNIPER_HDLC: u32 = 181;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const NFLOG: u32 = 239;
const COOKED_V2: u32 = 276;

/// Networks stack two tags, labs four. The limit bounds the work of a frame made of tags alone.
const DEEPEST: usize = 16;

/// Whether frames of this link type can be read at all. A file (or interface) of another is
/// to be refused as a whole: "link type 147 is not known".
#[must_use]
pub fn is_known(link: LinkType) -> bool {
    open(link, &[], &mut Packet::default()) != Err(Skip::UnknownLinkType)
}

/// Opens a frame, and sets what its link tells: the sender's address, the VLAN ids, whether it
/// went to many.
#[inline]
pub(super) fn open<'a>(link: LinkType, input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    if link.0 == ETHERNET { ethernet::open(input, packet) } else { open_other(link, input, packet) }
}

fn open_other<'a>(link: LinkType, input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    match link.0 {
        NULL | LOOP => loopback::open(input),
        PPP | PPP_HDLC => ppp::open(input, packet),
        PPPOE => peel(ethertype::PPPOE, input, packet),
        CISCO_HDLC => ppp::open_cisco(input, packet),
        WIFI => wifi::open(input, false, packet),
        PRISM => radio::open_prism(input, packet),
        RADIOTAP => radio::open_radiotap(input, packet),
        AVS => radio::open_avs(input, packet),
        FRAME_RELAY => frame_relay::open(input, packet),
        COOKED => cooked::open(input, packet),
        COOKED_V2 => cooked::open_v2(input, packet),
        NFLOG => nflog::open(input, packet),
        JUNIPER_ETHERNET => juniper::open(input, packet, ethernet::open),
        JUNIPER_PPP => juniper::open(input, packet, ppp::open),
        JUNIPER_FRAME_RELAY => juniper::open(input, packet, frame_relay::open),
        JUNIPER_HDLC => juniper::open(input, packet, ppp::open_cisco),
        IPV4 => Ok((ethertype::IPV4, input)),
        IPV6 => Ok((ethertype::IPV6, input)),
        other if RAW.contains(&other) => raw::open(input),
        _ => Err(Skip::UnknownLinkType),
    }
}

/// Peels what may stand between a link header and the network: VLAN tags, 802.2 headers, PPPoE,
/// MPLS labels and the Ethernet that they may carry.
#[inline]
pub(super) fn peel<'a>(ethertype: u16, rest: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    if matches!(ethertype, ethertype::IPV4 | ethertype::IPV6) {
        return Ok((ethertype, rest));
    }
    peel_on(ethertype, rest, packet)
}

/// Layer after layer, until something else comes.
fn peel_on<'a>(mut kind: u16, mut input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    for _ in 0..=DEEPEST {
        if !is_peeled(kind) {
            return Ok((kind, input));
        }
        (kind, input) = match kind {
            ethertype::CUSTOMER | ethertype::SERVICE | ethertype::STACKED => vlan::open(input, packet)?,
            ethertype::PPPOE => pppoe::open(input, packet)?,
            ethertype::MPLS | ethertype::MPLS_MULTICAST => mpls::open(input, packet)?,
            _ => match llc::open(input)? {
                // An 802.2 header behind another is nobody's frame.
                (..ethertype::FIRST, _) => return Err(Skip::UnknownLlc),
                opened => opened,
            },
        };
    }
    Err(Skip::TooManyTags)
}

/// Whether something of a link's follows, and not yet a network's header.
fn is_peeled(kind: u16) -> bool {
    use ethertype::{CUSTOMER, FIRST, MPLS, MPLS_MULTICAST, PPPOE, SERVICE, STACKED};
    matches!(kind, CUSTOMER | SERVICE | STACKED | PPPOE | MPLS | MPLS_MULTICAST | ..FIRST)
}
