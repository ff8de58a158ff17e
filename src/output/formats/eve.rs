//! Format `eve`: one JSON object a line, in the envelope of Suricata's EVE.
//!
//! In: an event. Out: its JSON, with what could steer a terminal escaped. The shape is the
//! event's own; `plugins/api/event.schema.json` describes it and is checked here.
//! Must not add or leave out a field.
//!
//! Read next: `eve_alert.rs`, `docs/events.md`.

use serde::Serialize;
use tripline_plugin::Event;

use super::visible;

pub(super) fn render(event: &Event, into: &mut String) {
    push(event, into);
}

/// Appends anything as one line of JSON.
pub(super) fn push(value: &impl Serialize, into: &mut String) {
    // It could fail only for maps with keys that are no text, and an event has no map.
    if let Ok(json) = serde_json::to_string(value) {
        visible::push_json(&json, into);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tripline_plugin::{Event, sample_events};

    use super::super::tests::rendered;

    fn schema() -> jsonschema::Validator {
        let text = include_str!("../../../plugins/api/event.schema.json");
        jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn every_sort_of_event_keeps_to_the_schema() {
        let schema = schema();
        for event in sample_events() {
            for format in ["eve", "eve-alert"] {
                let line: Value = serde_json::from_str(&rendered(format, &event)).unwrap();
                let errors: Vec<_> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{format}: {errors:?}\n{line}");
            }
        }
    }

    #[test]
    fn the_schema_refuses_what_an_event_must_not_be() {
        let schema = schema();
        let good: Value = serde_json::from_str(&rendered("eve", &sample_events()[0])).unwrap();
        assert!(schema.is_valid(&good));
        for (pointer, value) in [
            ("/src_port", Value::Null),
            ("/src_ip", json!("nobody")),
            ("/timestamp", json!("2026-11-22T11:38:30Z")),
            ("/event_type", json!("anomaly")),
            ("/scan/v", json!(2)),
            ("/scan/kind", json!("diagonal")),
            ("/scan/answers", json!({"open": 1})),
            ("/scan/ports", json!({"count": 1, "exact": true, "sample": [65536]})),
            ("/scan/answers/refused", json!(1)),
            ("/surprise", json!(1)),
        ] {
            let mut bad = good.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[key] = value;
            assert!(!schema.is_valid(&bad), "{pointer}");
        }
    }

    #[test]
    fn a_line_reads_back_as_the_event() {
        for event in sample_events() {
            assert_eq!(serde_json::from_str::<Event>(&rendered("eve", &event)).unwrap(), event);
        }
    }
}
