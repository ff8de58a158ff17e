//! Capture files of every sort that Tripline reads, written from the same frames.
//!
//! In: stamped frames. Out: the bytes of a file.
//! Source: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.

use super::{Capture, Stamped};

const ETHERNET: u32 = 1;
const SNAPLEN: u32 = 262_144;

/// What the fields of a file are written in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

impl Capture {
    /// The pcap that tcpdump writes here: little-endian, microseconds.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        self.pcap_as(Order::Little, 1_000)
    }

    /// A pcap whose stamps count in units of `unit` nanoseconds: 1,000 or 1.
    pub(crate) fn pcap_as(&self, order: Order, unit: u32) -> Vec<u8> {
        self.pcap_of_link(order, unit, ETHERNET)
    }

    /// The same, claiming any link type.
    pub(crate) fn pcap_of_link(&self, order: Order, unit: u32, link: u32) -> Vec<u8> {
        let magic = if unit == 1 { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        let mut file = Vec::new();
        file.extend(order.u32(magic));
        file.extend(order.u16(2));
        file.extend(order.u16(4));
        for field in [0, 0, SNAPLEN, link] {
            file.extend(order.u32(field));
        }
        for Stamped { stamp, bytes } in &self.frames {
            let (seconds, nanos) = (stamp.div_euclid(super::SECOND), stamp.rem_euclid(super::SECOND));
            let length = bytes.len() as u32;
            for field in [seconds as u32, nanos as u32 / unit, length, length] {
                file.extend(order.u32(field));
            }
            file.extend(bytes);
        }
        file
    }

    /// A pcapng of one section and one interface, stamps in nanoseconds.
    pub(crate) fn pcapng(&self, order: Order) -> Vec<u8> {
        let mut file = Vec::new();
        // Section header: byte order, version 1.0, length unknown.
        let mut section = Vec::from(order.u32(0x1a2b_3c4d));
        section.extend(order.u16(1));
        section.extend(order.u16(0));
        section.extend([0xff; 8]);
        block(&mut file, order, 0x0a0d_0d0a, &section);
        // Interface: Ethernet, and if_tsresol = 10^-9.
        let mut interface = Vec::from(order.u16(ETHERNET as u16));
        interface.extend(order.u16(0));
        interface.extend(order.u32(SNAPLEN));
        interface.extend(order.u16(9));
        interface.extend(order.u16(1));
        interface.extend([9, 0, 0, 0]);
        interface.extend([0; 4]);
        block(&mut file, order, 1, &interface);
        for Stamped { stamp, bytes } in &self.frames {
            let length = bytes.len() as u32;
            let mut packet = Vec::new();
            for field in [0, (stamp >> 32) as u32, *stamp as u32, length, length] {
                packet.extend(order.u32(field));
            }
            packet.extend(bytes);
            packet.resize(packet.len().next_multiple_of(4), 0);
            block(&mut file, order, 6, &packet);
        }
        file
    }
}

fn block(file: &mut Vec<u8>, order: Order, kind: u32, body: &[u8]) {
    let length = order.u32(body.len() as u32 + 12);
    file.extend(order.u32(kind));
    file.extend(length);
    file.extend(body);
    file.extend(length);
}
