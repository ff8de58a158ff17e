//! A witness: what a cell tells of one address that somebody asks about (`tripline why`).
//!
//! In: what befalls the contacts of that address, from the cell that judges them. Out: its doors in order, with
//! what became of them; how near it came to each ground for suspicion; what was forgotten of it. Bounded: so many
//! doors from the beginning, as many of the latest, and counts. A cell without witnesses pays a look at an empty list
//! for each first contact. Must not judge: it writes down what the cell did.
//! Read next: `mod.rs` (who calls it), `correlate/hearing.rs` (the other half of the story).

use std::collections::VecDeque;

use crate::{
    cells::{
        contacts::Door,
        knock::{After, Knock, Tally},
        outcome::Outcome,
        suspects::Suspect,
        technique::Technique,
        walk::{Ground, Measure, Shape},
    },
    decode::{Address, Marks},
    presets::tripline::Thresholds,
    source::Time,
};

/// Grounds in sight that are kept: the nearest of each technique and ground.
const NEAR: usize = 64;

/// One first contact.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// How it knocked, where, and what came of it.
    pub knock: Knock,
    /// How it stands.
    pub fate: Fate,
}

/// How a first contact stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its outcome is not known.
    Waits,
    /// Its outcome is known.
    Ended,
    /// It was thought to be silent; the answer came after that.
    EndedLate,
    /// Its hop limit ran out on the way: no door was reached.
    Traced,
    /// It was given up for want of memory before its outcome was known.
    GivenUp,
}

/// All contacts by one technique.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Which.
    pub technique: Technique,
    /// First contacts.
    pub knocks: u64,
    /// Those whose outcome is known.
    pub tally: Tally,
}

/// How near it came to a ground for suspicion.
#[derive(Clone, Copy, Debug)]
pub struct Near {
    /// By which technique.
    pub technique: Technique,
    /// With what in common; `None` for all contacts of the technique.
    pub shape: Option<Shape>,
    /// How near.
    pub measure: Measure,
}

/// What a cell knows of an address that somebody asks about.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Whom.
    pub source: Address,
    /// So many doors are kept of the beginning, and of the end.
    keep: usize,
    /// First contacts, in order: the first ones.
    pub first: Vec<Visit>,
    /// And the latest that are not among those.
    pub latest: VecDeque<Visit>,
    /// By technique, in order of first use.
    pub ways: Vec<Way>,
    /// The nearest that it came to each ground, by technique.
    pub near: Vec<Near>,
    /// Times that its contact went forgotten while it waited for a second one.
    pub forgotten_alone: u64,
    /// Contacts that were given up before their outcome was known.
    pub given_up: u64,
    /// When it was given up as a suspect, for want of memory, and how often in all.
    pub forgotten: Option<(Time, u64)>,
    /// The only contact so far whose outcome is known, while it is the only one.
    alone: Option<(Address, u16)>,
    /// The highest sum of a walk so far, by technique.
    highest: Vec<(Technique, u64)>,
}

/// Those of a cell: nearly always none.
#[derive(Debug, Default)]
pub struct Witnesses(pub Vec<Witness>);

impl Witnesses {
    /// The one of an address, if somebody asks about it.
    #[inline]
    pub fn of(&mut self, source: Address) -> Option<&mut Witness> {
        self.0.iter_mut().find(|witness| witness.source == source)
    }

    /// Has the one of an address write something down.
    #[inline]
    pub fn tell(&mut self, source: Address, what: impl FnOnce(&mut Witness)) {
        if let Some(witness) = self.of(source) {
            what(witness);
        }
    }
}

impl Witness {
    /// One who has seen nothing yet, and keeps `keep` doors of the beginning and as many of the end.
    #[must_use]
    pub fn new(source: Address, keep: usize) -> Self {
        Self {
            source,
            keep,
            first: Vec::new(),
            latest: VecDeque::new(),
            ways: Vec::new(),
            near: Vec::new(),
            forgotten_alone: 0,
            given_up: 0,
            forgotten: None,
            alone: None,
            highest: Vec::new(),
        }
    }

