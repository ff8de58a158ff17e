//! The story of one address as it is told: the shape of the JSON, which the text for people is made of, too.
//!
//! In: what the engine remembers, the events that concern the address. Out: [`Tale`], numbers and words.
//! Source: `docs/why.md` is the contract: a field is never renamed or given another meaning.
//! Must not decide anything but what is left out. Read next: `answer.rs`, `text.rs`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Serialize;
use tripline_plugin::stamp;

use super::{
    answer::{self, Answer},
    listener::{AllHeard, Heard, concerns},
    words,
};
use crate::{
    cells::witness::{Visit, Witness},
    cli::known,
    config::diagnostic::printable,
    correlate::{
        hearing::{Case, Trial, Walk},
        weight::Weight,
    },
    decode::Address,
    engine::{
        Totals,
        story::{Packets, Story},
    },
    presets,
    rules::names::{self, word_for},
};

/// Walks of a trial that are told; those nearest to their thresholds.
const WALKS: usize = 2;
/// Events that are told.
const EVENTS: usize = 32;

/// What was asked for, and what the run came to.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) presets: &'a [&'a str],
    /// Doors that are listed, and steps of each walk.
    pub(super) doors: usize,
    pub(super) totals: &'a Totals,
}

/// The story of one address.
#[derive(Debug, Serialize)]
pub(super) struct Tale {
    /// The version of this shape.
    why: u8,
    pub(super) address: String,
    /// Of equal addresses in several VLANs or virtual networks: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
    pub(super) answer: Answer,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
    pub(super) contacts: Vec<Contacts>,
    pub(super) doors: Vec<Listed>,
    /// Doors that are not listed: they lie between the first half of the list and the second.
    pub(super) doors_between: u64,
    pub(super) judged: Vec<Judged>,
    /// Of senders of the same packets, who are judged as one: under whose name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    /// The nearest that it came to each ground for suspicion without reaching it, or just before.
    pub(super) near: Vec<Near>,
    pub(super) lost: Lost,
    pub(super) presets: Vec<Opinion>,
    pub(super) events: Vec<Told>,
    pub(super) more_events: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Seen {
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) first: i64,
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) last: i64,
    pub(super) sent: BTreeMap<&'static str, u64>,
    pub(super) received: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Contacts {
    pub(super) technique: &'static str,
    pub(super) doors: u64,
    pub(super) open: u64,
    pub(super) closed: u64,
    pub(super) unreachable: u64,
    pub(super) silent: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Listed {
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) time: i64,
    pub(super) technique: &'static str,
    pub(super) door: String,
    pub(super) outcome: &'static str,
    pub(super) details: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Judged {
    pub(super) technique: &'static str,
    /// As a suspect, and how often it was acquitted.
    pub(super) trials: u64,
    pub(super) acquittals: u64,
    /// `guilty`, `acquitted`, or `no-suspect`: then this is what would have been thought of it.
    pub(super) verdict: &'static str,
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) time: i64,
    pub(super) ground: &'static str,
    pub(super) group: String,
    pub(super) doors: u64,
    pub(super) one_sided: bool,
    pub(super) said: Vec<String>,
    pub(super) walks: Vec<Walked>,
    pub(super) more_walks: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Walked {
    pub(super) group: String,
    pub(super) steps: Vec<Step>,
    /// Steps before those.
    pub(super) steps_before: u64,
    pub(super) highest: f64,
    pub(super) needed: f64,
    /// Doors of networks that are never heard, and how many it takes where nobody answers.
    pub(super) unseen: u32,
    pub(super) unseen_needed: u32,
    pub(super) answered: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) excuse: Option<&'static str>,
    pub(super) guilty: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Step {
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) time: i64,
    pub(super) door: String,
    pub(super) outcome: &'static str,
    /// Up, or down; 0 for a door that says nothing.
    pub(super) weight: f64,
    pub(super) sum: f64,
    pub(super) because: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Near {
    pub(super) technique: &'static str,
    pub(super) ground: &'static str,
    pub(super) group: String,
    pub(super) has: f64,
    pub(super) needed: f64,
    pub(super) words: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Lost {
    /// First contacts that were given up before their outcome was known.
    pub(super) contacts: u64,
    /// Times that its only contact was forgotten before the second.
    pub(super) alone: u64,
    /// Times that all that was known of it as a suspect was given up.
    pub(super) suspect: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Opinion {
    pub(super) preset: String,
    /// Scans that it found.
    pub(super) scans: u64,
    /// What it takes to be found by it.
    pub(super) takes: &'static str,
}

/// An event and what became of it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    #[serde(serialize_with = "stamp::serialize")]
    pub(super) time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<&'static str>,
    pub(super) what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) severity: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    pub(super) silenced: bool,
    pub(super) held: bool,
    pub(super) outputs: Vec<String>,
    /// Outputs that the rules chose and that do not take it, and why.
    pub(super) not_taken: Vec<(String, &'static str)>,
}

impl Tale {
    /// Tells a story.
    pub(super) fn of(story: &Story, heard: &AllHeard, asked: &Asked<'_>) -> Self {
        let address = story.presence.address;
        let about = |heard: &&Heard| concerns(&heard.event, |ip| *ip == address.ip());
        let heard_of: Vec<&Heard> = heard.events.iter().filter(about).collect();
        let (first, last) = story.presence.span;
        let named = |packets: &Packets| packets.iter().map(|(sort, n)| (sort.name(), *n)).collect();
        let seen = Seen {
            first: first.0,
            last: last.0,
            sent: named(&story.presence.sent),
            received: named(&story.presence.received),
        };
        let tenant = Some(address.tenant()).filter(|tenant| *tenant != 0).map(|tenant| format!("{tenant:x}"));
        let answer = answer::of(Some(story), &heard_of, asked);
        let bare = Self::bare(address.ip().to_string(), answer, &heard_of, heard.more, asked);
        let cases = story.hearing.iter().flat_map(|hearing| &hearing.cases);
        let judged = cases.filter_map(|case| Judged::of(case, asked.doors)).collect();
        let set = story.hearing.as_ref().and_then(|hearing| hearing.head).map(|head| head.to_string());
        let Some(witness) = &story.witness else { return Self { tenant, seen: Some(seen), judged, set, ..bare } };
        let listed = witness.first.iter().chain(&witness.latest);
        Self {
            tenant,
            seen: Some(seen),
            judged,
            set,
            contacts: contacts(witness),
            doors: listed.map(Listed::of).collect(),
            doors_between: witness.knocks().saturating_sub((witness.first.len() + witness.latest.len()) as u64),
            near: witness.near.iter().map(Near::of).collect(),
            lost: Lost {
                contacts: witness.given_up,
                alone: witness.forgotten_alone,
                suspect: witness.forgotten.map_or(0, |(_, times)| times),
            },
            ..bare
        }
    }

    /// Of a net from which nobody was seen.
    pub(super) fn of_nobody(net: &IpNet, heard: &AllHeard, asked: &Asked<'_>) -> Self {
        let heard_of: Vec<&Heard> = heard.events.iter().collect();
        let is_one = net.prefix_len() == net.max_prefix_len();
        let name = if is_one { net.addr().to_string() } else { net.to_string() };
        Self::bare(name, answer::of(None, &heard_of, asked), &heard_of, heard.more, asked)
    }

    fn bare(address: String, answer: Answer, heard: &[&Heard], more: u64, asked: &Asked<'_>) -> Self {
        let events: Vec<Told> = heard.iter().take(EVENTS).map(|heard| Told::of(heard)).collect();
        let more_events = more + heard.len().saturating_sub(EVENTS) as u64;
        let presets = asked.presets.iter().map(|name| Opinion::of(name, heard)).collect();
        let (tenant, seen, contacts, doors, doors_between, judged, set, near, lost) = Default::default();
        Self {
            why: 1,
            address,
            tenant,
            answer,
            seen,
            contacts,
            doors,
            doors_between,
            judged,
            set,
            near,
            lost,
            presets,
            events,
            more_events,
        }
    }
}

fn contacts(witness: &Witness) -> Vec<Contacts> {
    let row = |way: &crate::cells::witness::Way| Contacts {
        technique: way.technique.name(),
        doors: way.knocks,
        open: way.tally.open,
        closed: way.tally.closed,
        unreachable: way.tally.unreachable,
        silent: way.tally.silent,
    };
    witness.ways.iter().map(row).collect()
}

impl Listed {
    fn of(visit: &Visit) -> Self {
        let Visit { knock, fate } = visit;
        Self {
            time: knock.stamp.0,
            technique: knock.technique.name(),
            door: words::door(knock.target, knock.port, knock.technique),
            outcome: words::outcome(knock, *fate),
            details: words::details(knock, *fate),
        }
    }
}

/// What is to be told of a case: the conviction, else the last acquittal, else what would have been thought.
pub(super) fn telling(case: &Case) -> Option<(&'static str, &Trial)> {
    let guilty = case.convicted.as_ref().map(|trial| ("guilty", trial));
    let acquitted = case.acquitted.as_ref().map(|trial| ("acquitted", trial));
    guilty.or(acquitted).or(case.nearest.as_ref().map(|trial| ("no-suspect", trial)))
}

impl Judged {
    fn of(case: &Case, steps: usize) -> Option<Self> {
        let (verdict, trial) = telling(case)?;
        let mut walks: Vec<&Walk> = trial.walks.iter().filter(|walk| !walk.steps.is_empty()).collect();
        // The convicting one, else the nearest to its threshold; of equals the first.
        walks.sort_by(|a, b| {
            let near = |w: &Walk| f64::from(w.end.highest) / f64::from(w.end.threshold.max(1));
            b.end.guilty.cmp(&a.end.guilty).then(near(b).total_cmp(&near(a)))
        });
        let shown = if verdict == "guilty" { 1 } else { WALKS };
        Some(Self {
            technique: case.technique.name(),
            trials: case.trials,
            acquittals: case.acquittals,
            verdict,
            time: trial.stamp.0,
            ground: words::ground(trial.ground),
            group: words::group(trial.shape, trial.technique),
            doors: trial.doors,
            one_sided: trial.verdict.one_sided,
            said: trial.said.iter().filter_map(words::said).collect(),
            more_walks: walks.len().saturating_sub(shown) as u64,
            walks: walks.into_iter().take(shown).map(|walk| Walked::of(walk, trial, steps)).collect(),
        })
    }
}

fn whole(halves: u32) -> f64 {
    f64::from(halves) / 2.0
}

impl Walked {
    fn of(walk: &Walk, trial: &Trial, most: usize) -> Self {
        let end = &walk.end;
        // The last ones decided.
        let before = walk.steps.len().saturating_sub(most);
        let step = |step: &crate::correlate::hearing::Step| Step {
            time: step.knock.stamp.0,
            door: words::door(step.knock.target, step.knock.port, step.knock.technique),
            outcome: words::ended(step.knock.outcome),
            weight: match step.weight {
                Weight::Fails(halves) => whole(halves),
                Weight::Unseen => 0.0,
                Weight::Succeeds => -1.0,
            },
            sum: whole(step.sum),
            because: words::because(step.because),
        };
        Self {
            group: words::group(Some(end.shape), trial.technique),
            steps: walk.steps.iter().skip(before).map(step).collect(),
            steps_before: before as u64,
            highest: whole(end.highest),
            needed: whole(end.threshold),
            unseen: end.unseen,
            unseen_needed: end.enough_unseen,
            answered: end.successes,
            excuse: end.excuse.map(words::excuse),
            guilty: end.guilty,
        }
    }
}

impl Near {
    fn of(near: &crate::cells::witness::Near) -> Self {
        let m = &near.measure;
        let unit = if m.ground == crate::cells::walk::Ground::Failures { 2.0 } else { 1.0 };
        Self {
            technique: near.technique.name(),
            ground: words::ground(m.ground),
            group: words::group(near.shape, near.technique),
            has: m.has as f64 / unit,
            needed: m.needs as f64 / unit,
            words: words::measure(m),
        }
    }
}

impl Opinion {
    fn of(name: &str, heard: &[&Heard]) -> Self {
        let scans = heard.iter().filter_map(|heard| heard.event.scan.as_deref());
        let mut ids: Vec<&str> = scans.filter(|scan| scan.preset == name).map(|scan| scan.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let takes = if name == known::TRIPLINE { "see above" } else { presets::takes(name) };
        Self { preset: name.to_owned(), scans: ids.len() as u64, takes }
    }
}

impl Told {
    fn of(heard: &Heard) -> Self {
        let Heard { event, route, to, not_to } = heard;
        let scan = event.scan.as_deref();
        let what = match (scan, &event.anomaly) {
            (Some(scan), _) => {
                format!("{} {}: {}", word_for(names::KINDS, &scan.kind), scan.technique, printable(&scan.reason))
            }
            (None, Some(anomaly)) => format!("{}: {}", printable(&anomaly.kind), printable(&anomaly.event)),
            (None, None) => String::new(),
        };
        Self {
            time: event.timestamp,
            preset: scan.map(|scan| scan.preset.clone()),
            id: scan.map(|scan| scan.id.clone()),
            phase: scan.map(|scan| word_for(names::PHASES, &scan.phase)),
            what,
            severity: scan.map(|scan| word_for(names::SEVERITIES, &scan.severity)),
            rule: route.rule.as_deref().map(printable),
            silenced: route.silenced,
            held: route.held,
            outputs: to.clone(),
            not_taken: not_to.clone(),
        }
    }
}

/// The address under which a set of decoys is told, for words.
pub(super) fn other_head(story: &Story) -> Option<Address> {
    story.hearing.as_ref().and_then(|hearing| hearing.head).filter(|head| *head != story.presence.address)
}
