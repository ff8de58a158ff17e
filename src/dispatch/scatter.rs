//! Sorts a batch's observations by the cells that own them.
//!
//! In: the observations of one batch, in order. Out: for each cell the leads to its own,
//! in the same order. Each packet goes to the cells of its ends (`owner.rs`). A lead carries its
//! errand: most evidence belongs to honest traffic on doors that are known, and the cell then need not
//! even fetch the observation. Datagrams come in flows, and of a flow's all have one errand: only the first has leads, and those behind
//! it are found from there, by whoever finds its errand not settled. Buffers are reused: nothing is allocated once they have grown.
//! Must not know what an observation means to a cell.

use crate::{
    decode::{Kind, Marks, Observation, Tunnel},
    dispatch::{
        errand::{ACK, RST, Window, errands, twin},
        flows::{Flows, LAST, is_of_one_flow},
        hash::{CELLS, Key},
        owner::{Role, owners},
    },
};

/// A lead to an observation, for one of its owners. Small, for of most packets a cell sees no more than this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// See [`Sighting::errand`].
    pub errand: u64,
    /// Its place among the observations, with the role in the lowest two bits.
    place: u32,
    /// See [`Lead::of_list`].
    pub list: u16,
    /// The cell.
    pub cell: u8,
}

impl Lead {
    /// The same, of the observations with this number: for whoever has several lists of them.
    #[inline]
    #[must_use]
    pub fn of_list(self, list: u16) -> Self {
        Self { list, ..self }
    }

    /// Which end of the packet the cell owns.
    #[inline]
    #[must_use]
    pub fn role(&self) -> Role {
        role_of(self.place)
    }

    /// What puts leads to packets with one `seq` in order.
    #[inline]
    #[must_use]
    pub fn order(&self) -> (u16, u32) {
        (self.list, self.place)
    }
}

/// What the ends of a packet are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its sender.
    pub src: u64,
    /// Its receiver.
    pub dst: u64,
}

/// What a cell is shown of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The packet.
    pub observation: &'a Observation,
    /// Which of its ends the cell owns.
    pub role: Role,
    /// The keyed hash of its errand: two packets of one errand within seconds of each other say the same, once
    /// the door is known. 0 where each may be news.
    pub errand: u64,
    /// What its ends are called ([`Key::name`]).
    pub names: &'a Names,
    /// [`Scattered::tunnels`] of its batch.
    pub tunnels: &'a Vec<(u64, Tunnel)>,
}

impl Sighting<'_> {
    /// What the packet came through. Cheap for those that came through nothing.
    #[inline]
    #[must_use]
    pub fn tunnel(&self) -> Option<Tunnel> {
        if !self.observation.marks.has(Marks::TUNNELLED) {
            return None;
        }
        let at = self.tunnels.binary_search_by_key(&self.observation.seq, |(seq, _)| *seq).ok()?;
        self.tunnels.get(at).map(|(_, tunnel)| *tunnel)
    }
}

/// A batch's observations, and who owns which.
#[derive(Debug)]
pub struct Scattered {
    /// In the order of the packets.
    pub observations: Vec<Observation>,
    /// What those of them that are [`Marks::TUNNELLED`] came through, by their `seq`, in the same order.
    pub tunnels: Vec<(u64, Tunnel)>,
    /// What the ends of each are called.
    names: Vec<Names>,
    /// Which is the next datagram of each one's flow: [`LAST`] where there is none.
    next: Vec<u32>,
    flows: Flows,
    leads: Vec<Lead>,
    /// Where each cell's leads begin; one more for the end.
    starts: Vec<u32>,
    /// The same in the order of the packets, between the passes of the sort.
    unsorted: Vec<Lead>,
}

impl Default for Scattered {
    fn default() -> Self {
        let (observations, tunnels, names, next, flows, leads, unsorted) = Default::default();
        Self { observations, tunnels, names, next, flows, leads, starts: vec![0; CELLS + 1], unsorted }
    }
}

