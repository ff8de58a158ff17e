//! Packets for the tests of this folder. Read next: `scatter.rs`.

use crate::decode::{Address, Kind, Observation};

/// A packet from 10.0.0.2 to 10.0.0.1.
pub(super) fn packet(kind: Kind, src_port: u16, dst_port: u16) -> Observation {
    Observation {
        src: Address::v4([10, 0, 0, 2]),
        dst: Address::v4([10, 0, 0, 1]),
        src_port,
        dst_port,
        protocol: 6,
        kind,
        ttl: 64,
        ..Observation::BLANK
    }
}
