//! Format `template`: the user's own line, `template:{timestamp} {src_ip} {scan.technique}`.
//!
//! In: the text behind `template:`, then events. Out: the text with each `{field}` replaced; `{{` and
//! `}}` are braces. Fields are named as in `eve`, from the outside in; one that an event has not
//! is `-`, a list is joined by commas. Checked when the configuration is read.
//! Must not know any field's meaning.
//!
//! Read next: `docs/events.md` (the fields), `visible.rs`.

use serde_json::Value;
use tripline_plugin::{ConfigError, Event};

use super::visible;

/// Every field, in the order of `docs/events.md`. A test holds them to the schema.
pub(super) const FIELDS: [&str; 69] = [
    "timestamp",
    "event_type",
    "host",
    "pcap_filename",
    "pcap_cnt",
    "in_iface",
    "vlan",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "direction",
    "src_mac",
    "tunnel.src_ip",
    "tunnel.dest_ip",
    "tunnel.proto",
    "tunnel.id",
    "tunnel.depth",
    "anomaly.type",
    "anomaly.event",
    "dropped_before",
    "scan.v",
    "scan.id",
    "scan.rev",
    "scan.phase",
    "scan.technique",
    "scan.kind",
    "scan.severity",
    "scan.start",
    "scan.end",
    "scan.packets",
    "scan.doors",
    "scan.answers.open",
    "scan.answers.closed",
    "scan.answers.unreachable",
    "scan.answers.silent",
    "scan.targets.count",
    "scan.targets.exact",
    "scan.targets.sample",
    "scan.ports.count",
    "scan.ports.exact",
    "scan.ports.sample",
    "scan.ports.ranges",
    "scan.found",
    "scan.sources.count",
    "scan.sources.exact",
    "scan.sources.sample",
    "scan.prefix",
    "scan.decoy.likely_source",
    "scan.decoy.reason",
    "scan.flags",
    "scan.ttl.min",
    "scan.ttl.max",
    "scan.tos",
    "scan.source_ports.min",
    "scan.source_ports.max",
    "scan.fragmented",
    "scan.trust",
    "scan.on_link",
    "scan.tool.name",
    "scan.tool.confidence",
    "scan.tool.evidence",
    "scan.reason",
    "scan.completeness.drops",
    "scan.completeness.evicted",
    "scan.completeness.one_sided",
    "scan.rule",
    "scan.preset",
];

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(&'static str),
}

impl Template {
    /// Reads the text of a template.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, ConfigError> {
        let wrong = |reason: String| ConfigError::about("format", reason);
        if text.trim().is_empty() {
            let hint = "write template:{timestamp} {src_ip} {scan.technique}";
            return Err(wrong("a template needs its text".into()).hint(hint));
        }
        if text.chars().any(|c| c != '\t' && visible::is_hidden(c)) {
            return Err(wrong("a template is one line that can be seen, and this holds a control character".into()));
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut left = text;
        while let Some(at) = left.find(['{', '}']) {
            let (before, rest) = left.split_at(at);
            literal.push_str(before);
            if let Some((brace, after)) = ["{{", "}}"].into_iter().find_map(|pair| {
                let (brace, _) = pair.split_at(1);
                Some((brace, rest.strip_prefix(pair)?))
            }) {
                literal.push_str(brace);
                left = after;
                continue;
            }
            let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                let hint = "write {{ and }} for braces that are text";
                return Err(wrong(format!("the brace at `{}` has no other", excerpt(rest))).hint(hint));
            };
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Field(field(name.trim())?));
            left = after;
        }
        literal.push_str(left);
        parts.push(Part::Text(literal));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(Self(parts))
    }

    /// Appends the event's line.
    pub(super) fn render(&self, event: &Event, into: &mut String) {
        // It could fail only for maps with keys that are no text, and an event has no map.
        let event = serde_json::to_value(event).unwrap_or_default();
        for part in &self.0 {
            match part {
                Part::Text(text) => into.push_str(text),
                Part::Field(name) => match name.split('.').try_fold(&event, |at, key| at.get(key)) {
                    Some(value) => push(value, into),
                    None => into.push('-'),
                },
            }
        }
    }
}

/// The field of this name.
fn field(name: &str) -> Result<&'static str, ConfigError> {
    if let Some(field) = FIELDS.into_iter().find(|field| *field == name) {
        return Ok(field);
    }
    let reason = format!("`{{{}}}` is no field of an event", excerpt(name));
    // Who writes `{technique}` or `{scan.answers}` means one of these.
    let within = |field: &&str| {
        !name.is_empty() && (field.ends_with(&format!(".{name}")) || field.starts_with(&format!("{name}.")))
    };
    let inside: Vec<_> = FIELDS.into_iter().filter(within).map(|field| format!("{{{field}}}")).collect();
    Err(match (inside.as_slice(), tripline_plugin::nearest(name, FIELDS)) {
        ([], Some(near)) => ConfigError::about("format", reason).hint(format!("did you mean `{{{near}}}`?")),
        ([], None) => ConfigError::about("format", reason).hint("docs/events.md lists them: {src_ip}, {scan.kind} …"),
        (inside, _) => ConfigError::about("format", reason).hint(format!("there is {}", inside.join(", "))),
    })
}

