//! Headers written out byte by byte, for the tests of this folder.
//!
//! In: what lies in a header. Out: both, as they go over a wire; checksums are 0, for nobody
//! looks. The frames run from host 2 to host 1 of 10.0.0.0/24 or `fd00::/64`.
//! Read next: `mod.rs`.

use super::{Address, Packet, Skip, Tunnel, decode, through};
use crate::source::{Frame, LinkType, Time};

/// Bytes from hexadecimal text; blanks are for the eye.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit) as u8).collect()
}

/// Bytes as a frame of a link type.
pub(super) fn frame(link: u32, bytes: &[u8]) -> Frame<'_> {
    let wire_len = bytes.len() as u32;
    Frame { bytes, wire_len, link: LinkType(link), stamp: Time(7), clock: Time(8), seq: 9, number: 10 }
}

/// A frame that begins with an IP header.
pub(super) fn raw(bytes: &[u8]) -> Result<Packet, Skip> {
    decode(&frame(101, bytes))
}

/// The same of one that is a tunnel's, with the tunnel; `None` when it is none's.
pub(super) fn tunnelled(bytes: &[u8]) -> Option<(Packet, Tunnel)> {
    let tunnel = through(&frame(101, bytes));
    let packet = raw(bytes).unwrap();
    tunnel.map(|tunnel| (packet, tunnel))
}

pub(super) fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&hex("020000000001 020000000002"), &kind.to_be_bytes()[..], payload].concat()
}

pub(super) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = hex("45 00 0000 1c46 4000 40 00 0000 0a000002 0a000001");
    bytes[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
    bytes[9] = protocol;
    bytes.extend(payload);
    bytes
}

pub(super) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = hex("6 00 00000 0000 00 40");
    bytes[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    bytes[6] = next;
    for host in ["fd00::2", "fd00::1"] {
        bytes.extend(address(host).0.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// A segment from port 49724 to 80, without options.
pub(super) fn tcp(flags: u8) -> Vec<u8> {
    let mut bytes = hex("c23c 0050 00000001 00000002 50 00 0400 0000 0000");
    bytes[13] = flags;
    bytes
}

/// A datagram; its length is right, its checksum 0.
pub(super) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    [&src.to_be_bytes()[..], &dst.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_what_they_say() {
        assert_eq!(hex("0 a ff"), [0x0a, 0xff]);
        let packet = decode(&frame(1, &ethernet(0x86dd, &ipv6(6, &tcp(2))))).unwrap();
        assert_eq!((packet.src, packet.dst, packet.payload_len), (address("fd00::2"), address("fd00::1"), 0));
        assert_eq!(raw(&ipv4(6, &tcp(2))).unwrap().flaw, None);
    }
}
