//! The right ones are named and nobody else: what the default preset says about recordings
//! of known content, and about stories that no recording tells. Its numbers are in
//! `src/presets/tripline.rs`.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    captures::{self, Recording, Verdict},
    craft::{Capture, frame},
    program::tripline,
};

#[test]
fn recordings_of_scans_name_the_scanner_and_the_benign_ones_nobody() {
    let mut wrong = Vec::new();
    for recording in captures::all() {
        let shortfall = shortfall(&recording, &recording.path());
        match (&recording.falls_short, shortfall) {
            (None, Some(reason)) => wrong.push(format!("{} ({}): {reason}", recording.file, recording.about)),
            (Some(known), None) => {
                wrong.push(format!("{} is right now: take `falls_short = {known:?}` away", recording.file));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the events about a recording, if anything is.
fn shortfall(recording: &Recording, path: &Path) -> Option<String> {
    let run = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path]);
    if run.status != Some(0) {
        return Some(format!("exit status {:?}: {}", run.status, run.stderr));
    }
    let begins = run.begins();
    if recording.verdict == Verdict::Benign {
        return begins.first().map(|event| format!("false alarm: {event}"));
    }
    let scanners: BTreeSet<&str> = recording.scanners.iter().map(String::as_str).collect();
    if let Some(event) = begins.iter().find(|event| accused(event).iter().any(|who| !scanners.contains(who))) {
        return Some(format!("somebody else is accused: {event}"));
    }
    let named: BTreeSet<&str> = begins.iter().flat_map(|event| named(event)).collect();
    if let Some(missed) = scanners.iter().find(|who| !named.contains(**who)) {
        return Some(format!("{missed} was not found"));
    }
    let said = |field: &str, allowed: &[String]| {
        begins.iter().any(|event| allowed.iter().any(|word| event["scan"][field] == word.as_str()))
    };
    // A kind may widen during a scan's life, so its last word counts too.
    let last_kind =
        run.json().iter().any(|event| recording.kinds.iter().any(|kind| event["scan"]["kind"] == kind.as_str()));
    if !said("technique", &recording.techniques) {
        return Some(format!("no technique of {:?}: {}", recording.techniques, begins[0]));
    }
    if !last_kind {
        return Some(format!("no kind of {:?}: {}", recording.kinds, begins[0]));
    }
    if !recording.decoys.is_empty() && !said("kind", &["decoy".to_owned()]) {
        return Some("decoys were not recognised as such".to_owned());
    }
    None
}

/// Whom an event calls the scanner.
fn accused(event: &Value) -> Vec<&str> {
    let listed = if event["scan"]["kind"] == "distributed" { sources(event) } else { Vec::new() };
    event["src_ip"].as_str().into_iter().chain(listed).collect()
}

/// Whom it calls the scanner or lists beside it.
fn named(event: &Value) -> Vec<&str> {
    event["src_ip"].as_str().into_iter().chain(sources(event)).collect()
}

fn sources(event: &Value) -> Vec<&str> {
    event["scan"]["sources"]["sample"]
        .as_array()
        .map_or(Vec::new(), |list| list.iter().filter_map(Value::as_str).collect())
}

/// The first events of the scans that are found in a story.
pub(crate) fn found_in(story: &Capture) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("story.pcap");
    std::fs::write(&path, story.pcap()).unwrap();
    let run = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path.as_path()]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.begins()
}

#[test]
fn four_refused_ports_of_one_host_are_enough() {
    let mut story = Capture::new();
    for port in [22, 23, 80, 443] {
        story = story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}")).refused();
    }
    let [begin] = &found_in(&story)[..] else { panic!("not one scan") };
    assert_eq!((&begin["src_ip"], &begin["dest_ip"]), (&"10.0.0.2".into(), &"10.0.0.1".into()));
    assert_eq!(begin["scan"]["answers"]["closed"], 4);
}

#[test]
fn one_probe_in_a_quarter_of_an_hour_over_a_day_is_found() {
    let mut story = Capture::new();
    for port in 1..=96 {
        story = story.syn(&format!("10.0.0.2:{}", 40_000 + port), &format!("10.0.0.1:{port}")).refused().wait(900.0);
    }
    let begins = found_in(&story);
    assert!(begins.iter().any(|begin| begin["src_ip"] == "10.0.0.2"), "{begins:?}");
}

#[test]
fn an_answer_that_does_not_echo_its_probe_acquits_nobody() {
    let mut story = Capture::new();
    for port in 1..=20 {
        let door = format!("10.0.0.1:{port}");
        story = story.syn(&format!("10.0.0.2:{}", 40_000 + port), &door).accepted_by_a_forger().refused();
    }
    let begins = found_in(&story);
    assert!(begins.iter().any(|begin| begin["src_ip"] == "10.0.0.2"), "{begins:?}");
    assert_eq!(begins[0]["scan"]["answers"]["open"], 0, "{begins:?}");
}

#[test]
fn a_raw_sender_that_resets_the_open_doors_is_seen_to_have_got_the_answers() {
    let mut story = Capture::new();
    for port in 1..=30 {
        story = story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}"));
        story = if port % 10 == 0 { story.accepted().aborted() } else { story.refused() };
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("story.pcap");
    std::fs::write(&path, story.pcap()).unwrap();
    let events = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path.as_path()]).json();
    let end = events.iter().find(|event| event["scan"]["phase"] == "end").expect("the scan has an end");
    assert_eq!(end["scan"]["trust"], "reacted");
    assert_eq!(end["scan"]["found"], serde_json::json!(["10.0.0.1:10", "10.0.0.1:20", "10.0.0.1:30"]));
}

