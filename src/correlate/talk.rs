//! What stream processors heard sources say: kept for a while, and added to their scans.
//!
//! In: evidence with its place in the run, in order. Out: what it adds to an event: to the tool's evidence when it speaks
//! for the same tool, a tool where none was recognised, else words at the end of the reason. What was said belongs to the
//! scans that tried the port at which it was said, not long before: one host may run two programs.
//! It never makes a scan of what is none. Bounded: so many sources, so many things said by each; the source that said
//! nothing for the longest goes first, which is counted.
//! Source: `docs/processors.md`.
//! Read next: `mod.rs` (when it is asked).

use std::collections::{BTreeSet, HashMap};

use foldhash::quality::FixedState;
use tripline_plugin::{
    Evidence,
    event::{Event, Tool},
};

use crate::{
    cells::{Suspicion, technique::Technique},
    decode::{Address, transport::protocol},
    dispatch::Key,
    source::Time,
};

/// Sources that are remembered.
const SOURCES: usize = 4_096;
/// Different things that are remembered of one.
const FACTS: usize = 16;
/// Ports that are remembered of a thing.
const PORTS: usize = 16;
/// Characters of a thing that are kept.
const LETTERS: usize = 160;
/// So long before a scan begins, what is said may still belong to it; after as long a silence a scan is over.
const KEPT: i64 = 3_600 * Time::SECOND;

/// Evidence on its way.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The clock and the place in the run of the frame at which it was heard.
    pub order: (Time, u64),
    /// Whom it is about.
    pub source: Address,
    /// What it is.
    pub evidence: Evidence,
}

/// What was said by whom.
#[derive(Debug)]
pub struct Talk {
    sources: HashMap<Address, Said, FixedState>,
    /// By when they last said something.
    order: BTreeSet<(Time, Address)>,
    given_up: u64,
}

#[derive(Debug)]
struct Said {
    last: Time,
    facts: Vec<Fact>,
}

#[derive(Debug)]
struct Fact {
    /// As it was said first.
    first: Evidence,
    /// Where it was said.
    ports: Vec<u16>,
    times: u64,
}

impl Talk {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        let sources = HashMap::with_hasher(FixedState::with_seed(key.hash(2_u8)));
        Self { sources, order: BTreeSet::new(), given_up: 0 }
    }

    /// Somebody said something.
    pub fn take(&mut self, Heard { order: (clock, _), source, mut evidence }: Heard) {
        evidence.text = cut(&evidence.text);
        evidence.tool = evidence.tool.as_deref().map(cut);
        let said = self.sources.entry(source).or_insert_with(|| Said { last: clock, facts: Vec::new() });
        self.order.remove(&(said.last, source));
        if clock.since(said.last) > KEPT {
            said.facts.clear();
        }
        said.last = clock;
        self.order.insert((clock, source));
        let has_room = said.facts.len() < FACTS;
        let key = |evidence: &Evidence| (evidence.protocol, evidence.tool.clone(), evidence.text.clone());
        let (new, port) = (key(&evidence), evidence.target.port());
        match said.facts.iter_mut().find(|fact| key(&fact.first) == new) {
            Some(fact) => {
                fact.times += 1;
                if fact.ports.len() < PORTS && !fact.ports.contains(&port) {
                    fact.ports.push(port);
                }
            }
            None if has_room => said.facts.push(Fact { first: evidence, ports: vec![port], times: 1 }),
            None => self.given_up += 1,
        }
        if self.sources.len() > SOURCES
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some(said) = self.sources.remove(&oldest)
        {
            self.given_up += said.facts.len() as u64;
        }
    }

    /// Adds to a scan's event what its source said.
    pub fn write(&self, source: Address, s: &Suspicion, event: &mut Event) {
        let said = self.sources.get(&source).filter(|said| s.evidence.start.since(said.last) <= KEPT);
        let (Some(said), Some(scan)) = (said, &mut event.scan) else { return };
        let facts = || said.facts.iter().filter(|fact| fact.belongs_to(s));
        if scan.tool.is_none() {
            let surest = facts().filter(|fact| fact.first.tool.is_some());
            // Of equally sure ones the first.
            let surest = surest.rev().max_by(|one, other| one.first.confidence.total_cmp(&other.first.confidence));
            scan.tool = surest.and_then(|fact| fact.first.tool.clone()).map(|name| Tool {
                name,
                confidence: 0.0,
                evidence: Vec::new(),
            });
        }
        for fact in facts() {
            if let Some(tool) = scan.tool.as_mut().filter(|tool| Some(&tool.name) == fact.first.tool.as_ref()) {
                tool.confidence = tool.confidence.max(fact.first.confidence.clamp(0.0, 1.0));
                tool.evidence.push(fact.words());
                continue;
            }
            let tool = fact.first.tool.as_deref().map(|tool| format!("{tool}: ")).unwrap_or_default();
            scan.reason.extend(["; ", &tool, &fact.words()]);
        }
    }

    /// How many things said had to be forgotten for want of memory.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up
    }
}

