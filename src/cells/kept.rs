//! What a cell writes down when a run may have to go on later, and how it takes that up.
//!
//! In: a cell between two batches, all reports of which were fetched. Out: its tables, in the order of its fields.
//! Key and thresholds follow from the settings, which `engine/checkpoint.rs` compares.
//! Read next: `checkpoint/mod.rs` (the way of it), `suspects.rs` (the hardest of the tables).

use std::io;

use super::Cell;
use crate::checkpoint::{Kept, Reader, Unfit, Writer};

impl Kept for Cell {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self {
            key: _,
            named: _,
            thresholds: _,
            contacts,
            waiting,
            suspects,
            deadlines,
            seen,
            settled,
            twins,
            paths,
            copies,
            senders,
            promised,
            rotation,
            lone,
            // Of `why` alone, which reads from the beginning.
            witnesses: _,
            early,
            vain,
            // Fetched.
            reports: _,
        } = self;
        contacts.keep(to)?;
        waiting.keep(to)?;
        suspects.keep(to)?;
        deadlines.keep(to)?;
        to.put(seen.as_slice())?;
        settled.keep(to)?;
        twins.keep(to)?;
        paths.keep(to)?;
        copies.keep(to)?;
        senders.keep(to)?;
        promised.keep(to)?;
        rotation.keep(to)?;
        to.put(lone)?;
        to.put(&(early, vain))
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.contacts.resume(from)?;
        self.waiting.resume(from)?;
        self.suspects.resume(from)?;
        self.deadlines.resume(from)?;
        from.fill(&mut self.seen)?;
        self.settled.resume(from)?;
        self.twins.resume(from)?;
        self.paths.resume(from)?;
        self.copies.resume(from)?;
        self.senders.resume(from)?;
        self.promised.resume(from)?;
        self.rotation.resume(from)?;
        self.lone = from.take()?;
        (self.early, self.vain) = from.take()?;
        Ok(())
    }
}
