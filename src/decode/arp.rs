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
