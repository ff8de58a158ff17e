//! Shows cells what they own, and has the memory that a packet will need on its way before its turn comes.
//!
//! In: what some cells own of a batch. Out: the cells have taken it in, in order. Tables that are larger than the caches cost a wait
//! of a hundred nanoseconds and more at every look. So first what is settled is left out, which is most; the rest goes in groups
//! through a line of three stations: while one group is taken in, the entries are being fetched that the next one needs, and the heads of the
//! buckets for the one behind that. The line runs on from cell to cell, since each has only a few packets of a batch.
//! Must not change anything: what is fetched is a guess, and a wrong one costs a little time. What is settled stays so until
//! the cell says otherwise; then the rest of its packets is looked through one by one.
//! Source: measured with forged sources, of whose time two thirds were five such waits for each.
//! Read next: `mod.rs` (how a packet is taken in), `near.rs`.

use std::mem::{swap, take};

use crate::{
    cells::{
        Cell,
        contacts::{Door, NOWHERE, Place},
        near::bring,
        outcome::{UDP, answer, door_of},
        settled::Asked,
        technique::{ACK, RST, Technique, probes},
    },
    decode::{Kind, Observation},
    dispatch::{Key, Lead, Names, Role, Sighting},
    source::Time,
};

/// Leads of a group: with two groups on their way a core has as many loads under way as it can.
const GROUP: usize = 8;

/// Doors that a packet may be looked for at.
const DOORS: usize = 2;

/// A batch as cells see it.
pub trait Evidence {
    /// Hands out the leads that a cell has, in order; of a flow the first, see [`Evidence::following`].
    fn each(&self, cell: usize, take: impl FnMut(Lead));

    /// What a lead leads to.
    fn sighting(&self, lead: &Lead) -> Option<Sighting<'_>>;

    /// A lead to the next of its flow, which has the same errand and whose place may be behind others of the cell.
    fn following(&self, lead: &Lead) -> Option<Lead>;
}

/// A packet that has to be looked at.
#[derive(Clone, Copy, Debug)]
struct Open<'a> {
    sighting: Sighting<'a>,
    lead: Lead,
    /// The first of its errand: what it needs is worth being fetched. With those behind it, that is there, and mostly they turn out to be settled.
    first: bool,
}

impl<'a> Open<'a> {
    fn of(lead: Lead, evidence: &'a impl Evidence) -> Option<Self> {
        evidence.sighting(&lead).map(|sighting| Self { sighting, lead, first: false })
    }

    /// Its place among all packets of its cell.
    fn place(&self) -> (u64, (u16, u32)) {
        (self.sighting.observation.seq, self.lead.order())
    }
}

/// What a worker writes on while cells are shown something. Used again: lists of all sizes, between which others keep what lasts longer, would
/// tear holes into the memory.
#[derive(Debug, Default)]
pub struct Slate {
    open: Vec<Open<'static>>,
    /// Probes of a cell, and of the one before.
    probes: [Vec<Probe<'static>>; 2],
}

/// What was sent, and the hash of all in which another would have to agree.
pub(super) type Probe<'a> = (u64, &'a Observation);

/// An empty list in the place of another, whose lifetime ends.
fn wiped<A, B>(list: Vec<A>) -> Vec<B> {
    // The library does that in place, where both are of one size.
    list.into_iter().filter_map(|_| None).collect()
}

/// Shows cells, of which the first has the number `first`, what they own. Then lets their clocks go on to `now`.
pub fn see(cells: &mut [Cell], first: usize, evidence: &impl Evidence, now: Time, slate: &mut Slate) {
    let Slate { open: list, probes } = take(slate);
    let (mut open, mut probes) = (wiped(list), probes.map(wiped));
    sort_out(cells, first, evidence, &mut open, &mut probes);
    show(cells, first, evidence, &open);
    for cell in &mut *cells {
        cell.fetch_silent(now);
    }
    for cell in &mut *cells {
        cell.fetch_sources();
    }
    for cell in cells {
        cell.advance(now);
    }
    *slate = Slate { open: wiped(open), probes: probes.map(wiped) };
}

