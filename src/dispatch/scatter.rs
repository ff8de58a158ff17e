//! Sorts a piece's observations by the cells that own them.
//!
//! In: the observations of one piece, in order. Out: for each cell the references to its own,
//! in the same order. Each packet goes to the cells of its ends (`owner.rs`). Buffers are reused: nothing is allocated once they have grown.
//! Must not know what an observation means to a cell.

use crate::{
    decode::Observation,
    dispatch::{
        hash::{CELLS, Key},
        owner::{Role, owners},
    },
};

/// A reference to an observation of the piece, with the role in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reference(u32);

/// A piece's observations, and who owns which.
#[derive(Debug)]
pub struct Scattered {
    /// In the order of the packets.
    pub observations: Vec<Observation>,
    references: Vec<Reference>,
    /// Where each cell's references begin; one more for the end.
    starts: Vec<u32>,
    /// The two cells of each observation, kept between the passes of the sort; `None` who has no use for it.
    owners: Vec<[Option<u8>; 2]>,
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
            self.owners.push(pair);
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
        for (index, pair) in self.owners.iter().enumerate() {
            for (role, cell) in pair.iter().enumerate() {
                let Some(cell) = *cell else { continue };
                let at = slot(&mut next, cell) as usize;
                if let Some(reference) = self.references.get_mut(at) {
                    *reference = Reference((index as u32) << 1 | role as u32);
                }
            }
        }
    }

    /// What one cell owns of the piece, in order.
    pub fn of(&self, cell: usize) -> impl Iterator<Item = (&Observation, Role)> {
        let range = match self.starts.get(cell..=cell + 1) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        self.references.get(range).unwrap_or_default().iter().filter_map(|&Reference(r)| {
            let role = if r & 1 == 0 { Role::Sender } else { Role::Receiver };
            Some((self.observations.get((r >> 1) as usize)?, role))
        })
    }
}
