//! The same probe from two sources: what a scanner among decoys sends.
//!
//! In: TCP probes for the cell's own addresses. Out: of a probe that came before from somebody else, who
//! that was. nmap -D draws source port, sequence number and IP id once and sends them under every name; two
//! honest senders agree in all of them once in 2^64. A small direct-mapped memory does: decoys follow
//! each other within milliseconds.
//! Source: nmap's decoy loop as `docs/DETECTION.md` describes it. Must not know who is guilty.

use std::io;

use crate::{
    cells::near,
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Observation},
};

/// Probes that are remembered: 3 KiB a cell.
const PROBES: usize = 96;

/// Recent probes by what decoys have in common.
#[derive(Debug)]
pub struct Twins(Vec<(u64, Address)>);

impl Default for Twins {
    fn default() -> Self {
        Self(vec![(0, Address::default()); PROBES])
    }
}

impl Twins {
    /// Takes a probe in, by the hash of all in which twins agree (`dispatch/errand.rs`); tells who else has sent the same.
    pub fn see(&mut self, probe: u64, o: &Observation) -> Option<Address> {
        let known = self.0.get_mut(at(probe))?;
        if known.0 == probe {
            return (known.1 != o.src).then_some(known.1);
        }
        *known = (probe, o.src);
        None
    }

    /// Has the place of a probe fetched.
    #[inline]
    pub(super) fn bring(&self, probe: u64) {
        self.0.get(at(probe)).into_iter().for_each(near::bring);
    }
}

#[inline]
fn at(probe: u64) -> usize {
    (((probe >> 32) * PROBES as u64) >> 32) as usize
}

impl Kept for Twins {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.put(self.0.as_slice())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.0)
    }
}
