//! `tripline streams`: what hosts said to each other, as the hosts read it, whatever an evader mixes in.

use serde_json::Value;

use crate::{
    captures,
    craft::{Capture, frame::SYN},
    program::{Run, fed, tripline},
};

fn streams(recording: &str, arguments: &[&str]) -> Run {
    let path = captures::folder().join(recording).display().to_string();
    let run = tripline(["streams"].iter().chain(arguments).copied().chain([path.as_str()]));
    assert_eq!(run.status, Some(0), "{recording}: {}", run.stderr);
    run
}

/// Who said what: all that evasions must not change.
fn said(recording: &str, arguments: &[&str]) -> Vec<Value> {
    let fields = ["client", "server", "c2s_bytes", "s2c_bytes", "c2s_sha256", "s2c_sha256", "end"];
    let pick = |line: Value| fields.iter().map(|field| line[*field].clone()).collect();
    streams(recording, arguments).json().into_iter().map(pick).collect()
}

#[test]
fn a_line_says_all_of_a_stream() {
    let lines = streams("http-base.pcap", &[]).json();
    assert_eq!(lines.len(), 5);
    let line = &lines[0];
    assert_eq!((&line["client"], &line["server"]), (&"10.10.0.50:53108".into(), &"10.10.0.1:80".into()));
    assert_eq!((&line["c2s_bytes"], &line["s2c_bytes"], &line["end"]), (&66.into(), &4099.into(), &"closed".into()));
    assert_eq!((&line["gaps"], &line["urgent"]), (&0.into(), &0.into()));
    assert!(line["start"].as_str() < line["end_time"].as_str() && line["start"].as_str().unwrap().ends_with("+0000"));
    assert_eq!(line["c2s_sha256"].as_str().unwrap().len(), 64);
}

/// The same five downloads, sent on by somebody who wanted to hide them.
#[test]
fn evasions_give_the_bytes_of_the_undisturbed_streams() {
    let plain = said("http-base.pcap", &[]);
    for (recording, arguments) in [
        ("vlan-http.pcap", &[][..]),
        ("fr-ipfrag24.pcap", &[]),
        ("fr-ipfrag24-random.pcap", &[]),
        ("fr-ipfrag-reverse-dup.pcap", &[]),
        ("fr-ipfrag-old.pcap", &["--overlap", "first"]),
        ("fr-ipfrag-new.pcap", &["--overlap", "last"]),
        ("fr-tcpseg-old.pcap", &["--overlap", "first"]),
        ("fr-tcpseg-new.pcap", &["--overlap", "last"]),
        ("fr-tcpseg-new.pcap", &["--overlap", "linux"]),
        ("fr-chaff-cksum.pcap", &[]),
        ("fr-chaff-cksum.pcap", &["--checksums", "verify"]),
    ] {
        assert_eq!(said(recording, arguments), plain, "{recording} {arguments:?}");
    }
    assert_ne!(said("fr-tcpseg-old.pcap", &["--overlap", "last"]), plain, "the policy decides");
    assert_ne!(said("fr-chaff-cksum.pcap", &["--checksums", "ignore"]), plain, "checksums decide");
}

#[test]
fn urgent_bytes_stand_beside_the_stream_as_the_receiver_gets_them() {
    let lines = streams("tcp-urgent.pcap", &[]).json();
    // The server echoes what it read: the same text, without the letters that were urgent.
    let urgent = lines.iter().find(|line| line["urgent"] != 0).unwrap();
    assert_eq!((&urgent["urgent"], &urgent["c2s_bytes"], &urgent["end"]), (&10.into(), &80.into(), &"reset".into()));
    let half_closed = lines.iter().find(|line| line["c2s_bytes"] == 3200).unwrap();
    assert_eq!((&half_closed["s2c_bytes"], &half_closed["end"]), (&3200.into(), &"closed".into()));
}

