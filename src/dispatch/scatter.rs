//! Sorts a batch's observations by the cells that own them.
//!
//! In: the observations of one batch, in order. Out: for each cell the leads to its own,
//! in the same order. Each packet goes to the cells of its ends (`owner.rs`). A lead carries its
//! errand: most evidence belongs to honest traffic on doors that are known, and the cell then need not
//! even fetch the observation. Buffers are reused: nothing is allocated once they have grown.
//! Must not know what an observation means to a cell.

use std::ops::Range;

use crate::{
    decode::{Kind, Marks, Observation, Tunnel},
    dispatch::{
        hash::{CELLS, Key},
        owner::{Role, owners},
    },
    source::Time,
};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
const URG: u8 = 32;
/// The flags that make a probe or an answer; the two of ECN are no part of it.
const CORE: u8 = FIN | SYN | RST | PSH | ACK | URG;

/// For so long of the clock an errand has one name: nanoseconds.
pub const WINDOW: i64 = 16 * Time::SECOND;

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
    pub names: Names,
    /// [`Scattered::tunnels`] of its batch.
    pub tunnels: &'a [(u64, Tunnel)],
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
    leads: Vec<Lead>,
    /// Where each cell's leads begin; one more for the end.
    starts: Vec<u32>,
    /// The same in the order of the packets, between the passes of the sort.
    unsorted: Vec<Lead>,
}

impl Default for Scattered {
    fn default() -> Self {
        let (observations, tunnels, names, leads, unsorted) = Default::default();
        Self { observations, tunnels, names, leads, starts: vec![0; CELLS + 1], unsorted }
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
        for (o, index) in self.observations.iter().zip(0_u32..) {
            let owners = owners(o);
            let names = Names { src: key.name(o.src), dst: key.name(o.dst) };
            self.names.push(names);
            let [sent, received] = errands(key, o, names);
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

    /// How many leads some cells have.
    #[must_use]
    pub fn count(&self, cells: Range<usize>) -> usize {
        let begin = |cell| self.starts.get(cell).map_or(0, |start| *start as usize);
        begin(cells.end).saturating_sub(begin(cells.start))
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
        let names = self.names.get((place >> 2) as usize).copied()?;
        Some(Sighting { observation, role, errand, names, tunnels: &self.tunnels })
    }

    /// What one cell owns of the batch, in order.
    pub fn of(&self, cell: usize) -> impl Iterator<Item = Sighting<'_>> {
        self.leads(cell).iter().filter_map(|lead| self.sighting(lead))
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

/// What a probe has in common with its twins: the target, ports, numbers. Never 0.
#[inline]
fn twin(key: &Key, o: &Observation, names: Names) -> u64 {
    let ports = u64::from(o.src_port) << 32 | u64::from(o.dst_port) << 16 | u64::from(o.ip_id);
    let numbers = u64::from(o.tcp_seq) << 32 | u64::from(o.tcp_ack);
    key.join(key.join(names.dst, numbers, ports), 0, u64::from(o.flags)) | 1
}

/// What a packet's errand is called, to its sender and to its receiver: which door between two hosts it knocks at,
/// answers from or closes. Of UDP the lower port is taken for the door's; a wrong guess only costs a look-up. 0
/// where each packet may be news.
#[inline]
fn errands(key: &Key, o: &Observation, names: Names) -> [u64; 2] {
    let (port, way) = match (o.kind, o.flags & CORE) {
        (Kind::Udp, _) if o.dst_port <= o.src_port => (o.dst_port, 0),
        (Kind::Udp, _) => (o.src_port, 1),
        (Kind::Tcp, SYN) => (o.dst_port, 2),
        (Kind::Tcp, flags) if flags & (FIN | SYN | RST | ACK) == SYN | ACK => (o.src_port, 3),
        (Kind::Tcp, flags) if flags & (FIN | SYN | RST | ACK) == FIN | ACK => (o.dst_port, 4),
        _ => return [0; 2],
    };
    let window = (o.clock.0 / WINDOW) as u64;
    let hash = key.join(names.src, names.dst, window << 20 | u64::from(port) << 4 | way);
    // To a lower port: for the one who gets it, it may answer what it asked from there, so that each port it comes
    // from is an errand of its own. The two roles differ in the lowest bit, and where both ends are of one cell.
    let from = if way == 0 { u64::from(o.src_port) << 44 } else { 0 };
    [hash | 1, (hash & !1).wrapping_add(from).max(2)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::Address, dispatch::samples::packet};

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
        assert_eq!((0..CELLS).map(|cell| scattered.of(cell).count()).sum::<usize>(), 0);
        scattered.observations.push(packet(Kind::Udp, 1, 2));
        scattered.sort(&key);
        assert_eq!((0..CELLS).map(|cell| scattered.of(cell).count()).sum::<usize>(), 2);
        assert_eq!(scattered.of(CELLS).count(), 0, "there is no such cell");
    }

    fn tcp(flags: u8) -> Observation {
        Observation { flags, ..packet(Kind::Tcp, 40_000, 80) }
    }

    fn errands_of(o: &Observation) -> [u64; 2] {
        let key = Key::new(3);
        errands(&key, o, Names { src: key.name(o.src), dst: key.name(o.dst) })
    }

    #[test]
    fn an_errand_is_a_door_between_two_hosts_for_sixteen_seconds() {
        let [sender, receiver] = errands_of(&tcp(SYN));
        assert_ne!(sender, receiver);
        let same = Observation { src_port: 40_001, tcp_seq: 9, clock: Time(WINDOW - 1), ..tcp(SYN | 0xc0) };
        assert_eq!(errands_of(&same), [sender, receiver]);
        for other in [
            Observation { dst_port: 81, ..tcp(SYN) },
            Observation { dst: Address(1), ..tcp(SYN) },
            Observation { clock: Time(WINDOW), ..tcp(SYN) },
            tcp(SYN | ACK),
            tcp(FIN | ACK),
        ] {
            assert!(!errands_of(&other).contains(&sender), "{other:?}");
        }
    }

    #[test]
    fn what_may_be_news_is_no_errand() {
        for flags in [0, FIN, RST, RST | ACK, SYN | FIN, SYN | URG, SYN | PSH, FIN | PSH | URG] {
            assert_eq!(errands_of(&tcp(flags)), [0; 2], "flags {flags:#x}");
        }
        assert_eq!(errands_of(&packet(Kind::IcmpRequest, 1, 2)), [0; 2]);
    }

    #[test]
    fn of_datagrams_the_lower_port_is_the_doors() {
        let from = |src_port| errands_of(&packet(Kind::Udp, src_port, 53));
        assert_eq!(from(40_000)[0], from(40_001)[0]);
        assert_ne!(from(40_000)[1], from(40_001)[1], "each may answer what its receiver asked");
        let answer = |dst_port| errands_of(&packet(Kind::Udp, 53, dst_port));
        assert_eq!(answer(40_000), answer(40_001));
        assert_ne!(answer(40_000)[0], from(40_000)[0]);
    }
}