impl Fact {
    fn belongs_to(&self, s: &Suspicion) -> bool {
        let protocol = match s.technique {
            Technique::Udp => protocol::UDP,
            technique if technique.is_tcp() => protocol::TCP,
            _ => return false,
        };
        self.first.protocol == protocol && self.ports.iter().any(|&port| s.evidence.ports.contains(port))
    }

    fn words(&self) -> String {
        let Evidence { text, target, .. } = &self.first;
        match self.times {
            1 => format!("{text} ({target})"),
            times => format!("{text} ({target} and {} more)", times - 1),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{evidence::Evidence as Shown, knock::Knock, outcome::Outcome, samples::knock, walk::Ground},
        rules::samples,
    };

    fn source(n: u32) -> Address {
        Address::v4(n.to_be_bytes())
    }

    fn heard(n: u32, seconds: i64, tool: Option<&str>, text: &str) -> Heard {
        let time = Time(seconds * Time::SECOND);
        let (tool, text) = (tool.map(str::to_owned), text.to_owned());
        let (target, protocol) = (([10, 0, 0, 1], 80).into(), protocol::TCP);
        let evidence =
            Evidence { source: source(n).ip(), target, protocol, stamp: time.0, tool, confidence: 0.9, text };
        Heard { order: (time, 1), source: source(n), evidence }
    }

    /// What an event says of a scan of this port, with this technique, that began then.
    fn written(
        memory: &Talk,
        (port, technique, start): (u16, Technique, i64),
        tool: Option<Tool>,
    ) -> (Option<Tool>, String) {
        let first = Knock { technique, ..knock(1, port, Outcome::Closed) };
        let mut evidence = Shown::new(&first, 1);
        evidence.start = Time(start * Time::SECOND);
        let s = Suspicion {
            technique,
            ground: Ground::Failures,
            shape: None,
            stamp: Time(9),
            case: vec![first],
            evidence,
            vlan: [0; 2],
            tunnel: None,
            mac: [0; 6],
            prompter: None,
        };
        let mut event = samples::event(tripline_plugin::event::Scan { tool, ..samples::scan() });
        memory.write(source(1), &s, &mut event);
        let scan = event.scan.unwrap();
        (scan.tool, scan.reason)
    }

    const SYN: Technique = Technique::TcpSyn;

    #[test]
    fn what_was_said_is_added_where_it_belongs() {
        let mut memory = Talk::new(&Key::new(1));
        for (tool, text) in [(Some("nmap"), "asked"), (Some("nmap"), "asked"), (Some("zgrab"), "said"), (None, "odd")] {
            memory.take(heard(1, 5, tool, text));
        }
        let (tool, reason) = written(&memory, (80, SYN, 0), None);
        let tool = tool.unwrap();
        assert_eq!((tool.name.as_str(), tool.confidence), ("nmap", 0.9));
        assert_eq!(tool.evidence, ["asked (10.0.0.1:80 and 1 more)"]);
        assert_eq!(reason, "for a test; zgrab: said (10.0.0.1:80); odd (10.0.0.1:80)");

        let zgrab = Tool { name: "zgrab".to_owned(), confidence: 0.99, evidence: vec!["its numbers".to_owned()] };
        let (tool, reason) = written(&memory, (80, SYN, 0), Some(zgrab));
        let tool = tool.unwrap();
        assert_eq!(tool.evidence, ["its numbers", "said (10.0.0.1:80)"]);
        assert!(tool.confidence > 0.98 && reason.contains("nmap: asked"), "{reason}");
    }

    #[test]
    fn what_was_said_long_ago_elsewhere_and_by_others_does_not_count() {
        let mut memory = Talk::new(&Key::new(1));
        memory.take(heard(2, 0, Some("nmap"), "asked"));
        assert_eq!(written(&memory, (80, SYN, 0), None).0, None, "another source");
        memory.take(heard(1, 0, Some("nmap"), "asked"));
        assert!(written(&memory, (80, SYN, 3_600), None).0.is_some());
        for scan in [(80, SYN, 4_000), (81, SYN, 0), (80, Technique::Udp, 0)] {
            assert_eq!(written(&memory, scan, None), (None, "for a test".to_owned()), "{scan:?}");
        }
    }

    #[test]
    fn a_flood_of_talkers_takes_no_more_memory_and_is_counted() {
        let mut memory = Talk::new(&Key::new(1));
        for n in 0..20 {
            memory.take(heard(1, 0, None, &format!("{n} {}", "x".repeat(1_000))));
        }
        assert_eq!(memory.given_up(), 4);
        assert!(memory.sources[&source(1)].facts.iter().all(|fact| fact.first.text.len() <= LETTERS));
        for n in 2..10_000 {
            memory.take(heard(n, i64::from(n), Some("nmap"), "asked"));
        }
        assert_eq!((memory.sources.len(), memory.order.len()), (SOURCES, SOURCES));
        assert_eq!(memory.given_up(), 4 + 16 + (9_998 - SOURCES as u64));
    }
}
