//! Distributed scans: many sources, each with few doors of one host, and hardly two with the same.
//!
//! In: the failed first contacts of sources that have two or more at one host and are below every threshold, with what
//! the terrain says of them. Out: crowds that share out a host's doors, as suspicions of one scan without a source.
//! Who looks for a dead service meets the others at its door; peers know one port of a host; data connections go to
//! ports that no service has. So a crowd needs many sources, doors that do not overlap, and services among them.
//! Bounded: so many crowds; the one with the fewest sources goes.
//! Source: DESIGN section 2 (`distributed`); the numbers are in `presets/tripline.rs`.
//! Read next: `mod.rs` (who gives a crowd its life).

use std::{collections::HashMap, io, net::IpAddr};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use tripline_plugin::{Event, event::Counted};

use crate::{
    cells::{
        Suspicion,
        distinct::HashSet,
        evidence::{Evidence, SAMPLE},
        knock::Knock,
        technique::{FIRST_UNPRIVILEGED, Technique},
        walk::{STEP, Shape},
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::{
        alone::owner,
        life::Role,
        terrain::Terrain,
        weight::{Weight, weigh},
    },
    decode::Address,
    dispatch::Key,
    presets::tripline::Thresholds,
    source::Time,
};

/// Crowds that are kept at a time. The largest has all ports: 16 KiB.
const CROWDS: usize = 256;
/// Of a hundred doors so many at least are tried by one source alone.
pub(super) const OWN_DOORS: u64 = 80;
/// A day of the clock.
pub(super) const DAY: i64 = 86_400 * Time::SECOND;

/// What a crowd is known by: whose doors, and how it knocks.
pub type Target = (Address, Technique);

/// What there is to tell of a crowd, or of a network whose addresses take turns.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which: whose doors, or which network, and how it knocks.
    pub target: Target,
    /// Which of the two.
    pub role: Role,
    /// Its doors, as a suspicion in nobody's name.
    pub suspicion: Box<Suspicion>,
    /// Judged by counts: nothing is heard from the target's network.
    pub one_sided: bool,
    /// Who is of it.
    pub sources: Counted<IpAddr>,
}

/// Why it is time to look at a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// It goes on for another day.
    Day,
    /// It has been quiet for long.
    Quiet,
}

/// Sources with few doors each of one host.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Crowd {
    sources: HashSet,
    sample: Vec<Address>,
    evidence: Evidence,
    /// Doors that only a service has.
    listeners: u32,
    /// What the failures weigh, in half steps; a silence where nothing is ever heard counts as one.
    weight: u64,
    unheard: bool,
    last: Time,
    day: Time,
}

impl Crowd {
    /// Takes in doors of a source, of which the evidence knows already.
    fn note(&mut self, source: Address, knock: &Knock, terrain: &Terrain, key: &Key) {
        if self.sources.insert(key.hash(owner(source))) && self.sample.len() < SAMPLE {
            self.sample.push(source);
        }
        self.unheard &= !terrain.is_in_view(knock.target);
        let (weight, _) = weigh(knock, terrain, false);
        self.weight += match weight {
            Weight::Fails(steps) => u64::from(steps),
            Weight::Unseen => 1,
            Weight::Succeeds => 0,
        };
    }

    /// Whether it shares out a host's doors.
    fn is_guilty(&self, t: &Thresholds) -> bool {
        let (sources, _) = self.sources.count();
        let (ports, doors) = (self.evidence.ports.len() as u64, self.evidence.tally.doors());
        sources >= u64::from(t.distributed)
            && ports * 100 >= doors * OWN_DOORS
            && self.listeners >= t.walk
            && self.weight >= u64::from(t.distributed * STEP)
    }

    fn tell(&self, target: Target, stamp: Time) -> Told {
        let (count, exact) = self.sources.count();
        let evidence = self.evidence.clone();
        let suspicion = Suspicion::of_failures(target.1, Some(Shape::Vertical(target.0)), stamp, Vec::new(), evidence);
        Told {
            target,
            role: Role::Target,
            suspicion: Box::new(suspicion),
            one_sided: self.unheard,
            sources: Counted { count, exact, sample: self.sample.iter().map(|source| source.ip()).collect() },
        }
    }
}

