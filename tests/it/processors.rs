//! Stream processors in `read`: off unless named, the same for any sharing of the work, and what they find reaches the
//! scan or the file.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use tripline::{
    source::{Archive, Batch, Order, Pull, Sizes, Source},
    streams::{Intake, Settings},
};
use tripline_plugin::Options;

use crate::{
    architecture::root,
    captures,
    program::{Run, tripline},
};

/// The example, as its user compiles it.
#[expect(unreachable_pub, dead_code, reason = "it is a program, whose `main` is not called here")]
#[path = "../../examples/tcp_logger.rs"]
mod tcp_logger;

fn recording(name: &str) -> String {
    captures::folder().join(name).display().to_string()
}

fn read(recording: &str, arguments: &[&str]) -> Run {
    let run = tripline(["read", "-f", "eve"].iter().chain(arguments).copied().chain([recording]));
    assert_eq!(run.status, Some(0), "{recording}: {}", run.stderr);
    run
}

/// The last event of the only scan.
fn end(run: &Run) -> Value {
    run.json().pop().unwrap()["scan"].clone()
}

#[test]
fn what_a_scanner_says_on_open_ports_stands_in_its_scan() {
    let path = recording("nmap-sV.pcap");
    let said = |scan: &Value| {
        scan["tool"]["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|e| e.as_str().unwrap().contains("open port"))
            .count()
    };
    let (without, with) = (end(&read(&path, &[])), end(&read(&path, &["--processor", "probe-payload"])));
    assert_eq!((said(&without), said(&with)), (0, 4), "{with}");
    assert_eq!(with["tool"]["name"], "nmap");
    let mut rest = with.clone();
    rest["tool"] = without["tool"].clone();
    assert_eq!(rest, without, "nothing else of a scan changes");
}

#[test]
fn honest_clients_are_given_no_tool_and_no_word() {
    let mut looked = 0;
    for recording in
        captures::all().iter().filter(|recording| !recording.path().display().to_string().contains("nmap-sV"))
    {
        let run = read(&recording.path().display().to_string(), &["--processor", "probe-payload"]);
        assert!(!run.stdout.contains("on an open port it sent"), "{:?}", recording.path());
        looked += 1;
    }
    assert!(looked > 10);
}

#[test]
fn events_and_lines_are_the_same_for_any_shards_and_batches() {
    let folder = TempDir::new().unwrap();
    let sharings = [
        ["--shards", "1"],
        ["--shards", "2"],
        ["--shards", "7"],
        ["--shards", "64"],
        ["--batch", "4KiB"],
        ["--batch", "64KiB"],
    ];
    for (path, word) in [
        (captures::folder().display().to_string(), "on an open port it sent"),
        (recording("nmap-sV.pcap"), "on an open port it sent"),
        (recording("fr-tcpseg-old.pcap"), "segments of one connection"),
    ] {
        let mut first: Option<(String, String)> = None;
        for (n, sharing) in sharings.iter().enumerate() {
            let lines = folder.path().join(format!("{n}.jsonl"));
            let streams = format!("streams:path={}", lines.display());
            let run = read(&path, &[&["--processor", "probe-payload", "--processor", &streams][..], sharing].concat());
            let came = (run.stdout, fs::read_to_string(&lines).unwrap());
            assert!(came.0.contains(word) && !came.1.is_empty(), "{path}");
            assert!(*first.get_or_insert_with(|| came.clone()) == came, "{path} {sharing:?}");
            fs::remove_file(lines).unwrap();
        }
    }
}

#[test]
fn the_file_of_streams_holds_what_the_command_prints() {
    let folder = TempDir::new().unwrap();
    let (lines, rules) = (folder.path().join("a.jsonl"), folder.path().join("rules.toml"));
    let text = format!("version = 1\n[processors.streams]\npath = \"{}\"\n", lines.display());
    fs::write(&rules, text).unwrap();
    for name in ["http-base.pcap", "fr-chaff-cksum.pcap", "nmap-sV.pcap"] {
        let path = recording(name);
        let run = read(&path, &["-r", &rules.display().to_string()]);
        let printed = tripline(["streams", "-q", &path]).stdout;
        assert_eq!(fs::read_to_string(&lines).unwrap(), printed, "{name}");
        assert!(
            !printed.is_empty() && run.stderr.contains(&format!("{} streams", printed.lines().count())),
            "{}",
            run.stderr
        );
        fs::remove_file(&lines).unwrap();
    }
}

#[test]
fn rules_say_whose_bytes_count_for_streams_too() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let streams = |policy: &str| {
        let text = format!(
            "version = 1\n[reassembly]\noverlap = 'first'\n[[reassembly.targets]]\nnets = '10.10.0.0/16'\noverlap = '{policy}'\n"
        );
        fs::write(&rules, text).unwrap();
        let rules = rules.display().to_string();
        tripline(["streams", "-q", "-r", &rules, &recording("fr-tcpseg-new.pcap")]).stdout
    };
    let named =
        |policy: &str| tripline(["streams", "-q", "--overlap", policy, &recording("fr-tcpseg-new.pcap")]).stdout;
    assert_eq!((streams("last"), streams("first")), (named("last"), named("first")));
    assert_ne!(streams("last"), streams("first"));
}

