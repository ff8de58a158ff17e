//! By which link address each source was last seen to knock.
//!
//! In: first contacts. Out: the sender's link address, while it is remembered. A contact has no room for it, and it is
//! asked for of scanners alone: so a small direct-mapped memory does, where the latest displaces.
//! Must not know what is made of it.

use std::io;

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Observation},
};

/// Sources that are remembered: 2 KiB a cell.
const SOURCES: usize = 64;

/// Latest senders by source.
#[derive(Debug)]
pub struct Senders(Vec<(Address, [u8; 6])>);

impl Default for Senders {
    fn default() -> Self {
        Self(vec![(Address::default(), [0; 6]); SOURCES])
    }
}

impl Senders {
    /// Takes note of who sent a probe.
    #[inline]
    pub fn note(&mut self, o: &Observation) {
        if let Some(place) = self.0.get_mut(place(o.src)) {
            *place = (o.src, o.mac);
        }
    }

    /// The link address that a source's latest probe came from; zeros when it is not known.
    #[must_use]
    pub fn of(&self, source: Address) -> [u8; 6] {
        self.0.get(place(source)).filter(|(known, _)| *known == source).map_or([0; 6], |(_, mac)| *mac)
    }
}

/// Whoever forges addresses that meet here only makes a field stay away.
fn place(source: Address) -> usize {
    let folded = source.0 as u64 ^ (source.0 >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

/// What a first contact by ARP keeps of its sender's link address: the half that differs between cards of a maker.
#[must_use]
pub fn tail(mac: [u8; 6]) -> u32 {
    let [_, _, a, b, c, d] = mac;
    u32::from_be_bytes([a, b, c, d])
}

impl Kept for Senders {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.put(self.0.as_slice())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        from.fill(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{host, syn};

    #[test]
    fn the_latest_address_is_kept_and_another_source_shows_none() {
        let mut senders = Senders::default();
        for last in [1, 2] {
            senders.note(&Observation { mac: [2, 0, 0, 0, 0, last], ..syn((2, 40_000), (1, 80)) });
        }
        assert_eq!((senders.of(host(2)), senders.of(host(3))), ([2, 0, 0, 0, 0, 2], [0; 6]));
        for n in 0..=255 {
            senders.note(&syn((n, 40_000), (1, 80)));
        }
        assert_eq!(senders.0.len(), SOURCES);
    }
}
