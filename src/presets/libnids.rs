//! The preset `libnids`: what the scan detector of libnids 1.26 would have warned of.
//!
//! In: observations, in order. Of these it looks at TCP over IPv4 without ACK: SYN, FIN, RST, null, Xmas. Out:
//! now and then a [`Found`]. Must not know answers: its original does not look at them.
//!
//! A source collects pairs of target and port. The eleventh distinct one is a warning, and it begins anew.
//!
//! Its faults are the original's and wanted here:
//! - `scan_delay`, said to be the longest pause within a scan, is compared with the difference of two times
//!   taken the wrong way round. It is never positive (but after 24 days, when the milliseconds of an `int`
//!   overflow), so pairs are never too old: eleven in a year are a scan.
//! - Resets count, so a server that refuses eleven clients is a scanner.
//! - 256 buckets of ten sources, without a key: the source that was quiet the longest gives way to the
//!   eleventh.
//! - Half of all addresses have a negative hash, and buckets before the table (see `hash`).
//!
//! Source: the behaviour and the defaults (`scan_num_hosts` 256, `scan_num_ports` 10, `scan_delay` 3000) of
//! libnids 1.26. Read next: `snort/mod.rs`.

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::Event;

use super::alarm::{Alarm, Found, distinct, exact_ports, exactly, shape, silent};
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Kind, Observation},
    source::Time,
};

/// Buckets: `scan_num_hosts`.
const BUCKETS: i32 = 256;
/// Sources of a bucket.
const BUCKET: usize = 10;
/// Pairs that are no scan yet: `scan_num_ports`.
const PAIRS: usize = 10;
/// Milliseconds that nobody waits: `scan_delay`.
const DELAY: i32 = 3_000;
/// The milliseconds of the original's clock.
const MILLISECOND: i64 = Time::SECOND / 1_000;

const RST: u8 = 4;
const ACK: u8 = 16;

/// A target, its port, and the flags that went there.
type Pair = (Address, u16, u8);

/// What is known of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Host {
    source: Address,
    /// When it sent last, in milliseconds: 32 bits, as the original has it.
    modified: i32,
    start: Time,
    packets: u64,
    pairs: Vec<Pair>,
}

/// All that libnids remembers of scans.
#[derive(Debug)]
pub struct LibnidsState {
    /// Of each bucket the newest first.
    buckets: Vec<Vec<Host>>,
    /// The second in which the clock's milliseconds are 0.
    epoch: Option<i64>,
}

impl Default for LibnidsState {
    fn default() -> Self {
        Self { buckets: vec![Vec::new(); 2 * BUCKETS as usize - 1], epoch: None }
    }
}

impl LibnidsState {
    /// Takes the next packet. Allocates for a new source, of which there are 5,110 at most, and for a warning.
    pub fn packet(&mut self, packet: &Observation) -> Option<Found> {
        let source = match (packet.kind, packet.src.as_v4()) {
            (Kind::Tcp, Some(source)) if packet.flags & ACK == 0 => source,
            _ => return None,
        };
        let second = packet.clock.0.div_euclid(Time::SECOND);
        let epoch = *self.epoch.get_or_insert(second);
        let now = (packet.clock.0 / MILLISECOND).wrapping_sub(epoch.wrapping_mul(1_000)) as i32;
        let bucket = self.buckets.get_mut(hash(source))?;
        let host = host(bucket, packet, now)?;
        if host.modified.wrapping_sub(now) > DELAY {
            host.pairs.clear();
        }
        host.modified = now;
        if host.pairs.is_empty() {
            (host.start, host.packets) = (packet.stamp, 0);
        }
        host.packets += 1;
        if host.pairs.iter().any(|(target, port, _)| (*target, *port) == (packet.dst, packet.dst_port)) {
            return None;
        }
        host.pairs.push((packet.dst, packet.dst_port, packet.flags));
        if host.pairs.len() <= PAIRS {
            return None;
        }
        let event = warning(host, packet);
        host.pairs.clear();
        Some(Found { event, seq: Some(packet.seq) })
    }
}

/// The source's entry in its bucket. The one that was quiet the longest gives way when there are ten others.
fn host<'a>(bucket: &'a mut Vec<Host>, packet: &Observation, now: i32) -> Option<&'a mut Host> {
    if let Some(at) = bucket.iter().position(|host| host.source == packet.src) {
        return bucket.get_mut(at);
    }
    let new = |pairs| Host { source: packet.src, modified: now, start: packet.stamp, packets: 0, pairs };
    if bucket.len() < BUCKET {
        bucket.insert(0, new(Vec::with_capacity(PAIRS + 1)));
        return bucket.first_mut();
    }
    let oldest = bucket.iter_mut().min_by_key(|host| host.modified)?;
    let mut pairs = std::mem::take(&mut oldest.pairs);
    pairs.clear();
    *oldest = new(pairs);
    Some(oldest)
}

/// The address as a signed number of a little-endian machine, low half against high half. Addresses that end with 128
/// or more are negative there, and so is the rest of a division: the original then writes before its table,
/// and works as long as nothing else lies there. Here the table is long enough.
fn hash(source: u32) -> usize {
    let address = source.swap_bytes() as i32;
    (((address % 65_536) ^ (address >> 16)) % BUCKETS + BUCKETS - 1) as usize
}

