//! Plain TCP data over Ethernet, told at a glance: what most frames of most networks are.
//!
//! In: a frame. Out: true when `decode` and `classify` would come to [`super::Class::Plain`]; false means
//! nothing, and the frame takes the long way. It looks at fields where they stand when nothing
//! unusual comes before them (no tag, no IP options, no extension header), which costs a
//! quarter of decoding. A property test holds the two ways together.
//! Must not accept what the long way would not: an evader would go through here unseen.
//! Read next: `class.rs` (what plain means).

use super::{
    ftp::CONTROL,
    link::{ETHERNET, ethertype},
    tcp::flags::{ACK, PSH},
    transport::protocol,
};
use crate::source::Frame;

const ETHERNET_HEADER: usize = 14;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;

/// Whether the frame is plain TCP data and shows it at once. Use it before `decode` where
/// nothing is wanted of plain frames but their number.
#[inline]
#[must_use]
pub fn is_plain(frame: &Frame<'_>) -> bool {
    let Some((link, network)) = frame.bytes.split_first_chunk::<ETHERNET_HEADER>() else { return false };
    if frame.link.0 != ETHERNET {
        return false;
    }
    match u16::from_be_bytes([link[12], link[13]]) {
        ethertype::IPV4 => ipv4(network),
        ethertype::IPV6 => ipv6(network),
        _ => false,
    }
}

#[inline]
fn ipv4(network: &[u8]) -> bool {
    let Some((header, segment)) = network.split_first_chunk::<IPV4_HEADER>() else { return false };
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
    header[0] == 0x45
        && fragment == 0
        && header[9] == protocol::TCP
        && total.checked_sub(IPV4_HEADER).is_some_and(|sent| tcp(segment, sent))
}

#[inline]
fn ipv6(network: &[u8]) -> bool {
    let Some((header, segment)) = network.split_first_chunk::<IPV6_HEADER>() else { return false };
    let sent = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // Addresses that begin with 0 may be IPv4's in disguise: the long way looks closer.
    header[0] >> 4 == 6 && header[6] == protocol::TCP && header[8] != 0 && header[24] != 0 && tcp(segment, sent)
}

#[inline]
fn tcp(segment: &[u8], sent: usize) -> bool {
    let Some(header) = segment.first_chunk::<TCP_HEADER>() else { return false };
    let header_len = usize::from(header[12] >> 4) * 4;
    // Who talks over FTP's control channel says at which doors there will be knocks: the long way listens.
    let ports = [[header[0], header[1]], [header[2], header[3]]];
    (header[13] == ACK || header[13] == ACK | PSH)
        && header_len >= TCP_HEADER
        && header_len <= sent
        && !ports.contains(&CONTROL.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{
        Class, classify, decode,
        samples::{ethernet, frame, hex, ipv4 as over_v4, ipv6 as over_v6, tcp},
    };

    fn long_way(bytes: &[u8]) -> bool {
        decode(&frame(1, bytes)).is_ok_and(|packet| classify(&packet) == Class::Plain)
    }

    #[test]
    fn data_and_acks_are_known_at_a_glance() {
        for flags in [ACK, ACK | PSH] {
            assert!(is_plain(&frame(1, &ethernet(0x0800, &over_v4(6, &tcp(flags))))));
            assert!(is_plain(&frame(1, &ethernet(0x86dd, &over_v6(6, &tcp(flags))))));
        }
        assert!(!is_plain(&frame(1, &ethernet(0x0800, &over_v4(6, &tcp(2))))));
    }

    #[test]
    fn behind_a_tag_or_another_link_the_long_way_decides() {
        let tagged = ethernet(0x8100, &[hex("000c 0800"), over_v4(6, &tcp(ACK))].concat());
        assert!(!is_plain(&frame(1, &tagged)) && long_way(&tagged));
        assert!(!is_plain(&frame(101, &ethernet(0x0800, &over_v4(6, &tcp(ACK))))));
    }

    proptest! {
        #[test]
        fn nothing_passes_at_a_glance_that_the_long_way_would_stop(
            flags in prop_oneof![Just(ACK), Just(ACK | PSH), any::<u8>()],
            ipv6: bool,
            damage in prop::collection::vec((0..80_usize, any::<u8>()), 0..3),
            len in 0..90_usize,
        ) {
            let segment = [tcp(flags), vec![0; 12]].concat();
            let mut bytes =
                if ipv6 { ethernet(0x86dd, &over_v6(6, &segment)) } else { ethernet(0x0800, &over_v4(6, &segment)) };
            for (at, byte) in damage {
                if let Some(field) = bytes.get_mut(at) {
                    *field = byte;
                }
            }
            bytes.truncate(len);
            prop_assert!(!is_plain(&frame(1, &bytes)) || long_way(&bytes), "{:02x?}", bytes);
        }
    }
}
