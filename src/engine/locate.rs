//! From a packet's place in the run to the file and frame that a person can look up.
//!
//! In: batches, as they come. Out: path and frame number. One entry a file.

use std::{path::Path, sync::Arc};

use crate::source::Batch;

/// Which file each sequence number is of.
#[derive(Debug, Default)]
pub struct Locator {
    /// Sequence number of a file's first frame, and the file; in order.
    files: Vec<(u64, Arc<Path>)>,
}

impl Locator {
    /// Takes note of a batch.
    pub fn note(&mut self, batch: &Batch) {
        let (Some(piece), Some(origin)) = (batch.pieces.first(), &batch.origin) else { return };
        let start = piece.first_seq + 1 - piece.first_number;
        if self.files.last().is_none_or(|(last, _)| *last != start) {
            self.files.push((start, Arc::clone(origin)));
        }
    }

    /// The file of a packet and its number in it, from 1.
    #[must_use]
    pub fn locate(&self, seq: u64) -> Option<(&Path, u64)> {
        let after = self.files.partition_point(|(start, _)| *start <= seq);
        let (start, path) = self.files.get(after.checked_sub(1)?)?;
        Some((path, seq - start + 1))
    }
}