fn warning(host: &Host, decided_by: &Observation) -> Event {
    let targets = distinct(host.pairs.iter().map(|pair| pair.0));
    let ports = distinct(host.pairs.iter().map(|pair| pair.1));
    let doors = host.pairs.len() as u64;
    let alarm = Alarm {
        preset: "libnids",
        technique: technique(&host.pairs),
        proto: "TCP".into(),
        kind: shape(targets.len(), ports.len()),
        source: host.source,
        sources: 1,
        start: host.start,
        time: decided_by.stamp,
        packets: host.packets,
        doors,
        answers: silent(doors),
        targets: exactly(&targets),
        ports: Some(exact_ports(ports)),
        reason: format!("{doors} pairs of target and port without ACK, more than {PAIRS}"),
    };
    alarm.event(Some(decided_by))
}

/// What the flags of all pairs have in common.
fn technique(pairs: &[Pair]) -> &'static str {
    // ECN bits are no part of a technique; nor do resets say how the doors were knocked at.
    let flags = distinct(pairs.iter().map(|pair| pair.2 & 0x3f).filter(|flags| flags & RST == 0));
    match flags.as_slice() {
        [0x02] => "tcp-syn",
        [0x01] => "tcp-fin",
        [0x00] => "tcp-null",
        [0x29] => "tcp-xmas",
        _ => "tcp-other",
    }
}

impl Kept for LibnidsState {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { buckets, epoch } = self;
        to.put(epoch)?;
        to.list(buckets.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.epoch = from.take()?;
        if from.length(self.buckets.len())? != self.buckets.len() {
            return Err(Unfit::Other("a table has another size"));
        }
        for bucket in &mut self.buckets {
            *bucket = from.list(BUCKET)?;
            if bucket.iter().any(|host| host.pairs.len() > PAIRS) {
                return Err(Unfit::Damaged);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::by_hand::{of, tcp},
        *,
    };

    const SYN: u8 = 2;

    fn warnings(packets: impl IntoIterator<Item = Observation>) -> Vec<Event> {
        let mut state = LibnidsState::default();
        packets.into_iter().filter_map(|packet| state.packet(&packet)).map(|found| found.event).collect()
    }

    #[test]
    fn the_eleventh_pair_is_a_warning_and_then_it_begins_anew() {
        assert!(warnings((1..=10).map(|port| tcp(0, port, SYN))).is_empty());
        let events = warnings((1..=22).map(|port| tcp(0, port, SYN)));
        assert_eq!(events.len(), 2);
        let scan = events[1].scan.as_ref().unwrap();
        assert_eq!(scan.ports.as_ref().unwrap().sample, (12..=22).collect::<Vec<u16>>());
        assert_eq!((scan.technique.as_str(), scan.kind), ("tcp-syn", tripline_plugin::event::Kind::Vertical));
    }

    #[test]
    fn hosts_count_as_ports_do_and_repeats_do_not() {
        let sweep = |host| Observation { dst: Address::v4([10, 0, 0, host]), ..tcp(0, 80, SYN) };
        assert_eq!(warnings((1..=11).map(sweep)).len(), 1);
        assert!(warnings((0..100).map(|n| sweep(n % 10))).is_empty());
    }

    #[test]
    fn no_pause_is_too_long_which_is_the_fault_of_the_original() {
        let hour = 3_600_000;
        assert_eq!(warnings((1..=11).map(|port| tcp(i64::from(port) * hour, port, SYN))).len(), 1);
    }

    #[test]
    fn what_acknowledges_never_counts_and_resets_do() {
        assert!(warnings((1..=50).map(|port| tcp(0, port, SYN | ACK))).is_empty());
        assert_eq!(warnings((1..=11).map(|port| tcp(0, port, RST))).len(), 1);
        assert!(warnings((1..=50).map(|port| tcp(0, port, RST | ACK))).is_empty());
    }

    #[test]
    fn ten_quiet_sources_of_a_bucket_stay_and_the_eleventh_takes_the_place_of_the_oldest() {
        // In memory, low byte first, 0.n.0.n: both halves are the same, so their XOR is 0.
        let same = |n: u8| [n, 0, n, 0];
        for (others, expected) in [(9, 1), (10, 0)] {
            let mut packets: Vec<_> = (1..=10).map(|port| of(same(1), tcp(0, port, SYN))).collect();
            packets.extend((0..others).map(|n| of(same(2 + n), tcp(1, 80, SYN))));
            packets.push(of(same(1), tcp(2, 11, SYN)));
            assert_eq!(warnings(packets).len(), expected, "{others} others");
        }
    }

    #[test]
    fn only_tcp_over_ipv4_counts_and_flags_name_the_technique() {
        assert!(
            warnings((1..=50).map(|port| Observation { src: Address::v6([9; 16]), ..tcp(0, port, SYN) })).is_empty()
        );
        assert!(warnings((1..=50).map(|port| Observation { kind: Kind::Udp, ..tcp(0, port, 0) })).is_empty());
        for (flags, technique) in [(1, "tcp-fin"), (0, "tcp-null"), (0x29, "tcp-xmas"), (3, "tcp-other")] {
            let events = warnings((1..=11).map(|port| tcp(0, port, flags)));
            assert_eq!(events[0].scan.as_ref().unwrap().technique, technique);
        }
    }
}
