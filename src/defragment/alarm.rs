//! What is told of fragments that overlap with different bytes: nobody but an evader sends them.
//!
//! In: the fragments at which a datagram first contradicts itself, in order. Out: anomalies of type
//! `overlap`, in order: at once for the first of a source, then one with the count of all further ones of its
//! minute. Must not know who reads them. Time is the clock; memory and output are bounded: when more
//! sources come than there is room for (they are forged then), the others are told of together.
//! Source: `docs/events.md`.
//! Read next: `building.rs` (what a contradiction is).

use std::collections::{BTreeMap, HashMap};

use tripline_plugin::event::{Anomaly, Event, EventType};

use super::Fragment;
use crate::{
    decode::{Address, describe},
    source::Time,
};

/// From a source's first datagram to the count of the others.
const WINDOW: i64 = 60 * Time::SECOND;

/// Sources that are told of one by one at a time.
const SOURCES: usize = 1_024;

/// Whom a count is about: a source, or all for whom there was no room.
type Who = Option<Address>;

/// An event, and its place among others.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The clock at which it is due.
    pub clock: Time,
    /// The fragment that caused it; none for a count.
    pub seq: Option<u64>,
    /// What there is to say.
    pub event: Event,
}

/// Who has been told of lately, and what is still to be told.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    until: HashMap<Who, Time>,
    /// Further datagrams, by when they are to be told of.
    further: BTreeMap<(Time, Who), u64>,
    warnings: Vec<Warning>,
}

impl Alarm {
    /// A datagram contradicts itself, and this fragment showed it.
    pub(super) fn note(&mut self, fragment: &Fragment<'_>) {
        self.advance(fragment.clock);
        let src = Some(fragment.header.src);
        let is_new = !self.until.contains_key(&src);
        let who = if is_new && self.until.len() >= SOURCES { None } else { src };
        let until = *self.until.entry(who).or_insert(fragment.clock + WINDOW);
        *self.further.entry((until, who)).or_default() += u64::from(!is_new || who.is_none());
        if is_new && who.is_some() {
            self.warnings.push(first(fragment));
        }
    }

    /// The clock has come to `now`: counts of minutes that are over become warnings.
    pub(super) fn advance(&mut self, now: Time) {
        while let Some(entry) = self.further.first_entry() {
            let (until, who) = *entry.key();
            if until > now {
                break;
            }
            let count = entry.remove();
            self.until.remove(&who);
            self.warnings.extend(further(until, who, count));
        }
    }

    /// There is no more input; its clock ended at `last`.
    pub(super) fn finish(&mut self, last: Time) {
        self.advance(last);
        let rest = std::mem::take(&mut self.further);
        self.until.clear();
        self.warnings.extend(rest.into_iter().filter_map(|((_, who), count)| further(last, who, count)));
    }

    /// What there is to tell since the last time, in order.
    pub(super) fn warnings(&mut self) -> impl Iterator<Item = Warning> {
        self.warnings.drain(..)
    }
}

fn first(fragment: &Fragment<'_>) -> Warning {
    let header = &fragment.header;
    let words = if header.ipv6 {
        "fragments of one IPv6 datagram overlap: receivers are to drop it (RFC 5722)"
    } else {
        "fragments of one datagram overlap with different bytes: hosts differ in what they read"
    };
    let event = Event {
        src_ip: Some(header.src.ip()),
        dest_ip: Some(header.dst.ip()),
        proto: Some(describe::name(header.protocol).into_owned()),
        vlan: header.vlan.into_iter().filter(|id| *id != 0).collect(),
        ..told(fragment.stamp, words.to_owned())
    };
    Warning { clock: fragment.clock, seq: Some(fragment.seq), event }
}

fn further(at: Time, who: Who, count: u64) -> Option<Warning> {
    if count == 0 {
        return None;
    }
    let (datagrams, their) = if count == 1 { ("datagram", "its") } else { ("datagrams", "their") };
    let which =
        if who.is_some() { format!("more {datagrams}") } else { format!("{datagrams} from still other sources") };
    let words = format!("{count} {which} within a minute: {their} fragments overlap, too");
    let event = Event { src_ip: who.map(Address::ip), ..told(at, words) };
    Some(Warning { clock: at, seq: None, event })
}

fn told(at: Time, words: String) -> Event {
    Event {
        anomaly: Some(Anomaly { kind: "overlap".to_owned(), event: words }),
        ..Event::new(EventType::Anomaly, at.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Header, samples::*};
    use super::*;

    fn at(source: u32, seconds: i64) -> Fragment<'static> {
        let header = Header { src: Address::v4(source.to_be_bytes()), ..HEADER };
        let time = Time(seconds * Time::SECOND);
        Fragment { header, stamp: time, clock: time, seq: 9, ..fragment(0, true, &[]) }
    }

    /// Second, source and words of all that was told.
    fn said(alarm: &mut Alarm) -> Vec<String> {
        let line = |Warning { clock, event, .. }: Warning| {
            let source = event.src_ip.map(|ip| ip.to_string()).unwrap_or_default();
            format!("{} {source} {}", clock.0 / Time::SECOND, event.anomaly.unwrap().event)
        };
        alarm.warnings().map(line).collect()
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_of_the_minute_as_a_number() {
        let mut alarm = Alarm::default();
        for second in [0, 1, 59] {
            alarm.note(&at(1, second));
        }
        alarm.note(&at(2, 59));
        alarm.note(&at(1, 60));
        alarm.finish(Time(70 * Time::SECOND));
        let first = "fragments of one datagram overlap with different bytes: hosts differ in what they read";
        assert_eq!(
            said(&mut alarm),
            [
                format!("0 0.0.0.1 {first}"),
                format!("59 0.0.0.2 {first}"),
                "60 0.0.0.1 2 more datagrams within a minute: their fragments overlap, too".to_owned(),
                format!("60 0.0.0.1 {first}"),
            ]
        );
    }

    #[test]
    fn it_does_not_matter_how_often_somebody_looks() {
        let (mut often, mut seldom) = (Alarm::default(), Alarm::default());
        for second in 0..500 {
            let fragment = at((second % 7) as u32, second / 2 * 3);
            often.note(&fragment);
            seldom.note(&fragment);
            often.advance(fragment.clock);
        }
        for alarm in [&mut often, &mut seldom] {
            alarm.finish(Time(900 * Time::SECOND));
        }
        let told = said(&mut often);
        assert_eq!(told, said(&mut seldom));
        assert!(told.len() > 7);
    }

    #[test]
    fn a_flood_of_forged_sources_is_told_of_in_one_word() {
        let mut alarm = Alarm::default();
        (0..50_000).for_each(|source| alarm.note(&at(source, 0)));
        alarm.finish(Time(0));
        let said = said(&mut alarm);
        assert_eq!(said.len(), SOURCES + 1);
        let others = 50_000 - SOURCES;
        let words = format!("0  {others} datagrams from still other sources within a minute: their fragments overlap");
        assert!(said.iter().any(|line| line.starts_with(&words)), "{:?}", said.last());
    }
}