/// All crowds.
#[derive(Debug)]
pub struct Crowds {
    key: Key,
    known: HashMap<Target, Crowd, FixedState>,
    /// Nothing is due before, if anything is.
    next: Option<Time>,
    /// One that had to go for another: to be taken out by whoever has given it a life.
    pub displaced: Option<Told>,
}

impl Crowds {
    /// None yet.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let known = HashMap::with_hasher(FixedState::with_seed(key.hash(3_u8)));
        Self { key: key.clone(), known, next: None, displaced: None }
    }

    /// A source has failed at doors of one host. Tells of the crowd that it is of, once that is guilty.
    pub fn join(
        &mut self,
        source: Address,
        knocks: &[Knock],
        now: Time,
        terrain: &Terrain,
        t: &Thresholds,
    ) -> Option<Told> {
        let (first, last) = (knocks.first()?, knocks.last()?);
        let target = (first.target, first.technique);
        if !self.known.contains_key(&target) {
            self.make_room();
        }
        let host = self.key.hash(first.target);
        let mut known = self.known.remove(&target);
        // Who comes with several doors may have been here with the first of them alone.
        let me = self.key.hash(owner(source));
        let was_here = |crowd: &Crowd| crowd.sources.count().1 && crowd.sources.may_have(me);
        let was_here = knocks.len() > 1 && known.as_ref().is_some_and(was_here);
        for knock in knocks {
            if was_here && known.as_ref().is_some_and(|crowd| crowd.evidence.ports.contains(knock.port)) {
                continue;
            }
            let ports = known.as_ref().map_or(0, |crowd| crowd.evidence.ports.len());
            let crowd = match &mut known {
                Some(crowd) => {
                    crowd.evidence.add(knock, host);
                    crowd
                }
                None => known.insert(Crowd {
                    sources: HashSet::default(),
                    sample: Vec::new(),
                    evidence: Evidence::new(knock, host),
                    listeners: 0,
                    weight: 0,
                    unheard: true,
                    last: now,
                    day: now.after(DAY),
                }),
            };
            let is_new = crowd.evidence.ports.len() > ports;
            crowd.listeners += u32::from(is_new && knock.port < FIRST_UNPRIVILEGED);
            crowd.note(source, knock, terrain, &self.key);
        }
        let crowd = self.known.entry(target).or_insert(known?);
        crowd.last = crowd.last.max(now);
        let due = crowd.day.min(crowd.last.after(t.quiet));
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        crowd.is_guilty(t).then(|| crowd.tell(target, last.stamp))
    }

    fn make_room(&mut self) {
        if self.known.len() < CROWDS {
            return;
        }
        // Targets are compared last, so that the order of a hash table does not show.
        let least = self.known.iter().min_by_key(|(target, crowd)| (crowd.sources.count().0, crowd.last, **target));
        if let Some(target) = least.map(|(target, _)| *target)
            && let Some(crowd) = self.known.remove(&target)
        {
            self.displaced = Some(crowd.tell(target, crowd.evidence.end));
        }
    }

    /// Nothing is due before, if anything is.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.next
    }

    /// Takes the next crowd of which something is due at `now` at the latest.
    pub fn due(&mut self, now: Time, quiet: i64) -> Option<(Time, Due, Told)> {
        let dues = self.known.iter().flat_map(|(target, crowd)| {
            [(crowd.day, *target, Due::Day), (crowd.last.after(quiet), *target, Due::Quiet)]
        });
        let next = dues.min();
        self.next = next.map(|(due, ..)| due);
        let (due, target, why) = next.filter(|(due, ..)| *due <= now)?;
        let crowd = self.known.get_mut(&target)?;
        let told = crowd.tell(target, crowd.evidence.end);
        // At the end of time there is no other day.
        let tomorrow = due.after(DAY);
        let why = if tomorrow > due { why } else { Due::Quiet };
        match why {
            Due::Day => crowd.day = tomorrow,
            Due::Quiet => drop(self.known.remove(&target)),
        }
        Some((due, why, told))
    }

    /// Takes all crowds, in the order of their targets: the input ends.
    pub fn drain(&mut self) -> Vec<Told> {
        let mut all: Vec<Told> =
            self.known.drain().map(|(target, crowd)| crowd.tell(target, crowd.evidence.end)).collect();
        all.sort_by_key(|told| told.target);
        self.next = None;
        all
    }
}

