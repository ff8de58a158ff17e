//! The Internet checksum, where a decision hangs on it.
//!
//! In: a transport segment and its addresses. Out: whether its checksum holds. Most packets are never
//! asked: senders that offload it would look wrong, and a scan is a scan with wrong ones, too. But what was
//! put together of fragments can be chaff that was mixed among them; no card offloads that checksum, and it
//! tells whether any host could have taken the whole.
//! Source: RFC 1071, RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1.

use super::{Address, transport::protocol};

/// Whether the checksum of a whole TCP, UDP or ICMP segment holds; `true` for what carries none.
#[must_use]
pub fn holds(src: Address, dst: Address, protocol: u8, segment: &[u8]) -> bool {
    let pseudo = match (protocol, src.as_v4(), dst.as_v4()) {
        (protocol::TCP | protocol::UDP, Some(src), Some(dst)) => sum(&src.to_be_bytes()) + sum(&dst.to_be_bytes()),
        (protocol::TCP | protocol::UDP | protocol::ICMPV6, None, None) => {
            sum(&src.0.to_be_bytes()) + sum(&dst.0.to_be_bytes())
        }
        (protocol::ICMP, ..) => return fold(sum(segment)) == 0xffff,
        _ => return true,
    };
    // A UDP datagram over IPv4 may do without (RFC 768).
    let without = protocol == protocol::UDP && src.as_v4().is_some() && segment.get(6..8) == Some(&[0, 0]);
    without || fold(pseudo + u64::from(protocol) + segment.len() as u64 + sum(segment)) == 0xffff
}

/// Whether bytes that hold their own checksum, as an IPv4 header does, are sound.
#[must_use]
pub fn is_sound(bytes: &[u8]) -> bool {
    fold(sum(bytes)) == 0xffff
}

/// Whether the checksum of a whole TCP segment is one that its sender left for the network card to finish: the sum of
/// the pseudo-header alone (Linux), the same without the length (cards that cut large segments), or nothing.
#[must_use]
pub fn is_unfinished(src: Address, dst: Address, segment: &[u8]) -> bool {
    let Some(&[high, low]) = segment.get(16..18).and_then(|field| field.first_chunk()) else { return false };
    let addresses = match (src.as_v4(), dst.as_v4()) {
        (Some(src), Some(dst)) => sum(&src.to_be_bytes()) + sum(&dst.to_be_bytes()),
        _ => sum(&src.0.to_be_bytes()) + sum(&dst.0.to_be_bytes()),
    };
    let without_length = addresses + u64::from(protocol::TCP);
    let left = u64::from(u16::from_be_bytes([high, low]));
    left == 0 || left == fold(without_length) || left == fold(without_length + segment.len() as u64)
}

/// The sum of all 16-bit words, not yet folded; an odd last byte is padded with zero.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |&byte| u64::from(byte) << 8);
    words.iter().map(|&word| u64::from(u16::from_be_bytes(word))).sum::<u64>() + last
}

fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071, section 3.
    #[test]
    fn words_are_added_with_end_around_carry() {
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
    }

    #[test]
    fn what_a_card_was_to_finish_is_told_from_what_is_wrong() {
        let (src, dst) = (Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]));
        let mut segment = [7; 24];
        for (left, unfinished) in [([0x14, 0x21], true), ([0x14, 0x09], true), ([0, 0], true), ([0x14, 0x20], false)] {
            segment[16..18].copy_from_slice(&left);
            assert_eq!(is_unfinished(src, dst, &segment), unfinished, "{left:02x?}");
            assert!(!holds(src, dst, protocol::TCP, &segment));
        }
        assert!(!is_unfinished(src, dst, &[0; 17]));
    }

    /// Made by hand: a UDP datagram of four bytes, its checksum computed on paper.
    #[test]
    fn a_changed_byte_is_noticed() {
        let (src, dst) = (Address::v4([10, 0, 0, 1]), Address::v4([10, 0, 0, 2]));
        let mut datagram = [0x00, 0x35, 0x00, 0x35, 0x00, 0x0c, 0, 0, b'a', b'b', b'c', b'd'];
        let pseudo = [10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 0, 12];
        let checksum = !(fold(sum(&pseudo) + sum(&datagram)) as u16);
        datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        assert!(holds(src, dst, protocol::UDP, &datagram));
        datagram[9] ^= 1;
        assert!(!holds(src, dst, protocol::UDP, &datagram));
        assert!(holds(src, dst, protocol::UDP, &[0; 8]), "none is none");
    }
}