    /// First contacts in all.
    #[must_use]
    pub fn knocks(&self) -> u64 {
        self.ways.iter().map(|way| way.knocks).sum()
    }

    fn way(&mut self, technique: Technique) -> Option<&mut Way> {
        if self.ways.iter().all(|way| way.technique != technique) {
            self.ways.push(Way { technique, knocks: 0, tally: Tally::default() });
        }
        self.ways.iter_mut().find(|way| way.technique == technique)
    }

    /// The latest visit at a door, if it is kept.
    fn visit(&mut self, technique: Technique, target: Address, port: u16) -> Option<&mut Visit> {
        let is_it = |v: &&mut Visit| (v.knock.technique, v.knock.target, v.knock.port) == (technique, target, port);
        self.latest.iter_mut().rev().chain(self.first.iter_mut().rev()).find(is_it)
    }

    /// It knocks at a door for the first time, or in another way.
    pub fn knocked(&mut self, knock: Knock) {
        if let Some(way) = self.way(knock.technique) {
            way.knocks += 1;
        }
        let visit = Visit { knock, fate: Fate::Waits };
        if self.first.len() < self.keep {
            self.first.push(visit);
        } else {
            if self.latest.len() >= self.keep {
                self.latest.pop_front();
            }
            self.latest.push_back(visit);
        }
    }

    /// The outcome of a contact is known; `late` when it had been thought to be silent.
    pub fn ended(&mut self, knock: Knock, late: bool) {
        if let Some(way) = self.way(knock.technique) {
            if late { way.tally.revise(Outcome::Silent, knock.outcome) } else { way.tally.add(knock.outcome) }
        }
        if let Some(visit) = self.visit(knock.technique, knock.target, knock.port) {
            *visit = Visit { knock, fate: if late { Fate::EndedLate } else { Fate::Ended } };
        }
    }

    /// Its probe died on the way.
    pub fn traced(&mut self, knock: &Knock) {
        if let Some(visit) = self.visit(knock.technique, knock.target, knock.port) {
            visit.fate = Fate::Traced;
        }
    }

    /// What it did with a door that had answered.
    pub fn then(&mut self, knock: &Knock) {
        let after: After = knock.after;
        if let Some(visit) = self.visit(knock.technique, knock.target, knock.port) {
            visit.knock.after = after;
        }
    }

    /// It came back to a door: `mark` says how.
    pub fn came_back(&mut self, technique: Technique, target: Address, port: u16, mark: Marks) {
        if let Some(visit) = self.visit(technique, target, port) {
            visit.knock.marks.set(mark);
        }
    }

    /// Of all its contacts only this one is known: a suspect has two. When there was another before, that went forgotten.
    pub fn is_alone(&mut self, knock: &Knock) {
        let door = (knock.target, knock.port);
        self.forgotten_alone += u64::from(self.alone.is_some_and(|before| before != door));
        self.alone = Some(door);
    }

    /// A contact had to go before its outcome was known.
    pub fn lost(&mut self, door: &Door, technique: Technique) {
        self.given_up += 1;
        if let Some(visit) = self.visit(technique, door.target, door.port) {
            visit.fate = Fate::GivenUp;
        }
    }

    /// It had to go as a suspect.
    pub fn forget(&mut self, now: Time) {
        let times = self.forgotten.map_or(0, |(_, times)| times);
        (self.forgotten, self.alone) = (Some((now, times + 1)), None);
    }

    /// Looks at the suspect after each of its contacts; names the techniques by which it has come nearer than ever.
    pub fn look(&mut self, suspect: &Suspect, t: &Thresholds) -> Vec<Technique> {
        self.alone = None;
        let mut nearer = Vec::new();
        for (technique, shape, measure) in suspect.measures(t) {
            let is_walk = measure.ground == Ground::Failures;
            if is_walk && self.is_highest(technique, measure.has) && !nearer.contains(&technique) {
                nearer.push(technique);
            }
            self.note(Near { technique, shape, measure });
        }
        nearer
    }

