//! MPLS label stacks, RFC 3032, and what they carry: IP, or Ethernet as a pseudowire (RFC 4448).
//!
//! In: what an `EtherType` (or a tunnel) of MPLS announced. Out: what lies behind the last label. No field
//! says what that is; routers know by the label. Its first four bits tell IP from a control word
//! (RFC 4385), which is why that begins with 0. A pseudowire without one begins with a station's
//! address, which may look like an IP version: there an IPv4 checksum or an IPv6 length decides.
//! Read next: `ethernet.rs`.

use nom::Parser;

use super::{Opened, ethernet, ethertype};
use crate::decode::{
    Packet, Skip,
    body::{Fields, array, be_u16},
    checksum,
};

/// The last label of a stack has this bit.
const BOTTOM: u32 = 0x100;
const CONTROL_WORD: usize = 4;

/// Networks stack four labels, seldom more. The limit bounds the work of a frame made of labels alone.
const DEEPEST: usize = 16;

/// Opens the stack.
pub(in crate::decode) fn open<'a>(mut input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    for _ in 0..DEEPEST {
        let (rest, label) = cut(array(input))?;
        input = rest;
        if u32::from_be_bytes(label) & BOTTOM != 0 {
            return carried(input, packet);
        }
    }
    Err(Skip::TooManyTags)
}

/// Tells what it is that was carried.
fn carried<'a>(input: &'a [u8], packet: &mut Packet) -> Opened<'a> {
    match input.first().ok_or(Skip::CutLinkHeader)? >> 4 {
        0 => {
            let rest = input.get(CONTROL_WORD..).ok_or(Skip::CutLinkHeader)?;
            // A station's address may begin with 0, too; but seldom with the two zeros of most control words.
            let is_bare = is_ethernet(input) && !(input.starts_with(&[0, 0]) && is_ethernet(rest));
            ethernet::header(if is_bare { input } else { rest }, packet)
        }
        // RFC 4385: the talk of the pseudowire's own ends.
        1 if !is_ethernet(input) => Err(Skip::MplsControl),
        4 if !is_ethernet(input) || is_ipv4(input) => Ok((ethertype::IPV4, input)),
        6 if !is_ethernet(input) || is_ipv6(input) => Ok((ethertype::IPV6, input)),
        _ => ethernet::header(input, packet),
    }
}

/// An `EtherType` that is looked into, where Ethernet has it; of IP with the version that it says.
fn is_ethernet(input: &[u8]) -> bool {
    let read: Fields<'_, _> = (array::<6>, array::<6>, be_u16).parse(input);
    let Ok((rest, (_, _, kind))) = read else { return false };
    let version = rest.first().map(|byte| byte >> 4);
    match kind {
        ethertype::IPV4 => version == Some(4),
        ethertype::IPV6 => version == Some(6),
        ..ethertype::FIRST => kind > 2 && usize::from(kind) <= rest.len(),
        other => super::is_peeled(other) || other == ethertype::ARP,
    }
}

fn is_ipv4(input: &[u8]) -> bool {
    let len = usize::from(input.first().copied().unwrap_or_default() & 0xf) * 4;
    input.get(..len).is_some_and(checksum::is_sound)
}

fn is_ipv6(input: &[u8]) -> bool {
    let read: Fields<'_, _> = (array::<4>, be_u16).parse(input);
    read.is_ok_and(|(_, (_, len))| usize::from(len) + 40 == input.len())
}

fn cut<T>(fields: Fields<'_, T>) -> Result<(&[u8], T), Skip> {
    fields.map_err(|_| Skip::CutLinkHeader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        decode,
        samples::{ethernet as over_ethernet, frame, hex, ipv4, ipv6, tcp},
    };

    fn read(labels: &str, payload: &[u8]) -> Result<Packet, Skip> {
        decode(&frame(1, &over_ethernet(0x8847, &[hex(labels), payload.to_vec()].concat())))
    }

    fn port(labels: &str, payload: &[u8]) -> Option<u16> {
        read(labels, payload).ok()?.transport.ports().map(|p| p.dst)
    }

    #[test]
    fn ip_is_found_behind_any_number_of_labels() {
        for labels in ["00010140", "00010040 00020140", "00010040 00020040 00030040 00000140"] {
            assert_eq!(port(labels, &ipv4(6, &tcp(2))), Some(80), "{labels}");
            assert_eq!(port(labels, &ipv6(6, &tcp(2))), Some(80), "{labels}");
        }
    }

    #[test]
    fn a_pseudowire_is_opened_with_and_without_its_control_word() {
        let inner = over_ethernet(0x8100, &[hex("000c 0800"), ipv4(6, &tcp(2))].concat());
        for before in ["00010140 00000000", "00010140"] {
            let packet = read(before, &inner).unwrap();
            assert_eq!((packet.transport.ports().map(|p| p.dst), packet.vlan), (Some(80), [12, 0]), "{before}");
        }
    }

    #[test]
    fn a_station_s_address_that_looks_like_a_version_deceives_nobody() {
        for first in [0x40, 0x60, 0x10] {
            let mut inner = over_ethernet(0x0800, &ipv4(6, &tcp(2)));
            inner[0] = first;
            assert_eq!(port("00010140", &inner), Some(80), "{first:#x}");
        }
        // An IPv4 sender, 8.0.69.0, whose address looks like Ethernet's announcement of IPv4.
        let mut sound = hex("45 00 0028 0000 0000 40 06 0000 08004500 0a000001");
        sound.extend(tcp(2));
        let sum: u32 = sound[..20].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
        let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
        sound[10..12].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(read("00010140", &sound).unwrap().src.to_string(), "8.0.69.0");
    }

    #[test]
    fn a_frame_of_labels_alone_ends_the_work() {
        assert_eq!(read(&"00010040".repeat(300), &[]), Err(Skip::TooManyTags));
        assert_eq!(read("00010040 0001", &[]), Err(Skip::CutLinkHeader));
        assert_eq!(read("00010140 10000000", &[0; 40]), Err(Skip::MplsControl));
    }
}
