//! What a run leaves behind for later: the summary for programs, and the ledger of what it rests on.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    craft::Capture,
    program::{Run, fed, tripline},
};

/// Reads captures of a folder with `--summary` and `--ledger` in it, and these arguments.
fn read(folder: &TempDir, arguments: &[&str]) -> (Run, Value, Value) {
    let here = folder.path().to_str().unwrap();
    let reports = ["read", "-f", "eve", "--summary", "HERE/summary.json", "--ledger", "HERE/ledger.json"];
    let run = tripline(reports.iter().chain(arguments).map(|word| word.replace("HERE", here)));
    let json = |name: &str| serde_json::from_str(&fs::read_to_string(folder.path().join(name)).unwrap()).unwrap();
    (run, json("summary.json"), json("ledger.json"))
}

fn scan() -> Capture {
    (1..=30).fold(Capture::new(), |story, port| story.syn("10.0.0.2:40000", &format!("10.0.0.1:{port}")).refused())
}

#[test]
fn the_ledger_names_every_input_with_its_hash_and_what_was_wrong_with_it() {
    let folder = TempDir::new().unwrap();
    let whole = scan().pcap();
    fs::write(folder.path().join("a.pcap"), &whole).unwrap();
    fs::write(folder.path().join("cut.pcap"), &whole[..whole.len() - 7]).unwrap();
    let (run, summary, ledger) = read(&folder, &["--order", "given", "HERE/a.pcap", "HERE/cut.pcap"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    let inputs = ledger["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 2, "{ledger}");
    assert_eq!((&inputs[0]["packets"], &inputs[1]["packets"]), (&Value::from(60), &Value::from(59)));
    assert_eq!(inputs[0]["bytes"], whole.len());
    assert_eq!(inputs[0]["errors"], Value::Array(Vec::new()));
    assert!(inputs[1]["errors"][0].as_str().unwrap().contains("the file ends in the middle"), "{ledger}");
    assert!(inputs[0]["first"].as_str() < inputs[0]["last"].as_str());
    let hashes = inputs.iter().map(|input| input["sha256"].as_str().unwrap());
    assert!(hashes.clone().all(|hash| hash.len() == 64) && inputs[0]["sha256"] != inputs[1]["sha256"]);
    assert_eq!(summary["frames"], 119);
    assert_eq!((&summary["complete"], &summary["inputs_not_read"]), (&Value::from(false), &Value::from(1)));
    assert!(summary["scans"]["total"].as_u64() >= Some(1), "{summary}");
    assert_eq!(summary["scans"]["worst"][0]["src_ip"], "10.0.0.2");
}

#[test]
fn the_ledger_changes_nothing_that_is_reported() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.pcap"), scan().pcap()).unwrap();
    let (with, ..) = read(&folder, &["HERE/a.pcap"]);
    let without = tripline(["read", "-f", "eve", folder.path().join("a.pcap").to_str().unwrap()]);
    assert_eq!((with.stdout, with.stderr), (without.stdout, without.stderr));
}

#[test]
fn a_pipe_has_no_hash_but_all_the_rest() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.json");
    let run = fed(["read", "-q", "--ledger", path.to_str().unwrap(), "-"], scan().pcap());
    assert_eq!(run.status, Some(0), "{run:?}");
    let ledger: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let input = &ledger["inputs"][0];
    assert_eq!((&input["path"], &input["packets"]), (&Value::from("-"), &Value::from(60)));
    assert!(input.get("sha256").is_none());
}

#[test]
fn a_capture_in_the_place_of_a_report_is_left_alone_and_nothing_is_read() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("a.pcap");
    fs::write(&capture, scan().pcap()).unwrap();
    let run = tripline(["read", "--ledger", capture.to_str().unwrap(), capture.to_str().unwrap()]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert!(run.stderr.contains("--ledger") && run.stderr.contains("name another file"), "{run:?}");
    assert_eq!(fs::read(&capture).unwrap(), scan().pcap());
}

#[test]
fn quiet_comes_in_degrees() {
    let folder = TempDir::new().unwrap();
    let cut = folder.path().join("cut.pcap");
    let bytes = scan().pcap();
    fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let said = |flags: &[&str]| tripline(["read"].iter().chain(flags).chain([&cut.to_str().unwrap()])).stderr;
    assert!(said(&["-v"]).starts_with("settings  tripline; tables of 64 MiB; "), "{}", said(&["-v"]));
    assert!(said(&[]).contains("scans     ") && said(&[]).contains("not read  1 input"));
    assert!(!said(&["-q"]).contains("scans     ") && said(&["-q"]).contains("not read  1 input"));
    // What could not be read is said once, where it happened: without that, status 1 would be a riddle.
    assert_eq!(said(&["-qq"]).lines().count(), 1, "{}", said(&["-qq"]));
    assert!(said(&["-qq"]).contains("the file ends in the middle"));
}
