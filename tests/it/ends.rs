//! How a run of `read` ends when it does not end by itself, or not as it began: asked to by a signal while a pipe is silent, over a file that
//! has become shorter meanwhile, over very many files.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{craft::Capture, program::tripline};

/// Two sweeps, one after the other.
fn story() -> Capture {
    (0..2_000).fold(Capture::new(), |story, n| {
        story.syn("10.0.0.2:40000", &format!("10.0.{}.{}:22", 1 + n / 250, 1 + n % 250)).refused()
    })
}

fn begun(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["read", "-f", "eve"]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its exit status, soon.
fn end(child: &mut Child) -> Option<i32> {
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it did not end");
}

#[test]
fn a_signal_ends_a_run_whose_pipe_is_silent_and_what_was_found_is_said() {
    for (signal, shards) in [("INT", "1"), ("TERM", "3")] {
        let mut child = begun(&["--shards", shards, "-"]);
        let mut pipe = child.stdin.take().unwrap();
        // More than the key is made of, and the middle of a record.
        let bytes = story().pcap();
        pipe.write_all(&bytes).unwrap();
        pipe.write_all(&bytes[24..bytes.len() - 7]).unwrap();
        thread::sleep(Duration::from_millis(600));
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(end(&mut child), Some(1), "it has not read all");
        let (mut said, mut told) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(said.contains(r#""phase":"end""#) && told.contains("stopped   by a signal"), "{said}{told}");
        drop(pipe);
    }
}

#[test]
fn what_a_pipe_gives_is_told_before_it_gives_more() {
    let mut child = begun(&["--key", "1", "-"]);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&story().pcap()[..20_000]).unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains(r#""phase":"begin""#), "{first}");
    drop(pipe);
    end(&mut child);
}

#[test]
fn a_file_that_becomes_shorter_before_it_is_read_to_its_end_is_told_and_no_crash() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shrinking.pcap");
    fs::write(&path, story().pcap()).unwrap();
    let mut child = begun(&["--order", "given", "-", path.to_str().unwrap()]);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&story().pcap()[..20_024]).unwrap();
    thread::sleep(Duration::from_millis(400));
    // How long it is has been noted.
    OpenOptions::new().write(true).open(&path).unwrap().set_len(10_000).unwrap();
    drop(pipe);
    assert_eq!(end(&mut child), Some(1));
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.lines().any(|line| line.contains("shrinking.pcap") && line.contains("byte 9")), "{told}");
}

#[test]
fn two_thousand_small_files_are_one_stream() {
    let folder = TempDir::new().unwrap();
    for (n, part) in story().cut_into(2_000).iter().enumerate() {
        fs::write(folder.path().join(format!("{n}.pcap")), part.pcap()).unwrap();
    }
    let whole = TempDir::new().unwrap();
    fs::write(whole.path().join("whole.pcap"), story().pcap()).unwrap();
    let [many, one] = [&folder, &whole].map(|folder| {
        let run = tripline(["read", "-f", "scanlogd", "--shards", "3", folder.path().to_str().unwrap()]);
        assert!(run.status == Some(0) && run.stderr.contains("4,000 frames"), "{}", run.stderr);
        run.stdout
    });
    assert!(many == one && !one.is_empty(), "{many}\nand not\n{one}");
}