impl Scattered {
    /// Forgets all, keeps the buffers.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.tunnels.clear();
        self.starts.fill(0);
    }

    /// Sorts the leads: a counting sort, two passes, no comparison.
    pub fn sort(&mut self, key: &Key) {
        let mut next = [0_u32; CELLS];
        self.unsorted.clear();
        self.names.clear();
        self.next.clear();
        self.next.resize(self.observations.len(), LAST);
        self.flows.forget();
        let mut window = Window::default();
        for (o, index) in self.observations.iter().zip(0_u32..) {
            if window.is_over(o.clock) {
                self.flows.forget();
            }
            if o.kind == Kind::Udp
                && let Some(before) = self.flows.turn(o, index)
                && self.observations.get(before as usize).is_some_and(|before| is_of_one_flow(before, o))
                && let Some(next) = self.next.get_mut(before as usize)
            {
                *next = index;
                self.names.push(self.names.get(before as usize).copied().unwrap_or_default());
                continue;
            }
            let owners = owners(o);
            let names = Names { src: key.name(o.src), dst: key.name(o.dst) };
            self.names.push(names);
            let [sent, received] = errands(key, o, names, window.number);
            let mut lead = |address, name, errand, role| {
                let cell = key.cell_of(address, name);
                if let Some(n) = next.get_mut(usize::from(cell)) {
                    *n += 1;
                }
                self.unsorted.push(Lead { errand, place: index << 2 | role as u32, list: 0, cell });
            };
            if owners.sender {
                lead(o.src, names.src, sent, Role::Sender);
            }
            if owners.receiver && is_probe(o) {
                if may_have_twins(o) {
                    lead(o.dst, names.dst, twin(key, o, names), Role::Probed);
                }
                if has_way(o) {
                    lead(o.dst, names.dst, 0, Role::Receiver);
                }
            } else if owners.receiver {
                lead(o.dst, names.dst, received, Role::Receiver);
            }
        }
        let mut total = 0;
        for (n, start) in next.iter_mut().zip(&mut self.starts) {
            *start = total;
            total += *n;
            *n = *start;
        }
        if let Some(end) = self.starts.last_mut() {
            *end = total;
        }
        // What is left of larger batches before is behind the last cell's: nobody looks there.
        if self.leads.len() < self.unsorted.len() {
            self.leads.resize(self.unsorted.len(), Lead::default());
        }
        for lead in &self.unsorted {
            if let Some(n) = next.get_mut(usize::from(lead.cell)) {
                if let Some(place) = self.leads.get_mut(*n as usize) {
                    *place = *lead;
                }
                *n += 1;
            }
        }
    }

    /// Whether a cell owns nothing of the batch.
    #[must_use]
    pub fn is_empty(&self, cell: usize) -> bool {
        self.starts.get(cell) == self.starts.get(cell + 1)
    }

    /// Leads to what one cell owns of the batch, in order.
    #[must_use]
    pub fn leads(&self, cell: usize) -> &[Lead] {
        let range = match self.starts.get(cell..=cell + 1) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        self.leads.get(range).unwrap_or_default()
    }

    /// What one of its leads refers to.
    #[inline]
    #[must_use]
    pub fn sighting(&self, &Lead { place, errand, .. }: &Lead) -> Option<Sighting<'_>> {
        let role = role_of(place);
        let observation = self.observations.get((place >> 2) as usize)?;
        let names = self.names.get((place >> 2) as usize)?;
        Some(Sighting { observation, role, errand, names, tunnels: &self.tunnels })
    }

    /// A lead to the next datagram of the flow.
    #[inline]
    #[must_use]
    pub fn following(&self, lead: &Lead) -> Option<Lead> {
        let next = self.next.get((lead.place >> 2) as usize).filter(|next| **next != LAST)?;
        Some(Lead { place: next << 2 | lead.place & 3, ..*lead })
    }

    /// What one cell owns of the batch, in order.
    #[must_use]
    pub fn of(&self, cell: usize) -> Vec<Sighting<'_>> {
        let flow = |lead: &Lead| std::iter::successors(Some(*lead), |lead| self.following(lead));
        let mut leads: Vec<_> = self.leads(cell).iter().flat_map(flow).collect();
        leads.sort_by_key(Lead::order);
        leads.iter().filter_map(|lead| self.sighting(lead)).collect()
    }
}

/// The role in the lowest bits of a lead's place.
#[inline]
fn role_of(place: u32) -> Role {
    match place & 3 {
        0 => Role::Sender,
        1 => Role::Receiver,
        _ => Role::Probed,
    }
}

