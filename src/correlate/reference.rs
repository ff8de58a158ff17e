//! The reference presets: detectors of other programs, reproduced to compare with.
//!
//! In: every observation, in order; their originals have one global table and see one packet after the
//! other. Out: findings. Must not share anything with the cells.
//! Read next: `presets/mod.rs`.

use std::io;

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::Finding,
    decode::Observation,
    presets::{
        Found, libnids::LibnidsState, scanlogd::ScanlogdState, snort::SnortState, trw::TrwState, zeek::ZeekState,
    },
    source::Time,
};

/// A reference preset at work.
#[derive(Debug)]
pub enum Reference {
    /// scanlogd 2.2.8.
    Scanlogd(Box<ScanlogdState>),
    /// libnids 1.26.
    Libnids(Box<LibnidsState>),
    /// Snort 3, at one of its levels.
    Snort(Box<SnortState>),
    /// Jung et al. 2004.
    Trw(Box<TrwState>),
    /// Zeek's script.
    Zeek(Box<ZeekState>),
}

impl Reference {
    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "scanlogd" => Some(Self::Scanlogd(Box::default())),
            "libnids" => Some(Self::Libnids(Box::default())),
            "trw" => Some(Self::Trw(Box::default())),
            "zeek" => Some(Self::Zeek(Box::default())),
            _ => Some(Self::Snort(Box::new(SnortState::named(name)?))),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scanlogd(_) => "scanlogd",
            Self::Libnids(_) => "libnids",
            Self::Snort(state) => state.name(),
            Self::Trw(_) => "trw",
            Self::Zeek(_) => "zeek",
        }
    }

    /// Whether it has a use for plain ACKs and data. libnids looks at nothing that acknowledges.
    #[must_use]
    pub fn sees_plain(&self) -> bool {
        !matches!(self, Self::Libnids(_))
    }

    /// Takes the next packet.
    pub fn see(&mut self, o: &Observation, findings: &mut Vec<Finding>) {
        // What time decided is told in the place of the packet that showed the time: in any other, the order of events
        // would depend on how the input was cut.
        let order = (o.clock, o.seq);
        let mut tell = |Found { event, seq }: Found| findings.push(Finding { order, seq, event });
        match self {
            Self::Scanlogd(state) => {
                if let Some(report) = state.packet(o) {
                    tell(Found { event: report.event(), seq: Some(o.seq) });
                }
            }
            Self::Libnids(state) => state.packet(o).into_iter().for_each(tell),
            Self::Snort(state) => state.packet(o).into_iter().for_each(tell),
            Self::Trw(state) => state.packet(o, &mut tell),
            Self::Zeek(state) => state.packet(o, &mut tell),
        }
    }

    /// The input has ended, at this clock: nobody answers any more.
    pub fn finish(&mut self, clock: Time, findings: &mut Vec<Finding>) {
        let mut tell = |Found { event, seq }: Found| findings.push(Finding { order: (clock, u64::MAX), seq, event });
        match self {
            Self::Scanlogd(_) | Self::Libnids(_) | Self::Snort(_) => {}
            Self::Trw(state) => state.finish(&mut tell),
            Self::Zeek(state) => state.finish(&mut tell),
        }
    }

    /// How much was forgotten for want of memory where the original has more. Those with small tables of their own
    /// forget as their originals do.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        match self {
            Self::Scanlogd(_) | Self::Libnids(_) => 0,
            Self::Snort(state) => state.given_up(),
            Self::Trw(state) => state.given_up(),
            Self::Zeek(state) => state.given_up(),
        }
    }
}

impl Kept for Reference {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        match self {
            Self::Scanlogd(state) => state.keep(to),
            Self::Libnids(state) => state.keep(to),
            Self::Snort(state) => state.keep(to),
            Self::Trw(state) => state.keep(to),
            Self::Zeek(state) => state.keep(to),
        }
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        match self {
            Self::Scanlogd(state) => state.resume(from),
            Self::Libnids(state) => state.resume(from),
            Self::Snort(state) => state.resume(from),
            Self::Trw(state) => state.resume(from),
            Self::Zeek(state) => state.resume(from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presets;

    #[test]
    fn every_preset_but_ours_is_a_reference_of_its_name() {
        for name in presets::names() {
            let reference = Reference::named(name).map(|reference| reference.name());
            assert_eq!(reference, (name != "tripline").then_some(name));
        }
    }
}
