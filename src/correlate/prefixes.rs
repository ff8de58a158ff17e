//! Rotation: a source of IPv6 that knocks at each door from another address of its network.
//!
//! In: first contacts that failed of sources below every threshold, with what the terrain says of them. Out: networks (/64, or
//! a /48 whose /64s take turns) that scan, as suspicions of one scan with many addresses. Each is judged at its own address as
//! ever; a network is looked at for rotation alone: ever new members, few doors each, hardly two with the same, and hardly
//! a success. Else an honest network, or a translator, would convict itself.
//! Bounded: so many networks; of a few that chance picks the one with the least evidence goes, and those that scan have one half.
//! Source: DESIGN section 1.7, `docs/DETECTION.md`; the numbers are in `presets/tripline.rs`.
//! Read next: `mod.rs` (who gives it its life), `verdict.rs`, `distributed.rs` (many sources that have no network in common).

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use tripline_plugin::{Event, event::Counted};

use crate::{
    cells::{
        Suspicion,
        distinct::HashSet,
        evidence::{Evidence, SAMPLE},
        knock::Knock,
        report::Turn,
        technique::{FIRST_UNPRIVILEGED, Technique},
        walk::{Ground, Shape},
    },
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::{
        distributed::{DAY, Due, OWN_DOORS, Told},
        life::Role,
        likeness::are_scattered,
        terrain::Terrain,
        verdict,
    },
    decode::Address,
    dispatch::Key,
    presets::tripline::Thresholds,
    source::Time,
};

/// Networks that are kept at a time.
const NETWORKS: usize = 512;
/// When one has to go, about so many are compared.
const COMPARED: u64 = 8;
/// Of each the latest knocks that it is judged by.
const KNOCKS: usize = 64;
/// Doors of a member: who fails at more is judged by itself.
const FEW: usize = 3;
/// Of a hundred knocks so many at least are in vain.
const IN_VAIN: usize = 80;

/// Which network, and how it knocks.
type Place = (Address, u8, Technique);

/// The network of so many bits that an address lies in.
pub fn network(address: Address, bits: u8) -> Address {
    let host = 128 - u32::from(bits);
    Address(address.0 >> host << host)
}

/// What networks are judged by.
#[derive(Debug)]
struct Numbers {
    /// Members, and steps, that it takes.
    members: usize,
    /// Services' doors that there are among those of one host.
    services: usize,
    /// The thresholds of one source, but as many steps as it takes of many.
    strict: Thresholds,
}

impl Numbers {
    fn new(t: &Thresholds) -> Self {
        let at_least = |n: u32| n.max(t.rotation);
        let strict = Thresholds {
            walk: at_least(t.walk),
            walk_after_success: at_least(t.walk_after_success),
            one_sided_ports: at_least(t.one_sided_ports),
            one_sided_hosts: at_least(t.one_sided_hosts),
            one_sided_neighbours: at_least(t.one_sided_neighbours),
            ..t.clone()
        };
        Self { members: t.rotation as usize, services: t.walk as usize, strict }
    }
}

/// A network that is looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Network {
    /// The latest knocks with their sources.
    latest: VecDeque<(Address, Knock)>,
    last: Time,
    /// Once it is guilty.
    scan: Option<Box<Scan>>,
}

/// What is known of its scan.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Scan {
    shape: Shape,
    evidence: Evidence,
    sources: HashSet,
    sample: Vec<Address>,
    one_sided: bool,
    /// Doors at which it is told again.
    report_at: u64,
    day: Time,
}

impl Scan {
    /// Takes a knock in. An answered one only where the scan has been: others have addresses there, too.
    fn take(&mut self, source: Address, knock: &Knock, key: &Key) {
        let target = key.hash(knock.target);
        if knock.failed() || self.evidence.has_target(target) || self.evidence.ports.contains(knock.port) {
            self.evidence.add(knock, target);
            self.join(source, key);
        }
    }

    fn join(&mut self, source: Address, key: &Key) {
        if self.sources.insert(key.hash(source)) && self.sample.len() < SAMPLE {
            self.sample.push(source);
        }
    }

