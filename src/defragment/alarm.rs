//! What is told of fragments or segments that overlap with different bytes: nobody but an evader sends them.
//!
//! In: the packets at which a datagram first, or a stream, contradicts itself, in order. Out: anomalies of type
//! `overlap`, in order: at once for the first of a source, then one with the count of all further ones of its
//! minute. Must not know who reads them. Time is the clock; memory and output are bounded: when more
//! sources come than there is room for (they are forged then), the others are told of together.
//! Source: `docs/events.md`.
//! Read next: `building.rs` (what a contradiction is), `streams/intake.rs` (the other one who uses it).

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use tripline_plugin::event::{Anomaly, Event, EventType};

use super::Fragment;
use crate::{
    checkpoint::{Kept, Reader, Unfit, Writer},
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

/// What contradicts itself, in words.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// One further of its kind, and several.
    pub units: [&'static str; 2],
    /// What they do, one and several.
    pub overlap: [&'static str; 2],
}

impl Words {
    /// Datagrams whose fragments overlap.
    pub(super) const DATAGRAMS: Self =
        Self { units: ["datagram", "datagrams"], overlap: ["its fragments overlap", "their fragments overlap"] };
}

/// A packet that shows a contradiction.
#[derive(Clone, Copy, Debug)]
pub struct Contradiction {
    /// Who sent it.
    pub src: Address,
    /// To whom.
    pub dst: Address,
    /// The IP protocol.
    pub protocol: u8,
    /// VLAN ids from the outside in, 0 for none.
    pub vlan: [u16; 2],
    /// Its stamp.
    pub stamp: Time,
    /// The clock at it.
    pub clock: Time,
    /// Its place in the run.
    pub seq: u64,
    /// What it does.
    pub words: &'static str,
}

/// Who has been told of lately, and what is still to be told.
#[derive(Debug)]
pub struct Alarm {
    words: Words,
    until: HashMap<Who, Time>,
    /// Further datagrams, by when they are to be told of.
    further: BTreeMap<(Time, Who), u64>,
    warnings: Vec<Warning>,
}

impl Alarm {
    /// With nothing told yet.
    #[must_use]
    pub fn new(words: Words) -> Self {
        let (until, further, warnings) = Default::default();
        Self { words, until, further, warnings }
    }

    /// Something contradicts itself, and this packet showed it.
    pub fn note(&mut self, shown: &Contradiction) {
        self.advance(shown.clock);
        let src = Some(shown.src);
        let is_new = !self.until.contains_key(&src);
        let who = if is_new && self.until.len() >= SOURCES { None } else { src };
        let until = *self.until.entry(who).or_insert(shown.clock + WINDOW);
        *self.further.entry((until, who)).or_default() += u64::from(!is_new || who.is_none());
        if is_new && who.is_some() {
            self.warnings.push(first(shown));
        }
    }

    /// The clock has come to `now`: counts of minutes that are over become warnings.
    pub fn advance(&mut self, now: Time) {
        while let Some(entry) = self.further.first_entry() {
            let (until, who) = *entry.key();
            if until > now {
                break;
            }
            let count = entry.remove();
            self.until.remove(&who);
            let warning = self.further_ones(until, who, count);
            self.warnings.extend(warning);
        }
    }

    /// There is no more input; its clock ended at `last`.
    pub fn finish(&mut self, last: Time) {
        self.advance(last);
        let rest = std::mem::take(&mut self.further);
        self.until.clear();
        for ((_, who), count) in rest {
            let warning = self.further_ones(last, who, count);
            self.warnings.extend(warning);
        }
    }

    fn further_ones(&self, at: Time, who: Who, count: u64) -> Option<Warning> {
        if count == 0 {
            return None;
        }
        let Words { units: [one, several], overlap: [overlaps, overlap] } = self.words;
        let (unit, does) = if count == 1 { (one, overlaps) } else { (several, overlap) };
        let which = if who.is_some() { format!("more {unit}") } else { format!("{unit} from still other sources") };
        let event =
            Event { src_ip: who.map(Address::ip), ..told(at, format!("{count} {which} within a minute: {does}, too")) };
        Some(Warning { clock: at, seq: None, event })
    }

    /// What there is to tell since the last time, in order.
    pub fn warnings(&mut self) -> impl Iterator<Item = Warning> {
        self.warnings.drain(..)
    }
}

/// What a datagram shows that contradicts itself.
pub(super) fn contradiction(fragment: &Fragment<'_>) -> Contradiction {
    let Fragment { header, stamp, clock, seq, .. } = fragment;
    let words = if header.ipv6 {
        "fragments of one IPv6 datagram overlap: receivers are to drop it (RFC 5722)"
    } else {
        "fragments of one datagram overlap with different bytes: hosts differ in what they read"
    };
    let (protocol, vlan) = (header.protocol, header.vlan);
    Contradiction { src: header.src, dst: header.dst, protocol, vlan, stamp: *stamp, clock: *clock, seq: *seq, words }
}

fn first(shown: &Contradiction) -> Warning {
    let event = Event {
        src_ip: Some(shown.src.ip()),
        dest_ip: Some(shown.dst.ip()),
        proto: Some(describe::name(shown.protocol).into_owned()),
        vlan: shown.vlan.into_iter().filter(|id| *id != 0).collect(),
        ..told(shown.stamp, shown.words.to_owned())
    };
    Warning { clock: shown.clock, seq: Some(shown.seq), event }
}

fn told(at: Time, words: String) -> Event {
    Event {
        anomaly: Some(Anomaly { kind: "overlap".to_owned(), event: words }),
        ..Event::new(EventType::Anomaly, at.0)
    }
}

impl Kept for Alarm {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // Warnings were fetched.
        let Self { words: _, until, further, warnings: _ } = self;
        to.list(until.iter())?;
        to.list(further.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        let until = from.list::<Vec<(Who, Time)>>(SOURCES + 1)?;
        self.until.extend(until);
        self.further = from.list(SOURCES + 1)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Header, samples::*};
    use super::*;

    fn shown(source: u32, seconds: i64) -> Contradiction {
        let header = Header { src: Address::v4(source.to_be_bytes()), ..HEADER };
        let time = Time(seconds * Time::SECOND);
        contradiction(&Fragment { header, stamp: time, clock: time, seq: 9, ..fragment(0, true, &[]) })
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
        let mut alarm = Alarm::new(Words::DATAGRAMS);
        for second in [0, 1, 59] {
            alarm.note(&shown(1, second));
        }
        alarm.note(&shown(2, 59));
        alarm.note(&shown(1, 60));
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
        let [mut often, mut seldom] = [0; 2].map(|_| Alarm::new(Words::DATAGRAMS));
        for second in 0..500 {
            let shown = shown((second % 7) as u32, second / 2 * 3);
            often.note(&shown);
            seldom.note(&shown);
            often.advance(shown.clock);
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
        let mut alarm = Alarm::new(Words::DATAGRAMS);
        (0..50_000).for_each(|source| alarm.note(&shown(source, 0)));
        alarm.finish(Time(0));
        let said = said(&mut alarm);
        assert_eq!(said.len(), SOURCES + 1);
        let others = 50_000 - SOURCES;
        let words = format!("0  {others} datagrams from still other sources within a minute: their fragments overlap");
        assert!(said.iter().any(|line| line.starts_with(&words)), "{:?}", said.last());
    }
}
