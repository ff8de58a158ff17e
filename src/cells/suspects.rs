//! Suspects: each source with more than one judged contact, and what its knocks have come to.
//!
//! In: knocks. Out: groups that give ground for suspicion, scans that grow. Must not know of packets, answers or time-outs.
//! Read next: `suspects/table.rs` (who is kept), `suspects/scan.rs`, `suspects/crowd.rs`, `walk.rs` (the judging of a group), `evidence.rs` (what a scan has).

mod crowd;
mod scan;
mod table;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::Trust;

use crate::{
    cells::{
        evidence::Evidence,
        knock::{After, Knock},
        near::bring,
        outcome::Outcome,
        report::Suspicion,
        technique::{FIRST_UNPRIVILEGED, Technique},
        walk::{Ground, Group, Measure, STEP, Shape},
    },
    decode::{Address, Marks},
    dispatch::Key,
    presets::tripline::Thresholds,
    source::Time,
};

use crowd::Crowd;
use scan::DEADLINES;
pub use scan::Scan;
pub use table::Suspects;

/// Knocks that are kept of a source that is not yet a scanner.
const KNOCKS: usize = 64;
/// Of those, visits that say nothing against it.
const VISITS: usize = 16;
/// Of those, the latest that a probe is compared with.
const LATELY: usize = 8;
/// Groups that are kept of it.
const GROUPS: usize = 48;
/// Up to so many knocks or groups are given no room to grow: most suspects never have more, and forged ones are many.
const FEW_KEPT: usize = 4;
/// Techniques that an incoherent crowd is counted for.
const CROWDS: usize = 4;

/// Steps of failures at one host from which on others' failures there are looked at, too: one alone is background.
const FEW: u32 = 2;

/// A source with more than one judged contact.
#[derive(Debug, Serialize, Deserialize)]
pub struct Suspect {
    /// Who.
    pub source: Address,
    /// Its latest knocks that belong to no scan yet.
    #[serde(with = "crate::checkpoint::roomy")]
    knocks: Vec<Knock>,
    #[serde(with = "crate::checkpoint::roomy")]
    groups: Vec<Group>,
    /// All its contacts by technique: what incoherent scans are judged by.
    #[serde(with = "crate::checkpoint::roomy")]
    crowds: Vec<Crowd>,
    /// Its scans, one a technique.
    pub scans: Vec<Scan>,
    /// Clock of its last knock.
    last: Time,
    /// What the table has counted of it.
    bytes: usize,
    rank: Rank,
}

/// What a knock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing to tell.
    None,
    /// A new scan, or one that has grown enough: to be reported.
    Report(Technique),
    /// One more failure at a host that has refused it before, below every threshold.
    Few,
    /// Something to look at again later.
    Review(Technique),
}

impl Suspect {
    fn new(source: Address, now: Time) -> Self {
        let mut suspect = Self {
            source,
            knocks: Vec::new(),
            groups: Vec::new(),
            crowds: Vec::new(),
            scans: Vec::new(),
            last: now,
            bytes: 0,
            rank: Rank::default(),
        };
        suspect.bytes = suspect.measure();
        suspect
    }

    /// The scan of a technique, if there is one.
    pub fn scan_mut(&mut self, technique: Technique) -> Option<&mut Scan> {
        self.scans.iter_mut().find(|scan| scan.technique == technique)
    }

    /// Has all of it fetched at once that is looked at one after the other.
    #[inline]
    fn fetch(&self) {
        self.crowds.iter().for_each(bring);
        self.groups.iter().for_each(bring);
        self.knocks.iter().rev().for_each(bring);
    }