    fn tell(&self, (base, bits, technique): Place, stamp: Time) -> Told {
        let (count, exact) = self.sources.count();
        let evidence = self.evidence.clone();
        let suspicion = Suspicion::of_failures(technique, Some(self.shape), stamp, Vec::new(), evidence);
        Told {
            target: (base, technique),
            role: Role::Network(bits),
            suspicion: Box::new(suspicion),
            one_sided: self.one_sided,
            sources: Counted { count, exact, sample: self.sample.iter().map(|source| source.ip()).collect() },
        }
    }
}

impl Network {
    /// What its latest knock at a host or a port has in common with others, if that makes a scan: whether it is judged
    /// by counts.
    fn rotates(&self, (base, bits, technique): Place, shape: Shape, terrain: &Terrain, t: &Numbers) -> Option<bool> {
        let vain = self.latest.iter().filter(|(_, knock)| knock.failed()).count();
        if vain * 100 < self.latest.len() * IN_VAIN {
            return None;
        }
        let group: Vec<&(Address, Knock)> = self
            .latest
            .iter()
            .filter(|(_, knock)| match shape {
                Shape::Vertical(target) => knock.target == target,
                Shape::Horizontal(port) => knock.port == port,
            })
            .collect();
        // A network of networks has those for members.
        let member = |source: Address| if bits < 64 { network(source, 64) } else { source };
        let distinct = |mut all: Vec<(Address, u16)>| {
            all.sort_unstable();
            all.dedup();
            all.len()
        };
        let members = distinct(group.iter().map(|(source, _)| (member(*source), 0)).collect());
        let doors = distinct(group.iter().map(|(_, knock)| (knock.target, knock.port)).collect());
        if members < t.members || group.len() > FEW * members || (doors as u64) * 100 < group.len() as u64 * OWN_DOORS {
            return None;
        }
        let knocks = || group.iter().map(|(_, knock)| knock);
        let coheres = match shape {
            Shape::Vertical(_) if technique.has_ports() => {
                let services = knocks().filter(|knock| knock.port < FIRST_UNPRIVILEGED);
                distinct(services.map(|knock| (knock.target, knock.port)).collect()) >= t.services
            }
            Shape::Vertical(_) => true,
            // Many who live there know hosts all over the Internet; and neighbours look for each other.
            Shape::Horizontal(port) => {
                let is_service = !technique.has_ports() || port < FIRST_UNPRIVILEGED;
                !are_scattered(knocks())
                    && (is_service || knocks().all(|knock| network(knock.target, 48) != network(base, 48)))
            }
        };
        let suspicion = |case: Vec<Knock>| {
            let first = case.first()?;
            let evidence = Evidence::new(first, 0);
            let (vlan, tunnel, mac, prompter) = Default::default();
            let (ground, stamp) = (Ground::Failures, first.stamp);
            Some(Suspicion {
                technique,
                ground,
                shape: Some(shape),
                stamp,
                case,
                evidence,
                vlan,
                tunnel,
                mac,
                prompter,
            })
        };
        let verdict = verdict::judge(&suspicion(knocks().copied().collect()).filter(|_| coheres)?, terrain, &t.strict);
        verdict.guilty.then_some(verdict.one_sided)
    }
}

/// All networks that are looked at.
#[derive(Debug)]
pub struct Prefixes {
    key: Key,
    known: HashMap<Place, Network, FixedState>,
    /// Nothing is due before, if anything is.
    next: Option<Time>,
    /// One that had to go for another: to be taken out by whoever has given it a life.
    pub displaced: Option<Told>,
    /// Networks that had to go for others.
    given_up: u64,
    numbers: Numbers,
}

impl Prefixes {
    /// None yet.
    #[must_use]
    pub fn new(key: &Key, t: &Thresholds) -> Self {
        let known = HashMap::with_hasher(FixedState::with_seed(key.hash(4_u8)));
        Self { key: key.clone(), known, next: None, displaced: None, given_up: 0, numbers: Numbers::new(t) }
    }

