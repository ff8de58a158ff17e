//! Storms: convictions that anybody could have forged, more than a person can read.
//!
//! In: scans found guilty whose source may be forged. Out: which of them are told one by one, and an anomaly of type
//! `storm` about the rest. Who forges a thousand scanners to hide one of his own would have each of them become an event;
//! so a minute has room for so many, and for as many again of each tenth power of doors: to hide a scan of a thousand doors
//! among forged ones takes as many forged scans of a thousand doors.
//! Scans that showed that they get answers (`reacted`, `confirmed`) are never asked about. Must not judge.
//! Source: DESIGN section 2; the number is in `presets/tripline.rs`. Read next: `surge.rs`.

use std::io;

use serde::{Deserialize, Serialize};
use tripline_plugin::{
    Event,
    event::{Anomaly, EventType},
};

use crate::{
    cells::{Suspicion, distinct::HashSet},
    checkpoint::{Kept, Reader, Unfit, Writer},
    correlate::surge::{Surge, WINDOW, window_end},
    decode::Address,
    dispatch::Key,
    source::Time,
};

/// Powers of ten of doors that have room of their own.
const SIZES: usize = 6;
/// Folded scans that are remembered, the latest of those that share a place: 256 KiB.
const CONVICTED: usize = 1 << 15;

/// Whom the scans of a window are against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Targets {
    /// There was none.
    #[default]
    None,
    One(Address),
    Many,
}

/// What was folded, and what is told.
#[derive(Debug)]
pub struct Storms {
    key: Key,
    /// Scans told in this minute, by size.
    told: [u32; SIZES],
    /// Which minute that is. Minutes begin when the key says: who knew when there is room could be there first.
    minute: i64,
    phase: i64,
    /// When the window ends of which there will be something to say.
    end: Time,
    /// Scans folded in it.
    folded: HashSet,
    targets: Targets,
    surge: Surge,
    /// Scans that were folded, by their hashes: found guilty once, they stay so. Made with the first storm.
    convicted: Vec<u64>,
}

impl Storms {
    /// Fine weather.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let (folded, surge, convicted) = Default::default();
        Self {
            key: key.clone(),
            told: [0; SIZES],
            minute: i64::MIN,
            phase: (key.hash("storm") >> 8) as i64 % WINDOW,
            end: Time(i64::MIN),
            folded,
            targets: Targets::None,
            surge,
            convicted,
        }
    }

    /// Whether a scan that is about to be told is one too many, and goes into the storm. `room`: how many are told in a
    /// window. What fell due before `now` must have been taken.
    pub fn folds(&mut self, source: Address, s: &Suspicion, now: Time, room: u32) -> bool {
        let minute = now.0.saturating_add(self.phase).div_euclid(WINDOW);
        if minute != self.minute {
            (self.told, self.minute) = ([0; SIZES], minute);
        }
        if now >= self.end {
            self.end = window_end(now);
        }
        let size = s.evidence.tally.doors().max(1).ilog10() as usize;
        let Some(told) = self.told.get_mut(size.min(SIZES - 1)) else { return false };
        if *told < room {
            *told += 1;
            return false;
        }
        let hash = self.scan(source, s);
        self.folded.insert(hash);
        self.convicted.resize(CONVICTED, 0);
        let place = self.place(hash);
        if let Some(convicted) = self.convicted.get_mut(place) {
            *convicted = hash;
        }
        let (targets, _) = s.evidence.targets();
        self.targets = match (self.targets, s.evidence.target_sample.first()) {
            (Targets::None, Some(&target)) if targets == 1 => Targets::One(target),
            (Targets::One(known), Some(&target)) if targets == 1 && known == target => Targets::One(known),
            _ => Targets::Many,
        };
        true
    }

    /// Whether a scan was found guilty and folded before: what it does since takes nothing back.
    #[must_use]
    pub fn has_convicted(&self, source: Address, s: &Suspicion) -> bool {
        let hash = self.scan(source, s);
        self.convicted.get(self.place(hash)) == Some(&hash)
    }

    fn scan(&self, source: Address, s: &Suspicion) -> u64 {
        self.key.hash((source, s.technique)) | 1
    }

    fn place(&self, hash: u64) -> usize {
        (((hash >> 32) * self.convicted.len() as u64) >> 32) as usize
    }

    /// When the window ends, if there is something to say then.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        (self.targets != Targets::None || self.surge.goes_on()).then_some(self.end)
    }

    /// The window ends.
    pub fn due(&mut self) -> Option<Event> {
        let end = self.end;
        let (count, _) = std::mem::take(&mut self.folded).count();
        let targets = std::mem::take(&mut self.targets);
        self.end = window_end(end);
        let stand = self.surge.window(count)?;
        let target = if let Targets::One(target) = targets { Some(target) } else { None };
        let against = target.map_or(String::new(), |target| format!(", all against {target}"));
        let over = if stand.over { "; it is over" } else { "" };
        let event = format!(
            "{} scans from sources that may be forged in {} s{against}, told as this one event{over}",
            stand.total, stand.seconds
        );
        let anomaly = Some(Anomaly { kind: "storm".to_owned(), event });
        Some(Event { dest_ip: target.map(Address::ip), anomaly, ..Event::new(EventType::Anomaly, end.0) })
    }
}

