//! `tripline read` as a step of somebody's script: what it reads, what it says where, and
//! which exit status tells what.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use crate::{
    captures,
    craft::{Capture, file::Order},
    program::{Run, fed, tripline},
};

/// A scan that every preset finds.
fn scan() -> Capture {
    (1..=30).fold(Capture::new(), |story, port| story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}")).refused())
}

/// Traffic that nobody could mind.
fn everyday() -> Capture {
    (1..=5).fold(Capture::new(), |story, i| {
        story.syn(&format!("10.0.0.3:{}", 50_000 + i), "10.0.0.1:443").accepted().used(200).wait(0.2)
    })
}

/// A folder with files of these names and bytes in it.
struct Archive(TempDir);

impl Archive {
    fn of<const N: usize>(files: [(&str, Vec<u8>); N]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `tripline read -f eve` and then these arguments, with the folder for the word `HERE`.
    fn read<const N: usize>(&self, arguments: [&str; N]) -> Run {
        let here = self.0.path().to_str().unwrap();
        let arguments = arguments.map(|argument| argument.replace("HERE", here));
        tripline(["read".to_owned(), "-f".to_owned(), "eve".to_owned()].into_iter().chain(arguments))
    }
}

#[test]
fn a_scan_is_reported_on_standard_output_and_the_summary_on_standard_error() {
    let run = Archive::of([("a.pcap", scan().pcap())]).read(["HERE/a.pcap"]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let [begin] = &run.begins()[..] else { panic!("not one scan: {run:?}") };
    assert_eq!(begin["src_ip"], "10.0.0.2");
    assert!(begin["pcap_filename"].as_str().unwrap().ends_with("a.pcap"));
    assert!(run.stderr.contains("60"), "the summary does not count the 60 frames: {}", run.stderr);
}

#[test]
fn a_quiet_run_without_a_scan_says_nothing_at_all_on_standard_output() {
    let run = Archive::of([("a.pcap", everyday().pcap())]).read(["-q", "HERE/a.pcap"]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn fail_on_scan_tells_a_script_that_there_was_one() {
    let archive = Archive::of([("scan.pcap", scan().pcap()), ("everyday.pcap", everyday().pcap())]);
    assert_eq!(archive.read(["--fail-on-scan", "HERE/scan.pcap"]).status, Some(3));
    assert_eq!(archive.read(["--fail-on-scan", "HERE/everyday.pcap"]).status, Some(0));
}

#[test]
fn every_format_of_the_same_packets_gives_the_same_events() {
    let story = scan();
    let archive = Archive::of([
        ("little/a.pcap", story.pcap()),
        ("big/a.pcap", story.pcap_as(Order::Big, 1_000)),
        ("nano/a.pcap", story.pcap_as(Order::Little, 1)),
        ("nano-big/a.pcap", story.pcap_as(Order::Big, 1)),
        ("ng/a.pcap", story.pcapng(Order::Little)),
        ("ng-big/a.pcap", story.pcapng(Order::Big)),
    ]);
    // The file's name stands in the events, and it alone differs.
    let events = |folder: &str| {
        let run = archive.read([&format!("HERE/{folder}/a.pcap")]);
        assert_eq!(run.status, Some(0), "{folder}: {run:?}");
        run.stdout.replace(archive.path(folder).to_str().unwrap(), "")
    };
    let expected = events("little");
    assert!(!expected.is_empty());
    for folder in ["big", "nano", "nano-big", "ng", "ng-big"] {
        assert_eq!(events(folder), expected, "{folder}");
    }
}

#[test]
fn standard_input_is_read_like_a_file() {
    for file in [scan().pcap(), scan().pcapng(Order::Little)] {
        let run = fed(["read", "-f", "eve", "-"], file);
        assert_eq!((run.status, run.begins().len()), (Some(0), 1), "{run:?}");
    }
}

#[test]
fn a_folder_is_one_stream_in_order_of_time_whatever_its_files_are_called() {
    let story = scan();
    let parts = story.cut_into(3);
    let archive = Archive::of([
        ("c.pcap", parts[0].pcap()),
        ("deeper/b.pcap", parts[1].pcap()),
        ("a.pcapng", parts[2].pcapng(Order::Little)),
        ("notes.txt", b"what was recorded here".to_vec()),
    ]);
    let run = archive.read(["HERE"]);
    let [begin] = &run.begins()[..] else { panic!("not one scan: {run:?}") };
    assert_eq!(begin["scan"]["start"], "2026-11-22T12:00:00.000000+0000");
    let end = run.json().pop().unwrap();
    assert_eq!((&end["scan"]["phase"], &end["scan"]["doors"]), (&"end".into(), &30.into()));
}

#[test]
fn a_cut_file_counts_as_far_as_it_goes_and_is_named_with_offset_and_reason() {
    let whole = scan().pcap();
    let cut = whole.len() - 10;
    let run = Archive::of([("cut.pcap", whole[..cut].to_vec())]).read(["HERE/cut.pcap"]);
    assert_eq!((run.status, run.begins().len()), (Some(1), 1), "{run:?}");
    let trouble = run.stderr.lines().find(|line| line.contains("cut.pcap")).expect("the file is named");
    // The last record begins 70 bytes (a header of 16 and a frame of 54) before the end of the whole file.
    assert!(trouble.contains(&format!("byte {}", whole.len() - 70)), "{trouble}");
    assert!(trouble.contains("59 frames"), "{trouble}");
}

#[test]
fn what_cannot_be_read_is_named_and_all_else_is_read() {
    let archive = Archive::of([
        ("good.pcap", scan().pcap()),
        ("empty.pcap", Vec::new()),
        ("garbage.pcap", b"this is no capture at all, whatever its name says".to_vec()),
        ("stub.pcap", scan().pcap()[..11].to_vec()),
        ("link.pcap", scan().pcap_of_link(Order::Little, 1_000, 4_711)),
    ]);
    let bad = ["empty.pcap", "garbage.pcap", "stub.pcap", "link.pcap", "missing.pcap"];
    let run = archive.read([
        "HERE/empty.pcap",
        "HERE/garbage.pcap",
        "HERE/good.pcap",
        "HERE/stub.pcap",
        "HERE/link.pcap",
        "HERE/missing.pcap",
    ]);
    assert_eq!((run.status, run.begins().len()), (Some(1), 1), "{run:?}");
    for name in bad {
        assert!(run.stderr.lines().any(|line| line.contains(name)), "{name} is not named: {}", run.stderr);
    }
    assert!(run.stderr.contains("4711"), "the unknown link type is not named: {}", run.stderr);
}

#[test]
fn a_damaged_file_ends_the_run_in_an_orderly_way() {
    let story = Capture::new().syn("10.0.0.2:40000", "10.0.0.1:22").refused().ping("10.0.0.2", "10.0.0.1");
    for whole in [story.pcap(), story.pcapng(Order::Little)] {
        for at in (0..whole.len()).step_by(2) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let run = fed(["read", "-f", "eve", "-"], bytes);
            assert!(matches!(run.status, Some(0 | 1)), "byte {at}: {run:?}");
            run.json();
        }
    }
}

#[test]
fn damaged_frames_of_every_sort_are_read_to_the_end() {
    let good = Capture::new()
        .syn("10.0.0.2:40000", "10.0.0.1:22")
        .accepted()
        .used(20)
        .udp("10.0.0.2:40000", "10.0.0.1:53", 9)
        .port_unreachable()
        .syn("[fd00::2]:40000", "[fd00::1]:22")
        .udp("[fd00::2]:40000", "[fd00::1]:53", 9)
        .ping("fd00::2", "fd00::1")
        .who_has("10.0.0.2", "10.0.0.1");
    let mut damaged = Capture::new();
    for frame in &good.frames {
        for at in 0..frame.bytes.len() {
            damaged = damaged.frame(frame.bytes[..at].to_vec());
            for mask in [0x01, 0x0f, 0x10, 0x80, 0xf0, 0xff] {
                let mut bytes = frame.bytes.clone();
                bytes[at] ^= mask;
                damaged = damaged.frame(bytes.clone());
                // What a wrong length speaks of is not there at all.
                bytes.truncate(at + 20);
                damaged = damaged.frame(bytes);
            }
        }
    }
    let run = fed(["read", "-f", "eve", "-"], damaged.pcap());
    assert_eq!(run.status, Some(0), "{run:?}");
    run.json();
}

#[test]
fn wrong_usage_does_nothing_and_says_why() {
    let archive = Archive::of([
        ("a.pcap", scan().pcap()),
        ("bad.toml", b"version = 1\n[defaults]\noutputs = [\"screen\"]\n".to_vec()),
    ]);
    for (arguments, said) in [
        (["--preset", "tripwire", "HERE/a.pcap"], "tripwire"),
        (["--format", "yaml", "HERE/a.pcap"], "yaml"),
        (["--shards", "0", "HERE/a.pcap"], "shards"),
        (["--rules", "HERE/bad.toml", "HERE/a.pcap"], "bad.toml"),
        (["--rules", "HERE/none.toml", "HERE/a.pcap"], "none.toml"),
        (["--output", "carrier-pigeon", "HERE/a.pcap"], "carrier-pigeon"),
    ] {
        let run = tripline(
            ["read".to_owned()]
                .into_iter()
                .chain(arguments.map(|argument| argument.replace("HERE", archive.path("").to_str().unwrap()))),
        );
        assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{arguments:?}: {run:?}");
        assert!(run.stderr.contains(said), "{arguments:?}: {}", run.stderr);
    }
    assert_eq!(tripline(["read"]).status, Some(2), "read of nothing");
}

#[test]
fn a_mistake_in_a_rules_file_is_shown_where_it_stands() {
    let archive = Archive::of([
        ("a.pcap", scan().pcap()),
        ("bad.toml", b"version = 1\n\n[defaults]\noutputs = [\"screen\"]\n".to_vec()),
    ]);
    let run = archive.read(["-r", "HERE/bad.toml", "HERE/a.pcap"]);
    for said in ["bad.toml", "3", "defaults", "^"] {
        assert!(run.stderr.contains(said), "{said:?} is not in: {}", run.stderr);
    }
}

#[test]
fn in_a_pipe_there_are_no_colours_and_no_progress_bar() {
    for format in ["human", "eve"] {
        let run = tripline(["read", "-f", format, "tests/captures/nmap-syn-1000.pcap"]);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains('\x1b') && !text.contains('\r'), "{format}: {text:?}");
        }
    }
}

#[test]
fn the_first_line_of_a_human_report_can_be_searched_and_cut() {
    let run = tripline(["read", "-q", "tests/captures/nmap-syn-1000.pcap"]);
    let first = run.stdout.lines().next().expect("a scan is reported");
    let words: Vec<&str> = first.split_whitespace().collect();
    assert!(words[1].ends_with('Z'), "UTC is said: {first}");
    assert_eq!(words[3..6], ["10.10.0.2", "->", "10.10.0.1"], "{first}");
    assert!(first.contains("vertical tcp-syn"), "{first}");
    assert!(!run.stdout.lines().any(|line| line.starts_with(' ')), "-q leaves the details out: {}", run.stdout);
}

#[test]
fn a_file_output_gets_the_same_events_as_standard_output() {
    let archive = Archive::of([("a.pcap", scan().pcap())]);
    let shown = archive.read(["HERE/a.pcap"]);
    let written = archive.read(["-o", "file:path=HERE/scans.jsonl,format=eve", "HERE/a.pcap"]);
    assert_eq!(written.status, Some(0), "{written:?}");
    assert_eq!(fs::read_to_string(archive.path("scans.jsonl")).unwrap(), shown.stdout);
}

#[test]
fn the_frame_that_an_event_names_is_one_of_the_scan() {
    let recordings = captures::all();
    let recording = recordings.iter().find(|r| r.file == "cap-snap60.pcap").unwrap();
    let path = recording.path();
    let begin = &tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), path.as_os_str()]).begins()[0];
    let number = usize::try_from(begin["pcap_cnt"].as_u64().unwrap()).unwrap();
    let frames = tripline(["packets".as_ref(), path.as_os_str()]).json();
    let frame = &frames[number - 1];
    assert_eq!(frame["frame"], number);
    assert!([&frame["src_ip"], &frame["dest_ip"]].contains(&&begin["src_ip"]), "{frame} of {begin}");
}
