//! ARP, RFC 826: who asks for whom, over IPv4.
//!
//! In: what the link says is ARP. Out: both protocol addresses and the operation.
//! Hardware addresses of any length are stepped over: who sent it, the link says.
//! Read next: `class.rs`.

use nom::{Parser, bytes::complete::take};

use super::{
    Address, Packet, Skip, Transport,
    body::{Fields, array, be_u16},
    observation,
};

const IPV4: u16 = 0x0800;

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
    /// Reverse and inverse ARP, and what else uses the format.
    Other,
}

/// Reads a packet; padding behind it is ignored.
pub(super) fn read(input: &[u8], packet: &mut Packet) -> Result<(), Skip> {
    let (rest, (network, [hardware_len, network_len], operation)) = header(input).map_err(|_| Skip::CutArp)?;
    if network != IPV4 || network_len != 4 {
        return Err(Skip::ForeignArp);
    }
    let (_, (src, dst)) = addresses(rest, hardware_len).map_err(|_| Skip::CutArp)?;
    (packet.src, packet.dst, packet.protocol) = (Address::v4(src), Address::v4(dst), observation::ARP);
    packet.transport = Transport::Arp(match operation {
        1 => Operation::Request,
        2 => Operation::Reply,
        _ => Operation::Other,
    });
    Ok(())
}

/// Network type, address lengths, operation.
fn header(input: &[u8]) -> Fields<'_, (u16, [u8; 2], u16)> {
    let (rest, (_hardware, network, lengths, operation)) = (be_u16, be_u16, array::<2>, be_u16).parse(input)?;
    Ok((rest, (network, lengths, operation)))
}

/// Sender and target.
fn addresses(input: &[u8], hardware_len: u8) -> Fields<'_, ([u8; 4], [u8; 4])> {
    let (rest, (_, src, _, dst)) = (take(hardware_len), array::<4>, take(hardware_len), array::<4>).parse(input)?;
    Ok((rest, (src, dst)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::{address, ethernet, frame, hex};

    fn arp(text: &str) -> Result<Packet, Skip> {
        crate::decode::decode(&frame(1, &ethernet(0x0806, &hex(text))))
    }

    #[test]
    fn who_asks_for_whom_is_read_and_padding_is_not() {
        // As Linux sends it, padded to the shortest Ethernet frame.
        let request = "0001 0800 06 04 0001 020000000002 0a000002 000000000000 0a000009 000000000000";
        let packet = arp(request).unwrap();
        assert_eq!((packet.src, packet.dst), (address("10.0.0.2"), address("10.0.0.9")));
        assert_eq!((packet.protocol, packet.transport), (observation::ARP, Transport::Arp(Operation::Request)));
        let reply = arp("0001 0800 06 04 0002 020000000009 0a000009 020000000002 0a000002").unwrap();
        assert_eq!(reply.transport, Transport::Arp(Operation::Reply));
    }

    #[test]
    fn hardware_addresses_of_other_lengths_do_not_shift_the_rest() {
        let packet = arp("0007 0800 01 04 0001 05 0a000002 00 0a000009").unwrap();
        assert_eq!((packet.src, packet.dst), (address("10.0.0.2"), address("10.0.0.9")));
    }

    #[test]
    fn what_is_not_there_or_not_ipv4_is_named() {
        assert_eq!(arp("0001 0800 06 04 0001 020000000002 0a000002 0000"), Err(Skip::CutArp));
        assert_eq!(arp("0001 0800 06"), Err(Skip::CutArp));
        assert_eq!(arp("0001 809b 06 04 0001 020000000002 0a000002 000000000000 0a000009"), Err(Skip::ForeignArp));
    }
}