/// As much of a text as a message can quote.
fn excerpt(text: &str) -> String {
    text.chars().take(30).collect()
}

fn push(value: &Value, into: &mut String) {
    match value {
        Value::String(text) => visible::push_text(text, into),
        Value::Array(list) => {
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    into.push(',');
                }
                push(item, into);
            }
        }
        other => visible::push_text(&other.to_string(), into),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tripline_plugin::sample_events;

    use super::*;

    fn line(template: &str, event: &Event) -> String {
        let mut text = String::new();
        Template::read(template).unwrap().render(event, &mut text);
        text
    }

    fn error(template: &str) -> String {
        Template::read(template).unwrap_err().to_string()
    }

    /// The small SYN scan of the samples.
    fn scan() -> Event {
        sample_events().into_iter().find(|event| event.scan.as_ref().is_some_and(|scan| scan.doors == 4)).unwrap()
    }

    #[test]
    fn fields_stand_where_they_are_named() {
        let made = line("{src_ip} -> {dest_ip}\t{scan.technique} {scan.ports.sample} {scan.answers.open}!", &scan());
        assert_eq!(made, "198.51.100.7 -> 192.0.2.10\ttcp-syn 21,22,23,80 0!");
        assert_eq!(line("no field", &scan()), "no field");
    }

    #[test]
    fn braces_can_be_text() {
        assert_eq!(line("{{{proto}}} }}{{", &scan()), "{TCP} }{");
        assert_eq!(line("{{\"ip\":\"{ src_ip }\"}}", &scan()), "{\"ip\":\"198.51.100.7\"}");
    }

    #[test]
    fn what_an_event_has_not_is_a_dash() {
        let anomaly = sample_events().into_iter().find(|event| event.anomaly.is_some()).unwrap();
        assert_eq!(line("{scan.tool.name}|{tunnel.id}|{scan.kind}", &anomaly), "-|-|-");
    }

    #[test]
    fn no_event_breaks_the_line_or_steers_a_terminal() {
        let all = FIELDS.map(|field| format!("{{{field}}}")).join(" ");
        for event in sample_events() {
            let made = line(&all, &event);
            assert!(!made.chars().any(visible::is_hidden), "{made:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        for (template, said) in [
            ("", "format: a template needs its text (write template:{timestamp} {src_ip} {scan.technique})"),
            ("{scr_ip}", "format: `{scr_ip}` is no field of an event (did you mean `{src_ip}`?)"),
            ("{technique}", "format: `{technique}` is no field of an event (there is {scan.technique})"),
            ("{scan.ttl}", "format: `{scan.ttl}` is no field of an event (there is {scan.ttl.min}, {scan.ttl.max})"),
            ("{}", "format: `{}` is no field of an event (docs/events.md lists them: {src_ip}, {scan.kind} …)"),
            ("a {b", "format: the brace at `{b` has no other (write {{ and }} for braces that are text)"),
            ("a }b", "format: the brace at `}b` has no other (write {{ and }} for braces that are text)"),
            ("a\u{1b}[2J", "format: a template is one line that can be seen, and this holds a control character"),
        ] {
            assert_eq!(error(template), said);
        }
    }

    #[test]
    fn every_field_of_the_schema_can_be_named_and_no_other() {
        let text = include_str!("../../../plugins/api/event.schema.json");
        let schema: Value = serde_json::from_str(text).unwrap();
        let mut leaves = BTreeSet::new();
        collect(&schema, &schema, String::new(), &mut leaves);
        // `alert` is what another format adds.
        leaves.retain(|field| !field.starts_with("alert."));
        assert_eq!(leaves, FIELDS.iter().map(|field| (*field).to_owned()).collect());
    }

    fn collect(root: &Value, at: &Value, path: String, leaves: &mut BTreeSet<String>) {
        if let Some(reference) = at.get("$ref").and_then(Value::as_str) {
            return collect(root, root.pointer(reference.trim_start_matches('#')).unwrap(), path, leaves);
        }
        let Some(properties) = at.get("properties").and_then(Value::as_object) else {
            leaves.insert(path);
            return;
        };
        for (name, property) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect(root, property, path, leaves);
        }
    }
}
