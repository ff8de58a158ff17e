//! A hearing: how an address that somebody asks about is judged (`tripline why`).
//!
//! In: its suspicions, and what it would be suspected of, in order. Out: [`Trial`]s: the walk of each group step by step, and
//! the verdict. Every word comes from `verdict.rs` while it judges; nothing is judged here. Bounded: of each technique the
//! nearest that it came to a scan, the last acquittal and the conviction.
//! Read next: `verdict.rs`, `cells/witness.rs` (the other half of the story).

use crate::{
    cells::{Suspicion, knock::Knock, technique::Technique, walk::Ground, walk::Shape},
    correlate::{
        life::{Role, Who},
        prefixes,
        terrain::Terrain,
        verdict::{self, Said, Verdict, Walked},
        weight::{Because, Weight},
    },
    decode::Address,
    presets::tripline::Thresholds,
    source::Time,
};

/// Targets with few doors each that are kept.
const FEW: usize = 16;

/// One knock of a walk.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Which.
    pub knock: Knock,
    /// What it counts.
    pub weight: Weight,
    /// Why.
    pub because: Because,
    /// What the walk has come to with it, in half steps.
    pub sum: u32,
}

/// The walk of one group.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Each knock, in the order in which their outcomes became known.
    pub steps: Vec<Step>,
    /// Where it ended, and what it would have taken.
    pub end: Walked,
}

/// One judgement.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Stamp of the packet that made it.
    pub stamp: Time,
    /// By which technique it knocks.
    pub technique: Technique,
    /// Why its cell suspected it.
    pub ground: Ground,
    /// With what in common.
    pub shape: Option<Shape>,
    /// Doors of the suspicion.
    pub doors: u64,
    /// Each group's walk, where that was asked for: up to the first that convicts.
    pub walks: Vec<Walk>,
    /// Else what was said: what speaks for it, or how many doors it takes.
    pub said: Vec<Said>,
    /// What came of it.
    pub verdict: Verdict,
}

impl Trial {
    fn hold(s: &Suspicion, terrain: &Terrain, t: &Thresholds) -> Self {
        let (mut walks, mut steps, mut said) = (Vec::new(), Vec::new(), Vec::new());
        let verdict = verdict::judge_aloud(s, terrain, t, &mut |word| match word {
            Said::Step(_, knock, weight, because, sum) => steps.push(Step { knock, weight, because, sum }),
            Said::Walk(end) => walks.push(Walk { steps: std::mem::take(&mut steps), end }),
            Said::LooksLikeAnswers | Said::Peers | Said::Scattered | Said::OneSided { .. } => said.push(word),
        });
        let Suspicion { technique, ground, shape, stamp, .. } = *s;
        Self { stamp, technique, ground, shape, doors: s.evidence.tally.doors(), walks, said, verdict }
    }

    /// The walk that came nearest to its threshold.
    #[must_use]
    pub fn nearest(&self) -> Option<&Walk> {
        let far = |a: &Walk, b: &Walk| {
            (u64::from(a.end.highest) * u64::from(b.end.threshold))
                .cmp(&(u64::from(b.end.highest) * u64::from(a.end.threshold)))
        };
        // Of equals the first: the ports of one host before the hosts of one port.
        self.walks.iter().rev().max_by(|a, b| far(a, b))
    }
}

/// What was thought of an address by one technique.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which.
    pub technique: Technique,
    /// The nearest to a scan that it came without being a suspect.
    pub nearest: Option<Trial>,
    /// The last time that it was acquitted.
    pub acquitted: Option<Trial>,
    /// When it was convicted first.
    pub convicted: Option<Trial>,
    /// How often it was judged as a suspect.
    pub trials: u64,
    /// Of these, acquittals.
    pub acquittals: u64,
}

/// All that was thought of an address.
#[derive(Clone, Debug)]
pub struct Hearing {
    /// Whom.
    pub source: Address,
    /// By technique, in the order in which it came up.
    pub cases: Vec<Case>,
    /// Who stands for the set of senders of the same packets that it is of: they are judged as one.
    pub head: Option<Address>,
    /// Found guilty, and told of only with many others whose sources may be forged.
    pub folded: bool,
    /// The target of the crowd that it is of, which has been told of as one scan.
    pub crowd: Option<Address>,
    /// The network whose addresses take turns and that it is of, with its bits: that has been told of as one scan.
    pub network: Option<(Address, u8)>,
    /// By which techniques it has failed once or a few times, as one of many addresses of IPv6 would.
    turns: Vec<Technique>,
    /// Targets of which it tried a few doors, with the way of knocking.
    few: Vec<(Address, Technique)>,
}

/// The one of an address, if somebody asks about it.
pub fn of(hearings: &mut [Hearing], source: Address) -> Option<&mut Hearing> {
    hearings.iter_mut().find(|hearing| hearing.source == source)
}

impl Hearing {
    /// One in which nothing has been said.
    #[must_use]
    pub fn new(source: Address) -> Self {
        let (cases, turns, few) = Default::default();
        Self { source, cases, head: None, folded: false, crowd: None, network: None, turns, few }
    }

    /// It has tried a few doors of a target: there may be a crowd.
    pub fn join(&mut self, target: Address, technique: Technique) {
        if self.few.len() < FEW && !self.few.contains(&(target, technique)) {
            self.few.push((target, technique));
        }
    }

