//! Frames cut into fragments, by hand: pnet has no word for them.
//!
//! In: an Ethernet frame of IPv4 or IPv6 without options. Out: frames of its pieces.
//! Source: RFC 791 section 3.2, RFC 8200 section 4.5.

use pnet::packet::ipv4;

const ETHERNET: usize = 14;

/// What a frame's IP datagram carries, where its IP header ends, and whether that is IPv6's.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    &frame[if is_v6(frame) { ETHERNET + 40 } else { ETHERNET + 20 }..end(frame)]
}

/// Where the datagram ends: short frames are padded.
fn end(frame: &[u8]) -> usize {
    let number = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
    if is_v6(frame) { ETHERNET + 40 + number(18) } else { ETHERNET + number(16) }
}

fn is_v6(frame: &[u8]) -> bool {
    frame[12..14] == [0x86, 0xdd]
}

/// The frame of one piece with these bytes in it, which begin at `offset`.
pub(crate) fn piece(frame: &[u8], id: u16, offset: usize, more: bool, bytes: &[u8]) -> Vec<u8> {
    assert_eq!(offset % 8, 0, "offsets count words of eight");
    if is_v6(frame) {
        let mut piece = frame[..ETHERNET + 40].to_vec();
        let next = std::mem::replace(&mut piece[ETHERNET + 6], 44);
        piece[ETHERNET + 4..ETHERNET + 6].copy_from_slice(&(8 + bytes.len() as u16).to_be_bytes());
        let place = offset as u16 | u16::from(more);
        piece.extend([next, 0]);
        piece.extend(place.to_be_bytes());
        piece.extend(u32::from(id).to_be_bytes());
        piece.extend(bytes);
        return piece;
    }
    let mut piece = frame[..ETHERNET + 20].to_vec();
    let place = (offset / 8) as u16 | u16::from(more) << 13;
    for (at, number) in [(2, 20 + bytes.len() as u16), (4, id), (6, place), (10, 0)] {
        piece[ETHERNET + at..ETHERNET + at + 2].copy_from_slice(&number.to_be_bytes());
    }
    let sum = ipv4::checksum(&ipv4::Ipv4Packet::new(&piece[ETHERNET..]).unwrap());
    piece[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
    piece.extend(bytes);
    piece
}

/// The whole frame in pieces of `size` bytes, in order.
pub(crate) fn cut(frame: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    let payload = payload(frame);
    let offsets = (0..payload.len()).step_by(size);
    let one = |at: usize| {
        let end = (at + size).min(payload.len());
        piece(frame, id, at, end < payload.len(), &payload[at..end])
    };
    offsets.map(one).collect()
}
