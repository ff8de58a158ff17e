//! Errands that are settled: of which more packets say nothing new for now.
//!
//! In: names of errands (`dispatch/scatter.rs`). Out: whether one is settled. A direct-mapped memory: what is pushed out is looked
//! at again, and that is all. Most evidence of most networks goes no further than here.
//! Must not know what settles an errand: `mod.rs` does.

use std::io;

use crate::{
    cells::near,
    checkpoint::{Kept, Reader, Unfit, Writer},
};

/// Errands that are remembered: 2 KiB a cell.
const ERRANDS: usize = 256;

/// Of which so many share a cache line.
const LINE: usize = 8;

/// The memory.
#[derive(Debug)]
pub struct Settled {
    errands: Box<[u64; ERRANDS]>,
    cleared: bool,
}

impl Default for Settled {
    fn default() -> Self {
        Self { errands: Box::new([0; ERRANDS]), cleared: false }
    }
}

impl Settled {
    /// What is known of an errand; of the one without a name nothing.
    #[inline]
    #[must_use]
    pub fn look(&self, errand: u64) -> Word {
        match self.errands.get(at(errand)).map_or(1, |known| known ^ errand) {
            SETTLED if errand != 0 => Word::Settled,
            0 if errand != 0 => Word::Asked,
            _ => Word::Unknown,
        }
    }

    /// Whether an errand is settled.
    #[inline]
    #[must_use]
    pub fn holds(&self, errand: u64) -> bool {
        self.look(errand) == Word::Settled
    }

    /// Somebody asks for an errand of which nothing is known.
    #[inline]
    pub fn ask(&mut self, errand: u64) {
        self.note(errand, errand);
    }

    /// Settles an errand, if it has a name.
    #[inline]
    pub fn add(&mut self, errand: u64) {
        self.note(errand, errand ^ SETTLED);
    }

    #[inline]
    fn note(&mut self, errand: u64, word: u64) {
        if let Some(place) = self.errands.get_mut(at(errand)).filter(|_| errand != 0) {
            *place = word;
        }
    }

    /// All are open again.
    pub fn clear(&mut self) {
        self.errands.fill(0);
        self.cleared = true;
    }

    /// From now on it is told whether what is settled now may be open again.
    pub(super) fn trust(&mut self) {
        self.cleared = false;
    }

    /// Whether all were opened since.
    #[inline]
    pub(super) fn was_cleared(&self) -> bool {
        self.cleared
    }

    /// Has all of it fetched.
    pub(super) fn bring(&self) {
        self.errands.iter().step_by(LINE).for_each(near::bring);
    }
}

/// The bit that says so.
const SETTLED: u64 = 1 << 63;

/// What is known of an errand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing.
    Unknown,
    /// A packet of it came before; it will have settled it, or not.
    Asked,
    /// More packets say nothing new.
    Settled,
}

#[inline]
fn at(errand: u64) -> usize {
    (errand >> 32) as usize % ERRANDS
}

impl Kept for Settled {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { errands, cleared: _ } = self;
        to.put(errands.as_slice())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(self.errands.as_mut_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_settled_until_another_takes_its_place_or_all_are_open_again() {
        let mut settled = Settled::default();
        let (one, same_place, other) = (7 << 32 | 1, 7 << 32 | 2, 8 << 32 | 1);
        settled.add(one);
        settled.add(0);
        assert_eq!([0, one, same_place, other].map(|errand| settled.holds(errand)), [false, true, false, false]);
        settled.add(same_place);
        assert!(!settled.holds(one) && settled.holds(same_place));
        settled.clear();
        assert!(!settled.holds(same_place));
        settled.ask(other);
        assert_eq!([one, other].map(|errand| settled.look(errand)), [Word::Unknown, Word::Asked]);
        settled.add(other);
        assert_eq!(settled.look(other), Word::Settled);
    }
}
