//! Packets for the tests of this folder. Read next: `scatter.rs`.

use crate::{
    decode::{Address, Kind, Marks, Observation},
    source::Time,
};

/// A packet from 10.0.0.2 to 10.0.0.1.
pub(super) fn packet(kind: Kind, src_port: u16, dst_port: u16) -> Observation {
    Observation {
        src: Address::v4([10, 0, 0, 2]),
        dst: Address::v4([10, 0, 0, 1]),
        stamp: Time(0),
        clock: Time(0),
        seq: 0,
        tcp_seq: 0,
        tcp_ack: 0,
        src_port,
        dst_port,
        window: 0,
        ip_id: 0,
        payload_len: 0,
        vlan: [0; 2],
        marks: Marks::default(),
        mac: [0; 6],
        protocol: 6,
        kind,
        flags: 0,
        ttl: 64,
        tos: 0,
        icmp_type: 0,
        icmp_code: 0,
        telltale: crate::decode::Telltale::None,
    }
}
