//! What a person wants to know when a run is over, in numbers.
//!
//! In: what was counted, every event with its route. Out: [`Summary`], plain data.
//! Must not format: `cli/summary.rs` does. Its memory is bounded: a table of the scans that go
//! on (so that a scan counts once, by what is known of it last) and the ten worst.
//! Read next: `counts.rs` (frames), `cli/summary.rs` (how it looks).

mod kept;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use tripline_plugin::{
    Event,
    event::{Kind, Phase, Scan, Severity, Trust},
};

use crate::{
    decode::{self, Skip},
    engine::Totals,
    rules::Route,
    source::{LeftOut, Time},
};

/// All of a run.
#[derive(Debug, Default)]
pub struct Summary {
    /// Frames read.
    pub frames: u64,
    /// Their bytes on the wire.
    pub wire_bytes: u64,
    /// Smallest and largest stamp.
    pub span: Option<(Time, Time)>,
    /// Packets by the name of their protocol.
    pub protocols: BTreeMap<String, u64>,
    /// Frames that are evidence about nobody, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Frames that the filter left out. These and those of `left_out` are in no other number.
    pub filtered: u64,
    /// What lies outside the span of time that was asked for.
    pub left_out: LeftOut,
    /// Captures that came late: more overlap than can be merged at a time.
    pub late: u64,
    /// SYNs seen, and the SYN-ACKs that should come back: how one-sided the view is.
    pub syns: u64,
    /// See `syns`.
    pub syn_acks: u64,
    /// Frames that a live capture lost before they could be looked at.
    pub lost: u64,
    /// What the tables had to give up for want of memory.
    pub evicted: u64,
    /// What reference presets had to forget for want of memory, by preset.
    pub forgotten: BTreeMap<String, u64>,
    /// What became of segments and streams, by name; empty without stream processors.
    pub streams: BTreeMap<String, u64>,
    /// Times that the capture's clock stepped back by more than jitter.
    pub rebased: u32,
    /// Packets that were seen twice and counted once.
    pub copies: u64,
    /// Scans that were reported.
    pub scans: Scans,
    /// Oddities that are no scans, by kind.
    pub anomalies: BTreeMap<String, u64>,
    /// Events that a rule silenced, by rule.
    pub silenced: BTreeMap<String, u64>,
    /// Events that a limit held back, by rule.
    pub held: BTreeMap<String, u64>,
    /// Where events went.
    pub outputs: Vec<Delivered>,
    /// Inputs that could not be read, or not to their end.
    pub unread: u64,
    /// The run was ended before its input.
    pub stopped: bool,
}

/// Scans by what they are.
#[derive(Debug, Default)]
pub struct Scans {
    /// By severity, as it was at last.
    pub by_severity: BTreeMap<Severity, u64>,
    /// By kind, as it was at last.
    pub by_kind: BTreeMap<Kind, u64>,
    /// By technique.
    pub by_technique: BTreeMap<String, u64>,
    /// The worst ten, the worst first.
    pub worst: Vec<Worst>,
    /// What those that go on are counted as.
    counted: HashMap<String, (Severity, Kind)>,
}

/// One of the worst.
#[derive(Clone, Debug)]
pub struct Worst {
    /// Its source, when it is one.
    pub source: Option<IpAddr>,
    /// Its target, when it is one.
    pub target: Option<IpAddr>,
    /// All else.
    pub scan: Scan,
}

/// What became of an output's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// What rules call it.
    pub name: String,
    /// Events that it took.
    pub delivered: u64,
    /// Events that were lost, for whatever reason.
    pub lost: u64,
    /// Events that were only counted, since nobody said that they may leave the machine.
    pub withheld: u64,
    /// What went wrong last.
    pub error: Option<String>,
}

/// How many of the worst are kept.
const WORST: usize = 10;

/// Scans that go on and are remembered at most; beyond, a scan counts as what it was first.
const REMEMBERED: usize = 65_536;

impl Summary {
    /// Takes over what was counted on the way.
    pub fn add_totals(&mut self, totals: &Totals) {
        let counts = &totals.counts;
        (self.frames, self.wire_bytes) = (counts.frames, counts.wire_bytes);
        self.filtered = counts.filtered;
        self.span = counts.first.zip(counts.last);
        (self.syns, self.syn_acks) = (counts.syns, counts.syn_acks);
        self.evicted = totals.losses.contacts + totals.losses.suspects;
        let forgotten = totals.forgotten.iter().filter(|(_, count)| *count > 0);
        self.forgotten.extend(forgotten.map(|(preset, count)| ((*preset).to_owned(), *count)));
        self.streams.extend(totals.streams.iter().map(|(name, count)| ((*name).to_owned(), *count)));
        (self.lost, self.rebased, self.copies) = (totals.lost, totals.rebased, totals.copies);
        let named = (0..=u8::MAX).map(|protocol| decode::describe::name(protocol).into_owned()).zip(&counts.protocols);
        self.protocols.extend(named.filter(|(_, count)| **count > 0).map(|(name, count)| (name, *count)));
        let skipped = Skip::ALL.iter().zip(&counts.skipped).filter(|(_, count)| **count > 0);
        self.skipped.extend(skipped.map(|(skip, count)| (skip.name().to_owned(), *count)));
        self.skipped.extend(totals.defragmented.losses().map(|(loss, count)| (loss.name().to_owned(), count)));
    }

