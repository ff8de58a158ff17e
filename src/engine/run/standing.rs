//! What a run writes down between two batches, and how another goes on from there.
//!
//! In: all stages at a moment when nothing is under way: what was read has been judged, and its events are with the outputs.
//! Out: their memories, in the order in which packets pass them. Nobody reads on meanwhile: that the loop stands still and goes on
//! changes nothing, as the size of a batch changes nothing.
//! Read next: `checkpoint/mod.rs`, `engine/checkpoint.rs` (the file).

use std::io;

use super::{Front, Totals};
use crate::{
    cells::Cell,
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::reference::Reference,
    defragment::Defragmenter,
    engine::{
        Sink,
        checkpoint::{Checkpoints, Found, Stage},
        feed::Feed,
        lot::Lot,
    },
    source::Time,
};

/// The stages of a run that stands still.
pub(super) struct Standing<'a, 's> {
    pub(super) seed: u64,
    pub(super) feed: &'a mut Feed<'s>,
    pub(super) cells: &'a mut [Cell],
    pub(super) front: &'a mut Front,
    pub(super) references: &'a mut [Reference],
    pub(super) defragmenter: &'a mut Defragmenter,
    pub(super) totals: &'a mut Totals,
    pub(super) last: &'a mut Time,
}

impl Standing<'_, '_> {
    /// Writes all of it to a state. What cannot be written is told; the run goes on, and an older state stays.
    pub(super) fn write(mut self, checkpoints: &mut Checkpoints, lots: [&Lot; 2], sink: &mut dyn Sink) {
        let mut counts = self.totals.counts.clone();
        lots.into_iter().flat_map(Lot::counts).for_each(|other| counts.add(other));
        let read = self.feed.read;
        let written = checkpoints.write(read, Stage::UnderWay, &mut |to| {
            sink.keep(to)?;
            to.put(&counts)?;
            self.keep(to)
        });
        if let Err(error) = written {
            sink.unkept(&error.to_string());
        }
    }

    fn keep(&mut self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { seed, feed, cells, front, references, defragmenter, totals, last } = self;
        to.put(seed)?;
        to.put(&(feed.consumed, totals.rebased, &*last))?;
        feed.source.keep(to)?;
        front.keep(to)?;
        defragmenter.keep(to)?;
        to.put(&cells.len())?;
        cells.iter().try_for_each(|cell| cell.keep(to))?;
        to.put(&references.len())?;
        references.iter().try_for_each(|reference| reference.keep(to))
    }

    /// Takes up what another has written, but for the seed of the key, which was needed to make the stages.
    pub(super) fn resume(self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let Self { seed: _, feed, cells, front, references, defragmenter, totals, last } = self;
        (feed.consumed, totals.rebased, *last) = from.take()?;
        feed.source.resume(from)?;
        front.resume(from)?;
        defragmenter.resume(from)?;
        fits(cells.len() == from.take::<usize>()?)?;
        cells.iter_mut().try_for_each(|cell| cell.resume(from))?;
        fits(references.len() == from.take::<usize>()?)?;
        references.iter_mut().try_for_each(|reference| reference.resume(from))?;
        if from.is_at_end() { Ok(()) } else { Err(Unfit::Damaged) }
    }
}

/// Reads what is needed to make the stages: what was counted, and the seed of the key.
pub(super) fn begin(found: &mut Found, totals: &mut Totals) -> Result<u64, Unfit> {
    found.read(|from| {
        totals.counts = from.take()?;
        from.take()
    })
}

fn fits(fits: bool) -> Result<(), Unfit> {
    if fits { Ok(()) } else { Err(Unfit::Other("it has other presets")) }
}

impl Kept for Front {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Delivered. No file loses frames.
        let Self { correlate, locator, findings: _, now, lost: _, room: _ } = self;
        to.put(now)?;
        correlate.keep(to)?;
        locator.keep(to)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.now = from.take()?;
        self.correlate.resume(from)?;
        if !self.correlate.is_settled(self.now) {
            return Err(Unfit::Damaged);
        }
        self.locator.resume(from)
    }
}
