//! All streams at a time, within a budget.
//!
//! In: segments and ICMP errors, in the order of the capture. Out: calls of processors. It must not know what a
//! segment means to its stream.
//!
//! - Two pools share the memory: streams of which both sides were seen to take part (three quarters), and all others. A
//!   flood of SYNs fills the second and pushes nothing out of the first.
//! - A full pool gives up a stream on which nobody has spoken for the longest: of the first sixteen in that order the
//!   one whose client uses the most. So one client cannot starve the rest.
//! - Deadlines and age are one order ([`Pool::order`]), kept lazily: a segment costs no move in it.
//!
//! One table, in sequence: it takes a segment in a few hundred nanoseconds, and what processors then do in any case
//! needs one order.
//! Read next: `stream.rs`.

use std::collections::{BTreeSet, HashMap};

use tripline_plugin::{End, Findings, Processor, Stream as About};

use super::{
    counts::{Counts, Fate},
    feed::Listeners,
    segment::{Arrival, Segment, Sum},
    stream::{Outcome, STREAM_COST, Stream},
};
use crate::{decode::Address, defragment::Policies, source::Time};

/// An address and a port.
type Endpoint = (Address, u16);

/// Both ends, in an order of their own: both directions have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key(Endpoint, Endpoint);

impl Key {
    fn of(one: Endpoint, other: Endpoint) -> Self {
        if one <= other { Self(one, other) } else { Self(other, one) }
    }
}

/// Which streams share a budget.
const HALF_OPEN: usize = 0;
const PROVEN: usize = 1;

/// How many of the oldest are looked at to find one that may go.
const CANDIDATES: usize = 16;

/// How many streams end at one segment, at most: what is told of them is taken in between.
const AT_ONCE: usize = 1024;

/// What one stream may keep of bytes before their turn: a sixteenth of its pool.
const STREAM_SHARE: usize = 16;
/// What the streams of one client may keep so, together: a quarter.
const SOURCE_SHARE: usize = 4;

struct Entry {
    stream: Stream,
    /// In the order of creation.
    number: u64,
    client: Endpoint,
    pool: usize,
    /// Under which time it stands in the order; never later than it is due.
    queued: Time,
    cost: usize,
}

impl Entry {
    /// The pool that it belongs to, as it is now.
    fn pool_now(&self) -> usize {
        if self.stream.is_proven() { PROVEN } else { HALF_OPEN }
    }
}

#[derive(Default)]
struct Pool {
    limit: usize,
    used: usize,
    /// By the time at which something is due, at the latest.
    order: BTreeSet<(Time, u64, Key)>,
}

/// All streams.
pub(super) struct Table {
    entries: HashMap<Key, Box<Entry>>,
    pools: [Pool; 2],
    /// Memory by client; of IPv6 by /64.
    sources: HashMap<Address, usize>,
    policies: Policies,
    created: u64,
    /// At the end of the input: who is still to end, the last one first.
    leaving: Option<Vec<(u64, Key)>>,
    pub(super) processors: Vec<Box<dyn Processor>>,
    pub(super) findings: Findings,
    pub(super) counts: Counts,
}

impl Table {
    pub(super) fn new(memory: usize, policies: Policies, processors: Vec<Box<dyn Processor>>) -> Self {
        let pool = |limit| Pool { limit, ..Pool::default() };
        Self {
            entries: HashMap::new(),
            pools: [pool(memory / 4), pool(memory - memory / 4)],
            sources: HashMap::new(),
            policies,
            created: 0,
            leaving: None,
            processors,
            findings: Findings::default(),
            counts: Counts::default(),
        }
    }

