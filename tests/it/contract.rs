//! What others build against stays as it is: the command line, the fields of events, the language of rules
//! files. Each name of these contracts that the program has stands here; to take one away is to break somebody.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::program::{fed, tripline};

/// The commands, and the flags of each.
const COMMANDS: [(&str, &[&str]); 8] = [
    (
        "read",
        &[
            "--rules",
            "--preset",
            "--format",
            "--output",
            "--deliver",
            "--order",
            "--merge",
            "--since",
            "--until",
            "--shards",
            "--filter",
            "--memory",
            "--resume",
            "--phases",
            "--fail-on-scan",
            "--quiet",
            "--verbose",
            "-r",
            "-p",
            "-f",
            "-o",
            "-q",
            "-v",
        ],
    ),
    ("watch", &["--interface", "-i", "--filter", "--memory", "--rules", "--user"]),
    ("packets", &["since", "until", "filter"]),
    ("streams", &["--overlap", "--checksums", "--follow"]),
    ("why", &["ADDR", "PATH", "-r", "-p", "-f", "--memory", "--since", "--until", "--filter", "--key"]),
    ("plugins", &[]),
    ("interfaces", &[]),
    ("sample-events", &[]),
];

#[test]
fn the_command_line_has_every_command_and_flag_that_others_call() {
    for (command, flags) in COMMANDS {
        let help = tripline([command, "--help"]);
        assert_eq!(help.status, Some(0), "{command}");
        for flag in flags {
            assert!(help.stdout.contains(flag), "`tripline {command}` has lost {flag}");
        }
    }
    for command in ["check", "list", "test"] {
        assert_eq!(tripline(["rules", command, "--help"]).status, Some(0), "rules {command}");
    }
}

/// The fields of a scan's event, as paths.
const FIELDS: [&str; 58] = [
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
    "tunnel",
    "tunnel.src_ip",
    "tunnel.dest_ip",
    "tunnel.proto",
    "tunnel.id",
    "tunnel.depth",
    "scan",
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
    "scan.ports.ranges",
    "scan.found",
    "scan.sources.sample",
    "scan.decoy.likely_source",
    "scan.decoy.reason",
    "scan.flags",
    "scan.ttl.min",
    "scan.ttl.max",
    "scan.tos",
    "scan.source_ports.min",
    "scan.fragmented",
    "scan.trust",
    "scan.on_link",
    "scan.tool.name",
    "scan.tool.confidence",
    "scan.reason",
    "scan.completeness.one_sided",
    "scan.rule",
    "scan.preset",
];

fn paths(value: &Value, before: &str, into: &mut BTreeSet<String>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        let path = if before.is_empty() { key.clone() } else { format!("{before}.{key}") };
        assert!(!inner.is_null(), "{path}: absent is absent, never null");
        paths(inner, &path, into);
        into.insert(path);
    }
}

#[test]
fn events_have_every_field_under_the_name_that_others_read() {
    let mut have = BTreeSet::new();
    for line in tripline(["sample-events"]).stdout.lines() {
        paths(&serde_json::from_str(line).unwrap(), "", &mut have);
    }
    let lost: Vec<_> = FIELDS.into_iter().filter(|field| !have.contains(*field)).collect();
    assert!(lost.is_empty(), "no sample event has {lost:?}");
}

/// Every part of the language of rules files in one file.
const RULES: &str = r#"version = 1

[detect]
preset = "tripline"
memory = "64 MiB"

[nets]
home = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"]
our-scanners = ["10.0.9.7"]

[outputs.screen]
plugin = "stdout"
format = "human"

[outputs.alerts]
plugin = "syslog"
format = "scanlogd"
phases = ["begin"]

[outputs.archive]
plugin = "file"
path = "scans.jsonl"
format = "eve"
rotate = "daily"

[[rules]]
name = "our own vulnerability scanner"
if = { source = "our-scanners" }
silence = true

[[rules]]
name = "one of ours scans"
if = { direction = ["inside", "outbound"] }
severity = "high"
outputs = ["alerts", "archive"]

[[rules]]
name = "the world knocks"
if = { direction = "inbound" }
outputs = ["archive"]
limit = { events = 20, per = "1m" }

[default]
outputs = ["screen", "archive"]
"#;

#[test]
fn rules_files_as_they_were_written_go_on_to_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    std::fs::write(&path, RULES).unwrap();
    let path = path.to_str().unwrap();
    let check = tripline(["rules", "check", path]);
    assert_eq!((check.status, check.stderr.as_str()), (Some(0), ""), "{}", check.stdout);
    let events = tripline(["sample-events"]).stdout.into_bytes();
    assert_eq!(fed(["rules", "test", "-r", path, "-"], events).status, Some(0));
}
