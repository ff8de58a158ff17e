//! The reference presets: detectors of other programs, reproduced to compare with.
//!
//! In: every observation, in order; their originals have one global table and see one packet after the
//! other. Out: findings. Must not share anything with the cells.

use crate::{correlate::Finding, decode::Observation, presets::scanlogd::ScanlogdState};

/// A reference preset at work.
#[derive(Debug)]
pub enum Reference {
    /// scanlogd 2.2.8.
    Scanlogd(Box<ScanlogdState>),
}

impl Reference {
    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (name == "scanlogd").then(|| Self::Scanlogd(Box::default()))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scanlogd(_) => "scanlogd",
        }
    }

    /// Takes the next packet.
    pub fn see(&mut self, o: &Observation) -> Option<Finding> {
        match self {
            Self::Scanlogd(state) => {
                let report = state.packet(o)?;
                let by = report.decided_by();
                Some(Finding { order: (by.clock, by.seq), seq: Some(by.seq), event: report.event() })
            }
        }
    }
}