    /// The next segment. True when it, or what came before of its stream, overlaps with other bytes and that was not so
    /// before.
    pub(super) fn read(&mut self, segment: &Segment<'_>, now: Time) -> bool {
        self.expire(now);
        self.counts.segments += 1;
        let key = Key::of(segment.src, segment.dst);
        if self.entries.get(&key).is_some_and(|entry| entry.stream.due() <= now) {
            // Its turn has not come yet, but it must not hear what comes after its end.
            self.settle(key, now);
        }
        if self.entries.contains_key(&key) {
            let before = self.conflicts(key);
            self.go_on(key, segment);
            self.conflicts(key) > before
        } else {
            self.begin(key, segment);
            false
        }
    }

    /// Overlaps of a stream whose copies were not the same.
    fn conflicts(&self, key: Key) -> u64 {
        self.entries.get(&key).map_or(0, |entry| entry.stream.conflicts())
    }

    /// An ICMP error quotes a SYN of this sender.
    pub(super) fn unreachable(&mut self, src: Endpoint, dst: Endpoint, seq: u32, arrival: Arrival) {
        self.expire(arrival.now);
        let key = Key::of(src, dst);
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.stream.is_unreachable(usize::from(src != entry.client), seq) {
            (entry.stream.about.now, entry.stream.about.seq) = (arrival.stamp.0, arrival.seq);
            self.end(key, End::Unreachable);
            self.account(key);
        }
    }

    /// The input is over: so are all streams, in the order in which they began. Ends some, and says whether there are more.
    pub(super) fn finish(&mut self) -> bool {
        let Self { entries, processors, findings, counts, leaving, .. } = self;
        let leaving = leaving.get_or_insert_with(|| {
            let mut all: Vec<_> = entries.iter().map(|(key, entry)| (entry.number, *key)).collect();
            all.sort_unstable_by(|one, other| other.cmp(one));
            all
        });
        for (_, key) in leaving.split_off(leaving.len().saturating_sub(AT_ONCE)).into_iter().rev() {
            let Some(mut entry) = entries.remove(&key) else { continue };
            let mut to = Listeners { processors, findings, counts };
            if !entry.stream.is_over() {
                let end = entry.stream.exit(&mut to);
                entry.stream.end(end, &mut to);
            }
        }
        if !leaving.is_empty() {
            return true;
        }
        self.sources.clear();
        for pool in &mut self.pools {
            (pool.used, pool.order) = (0, BTreeSet::new());
        }
        false
    }

    /// Memory for all streams; never above the budget for longer than a segment.
    pub(super) fn held(&self) -> usize {
        self.pools.iter().map(|pool| pool.used).sum()
    }

    /// Does what is due by now, in the order in which it became due; not all of it when a pause made very much due.
    pub(super) fn expire(&mut self, now: Time) {
        for pool in [HALF_OPEN, PROVEN] {
            for _ in 0..AT_ONCE {
                let Some((_, _, key)) = self.first(pool).filter(|(queued, ..)| *queued <= now) else { break };
                self.settle(key, now);
            }
        }
    }

    /// Does what is due of one stream, if anything is.
    fn settle(&mut self, key: Key, now: Time) {
        let Self { entries, processors, findings, counts, .. } = self;
        let Some(entry) = entries.get_mut(&key) else { return };
        if entry.stream.due() <= now {
            let outcome = entry.stream.settle(now, &mut Listeners { processors, findings, counts });
            self.apply(key, outcome, None);
        }
        self.requeue(key, now);
    }

    fn first(&self, pool: usize) -> Option<(Time, u64, Key)> {
        self.pools.get(pool)?.order.first().copied()
    }

    fn go_on(&mut self, key: Key, segment: &Segment<'_>) {
        let room = self.room(key);
        let Self { entries, processors, findings, counts, .. } = self;
        let Some(entry) = entries.get_mut(&key) else { return };
        let from = usize::from(segment.src != entry.client);
        if !entry.stream.vouches(segment, from) {
            return counts.meet(Fate::Checksum);
        }
        let mut to = Listeners { processors, findings, counts };
        let outcome = entry.stream.read(segment, from, room, &mut to);
        self.apply(key, outcome, Some(segment));
        self.account(key);
    }

