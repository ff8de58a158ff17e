//! Correlate: the sequential stage that sees what all cells saw, in one order.
//!
//! In: the reports of all cells up to a watermark. Out: scan events, without severity. Here live the
//! targets' side (`terrain.rs`), the verdict (`verdict.rs`) and the life of a scan (`life.rs`).
//! Must not know of packets, batches or threads. The order (clock, seq, phase, source, technique) is total
//! over what can meet, so that neither shards nor batches show in the result.
//! Read next: `verdict.rs`, `life.rs`, `event.rs`, then `rules`.

pub mod decoys;
pub mod event;
pub mod life;
pub mod reference;
pub mod terrain;
pub mod verdict;

use std::sync::Arc;

use tripline_plugin::{
    Event,
    event::{Kind, Phase},
};

use crate::{
    cells::{Report, Suspicion, What},
    correlate::{
        decoys::Decoys,
        life::{Life, Lives, Who},
        terrain::Terrain,
    },
    decode::Address,
    dispatch::Key,
    presets::tripline::Thresholds,
    source::Time,
};

/// An event and the packet that decided it, for those who know in which file that lies.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its place among the findings of all presets: clock and packet, 0 for a deadline of no packet.
    pub order: (Time, u64),
    /// The deciding packet, when there was one.
    pub seq: Option<u64>,
    /// What there is to say.
    pub event: Event,
}

/// The stage.
#[derive(Debug)]
pub struct Correlate {
    reports: Vec<Report>,
    terrain: Terrain,
    lives: Lives,
    decoys: Decoys,
    thresholds: Arc<Thresholds>,
}

impl Correlate {
    /// With nothing known yet.
    #[must_use]
    pub fn new(key: &Key, thresholds: Arc<Thresholds>) -> Self {
        Self {
            reports: Vec::new(),
            terrain: Terrain::new(key.clone()),
            lives: Lives::new(key),
            decoys: Decoys::new(key),
            thresholds,
        }
    }

    /// Takes reports in, in any order.
    pub fn take(&mut self, reports: impl Iterator<Item = Report>) {
        self.reports.extend(reports);
    }

    /// Works off all that was taken in: every cell must have come to the same watermark.
    pub fn settle(&mut self, mut find: impl FnMut(Finding)) {
        let mut reports = std::mem::take(&mut self.reports);
        reports.sort_by_key(Report::order);
        for report in reports.drain(..) {
            if let Some(finding) = self.weigh(report) {
                find(finding);
            }
        }
        self.reports = reports;
    }

    fn weigh(&mut self, report: Report) -> Option<Finding> {
        let Report { clock, seq, source, what } = report;
        let (s, (phase, life)) = match what {
            What::Alive { target } => {
                self.terrain.alive(target);
                return None;
            }
            What::Answered { target, protocol, port } => {
                self.terrain.answered(target, protocol, port);
                return None;
            }
            What::Twin { other } => {
                self.decoys.twins(other, source);
                return None;
            }
            What::Suspicion(s) => self.suspect(source, &s).map(|step| (s, step))?,
            What::Day(s) => {
                let who = self.who(source, &s);
                let step = self.lives.grow(who, event::kind(&s), s.evidence.tally.doors(), true)?;
                (s, step)
            }
            What::Ended(s) => self.end(source, s)?,
        };
        let mut event = event::render(source, &s, phase, &life);
        if life.kind == Kind::Decoy {
            self.decoys.write(source, &mut event);
        }
        let decided = phase != Phase::End && seq != 0;
        Some(Finding { order: (clock, seq), seq: decided.then_some(seq), event })
    }

    /// Whose scan a suspicion belongs to: the source's own, when it was reported so before its twins came up or
    /// has none; else that of the set.
    fn who(&mut self, source: Address, s: &Suspicion) -> Who {
        let own = (source, s.technique, false);
        match self.decoys.head(source) {
            Some(head) if !self.lives.has(own) => (head, s.technique, true),
            _ => own,
        }
    }

    /// A suspicion: the begin of a scan when it is found guilty, an update when that was before.
    fn suspect(&mut self, source: Address, s: &Suspicion) -> Option<(Phase, Life)> {
        let (kind, doors) = (event::kind(s), s.evidence.tally.doors());
        let who = self.who(source, s);
        self.decoys.note(source, s, false);
        if self.lives.has(who) {
            return self.lives.grow(who, kind, doors, false);
        }
        let verdict = verdict::judge(s, &self.terrain, &self.thresholds);
        let (head, _, set) = who;
        verdict.guilty.then(|| {
            let kind = if set { Kind::Decoy } else { kind };
            let life = Life::new(head, event::shown(s), s.evidence.start, kind, doors, verdict.one_sided);
            self.lives.begin(who, life)
        })
    }

    /// A source's scan is over; that of a set with its last member.
    fn end(&mut self, source: Address, s: Box<Suspicion>) -> Option<(Box<Suspicion>, (Phase, Life))> {
        let who = self.who(source, &s);
        let (_, _, set) = who;
        let all_over = self.decoys.note(source, &s, true);
        let s = if set { self.decoys.testify(source, s) } else { s };
        if set && !all_over {
            return None;
        }
        let step = self.lives.end(who, event::kind(&s), s.evidence.tally.doors())?;
        Some((s, step))
    }
}
