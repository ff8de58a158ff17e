//! What correlate writes down when a run may have to go on later, and how it takes that up.
//!
//! In: the stage when all that was taken in is settled. Out: its memories, in the order of its fields.
//! What processors heard is not kept: a run with stream processors cannot go on (`engine/checkpoint.rs`).
//! Read next: `checkpoint/mod.rs` (the way of it).

use std::io;

use super::Correlate;
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    source::Time,
};

impl Kept for Correlate {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self {
            // Settled.
            reports: _,
            terrain,
            lives,
            decoys,
            crowds,
            storms,
            floods,
            alone,
            prefixes,
            // Of `why` alone, which reads from the beginning.
            hearings: _,
            talk: _,
            heard: _,
            thresholds: _,
        } = self;
        terrain.keep(to)?;
        lives.keep(to)?;
        decoys.keep(to)?;
        crowds.keep(to)?;
        storms.keep(to)?;
        floods.keep(to)?;
        alone.keep(to)?;
        prefixes.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.terrain.resume(from)?;
        self.lives.resume(from)?;
        self.decoys.resume(from)?;
        self.crowds.resume(from)?;
        self.storms.resume(from)?;
        self.floods.resume(from)?;
        self.alone.resume(from)?;
        self.prefixes.resume(from)
    }
}

impl Correlate {
    /// Whether all that is due has been said, as it has been whenever somebody settled at `now`: else to catch up, minute by
    /// minute, could take for ever.
    #[must_use]
    pub fn is_settled(&self, now: Time) -> bool {
        let next = [self.crowds.next(), self.prefixes.next(), self.storms.next(), self.floods.next()];
        next.into_iter().flatten().all(|due| due >= now)
    }
}
