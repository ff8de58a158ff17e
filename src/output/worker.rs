//! The thread of one output: takes batches, renders them, has them written.
//!
//! In: a queue. Out: calls of a plugin, kept to the contract that `Output` states: in order, at
//! most 256 records, again after an error. Its counts are the queue's.
//! Must not know what a plugin does.
//!
//! Read next: `retry.rs`, then `output.rs` of `plugins/api` (the contract).

use std::{slice, sync::Arc, thread};

use tripline_plugin::{Event, Output, OutputError, Record};

use super::{
    formats::Format,
    queue::{Queue, Taken},
    retry::Patience,
};

/// Records a batch at most: enough to make a write worth its call, few enough to repeat.
const BATCH: usize = 256;

/// One output at work.
pub(super) struct Worker {
    pub(super) output: Box<dyn Output>,
    pub(super) format: Format,
    pub(super) patience: Patience,
    pub(super) queue: Arc<Queue>,
}

/// Says that the thread is at its end, and fails the queue when the plugin panics, or `read` would
/// wait for it for ever.
struct Guard(Arc<Queue>);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the plugin panicked, which is a bug of it".into());
        }
        self.0.end();
    }
}

impl Worker {
    /// Works until the queue ends or the output does.
    pub(super) fn run(mut self) {
        let guard = Guard(self.queue.clone());
        if let Err(error) = self.work() {
            guard.0.fail(error.to_string());
        }
        // A plugin may have something to finish; only then is this the end.
        drop(self);
    }

    fn work(&mut self) -> Result<(), OutputError> {
        let mut events = Vec::with_capacity(BATCH);
        let mut records = Vec::with_capacity(BATCH);
        loop {
            match self.queue.take(&mut events, BATCH) {
                Taken::Batch { last } => {
                    records.clear();
                    records.extend(events.drain(..).map(|event| render(event, &self.format)));
                    self.write(&records)?;
                    if last {
                        self.attempt(|output| output.flush())?;
                    }
                }
                Taken::Position => {
                    self.attempt(|output| output.flush())?;
                    self.queue.stands(self.output.position().map_err(|error| error.to_string()));
                }
                Taken::Reopen => self.attempt(|output| output.reopen())?,
                Taken::End => return self.attempt(|output| output.flush()),
            }
        }
    }

    /// Writes a batch; one that is rejected, record by record, so that only the guilty are lost.
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
        match self.attempt(|output| output.write(batch)) {
            Ok(()) => self.queue.delivered(batch.len()),
            Err(OutputError::Reject(why)) if batch.len() == 1 => self.queue.rejected(why),
            Err(OutputError::Reject(_)) => {
                for record in batch {
                    self.write(slice::from_ref(record))?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn attempt(
        &mut self,
        mut attempt: impl FnMut(&mut dyn Output) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        let Self { output, patience, queue, .. } = self;
        let outcome = patience.attempt(|| queue.is_closed(), |why| queue.troubled(why), || attempt(output.as_mut()));
        if outcome.is_ok() {
            queue.well();
        }
        outcome
    }
}

fn render(event: Arc<Event>, format: &Format) -> Record {
    let mut line = String::new();
    format.render(&event, &mut line);
    Record { event, line }
}