/// The line of stations.
fn show<'a>(cells: &mut [Cell], first: usize, evidence: &'a impl Evidence, open: &[Open<'a>]) {
    let mut places = [[NOWHERE; DOORS]; GROUP];
    let group = |step: usize, station: usize| {
        let begin = step.checked_sub(station).map_or(usize::MAX, |n| n * GROUP).min(open.len());
        open.get(begin..open.len().min(begin + GROUP)).unwrap_or_default()
    };
    let at = |open: &Open<'_>| usize::from(open.lead.cell).wrapping_sub(first);
    let mut turn = Turn { evidence, cell: usize::MAX, flows: Vec::new(), done: false };
    for step in 0..open.len().div_ceil(GROUP) + 2 {
        for open in group(step, 2) {
            if turn.cell != at(open) {
                turn.end(cells, None);
                (turn.cell, turn.done) = (at(open), false);
            }
            turn.end(cells, Some(open));
            turn.show(cells, open);
        }
        let fetching = |open: &&Open<'_>| open.first;
        for (open, places) in group(step, 1).iter().filter(fetching).zip(&places) {
            if let Some(cell) = cells.get_mut(at(open)) {
                for place in places {
                    cell.contacts.bring_entry(*place);
                }
                cell.fetch_sources();
            }
        }
        for (open, places) in group(step, 0).iter().filter(fetching).zip(&mut places) {
            if let Some(cell) = cells.get_mut(at(open)) {
                *places = cell.fetch_heads(&open.sighting);
            }
        }
    }
    turn.end(cells, None);
}

/// The packets whose errands are not settled. Mere probes are dealt with here: they need nothing else that the cell knows.
fn sort_out<'a>(
    cells: &mut [Cell],
    first: usize,
    evidence: &'a impl Evidence,
    open: &mut Vec<Open<'a>>,
    [probes, before]: &mut [Vec<Probe<'a>>; 2],
) {
    let mut asked = Asked::new();
    cells.iter().take(1).for_each(|cell| cell.settled.bring());
    for n in 0..cells.len() {
        cells.get(n + 1).into_iter().for_each(|next| next.settled.bring());
        let Some(cell) = cells.get_mut(n) else { break };
        cell.settled.trust();
        cell.deadlines.begin_anew();
        evidence.each(first + n, |lead| {
            if lead.role() == Role::Probed {
                if let Some(sighting) = evidence.sighting(&lead) {
                    cell.twins.bring(lead.errand);
                    bring(sighting.observation);
                    probes.push((lead.errand, sighting.observation));
                }
            } else if !cell.settled.holds(lead.errand)
                && let Some(mut this) = Open::of(lead, evidence)
            {
                this.first = asked.is_new(lead.errand);
                if this.first {
                    bring(this.sighting.observation);
                    bring(&this.sighting.observation.telltale);
                }
                open.push(this);
            }
        });
        // Those of the one before, while this one's are being fetched.
        cells.get_mut(n.wrapping_sub(1)).into_iter().for_each(|cell| cell.probed(before));
        swap(probes, before);
    }
    cells.last_mut().into_iter().for_each(|cell| cell.probed(before));
}

/// The cell whose turn it is, and what it has not been shown yet.
struct Turn<'a, E> {
    evidence: &'a E,
    /// Among those that are shown something.
    cell: usize,
    /// Of each flow whose errand is still open the next packet.
    flows: Vec<Open<'a>>,
    /// Its packets had to be looked through one by one: it has seen all.
    done: bool,
}

impl<'a, E: Evidence> Turn<'a, E> {
    /// Shows it what of its flows comes before a packet; all where there is none.
    #[inline]
    fn end(&mut self, cells: &mut [Cell], before: Option<&Open<'_>>) {
        while !self.flows.is_empty() {
            let next = self.flows.iter().enumerate().min_by_key(|(_, open)| open.place());
            let is_due = |open: &Open<'_>| before.is_none_or(|before| open.place() < before.place());
            let Some((at, _)) = next.filter(|(_, open)| is_due(open)) else { break };
            let open = self.flows.swap_remove(at);
            self.show(cells, &open);
        }
    }

