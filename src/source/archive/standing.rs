//! Where an archive stands between two batches, and how another run comes to stand there.
//!
//! In: an archive that was read so far. Out: which captures are done, and where in the one that is being read; clock and
//! numbers. Captures that are done are not opened again.
//! Read next: `reader/standing.rs` (one capture), `listed.rs` (whether they are the same).

use std::{io, path::PathBuf, sync::Arc};

use super::{Archive, Found, Passed, Sizes};
use crate::{
    checkpoint::{Kept, Reader as State, Unfit, Writer},
    source::listed::{Listed, arrange},
};

impl Archive {
    /// What an earlier run has read, in the same order.
    ///
    /// # Errors
    /// What is different now, in words.
    pub fn open_again(paths: &[PathBuf], list: &[Listed], sizes: Sizes) -> Result<Self, String> {
        let mut found = Found::default();
        for path in paths {
            found.name(path);
        }
        let Found { captures, passed } = found;
        Ok(Self::of(arrange(captures, list)?, passed, sizes))
    }

    /// The list of all captures, before any is read.
    ///
    /// # Errors
    /// One of them cannot be read twice, in words.
    pub fn listed(&self) -> Result<Vec<Listed>, String> {
        self.turns.not_begun().map(Listed::of).collect()
    }
}

impl Kept for Archive {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Whoever goes on counts captures from the end: what is done is no longer known here.
        let Self { turns, unpacking: _, reading, run, sizes: _, total_bytes: _, passed, owed, outside, merge } = self;
        if merge.is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let Passed { .. } = passed;
        to.put(&(turns.len(), owed, outside))?;
        run.keep(to)?;
        to.put(&reading.is_some())?;
        reading.iter().try_for_each(|reader| reader.keep(to))
    }

    fn resume(&mut self, from: &mut State<'_>) -> Result<(), Unfit> {
        let (left, owed, outside): (usize, u64, u64) = from.take()?;
        self.run.resume(from)?;
        (self.owed, self.outside) = (owed, outside);
        let done = self.turns.len().checked_sub(left).ok_or(Unfit::Damaged)?;
        let last = self.turns.pass(done);
        if from.take::<bool>()? {
            let capture = last.ok_or(Unfit::Damaged)?;
            let path = Arc::clone(&capture.path);
            let at_it = |reason: String| Unfit::Input(format!("{}: {reason}", path.display()));
            let mut reader = self.turns.open_alone(capture).map_err(at_it)?;
            reader.resume(from)?;
            self.reading = Some(reader);
        }
        Ok(())
    }
}