    /// It has failed by a technique: its network may take turns.
    pub fn turn(&mut self, technique: Technique) {
        if !self.turns.contains(&technique) {
            self.turns.push(technique);
        }
    }

    /// Sees whether it is of a crowd, or of a network, that is told of.
    pub fn crowds(&mut self, is_told: impl Fn(Who) -> bool) {
        let of = self.few.iter().find(|(target, technique)| is_told((*target, *technique, Role::Target)));
        self.crowd = self.crowd.or(of.map(|(target, _)| *target));
        let networks = [64, 48].map(|bits| (prefixes::network(self.source, bits), bits));
        let takes_turns = |(network, bits): &(Address, u8)| {
            self.turns.iter().any(|technique| is_told((*network, *technique, Role::Network(*bits))))
        };
        self.network = self.network.or(networks.into_iter().find(takes_turns));
    }

    fn case(&mut self, technique: Technique) -> Option<&mut Case> {
        if self.cases.iter().all(|case| case.technique != technique) {
            let (nearest, acquitted, convicted) = (None, None, None);
            self.cases.push(Case { technique, nearest, acquitted, convicted, trials: 0, acquittals: 0 });
        }
        self.cases.iter_mut().find(|case| case.technique == technique)
    }

    /// Judges a suspicion and remembers how.
    pub fn judge(&mut self, s: &Suspicion, terrain: &Terrain, t: &Thresholds) -> Verdict {
        let trial = Trial::hold(s, terrain, t);
        let verdict = trial.verdict;
        if let Some(case) = self.case(s.technique) {
            case.trials += 1;
            if !verdict.guilty {
                case.acquittals += 1;
                case.acquitted = Some(trial);
            } else if case.convicted.is_none() {
                case.convicted = Some(trial);
            }
        }
        verdict
    }

    /// Remembers what would be thought of what is no suspicion, if it is nearer to one than before.
    pub fn consider(&mut self, s: &Suspicion, terrain: &Terrain, t: &Thresholds) {
        let trial = Trial::hold(s, terrain, t);
        let nearness = |trial: &Trial| trial.nearest().map(|walk| (walk.end.highest, walk.end.threshold));
        if let Some(case) = self.case(s.technique) {
            let before = case.nearest.as_ref().and_then(nearness).map_or((0, 1), |near| near);
            let now = nearness(&trial).unwrap_or((0, 1));
            if u64::from(now.0) * u64::from(before.1) >= u64::from(before.0) * u64::from(now.1) {
                case.nearest = Some(trial);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        cells::samples::{Story, host, syn, welcome},
        correlate::{Correlate, Finding},
        dispatch::Key,
    };

    /// What is heard of host 2 in a story, and what is found.
    fn heard(story: &mut Story) -> (Hearing, Vec<Finding>) {
        let mut correlate = Correlate::new(&Key::new(1), Arc::new(Thresholds::default()));
        correlate.listen(host(2));
        correlate.take(story.end().reports().into_iter());
        let mut findings = Vec::new();
        correlate.settle(Time(i64::MAX / 2), |finding| findings.push(finding));
        (correlate.hearings().remove(0), findings)
    }

    fn watched() -> Story {
        let mut story = Story::new();
        story.watch(host(2), 8);
        story
    }

    fn sums(walk: &Walk) -> Vec<u32> {
        walk.steps.iter().map(|step| step.sum).collect()
    }

    #[test]
    fn who_is_no_suspect_is_walked_with_what_there_is() {
        let mut story = watched();
        for port in 1..=3 {
            story.refused((2, 40_000), (1, port));
        }
        let (hearing, findings) = heard(&mut story);
        let case = &hearing.cases[0];
        let walk = case.nearest.as_ref().and_then(Trial::nearest).unwrap();
        assert_eq!((sums(walk), walk.end.threshold, case.trials), (vec![2, 4, 6], 8, 0));
        assert!(findings.is_empty());
    }

    #[test]
    fn a_conviction_is_kept_with_its_walk() {
        let mut story = watched();
        for port in 1..=9 {
            story.refused((2, 40_000), (1, port));
        }
        let (hearing, findings) = heard(&mut story);
        let trial = hearing.cases[0].convicted.as_ref().unwrap();
        assert_eq!(sums(trial.nearest().unwrap()), [2, 4, 6, 8]);
        assert!(trial.verdict.guilty && !findings.is_empty());
    }

    #[test]
    fn an_acquittal_says_which_doors_are_to_blame_themselves() {
        let mut story = watched();
        for port in 1..=6 {
            let probe = syn((9, 39_000), (1, port));
            story.see(probe).see(welcome(&probe));
        }
        for port in 1..=6 {
            story.refused((2, 40_000), (1, port));
        }
        let (hearing, findings) = heard(&mut story);
        let case = &hearing.cases[0];
        let walk = case.acquitted.as_ref().and_then(Trial::nearest).unwrap();
        assert_eq!((case.trials, case.acquittals, walk.end.highest), (3, 3, 0));
        assert!(walk.steps.iter().all(|step| step.because == Because::AnsweredOthers));
        assert!(findings.is_empty());
    }
}