#[test]
fn flags_that_no_honest_stack_sends_are_named_by_what_they_are() {
    for (flags, technique) in [
        (0, "tcp-null"),
        (frame::FIN, "tcp-fin"),
        (frame::FIN | frame::PSH | frame::URG, "tcp-xmas"),
        (frame::FIN | frame::ACK, "tcp-maimon"),
    ] {
        let mut story = Capture::new();
        for port in 1..=30 {
            story = story.tcp("10.0.0.2:40000", &format!("10.0.0.1:{port}"), flags).refused();
        }
        let begins = found_in(&story);
        assert!(begins.iter().any(|begin| begin["scan"]["technique"] == technique), "{technique}: {begins:?}");
    }
}

#[test]
fn sweeps_of_echo_requests_datagrams_and_arp_are_horizontal() {
    let sweep = |ask: fn(Capture, &str) -> Capture| {
        (1..=80).fold(Capture::new(), |story, host| ask(story, &format!("10.0.0.{}", 10 + host)).wait(0.05))
    };
    for (technique, story) in [
        ("icmp-echo", sweep(|story, host| story.ping("10.0.0.2", host))),
        ("arp", sweep(|story, host| story.who_has("10.0.0.2", host))),
        ("udp", sweep(|story, host| story.udp("10.0.0.2:40000", &format!("{host}:161"), 40).port_unreachable())),
    ] {
        let begins = found_in(&story);
        assert!(
            begins.iter().any(|b| b["scan"]["technique"] == technique && b["scan"]["kind"] == "horizontal"),
            "{technique}: {begins:?}"
        );
        assert!(begins.iter().all(|begin| begin["src_ip"] == "10.0.0.2"), "{technique}: {begins:?}");
    }
}

#[test]
fn the_clients_of_a_server_that_died_are_no_scanners() {
    let mut story = Capture::new();
    for client in 1..=200 {
        let client = format!("10.0.1.{client}:40000");
        story = story.syn(&client, "10.0.0.1:80").accepted().used(300).wait(0.1);
    }
    for client in 1..=200 {
        for server_port in [80, 443] {
            let client = format!("10.0.1.{client}:{}", 41_000 + server_port);
            story = story.syn(&client, &format!("10.0.0.1:{server_port}")).refused().wait(0.05);
        }
    }
    assert_eq!(found_in(&story), Vec::<Value>::new());
}

#[test]
fn answers_to_packets_that_somebody_else_forged_convict_nobody() {
    let mut story = Capture::new();
    for port in 1..=200 {
        story = story.tcp("10.0.0.9:80", &format!("10.0.0.1:{}", 1024 + port), frame::SYN | frame::ACK);
        story = story.tcp("10.0.0.8:81", &format!("10.0.0.1:{}", 1024 + port), frame::RST | frame::ACK);
    }
    assert_eq!(found_in(&story), Vec::<Value>::new());
}

#[test]
fn who_scans_his_own_machine_to_try_it_out_sees_it() {
    let story = (1..=20)
        .fold(Capture::new(), |story, port| story.syn("127.0.0.1:40000", &format!("127.0.0.1:{port}")).refused());
    let begins = found_in(&story);
    assert!(begins.iter().any(|begin| begin["src_ip"] == "127.0.0.1"), "{begins:?}");
}

/// Twenty hosts are pinged, so far apart, of which every fifth is silent.
fn pinged(story: Capture, apart: u8) -> Capture {
    (0..20).fold(story, |story, n| {
        let story = story.ping("10.0.0.2", &format!("10.0.{}.{}", n / 4 * (apart / 8), 10 + n * (apart % 8)));
        if n % 5 == 0 { story.wait(1.1) } else { story.pong() }
    })
}

#[test]
fn who_pings_a_row_of_hosts_once_makes_a_list_however_few_are_silent() {
    let [begin] = &found_in(&pinged(Capture::new(), 1))[..] else { panic!("not one scan") };
    assert_eq!((&begin["src_ip"], &begin["scan"]["technique"]), (&"10.0.0.2".into(), &"icmp-echo".into()));
    let rounds = (0..4).fold(Capture::new(), |story, _| pinged(story, 1).wait(60.0));
    assert_eq!(found_in(&rounds), Vec::<Value>::new(), "who watches over them comes round again, to the dead, too");
    assert_eq!(found_in(&pinged(Capture::new(), 9)), Vec::<Value>::new(), "hosts here and there");
}

#[test]
fn bare_acks_at_one_port_of_many_hosts_are_a_sweep_and_those_of_one_who_was_asleep_are_not() {
    let resets = |port: fn(u16) -> u16, number: fn(u32) -> u32| {
        (1..=8_u16).fold(Capture::new(), |story, n| {
            let (from, to) =
                (format!("10.0.{n}.9:80").parse().unwrap(), format!("10.0.0.2:{}", port(n)).parse().unwrap());
            let flags = frame::RST;
            story.frame(frame::Segment { from, to, flags, seq: number(u32::from(n)), ack: 0, payload: 0 }.frame())
        })
    };
    let begins = found_in(&resets(|_| 40_000, |_| 77_777));
    assert_eq!((begins.len(), &begins[0]["src_ip"]), (1, &"10.0.0.2".into()), "{begins:?}");
    assert_eq!(
        (&begins[0]["scan"]["technique"], &begins[0]["scan"]["kind"]),
        (&"tcp-ack".into(), &"horizontal".into())
    );
    assert_eq!(found_in(&resets(|n| 40_000 + n, |n| n * 77_777)), Vec::<Value>::new(), "asleep");
}
