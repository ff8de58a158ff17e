//! Floods: very many knocks in vain at one door, from many sources or from one.
//!
//! In: samples of knocks in vain, one of [`SAMPLED`] in each cell. Out: an anomaly of type `flood` for each door that gets
//! more of them in a minute than visitors make. A flood looks for nothing and so is no scan.
//! Bounded: so many doors; the one with the fewest knocks goes for a new one, who starts where that one was, so that a
//! flooded door cannot be pushed out by others that are not.
//! Source: Metwally et al. 2005 (space saving). Must not know of scans. Read next: `surge.rs`.

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::{
    Event,
    event::{Anomaly, EventType},
};

use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::surge::{Surge, window_end},
    decode::Address,
    source::Time,
};

pub use crate::cells::SAMPLED;

/// Doors that are counted at a time.
const DOORS: usize = 256;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Door {
    target: Address,
    port: u16,
    /// Samples in this window.
    knocks: u64,
    /// Those that may have been another door's.
    inherited: u64,
    /// Who knocked, while it is one.
    source: Option<Address>,
    surge: Surge,
}

/// All doors that are counted.
#[derive(Debug, Default)]
pub struct Floods {
    doors: Vec<Door>,
    /// When the window ends, of use while there are doors.
    end: Time,
}

impl Floods {
    /// A sampled knock in vain. What fell due before `now` must have been taken.
    pub fn note(&mut self, source: Address, target: Address, port: u16, now: Time) {
        if self.doors.is_empty() {
            self.end = window_end(now);
        }
        if let Some(door) = self.doors.iter_mut().find(|door| (door.target, door.port) == (target, port)) {
            door.source = if door.knocks == 0 { Some(source) } else { door.source.filter(|known| *known == source) };
            door.knocks += 1;
            return;
        }
        let new = |inherited| Door {
            target,
            port,
            knocks: inherited + 1,
            inherited,
            source: (inherited == 0).then_some(source),
            surge: Surge::default(),
        };
        if self.doors.len() < DOORS {
            self.doors.push(new(0));
        } else if let Some(least) = self.doors.iter_mut().min_by_key(|door| (door.surge.goes_on(), door.knocks)) {
            *least = new(least.knocks);
        }
    }

    /// When the window ends, if there is anything to look at then.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        (!self.doors.is_empty()).then_some(self.end)
    }

    /// The window ends: what there is to say of the doors that got `flood` knocks in it or more.
    pub fn due(&mut self, flood: u32) -> Vec<Event> {
        let end = self.end;
        let mut events = Vec::new();
        for door in &mut self.doors {
            let knocks = (door.knocks - door.inherited) * SAMPLED;
            let count = if knocks >= u64::from(flood) { knocks } else { 0 };
            if let Some(stand) = door.surge.window(count) {
                let from = door.source.map_or("many sources".to_owned(), |source| source.to_string());
                let over = if stand.over { "; it is over" } else { "" };
                let event = format!(
                    "about {} knocks in vain at one door in {} s, from {from}: a flood, not a scan{over}",
                    stand.total, stand.seconds
                );
                let said = Event {
                    src_ip: door.source.map(Address::ip),
                    dest_ip: Some(door.target.ip()),
                    dest_port: Some(door.port),
                    anomaly: Some(Anomaly { kind: "flood".to_owned(), event }),
                    ..Event::new(EventType::Anomaly, end.0)
                };
                events.push(((door.target, door.port), said));
            }
            (door.knocks, door.inherited) = (0, 0);
        }
        self.doors.retain(|door| door.surge.goes_on());
        self.end = window_end(end);
        events.sort_by_key(|(door, _)| *door);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

impl Kept for Floods {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { doors, end } = self;
        to.put(doors)?;
        to.put(end)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.doors = from.list(DOORS)?;
        self.end = from.take()?;
        if self.doors.iter().all(|door| door.inherited <= door.knocks) { Ok(()) } else { Err(Unfit::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::host;

    #[test]
    fn a_flooded_door_is_told_and_others_are_not() {
        let mut floods = Floods::default();
        for n in 0..1_000 {
            floods.note(host(n as u8), host(1), 80, Time(0));
            floods.note(host(2), host(3), 22, Time(0));
            floods.note(host(2), host(4), n, Time(0));
        }
        let events = floods.due(10_000);
        let said: Vec<_> = events.iter().map(|e| (e.src_ip, e.dest_ip, e.dest_port)).collect();
        assert_eq!(said, [(None, Some(host(1).ip()), Some(80)), (Some(host(2).ip()), Some(host(3).ip()), Some(22))]);
        assert!(events[0].anomaly.as_ref().unwrap().event.starts_with("about 64000 knocks in vain"));
        assert!(floods.doors.len() <= DOORS);
    }

    #[test]
    fn a_few_knocks_are_no_flood_and_leave_nothing_behind() {
        let mut floods = Floods::default();
        (0..100).for_each(|_| floods.note(host(2), host(1), 80, Time(0)));
        assert_eq!((floods.due(10_000).len(), floods.next()), (0, None));
    }
}
