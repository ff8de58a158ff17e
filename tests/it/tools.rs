//! Which program sent a scan: what its packets show is said, and nothing else ever.
//!
//! In: recordings of real programs, and scans whose packets show none. The programs' own rules, in packets made by
//! code, are in `src/fingerprint/programs.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    captures::{self, Recording},
    craft::Capture,
    program::tripline,
};

fn recording(file: &str) -> Recording {
    captures::all().into_iter().find(|r| r.file == file).unwrap_or_else(|| panic!("no recording {file}"))
}

fn events(recording: &Recording) -> Vec<Value> {
    tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), recording.path().as_path()]).json()
}

#[test]
fn recordings_name_the_program_that_their_packets_show_and_no_other() {
    let mut wrong = Vec::new();
    for recording in captures::all() {
        let found = events(&recording);
        let named: BTreeSet<&str> = found.iter().filter_map(|event| event["scan"]["tool"]["name"].as_str()).collect();
        let expected: BTreeSet<&str> = recording.tool.as_deref().into_iter().collect();
        if named != expected {
            wrong.push(format!("{}: {named:?}, not {expected:?}", recording.file));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_event_says_how_sure_it_is_and_why() {
    let end = events(&recording("nmap-syn-1000.pcap")).pop().unwrap();
    let tool = &end["scan"]["tool"];
    assert_eq!((&tool["name"], &tool["confidence"]), (&"nmap".into(), &0.99.into()), "{end}");
    let evidence = tool["evidence"][0].as_str().unwrap();
    assert!(evidence.contains("of 999 pairs, by chance once in 2^"), "{evidence}");
}

#[test]
fn the_first_line_for_a_person_names_it() {
    for (file, tool) in [("zmap-tcp-24.pcap", "zmap"), ("masscan-udp.pcap", "masscan"), ("nmap-connect-100.pcap", "-")]
    {
        let run = tripline(["read".as_ref(), "-q".as_ref(), recording(file).path().as_path()]);
        let columns: Vec<&str> = run.stdout.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(columns.iter().rev().nth(2), Some(&tool), "{}", run.stdout);
    }
}

#[test]
fn a_rule_may_ask_for_it() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let text = "version = 1\n[outputs.out]\nplugin = 'stdout'\nformat = 'eve'\n\
        [[rules]]\nname = 'masscan'\nif = { tool = 'masscan' }\nsilence = true\n[default]\noutputs = ['out']\n";
    std::fs::write(&rules, text).unwrap();
    for (file, silent) in [("masscan-24-2p.pcap", true), ("zmap-tcp-24.pcap", false)] {
        let path = recording(file).path();
        let run = tripline(["read".as_ref(), "-r".as_ref(), rules.as_path(), path.as_path()]);
        assert_eq!((run.status, run.stdout.is_empty()), (Some(0), silent), "{file}: {}{}", run.stdout, run.stderr);
    }
}

#[test]
fn the_event_names_the_card_that_sent_and_whether_that_is_the_scanners_own() {
    let story = |asks: bool| {
        let mut story = Capture::new();
        if asks {
            story = story.who_has("10.0.0.2", "10.0.0.1").has("10.0.0.1", "10.0.0.2");
        }
        (1..=20).fold(story, |story, port| story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}")).refused())
    };
    for asks in [true, false] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("story.pcap");
        std::fs::write(&path, story(asks).pcap()).unwrap();
        let found = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path.as_path()]).json();
        let scan = found.iter().find(|event| event["scan"]["technique"] == "tcp-syn").expect("a scan");
        assert_eq!((&scan["src_mac"], &scan["scan"]["on_link"]), (&"02:00:0a:00:00:02".into(), &asks.into()), "{scan}");
    }
}
