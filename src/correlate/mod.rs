//! Correlate: the sequential stage that sees what all cells saw, in one order.
//!
//! In: the reports of all cells up to a watermark. Out: scan events, without severity. Here live the
//! targets' side (`terrain.rs`, `distributed.rs`, `floods.rs`), the verdict (`verdict.rs`), the life of a scan
//! (`life.rs`), what is too much to tell one by one (`storms.rs`) and what processors heard sources say (`talk.rs`).
//! Must not know of packets, batches or threads. The order (clock, seq, phase, source, technique) is total
//! over what can meet, so that neither shards nor batches show in the result.
//! Read next: `verdict.rs`, `life.rs`, `event.rs`, then `rules`.

pub mod alone;
pub mod decoys;
pub mod distributed;
pub mod event;
pub mod floods;
pub mod hearing;
mod kept;
pub mod life;
pub mod likeness;
pub mod prefixes;
pub mod reference;
pub mod storms;
pub mod surge;
pub mod talk;
pub mod terrain;
pub mod verdict;
pub mod weight;

use std::sync::Arc;

use tripline_plugin::{
    Event,
    event::{Kind, Phase, Trust},
};

use crate::{
    cells::{Report, Suspicion, What, knock::Knock, report::Turn},
    correlate::{
        alone::Alone,
        decoys::Decoys,
        distributed::{Crowds, Due, Told},
        floods::Floods,
        hearing::Hearing,
        life::{Life, Lives, Role, Who},
        prefixes::Prefixes,
        storms::Storms,
        talk::{Heard, Talk},
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
    crowds: Crowds,
    alone: Alone,
    prefixes: Prefixes,
    storms: Storms,
    floods: Floods,
    /// What is said about those whom somebody asks about; there are none but for `tripline why`.
    hearings: Vec<Hearing>,
    talk: Talk,
    /// What is to be remembered when the reports before it have been judged, in order.
    heard: Vec<Heard>,
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
            crowds: Crowds::new(key),
            alone: Alone::new(key),
            prefixes: Prefixes::new(key, &thresholds),
            storms: Storms::new(key),
            floods: Floods::default(),
            hearings: Vec::new(),
            talk: Talk::new(key),
            heard: Vec::new(),
            thresholds,
        }
    }

    /// Remembers from now on how an address is judged.
    pub fn listen(&mut self, source: Address) {
        self.hearings.push(Hearing::new(source));
    }

    /// What was to be remembered.
    pub fn hearings(&mut self) -> Vec<Hearing> {
        std::mem::take(&mut self.hearings)
    }

    /// Takes reports in, in any order.
    pub fn take(&mut self, reports: impl Iterator<Item = Report>) {
        self.reports.extend(reports);
    }

    /// Takes in that scans are over, at the end of the input: those that nobody was told of are not kept.
    pub fn take_ends(&mut self, reports: impl Iterator<Item = Report>) {
        let Self { lives, decoys, .. } = self;
        let told = |report: &Report| match &report.what {
            What::Ended(s) => {
                lives.has((report.source, s.technique, Role::Source)) || decoys.head(report.source).is_some()
            }
            _ => true,
        };
        self.reports.extend(reports.filter(told));
    }

    /// Takes in what sources were heard to say, in order, up to the same watermark as the reports.
    pub fn take_heard(&mut self, heard: Vec<Heard>) {
        self.heard.extend(heard);
    }

    /// How many things that sources said had to be forgotten for want of memory.
    #[must_use]
    pub fn unheard(&self) -> u64 {
        self.talk.given_up()
    }

    /// Works off all that was taken in: every cell must have come to the watermark `now`.
    pub fn settle(&mut self, now: Time, mut find: impl FnMut(Finding)) {
        let mut reports = std::mem::take(&mut self.reports);
        reports.sort_by(Report::compare);
        let mut heard = std::mem::take(&mut self.heard).into_iter().peekable();
        for report in reports.drain(..) {
            while let Some(heard) = heard.next_if(|heard| heard.order <= (report.clock, report.seq)) {
                self.talk.take(heard);
            }
            self.fall_due(report.clock, &mut find);
            self.weigh(report, &mut find);
        }
        heard.for_each(|heard| self.talk.take(heard));
        self.reports = reports;
        self.fall_due(now, &mut find);
    }

    /// The input ends: so does what only this stage knows of.
    pub fn finish(&mut self, now: Time, mut find: impl FnMut(Finding)) {
        for told in self.crowds.drain().into_iter().chain(self.prefixes.drain()) {
            self.crowd_ends(told, now, &mut find);
        }
        let last = |event| Finding { order: (now, 0), seq: None, event };
        // What this window holds, and that it is over.
        for _ in 0..2 {
            self.floods.due(self.thresholds.flood).into_iter().map(last).for_each(&mut find);
            self.storms.due().map(last).into_iter().for_each(&mut find);
        }
    }

    /// Says what is due at `now` at the latest, in order.
    fn fall_due(&mut self, now: Time, find: &mut impl FnMut(Finding)) {
        loop {
            let next = [self.crowds.next(), self.prefixes.next(), self.storms.next(), self.floods.next()];
            let Some(due) = next.into_iter().flatten().min().filter(|due| *due <= now) else { return };
            let finding = |event| Finding { order: (due, 0), seq: None, event };
            if self.crowds.next() == Some(due) {
                let Some((due, why, told)) = self.crowds.due(now, self.thresholds.quiet) else { continue };
                self.look_again(told, why, due, find);
            } else if self.prefixes.next() == Some(due) {
                let Some((due, why, told)) = self.prefixes.due(now, self.thresholds.quiet) else { continue };
                if let Some(told) = told {
                    self.look_again(told, why, due, find);
                }
            } else if self.storms.next() == Some(due) {
                self.storms.due().map(finding).into_iter().for_each(&mut *find);
            } else {
                self.floods.due(self.thresholds.flood).into_iter().map(finding).for_each(&mut *find);
            }
        }
    }

    fn weigh(&mut self, report: Report, find: &mut impl FnMut(Finding)) {
        let Report { clock, seq, source, what } = report;
        let step = match what {
            What::Alive { target } => return self.terrain.alive(target),
            What::Answered { target, protocol, port } => return self.terrain.answered(target, protocol, port),
            What::Twin { other } => return self.decoys.twins(other, source),
            What::Vain { target, port } => return self.floods.note(source, target, port, clock),
            What::Few(knocks) => return self.join(source, &knocks, (clock, seq), find),
            What::Lone(knock) => return self.stand_alone(source, &knock, (clock, seq), find),
            What::Turn(turn) => return self.take_turn(source, &turn, (clock, seq), find),
            What::Near(s) => return self.hear(source, &s),
            What::Suspicion(s) => self.suspect(source, &s, clock).map(|step| (s, step)),
            What::Day(s) => {
                let who = self.who(source, &s);
                let step = self.lives.grow(who, event::kind(&s), s.evidence.tally.doors(), true);
                step.map(|step| (s, step))
            }
            What::Ended(s) => self.end(source, s),
        };
        let Some((s, (phase, life))) = step else { return };
        let mut event = event::render(source, &s, phase, &life);
        if life.kind == Kind::Decoy {
            self.decoys.write(source, &mut event);
        }
        self.talk.write(source, &s, &mut event);
        let decided = phase != Phase::End && seq != 0;
        find(Finding { order: (clock, seq), seq: decided.then_some(seq), event });
    }

    /// A source with few doors: the crowd that it is of begins or grows.
    fn join(&mut self, source: Address, knocks: &[Knock], order: (Time, u64), find: &mut impl FnMut(Finding)) {
        let told = self.crowds.join(source, knocks, order.0, &self.terrain, &self.thresholds);
        if let Some(displaced) = self.crowds.displaced.take() {
            self.crowd_ends(displaced, order.0, find);
        }
        if let (Some(hearing), Some(first)) = (hearing::of(&mut self.hearings, source), knocks.first()) {
            hearing.join(first.target, first.technique);
        }
        if let Some(told) = told {
            self.tell(told, order, find);
        }
        self.hear_crowds();
    }

    /// A source with one door: many of them may be a crowd.
    fn stand_alone(&mut self, source: Address, knock: &Knock, order: (Time, u64), find: &mut impl FnMut(Finding)) {
        if let Some(hearing) = hearing::of(&mut self.hearings, source) {
            hearing.join(knock.target, knock.technique);
        }
        let t = &self.thresholds;
        let mut told = None;
        for (source, knock) in self.alone.note(source, knock, order.0, t.lone, t.quiet) {
            told = self.crowds.join(source, &[knock], order.0, &self.terrain, &self.thresholds);
            if let Some(displaced) = self.crowds.displaced.take() {
                self.crowd_ends(displaced, order.0, find);
            }
        }
        if let Some(told) = told {
            self.tell(told, order, find);
        }
        self.hear_crowds();
    }

    /// A first contact of a source of IPv6: its network may have others.
    fn take_turn(&mut self, source: Address, turn: &Turn, order: (Time, u64), find: &mut impl FnMut(Finding)) {
        let told = self.prefixes.join(source, turn, order.0, &self.terrain);
        if let Some(displaced) = self.prefixes.displaced.take() {
            self.crowd_ends(displaced, order.0, find);
        }
        if let Some(told) = told {
            let ((base, _), s) = (told.target, &told.suspicion);
            let may_be_forged = !self.lives.has(who_of(&told)) && s.evidence.trust() == Trust::Spoofable;
            if !may_be_forged || !self.storms.folds(base, s, order.0, self.thresholds.storm) {
                self.tell(told, order, find);
            }
        }
        if let Some(hearing) = hearing::of(&mut self.hearings, source) {
            hearing.turn(turn.knock.technique);
        }
        self.hear_crowds();
    }

    /// A scan of many sources begins or grows.
    fn tell(&mut self, told: Told, order: (Time, u64), find: &mut impl FnMut(Finding)) {
        let (who, kind, e) = (who_of(&told), kind_of(&told), &told.suspicion.evidence);
        let doors = e.tally.doors();
        let step = if self.lives.has(who) {
            self.lives.grow(who, kind, doors, false)
        } else {
            let life = Life::new(who.0, event::shown(&told.suspicion), e.start, kind, doors, told.one_sided);
            Some(self.lives.begin(who, life))
        };
        if let Some(step) = step {
            find(Finding { order, seq: Some(order.1), event: crowd_event(told, step) });
        }
    }

    /// It has gone on for another day, or is over.
    fn look_again(&mut self, told: Told, why: Due, due: Time, find: &mut impl FnMut(Finding)) {
        let doors = told.suspicion.evidence.tally.doors();
        match why {
            Due::Quiet => self.crowd_ends(told, due, find),
            Due::Day => {
                if let Some(step) = self.lives.grow(who_of(&told), kind_of(&told), doors, true) {
                    find(Finding { order: (due, 0), seq: None, event: crowd_event(told, step) });
                }
            }
        }
    }

    /// Whether those whom somebody asks about are of a crowd that has been told of.
    fn hear_crowds(&mut self) {
        let lives = &self.lives;
        for hearing in &mut self.hearings {
            hearing.crowds(|who| lives.has(who));
        }
    }

    fn crowd_ends(&mut self, told: Told, due: Time, find: &mut impl FnMut(Finding)) {
        let doors = told.suspicion.evidence.tally.doors();
        if let Some(step) = self.lives.end(who_of(&told), kind_of(&told), doors) {
            find(Finding { order: (due, 0), seq: None, event: crowd_event(told, step) });
        }
    }

    /// Whose scan a suspicion belongs to: the source's own, when it was reported so before its twins came up or
    /// has none; else that of the set.
    fn who(&mut self, source: Address, s: &Suspicion) -> Who {
        let own = (source, s.technique, Role::Source);
        match self.decoys.head(source) {
            Some(head) if !self.lives.has(own) => (head, s.technique, Role::Head),
            _ => own,
        }
    }

    /// A suspicion: the begin of a scan when it is found guilty, an update when that was before.
    fn suspect(&mut self, source: Address, s: &Suspicion, now: Time) -> Option<(Phase, Life)> {
        let (kind, doors) = (event::kind(s), s.evidence.tally.doors());
        let who = self.who(source, s);
        self.decoys.note(source, s, false);
        if let (head, _, Role::Head) = who
            && let Some(hearing) = hearing::of(&mut self.hearings, source)
        {
            hearing.head = Some(head);
        }
        if self.lives.has(who) {
            return self.lives.grow(who, kind, doors, false);
        }
        let verdict = match hearing::of(&mut self.hearings, source) {
            Some(hearing) => hearing.judge(s, &self.terrain, &self.thresholds),
            None => verdict::judge(s, &self.terrain, &self.thresholds),
        };
        let (head, _, role) = who;
        let guilty = verdict.guilty || self.storms.has_convicted(head, s);
        let may_be_forged = s.evidence.trust() == Trust::Spoofable;
        if !guilty {
            return None;
        }
        if may_be_forged && self.storms.folds(head, s, now, self.thresholds.storm) {
            if let Some(hearing) = hearing::of(&mut self.hearings, source) {
                hearing.folded = true;
            }
            return None;
        }
        let kind = if role == Role::Head { Kind::Decoy } else { kind };
        let life = Life::new(head, event::shown(s), s.evidence.start, kind, doors, verdict.one_sided);
        Some(self.lives.begin(who, life))
    }

    /// What would be thought of an address that somebody asks about, though it is no suspect.
    fn hear(&mut self, source: Address, s: &Suspicion) {
        if let Some(hearing) = hearing::of(&mut self.hearings, source) {
            hearing.consider(s, &self.terrain, &self.thresholds);
        }
    }

    /// A source's scan is over; that of a set with its last member.
    fn end(&mut self, source: Address, s: Box<Suspicion>) -> Option<(Box<Suspicion>, (Phase, Life))> {
        let who = self.who(source, &s);
        let (_, _, role) = who;
        let all_over = self.decoys.note(source, &s, true);
        let s = if role == Role::Head { self.decoys.testify(source, s) } else { s };
        if role == Role::Head && !all_over {
            return None;
        }
        let step = self.lives.end(who, event::kind(&s), s.evidence.tally.doors())?;
        Some((s, step))
    }
}

/// Under whom the scan of many sources lives.
fn who_of(told: &Told) -> Who {
    let (whose, technique) = told.target;
    (whose, technique, told.role)
}

/// The shape of the scan of many sources.
fn kind_of(told: &Told) -> Kind {
    if told.role == Role::Target { Kind::Distributed } else { event::kind(&told.suspicion) }
}

fn crowd_event(told: Told, (phase, life): (Phase, Life)) -> Event {
    let Told { target: (whose, _), role, suspicion, sources, .. } = told;
    let mut event = event::render(whose, &suspicion, phase, &life);
    match role {
        Role::Network(bits) => prefixes::write(whose, bits, sources, &mut event),
        _ => distributed::write(sources, &mut event),
    }
    event
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
        correlate.settle(Time(i64::MAX / 2), |finding| findings.push(finding));
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
