//! Whoever asks why an address was reported, or was not, gets its whole story: its doors, how it was judged, what rules
//! did, and the thresholds that decided. What it tells is what `read` did.
//!
//! `INSTA_UPDATE=always cargo test --test it why` writes the stories down anew, in `tests/it/snapshots`.

use std::{collections::BTreeSet, fs, path::Path};

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    captures,
    craft::Capture,
    crowds::{crowd, storm},
    program::tripline,
};

/// The story of an address as people get it.
fn told(arguments: &[&str], address: &str, capture: &Path) -> String {
    let run = tripline([&["why", "--doors", "6"], arguments, &[address, capture.to_str().unwrap()]].concat());
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{}", run.stdout);
    run.stdout
}

/// The stories of an address, or of a net, as programs get them.
fn stories(arguments: &[&str], address: &str, capture: &Path) -> Vec<Value> {
    let run = tripline([&["why", "-f", "json"], arguments, &[address, capture.to_str().unwrap()]].concat());
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.json()
}

fn story(address: &str, capture: &Path) -> Value {
    let mut all = stories(&[], address, capture);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn recording(name: &str) -> std::path::PathBuf {
    captures::folder().join(name)
}

/// A story that is told in packets, as a file.
fn file(story: &Capture) -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("story.pcap");
    fs::write(&path, story.pcap()).unwrap();
    (folder, path)
}

fn refused(story: Capture, source: &str, ports: u16) -> Capture {
    (1..=ports).fold(story, |story, port| {
        story.syn(&format!("{source}:{}", 40_000 + port), &format!("10.0.0.1:{port}")).refused()
    })
}

#[test]
fn a_scan_that_is_found() {
    assert_snapshot!(told(&[], "10.10.0.2", &recording("nmap-syn-1000.pcap")));
}

#[test]
fn one_just_below_the_threshold() {
    let (_folder, path) = file(&refused(Capture::new(), "10.0.0.2", 3));
    assert_snapshot!(told(&[], "10.0.0.2", &path));
}

#[test]
fn an_honest_client() {
    assert_snapshot!(told(&[], "10.10.0.50", &recording("services-5.pcap")));
}

#[test]
fn an_ftp_client() {
    assert_snapshot!(told(&["-p", "tripline,scanlogd,libnids"], "10.10.0.50", &recording("ftp-passive-15.pcap")));
}

#[test]
fn backscatter() {
    assert_snapshot!(told(&[], "10.10.0.2", &recording("backscatter-rst.pcap")));
}

#[test]
fn an_address_that_is_absent() {
    assert_snapshot!(told(&[], "192.0.2.1", &recording("services-5.pcap")));
}

#[test]
fn a_traced_route_is_acquitted_with_its_reason() {
    assert_snapshot!(told(&[], "10.10.0.50", &recording("traceroute-udp.pcap")));
}

#[test]
fn a_scanner_that_a_rule_silences() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let ours = "version = 1\n[outputs.screen]\nplugin = 'stdout'\n[[rules]]\nname = 'our own scanner'\n\
                if = { source = '10.0.0.2' }\nsilence = true\n";
    fs::write(&rules, ours).unwrap();
    let (_folder, path) = file(&refused(Capture::new(), "10.0.0.2", 4));
    assert_snapshot!(told(&["-r", rules.to_str().unwrap()], "10.0.0.2", &path));
}

#[test]
fn what_a_limit_holds_back_and_what_stays_here_is_said() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let (_capture, path) = file(&refused(refused(Capture::new(), "10.0.0.2", 4), "10.0.0.3", 4));
    let answer = |text: &str, address: &str| {
        fs::write(&rules, format!("version = 1\n{text}")).unwrap();
        stories(&["-r", rules.to_str().unwrap()], address, &path)[0]["answer"].clone()
    };
    let limited = "[outputs.screen]\nplugin = 'stdout'\nformat = 'eve'\nphases = ['begin']\n[[rules]]\nname = 'few'\n\
                   if = { technique = 'tcp-syn' }\nlimit = { events = 1, per = '1h' }\n";
    assert_eq!(
        (&answer(limited, "10.0.0.2")["is"], &answer(limited, "10.0.0.3")["is"]),
        (&"reported".into(), &"held".into())
    );
    let leaves = answer("[outputs.alerts]\nplugin = 'syslog'\n", "10.0.0.2");
    assert_eq!(leaves["is"], "not-taken");
    assert!(leaves["words"].as_str().unwrap().contains("--deliver"), "{leaves}");
}

