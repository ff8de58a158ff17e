//! The life of a scan: begin, updates, end; one id, growing revisions.
//!
//! In: suspicions that were found guilty, in order. Out: which phase an event is of, if one is due.
//! A scan is one object whatever the number of its packets: key (source, technique).
//! Bounded by what cells hold: each life ends when its cell gives up or ends the scan.

use std::collections::HashMap;

use foldhash::quality::FixedState;
use tripline_plugin::{
    event::{Kind, Phase},
    identity::identity,
};

use crate::{cells::technique::Technique, decode::Address, dispatch::Key, source::Time};

/// A scan that has been reported.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its identity, the same in every run.
    pub id: String,
    /// The last event's revision.
    pub rev: u32,
    /// The technique under which it was reported.
    pub technique: Technique,
    /// Its shape so far; it only widens to block.
    pub kind: Kind,
    /// It was judged by counts alone.
    pub one_sided: bool,
    /// Doors at its last event.
    doors: u64,
}

impl Life {
    /// The first event of a scan that began at `start`.
    #[must_use]
    pub fn new(source: Address, technique: Technique, start: Time, kind: Kind, doors: u64, one_sided: bool) -> Self {
        let id = identity("tripline", &source.to_string(), technique.name(), start.0);
        Self { id, rev: 1, technique, kind, one_sided, doors }
    }

    /// A new event of this life.
    fn next(&mut self, kind: Kind, doors: u64) -> Self {
        self.rev += 1;
        self.doors = doors;
        if kind == Kind::Block && self.kind != Kind::Decoy {
            self.kind = Kind::Block;
        }
        self.clone()
    }
}

/// All scans that have been reported and are not over.
#[derive(Debug)]
pub struct Lives(HashMap<Who, Life, FixedState>);

/// Whose life: a source's, or that of the set of decoys for which it stands.
pub type Who = (Address, Technique, bool);

impl Lives {
    /// None yet.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self(HashMap::with_hasher(FixedState::with_seed(key.hash(1_u8))))
    }

    /// Whether a scan has been reported.
    #[must_use]
    pub fn has(&self, who: Who) -> bool {
        self.0.contains_key(&who)
    }

    /// A scan begins. Its key is the technique by which it was found; `life` tells that which it is shown under.
    pub fn begin(&mut self, who: Who, life: Life) -> (Phase, Life) {
        self.0.insert(who, life.clone());
        (Phase::Begin, life)
    }

    /// A scan has grown: an update when its doors are ten times those of its last event, or `day` has passed.
    pub fn grow(&mut self, who: Who, kind: Kind, doors: u64, day: bool) -> Option<(Phase, Life)> {
        let life = self.0.get_mut(&who)?;
        (day || doors >= 10 * life.doors).then(|| (Phase::Update, life.next(kind, doors)))
    }

    /// A scan is over.
    pub fn end(&mut self, who: Who, kind: Kind, doors: u64) -> Option<(Phase, Life)> {
        let mut life = self.0.remove(&who)?;
        Some((Phase::End, life.next(kind, doors)))
    }
}
