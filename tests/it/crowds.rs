//! What only the targets' side shows: one scan shared out among many sources, storms of forged scanners, floods. And who
//! looks like these and is none.

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    craft::{Capture, frame},
    detection::found_in,
    program::tripline,
};

/// All events about a story.
pub(crate) fn events(story: &Capture) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("story.pcap");
    std::fs::write(&path, story.pcap()).unwrap();
    let run = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path.as_path()]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.json()
}

/// The words of all anomalies of a type.
fn anomalies(story: &Capture, kind: &str) -> Vec<String> {
    let of = |event: &Value| event["anomaly"]["type"] == kind;
    events(story).iter().filter(|e| of(e)).map(|e| e["anomaly"]["event"].as_str().unwrap().to_owned()).collect()
}

/// So many sources, each with three refused doors of one host; `port` chooses the door of the n-th knock.
pub(crate) fn crowd(sources: u16, port: impl Fn(u16) -> u16) -> Capture {
    (0..3 * sources).fold(Capture::new(), |story, n| {
        let from = format!("10.1.{}.{}:{}", n % sources / 250, 1 + n % sources % 250, 40_000 + n);
        story.syn(&from, &format!("10.0.0.1:{}", port(n))).refused().wait(0.7)
    })
}

#[test]
fn sources_that_share_out_the_doors_of_a_host_are_one_scan() {
    let all = events(&crowd(40, |n| 1 + n * 8));
    let phases: Vec<&Value> = all.iter().map(|e| &e["scan"]["phase"]).collect();
    assert_eq!(phases, ["begin", "end"], "{all:#?}");
    for event in &all {
        assert_eq!((&event["scan"]["kind"], &event["dest_ip"]), (&"distributed".into(), &"10.0.0.1".into()));
        assert_eq!(event.get("src_ip"), None, "there is none to name");
    }
    let end = &all[1]["scan"];
    assert_eq!((&end["sources"]["count"], &end["doors"]), (&40.into(), &120.into()));
    assert_eq!(end["sources"]["sample"].as_array().unwrap().len(), 20);
}

#[test]
fn clients_of_dead_services_and_data_connections_share_out_nothing() {
    assert_eq!(found_in(&crowd(100, |n| [25, 465, 587][usize::from(n / 100)])), Vec::<Value>::new(), "a dead service");
    assert_eq!(found_in(&crowd(100, |n| 40_000 + n)), Vec::<Value>::new(), "data connections");
}

/// So many sources with one refused door each of one host, so many seconds apart.
fn lone(sources: u16, seconds: f64, port: impl Fn(u16) -> u16) -> Capture {
    (0..sources).fold(Capture::new(), |story, n| {
        let from = format!("10.{}.{}.7:40000", 1 + n / 250, 1 + n % 250);
        story.syn(&from, &format!("10.0.0.1:{}", port(n))).refused().wait(seconds)
    })
}

#[test]
fn sources_with_one_door_each_are_one_scan_when_a_minute_has_many() {
    let all = events(&lone(100, 0.5, |n| 1 + n * 3));
    let phases: Vec<&Value> = all.iter().map(|e| &e["scan"]["phase"]).collect();
    assert_eq!(phases, ["begin", "end"], "{all:#?}");
    assert_eq!((&all[0]["scan"]["kind"], &all[0]["scan"]["sources"]["count"]), (&"distributed".into(), &32.into()));
    assert_eq!((&all[1]["scan"]["sources"]["count"], &all[1]["scan"]["doors"]), (&100.into(), &100.into()));
}

#[test]
fn lone_knocks_from_everywhere_are_background() {
    let popular = [23, 22, 80, 443, 445, 3389, 8080, 5555, 2323, 25];
    innocent(&lone(600, 0.2, |n| popular[usize::from(n % 10)]), "what everybody looks for");
    innocent(&lone(200, 10.0, |n| 1 + n), "so slow that the Internet does it");
    innocent(&lone(2_000, 0.001, |n| n.wrapping_mul(40_503)), "a flood to ports by chance");
    innocent(&lone(600, 0.1, |n| 40_000 + n), "peers of one who is gone");
}

/// Nobody is found in it.
fn innocent(story: &Capture, who: &str) {
    assert_eq!(found_in(story), Vec::<Value>::new(), "{who}");
}

/// Forged scanners, three null probes each, so many; and one who resets the door that is open.
pub(crate) fn storm(forged: u16) -> Capture {
    let story = (0..forged).fold(Capture::new(), |story, n| {
        // A port of its own each, or they would be the decoys of one.
        let from = format!("10.{}.{}.9:{}", 1 + n / 250, 1 + n % 250, 40_000 + n);
        (1..=3).fold(story, |story, port| story.tcp(&from, &format!("10.0.0.1:{port}"), 0))
    });
    (1..=12).fold(story, |story, port| {
        let story = story.syn("10.200.0.2:40000", &format!("10.0.0.1:{port}"));
        if port % 5 == 0 { story.accepted().aborted() } else { story.refused() }
    })
}

#[test]
fn forged_scanners_become_a_storm_and_one_who_gets_our_answers_stands_out() {
    let story = storm(2_000);
    let begins = found_in(&story);
    assert!(begins.iter().any(|begin| begin["src_ip"] == "10.200.0.2"), "the true one is told");
    assert!((300..=700).contains(&begins.len()), "{} of 2,001 were told", begins.len());
    let storms = anomalies(&story, "storm");
    assert!(!storms.is_empty() && storms.len() <= 3, "{storms:?}");
    assert!(storms.iter().all(|words| words.contains("all against 10.0.0.1, told as this one event")), "{storms:?}");
    let few = storm(100);
    assert_eq!((found_in(&few).len(), anomalies(&few, "storm").len()), (101, 0), "a hundred can be read");
}

#[test]
fn a_flood_is_an_anomaly_and_no_scan() {
    let syn = |n: u32| {
        let from = std::net::SocketAddr::from(([11, (n >> 16) as u8, (n >> 8) as u8, n as u8], 40_000));
        frame::Segment { from, to: "10.0.0.1:80".parse().unwrap(), flags: frame::SYN, seq: n, ack: 0, payload: 0 }
    };
    let story = |knocks: u32| {
        (0..knocks).fold(Capture::new(), |story, n| story.frame(syn(n.wrapping_mul(0x9e37_79b1) >> 8).frame()))
    };
    // A packet a millisecond: about two minutes.
    let flood = story(100_000);
    let said = anomalies(&flood, "flood");
    assert!(!said.is_empty() && said.iter().all(|words| words.contains("from many sources: a flood, not a scan")));
    assert_eq!(found_in(&flood), Vec::<Value>::new());
    assert_eq!(anomalies(&story(5_000), "flood"), Vec::<String>::new());
}