    /// Shows it a packet, unless that is settled by now.
    #[inline]
    fn show(&mut self, cells: &mut [Cell], open: &Open<'a>) {
        let Some(cell) = cells.get_mut(self.cell) else { return };
        if self.done || cell.settled.holds(open.lead.errand) {
            return;
        }
        cell.take_in(&open.sighting);
        if cell.settled.was_cleared() {
            self.done = true;
            self.flows.clear();
            look_through(cell, open, self.evidence);
        // Only datagrams come in flows.
        } else if open.sighting.observation.kind == Kind::Udp
            && let Some(next) = self.evidence.following(&open.lead)
            && !cell.settled.holds(next.errand)
        {
            self.flows.extend(Open::of(next, self.evidence));
        }
    }
}

/// Shows a cell its packets behind one of them: what was settled before may be so no more.
#[cold]
fn look_through(cell: &mut Cell, last: &Open<'_>, evidence: &impl Evidence) {
    let mut later = Vec::new();
    evidence.each(usize::from(last.lead.cell), |lead| {
        let flow = std::iter::successors(Some(lead), |lead| evidence.following(lead));
        let shown = flow.filter(|lead| lead.role() != Role::Probed).filter_map(|lead| Open::of(lead, evidence));
        later.extend(shown.filter(|open| open.place() > last.place()));
    });
    later.sort_by_key(Open::place);
    for open in later {
        cell.see(&open.sighting);
    }
}

impl Cell {
    /// Has the heads fetched of the buckets that a packet needs, and the contacts that fall silent until then.
    #[inline]
    fn fetch_heads(&mut self, sighting: &Sighting<'_>) -> [Place; DOORS] {
        let o = sighting.observation;
        let knocks = sighting.role == Role::Sender && (o.kind != Kind::Tcp || o.flags & (ACK | RST) == 0);
        self.deadlines.approach(o.clock, knocks, |awaited| self.contacts.bring_slot(awaited.slot));
        let Names { src, dst } = *sighting.names;
        let answer = if sighting.role == Role::Receiver { answer(o) } else { None };
        if let Some((door, word)) = answer {
            let told = self.told(src, &door, word);
            self.seen.get(self.seen_at(told)).into_iter().for_each(bring);
            self.waiting.bring(&self.key, dst);
        }
        let names = match (o.kind, answer) {
            (Kind::Udp, _) => datagrams(&self.key, sighting),
            (_, Some((door, _))) => [Some(door.name(&self.key, dst, src)), None],
            _ if sighting.role == Role::Receiver => [None; DOORS],
            _ => [Some(door_of(o, probes(o).unwrap_or(Technique::TcpSyn)).name(&self.key, src, dst)), None],
        };
        names.map(|name| name.map_or(NOWHERE, |name| self.contacts.bring_head(name)))
    }

    /// Has the contacts fetched that fall silent until `now`, where no more packets come.
    fn fetch_silent(&mut self, now: Time) {
        self.deadlines.approach(now, false, |awaited| self.contacts.bring_slot(awaited.slot));
    }

    /// Has the places fetched where those wait whose contacts are about to fall silent.
    #[inline]
    fn fetch_sources(&mut self) {
        self.deadlines.arrive(|awaited| {
            if let Some(source) = self.contacts.source_at(awaited.slot) {
                self.waiting.bring(&self.key, self.key.name(source));
            }
        });
    }
}

/// The names of the doors that a datagram will be looked for at.
#[inline]
fn datagrams(key: &Key, sighting: &Sighting<'_>) -> [Option<u64>; DOORS] {
    let &Sighting { observation: o, role, names: &Names { src, dst }, .. } = sighting;
    let datagram = |incoming, source, target, port| Door { source, target, port, protocol: UDP, incoming };
    let there = |incoming| Some(datagram(incoming, o.src, o.dst, o.dst_port).name(key, src, dst));
    let back = |incoming| Some(datagram(incoming, o.dst, o.src, o.src_port).name(key, dst, src));
    let incoming = role == Role::Sender;
    [back(incoming), there(!incoming)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wiped_list_keeps_its_memory() {
        let probe = Observation::BLANK;
        let mut list: Vec<Probe<'_>> = Vec::with_capacity(100);
        list.push((1, &probe));
        let wiped: Vec<Probe<'static>> = wiped(list);
        assert_eq!((wiped.len(), wiped.capacity()), (0, 100));
    }
}