#[test]
fn where_nothing_is_heard_the_count_that_it_takes_is_named() {
    let silent = (1..=6).fold(Capture::new(), |story, port| story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}")));
    let (_folder, path) = file(&silent.wait(5.0).syn("10.9.0.3:1", "10.9.0.4:2"));
    let story = story("10.0.0.2", &path);
    assert_eq!(story["answer"]["is"], "acquitted-one-sided");
    assert!(story["answer"]["decided"][0].as_str().unwrap().contains("6 of 10 doors needed"), "{}", story["answer"]);
}

#[test]
fn what_went_for_want_of_memory_is_said() {
    let crowd = (0..2_000_u16).fold(refused(Capture::new(), "10.0.0.2", 3), |story, n| {
        refused(story, &format!("10.1.{}.{}", n / 250, n % 250), 3)
    });
    let (_folder, path) = file(&crowd);
    let little = stories(&["--memory", "1 MiB"], "10.0.0.2", &path);
    assert_eq!((&little[0]["answer"]["is"], &little[0]["lost"]["suspect"]), (&"forgotten".into(), &1.into()));
    assert_eq!(story("10.0.0.2", &path)["answer"]["is"], "below", "with more memory it is known");
}

#[test]
fn a_decoy_is_told_under_whose_name_its_scan_stands() {
    let story = story("10.10.0.102", &recording("nmap-decoys-3.pcap"));
    assert_eq!((&story["set"], &story["answer"]["is"]), (&"10.10.0.101".into(), &"reported".into()));
}

#[test]
fn one_of_a_crowd_or_a_storm_is_told_with_whom_it_was_reported() {
    let answer = |packets: &Capture, address: &str| {
        let (_folder, path) = file(packets);
        let answer = &story(address, &path)["answer"];
        [&answer["is"], &answer["words"]].map(|word| word.as_str().unwrap().to_owned())
    };
    let shared = crowd(40, |n| 1 + n * 8);
    assert_eq!(answer(&shared, "10.1.0.1")[0], "reported", "its event lists it");
    let [is, words] = answer(&shared, "10.1.0.40");
    assert!(is == "told-with-others" && words.contains("share out the doors of 10.0.0.1"), "{words}");
    let [is, words] = answer(&storm(1_500), "10.6.151.9");
    assert!(is == "told-with-others" && words.contains("storm"), "{is}: {words}");
}

#[test]
fn a_net_is_told_address_by_address_of_either_family() {
    let addresses = |net: &str, capture: &str| -> Vec<(String, String)> {
        let told = stories(&[], net, &recording(capture));
        let row = |s: &Value| [&s["address"], &s["answer"]["is"]].map(|v| v.as_str().unwrap().to_owned());
        told.iter().map(row).map(|[address, answer]| (address, answer)).collect()
    };
    let row = |address: &str, answer: &str| (address.to_owned(), answer.to_owned());
    assert!(addresses("fd00:10::/64", "nmap6-syn.pcap").contains(&row("fd00:10::2", "reported")));
    let both = addresses("10.10.0.0/24", "backscatter-rst.pcap");
    assert!(
        both.contains(&row("10.10.0.2", "only-answered")) && both.contains(&row("10.10.0.1", "only-addressed")),
        "{both:?}"
    );
}

#[test]
fn what_it_tells_is_what_read_does() {
    for name in
        ["nmap-syn-1000.pcap", "nmap-udp-50.pcap", "nmap-decoys-3.pcap", "nmap-block-5x31.pcap", "pnscan-vert.pcap"]
    {
        let path = recording(name);
        let read = tripline(["read", "-f", "eve", path.to_str().unwrap()]);
        let own = |event: &&Value| event["src_ip"] == "10.10.0.2" && event["event_type"] == "scan";
        let key = |id: &Value, phase: &Value| format!("{id} {phase}");
        let events = read.json();
        let read: BTreeSet<_> = events.iter().filter(own).map(|e| key(&e["scan"]["id"], &e["scan"]["phase"])).collect();
        let stories: Vec<Value> = ["1", "7"].map(|n| stories(&["--shards", n], "10.10.0.2", &path).remove(0)).into();
        assert_eq!(stories[0], stories[1], "{name}: the number of workers shows");
        let told = stories[0]["events"].as_array().unwrap().iter().map(|e| key(&e["id"], &e["phase"])).collect();
        assert!(read.is_subset(&told) && !read.is_empty(), "{name}: {read:?} {told:?}");
    }
}

#[test]
fn what_is_no_address_is_refused_and_nothing_is_read() {
    let run = tripline(["why", "10.0.0.300", "none.pcap"]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("no address") && !run.stderr.contains("none.pcap"), "{}", run.stderr);
}