/// Whether it is a probe by TCP, of which a target knows no more than its twins and its way.
#[inline]
fn is_probe(o: &Observation) -> bool {
    o.kind == Kind::Tcp && o.flags & (ACK | RST) == 0
}

/// Whether it knocks at somebody's door: not at many, and at its own over the loopback alone.
#[inline]
fn may_have_twins(o: &Observation) -> bool {
    !o.marks.has(Marks::TO_MANY) && (o.src != o.dst || o.src.ip().is_loopback())
}

/// Whether there is something to be known of the way that it came.
#[inline]
fn has_way(o: &Observation) -> bool {
    o.vlan != [0; 2] || o.marks.has(Marks::TUNNELLED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decode::Address,
        dispatch::{WINDOW, samples::packet},
        source::Time,
    };

    fn scattered(observations: Vec<Observation>, key: &Key) -> Scattered {
        let mut scattered = Scattered { observations, ..Scattered::default() };
        scattered.sort(key);
        scattered
    }

    fn many() -> Vec<Observation> {
        (0..5_000_u64)
            .map(|seq| Observation {
                src: Address::v4((0x0a00_0000 + seq as u32 % 700).to_be_bytes()),
                dst: Address::v4((0x0b00_0000 + seq as u32 % 300).to_be_bytes()),
                seq,
                ..packet(if seq % 2 == 0 { Kind::Udp } else { Kind::ArpRequest }, 1, 2)
            })
            .collect()
    }

    #[test]
    fn each_cell_gets_its_own_all_of_them_and_in_order() {
        let key = Key::new(3);
        let scattered = scattered(many(), &key);
        let mut shown = 0;
        for cell in 0..CELLS {
            let mut last = None;
            for Sighting { observation: o, role, .. } in scattered.of(cell) {
                let owner = if role == Role::Sender { o.src } else { o.dst };
                assert_eq!(usize::from(key.cell(owner)), cell);
                assert!(last <= Some(o.seq), "order");
                last = Some(o.seq);
                shown += 1;
            }
        }
        assert_eq!(shown, 2_500 * 2 + 2_500, "a datagram to both ends, an ARP request to its sender");
    }

    #[test]
    fn buffers_are_used_again_and_hold_nothing_of_before() {
        let key = Key::new(3);
        let mut scattered = scattered(many(), &key);
        scattered.clear();
        assert_eq!((0..CELLS).map(|cell| scattered.of(cell).len()).sum::<usize>(), 0);
        scattered.observations.push(packet(Kind::Udp, 1, 2));
        scattered.sort(&key);
        assert_eq!((0..CELLS).map(|cell| scattered.of(cell).len()).sum::<usize>(), 2);
        assert_eq!(scattered.of(CELLS).len(), 0, "there is no such cell");
    }

    #[test]
    fn of_a_flow_the_first_has_leads_and_each_leads_to_the_next() {
        let key = Key::new(3);
        let (one, other) = (packet(Kind::Udp, 40_000, 53), packet(Kind::Udp, 40_001, 53));
        let back = Observation { src: one.dst, dst: one.src, ..packet(Kind::Udp, 53, 40_000) };
        let later = Time(WINDOW);
        let all =
            [one, other, one, back, one, Observation { clock: later, ..one }, Observation { clock: later, ..one }];
        let all = all.iter().zip(0..).map(|(o, seq)| Observation { seq, ..*o }).collect();
        let scattered = scattered(all, &key);
        let mut flows: Vec<Vec<u64>> = Vec::new();
        for lead in (0..CELLS).flat_map(|cell| scattered.leads(cell)).filter(|lead| lead.role() == Role::Sender) {
            let flow = std::iter::successors(Some(*lead), |lead| scattered.following(lead));
            let sightings: Vec<_> = flow.filter_map(|lead| scattered.sighting(&lead)).collect();
            assert!(sightings.iter().all(|s| s.role == Role::Sender && s.errand == lead.errand));
            assert!(sightings.iter().all(|s| s.names.src == key.name(s.observation.src)));
            flows.push(sightings.iter().map(|sighting| sighting.observation.seq).collect());
        }
        flows.sort();
        assert_eq!(flows, [vec![0, 2, 4], vec![1], vec![3], vec![5, 6]], "a new window is a new errand");
    }
}
