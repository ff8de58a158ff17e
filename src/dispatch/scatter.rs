//! Sorts a piece's observations by the cells that own them.
//!
//! In: the observations of one piece, in order. Out: for each cell the references to its own,
//! in the same order. Each packet goes to the cells of both its ends, with the role that the
//! owner plays in it. Buffers are reused: nothing is allocated once they have grown.
//! Must not know what an observation means to a cell.

use crate::{
    decode::Observation,
    dispatch::hash::{CELLS, Key},
};

/// Which end of the packet the cell owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one who sent it (of an ICMP error: the door's host).
    Sender,
    /// The one to whom it was sent.
    Receiver,
}

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
    /// The two cells of each observation, kept between the passes of the sort.
    owners: Vec<[u8; 2]>,
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
            let pair = [key.cell(o.src), key.cell(o.dst)];
            self.owners.push(pair);
            for cell in pair {
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
                let at = slot(&mut next, *cell) as usize;
                if let Some(reference) = self.references.get_mut(at) {
                    *reference = Reference((index as u32) << 1 | role as u32);
                }
            }
        }
    }

    /// What one cell owns of the piece, in order.
    pub fn of(&self, cell: usize) -> impl Iterator<Item = (&Observation, Role)> + Clone {
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