    /// Counts an event that has been routed.
    pub fn count(&mut self, event: &Event, route: &Route) {
        let by_rule = |counts: &mut BTreeMap<String, u64>| {
            *counts.entry(route.rule.as_deref().unwrap_or_default().to_owned()).or_default() += 1;
        };
        if route.silenced {
            by_rule(&mut self.silenced);
        } else if route.held {
            by_rule(&mut self.held);
        } else if let Some(anomaly) = &event.anomaly {
            *self.anomalies.entry(anomaly.kind.clone()).or_default() += 1;
        } else if let Some(scan) = &event.scan {
            self.scans.count(event, scan);
        }
    }

    /// Whether a scan was reported.
    pub fn has_scans(&self) -> bool {
        !self.scans.by_severity.is_empty()
    }

    /// Whether all of the input was read and all events were delivered.
    pub fn is_whole(&self) -> bool {
        self.unread == 0
            && !self.stopped
            && self.outputs.iter().all(|output| output.lost == 0 && output.error.is_none())
    }
}

impl Scans {
    /// How many.
    pub fn total(&self) -> u64 {
        self.by_severity.values().sum()
    }

    fn count(&mut self, event: &Event, scan: &Scan) {
        let now = (scan.severity, scan.kind);
        let before = if scan.phase == Phase::Begin { None } else { self.counted.remove(&scan.id) };
        match before {
            Some((severity, kind)) => {
                less(&mut self.by_severity, &severity);
                less(&mut self.by_kind, &kind);
            }
            // Counted when it began, and forgotten since, or counted in another phase already.
            None if scan.phase == Phase::Begin || scan.rev == 1 => {
                *self.by_technique.entry(scan.technique.clone()).or_default() += 1;
            }
            None => return self.rank(event, scan),
        }
        *self.by_severity.entry(now.0).or_default() += 1;
        *self.by_kind.entry(now.1).or_default() += 1;
        if scan.phase != Phase::End && self.counted.len() < REMEMBERED {
            self.counted.insert(scan.id.clone(), now);
        }
        self.rank(event, scan);
    }

    /// Keeps the scan if it is one of the worst.
    fn rank(&mut self, event: &Event, scan: &Scan) {
        self.worst.retain(|worst| worst.scan.id != scan.id);
        if self.worst.len() < WORST || self.worst.last().is_some_and(|last| badness(&last.scan) < badness(scan)) {
            self.worst.push(Worst { source: event.src_ip, target: event.dest_ip, scan: scan.clone() });
            self.worst.sort_by(|a, b| {
                let key = |worst: &Worst| (Reverse(badness(&worst.scan)), worst.scan.start);
                key(a).cmp(&key(b)).then_with(|| a.scan.id.cmp(&b.scan.id))
            });
            self.worst.truncate(WORST);
        }
    }
}

/// What makes one scan worse than another: how grave, how certain, what it found, how much it tried.
fn badness(scan: &Scan) -> (Severity, Trust, u64, u64) {
    (scan.severity, scan.trust, scan.answers.open, scan.doors)
}

/// One less; what comes to nothing goes.
fn less<K: Ord + Copy>(counts: &mut BTreeMap<K, u64>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
    }
    counts.retain(|_, count| *count > 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::samples;

    fn count(summary: &mut Summary, change: impl FnOnce(&mut Scan)) {
        let mut scan = samples::scan();
        change(&mut scan);
        summary.count(&samples::event(scan), &Route::default());
    }

    #[test]
    fn a_scan_counts_once_by_what_is_known_last() {
        let mut summary = Summary::default();
        count(&mut summary, |_| ());
        let last = |scan: &mut Scan| {
            (scan.phase, scan.rev, scan.severity, scan.kind) = (Phase::End, 2, Severity::High, Kind::Block);
        };
        count(&mut summary, last);
        assert_eq!((summary.scans.total(), summary.scans.worst.len()), (1, 1));
        assert_eq!(summary.scans.by_severity, [(Severity::High, 1)].into());
        assert_eq!(summary.scans.by_kind, [(Kind::Block, 1)].into());
        assert_eq!(summary.scans.by_technique, [("tcp-syn".to_owned(), 1)].into());
        assert!(summary.scans.counted.is_empty());
    }

    #[test]
    fn the_worst_ten_are_kept_in_order() {
        let mut summary = Summary::default();
        for doors in 0..30 {
            count(&mut summary, |scan| (scan.id, scan.doors) = (format!("{doors}"), doors * 7 % 30));
        }
        count(&mut summary, |scan| (scan.id, scan.severity) = ("high".to_owned(), Severity::High));
        let doors: Vec<u64> = summary.scans.worst.iter().map(|worst| worst.scan.doors).collect();
        assert_eq!(doors, [21, 29, 28, 27, 26, 25, 24, 23, 22, 21]);
        assert_eq!((summary.scans.total(), summary.scans.worst[0].scan.id.as_str()), (31, "high"));
    }

    #[test]
    fn the_silenced_and_the_held_are_counted_apart() {
        let mut summary = Summary::default();
        let event = samples::event(samples::scan());
        let rule = || Some("our own".into());
        summary.count(&event, &Route { silenced: true, rule: rule(), ..Route::default() });
        summary.count(&event, &Route { held: true, rule: rule(), ..Route::default() });
        assert!(!summary.has_scans() && summary.is_whole());
        assert_eq!((summary.silenced["our own"], summary.held["our own"]), (1, 1));
    }
}