impl Kept for Storms {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { key: _, told, minute, phase: _, end, folded, targets, surge, convicted } = self;
        to.put(&(told, minute, end, folded, targets, surge))?;
        to.put(convicted)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        (self.told, self.minute, self.end, self.folded, self.targets, self.surge) = from.take()?;
        self.convicted = from.list(CONVICTED)?;
        if self.convicted.is_empty() || self.convicted.len() == CONVICTED { Ok(()) } else { Err(Unfit::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{
        evidence::Evidence,
        outcome::Outcome,
        samples::{host, knock},
        technique::Technique,
        walk::Ground,
    };

    /// A scan of so many ports of one host.
    fn scan(target: u8, ports: u16) -> Suspicion {
        let mut evidence = Evidence::new(&knock(target, 1, Outcome::Closed), u64::from(target));
        (2..=ports).for_each(|port| evidence.add(&knock(target, port, Outcome::Closed), u64::from(target)));
        Suspicion {
            technique: Technique::TcpSyn,
            ground: Ground::Failures,
            shape: None,
            stamp: Time(0),
            case: Vec::new(),
            evidence,
            vlan: [0; 2],
            tunnel: None,
            mac: [0; 6],
            prompter: None,
        }
    }

    fn source(n: u32) -> Address {
        Address::v4((0x1400_0000 + n).to_be_bytes())
    }

    fn words(event: Option<Event>) -> String {
        event.and_then(|event| event.anomaly).map_or(String::new(), |anomaly| anomaly.event)
    }

    #[test]
    fn as_many_as_there_is_room_for_are_told_and_the_rest_is_one_event() {
        let mut storms = Storms::new(&Key::new(1));
        let told = (0..1_000).filter(|n| !storms.folds(source(*n), &scan(1, 4), Time(7), 100)).count();
        assert_eq!((told, storms.next()), (100, Some(Time(60 * Time::SECOND))));
        let event = storms.due();
        assert_eq!(event.as_ref().and_then(|event| event.dest_ip), Some(host(1).ip()));
        let count: u32 = words(event).split(' ').next().unwrap().parse().unwrap();
        assert!((810..=990).contains(&count), "{count}");
        assert_eq!((words(storms.due()).as_str(), storms.next()), ("", None));
    }

    #[test]
    fn small_scans_leave_room_for_large_ones_and_another_minute_has_room_again() {
        let mut storms = Storms::new(&Key::new(1));
        let folded = (0..1_000).filter(|n| storms.folds(source(*n), &scan(1, 4), Time(7), 100)).count();
        assert_eq!(folded, 900);
        assert!(!storms.folds(host(2), &scan(1, 40), Time(8), 100));
        storms.due();
        assert!(!storms.folds(host(3), &scan(1, 4), Time(61 * Time::SECOND), 100));
    }

    #[test]
    fn scans_of_several_targets_name_none() {
        let mut storms = Storms::new(&Key::new(1));
        assert!(storms.folds(source(1), &scan(1, 4), Time(7), 0) && storms.folds(source(2), &scan(2, 4), Time(7), 0));
        let event = storms.due().unwrap();
        assert_eq!(event.dest_ip, None);
        assert_eq!(words(Some(event)), "2 scans from sources that may be forged in 60 s, told as this one event");
    }
}