    /// A segment of endpoints that have no stream yet.
    fn begin(&mut self, key: Key, segment: &Segment<'_>) {
        if segment.sum == Sum::Wrong {
            return self.counts.meet(Fate::Checksum);
        }
        let meets = segment.ack_flag() && segment.len > 0;
        if segment.rst() || !(segment.syn() || meets) {
            return self.counts.meet(Fate::NoStream);
        }
        // Who sends from the higher port is the client, more often than not.
        let by_receiver = if segment.syn() { segment.ack_flag() } else { segment.src.1 < segment.dst.1 };
        let client = if by_receiver { segment.dst } else { segment.src };
        self.create(key, client, segment);
        let room = self.room(key);
        let Self { entries, processors, findings, counts, .. } = self;
        let Some(entry) = entries.get_mut(&key) else { return };
        let from = usize::from(segment.src != entry.client);
        entry.stream.vouches(segment, from);
        let mut to = Listeners { processors, findings, counts };
        let outcome = if segment.syn() {
            entry.stream.read(segment, from, room, &mut to)
        } else {
            entry.stream.meet(segment, from, room, &mut to)
        };
        self.apply(key, outcome, None);
        self.account(key);
    }

    fn create(&mut self, key: Key, client: Endpoint, segment: &Segment<'_>) {
        let server = if client == segment.src { segment.dst } else { segment.src };
        let socket = |(address, port): Endpoint| std::net::SocketAddr::new(address.ip(), port);
        let about = About {
            client: socket(client),
            server: socket(server),
            start: segment.stamp.0,
            now: segment.stamp.0,
            seq: segment.place,
            midstream: false,
        };
        let overlaps = [client, server].map(|(address, _)| self.policies.of(address));
        let stream = Stream::new(about, segment.clock, overlaps);
        let (number, queued) = (self.created, stream.due());
        self.created += 1;
        let entry = Entry { stream, number, client, pool: HALF_OPEN, queued, cost: 0 };
        self.entries.insert(key, Box::new(entry));
        if let Some(pool) = self.pools.get_mut(HALF_OPEN) {
            pool.order.insert((queued, number, key));
        }
        self.charge(key);
    }

    /// What a stream came to. `segment` is the one that another may begin with.
    fn apply(&mut self, key: Key, outcome: Outcome, segment: Option<&Segment<'_>>) {
        match outcome {
            Outcome::Goes => {}
            Outcome::Ends(end) => self.end(key, end),
            Outcome::Forgotten => self.remove(key),
            Outcome::Renews(end, challenger) => {
                self.end(key, end);
                let client = self.entries.get(&key).map(|entry| entry.client);
                self.remove(key);
                match (segment, challenger, client) {
                    (Some(segment), Some((opening, from)), Some(client)) => {
                        // Who challenged is the client of what begins now; its SYN comes before this answer.
                        let server = if client == segment.src { segment.dst } else { segment.src };
                        let by = if from == 0 { client } else { server };
                        self.create(key, by, segment);
                        if let Some(entry) = self.entries.get_mut(&key) {
                            entry.stream.recall(*opening, 0);
                        }
                        self.go_on(key, segment);
                    }
                    (Some(segment), ..) => self.begin(key, segment),
                    _ => {}
                }
            }
        }
    }