    /// Takes in a first contact whose outcome is known.
    pub fn knock(&mut self, knock: Knock, now: Time, key: &Key, t: &Thresholds) -> Effect {
        self.fetch();
        self.last = now;
        if let Some(scan) = self.scan_mut(knock.technique) {
            let target = key.hash(knock.target);
            if !scan.takes(&knock, target) {
                return Effect::None;
            }
            scan.last = scan.last.max(now);
            if knock.marks.has(Marks::AGAIN) && scan.holds(&knock, target) {
                scan.evidence.repeat(knock.stamp);
                return Effect::None;
            }
            let due = scan.take(&knock, target);
            return if due { Effect::Report(knock.technique) } else { Effect::None };
        }
        if knock.marks.has(Marks::AGAIN) && self.knocks.iter().any(|k| k.is_at_same_door(&knock)) {
            return Effect::None;
        }
        let speaks = knock.failed() || knock.marks.has(Marks::BOUNCED) || self.repeats(&knock);
        self.remember(knock);
        let ground = self.walk(&knock, speaks, t, |group| group.step(&knock));
        let ground = ground.or_else(|| self.crowd(&knock, t).map(|g| (g, None)));
        match ground {
            Some((ground, shape)) => self.suspect(knock.technique, ground, shape, now, key),
            None if knock.failed() && knock.technique.has_ports() && self.fails_at(knock.target, knock.technique) => {
                Effect::Few
            }
            None => self.appoint_review(knock.technique, now, t),
        }
    }

    /// Whether it has failed at several doors of a host.
    fn fails_at(&self, target: Address, technique: Technique) -> bool {
        let is_its = |g: &&Group| g.technique == technique && g.shape == Shape::Vertical(target);
        self.groups.iter().find(is_its).is_some_and(|g| g.sum >= FEW * STEP)
    }

    /// The failures at the host of a knock that were not told before.
    pub fn few(&mut self, knock: &Knock) -> Vec<Knock> {
        let is_its = |g: &&mut Group| g.technique == knock.technique && g.shape == Shape::Vertical(knock.target);
        let Some(group) = self.groups.iter_mut().find(is_its) else { return Vec::new() };
        if std::mem::replace(&mut group.told, true) {
            return vec![*knock];
        }
        self.knocks.iter().filter(|k| k.failed() && group.holds(k)).copied().collect()
    }

    /// What the source did with a door that had answered.
    pub fn then(&mut self, after: &Knock, now: Time, key: &Key, t: &Thresholds) -> Effect {
        self.fetch();
        if let Some(scan) = self.scan_mut(after.technique) {
            if scan.evidence.has_target(key.hash(after.target)) {
                scan.evidence.then(after.after);
            }
            if let Some(k) = scan.case.iter_mut().find(|k| (k.target, k.port) == (after.target, after.port)) {
                k.after = after.after;
            }
            return Effect::None;
        }
        let same = |k: &&mut Knock| (k.technique, k.target, k.port) == (after.technique, after.target, after.port);
        let mute = matches!(after.after, After::Reset | After::Empty);
        let speaks = mute || self.says_the_same(after);
        match self.knocks.iter_mut().find(same) {
            Some(knock) => (knock.after, knock.said) = (after.after, after.said),
            // It had been let go as a visit that says nothing. Now it does.
            None if speaks => self.remember(*after),
            None => return Effect::None,
        }
        let ground = self.walk(after, speaks, t, |group| group.then(after));
        if mute && let Some(crowd) = self.crowds.iter_mut().find(|c| c.technique == after.technique) {
            crowd.mute += 1;
        }
        match ground {
            Some((ground, shape)) => self.suspect(after.technique, ground, shape, now, key),
            None => self.appoint_review(after.technique, now, t),
        }
    }

    /// The source came back to a door that had answered it.
    pub fn revisit(&mut self, technique: Technique) {
        if let Some(crowd) = self.crowds.iter_mut().find(|c| c.technique == technique) {
            crowd.revisited += 1;
        }
    }

    fn appoint_review(&mut self, technique: Technique, now: Time, t: &Thresholds) -> Effect {
        let crowd = self.crowds.iter_mut().find(|c| c.technique == technique && c.review_at.is_none() && c.is_mute(t));
        crowd.map_or(Effect::None, |crowd| {
            crowd.review_at = Some(now.after(t.review));
            Effect::Review(technique)
        })
    }

    /// Looks whether the source has come back to the doors that it left without a word.
    pub fn review(&mut self, technique: Technique, now: Time, key: &Key, t: &Thresholds) -> Effect {
        let guilty =
            self.crowds.iter().any(|c| c.technique == technique && c.review_at.is_some() && c.never_returns(t));
        // Where much is forgotten, who goes round a few hosts seems to find new ones: only what is remembered counts.
        let mut doors: Vec<_> =
            self.knocks.iter().filter(|k| k.technique == technique).map(|k| (k.target, k.port)).collect();
        doors.sort_unstable();
        doors.dedup();
        if !guilty || doors.len() < t.once as usize || self.scan_mut(technique).is_some() {
            return Effect::None;
        }
        self.suspect(technique, Ground::Once, None, now, key)
    }

