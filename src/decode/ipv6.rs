//! IPv6, RFC 8200: the fixed header; jumbograms (RFC 2675).
//!
//! In: bytes that the link says are IPv6. Out: the packet's addresses and IP facts, and the
//! [`Body`] behind the last extension header; or why there is none.
//! Read next: `extension.rs` (what may follow the header), then `transport.rs`.

use nom::{Parser, bytes::complete::tag, sequence::preceded};

use super::{
    Address, Packet, Skip,
    body::{Body, Fields, array, be_u8, be_u16, be_u32},
    extension,
};

/// Reads the header of a datagram that begins at the first byte of `input`.
#[inline]
pub(super) fn read<'a>(input: &'a [u8], packet: &mut Packet) -> Result<Body<'a>, Skip> {
    let (rest, (version_class_label, length, next, ttl)) = (be_u32, be_u16, be_u8, be_u8).parse(input).map_err(cut)?;
    let (rest, (src, dst)) = (array::<16>, array::<16>).parse(rest).map_err(cut)?;
    if version_class_label >> 28 != 6 {
        return Err(Skip::BadIpv6Version);
    }
    (packet.src, packet.dst) = (Address::v6(src), Address::v6(dst));
    if packet.src.as_v4().is_some() || packet.dst.as_v4().is_some() {
        return Err(Skip::MappedAddress);
    }
    (packet.ttl, packet.tos) = (ttl, (version_class_label >> 20) as u8);
    let sent = match length {
        0 if next == extension::HOP_BY_HOP => jumbo(rest).map_or(0, |(_, length)| length as usize),
        _ => usize::from(length),
    };
    Ok(extension::walk(Body::new(next, rest, sent), packet))
}

/// The length that stands in a hop-by-hop option when it does not fit the header. The option
/// must lie on a multiple of 4 plus 2, and is the first in practice.
fn jumbo(input: &[u8]) -> Fields<'_, u32> {
    preceded((array::<2>, tag([0xc2, 4].as_slice())), be_u32).parse(input)
}

fn cut(_: nom::Err<()>) -> Skip {
    Skip::CutIpv6Header
}
