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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{Story, host, refusal, syn, udp, welcome};

    /// The events about a story, with their phases.
    fn found(reports: Vec<Report>) -> Vec<Finding> {
        let mut correlate = Correlate::new(&Key::new(1), Arc::new(Thresholds::default()));
        let mut findings = Vec::new();
        correlate.take(reports.into_iter());
        correlate.settle(|finding| findings.push(finding));
        findings
    }

    fn phases(findings: &[Finding]) -> Vec<Phase> {
        findings.iter().filter_map(|f| f.event.scan.as_ref().map(|s| s.phase)).collect()
    }

    fn scan(story: &mut Story, ports: u16) {
        for port in 1..=ports {
            story.refused((2, 40_000), (1, port));
        }
    }

    #[test]
    fn a_scan_begins_grows_and_ends_under_one_id() {
        let mut story = Story::new();
        scan(&mut story, 100);
        let findings = found(story.end().reports());
        assert_eq!(phases(&findings), [Phase::Begin, Phase::Update, Phase::End]);
        let ids: Vec<_> = findings.iter().filter_map(|f| f.event.scan.as_ref().map(|s| (&s.id, s.rev))).collect();
        assert!(ids.iter().zip(1..).all(|((id, rev), n)| *id == ids[0].0 && *rev == n), "{ids:?}");
        let last = findings.last().and_then(|f| f.event.scan.clone()).unwrap();
        assert_eq!((last.doors, last.packets, last.answers.closed), (100, 100, 100));
    }

    #[test]
    fn the_deciding_packet_is_named_and_an_end_has_none() {
        let mut story = Story::new();
        scan(&mut story, 4);
        let seqs: Vec<_> = found(story.end().reports()).iter().map(|f| f.seq).collect();
        assert_eq!(seqs, [Some(7), None], "the fourth refusal is the eighth packet");
    }

    #[test]
    fn reports_may_come_in_any_order() {
        let mut story = Story::new();
        scan(&mut story, 40);
        for port in 1..=40 {
            story.see(udp((3, 40_000), (1, port)));
        }
        let reports = story.wait(2_000).end().reports();
        let turned = reports.iter().rev().cloned().collect();
        assert_eq!(format!("{:?}", found(turned)), format!("{:?}", found(reports)));
    }

    #[test]
    fn clients_of_a_server_that_died_are_no_scanners() {
        let mut story = Story::new();
        for port in 1..=8 {
            let probe = syn((9, 39_000), (1, port));
            story.see(probe).see(welcome(&probe));
        }
        for client in 20..40 {
            for port in 1..=8 {
                story.refused((client, 40_000), (1, port));
            }
        }
        assert!(!story.suspicions().is_empty(), "cells know nothing of other sources");
        assert!(found(story.end().reports()).is_empty());
    }

    #[test]
    fn what_becomes_known_of_the_terrain_counts_in_the_order_of_time() {
        // The door answers only after it has refused four visitors' fourth knock: too late for the first judgement.
        let mut story = Story::new();
        scan(&mut story, 4);
        let probe = syn((9, 39_000), (1, 1));
        story.see(probe).see(welcome(&probe));
        assert_eq!(phases(&found(story.end().reports()))[..1], [Phase::Begin]);
    }

    #[test]
    fn a_network_comes_into_view_by_any_answer_that_echoes() {
        let silent = |story: &mut Story| {
            for port in 1..=4 {
                story.see(syn((2, 40_000), (1, port)));
            }
            found(story.wait(2_000).end().reports()).len()
        };
        assert_eq!(silent(&mut Story::new()), 0);
        let mut heard = Story::new();
        let probe = syn((9, 39_000), (200, 1));
        heard.see(probe).see(refusal(&probe));
        assert_eq!(silent(&mut heard), 2, "begin and end of {}", host(2));
    }
}
