//! What Snort counts of a host, and when that is a scan.
//!
//! In: what packets mean for a host that scans or is scanned. Out: a [`Verdict`]. Must not know packets.
//!
//! Its faults are the original's: addresses and ports are not counted, only how often they differ from the one
//! before (80, 443, 80, 443 are four ports, and three changing clients many nets); the window begins with the
//! first packet after the last window, so a scan across two of them needs more; a window tells one alarm.
//! Source: the behaviour of Snort 3's inspector `port_scan`. Read next: `mod.rs`.

use serde::{Deserialize, Serialize};

use super::{
    super::recent::Fades,
    levels::{Kinds, Limits},
};
use crate::{decode::Address, source::Time};

/// The counts of one host in one role, for one protocol.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tracker {
    /// Attempts, less those that became connections.
    pub(super) scans: u32,
    pub(super) rejects: u32,
    /// Changes of the other's address.
    pub(super) nets: u32,
    /// Changes of the port.
    pub(super) ports: u32,
    /// The stamp of the window's first attempt.
    pub(super) start: Time,
    net: Option<Address>,
    port: u16,
    /// It was told in this window.
    pub(super) told: bool,
    /// A reject was seen: others shall not displace it.
    priority: bool,
    /// The second with which the window ends.
    window: i64,
    length: i64,
}

impl Fades for Tracker {
    fn fades_after(&self) -> i64 {
        // Those of IP protocols have no window; they go when others need the room.
        if self.length == 0 { i64::MAX } else { self.length.saturating_mul(Time::SECOND) }
    }

    fn is_shielded(&self) -> bool {
        self.priority
    }
}

/// When an attempt was, for those who look at the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) stamp: Time,
    pub(super) second: i64,
    /// Seconds of a window.
    pub(super) window: i64,
}

impl Tracker {
    /// An attempt at or from `net`. `port` 0 is none.
    pub(super) fn attempt(&mut self, net: Address, port: u16, at: Moment) {
        if at.second > self.window {
            let (window, length) = (at.second.saturating_add(at.window), at.window);
            *self = Self { priority: self.priority, window, length, start: at.stamp, ..Self::default() };
        }
        self.scans = self.scans.saturating_add(1);
        if self.net != Some(net) {
            self.nets = self.nets.saturating_add(1);
            self.net = Some(net);
        }
        self.note_port(port);
    }

    /// A packet of an IP protocol. The original gives neither address nor time to its counter: every packet counts as
    /// another address, and the window never ends.
    pub(super) fn protocol(&mut self, protocol: u8, stamp: Time) {
        if self.scans == 0 {
            self.start = stamp;
        }
        self.scans = self.scans.saturating_add(1);
        self.nets = self.nets.saturating_add(1);
        self.note_port(protocol.into());
    }

    fn note_port(&mut self, port: u16) {
        if self.port != port {
            self.ports = self.ports.saturating_add(1);
            self.port = port;
        }
    }

    /// One attempt became a connection.
    pub(super) fn complete(&mut self) {
        self.scans = self.scans.saturating_sub(1);
    }

    /// One attempt was rejected.
    pub(super) fn reject(&mut self) {
        self.rejects = self.rejects.saturating_add(1);
        self.priority = true;
    }

    /// Enough rejects (`Some(false)`) or else enough attempts (`Some(true)`); `fits` says that the shape is right.
    fn enough(&self, limits: Limits, rejected: bool, fits: bool) -> Option<bool> {
        match (rejected, fits) {
            (true, true) => Some(false),
            (_, true) if limits.scans > 0 && self.scans >= limits.scans => Some(true),
            _ => None,
        }
    }
}

/// What a packet's two trackers amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) kind: Shape,
    /// Attempts decided, not rejects: the targets may be filtered.
    pub(super) filtered: bool,
}

/// The kinds of scan that Snort tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scan,
    Decoy,
    Sweep,
    Distributed,
}

