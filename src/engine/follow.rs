//! Stream processors in a run: what they are given of a batch, and where it goes what they find.
//!
//! In: batches, in order. Out: lines to the sink at once; evidence and anomalies with their place in the run, to travel
//! with the batch until all that came before has been judged. It runs on the correlating thread while the workers run the cells over
//! the same batches; without processors there is none.
//! Must not know what a processor does.
//! Read next: `run.rs` (when), `streams/intake.rs` (what becomes of frames), `correlate/talk.rs` (of evidence).

use std::sync::{PoisonError, RwLock};

use crate::{
    correlate::{Finding, talk::Heard},
    engine::{
        Sink,
        lot::{self, Lot, Slot},
    },
    source::{Filter, Time},
    streams::Intake,
};

/// The processors of a run.
#[derive(Debug)]
pub struct Follow {
    intake: Intake,
    heard: Vec<Heard>,
}

impl Follow {
    /// With these. `telling`: streams that contradict themselves are anomalies.
    #[must_use]
    pub fn new(intake: Intake, telling: bool) -> Self {
        Self { intake: if telling { intake.telling() } else { intake }, heard: Vec::new() }
    }

    /// Gives them the batches of a round.
    pub fn read(&mut self, lot: &Lot, filter: Option<&RwLock<Filter>>, sink: &mut dyn Sink) {
        let Self { intake, heard } = self;
        for Slot { batch, .. } in lot.slots() {
            let filter = filter.map(|filter| filter.read().unwrap_or_else(PoisonError::into_inner));
            for piece in &batch.pieces {
                batch.walk(piece, |frame| {
                    if filter.as_ref().is_none_or(|filter| filter.keeps(&frame)) {
                        intake.frame(&frame);
                        take(intake, (frame.clock, frame.seq), heard, sink);
                    }
                });
            }
        }
    }

    /// The evidence found in the batch that ends at this clock, in order; anomalies go to `findings`.
    pub fn heard(&mut self, now: Time, findings: &mut Vec<Finding>) -> Vec<Heard> {
        findings.extend(self.intake.warnings(now).map(lot::found));
        std::mem::take(&mut self.heard)
    }

    /// The input is over: so are all streams. The end is judged with all that was heard, so this comes before it.
    pub fn finish(&mut self, last: Time, findings: &mut Vec<Finding>, sink: &mut dyn Sink) -> Vec<Heard> {
        let mut more = true;
        while more {
            more = self.intake.finish();
            take(&mut self.intake, (Time(i64::MIN), 0), &mut self.heard, sink);
        }
        self.heard(last, findings)
    }

    /// What became of segments and streams, and of so many things heard that had to be forgotten: what is not zero.
    pub fn counts(&mut self, forgotten: u64) -> Vec<(&'static str, u64)> {
        let lost = self.intake.findings().lost();
        let fragments = self.intake.defragmented().losses().map(|(loss, count)| (loss.name(), count));
        let counts = self.intake.counts();
        let whole = [
            ("segments", counts.segments),
            ("streams", counts.established),
            ("gaps", counts.gaps),
            ("overlap-conflicts", counts.conflicts),
            ("finding-memory", lost),
            ("evidence-memory", forgotten),
        ];
        let fates = counts.fates().map(|(fate, count)| (fate.name(), count));
        whole.into_iter().chain(fates).chain(fragments).filter(|(_, count)| *count > 0).collect()
    }
}

/// Takes what was found at one frame.
fn take(intake: &mut Intake, order: (Time, u64), heard: &mut Vec<Heard>, sink: &mut dyn Sink) {
    if intake.findings().is_empty() {
        return;
    }
    heard.extend(intake.evidence().map(|(source, evidence)| Heard { order, source, evidence }));
    for (processor, line) in intake.findings().take_lines() {
        sink.line(processor, line);
    }
}