    /// A first contact of a source that is below every threshold. Tells of the network that it is of, once that is guilty
    /// and each time that it has grown.
    pub fn join(&mut self, source: Address, turn: &Turn, now: Time, terrain: &Terrain) -> Option<Told> {
        let Turn { knock, .. } = turn;
        let (inner, outer) = (network(source, 64), network(source, 48));
        let (place, around) = ((inner, 64, knock.technique), (outer, 48, knock.technique));
        let told = self.note(place, source, turn, now, terrain);
        let is_guilty = self.known.get(&place).is_some_and(|known| known.scan.is_some());
        if !is_guilty && knock.failed() && turn.is_fresh {
            return self.note(around, source, turn, now, terrain);
        }
        // It scans by itself, or is none that only fails: either way not one of those that take turns.
        if let Some(known) = self.known.get_mut(&around) {
            known.latest.retain(|(source, _)| network(*source, 64) != inner);
            if known.latest.is_empty() && known.scan.is_none() {
                self.known.remove(&around);
            }
        }
        told
    }

    fn note(&mut self, place: Place, source: Address, turn: &Turn, now: Time, terrain: &Terrain) -> Option<Told> {
        let Turn { knock, untold, .. } = turn;
        if !self.known.contains_key(&place) {
            // Who has only succeeded is not looked at.
            if !knock.failed() {
                return None;
            }
            self.make_room();
        }
        let known = self.known.entry(place).or_default();
        known.last = known.last.max(now);
        if known.latest.len() >= KNOCKS {
            known.latest.pop_front();
        }
        known.latest.push_back((source, *knock));
        let mut due = known.last.after(self.numbers.strict.quiet);
        if let Some(scan) = &mut known.scan {
            scan.take(source, knock, &self.key);
            scan.evidence.evicted += u64::from(*untold);
            due = due.min(scan.day);
        }
        self.next = Some(self.next.map_or(due, |next| next.min(due)));
        if known.scan.is_none() && knock.failed() {
            self.convict(place, knock, now, terrain);
        }
        let scan = self.known.get_mut(&place)?.scan.as_deref_mut()?;
        let doors = scan.evidence.tally.doors();
        if doors < scan.report_at {
            return None;
        }
        scan.report_at = doors + 1 + doors / 8;
        Some(scan.tell(place, knock.stamp))
    }

    /// Opens a network's scan, if its latest knock makes one.
    fn convict(&mut self, place: Place, latest: &Knock, now: Time, terrain: &Terrain) {
        let Some(known) = self.known.get_mut(&place) else { return };
        let shapes = [Shape::Vertical(latest.target), Shape::Horizontal(latest.port)];
        let found = shapes
            .into_iter()
            .find_map(|shape| known.rotates(place, shape, terrain, &self.numbers).map(|one_sided| (shape, one_sided)));
        let Some((shape, one_sided)) = found else { return };
        let mut failed = known.latest.iter().filter(|(_, knock)| knock.failed());
        let Some((source, first)) = failed.next() else { return };
        let evidence = Evidence::new(first, self.key.hash(first.target));
        let (sources, sample) = Default::default();
        let day = now.after(DAY);
        let mut scan = Scan { shape, evidence, sources, sample, one_sided, report_at: 0, day };
        scan.join(*source, &self.key);
        failed.for_each(|(source, knock)| scan.take(*source, knock, &self.key));
        known.scan = Some(Box::new(scan));
    }

    fn make_room(&mut self) {
        if self.known.len() < NETWORKS {
            return;
        }
        let scans = self.known.values().filter(|known| known.scan.is_some()).count();
        // Neither those that scan nor those that do not may take more than a half. Of its half the one with the least
        // evidence of a few that chance picks goes: else those that came first would keep out all others.
        let is_drawn = |place: &Place| self.key.hash((place, self.given_up)).is_multiple_of(NETWORKS as u64 / COMPARED);
        let doors = |known: &Network| known.scan.as_ref().map_or(0, |scan| scan.evidence.tally.doors());
        let worth = |known: &Network| (doors(known), known.latest.len(), known.last);
        let of_half = self.known.iter().filter(|(_, known)| known.scan.is_some() == (scans > NETWORKS / 2));
        // Places are compared last, so that the order of a hash table does not show.
        let least = of_half.min_by_key(|(place, known)| (!is_drawn(place), worth(known), **place));
        if let Some(place) = least.map(|(place, _)| *place) {
            self.given_up += 1;
            self.displaced = self.take(place);
        }
    }

