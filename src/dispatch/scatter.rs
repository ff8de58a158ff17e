//! Sorts a piece's observations by the cells that own them.
//!
//! In: the observations of one piece, in order. Out: for each cell the references to its own,
//! in the same order. Each packet goes to the cells of its ends (`owner.rs`). A reference carries its
//! errand: most evidence belongs to honest traffic on doors that are known, and the cell then need not
//! even fetch the observation. Buffers are reused: nothing is allocated once they have grown.
//! Must not know what an observation means to a cell.

use crate::{
    decode::{Kind, Observation},
    dispatch::{
        hash::{CELLS, Key},
        owner::{Role, owners},
    },
    source::Time,
};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// A reference to an observation of the piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reference {
    /// Its place, with the role in the lowest bit.
    place: u32,
    errand: u64,
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
}

/// Tells the roles of one errand apart where both ends are of one cell.
const RECEIVES: u64 = 0x9e37_79b9_7f4a_7c15;

/// A piece's observations, and who owns which.
#[derive(Debug)]
pub struct Scattered {
    /// In the order of the packets.
    pub observations: Vec<Observation>,
    references: Vec<Reference>,
    /// Where each cell's references begin; one more for the end.
    starts: Vec<u32>,
    /// The two cells of each observation, kept between the passes of the sort; `None` who has no use for it.
    owners: Vec<([Option<u8>; 2], u64)>,
}

impl Default for Scattered {
    fn default() -> Self {
        Self { observations: Vec::new(), references: Vec::new(), starts: vec![0; CELLS + 1], owners: Vec::new() }
    }
}

impl Scattered {
    /// Forgets all, keeps the buffers.
    pub fn clear(&mut self) {
        self.observations.clear();
        self.references.clear();
        self.owners.clear();
        self.starts.fill(0);
    }

    /// Sorts the references: a counting sort, two passes, no comparison.
    pub fn sort(&mut self, key: &Key) {
        let mut next = [0_u32; CELLS];
        let slot = |next: &mut [u32; CELLS], cell: u8| -> u32 {
            // A u8 always lies inside: the check costs nothing and proves it.
            next.get_mut(usize::from(cell)).map_or(0, |n| {
                *n += 1;
                *n - 1
            })
        };
        self.owners.clear();
        for o in &self.observations {
            let owners = owners(o);
            let pair = [owners.sender.then(|| key.cell(o.src)), owners.receiver.then(|| key.cell(o.dst))];
            self.owners.push((pair, errand(key, o)));
            for cell in pair.into_iter().flatten() {
                slot(&mut next, cell);
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
        self.references.clear();
        self.references.resize(total as usize, Reference::default());
        for (index, &(pair, errand)) in self.owners.iter().enumerate() {
            for (role, cell) in pair.iter().enumerate() {
                let Some(cell) = *cell else { continue };
                let at = slot(&mut next, cell) as usize;
                if let Some(reference) = self.references.get_mut(at) {
                    let errand = if role == 0 || errand == 0 { errand } else { errand ^ RECEIVES };
                    *reference = Reference { place: (index as u32) << 1 | role as u32, errand };
                }
            }
        }
    }

    /// What one cell owns of the piece, in order.
    pub fn of(&self, cell: usize) -> impl Iterator<Item = Sighting<'_>> {
        let range = match self.starts.get(cell..=cell + 1) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        self.references.get(range).unwrap_or_default().iter().filter_map(|&Reference { place, errand }| {
            let role = if place & 1 == 0 { Role::Sender } else { Role::Receiver };
            Some(Sighting { observation: self.observations.get((place >> 1) as usize)?, role, errand })
        })
    }
}

/// What a packet's errand is called for sixteen seconds of the clock: which door between two hosts it knocks at,
/// answers from or closes. Of UDP the lower port is taken for the door's; a wrong guess only costs a look-up. 0
/// where each packet may be news.
#[inline]
fn errand(key: &Key, o: &Observation) -> u64 {
    let (port, way) = match (o.kind, o.flags & (FIN | SYN | RST | ACK)) {
        (Kind::Udp, _) if o.dst_port <= o.src_port => (o.dst_port, 0),
        (Kind::Udp, _) => (o.src_port, 1),
        (Kind::Tcp, SYN) => (o.dst_port, 2),
        (Kind::Tcp, flags) if flags == SYN | ACK => (o.src_port, 3),
        (Kind::Tcp, flags) if flags == FIN | ACK => (o.dst_port, 4),
        _ => return 0,
    };
    let window = (o.clock.0 / (16 * Time::SECOND)) as u64;
    key.hash((o.src, o.dst, window << 20 | u64::from(port) << 4 | way)) | 1
}