/// Judges the trackers of the one that scans and the one that is scanned, in the order of the original.
pub(super) fn judge(kinds: &Kinds, source: Option<&Tracker>, target: Option<&Tracker>) -> Option<Verdict> {
    let target = target.filter(|target| !target.told);
    let by_target = |kind, limits: Limits, fits: fn(&Tracker, Limits) -> bool, rejected: bool| {
        let target = target?;
        let rejected = rejected && target.rejects >= limits.rejects;
        let filtered = target.enough(limits, rejected, fits(target, limits) && target.ports >= limits.ports)?;
        Some(Verdict { kind, filtered })
    };
    // Only a scan of one by one asks whether the scanner was rejected, too.
    let both = source.is_none_or(|source| source.rejects >= kinds.scan.rejects);
    by_target(Shape::Scan, kinds.scan, |target, limits| target.nets < limits.nets, both)
        .or_else(|| by_target(Shape::Decoy, kinds.decoy, |target, limits| target.nets >= limits.nets, true))
        .or_else(|| sweep(kinds.sweep, source))
        .or_else(|| by_target(Shape::Distributed, kinds.distributed, |target, limits| target.nets <= limits.nets, true))
}

/// Whether the scanner sweeps; of ICMP that is all that is asked.
pub(super) fn sweep(limits: Limits, source: Option<&Tracker>) -> Option<Verdict> {
    let source = source.filter(|source| !source.told)?;
    let fits = source.nets >= limits.nets && source.ports <= limits.ports;
    let filtered = source.enough(limits, source.rejects >= limits.rejects, fits)?;
    Some(Verdict { kind: Shape::Sweep, filtered })
}

#[cfg(test)]
mod tests {
    use super::{super::levels::HIGH, *};

    fn at(second: i64) -> Moment {
        Moment { stamp: Time(second * Time::SECOND), second, window: 600 }
    }

    fn host(n: u8) -> Address {
        Address::v4([10, 0, 0, n])
    }

    #[test]
    fn changes_are_counted_not_distinct_values_which_is_the_fault_of_the_original() {
        let mut tracker = Tracker::default();
        for n in 0..4 {
            tracker.attempt(host(n % 2), 80 + u16::from(n % 2), at(1));
        }
        assert_eq!((tracker.scans, tracker.nets, tracker.ports), (4, 4, 4));
    }

    #[test]
    fn a_window_ends_and_all_counts_with_it() {
        let mut tracker = Tracker::default();
        tracker.attempt(host(1), 1, at(1));
        tracker.reject();
        tracker.told = true;
        tracker.attempt(host(1), 2, at(601));
        assert_eq!((tracker.scans, tracker.rejects, tracker.told), (2, 1, true));
        tracker.attempt(host(1), 3, at(602));
        assert_eq!((tracker.scans, tracker.rejects, tracker.told), (1, 0, false));
    }

    #[test]
    fn the_four_shapes_follow_the_four_thresholds() {
        let of = |scans, rejects, nets, ports| Tracker { scans, rejects, nets, ports, ..Tracker::default() };
        let kind = |source: Tracker, target: Tracker| {
            judge(&HIGH.tcp, Some(&source), Some(&target)).map(|verdict| (verdict.kind, verdict.filtered))
        };
        let idle = Tracker::default();
        assert_eq!(kind(of(10, 5, 1, 10), of(10, 5, 1, 10)), Some((Shape::Scan, false)));
        assert_eq!(kind(of(10, 4, 1, 10), of(10, 5, 1, 10)), Some((Shape::Distributed, false)));
        assert_eq!(kind(idle, of(200, 0, 1, 10)), Some((Shape::Scan, true)));
        assert_eq!(kind(idle, of(1, 7, 200, 60)), Some((Shape::Decoy, false)));
        assert_eq!(kind(of(3, 3, 3, 1), idle), Some((Shape::Sweep, false)));
        assert_eq!(kind(of(30, 0, 3, 10), idle), Some((Shape::Sweep, true)));
        assert_eq!(kind(of(30, 9, 3, 11), idle), None, "too many ports for a sweep");
        assert_eq!(kind(of(30, 3, 2, 1), of(30, 3, 9, 9)), None);
    }

    #[test]
    fn at_the_low_level_silence_never_decides() {
        let many = Tracker { scans: 9_999, nets: 30, ports: 9, ..Tracker::default() };
        assert_eq!(judge(&super::super::levels::LOW.tcp, Some(&many), Some(&many)), None);
    }
}
