//! Events and rules for the tests of this stage.
//!
//! In: what a test cares about. Out: the rest. Read next: whichever test uses them.

use std::{net::IpAddr, sync::Arc};

use tripline_plugin::{
    ConfigError,
    event::{Answers, Completeness, Counted, Event, EventType, Kind, Phase, Ports, Scan, Severity, Trust},
};

use super::{Known, Rules, names::Quantity};
use crate::config::{Diagnostics, Document};

/// A program that has a little of everything.
pub(crate) const KNOWN: Known<'_> = Known {
    presets: &["tripline", "scanlogd"],
    thresholds: &[("refused", Quantity::Count), ("quiet", Quantity::Duration)],
    processors: &["listen", "write"],
    check_processor: &|_, table| {
        let wrong = table.keys().filter(|key| *key != "path");
        wrong.map(|key| ConfigError::unknown(key, "no such option".to_owned(), key, &["path"])).collect()
    },
    check_output: &|_, table| match table.get("plugin").and_then(serde_json::Value::as_str) {
        Some("stdout" | "file") => Vec::new(),
        Some(name) => vec![ConfigError::unknown("plugin", format!("`{name}` is no plugin"), name, &["stdout", "file"])],
        None => vec![ConfigError::about("plugin", "is missing")],
    },
};

/// Two outputs and a home that tests can build on.
const BASE: &str = "version = 1
[nets]
home = ['10.0.0.0/8']
ours = ['10.0.9.7', '10.0.9.8']
[outputs.a]
plugin = 'stdout'
[outputs.b]
plugin = 'file'
[default]
outputs = ['a']
";

/// The rules of several files.
pub(crate) fn read(files: &[(&str, &str)]) -> Result<Rules, Diagnostics> {
    let document = |(name, text): &(&str, &str)| Document { name: (*name).to_owned(), text: (*text).to_owned() };
    let documents: Vec<_> = files.iter().map(|file| Arc::new(document(file))).collect();
    Rules::from_documents(&documents, &KNOWN)
}

/// The outputs `a` (which is the default) and `b`, the nets `home` and `ours`, and these rules.
pub(crate) fn rules(rules: &str) -> Rules {
    read(&[("rules.toml", &format!("{BASE}{rules}"))]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is wrong with rules on the same ground.
pub(crate) fn errors(rules: &str) -> String {
    read(&[("rules.toml", &format!("{BASE}{rules}"))]).unwrap_err().to_string()
}

/// A vertical SYN scan of 10.0.0.1 by 192.0.2.9.
pub(crate) fn scan() -> Scan {
    Scan {
        v: 1,
        id: "9c1f04ab00000000".to_owned(),
        rev: 1,
        phase: Phase::Begin,
        technique: "tcp-syn".to_owned(),
        kind: Kind::Vertical,
        severity: Severity::Low,
        start: 0,
        end: 0,
        packets: 23,
        doors: 21,
        answers: Answers { open: 2, closed: 19, unreachable: 0, silent: 0 },
        targets: addresses(&["10.0.0.1"]),
        ports: Some(Ports { count: 21, exact: true, sample: vec![22, 80, 443], ranges: Some("22-41,80".to_owned()) }),
        found: Vec::new(),
        sources: addresses(&["192.0.2.9"]),
        prefix: None,
        decoy: None,
        flags: None,
        ttl: None,
        tos: None,
        source_ports: None,
        fragmented: false,
        trust: Trust::Spoofable,
        on_link: false,
        tool: None,
        reason: "for a test".to_owned(),
        completeness: Completeness::default(),
        rule: None,
        preset: "tripline".to_owned(),
    }
}

/// An event of a scan.
pub(crate) fn event(scan: Scan) -> Event {
    let only = |sample: &[IpAddr]| if let [one] = sample { Some(*one) } else { None };
    Event {
        timestamp: 0,
        event_type: EventType::Scan,
        host: None,
        pcap_filename: None,
        pcap_cnt: None,
        in_iface: None,
        vlan: Vec::new(),
        src_ip: only(&scan.sources.sample),
        src_port: None,
        dest_ip: only(&scan.targets.sample),
        dest_port: None,
        proto: Some("TCP".to_owned()),
        direction: None,
        src_mac: None,
        tunnel: None,
        scan: Some(Box::new(scan)),
        anomaly: None,
        dropped_before: None,
    }
}

/// An event of a scan from some to some.
pub(crate) fn between(sources: &[&str], targets: &[&str]) -> Event {
    event(Scan { sources: addresses(sources), targets: addresses(targets), ..scan() })
}

/// Addresses that are all known.
pub(crate) fn addresses(list: &[&str]) -> Counted<IpAddr> {
    let sample: Vec<IpAddr> = list.iter().map(|address| address.parse().unwrap()).collect();
    Counted { count: sample.len() as u64, exact: true, sample }
}