    /// Techniques of which a review is under way.
    #[must_use]
    pub fn reviews(&self) -> Vec<Technique> {
        self.crowds.iter().filter(|c| c.review_at.is_some()).map(|c| c.technique).collect()
    }

    /// A door thought to be silent has answered after all.
    pub fn revise(&mut self, knock: &Knock, from: Outcome, to: Outcome, key: &Key) {
        let same = |k: &&mut Knock| k.is_at_same_door(knock);
        if let Some(scan) = self.scan_mut(knock.technique) {
            if scan.holds(knock, key.hash(knock.target)) {
                scan.evidence.revise(knock.target, knock.port, from, to);
                scan.case.iter_mut().filter(same).for_each(|k| k.outcome = to);
            }
            return;
        }
        self.knocks.iter_mut().filter(same).for_each(|k| k.outcome = to);
        self.groups.iter_mut().filter(|g| g.holds(knock)).for_each(|g| g.revise(from, to));
        if let Some(crowd) = self.crowds.iter_mut().find(|c| c.technique == knock.technique) {
            crowd.tally.revise(from, to);
        }
    }

    /// The source came back to a door: `mark` says how.
    pub fn came_back(&mut self, technique: Technique, target: Address, port: u16, mark: Marks) {
        let knocks = match self.scans.iter_mut().find(|scan| scan.technique == technique) {
            Some(scan) => {
                scan.evidence.astray += u64::from(mark == Marks::ASTRAY);
                &mut scan.case
            }
            None => &mut self.knocks,
        };
        let same = |k: &&mut Knock| (k.technique, k.target, k.port) == (technique, target, port) && !k.marks.has(mark);
        let Some(knock) = knocks.iter_mut().find(same) else { return };
        knock.marks.set(mark);
        if mark == Marks::PERSISTED && knock.outcome == Outcome::Closed {
            let knock = *knock;
            self.groups.iter_mut().filter(|g| g.holds(&knock)).for_each(Group::doubt);
        }
    }

    /// Keeps a knock. Of visits that say nothing against the source only the latest few stay, or the honest would
    /// take the room of the slow; of all others, when there are too many, the oldest goes.
    fn remember(&mut self, knock: Knock) {
        let says_nothing = |k: &Knock| {
            let asks_for_life = k.is_ping() || k.technique == Technique::Arp;
            let visits = !k.failed() && matches!(k.after, After::Nothing | After::Spoke | After::Ended);
            visits && !asks_for_life || k.after == After::Claimed
        };
        if self.knocks.iter().filter(|k| says_nothing(k)).count() >= VISITS {
            self.knocks.remove(self.knocks.iter().position(says_nothing).unwrap_or(0));
        } else if self.knocks.len() >= KNOCKS {
            self.knocks.remove(0);
        }
        if self.knocks.len() < FEW_KEPT {
            self.knocks.reserve_exact(1);
        }
        self.knocks.push(knock);
    }

    /// Whether a probe has the source port and sequence number of one of the last: no kernel's does.
    fn repeats(&self, knock: &Knock) -> bool {
        let mut lately = self.knocks.iter().rev().take(LATELY);
        knock.technique.is_tcp() && lately.any(|k| (k.src_port, k.isn) == (knock.src_port, knock.isn))
    }

    /// Whether as much was said to another door of the same host: services are spoken to each in its own way.
    fn says_the_same(&self, after: &Knock) -> bool {
        let same = |k: &Knock| (k.target, k.said) == (after.target, after.said) && k.port != after.port;
        after.said != 0 && after.port < FIRST_UNPRIVILEGED && self.knocks.iter().any(same)
    }

