//! What scanlogd remembers of one source.
//!
//! In: that source's packets. Out: whether its new ports make a scan.
//! Must not know the other sources.
//! Source: the constants and rules of scanlogd 2.2.8.
//! Read next: `table.rs`.

use serde::{Deserialize, Serialize};
use tripline_plugin::event::Span;

use super::{ACK, RST, TICK};
use crate::{
    decode::{Address, Marks, Observation},
    source::Time,
};

/// Three seconds: the longest pause between new ports.
const PAUSE: i64 = 3 * Time::SECOND / TICK;
/// This much weight is a scan.
const THRESHOLD: u8 = 21;
/// Ports below this weigh [`LOW_WEIGHT`], the others 1: passive FTP and the like live above.
const LOW_PORTS: u16 = 1024;
/// What a low port weighs: seven of them are a scan.
const LOW_WEIGHT: u8 = 3;
/// Ports that are remembered. The one that completes 21 of weight 1 need not be.
const PORTS: usize = 20;

/// A source and the ports that it tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The IPv4 address; 0 for an unused entry.
    pub source: u32,
    /// The first target.
    pub dst: Address,
    /// Other targets followed.
    pub others: bool,
    /// Stamp of its first packet: the time of the line.
    pub start: Time,
    /// Source ports of the packets to new ports.
    pub source_port: Span<u16>,
    /// TTLs of the same.
    pub ttl: Span<u8>,
    /// The first TOS.
    pub tos: u8,
    /// Another TOS followed.
    pub tos_varies: bool,
    /// Flags that some packet to its ports had.
    pub flags_or: u8,
    /// Flags that all of them had.
    pub flags_and: u8,
    /// Some came in fragments.
    pub fragmented: bool,
    /// Packets to its ports, repeats included.
    pub packets: u64,
    /// The weight of all new ports, up to the one that made it a scan.
    pub weight: u8,
    /// When it last had a new port, in ticks.
    touched: i64,
    ports: [u16; PORTS],
    count: usize,
}

/// What a packet of a known source was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// The one that makes it a scan.
    Scan,
    /// Anything else.
    Noted,
}

impl Entry {
    /// One that no source has.
    pub(super) const UNUSED: Self = Self {
        source: 0,
        dst: Address(0),
        others: false,
        start: Time(0),
        source_port: Span { min: 0, max: 0 },
        ttl: Span { min: 0, max: 0 },
        tos: 0,
        tos_varies: false,
        flags_or: 0,
        flags_and: 0,
        fragmented: false,
        packets: 0,
        weight: 0,
        touched: 0,
        ports: [0; PORTS],
        count: 0,
    };

    /// A source that is new, or was forgotten, with its first packet.
    pub(super) fn new(source: u32, packet: &Observation, now: i64) -> Self {
        let mut entry = Self {
            source,
            dst: packet.dst,
            start: packet.stamp,
            source_port: Span { min: packet.src_port, max: packet.src_port },
            ttl: Span { min: packet.ttl, max: packet.ttl },
            tos: packet.tos,
            flags_and: packet.flags,
            weight: weight(packet.dst_port),
            touched: now,
            ..Self::UNUSED
        };
        entry.merge(packet);
        entry.remember(packet.dst_port);
        entry
    }

    /// Whether its last new port is recent enough at `now` (in ticks) to go on counting.
    pub(super) fn is_fresh(&self, now: i64) -> bool {
        // A clock that ran backwards makes it stale, as in the original.
        (0..=PAUSE).contains(&now.saturating_sub(self.touched))
    }

    /// Takes a further packet of this source.
    pub(super) fn probe(&mut self, packet: &Observation, now: i64) -> Probe {
        if self.ports().contains(&packet.dst_port) {
            self.merge(packet);
            return Probe::Noted;
        }
        // An answer, or the end of a connection: perhaps one that the other side opened.
        if packet.flags & (ACK | RST) != 0 {
            return Probe::Noted;
        }
        self.touched = now;
        if self.weight >= THRESHOLD {
            return Probe::Noted;
        }
        self.merge(packet);
        self.others |= packet.dst != self.dst;
        self.tos_varies |= packet.tos != self.tos;
        widen(&mut self.source_port, packet.src_port);
        widen(&mut self.ttl, packet.ttl);
        self.weight += weight(packet.dst_port);
        if self.weight >= THRESHOLD {
            return Probe::Scan;
        }
        self.remember(packet.dst_port);
        Probe::Noted
    }

    /// The ports that it tried, in order; never the one that made it a scan.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        self.ports.get(..self.count).unwrap_or_default()
    }

    /// Its flags in scanlogd's notation: lower case never set, upper case always, `?` sometimes.
    #[must_use]
    pub fn flags(&self) -> String {
        "fsrpauxy"
            .chars()
            .enumerate()
            .map(|(bit, letter)| match (self.flags_or >> bit & 1, self.flags_and >> bit & 1) {
                (0, _) => letter,
                (_, 0) => '?',
                (..) => letter.to_ascii_uppercase(),
            })
            .collect()
    }

    fn merge(&mut self, packet: &Observation) {
        self.flags_or |= packet.flags;
        self.flags_and &= packet.flags;
        self.fragmented |= packet.marks.has(Marks::FRAGMENTED);
        self.packets = self.packets.saturating_add(1);
    }

    fn remember(&mut self, port: u16) {
        if let Some(free) = self.ports.get_mut(self.count) {
            *free = port;
            self.count += 1;
        }
    }
}

fn weight(port: u16) -> u8 {
    if port < LOW_PORTS { LOW_WEIGHT } else { 1 }
}

fn widen<T: Ord + Copy>(span: &mut Span<T>, value: T) {
    span.min = span.min.min(value);
    span.max = span.max.max(value);
}

#[cfg(test)]
mod tests {
    use super::{
        super::{FIN, PSH, URG, by_hand::tcp},
        *,
    };

    #[test]
    fn flags_read_as_in_the_log_of_the_original() {
        let mut entry = Entry::new(1, &tcp(0, 80, FIN | PSH | URG), 0);
        assert_eq!(entry.flags(), "FsrPaUxy");
        entry.probe(&tcp(0, 80, PSH | RST), 0);
        assert_eq!(entry.flags(), "?s?Pa?xy");
        assert_eq!(Entry::new(1, &tcp(0, 80, 0xff), 0).flags(), "FSRPAUXY");
        assert_eq!(Entry::new(1, &tcp(0, 80, 0), 0).flags(), "fsrpauxy");
    }

    #[test]
    fn port_1023_is_low_and_1024_is_not() {
        assert_eq!((weight(0), weight(1023), weight(1024), weight(65_535)), (3, 3, 1, 1));
    }
}
