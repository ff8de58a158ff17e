//! Structured data of RFC 5424: what a receiver filters by without reading the text.
//!
//! In: an event and an enterprise number. Out: `[scan@32473 id="…" rev="1" …]`, or an element for
//! an anomaly, or `-`. Values are escaped as section 6.3.3 says, and cut.
//! Must not know the rest of the message.
//! Source: RFC 5424, section 6.3; 32473 is the number that RFC 5612 keeps for examples.
//!
//! Read next: `message.rs`.

use std::fmt::{Display, Write};

use tripline_plugin::{
    Event,
    event::{Kind, Phase, Severity, Trust},
};

/// Characters of a value: more than any of ours needs, however long a hostile name is.
const LONGEST: usize = 255;

/// Appends the structured data of an event.
pub(crate) fn push(event: &Event, enterprise: u64, into: &mut String) {
    let before = into.len();
    if let Some(scan) = &event.scan {
        let mut element = Element::open("scan", enterprise, into);
        element.value("id", &scan.id);
        element.value("rev", scan.rev);
        element.value("phase", phase(scan.phase));
        element.value("technique", &scan.technique);
        element.value("kind", kind(scan.kind));
        element.value("severity", severity(scan.severity));
        element.value("trust", trust(scan.trust));
        element.maybe("src_ip", event.src_ip);
        element.maybe("src_port", event.src_port);
        element.maybe("dest_ip", event.dest_ip);
        element.maybe("dest_port", event.dest_port);
        element.maybe("proto", event.proto.as_ref());
        element.value("packets", scan.packets);
        element.value("doors", scan.doors);
        element.value("open", scan.answers.open);
        element.value("targets", scan.targets.count);
        element.maybe("tool", scan.tool.as_ref().map(|tool| &tool.name));
        element.maybe("rule", scan.rule.as_ref());
        element.value("preset", &scan.preset);
        element.maybe("dropped_before", event.dropped_before);
        element.close();
    } else if let Some(anomaly) = &event.anomaly {
        let mut element = Element::open("anomaly", enterprise, into);
        element.value("type", &anomaly.kind);
        element.maybe("src_ip", event.src_ip);
        element.maybe("dest_ip", event.dest_ip);
        element.maybe("dropped_before", event.dropped_before);
        element.close();
    }
    if into.len() == before {
        into.push('-');
    }
}

/// An element that is being written.
struct Element<'a>(&'a mut String);

impl<'a> Element<'a> {
    fn open(name: &str, enterprise: u64, into: &'a mut String) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(into, "[{name}@{enterprise}");
        Self(into)
    }

    fn value(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.0, " {name}=\"");
        for c in value.to_string().chars().take(LONGEST) {
            match c {
                '"' | '\\' | ']' => self.0.extend(['\\', c]),
                // A receiver would read `\u` as a backslash too many, so controls are just marked.
                c if c.is_control() => self.0.push('?'),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    fn maybe(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    fn close(self) {
        self.0.push(']');
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Begin => "begin",
        Phase::Update => "update",
        Phase::End => "end",
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Vertical => "vertical",
        Kind::Horizontal => "horizontal",
        Kind::Block => "block",
        Kind::Distributed => "distributed",
        Kind::Decoy => "decoy",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Spoofable => "spoofable",
        Trust::Reacted => "reacted",
        Trust::Confirmed => "confirmed",
    }
}

#[cfg(test)]
mod tests {
    use tripline_plugin::sample_events;

    use super::*;

    fn data(event: &Event) -> String {
        let mut text = String::new();
        push(event, 32_473, &mut text);
        text
    }

    #[test]
    fn a_scan_can_be_filtered_by_and_told_from_its_repeat() {
        let events = sample_events();
        let scan = events.iter().find(|event| event.scan.as_ref().is_some_and(|scan| scan.doors == 4)).unwrap();
        let text = data(scan);
        let id = &scan.scan.as_ref().unwrap().id;
        assert!(text.starts_with(&format!("[scan@32473 id=\"{id}\" rev=\"")), "{text}");
        assert!(text.contains(" technique=\"tcp-syn\" kind=\"vertical\" ") && text.ends_with("\"]"), "{text}");
    }

    #[test]
    fn a_value_cannot_end_itself_or_its_element() {
        let mut text = String::new();
        let mut element = Element::open("scan", 1, &mut text);
        element.value("tool", "a\"] b\\c\nd");
        element.close();
        assert_eq!(text, r#"[scan@1 tool="a\"\] b\\c?d"]"#);
    }

    #[test]
    fn a_hostile_name_is_cut() {
        let mut text = String::new();
        Element::open("scan", 1, &mut text).value("tool", "x".repeat(100_000));
        assert!(text.len() < 300);
    }

    #[test]
    fn every_event_has_an_element_or_a_dash() {
        for event in sample_events() {
            let text = data(&event);
            assert!(text == "-" || text.starts_with('[') && text.ends_with(']'), "{text}");
        }
        assert_eq!(data(&Event::new(tripline_plugin::event::EventType::Stats, 0)), "-");
    }
}
