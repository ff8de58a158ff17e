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

use std::ops::Range;

use crate::{
    cells::{
        Cell,
        contacts::{Door, NOWHERE, Place},
        near::bring,
        outcome::{UDP, answer, door_of},
        settled::Asked,
        technique::{ACK, RST, Technique, probes},
    },
    decode::Kind,
    dispatch::{Key, Lead, Names, Role, Sighting},
    source::Time,
};

/// Leads of a group: with two groups on their way a core has as many loads under way as it can.
const GROUP: usize = 8;

/// Doors that a packet may be looked for at.
const DOORS: usize = 2;

/// A batch as cells see it.
pub trait Evidence {
    /// Hands out the leads that a cell has, in order.
    fn each(&self, cell: usize, take: impl FnMut(Lead));

    /// How many leads some cells have.
    fn count(&self, cells: Range<usize>) -> usize;

    /// What a lead leads to.
    fn sighting(&self, lead: &Lead) -> Option<Sighting<'_>>;
}

/// A packet that has to be looked at.
#[derive(Clone, Copy)]
struct Open {
    lead: Lead,
    /// Its place among those of its cell.
    place: u32,
    /// The first of its errand: what it needs is worth being fetched. With those behind it, that is there, and mostly they turn out to be settled.
    first: bool,
}

/// Shows cells, of which the first has the number `first`, what they own. Then lets their clocks go on to `now`.
pub fn see(cells: &mut [Cell], first: usize, evidence: &impl Evidence, now: Time) {
    let open = open(cells, first, evidence);
    let mut places = [[NOWHERE; DOORS]; GROUP];
    let group = |step: usize, station: usize| {
        let begin = step.checked_sub(station).map_or(usize::MAX, |n| n * GROUP).min(open.len());
        open.get(begin..open.len().min(begin + GROUP)).unwrap_or_default()
    };
    let at = |lead: &Lead| usize::from(lead.cell).wrapping_sub(first);
    // The last cell whose packets had to be looked through one by one: it is done.
    let mut done = None;
    for step in 0..open.len().div_ceil(GROUP) + 2 {
        for Open { lead, place, .. } in group(step, 2) {
            let Some(cell) = cells.get_mut(at(lead)) else { continue };
            if cell.settled.holds(lead.errand) || done == Some(lead.cell) {
                continue;
            }
            evidence.sighting(lead).into_iter().for_each(|sighting| cell.take_in(sighting));
            if cell.settled.was_cleared() {
                done = Some(lead.cell);
                look_through(cell, usize::from(lead.cell), place + 1, evidence);
            }
        }
        let fetching = |open: &&Open| open.first;
        for (Open { lead, .. }, places) in group(step, 1).iter().filter(fetching).zip(&places) {
            if let Some(cell) = cells.get_mut(at(lead)) {
                for place in places {
                    cell.contacts.bring_entry(*place);
                }
                cell.fetch_sources();
            }
        }
        for (Open { lead, .. }, places) in group(step, 0).iter().filter(fetching).zip(&mut places) {
            if let (Some(cell), Some(sighting)) = (cells.get_mut(at(lead)), evidence.sighting(lead)) {
                *places = cell.fetch_heads(&sighting);
            }
        }
    }
    for cell in cells {
        cell.advance(now);
    }
}

/// The packets whose errands are not settled. Mere probes are dealt with at once: they need no look into any table of size, and nothing else
/// that the cell knows.
fn open(cells: &mut [Cell], first: usize, evidence: &impl Evidence) -> Vec<Open> {
    let mut open = Vec::with_capacity(evidence.count(first..first + cells.len()));
    let mut asked = Asked::new();
    cells.iter().take(1).for_each(|cell| cell.settled.bring());
    for n in 0..cells.len() {
        cells.get(n + 1).into_iter().for_each(|next| next.settled.bring());
        let Some(cell) = cells.get_mut(n) else { break };
        cell.settled.trust();
        cell.deadlines.begin_anew();
        let mut place = 0;
        let mut sort_out = |lead: Lead| {
            if lead.role() == Role::Probed {
                if let Some(sighting) = evidence.sighting(&lead) {
                    cell.probed(lead.errand, sighting.observation);
                }
            } else if !cell.settled.holds(lead.errand) {
                let first = asked.is_new(lead.errand);
                if let Some(sighting) = first.then(|| evidence.sighting(&lead)).flatten() {
                    bring(sighting.observation);
                    bring(&sighting.observation.telltale);
                }
                open.push(Open { lead, place, first });
            }
            place += 1;
        };
        evidence.each(first + n, &mut sort_out);
    }
    open
}

/// Shows a cell its packets from the one at `place` on: what was settled before may be so no more.
fn look_through(cell: &mut Cell, number: usize, place: u32, evidence: &impl Evidence) {
    let mut at = 0;
    evidence.each(number, |lead| {
        let later = at >= place && lead.role() != Role::Probed;
        if later && let Some(sighting) = evidence.sighting(&lead) {
            cell.see(sighting);
        }
        at += 1;
    });
}

impl Cell {
    /// Has the heads fetched of the buckets that a packet needs, and the contacts that fall silent until then.
    #[inline]
    fn fetch_heads(&mut self, sighting: &Sighting<'_>) -> [Place; DOORS] {
        let o = sighting.observation;
        let knocks = sighting.role == Role::Sender && (o.kind != Kind::Tcp || o.flags & (ACK | RST) == 0);
        self.deadlines.approach(o.clock, knocks, |awaited| self.contacts.bring_slot(awaited.slot));
        doors(&self.key, sighting).map(|name| name.map_or(NOWHERE, |name| self.contacts.bring_head(name)))
    }

    /// Has the places fetched where those wait whose contacts are about to fall silent.
    #[inline]
    fn fetch_sources(&mut self) {
        self.deadlines.arrive(|awaited| {
            if let Some(source) = self.contacts.source_at(awaited.slot) {
                self.waiting.bring(&self.key, self.named.of(source));
            }
        });
    }
}

/// The names of the doors that a packet will be looked for at.
#[inline]
fn doors(key: &Key, sighting: &Sighting<'_>) -> [Option<u64>; DOORS] {
    let &Sighting { observation: o, role, names: Names { src, dst }, .. } = sighting;
    let datagram = |incoming, source, target, port| Door { source, target, port, protocol: UDP, incoming };
    let there = |incoming| Some(datagram(incoming, o.src, o.dst, o.dst_port).name(key, src, dst));
    let back = |incoming| Some(datagram(incoming, o.dst, o.src, o.src_port).name(key, dst, src));
    match (o.kind, role) {
        (Kind::Udp, Role::Sender) => [back(true), there(false)],
        (Kind::Udp, _) => [back(false), there(true)],
        (_, Role::Sender) => [Some(door_of(o, probes(o).unwrap_or(Technique::TcpSyn)).name(key, src, dst)), None],
        (_, _) => [answer(o).map(|(door, _)| door.name(key, dst, src)), None],
    }
}