    fn take(&mut self, place: Place) -> Option<Told> {
        let scan = self.known.remove(&place)?.scan?;
        Some(scan.tell(place, scan.evidence.end))
    }

    /// Nothing is due before, if anything is.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.next
    }

    /// Does what is due at `now` at the latest, one thing at a time; `None` when nothing is. What was no scan is forgotten
    /// without a word.
    pub fn due(&mut self, now: Time, quiet: i64) -> Option<(Time, Due, Option<Told>)> {
        let dues = self.known.iter().flat_map(|(place, known)| {
            let day = known.scan.as_ref().map(|scan| (scan.day, *place, Due::Day));
            [Some((known.last.after(quiet), *place, Due::Quiet)), day].into_iter().flatten()
        });
        let next = dues.min();
        self.next = next.map(|(due, ..)| due);
        let (due, place, why) = next.filter(|(due, ..)| *due <= now)?;
        // At the end of time there is no other day.
        let tomorrow = due.after(DAY);
        let scan = self.known.get_mut(&place).and_then(|known| known.scan.as_deref_mut());
        match scan.filter(|_| why == Due::Day && tomorrow > due) {
            Some(scan) => {
                scan.day = tomorrow;
                Some((due, Due::Day, Some(scan.tell(place, scan.evidence.end))))
            }
            None => Some((due, Due::Quiet, self.take(place))),
        }
    }

    /// Takes all that scan, in their order: the input ends.
    pub fn drain(&mut self) -> Vec<Told> {
        let mut places: Vec<Place> = self.known.keys().copied().collect();
        places.sort_unstable();
        self.next = None;
        places.into_iter().filter_map(|place| self.take(place)).collect()
    }
}

/// Writes into an event of a network's scan who took part.
pub fn write(base: Address, bits: u8, sources: Counted<std::net::IpAddr>, event: &mut Event) {
    (event.src_ip, event.src_mac) = (None, None);
    let Some(scan) = &mut event.scan else { return };
    let prefix = format!("{base}/{bits}");
    let count = sources.count;
    scan.reason = format!("{count} addresses of {prefix} in turn, few doors each; {}", scan.reason);
    (scan.sources, scan.prefix) = (sources, Some(prefix));
}

impl Kept for Prefixes {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Who was displaced has been taken out by now.
        let Self { key: _, known, next, displaced: _, given_up, numbers: _ } = self;
        to.list(known.iter())?;
        to.put(&(next, given_up))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let known = from.list::<Vec<(Place, Network)>>(NETWORKS)?;
        let fits = |network: &Network| {
            let sample = network.scan.as_ref().map_or(0, |scan| scan.sample.len());
            network.latest.len() <= KNOCKS && sample <= SAMPLE
        };
        if !known.iter().all(|(_, network)| fits(network)) {
            return Err(Unfit::Damaged);
        }
        self.known.extend(known);
        (self.next, self.given_up) = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{outcome::Outcome, samples::knock};

    fn source(net: u32, n: u64) -> Address {
        Address(0x2001_0db8_u128 << 96 | u128::from(net) << 64 | u128::from(n))
    }

    struct Field {
        prefixes: Prefixes,
        terrain: Terrain,
        now: i64,
    }

    impl Field {
        fn new() -> Self {
            let key = Key::new(1);
            Self { prefixes: Prefixes::new(&key, &Thresholds::default()), terrain: Terrain::new(key), now: 0 }
        }