    fn end(&mut self, key: Key, end: End) {
        let Self { entries, processors, findings, counts, .. } = self;
        if let Some(entry) = entries.get_mut(&key).filter(|entry| !entry.stream.is_over()) {
            entry.stream.end(end, &mut Listeners { processors, findings, counts });
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(entry) = self.entries.remove(&key) else { return };
        if let Some(pool) = self.pools.get_mut(entry.pool) {
            pool.order.remove(&(entry.queued, entry.number, key));
            pool.used -= entry.cost;
        }
        self.spend(entry.client, entry.cost, 0);
    }

    /// Takes note of what a stream costs now, where it belongs, and of an earlier deadline; makes room if need be.
    fn account(&mut self, key: Key) {
        self.charge(key);
        let Some(entry) = self.entries.get(&key) else { return };
        if entry.stream.due() < entry.queued || entry.pool_now() != entry.pool {
            self.requeue(key, Time(i64::MIN));
        }
        for pool in [HALF_OPEN, PROVEN] {
            while self.pools.get(pool).is_some_and(|pool| pool.used > pool.limit) && self.displace(pool) {}
        }
    }

    /// Sets a stream's cost to what it is.
    fn charge(&mut self, key: Key) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let (cost, was, client) = (entry.stream.cost(), entry.cost, entry.client);
        if cost != was {
            entry.cost = cost;
            if let Some(pool) = self.pools.get_mut(entry.pool) {
                pool.used = pool.used - was + cost;
            }
            self.spend(client, was, cost);
        }
    }

    fn spend(&mut self, client: Endpoint, was: usize, now: usize) {
        let used = self.sources.entry(source(client)).or_default();
        *used = (*used + now).saturating_sub(was);
        if *used == 0 {
            self.sources.remove(&source(client));
        }
    }

    /// How many bytes a stream may keep before their turn.
    fn room(&self, key: Key) -> usize {
        let Some(entry) = self.entries.get(&key) else { return 0 };
        let limit = self.pools.get(entry.pool).map_or(0, |pool| pool.limit);
        let used = self.sources.get(&source(entry.client)).copied().unwrap_or_default();
        let by_source = (limit / SOURCE_SHARE).saturating_sub(used);
        (limit / STREAM_SHARE).saturating_sub(entry.cost.saturating_sub(STREAM_COST)).min(by_source)
    }

    /// Gives up one stream of a pool. False when it is empty.
    fn displace(&mut self, pool: usize) -> bool {
        let victim = loop {
            let mut victim: Option<(usize, Key)> = None;
            let mut stale = Vec::new();
            let order = self.pools.get(pool).map(|pool| &pool.order).into_iter().flatten();
            for (queued, _, key) in order.take(CANDIDATES) {
                let Some(entry) = self.entries.get(key) else { continue };
                if entry.stream.due() > *queued {
                    stale.push(*key);
                    continue;
                }
                let used = self.sources.get(&source(entry.client)).copied().unwrap_or_default();
                if victim.is_none_or(|(most, _)| used > most) {
                    victim = Some((used, *key));
                }
            }
            if stale.is_empty() {
                break victim;
            }
            // Somebody has spoken on them since they were put there.
            for key in stale {
                self.requeue(key, Time(i64::MIN));
            }
        };
        let Some((_, key)) = victim else { return false };
        let Self { entries, processors, findings, counts, .. } = self;
        if let Some(entry) = entries.get_mut(&key).filter(|entry| !entry.stream.is_over()) {
            let (fate, end) = match entry.stream.unborn() {
                Some(end) => (Fate::HalfOpenMemory, end),
                None => (Fate::StreamMemory, End::Displaced),
            };
            counts.meet(fate);
            entry.stream.end(end, &mut Listeners { processors, findings, counts });
        }
        self.remove(key);
        true
    }

    /// Puts a stream where its deadline is, at least behind `now`.
    fn requeue(&mut self, key: Key, now: Time) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let due = entry.stream.due().max(Time(now.0.saturating_add(1)));
        let pool = entry.pool_now();
        let was = (std::mem::replace(&mut entry.queued, due), entry.number, key);
        let (before, cost) = (std::mem::replace(&mut entry.pool, pool), entry.cost);
        let now = (due, entry.number, key);
        if let Some(pool) = self.pools.get_mut(before) {
            pool.order.remove(&was);
            pool.used -= cost;
        }
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.order.insert(now);
            pool.used += cost;
        }
        self.charge(key);
    }
}

/// Who answers for a client: itself, or its /64.
fn source((address, _): Endpoint) -> Address {
    match address.as_v4() {
        Some(_) => address,
        None => Address(address.0 >> 64 << 64),
    }
}
