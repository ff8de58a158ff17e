//! IPv4, RFC 791: header, options, fragments.
//!
//! In: bytes that the link says are IPv4. Out: the packet's addresses and IP facts, and the
//! [`Body`] behind the header; or why there is none.
//! Options are stepped over, not read. Checksums are not verified: captures at the sender
//! hold unfinished ones, and a scanner's wrong one is a probe all the same.
//! Read next: `ipv6.rs`, then `transport.rs`.

use nom::Parser;

use super::{
    Address, Fragment, Marks, Packet, Skip,
    body::{Body, array, be_u8, be_u16},
    extension,
};

const HEADER: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Reads the header of a datagram that begins at the first byte of `input`.
#[inline]
pub(super) fn read<'a>(input: &'a [u8], packet: &mut Packet) -> Result<Body<'a>, Skip> {
    let (rest, (version_and_length, tos, total, ip_id, flags_and_offset)) =
        (be_u8, be_u8, be_u16, be_u16, be_u16).parse(input).map_err(cut)?;
    let (rest, (ttl, protocol, _checksum, src, dst)) =
        (be_u8, be_u8, be_u16, array::<4>, array::<4>).parse(rest).map_err(cut)?;

    if version_and_length >> 4 != 4 {
        return Err(Skip::BadIpv4Version);
    }
    let header_len = usize::from(version_and_length & 0xf) * 4;
    let options_len = header_len.checked_sub(HEADER).ok_or(Skip::BadIpv4HeaderLength)?;
    // A capture at the sender, before the card cut it into segments (TSO), has 0 here:
    // then all that is there belongs to it.
    let total = if total == 0 { input.len().max(header_len) } else { usize::from(total) };
    let sent = total.checked_sub(header_len).ok_or(Skip::BadIpv4TotalLength)?;

    (packet.src, packet.dst) = (Address::v4(src), Address::v4(dst));
    (packet.ttl, packet.tos, packet.ip_id) = (ttl, tos, ip_id);
    if options_len > 0 {
        packet.marks.set(Marks::IP_OPTIONS);
    }
    if flags_and_offset & DONT_FRAGMENT != 0 {
        packet.marks.set(Marks::DONT_FRAGMENT);
    }
    if flags_and_offset & (MORE_FRAGMENTS | OFFSET) != 0 {
        packet.fragment = Some(Fragment {
            id: u32::from(ip_id),
            offset: (flags_and_offset & OFFSET) << 3,
            more: flags_and_offset & MORE_FRAGMENTS != 0,
            next: protocol,
        });
    }
    let following = rest.get(options_len..).unwrap_or_else(|| {
        packet.flaw = Some(Skip::CutIpv4Options);
        &[]
    });
    Ok(extension::authenticated(Body::new(protocol, following, sent), packet))
}

fn cut(_: nom::Err<()>) -> Skip {
    Skip::CutIpv4Header
}