#[test]
fn missing_frames_are_gaps_and_no_end() {
    let lines = streams("cap-gaps.pcap", &[]).json();
    assert_eq!(lines.len(), 5, "{lines:?}");
    let whole = said("http-base.pcap", &[]);
    let of = |client: &Value| whole.iter().find(|line| &line[0] == client).unwrap();
    for line in &lines {
        let full = of(&line["client"]);
        let seen = line["c2s_bytes"].as_u64().unwrap() + line["s2c_bytes"].as_u64().unwrap();
        let sent = full[2].as_u64().unwrap() + full[3].as_u64().unwrap();
        assert_eq!(seen + line["missing"].as_u64().unwrap_or(0), sent, "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line["gaps"] != 0).count(), 2, "a segment and a request are missing");
}

#[test]
fn what_was_said_on_one_stream_can_be_read() {
    let run = streams("http-base.pcap", &["--follow", "10.10.0.50:53108"]);
    assert!(run.stdout.starts_with("GET /bytes/4000 HTTP/1.1\r\n"), "{}", &run.stdout[..40]);
    assert_eq!(run.stdout.len(), 66 + 4099);
    assert!(run.stdout.contains("HTTP/1.1 200 OK"));
    let run = streams("http-base.pcap", &["--follow", "10.10.0.50:1"]);
    assert_eq!(run.stdout, "", "nobody spoke there");
}

/// Scans are streams that never were.
#[test]
fn attempts_say_how_they_ended() {
    let story = Capture::new()
        .syn("10.0.0.2:40000", "10.0.0.1:22")
        .accepted()
        .aborted()
        .syn("10.0.0.2:40001", "10.0.0.1:23")
        .refused()
        .syn("[fd00::2]:40002", "[fd00::1]:24")
        .wait(3.0)
        .tcp("10.0.0.2:40003", "10.0.0.1:25", SYN);
    let run = fed(["streams", "-"], story.pcap());
    let ends: Vec<_> = run.json().iter().map(|line| (line["server"].to_string(), line["end"].to_string())).collect();
    let expected = [
        ("\"10.0.0.1:22\"", "\"half-open\""),
        ("\"10.0.0.1:23\"", "\"refused\""),
        ("\"[fd00::1]:24\"", "\"attempted\""),
        ("\"10.0.0.1:25\"", "\"attempted\""),
    ];
    assert_eq!(ends, expected.map(|(server, end)| (server.to_owned(), end.to_owned())));
    assert!(run.stderr.contains("2 attempted, 1 refused, 1 half-open"), "{}", run.stderr);
}

#[test]
fn wrong_words_are_refused_and_cut_files_told() {
    for (arguments, why) in [
        (["--overlap", "linus"], "did you mean `linux`"),
        (["--checksums", "never"], "no checksum mode is called"),
        (["--follow", "10.0.0.1"], "invalid socket address"),
    ] {
        let run = tripline(["streams", arguments[0], arguments[1], "a.pcap"]);
        assert_eq!(run.status, Some(2), "{run:?}");
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let mut cut = Capture::new().syn("10.0.0.2:40000", "10.0.0.1:22").refused().pcap();
    cut.truncate(cut.len() - 5);
    let run = fed(["streams", "-"], cut);
    assert_eq!((run.status, run.json().len()), (Some(1), 1), "{run:?}");
}

#[test]
fn the_same_packets_give_the_same_lines_from_one_file_or_ten() {
    let story = (0..40).fold(Capture::new(), |story, n| {
        let story = story.syn(&format!("10.0.0.2:{}", 40_000 + n), "10.0.0.1:80");
        if n % 3 == 0 { story.refused() } else { story.accepted().used(700) }
    });
    let whole = fed(["streams", "-"], story.pcap());
    let folder = tempfile::tempdir().unwrap();
    for (n, part) in story.cut_into(10).into_iter().enumerate() {
        std::fs::write(folder.path().join(format!("{n}.pcap")), part.pcap()).unwrap();
    }
    let cut = tripline(["streams".as_ref(), folder.path().as_os_str()]);
    assert_eq!((whole.json().len(), &whole.stdout), (40, &cut.stdout));
}

#[test]
fn however_many_end_at_once_each_gets_its_line() {
    let ports = (0..3_000).map(|n| (format!("10.0.0.2:{}", 30_000 + n), format!("10.0.0.3:{}", 30_000 + n)));
    let flood =
        ports.fold(Capture::new(), |story, (one, other)| story.syn(&one, "10.0.0.1:80").syn(&other, "10.0.0.1:80"));
    assert_eq!(fed(["streams", "-"], flood.pcap()).json().len(), 6_000, "at the end of the input");
    let paused = flood.wait(300.0).syn("10.0.0.4:1", "10.0.0.1:80");
    assert_eq!(fed(["streams", "-"], paused.pcap()).json().len(), 6_001, "after a pause");
}
