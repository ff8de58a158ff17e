//! `tripline packets`: what was decoded of each frame, for whoever wonders why a scan was
//! seen or not seen.

use serde_json::{Value, json};

use crate::{
    captures,
    craft::{Capture, file::Order, frame},
    program::{fed, tripline},
};

/// The fields of a frame that a story decides.
fn of(frame: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), frame[*field].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn each_frame_of_a_story_is_decoded_as_it_was_built() {
    let story = Capture::new()
        .tcp("10.0.0.2:40000", "10.0.0.1:22", frame::SYN)
        .refused()
        .udp("[fd00::2]:5353", "[fd00::1]:53", 12)
        .ping("10.0.0.2", "10.0.0.1")
        .who_has("10.0.0.2", "10.0.0.7");
    let run = fed(["packets", "-"], story.pcap());
    assert_eq!(run.status, Some(0), "{run:?}");
    let frames = run.json();
    let addresses = ["frame", "src_ip", "dest_ip", "proto"];
    let ports = ["src_port", "dest_port", "tcp_flags", "ttl"];
    for (got, expected) in [
        (of(&frames[0], &addresses), json!({"frame": 1, "src_ip": "10.0.0.2", "dest_ip": "10.0.0.1", "proto": "TCP"})),
        (of(&frames[0], &ports), json!({"src_port": 40000, "dest_port": 22, "tcp_flags": 2, "ttl": 57})),
        (of(&frames[1], &ports), json!({"src_port": 22, "dest_port": 40000, "tcp_flags": 20, "ttl": 57})),
        (of(&frames[2], &addresses), json!({"frame": 3, "src_ip": "fd00::2", "dest_ip": "fd00::1", "proto": "UDP"})),
        (of(&frames[2], &ports[..2]), json!({"src_port": 5353, "dest_port": 53})),
        (of(&frames[3], &addresses), json!({"frame": 4, "src_ip": "10.0.0.2", "dest_ip": "10.0.0.1", "proto": "ICMP"})),
        (of(&frames[3], &["icmp_type", "icmp_code"]), json!({"icmp_type": 8, "icmp_code": 0})),
        (of(&frames[4], &addresses), json!({"frame": 5, "src_ip": "10.0.0.2", "dest_ip": "10.0.0.7", "proto": "ARP"})),
    ] {
        assert_eq!(got, expected);
    }
    assert_eq!(frames.len(), 5);
}

#[test]
fn every_frame_of_every_recording_gets_its_line_and_a_reason_where_it_was_skipped() {
    for recording in captures::all() {
        let run = tripline(["packets".as_ref(), recording.path().as_os_str()]);
        assert_eq!(run.status, Some(0), "{}: {}", recording.file, run.stderr);
        let frames = run.json();
        assert_eq!(frames.len(), recording.frames, "{}", recording.file);
        for (i, frame) in frames.iter().enumerate() {
            assert_eq!(frame["frame"], i + 1, "{}", recording.file);
            assert!(frame["src_ip"].is_string() || frame["skipped"].is_string(), "{}: {frame}", recording.file);
        }
    }
}

#[test]
fn an_unknown_link_type_is_named_and_never_guessed_at() {
    let story = Capture::new().tcp("10.0.0.2:40000", "10.0.0.1:22", frame::SYN).refused();
    let run = fed(["packets", "-"], story.pcap_of_link(Order::Little, 1_000, 147));
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.stderr.contains("frame 1: link type 147 is not known"), "{}", run.stderr);
    let frames = run.json();
    assert!(frames.len() == 2 && frames.iter().all(|frame| frame["skipped"] == "unknown-link-type"), "{frames:?}");
}

#[test]
fn only_the_frames_asked_for_are_shown_under_their_own_numbers() {
    let story = Capture::new()
        .tcp("10.0.0.2:40000", "10.0.0.1:22", frame::SYN)
        .refused()
        .udp("10.0.0.3:5353", "10.0.0.1:53", 12)
        .wait(7_200.0)
        .tcp("10.0.0.2:40001", "10.0.0.1:23", frame::SYN);
    let numbers = |arguments: &[&str]| {
        let run = fed(["packets", "-"].iter().chain(arguments).copied(), story.pcap());
        assert_eq!(run.status, Some(0), "{run:?}");
        run.json().iter().map(|frame| frame["frame"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&["--filter", "tcp"]), [1, 2, 4]);
    assert_eq!(numbers(&["--filter", "src 10.0.0.3"]), [3]);
    let all = fed(["packets", "-"], story.pcap()).json();
    let last = all[3]["time"].as_str().unwrap();
    assert_eq!(numbers(&["--since", last]), [4]);
    assert_eq!(numbers(&["--until", last, "--filter", "udp"]), [3]);
    let wrong =
        fed(["packets", "--filter", "tcp prt 80", "--since", "2026-11-23", "--until", "2026-11-22", "-"], Vec::new());
    assert_eq!(wrong.status, Some(2));
    assert!(
        wrong.stderr.contains("--filter") && wrong.stderr.contains("--until: there is no time"),
        "{}",
        wrong.stderr
    );
}