    /// Whether a walk has come higher than ever, by so much that it is worth telling: with a threshold of millions
    /// not each step is.
    fn is_highest(&mut self, technique: Technique, sum: u64) -> bool {
        match self.highest.iter_mut().find(|(known, _)| *known == technique) {
            Some((_, highest)) if sum <= *highest + *highest / 16 => false,
            Some((_, highest)) => {
                *highest = sum;
                true
            }
            None => {
                self.highest.push((technique, sum));
                true
            }
        }
    }

    fn note(&mut self, near: Near) {
        let Measure { ground, has, needs, .. } = near.measure;
        if has == 0 {
            return;
        }
        let is_it = |n: &Near| (n.technique, n.measure.ground) == (near.technique, ground);
        let Some(known) = self.near.iter().position(is_it) else {
            if self.near.len() < NEAR {
                self.near.push(near);
            }
            return;
        };
        let Some(known) = self.near.get_mut(known) else { return };
        let before = known.measure;
        if u128::from(has) * u128::from(before.needs) >= u128::from(before.has) * u128::from(needs) {
            *known = near;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{
            What,
            samples::{Story, host, syn, welcome},
        },
        dispatch::Key,
    };

    fn watched(memory: usize) -> Story {
        let mut story = Story::within(memory);
        story.watch(host(2), 4);
        story
    }

    #[test]
    fn the_first_doors_and_the_latest_are_kept_and_the_rest_is_counted() {
        let mut story = watched(4 << 20);
        for port in 1..=20 {
            story.refused((2, 40_000), (1, port));
        }
        story.refused((3, 40_000), (1, 99));
        let witness = story.end().witness();
        let ports = |visits: &mut dyn Iterator<Item = &Visit>| visits.map(|v| v.knock.port).collect::<Vec<_>>();
        assert_eq!(ports(&mut witness.first.iter()), [1, 2, 3, 4]);
        assert_eq!(ports(&mut witness.latest.iter()), [17, 18, 19, 20]);
        assert_eq!((witness.knocks(), witness.ways[0].tally.closed), (20, 20), "another's door is another's");
    }

    #[test]
    fn how_near_it_came_is_what_the_cell_judged_by() {
        let mut story = watched(4 << 20);
        for port in 1..=3 {
            story.refused((2, 40_000), (1, port));
        }
        let witness = story.witness();
        let walk = witness.near.iter().find(|near| near.measure.ground == Ground::Failures).unwrap();
        assert_eq!((walk.shape, walk.measure.has, walk.measure.needs), (Some(Shape::Vertical(host(1))), 6, 8));
        let told = story.reports().iter().filter(|report| matches!(report.what, What::Near(_))).count();
        assert_eq!(told, 2, "from the second contact on, each time that it comes nearer");
    }

    #[test]
    fn nobody_else_is_told_of_and_judgement_does_not_change() {
        let tell = |story: &mut Story| {
            for port in 1..=8 {
                let probe = syn((2, 40_000), (1, 100 + port));
                story.refused((2, 40_000), (1, port)).see(probe).see(welcome(&probe));
            }
            let reports = story.end().reports();
            let judged = reports.into_iter().filter(|report| !matches!(report.what, What::Near(_)));
            judged.map(|report| format!("{report:?}")).collect::<Vec<_>>()
        };
        assert_eq!(tell(&mut watched(4 << 20)), tell(&mut Story::new()));
    }

    #[test]
    fn what_went_for_want_of_memory_is_known() {
        let mut story = watched(1 << 20);
        for port in 1..=2 {
            story.refused((2, 40_000), (1, port));
        }
        let key = Key::new(5);
        let same_cell =
            (0..u32::MAX).map(|n| Address::v4(n.to_be_bytes())).filter(|a| key.cell(*a) == key.cell(host(2)));
        for other in same_cell.take(64).collect::<Vec<_>>() {
            for port in 1..=3 {
                story.refused_to(other, (1, port));
            }
        }
        let witness = story.end().witness();
        assert_eq!(witness.forgotten.map(|(_, times)| times), Some(1));
    }
}
