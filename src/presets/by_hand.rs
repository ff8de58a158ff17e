//! Packets made by hand for the tests of the presets.
//!
//! In: a time, a port, flags. Out: an [`Observation`]. Only tests see it. Must not know what a preset makes of them.
//! Read next: `scanlogd/mod.rs`, whose tests read like a description of the original.

use crate::{
    decode::{Address, Kind, Marks, Observation},
    source::Time,
};

/// A TCP packet of 10.0.0.2 at so many milliseconds.
pub(super) fn tcp(millis: i64, port: u16, flags: u8) -> Observation {
    let time = Time(1_000 * Time::SECOND + millis * 1_000_000);
    Observation {
        src: Address::v4([10, 0, 0, 2]),
        dst: Address::v4([10, 0, 0, 1]),
        stamp: time,
        clock: time,
        seq: 0,
        tcp_seq: 0,
        tcp_ack: 0,
        src_port: 40_000,
        dst_port: port,
        window: 1024,
        ip_id: 0,
        payload_len: 0,
        vlan: [0; 2],
        marks: Marks::default(),
        mac: [2, 0, 0, 0, 0, 2],
        protocol: 6,
        kind: Kind::Tcp,
        flags,
        ttl: 50,
        tos: 0,
        icmp_type: 0,
        icmp_code: 0,
        telltale: crate::decode::Telltale::None,
    }
}

/// The same from another source.
pub(super) fn of(src: [u8; 4], packet: Observation) -> Observation {
    Observation { src: Address::v4(src), ..packet }
}

/// What 10.0.0.1 sends back from a port.
pub(super) fn answer(millis: i64, port: u16, flags: u8) -> Observation {
    let there = tcp(millis, port, flags);
    Observation { src: there.dst, dst: there.src, src_port: there.dst_port, dst_port: there.src_port, ..there }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_back_where_the_question_came_from() {
        let (there, back) = (tcp(0, 80, 2), answer(1, 80, 18));
        assert_eq!((there.src, there.src_port), (back.dst, back.dst_port));
        assert_eq!((there.dst, there.dst_port), (back.src, back.src_port));
        assert_eq!(of([1, 2, 3, 4], there).src.to_string(), "1.2.3.4");
    }
}
