//! All contacts of a source by one technique: what incoherent scans are judged by, and those that go round and never come back.
//!
//! In: outcomes, counted one by one. Out: how near they are to being ground for suspicion. Must not know which doors they were at.
//! Read next: `../suspects.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        knock::Tally,
        technique::Technique,
        walk::{Ground, Measure, Share},
    },
    presets::tripline::Thresholds,
    source::Time,
};

/// All contacts of a source by one technique.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Crowd {
    pub(super) technique: Technique,
    pub(super) tally: Tally,
    /// Answered doors that were left without a word, or hosts that were pinged, whatever they said.
    pub(super) mute: u32,
    /// Those to which the source came back later.
    pub(super) revisited: u32,
    /// When it will be looked whether it does, once that is due.
    pub(super) review_at: Option<Time>,
}

impl Crowd {
    pub(super) fn new(technique: Technique) -> Self {
        Self { technique, tally: Tally::default(), mute: 0, revisited: 0, review_at: None }
    }

    /// How near they are to a review: enough was left without a word, and hardly anything was not. (Browsers open
    /// connections in advance and drop some, but they use most.)
    pub(super) fn mute(&self, t: &Thresholds) -> Measure {
        let (of, percent) = (self.tally.doors(), 80);
        let share = Share { part: of.min(u64::from(self.mute) + self.tally.failed()), of, percent };
        Measure { share: Some(share), ..Measure::count(Ground::Once, self.mute.into(), t.once.into()) }
    }

    pub(super) fn is_mute(&self, t: &Thresholds) -> bool {
        self.mute(t).is_reached()
    }

    /// How near they are to a crowd without a pattern, of which nearly all fail.
    pub(super) fn incoherent(&self, t: &Thresholds) -> Measure {
        let (doors, percent) = (self.tally.doors(), t.incoherent_percent.into());
        let share = Share { part: self.tally.failed(), of: doors, percent };
        Measure { share: Some(share), ..Measure::count(Ground::Incoherent, doors, t.incoherent.into()) }
    }

    /// Whether it goes from door to door and never comes back. Those who watch over hosts do.
    pub(super) fn never_returns(&self, t: &Thresholds) -> bool {
        self.is_mute(t) && self.revisited * 4 < self.mute
    }
}
