//! What the bytes of a probe say about the program that made it, and no header field does.
//!
//! In: a probe's record and its bytes. Out: a [`Telltale`]. Scanners that keep no state hide what they need for
//! knowing their answers in the probe itself; where it lies in options or payload, it has to be read while the
//! bytes are at hand. Must not know whose habit it is: `fingerprint` does.
//! Source: RFC 7323 (timestamps), RFC 1035 and 3416 (the numbers of DNS and SNMP questions).
//! Read next: `observe.rs`, `fingerprint/packet.rs`.

use serde::{Deserialize, Serialize};

use super::{Observation, tcp::flags};
use crate::source::Time;

/// The most that a sender's clock and the capture's may differ, in seconds.
const CLOCKS_DIFFER: i64 = 5;

/// Length of the options that are looked at: MSS, SACK permitted, timestamps, a filler, window scale.
const OPTIONS: usize = 20;

/// The port of DNS.
pub const DNS: u16 = 53;
/// The port of SNMP.
pub const SNMP: u16 = 161;

/// What stands in a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Telltale {
    /// Nothing that tells.
    #[default]
    None,
    /// The TCP timestamp of a SYN is the time of day in seconds, where kernels count milliseconds from a secret start.
    TimeOfDay,
    /// The number of a question over UDP is the IP identification, with target and port taken out by XOR.
    Bound,
}

/// Looks at a segment, `headers` being the frame up to its payload.
#[inline]
pub(super) fn of_segment(o: &Observation, headers: &[u8]) -> Telltale {
    if o.flags & (flags::SYN | flags::ACK) != flags::SYN || o.payload_len != 0 {
        return Telltale::None;
    }
    match headers.last_chunk::<OPTIONS>() {
        Some(
            [2, 4, _, _, 4, 2, 8, 10, clock @ .., 0, 0, 0, 0, 1, 3, 3, _]
            | [2, 4, _, _, 1, 3, 3, _, 4, 2, 8, 10, clock @ .., 0, 0, 0, 0],
        ) => {
            let differ = i64::from(u32::from_be_bytes(*clock)) - o.stamp.0 / Time::SECOND;
            if differ.abs() <= CLOCKS_DIFFER { Telltale::TimeOfDay } else { Telltale::None }
        }
        _ => Telltale::None,
    }
}

/// Looks at a datagram: DNS has its number in front, SNMP with a community of six letters at the twentieth byte.
#[inline]
pub(super) fn of_datagram(o: &Observation, payload: &[u8]) -> Telltale {
    if !matches!(o.dst_port, DNS | SNMP) {
        return Telltale::None;
    }
    let Some(dst) = o.dst.as_v4() else { return Telltale::None };
    let at = if o.dst_port == DNS { 0 } else { 19 };
    let Some(&[high, low]) = payload.get(at..at + 2) else { return Telltale::None };
    let bound = o.ip_id ^ dst as u16 ^ o.dst_port;
    if u16::from_be_bytes([high, low]) == bound { Telltale::Bound } else { Telltale::None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Class, classify, decode, observe,
        samples::{ethernet, frame, hex, ipv4, tcp},
    };
    use crate::source::Frame;

    fn seen(bytes: &[u8], seconds: i64) -> Observation {
        let frame = Frame { stamp: Time(seconds * Time::SECOND), ..frame(1, bytes) };
        let packet = decode(&frame).unwrap();
        let Class::Evidence(kind) = classify(&packet) else { panic!("{packet:?}") };
        observe(&frame, &packet, kind)
    }

    fn syn(options: &str) -> Vec<u8> {
        let mut segment = [tcp(2), hex(options)].concat();
        segment[12] = (segment.len() as u8) << 2;
        ethernet(0x0800, &ipv4(6, &segment))
    }

    #[test]
    fn a_timestamp_that_is_the_time_of_day_tells() {
        let now = 0x6922_0000;
        for options in
            ["020405b4 0402 080a 69220003 00000000 01 030307", "020405b4 01 030306 0402 080a 6921fffe 00000000"]
        {
            assert_eq!(seen(&syn(options), now).telltale, Telltale::TimeOfDay, "{options}");
            assert_eq!(seen(&syn(options), now + 10).telltale, Telltale::None, "{options}: ten seconds off");
            assert_eq!(seen(&syn(options)[..60], now).telltale, Telltale::None, "{options}: cut");
        }
        for options in ["020405b4", "020405b4 0402 080a 69220003 00000001 01 030307"] {
            assert_eq!(seen(&syn(options), now).telltale, Telltale::None, "{options}: an echo is no first word");
        }
    }

    #[test]
    fn a_question_whose_number_is_bound_to_its_ip_identification_tells() {
        // 10.0.0.1 and identification 0x1c46 are the sample's.
        let dns = |number: &str| {
            let question = format!("c23c 0035 0014 0000 {number} 0100 0001 0000 0000 0000");
            seen(&ethernet(0x0800, &ipv4(17, &hex(&question))), 0).telltale
        };
        let bound = 0x1c46 ^ 1 ^ 0x35;
        assert_eq!(dns(&format!("{bound:04x}")), Telltale::Bound);
        assert_eq!(dns("1c46"), Telltale::None);
        let snmp = |number: u16| {
            let text = format!("c23c 00a1 0043 0000 3039 020100 04067075626c6963 a02c 0204 4bfc{number:04x} 020100");
            seen(&ethernet(0x0800, &ipv4(17, &hex(&text))), 0).telltale
        };
        assert_eq!((snmp(0x1c46 ^ 1 ^ 0xa1), snmp(7)), (Telltale::Bound, Telltale::None));
    }
}