    /// Lets the groups of a knock take `step`; their ground for suspicion, if they give any. Groups are made when
    /// a member first says something (`speaks`): honest clients have none. What was there before counts then.
    fn walk(
        &mut self,
        knock: &Knock,
        speaks: bool,
        t: &Thresholds,
        step: impl Fn(&mut Group),
    ) -> Option<(Ground, Option<Shape>)> {
        let mut ground = None;
        let shapes = [Shape::Vertical(knock.target), Shape::Horizontal(knock.port)];
        for shape in shapes {
            let known = self.groups.iter_mut().position(|g| g.shape == shape && g.technique == knock.technique);
            let at = match known {
                None if !speaks => continue,
                None => self.begin(shape, knock),
                Some(at) => {
                    self.groups.get_mut(at).into_iter().for_each(&step);
                    at
                }
            };
            let found = self.groups.get(at).and_then(|group| group.ground(t));
            ground = ground.or_else(|| found.map(|g| (g, Some(shape))));
        }
        ground
    }

    /// Begins a group with all knocks that belong to it; of too many the one with the least to say goes.
    fn begin(&mut self, shape: Shape, knock: &Knock) -> usize {
        if self.groups.len() >= GROUPS {
            let weight = |g: &Group| (g.sum, g.half_open, g.empty, g.tally.doors());
            let least = (0..self.groups.len()).min_by_key(|&i| self.groups.get(i).map(weight));
            self.groups.swap_remove(least.unwrap_or(0));
        }
        let mut group = Group::new(shape, knock);
        for k in &self.knocks {
            if group.holds(k) {
                group.step(k);
                group.then(k);
            }
        }
        if self.groups.len() < FEW_KEPT {
            self.groups.reserve_exact(1);
        }
        self.groups.push(group);
        self.groups.len() - 1
    }

    /// Counts a knock among all of its technique; ground when nearly all of very many fail.
    fn crowd(&mut self, knock: &Knock, t: &Thresholds) -> Option<Ground> {
        if knock.technique == Technique::Arp || !knock.technique.silence_tells() {
            return None;
        }
        let known = self.crowds.iter().position(|c| c.technique == knock.technique);
        if known.is_none() && self.crowds.len() < CROWDS {
            self.crowds.reserve_exact(1);
            self.crowds.push(Crowd::new(knock.technique));
        }
        let crowd = self.crowds.iter_mut().find(|c| c.technique == knock.technique)?;
        crowd.tally.add(knock.outcome);
        if knock.is_ping() || !knock.failed() && matches!(knock.after, After::Reset | After::Empty) {
            crowd.mute += 1;
        }
        crowd.incoherent(t).is_reached().then_some(Ground::Incoherent)
    }

    /// Opens a scan on a ground, with the knocks that belong to it.
    fn suspect(&mut self, technique: Technique, ground: Ground, shape: Option<Shape>, now: Time, key: &Key) -> Effect {
        // Its own group, and every other of the technique that has begun to fail in the same manner.
        let failing: Vec<Group> = self
            .groups
            .iter()
            .filter(|g| g.technique == technique)
            .filter(|g| Some(g.shape) == shape || g.sum >= 2 * STEP && !g.may_be_stale())
            .cloned()
            .collect();
        let belongs = |k: &Knock| k.technique == technique && (shape.is_none() || failing.iter().any(|g| g.holds(k)));
        let mut case: Vec<Knock> = self.knocks.iter().copied().filter(belongs).collect();
        case.sort_by_key(|k| k.stamp);
        let Some(first) = case.first() else { return Effect::None };
        let mut evidence = Evidence::new(first, key.hash(first.target));
        case.iter().skip(1).for_each(|k| evidence.add(k, key.hash(k.target)));
        let report_at = evidence.tally.doors() + 1;
        let day = now.after(86_400 * Time::SECOND);
        let (vlan, tunnel, mac) = Default::default();
        // No room for more: hardly anybody scans in two ways, and those who are forged are many.
        self.scans.reserve_exact(1);
        self.scans.push(Scan {
            technique,
            ground,
            shape,
            case,
            evidence,
            last: now,
            day,
            quiet_at: None,
            report_at,
            vlan,
            tunnel,
            mac,
        });
        self.knocks.retain(|k| k.technique != technique);
        self.groups.retain(|g| g.technique != technique);
        Effect::Report(technique)
    }

    /// How near it is to each ground: by technique, and what the group has in common (`None`: all of the technique).
    pub fn measures(&self, t: &Thresholds) -> impl Iterator<Item = (Technique, Option<Shape>, Measure)> {
        let groups = self.groups.iter().flat_map(move |g| g.measures(t).map(|m| (g.technique, Some(g.shape), m)));
        let of_all = |c: &Crowd| [(c.technique, None, c.incoherent(t)), (c.technique, None, c.mute(t))];
        groups.chain(self.crowds.iter().flat_map(of_all))
    }

