//! From a frame's first byte to its network protocol: one file a link.
//!
//! In: a link type (the registry of tcpdump.org) and the frame. Out: an EtherType, what
//! follows, and the facts of the link: the sender's address, VLAN ids, whether it went to many.
//! An unknown link type is an error, never a guess: a wrong start makes nonsense of every byte.
//! Read next: `ethernet.rs`, the one that matters, then `vlan.rs`.

mod cooked;
mod ethernet;
mod llc;
mod loopback;
mod ppp;
mod raw;
mod vlan;

use super::{Packet, Skip};
use crate::source::LinkType;

/// `EtherType` numbers (IEEE) that are looked into; every link's own numbers are put in these.
pub(super) mod ethertype {
    pub(in crate::decode) const IPV4: u16 = 0x0800;
    pub(in crate::decode) const ARP: u16 = 0x0806;
    pub(in crate::decode) const IPV6: u16 = 0x86dd;
    /// Below this, the field is the length of an 802.3 frame.
    pub(super) const FIRST: u16 = 0x0600;
}

/// A frame, opened: the `EtherType` of what it carries, and that.
pub(super) type Opened<'a> = Result<(u16, &'a [u8]), Skip>;

const NULL: u32 = 0;
pub(super) const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const RAW: [u32; 3] = [12, 14, 101];
const PPP_HDLC: u32 = 50;
const CISCO_HDLC: u32 = 104;
const LOOP: u32 = 108;
const COOKED: u32 = 113;
const IPV4: u32 = 228;
const IPV6: u32 = 229;
const COOKED_V2: u32 = 276;

/// Whether frames of this link type can be read at all. A file (or interface) of another is
/// to be refused as a whole: "link type 147 is not known".
#[must_use]
pub fn is_known(link: LinkType) -> bool {
    matches!(link.0, NULL | ETHERNET | PPP | PPP_HDLC | CISCO_HDLC | LOOP | COOKED | IPV4 | IPV6 | COOKED_V2)
        || RAW.contains(&link.0)
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
        CISCO_HDLC => ppp::open_cisco(input, packet),
        COOKED => cooked::open(input, packet),
        COOKED_V2 => cooked::open_v2(input, packet),
        IPV4 => Ok((ethertype::IPV4, input)),
        IPV6 => Ok((ethertype::IPV6, input)),
        other if RAW.contains(&other) => raw::open(input),
        _ => Err(Skip::UnknownLinkType),
    }
}

/// Peels what may stand between a link header and the network: VLAN tags, 802.2 headers.
#[inline]
fn peel<'a>(ethertype: u16, rest: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    if matches!(ethertype, ethertype::IPV4 | ethertype::IPV6) {
        return Ok((ethertype, rest));
    }
    vlan::peel(ethertype, rest, packet)
}
