//! Errands that are settled: of which more packets say nothing new for now.
//!
//! In: names of errands (`dispatch/errand.rs`). Out: whether one is settled. A direct-mapped memory: who finds his place taken
//! is looked at again, and that is all. Most evidence of most networks goes no further than here.
//! What is settled stays so as long as its name lasts, or until all are opened, and nothing else makes room: so whoever looks for many at once
//! (`ahead.rs`) skips the same packets as one who looks for each in its turn. What counts packets may thus stand behind this.
//! Must not know what settles an errand: `mod.rs` does.

use std::io;

use crate::{
    cells::near,
    checkpoint::{Kept, Reader, Unfit, Writer},
    dispatch::WINDOW,
    source::Time,
};

/// Errands that are remembered: 2 KiB a cell.
const ERRANDS: usize = 256;

/// Of which so many share a cache line.
const LINE: usize = 8;

/// The memory.
#[derive(Debug)]
pub struct Settled {
    errands: Box<[u64; ERRANDS]>,
    /// Until when errands keep their names.
    until: Time,
    /// Some errand is settled.
    any: bool,
    cleared: bool,
}

impl Default for Settled {
    fn default() -> Self {
        Self { errands: Box::new([0; ERRANDS]), until: Time(i64::MIN), any: false, cleared: false }
    }
}

impl Settled {
    /// Whether an errand is settled; the one without a name never is.
    #[inline]
    #[must_use]
    pub fn holds(&self, errand: u64) -> bool {
        errand != 0 && self.errands.get(at(errand)) == Some(&errand)
    }

    /// It is the time `now`, and the clock never runs backwards: those of windows before it are called by their names no more.
    #[inline]
    pub fn advance(&mut self, now: Time) {
        if now >= self.until {
            self.until = Time((now.0 / WINDOW).saturating_add(1).saturating_mul(WINDOW));
            self.empty();
        }
    }

    /// Settles an errand, if it has a name, and its place is free.
    #[inline]
    pub fn add(&mut self, errand: u64) {
        if let Some(place) = self.errands.get_mut(at(errand)).filter(|place| **place == 0) {
            *place = errand;
            self.any = true;
        }
    }

    /// All are open again.
    pub fn clear(&mut self) {
        self.empty();
        self.cleared = true;
    }

    fn empty(&mut self) {
        if std::mem::take(&mut self.any) {
            self.errands.fill(0);
        }
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

/// Errands that somebody has asked for in a batch, of all cells together: a guess, to be forgotten behind it.
pub(super) struct Asked([u64; ERRANDS]);

impl Asked {
    pub(super) fn new() -> Self {
        Self([0; ERRANDS])
    }

    /// Whether nobody has asked for an errand before, as far as is known.
    #[inline]
    pub(super) fn is_new(&mut self, errand: u64) -> bool {
        let before = self.0.get_mut(at(errand)).map_or(0, |place| std::mem::replace(place, errand));
        errand == 0 || before != errand
    }
}

#[inline]
fn at(errand: u64) -> usize {
    (errand >> 32) as usize % ERRANDS
}

impl Kept for Settled {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { errands, until, any, cleared: _ } = self;
        to.put(errands.as_slice())?;
        to.put(&(until, any))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(self.errands.as_mut_slice())?;
        (self.until, self.any) = from.take()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_settled_as_long_as_its_name_lasts_or_until_all_are_open_again() {
        let mut settled = Settled::default();
        let (one, same_place, other) = (7 << 32 | 1, 7 << 32 | 2, 8 << 32 | 1);
        settled.advance(Time(5));
        settled.add(one);
        settled.add(0);
        settled.add(same_place);
        let held = |settled: &Settled| [0, one, same_place, other].map(|errand| settled.holds(errand));
        assert_eq!(held(&settled), [false, true, false, false], "who was there first stays");
        settled.advance(Time(WINDOW - 1));
        assert!(settled.holds(one));
        settled.advance(Time(WINDOW));
        assert!(!settled.holds(one) && !settled.was_cleared());
        settled.add(same_place);
        settled.add(other);
        assert_eq!(held(&settled), [false, false, true, true]);
        settled.clear();
        assert!(held(&settled) == [false; 4] && settled.was_cleared());
    }

    #[test]
    fn an_errand_is_new_once() {
        let mut asked = Asked::new();
        assert_eq!(
            [1 << 32, 1 << 32, 2 << 32, 0, 0].map(|errand| asked.is_new(errand)),
            [true, false, true, true, true]
        );
    }
}
