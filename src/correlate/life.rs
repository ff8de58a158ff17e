//! The life of a scan: begin, updates, end; one id, growing revisions.
//!
//! In: suspicions that were found guilty, in order. Out: which phase an event is of, if one is due.
//! A scan is one object whatever the number of its packets: key (source, technique).
//! Bounded by what cells hold: each life ends when its cell gives up or ends the scan.

use std::{collections::HashMap, io};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use tripline_plugin::{
    event::{Kind, Phase},
    identity::identity,
};

use crate::{
    cells::technique::Technique,
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::Address,
    dispatch::Key,
    source::Time,
};

/// A scan that has been reported.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        let who = match source.tenant() {
            0 => source.to_string(),
            // The address alone would be one name for two hosts.
            tenant => format!("{source}%{tenant:x}"),
        };
        let id = identity("tripline", &who, technique.name(), start.0);
        Self { id, rev: 1, technique, kind, one_sided, doors }
    }

    /// A new event of this life.
    fn next(&mut self, kind: Kind, doors: u64) -> Self {
        self.rev += 1;
        self.doors = doors;
        if kind == Kind::Block && !matches!(self.kind, Kind::Decoy | Kind::Distributed) {
            self.kind = Kind::Block;
        }
        self.clone()
    }
}

/// All scans that have been reported and are not over.
#[derive(Debug)]
pub struct Lives(HashMap<Who, Life, FixedState>);

/// Lives that a state may hold: cells bound them, and no memory has as many.
const LIVES: usize = 1 << 24;

/// Whose life, and by which technique.
pub type Who = (Address, Technique, Role);

/// What an address is to a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Its source.
    Source,
    /// The source that stands for a set of decoys.
    Head,
    /// The target of a crowd.
    Target,
    /// A network of so many bits, whose addresses take turns.
    Network(u8),
}

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

impl Kept for Lives {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.list(self.0.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let lives = from.list::<Vec<(Who, Life)>>(LIVES)?;
        self.0.extend(lives);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::host;

    const SYN: Technique = Technique::TcpSyn;

    fn me() -> Who {
        (host(2), SYN, Role::Source)
    }

    fn begun(doors: u64) -> Lives {
        let mut lives = Lives::new(&Key::new(1));
        let life = Life::new(host(2), SYN, Time(7), Kind::Vertical, doors, false);
        assert_eq!(lives.begin(me(), life).0, Phase::Begin);
        lives
    }

    #[test]
    fn a_scan_is_updated_when_its_doors_have_grown_tenfold_and_once_a_day() {
        let mut lives = begun(4);
        assert!(lives.grow(me(), Kind::Vertical, 39, false).is_none());
        let (phase, life) = lives.grow(me(), Kind::Vertical, 40, false).unwrap();
        assert_eq!((phase, life.rev), (Phase::Update, 2));
        assert!(lives.grow(me(), Kind::Vertical, 399, false).is_none(), "tenfold of the last event");
        assert_eq!(lives.grow(me(), Kind::Vertical, 41, true).unwrap().1.rev, 3);
    }

    #[test]
    fn a_kind_may_widen_to_block_and_never_narrows() {
        let mut lives = begun(4);
        let kind = |step: Option<(Phase, Life)>| step.unwrap().1.kind;
        assert_eq!(kind(lives.grow(me(), Kind::Horizontal, 40, false)), Kind::Vertical);
        assert_eq!(kind(lives.grow(me(), Kind::Block, 400, false)), Kind::Block);
        assert_eq!(kind(lives.end(me(), Kind::Vertical, 400)), Kind::Block);
    }

    #[test]
    fn one_id_from_begin_to_end_and_another_for_the_next_scan() {
        let mut lives = begun(4);
        let (_, update) = lives.grow(me(), Kind::Vertical, 40, false).unwrap();
        let (phase, end) = lives.end(me(), Kind::Vertical, 40).unwrap();
        assert_eq!((phase, end.rev, &end.id), (Phase::End, 3, &update.id));
        assert!(!lives.has(me()) && lives.end(me(), Kind::Vertical, 40).is_none());
        assert_ne!(Life::new(host(2), SYN, Time(8), Kind::Vertical, 4, false).id, end.id);
    }

    #[test]
    fn who_was_never_reported_has_neither_update_nor_end() {
        let mut lives = begun(4);
        assert!(lives.grow((host(3), SYN, Role::Source), Kind::Vertical, 400, true).is_none());
        assert!(lives.end((host(2), Technique::Udp, Role::Source), Kind::Vertical, 400).is_none());
    }
}