    /// What would be reported of its contacts by a technique, if their walk were ground enough already.
    #[must_use]
    pub fn so_far(&self, technique: Technique, key: &Key) -> Option<Suspicion> {
        let case: Vec<Knock> = self.knocks.iter().copied().filter(|k| k.technique == technique).collect();
        let (first, last) = (case.first()?, case.last()?);
        let mut evidence = Evidence::new(first, key.hash(first.target));
        case.iter().skip(1).for_each(|k| evidence.add(k, key.hash(k.target)));
        let stamp = last.stamp;
        Some(Suspicion::of_failures(technique, None, stamp, case, evidence))
    }

    /// What it would take to forge it.
    fn rank(&self) -> Rank {
        match self.scans.iter().map(|s| s.evidence.trust()).max() {
            None => Rank::Doubtful,
            Some(Trust::Spoofable) => Rank::Scan,
            Some(_) => Rank::Proven,
        }
    }

    /// How much is known of it: of two of a rank, the one with less goes first.
    fn worth(&self) -> (u64, u32, Time) {
        let doors = self.scans.iter().map(|s| s.evidence.tally.doors()).sum();
        (doors, self.groups.iter().map(|g| g.sum).max().unwrap_or(0), self.last)
    }

    fn measure(&self) -> usize {
        size_of::<Self>()
            + self.knocks.capacity() * size_of::<Knock>()
            + self.groups.capacity() * size_of::<Group>()
            + self.crowds.capacity() * (size_of::<Crowd>() + DEADLINES / 2)
            + self.scans.iter().map(Scan::bytes).sum::<usize>()
            + INDEX_COST
    }
}

/// What the index costs for each suspect: key, slot and the hash table's slack.
const INDEX_COST: usize = 64;

/// What a suspect's evidence would cost a forger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Rank {
    /// No scan yet: two or three packets.
    #[default]
    Doubtful,
    /// A scan of packets that anybody could have sent under its name.
    Scan,
    /// A scan whose source showed that it gets answers: an address of the forger's own.
    Proven,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{host, knock};

    #[test]
    fn a_scan_is_told_at_each_door_while_judgement_may_turn_then_ever_more_seldom() {
        let (key, t) = (Key::new(1), Thresholds::default());
        let mut suspect = Suspect::new(host(1), Time(0));
        let mut told = Vec::new();
        for port in 1..=100 {
            if matches!(suspect.knock(knock(9, port, Outcome::Closed), Time(0), &key, &t), Effect::Report(_)) {
                told.push(port);
            }
        }
        assert_eq!(told[..21], (4..=24).collect::<Vec<u16>>());
        assert_eq!(told[21..], [28, 32, 37, 42, 48, 55, 62, 70, 79, 89]);
    }

    #[test]
    fn failures_below_the_threshold_are_told_from_the_second_on_each_once() {
        let (key, t) = (Key::new(1), Thresholds::default());
        let mut suspect = Suspect::new(host(1), Time(0));
        let told: Vec<Vec<u16>> = (1..=3)
            .map(|port| {
                let knock = knock(9, port, Outcome::Closed);
                match suspect.knock(knock, Time(0), &key, &t) {
                    Effect::Few => suspect.few(&knock).iter().map(|k| k.port).collect(),
                    _ => Vec::new(),
                }
            })
            .collect();
        assert_eq!(told, [vec![], vec![1, 2], vec![3]]);
    }

    #[test]
    fn contacts_that_share_nothing_are_ground_when_very_many_fail() {
        let (key, t) = (Key::new(1), Thresholds::default());
        let crowd = |percent: u16| {
            let mut suspect = Suspect::new(host(1), Time(0));
            (0..64_u16).find_map(|n| {
                let outcome = if n % 100 * 37 % 100 < percent { Outcome::Silent } else { Outcome::Open };
                let found = suspect.knock(knock(n as u8, 10_000 + n, outcome), Time(0), &key, &t);
                (found != Effect::None).then(|| suspect.scans[0].ground)
            })
        };
        assert_eq!(crowd(95), Some(Ground::Incoherent));
        assert_eq!(crowd(60), None);
    }
}