        fn turn(&mut self, source: Address, port: u16, outcome: Outcome) -> Option<Told> {
            self.now += 1;
            let turn = Turn { knock: knock(1, port, outcome), is_fresh: true, untold: 0 };
            self.prefixes.join(source, &turn, Time(self.now), &self.terrain)
        }
    }

    #[test]
    fn ten_addresses_of_a_64_that_take_turns_are_a_scan_and_nine_are_not() {
        let mut field = Field::new();
        assert!((0..9).all(|n| field.turn(source(1, n), n as u16 + 1, Outcome::Closed).is_none()));
        let told = field.turn(source(1, 9), 10, Outcome::Closed).unwrap();
        assert_eq!((told.role, told.target), (Role::Network(64), (source(1, 0), Technique::TcpSyn)));
        assert_eq!((told.sources.count, told.suspicion.evidence.tally.closed), (10, 10));
        assert!(
            !field.prefixes.known.contains_key(&(source(0, 0), 48, Technique::TcpSyn)),
            "its /48 is left out of it"
        );
    }

    #[test]
    fn one_address_is_no_network_and_neither_are_doors_that_many_share() {
        let mut field = Field::new();
        assert!((1..60).all(|n| field.turn(source(1, 0), n, Outcome::Closed).is_none()), "one address");
        assert!((0..60).all(|n| field.turn(source(2, n), 443, Outcome::Closed).is_none()), "one door");
        assert!((0..60).all(|n| field.turn(source(3, n), 40_000 + n as u16, Outcome::Closed).is_none()), "no services");
        let mut mixed = (0..60).map(|n| (n, if n % 4 == 0 { Outcome::Open } else { Outcome::Closed }));
        assert!(mixed.all(|(n, outcome)| field.turn(source(4, n), n as u16 + 1, outcome).is_none()), "successes");
    }

    #[test]
    fn a_48_is_judged_by_its_64s_and_those_that_succeed_are_none_of_them() {
        let mut field = Field::new();
        let told = (0..10).map(|n| field.turn(source(n, 1), n as u16 + 1, Outcome::Closed)).last().flatten().unwrap();
        assert_eq!((told.role, told.target.0), (Role::Network(48), source(0, 0)));
        let mut field = Field::new();
        for n in 0..60 {
            assert!(field.turn(source(n, 1), n as u16 + 1, Outcome::Closed).is_none());
            field.turn(source(n, 1), 443, Outcome::Open);
        }
    }

    #[test]
    fn networks_are_bounded_and_neither_those_that_scan_nor_the_others_take_all() {
        let mut field = Field::new();
        for net in 0..2_000_u32 {
            for n in 0..10 {
                field.turn(source(net << 16, n), n as u16 + 1, Outcome::Closed);
            }
        }
        let scans = |field: &Field| field.prefixes.known.values().filter(|known| known.scan.is_some()).count();
        assert_eq!(field.prefixes.known.len().max(NETWORKS), NETWORKS);
        for net in 0..2_000_u32 {
            field.turn(source(net << 16 | 1, 1), 1, Outcome::Closed);
        }
        assert_eq!(
            (field.prefixes.known.len(), scans(&field)),
            (NETWORKS, NETWORKS / 2),
            "newcomers keep to their half"
        );
    }

    #[test]
    fn what_is_quiet_is_forgotten_and_a_scan_has_its_days() {
        let (mut field, t) = (Field::new(), Thresholds::default());
        for hour in 0..40 {
            field.now = hour * (t.quiet - 1);
            field.turn(source(1, hour as u64), hour as u16 + 1, Outcome::Closed);
        }
        field.turn(Address(source(1, 1).0 + (1 << 90)), 1, Outcome::Closed);
        let end = Time(i64::MAX / 2);
        let all: Vec<_> = std::iter::from_fn(|| field.prefixes.due(end, t.quiet)).collect();
        let told: Vec<Due> = all.iter().filter(|(.., told)| told.is_some()).map(|(_, why, _)| *why).collect();
        assert_eq!(told, [Due::Day, Due::Quiet]);
        assert!(field.prefixes.known.is_empty() && field.prefixes.next().is_none());
    }
}
