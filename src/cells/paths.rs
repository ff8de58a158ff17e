//! The ways by which sources come: VLANs and tunnels, for the events of their scans.
//!
//! In: tagged and tunnelled packets of the cell's addresses. Out: the way by which a source's packets came last. A small
//! direct-mapped memory of fixed size, which a cell without such packets never allocates: what is displaced
//! is missing in an event, and in no judgement.
//! Must not know what a packet is evidence of.
//! Read next: `mod.rs`.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    decode::{Address, Marks, Tunnel},
    dispatch::{Key, Role, Sighting},
};

/// Sources that are remembered: 10 KiB a cell, once there is one.
const SOURCES: usize = 128;

/// A way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// The outer two 802.1Q ids; 0 for none.
    pub vlan: [u16; 2],
    /// The outermost tunnel, from the source's side to the other.
    pub tunnel: Option<Tunnel>,
}

/// Sources and their ways.
#[derive(Debug, Default)]
pub struct Paths(Vec<(Address, Path)>);

impl Paths {
    /// Takes note of a packet that came by such a way; of all others it costs two comparisons.
    #[inline]
    pub fn note(&mut self, key: &Key, sighting: &Sighting<'_>) {
        let o = sighting.observation;
        if o.vlan != [0; 2] || o.marks.has(Marks::TUNNELLED) {
            self.keep(key, sighting);
        }
    }

    fn keep(&mut self, key: &Key, sighting: &Sighting<'_>) {
        let (o, tunnel) = (sighting.observation, sighting.tunnel());
        let (source, tunnel) = match sighting.role {
            Role::Sender => (o.src, tunnel),
            // What comes back went the other way.
            Role::Receiver | Role::Probed => (o.dst, tunnel.map(|t| Tunnel { src: t.dst, dst: t.src, ..t })),
        };
        if self.0.is_empty() {
            self.0.resize(SOURCES, Default::default());
        }
        let Some(place) = self.0.get_mut(place_of(key, source)) else { return };
        // Ids of sessions differ by direction: the source's own packets know better.
        if sighting.role == Role::Sender || place.0 != source {
            *place = (source, Path { vlan: o.vlan, tunnel });
        }
    }

    /// How a source's packets came, as far as it is remembered.
    #[must_use]
    pub fn of(&self, key: &Key, source: Address) -> Path {
        let place = self.0.get(place_of(key, source)).filter(|place| place.0 == source);
        place.map(|place| place.1).unwrap_or_default()
    }
}

fn place_of(key: &Key, source: Address) -> usize {
    (((key.hash(source) & 0xffff_ffff) * SOURCES as u64) >> 32) as usize
}

impl Kept for Paths {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        to.put(&self.0)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.0 = from.list(SOURCES)?;
        if self.0.is_empty() || self.0.len() == SOURCES { Ok(()) } else { Err(Unfit::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::samples::{host, syn},
        decode::{Observation, tunnel::Protocol},
        dispatch::Names,
    };

    fn tunnel(src: u8, dst: u8) -> Tunnel {
        Tunnel { src: host(src), dst: host(dst), id: Some(7), protocol: Protocol::Vxlan, depth: 1 }
    }

    #[test]
    fn the_way_is_told_from_the_source_s_side() {
        let (key, mut paths) = (Key::new(1), Paths::default());
        let mut o = Observation { vlan: [12, 0], seq: 5, ..syn((2, 40_000), (1, 80)) };
        o.marks.set(Marks::TUNNELLED);
        let tunnels = vec![(4, tunnel(9, 9)), (5, tunnel(3, 4))];
        let answer =
            Sighting { observation: &o, role: Role::Receiver, errand: 0, names: &Names::default(), tunnels: &tunnels };
        paths.note(&key, &answer);
        assert_eq!(paths.of(&key, o.dst), Path { vlan: [12, 0], tunnel: Some(tunnel(4, 3)) });
        paths.note(&key, &Sighting { role: Role::Sender, ..answer });
        assert_eq!(paths.of(&key, o.src).tunnel, Some(tunnel(3, 4)));
        assert_eq!(paths.of(&key, host(77)), Path::default());
    }

    #[test]
    fn who_comes_by_no_such_way_costs_no_memory() {
        let (key, mut paths) = (Key::new(1), Paths::default());
        let o = syn((2, 40_000), (1, 80));
        paths.note(
            &key,
            &Sighting {
                observation: &o,
                role: Role::Sender,
                errand: 0,
                names: &Names::default(),
                tunnels: &Vec::new(),
            },
        );
        assert_eq!((paths.0.capacity(), paths.of(&key, o.src)), (0, Path::default()));
    }
}
