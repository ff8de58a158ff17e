//! Format `eve-alert`: `eve` as an alert, since many receivers act on nothing else.
//!
//! In: an event. Out: its JSON with `event_type` "alert" and an `alert` object as Suricata
//! writes it. Anomalies and statistics are no alerts and stay as they are.
//! Must not change an id once given: people write suppressions by `signature_id`.
//! Source: Suricata's documentation of EVE; the category is of its `classification.config`.
//!
//! Read next: `eve.rs`.

use serde::Serialize;
use tripline_plugin::{
    Event,
    event::{EventType, Kind, Scan, Severity},
};

use super::eve;

/// The generator that counts Tripline's signatures, apart from everybody's rules (gid 1):
/// "TRIP" on a telephone.
const GID: u32 = 8747;

/// Techniques by their number; a new one is added at the end.
const TECHNIQUES: [&str; 16] = [
    "tcp-syn",
    "tcp-connect",
    "tcp-fin",
    "tcp-null",
    "tcp-xmas",
    "tcp-maimon",
    "tcp-ack",
    "tcp-other",
    "udp",
    "sctp-init",
    "sctp-cookie-echo",
    "ip-protocol",
    "icmp-echo",
    "icmp-timestamp",
    "icmp-mask",
    "arp",
];

#[derive(Serialize)]
struct WithAlert<'a> {
    #[serde(flatten)]
    event: &'a Event,
    alert: Alert,
}

#[derive(Serialize)]
struct Alert {
    gid: u32,
    signature_id: u32,
    signature: String,
    category: &'static str,
    severity: u8,
}

pub(super) fn render(event: &Event, into: &mut String) {
    match &event.scan {
        Some(scan) => {
            let event = &Event { event_type: EventType::Alert, ..event.clone() };
            eve::push(&WithAlert { event, alert: alert(scan) }, into);
        }
        None => eve::render(event, into),
    }
}

fn alert(scan: &Scan) -> Alert {
    let (kind, number) = match scan.kind {
        Kind::Vertical => ("vertical", 1),
        Kind::Horizontal => ("horizontal", 2),
        Kind::Block => ("block", 3),
        Kind::Distributed => ("distributed", 4),
        Kind::Decoy => ("decoy", 5),
    };
    // Techniques from 1; 0 stands for one that this list does not know.
    let technique = (1..).zip(TECHNIQUES).find(|(_, name)| *name == scan.technique).map_or(0, |(at, _)| at);
    Alert {
        gid: GID,
        signature_id: technique * 10 + number,
        signature: format!("Tripline {kind} {} scan", scan.technique),
        category: "Detection of a Network Scan",
        severity: match scan.severity {
            Severity::High => 1,
            Severity::Medium => 2,
            Severity::Low => 3,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use tripline_plugin::sample_events;

    use super::super::tests::rendered;

    fn alerts() -> Vec<Value> {
        let lines = sample_events().into_iter().map(|event| rendered("eve-alert", &event));
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }

    #[test]
    fn a_scan_is_an_alert_as_suricata_writes_it() {
        let scan = alerts().into_iter().find(|line| line["scan"]["kind"] == "decoy").unwrap();
        assert_eq!(scan["event_type"], "alert");
        let expected = json!({"gid": 8747, "signature_id": 15, "signature": "Tripline decoy tcp-syn scan",
            "category": "Detection of a Network Scan", "severity": 2});
        assert_eq!(scan["alert"], expected);
    }

    #[test]
    fn an_anomaly_stays_one() {
        let storm = alerts().into_iter().find(|line| line["anomaly"]["type"] == "storm").unwrap();
        assert_eq!((&storm["event_type"], storm.get("alert")), (&json!("anomaly"), None));
    }

    #[test]
    fn an_id_means_one_technique_and_kind() {
        let mut meaning = BTreeMap::new();
        for line in alerts().iter().filter(|line| line["event_type"] == "alert") {
            let names = (line["scan"]["technique"].to_string(), line["scan"]["kind"].to_string());
            let known = meaning.entry(line["alert"]["signature_id"].as_u64().unwrap()).or_insert(names.clone());
            assert_eq!(*known, names);
        }
        assert!(meaning.len() > 16 && meaning.keys().all(|id| *id > 10));
    }
}