#[test]
fn segments_that_contradict_each_other_are_an_anomaly() {
    let run = read(&recording("fr-tcpseg-old.pcap"), &["--processor", "probe-payload"]);
    let first = run.json().into_iter().find(|event| event["event_type"] == "anomaly").unwrap();
    assert_eq!((&first["anomaly"]["type"], &first["proto"]), (&"overlap".into(), &"TCP".into()));
    assert!(!read(&recording("fr-tcpseg-old.pcap"), &[]).stdout.contains("anomaly"), "nobody asked for streams");
    assert!(!read(&recording("http-base.pcap"), &["--processor", "probe-payload"]).stdout.contains("anomaly"));
}

#[test]
fn what_is_wrong_with_a_processor_is_said_before_anything_is_read() {
    for (spec, word) in [
        ("probe-paylod", "did you mean `probe-payload`?"),
        ("streams", "path: is missing"),
        ("streams:path=/nowhere/at/all.jsonl", "processor `streams`: /nowhere/at/all.jsonl: No such file"),
    ] {
        let run = tripline(["read", "--processor", spec, &recording("http-base.pcap")]);
        assert_eq!(run.status, Some(2), "{spec}");
        assert!(run.stderr.contains(word) && run.stdout.is_empty(), "{}", run.stderr);
    }
    let listed = tripline(["plugins"]).stdout;
    assert!(listed.contains("\nstreams ") && listed.contains("\nprobe-payload "), "{listed}");
}

/// What a page shows as a program in this language.
fn shown(page: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    page.split_once(&begin).unwrap().1.split_once("```").unwrap().0.to_owned()
}

#[test]
fn both_loggers_of_the_page_say_the_same() {
    let page = fs::read_to_string(root().join("docs/processors.md")).unwrap();
    let example = fs::read_to_string(root().join("examples/tcp_logger.rs")).unwrap();
    assert!(example.ends_with(&shown(&page, "rust")), "the page shows another program than examples/tcp_logger.rs");
    let ours = logged(&captures::folder().join("http-base.pcap"));
    assert_eq!(ours.len(), 5);
    assert!(ours[0].contains(r#""to_server":66,"to_client":4099,"end":"closed"}"#), "{ours:?}");

    let folder = TempDir::new().unwrap();
    let (source, program) = (folder.path().join("logger.c"), folder.path().join("logger"));
    fs::write(&source, shown(&page, "c")).unwrap();
    let built = Command::new("cc").arg("-Wall").arg("-o").args([&program, &source]).arg("-lnids").output();
    match built {
        Ok(built) if built.status.success() => {}
        Ok(built) if !String::from_utf8_lossy(&built.stderr).contains("nids.h") => {
            panic!("{}", String::from_utf8_lossy(&built.stderr))
        }
        _ => return println!("skipped: no C compiler, or no libnids to compile for"),
    }
    let run = Command::new(program).arg(recording("http-base.pcap")).output().unwrap();
    let theirs = String::from_utf8(run.stdout).unwrap();
    assert_eq!(theirs.lines().collect::<Vec<_>>(), ours);
}

/// What the example tells of a capture.
fn logged(path: &Path) -> Vec<String> {
    let logger = (tcp_logger::PLUGIN.build)(&Options::default()).unwrap();
    let mut intake = Intake::new(Settings::default(), vec![logger]);
    let mut archive = Archive::open(&[path.to_owned()], Order::Given, Sizes::default());
    let mut batch = Batch::default();
    while !matches!(archive.pull(&mut batch), Pull::End) {
        for piece in &batch.pieces {
            batch.walk(piece, |frame| intake.frame(&frame));
        }
    }
    while intake.finish() {}
    intake.findings().take_lines().map(|(_, line)| line).collect()
}