/// Writes into an event of a crowd's scan who is of it.
pub fn write(sources: Counted<IpAddr>, event: &mut Event) {
    (event.src_ip, event.src_port, event.src_mac) = (None, None, None);
    let Some(scan) = &mut event.scan else { return };
    scan.reason = format!("{} sources share out the doors of one host, few each; {}", sources.count, scan.reason);
    scan.sources = sources;
}

impl Kept for Crowds {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Who was displaced has been taken out by now.
        let Self { key: _, known, next, displaced: _ } = self;
        to.list(known.iter())?;
        to.put(next)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let known = from.list::<Vec<(Target, Crowd)>>(CROWDS)?;
        self.known.extend(known);
        self.next = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{
        outcome::Outcome,
        samples::{host, knock},
    };

    /// What is told when so many sources try two doors each of a host, chosen by `door`.
    fn told(sources: u16, door: impl Fn(u16) -> u16) -> Option<Told> {
        let (terrain, t) = (Terrain::new(Key::new(1)), Thresholds::default());
        let mut crowds = Crowds::new(&Key::new(1));
        (0..sources).fold(None, |_, n| {
            let knocks = [2 * n, 2 * n + 1].map(|k| knock(1, door(k), Outcome::Closed));
            crowds.join(host(n as u8 + 2), &knocks, Time(i64::from(n)), &terrain, &t)
        })
    }

    #[test]
    fn ten_sources_that_share_out_the_doors_of_a_host_are_a_crowd() {
        assert!(told(9, |k| 100 + k).is_none());
        let told = told(10, |k| 100 + k).unwrap();
        assert_eq!((told.sources.count, told.suspicion.evidence.tally.doors()), (10, 20));
        assert_eq!(told.target, (host(1), Technique::TcpSyn));
    }

    #[test]
    fn doors_that_many_share_or_that_no_service_has_make_no_crowd() {
        assert!(told(100, |k| [443, 80][usize::from(k % 2)]).is_none(), "a dead service");
        assert!(told(100, |k| 143 + k % 9).is_none(), "a dead host with some");
        assert!(told(100, |k| 40_000 + k).is_none(), "data connections");
    }

    #[test]
    fn crowds_are_bounded_and_that_with_the_fewest_sources_goes() {
        let (terrain, t) = (Terrain::new(Key::new(1)), Thresholds::default());
        let mut crowds = Crowds::new(&Key::new(1));
        for n in 0..2 * CROWDS as u32 {
            let at = |source| {
                let target = Address::v4((0x0b00_0000 + n).to_be_bytes());
                (host(source), [Knock { target, ..knock(1, 22, Outcome::Closed) }])
            };
            for (source, knocks) in [at(1), at(2)].iter().take(if n == 0 { 2 } else { 1 }) {
                crowds.join(*source, knocks, Time(0), &terrain, &t);
            }
        }
        assert_eq!(crowds.known.len(), CROWDS);
        assert!(crowds.known.contains_key(&(Address::v4([11, 0, 0, 0]), Technique::TcpSyn)));
    }

    #[test]
    fn a_crowd_is_looked_at_each_day_and_when_it_has_been_quiet() {
        let (terrain, t) = (Terrain::new(Key::new(1)), Thresholds::default());
        let mut crowds = Crowds::new(&Key::new(1));
        let knocks = [knock(1, 22, Outcome::Closed)];
        for hour in 0..26 {
            crowds.join(host(2), &knocks, Time(hour * t.quiet - hour), &terrain, &t);
        }
        let end = Time(i64::MAX / 2);
        let whys: Vec<Due> = std::iter::from_fn(|| crowds.due(end, t.quiet).map(|(_, why, _)| why)).collect();
        assert_eq!(whys, [Due::Day, Due::Quiet]);
        assert_eq!(crowds.next(), None);
    }

    #[test]
    fn at_the_end_of_time_a_crowd_is_over() {
        let (terrain, t, end) = (Terrain::new(Key::new(1)), Thresholds::default(), Time(i64::MAX));
        let mut crowds = Crowds::new(&Key::new(1));
        crowds.join(host(2), &[knock(1, 22, Outcome::Closed)], end, &terrain, &t);
        assert_eq!(crowds.due(end, t.quiet).map(|(_, why, _)| why), Some(Due::Quiet));
        assert!(crowds.due(end, t.quiet).is_none() && crowds.next().is_none());
    }
}
