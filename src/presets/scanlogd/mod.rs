//! The preset `scanlogd`: what Openwall scanlogd 2.2.8 would have logged, packet for packet.
//!
//! In: every TCP observation over IPv4, in order, **plain ACKs and data included**: the
//! original on a raw socket sees them, and they colour the flags of its lines (`a`, `p`
//! become `?`). Fragments come after reassembly. Out: now and then a [`Report`].
//! Its original has one small table for everybody, so this runs in sequence. It must not
//! know the wall clock nor how a line looks.
//!
//! The rules, in the order in which a packet meets them:
//!
//! 1. A source that is known, and had a new port within 3 s: a port of its list only
//!    merges its flags; an ACK or RST to another is an answer, not a probe; any other
//!    packet to another port is a new port. It refreshes the source's time, and unless the
//!    scan was reported already it merges its flags, notes what changed, and adds its weight.
//! 2. At weight 21 the scan is reported, once: new ports then only refresh the time, so it
//!    is forgotten, and may be reported again, after 3 s without.
//! 3. A source that was quiet for longer is forgotten and, like a new one, entered by any
//!    packet without ACK.
//!
//! Source: the behaviour of scanlogd 2.2.8 and its manual page scanlogd(8); its article in
//! Phrack 53, "Designing and Attacking Port Scan Detection Tools".
//! Read next: `entry.rs` (a source), `table.rs` (which sources are remembered), `flood.rs`
//! (when it falls silent), `report.rs` (the event).

mod entry;
mod flood;
mod report;
mod table;

use std::io;

pub use entry::Entry;
pub use report::Report;

use entry::Probe;
use flood::{Flood, Line};
use table::Table;

#[cfg(test)]
use super::by_hand;
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Kind, Observation},
    source::Time,
};

/// The original counts in ticks of times(2), 100 a second: a pause of 3.009 s may still
/// count as 3 s. Where a tick begins is chance there, and the clock's zero here.
const TICK: i64 = Time::SECOND / 100;

// TCP flags (RFC 9293, 3.1).
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;

/// IP protocol number of TCP.
const TCP: u8 = 6;

/// Everything scanlogd remembers: 256 sources, and when it logged last.
#[derive(Debug, Default)]
pub struct ScanlogdState {
    table: Table,
    flood: Flood,
}

impl ScanlogdState {
    /// Takes the next packet. What is not TCP over IPv4 is none of its business.
    ///
    /// `clock` must not run backwards. Never allocates but for a report.
    pub fn packet(&mut self, packet: &Observation) -> Option<Report> {
        let source = match (packet.kind, packet.protocol, packet.src.as_v4()) {
            // 0.0.0.0 marks an unused entry in the original, which therefore ignores it.
            (Kind::Tcp, TCP, Some(source)) if source != 0 => source,
            _ => return None,
        };
        let now = packet.clock.0.div_euclid(TICK);
        if let Some(entry) = self.table.get_mut(source) {
            if entry.is_fresh(now) {
                return match entry.probe(packet, now) {
                    Probe::Scan => {
                        let entry = *entry;
                        self.log(entry, packet, now)
                    }
                    Probe::Noted => None,
                };
            }
            self.table.forget(source);
        }
        if packet.flags & ACK == 0 {
            self.table.admit(Entry::new(source, packet, now));
        }
        None
    }

    /// A scan was recognised: what the log gets of it.
    fn log(&mut self, entry: Entry, packet: &Observation, now: i64) -> Option<Report> {
        match self.flood.line(now) {
            Line::Scan => Some(Report::Scan { entry: Box::new(entry), decided_by: *packet }),
            Line::MoreFollow => Some(Report::MoreFollow { decided_by: *packet }),
            Line::Nothing => None,
        }
    }
}

impl Kept for ScanlogdState {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { table, flood } = self;
        table.keep(to)?;
        flood.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.table.resume(from)?;
        self.flood.resume(from)
    }
}

