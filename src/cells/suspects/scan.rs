//! A suspected scan, as its source's record keeps it.
//!
//! In: knocks. Out: which are its own, what they come to, and when that is to be reported. Must not know of packets, nor of what else the source does.
//! Read next: `../evidence.rs` (what is known of it), `../suspects.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    cells::{
        deadlines::Appointment,
        evidence::Evidence,
        knock::Knock,
        suspects::KNOCKS,
        technique::Technique,
        walk::{Ground, Shape},
    },
    decode::Tunnel,
    source::Time,
};

/// What the two deadlines of a scan cost, with as many again that nobody expects any more.
pub(super) const DEADLINES: usize = 4 * size_of::<Appointment>();

/// A suspected scan.
#[derive(Debug, Serialize, Deserialize)]
pub struct Scan {
    /// How it knocks.
    pub technique: Technique,
    /// Why it is suspect.
    pub ground: Ground,
    /// What the first group had in common.
    pub shape: Option<Shape>,
    /// The latest knocks, which judgement looks at: a ring once it is full.
    #[serde(with = "crate::checkpoint::roomy")]
    pub(super) case: Vec<Knock>,
    /// All that is known.
    pub evidence: Evidence,
    /// Clock of its last probe.
    pub last: Time,
    /// Clock of the next daily report.
    pub day: Time,
    /// When it is to be seen whether it has gone quiet, once that is appointed.
    pub quiet_at: Option<Time>,
    /// Doors at which the next report is due.
    pub report_at: u64,
    /// 802.1Q ids of the first probe.
    pub vlan: [u16; 2],
    /// What it came through.
    pub tunnel: Option<Box<Tunnel>>,
    /// Link address of the sender.
    pub mac: [u8; 6],
}

impl Scan {
    /// Whether a new knock is the scan's. An answered one only when it lies where the scan has been before:
    /// scanners browse, too.
    pub(super) fn takes(&self, knock: &Knock, target_hash: u64) -> bool {
        let sweeps = matches!(self.shape, Some(Shape::Horizontal(_)) | None);
        knock.failed()
            || !knock.technique.is_honest()
            || self.evidence.has_target(target_hash)
            || sweeps && self.evidence.port_sample.contains(&knock.port)
    }

    /// Takes a knock in; true when a report is due.
    pub(super) fn take(&mut self, knock: &Knock, target_hash: u64) -> bool {
        self.evidence.add(knock, target_hash);
        let doors = self.evidence.tally.doors();
        // The latest stay: who fills its case with harmless knocks first gains nothing by it.
        if !self.is_full() {
            self.case.push(*knock);
        } else if let Some(oldest) = self.case.get_mut(doors.saturating_sub(1) as usize % KNOCKS) {
            *oldest = *knock;
        }
        let due = doors >= self.report_at;
        if due {
            // Each door while judgement may still turn, then ever more seldom.
            self.report_at = doors + 1 + if doors < 24 { 0 } else { doors / 8 };
        }
        due
    }

    /// The latest knocks in the order in which their outcomes became known.
    #[must_use]
    pub fn case(&self) -> Vec<Knock> {
        let mut case = self.case.clone();
        if self.is_full() {
            case.rotate_left(self.evidence.tally.doors() as usize % KNOCKS);
        }
        case
    }

    fn is_full(&self) -> bool {
        self.case.len() >= KNOCKS
    }

    /// Whether a knock at this door is one of the scan's, as far as is known.
    pub(super) fn holds(&self, knock: &Knock, target_hash: u64) -> bool {
        self.case.iter().any(|k| k.is_at_same_door(knock))
            || self.is_full() && self.evidence.has_target(target_hash) && self.evidence.ports.contains(knock.port)
    }

    pub(super) fn bytes(&self) -> usize {
        let tunnel = self.tunnel.as_ref().map_or(0, |_| size_of::<Tunnel>());
        size_of::<Self>() + tunnel + self.evidence.bytes() + self.case.capacity() * size_of::<Knock>() + DEADLINES
    }
}
