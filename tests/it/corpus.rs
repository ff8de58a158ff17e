//! A large corpus of labelled captures, for those who have it: a folder `shared/corpus`
//! beside the project's own, with a `manifest.json`. Where it is not, each test says that it
//! was skipped, and passes.
//!
//! Read next: `captures.rs`, the recordings that everybody has.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{program::tripline, scanlogd};

/// What these tests read of a labelled capture.
#[derive(Debug, Deserialize)]
struct Labelled {
    file: String,
    origin: String,
    scanlogd: Option<Vec<String>>,
}

/// The corpus and its captures, or `None` with a word to whoever runs `test`.
fn corpus(test: &str) -> Option<(PathBuf, Vec<Labelled>)> {
    #[derive(Deserialize)]
    struct Manifest {
        captures: Vec<Labelled>,
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(manifest) = fs::read_to_string(root.join("manifest.json")) else {
        // Not `eprintln!`: the test harness would keep the words of a test that passes.
        let _ = writeln!(std::io::stderr(), "skipped: {test}: there is no {}", root.display());
        return None;
    };
    let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
    Some((root, manifest.captures))
}

/// What `check` finds wrong with each of `captures`, on as many threads as there are cores.
fn complaints(captures: &[Labelled], check: impl Fn(&Labelled) -> Option<String> + Sync) -> Vec<String> {
    let next = Mutex::new(captures.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(capture) = next.lock().unwrap().next() else { break };
                    if let Some(reason) = check(capture) {
                        wrong.lock().unwrap().push(format!("{}: {reason}", capture.file));
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

#[test]
fn every_capture_malformed_ones_too_ends_by_itself_and_without_a_crash() {
    let Some((root, captures)) = corpus("survive") else { return };
    let wrong = complaints(&captures, |capture| {
        let run = tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), root.join(&capture.file).as_os_str()]);
        match run.status {
            Some(1) if run.stderr.trim().is_empty() => return Some("exit status 1 without a word".into()),
            Some(0 | 1) => {}
            status => return Some(format!("exit status {status:?}: {}", run.stderr)),
        }
        let bad = run.stdout.lines().find(|line| serde_json::from_str::<Value>(line).is_err())?;
        Some(format!("not JSON: {bad}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_lines_of_scanlogd_are_the_same_on_every_capture_it_was_run_on() {
    let Some((root, captures)) = corpus("scanlogd") else { return };
    let wrong = complaints(&captures, |capture| {
        let expected = capture.scanlogd.as_ref()?;
        let expected: Vec<&str> =
            expected.iter().map(|line| scanlogd::without_time(line.trim_start_matches("scanlogd: "))).collect();
        let lines = scanlogd::lines(&root.join(&capture.file));
        (lines != expected).then(|| format!("{lines:#?} instead of {expected:#?}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_frame_of_the_recordings_is_decoded_as_tshark_decodes_it() {
    let Some((root, captures)) = corpus("packets") else { return };
    let wrong = complaints(&captures, |capture| {
        let expected = root.join(format!("{}.tshark.gz", capture.file));
        if capture.origin != "lab" || !expected.exists() {
            return None;
        }
        let text = Command::new("gzip").arg("-dc").arg(expected).output().unwrap();
        let run = tripline(["packets".as_ref(), root.join(&capture.file).as_os_str()]);
        let frames = run.json();
        String::from_utf8(text.stdout).unwrap().lines().find_map(|line| {
            let (number, expected) = line.split_once('\t')?;
            let frame = number.parse().ok().and_then(|n: usize| frames.get(n - 1))?;
            let got = ["src_ip", "dest_ip", "src_port", "dest_port", "tcp_flags"].map(|field| word(&frame[field]));
            (got.join("\t") != expected).then(|| format!("frame {number}: {} for {expected}", got.join(" ")))
        })
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A field as tshark's list has it: nothing is a dash.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
