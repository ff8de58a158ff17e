//! One word about all that a limit held back.
//!
//! In: the events that limits hold, each with its window and who would have got it. Out: for
//! every window that is over one `anomaly` of type `digest`, in order of time: how many there
//! were, of which severity, by which rule. An anomaly and not a scan: what it tells of are many
//! scans, and a scan event that adds them up would be one that nobody made.
//! Must not know the clock: it is told how late it is. Memory is bounded.
//! Read next: `limit.rs` (the windows), `route.rs` (who asks).

use std::{collections::BTreeMap, io, net::IpAddr};

use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Anomaly, Event, EventType, Severity};

use crate::checkpoint::{Kept, Reader, Unfit, Writer};

use super::{
    limit::{By, Full},
    names,
    route::{OutputSet, Route},
    rule::Rule,
};

/// Windows that wait for their digest at most. The windows that run are bounded already
/// (`limit.rs`); stamps that jump back and forth could leave more of them behind.
const WAITING: usize = 65_536;

/// What was held back and not told of yet.
#[derive(Debug, Default)]
pub struct Digests {
    waiting: BTreeMap<Key, Held>,
}

/// When its window is over, the number of the rule, whose window it is. The first one is due first.
type Key = (i64, usize, Option<IpAddr>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Held {
    events: u64,
    by_severity: BTreeMap<Severity, u64>,
    outputs: OutputSet,
}

impl Digests {
    /// Takes note of an event that rule number `rule` would have sent to `outputs`.
    pub fn hold(&mut self, rule: usize, full: Full, event: &Event, outputs: OutputSet) {
        let held = self.waiting.entry((full.end, rule, full.who)).or_default();
        held.events += 1;
        held.outputs = held.outputs.and(outputs);
        if let Some(scan) = &event.scan {
            *held.by_severity.entry(scan.severity).or_default() += 1;
        }
    }

    /// How many windows wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The digests of all windows that are over by `now`, stamped with the end of the window,
    /// or with `latest` where that comes first: no event is later than the input.
    pub fn due(&mut self, now: i64, latest: i64, rules: &[Rule]) -> Vec<(Event, Route)> {
        let mut digests = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > now && self.waiting.len() <= WAITING {
                break;
            }
            let Some(((end, number, who), held)) = self.waiting.pop_first() else { break };
            // A rule that sends to nobody keeps nothing from anybody.
            if let Some(rule) = rules.get(number).filter(|_| !held.outputs.is_empty()) {
                digests.push(held.told(rule, who, end.min(latest)));
            }
        }
        digests
    }
}

impl Held {
    fn told(self, rule: &Rule, who: Option<IpAddr>, at: i64) -> (Event, Route) {
        let by = rule.limit.as_ref().map(|limit| limit.by);
        let from = match (by, who) {
            (Some(By::Source), Some(who)) => format!(" from {who}"),
            (Some(By::Target), Some(who)) => format!(" against {who}"),
            _ => String::new(),
        };
        let severities = self.by_severity.iter().rev();
        let severities =
            severities.map(|(severity, count)| format!("{count} {}", names::word_for(names::SEVERITIES, severity)));
        let severities = severities.collect::<Vec<_>>().join(", ");
        let plural = if self.events == 1 { "" } else { "s" };
        let which = if severities.is_empty() { severities } else { format!(": {severities}") };
        let words = format!(
            "{} more event{plural}{from}, held back by the limit of rule \"{}\"{which}",
            self.events, rule.name
        );
        let event = Event {
            src_ip: who.filter(|_| by == Some(By::Source)),
            dest_ip: who.filter(|_| by == Some(By::Target)),
            anomaly: Some(Anomaly { kind: "digest".to_owned(), event: words }),
            ..Event::new(EventType::Anomaly, at)
        };
        (event, Route { outputs: self.outputs, rule: Some(rule.name.clone()), ..Route::default() })
    }
}

impl Kept for Digests {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { waiting } = self;
        to.list(waiting.iter())
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.waiting = from.list(WAITING + 1)?;
        Ok(())
    }
}