#[cfg(test)]
mod tests {
    use super::{by_hand::*, *};
    use crate::decode::Address;

    /// Feeds packets and tells the scans that were reported.
    fn scans(state: &mut ScanlogdState, packets: impl IntoIterator<Item = Observation>) -> Vec<Entry> {
        packets
            .into_iter()
            .filter_map(|packet| match state.packet(&packet) {
                Some(Report::Scan { entry, .. }) => Some(*entry),
                Some(Report::MoreFollow { .. }) | None => None,
            })
            .collect()
    }

    fn run(packets: impl IntoIterator<Item = Observation>) -> Vec<Entry> {
        scans(&mut ScanlogdState::default(), packets)
    }

    #[test]
    fn seven_low_ports_are_a_scan_and_the_seventh_is_not_listed() {
        assert!(run((1..=6).map(|port| tcp(0, port, SYN))).is_empty());
        let found = run((1..=7).map(|port| tcp(0, port, SYN)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].ports(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn of_high_ports_it_takes_21() {
        assert!(run((1024..1044).map(|port| tcp(0, port, SYN))).is_empty());
        let found = run((1024..1045).map(|port| tcp(0, port, SYN)));
        assert_eq!(found[0].ports(), (1024..1044).collect::<Vec<u16>>());
    }

    #[test]
    fn a_pause_of_more_than_three_seconds_between_new_ports_starts_anew() {
        assert_eq!(run((1..=7).map(|port| tcp(3_000 * i64::from(port), port, SYN))).len(), 1);
        assert!(run((1..=7).map(|port| tcp(3_010 * i64::from(port), port, SYN))).is_empty());
    }

    #[test]
    fn a_known_port_does_not_refresh_the_time() {
        let mut packets: Vec<_> = (1..=6).map(|port| tcp(0, port, SYN)).collect();
        packets.extend([tcp(2_000, 6, SYN), tcp(4_000, 7, SYN)]);
        assert!(run(packets).is_empty());
    }

    #[test]
    fn a_scan_is_reported_once_until_three_seconds_without_new_ports() {
        let mut state = ScanlogdState::default();
        let fast = (1..=500).map(|port| tcp(20 * i64::from(port), port, SYN));
        assert_eq!(scans(&mut state, fast).len(), 1);
        assert!(scans(&mut state, (501..=507).map(|port| tcp(13_000, port, SYN))).is_empty(), "3 s, still known");
        let again = scans(&mut state, (1..=7).map(|port| tcp(16_010, port, SYN)));
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].start, tcp(16_010, 1, SYN).stamp);
    }

    #[test]
    fn an_ack_never_makes_a_source_known_nor_a_port_new() {
        assert!(run((1..=50).map(|port| tcp(0, port, SYN | ACK))).is_empty());
        let mut packets = vec![tcp(0, 1, SYN)];
        packets.extend((2..=50).map(|port| tcp(0, port, FIN | ACK)));
        assert!(run(packets).is_empty());
    }

    #[test]
    fn a_reset_makes_a_source_known_but_no_further_port_new() {
        assert!(run((1..=50).map(|port| tcp(0, port, RST))).is_empty());
        let mut packets = vec![tcp(0, 1, RST)];
        packets.extend((2..=7).map(|port| tcp(0, port, SYN)));
        assert_eq!(run(packets)[0].ports(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn an_ack_from_a_source_that_was_quiet_too_long_forgets_it() {
        let mut packets: Vec<_> = (1..=6).map(|port| tcp(0, port, SYN)).collect();
        packets.push(tcp(3_010, 1, ACK));
        packets.extend((1..=6).map(|port| tcp(3_020, port, SYN)));
        assert!(run(packets).is_empty());
    }

    #[test]
    fn flags_of_known_ports_are_merged_whatever_they_are_and_the_deciding_ones_too() {
        let mut packets: Vec<_> = (1..=6).map(|port| tcp(0, port, SYN)).collect();
        packets.extend([tcp(0, 1, RST), tcp(0, 2, ACK | PSH), tcp(0, 9, URG | ACK), tcp(0, 7, FIN)]);
        let found = run(packets);
        assert_eq!((found[0].flags_or, found[0].flags_and), (FIN | SYN | RST | PSH | ACK, 0));
    }

    #[test]
    fn what_changed_among_new_ports_is_noted_and_repeats_do_not_count() {
        let repeat = Observation { ttl: 1, tos: 9, src_port: 1, dst: Address::v4([10, 0, 0, 9]), ..tcp(0, 1, SYN) };
        let mut packets = vec![tcp(0, 1, SYN), repeat];
        packets.extend((2..=7).map(|port| tcp(0, port, SYN)));
        let same = run(packets.clone())[0];
        assert_eq!((same.ttl.min, same.ttl.max, same.tos_varies, same.others), (50, 50, false, false));
        assert_eq!((same.source_port.min, same.source_port.max), (40_000, 40_000));

        packets[7] = Observation { dst_port: 7, ..repeat };
        let changed = run(packets)[0];
        assert_eq!((changed.ttl.min, changed.ttl.max, changed.tos_varies, changed.others), (1, 50, true, true));
        assert_eq!((changed.source_port.min, changed.source_port.max), (1, 40_000));
        assert_eq!((changed.dst, changed.tos), (Address::v4([10, 0, 0, 1]), 0), "the first ones are printed");
    }

    #[test]
    fn only_tcp_over_ipv4_from_a_real_address_counts() {
        let other = |change: fn(&mut Observation)| {
            run((1..=9).map(|port| {
                let mut packet = tcp(0, port, SYN);
                change(&mut packet);
                packet
            }))
        };
        assert!(other(|p| p.src = Address::v4([0; 4])).is_empty());
        assert!(other(|p| p.src = Address::v6([0xfd; 16])).is_empty());
        assert!(other(|p| (p.kind, p.protocol) = (Kind::Udp, 17)).is_empty());
        assert!(other(|p| p.kind = Kind::IcmpError).is_empty(), "a quoted SYN is not a SYN");
        assert_eq!(other(|_| ()).len(), 1);
    }

    #[test]
    fn sixteen_others_of_its_hash_make_a_source_forgotten() {
        // In memory, low byte first, i << 9 | i: folded by 9 bits, all are 0.
        let same_hash = |i: u32| (i << 9 | i).to_le_bytes();
        for (others, expected) in [(15, 1), (16, 0)] {
            let mut packets: Vec<_> = (1..=6).map(|port| of(same_hash(1), tcp(0, port, SYN))).collect();
            packets.extend((2..2 + others).map(|i| of(same_hash(i), tcp(0, 80, SYN))));
            packets.push(of(same_hash(1), tcp(0, 7, SYN)));
            assert_eq!(run(packets).len(), expected, "{others} others");
        }
    }

    #[test]
    fn the_table_holds_256_sources_the_oldest_goes_first() {
        for (others, expected) in [(255_u16, 1), (256, 0)] {
            let mut packets: Vec<_> = (1..=6).map(|port| tcp(0, port, SYN)).collect();
            packets.extend((0..others).map(|i| of([172, 16, (i >> 8) as u8, i as u8], tcp(0, 80, SYN))));
            packets.push(tcp(0, 7, SYN));
            assert_eq!(run(packets).len(), expected, "{others} others");
        }
    }

    #[test]
    fn the_sixth_scan_in_a_burst_is_the_last_word() {
        let mut state = ScanlogdState::default();
        let reports: Vec<_> = (0..9)
            .flat_map(|host| (1..=7).map(move |port| of([10, 1, 1, host], tcp(0, port, SYN))))
            .filter_map(|packet| state.packet(&packet))
            .collect();
        assert_eq!(reports.len(), 6);
        assert!(matches!(reports[4], Report::Scan { .. }));
        assert!(matches!(reports[5], Report::MoreFollow { .. }));
    }
}
