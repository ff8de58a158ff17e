//! Outputs that an operator can trust: what is written is whole, what may not leave stays, what is
//! lost is said.

use std::{
    fs,
    io::Write,
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Run, tripline};

const SCAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nmap-block-5x31.pcap");
const MANY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures");

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line at the end of {}", path.display());
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A daemon's socket that keeps what comes, and the option that leads to it.
fn daemon(folder: &TempDir) -> (UnixDatagram, String) {
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    (socket, format!("syslog:path={}", path.display()))
}

#[test]
fn an_archive_reaches_syslog_only_when_somebody_says_deliver() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, syslog) = daemon(&folder);
    let Run { status, stderr, .. } = tripline(["read", "-o", &syslog, SCAN]);
    assert_eq!(status, Some(0));
    let said = stderr.lines().find(|line| line.starts_with("withheld")).unwrap();
    assert!(said.contains(" syslog:path=") && said.ends_with("takes --deliver"), "{stderr}");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 8]).is_err(), "nothing may leave");

    socket.set_nonblocking(false).unwrap();
    let run = tripline(["read", "--deliver", "-f", "scanlogd", "-o", &syslog, SCAN]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let mut message = [0; 2_000];
    let size = socket.recv(&mut message).unwrap();
    let message = String::from_utf8_lossy(&message[..size]);
    assert!(message.starts_with("<25>") && message.contains(" tripline["), "{message}");
    let (_, said) = message.split_once("]: ").unwrap();
    assert_eq!(said, run.stdout.lines().next().unwrap(), "the line of scanlogd, as on standard output");
    assert!(!run.stderr.contains("withheld"), "{}", run.stderr);
}

#[test]
fn without_deliver_a_daemon_that_is_not_there_is_no_error() {
    let run = tripline(["read", "-q", "-o", "syslog:path=/no/such/socket", SCAN]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let run = tripline(["read", "-q", "--deliver", "-o", "syslog:path=/no/such/socket", SCAN]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("is a syslog daemon running"), "{}", run.stderr);
}

#[test]
fn a_user_writes_his_own_line_and_hears_of_a_field_that_is_none() {
    let run = tripline(["read", "-f", "template:{src_ip};{scan.technique};{scan.tool.name}", SCAN]);
    assert!(run.stdout.lines().any(|line| line.starts_with("10.") && line.contains(";tcp-syn;")), "{}", run.stdout);
    let run = tripline(["read", "-f", "template:{src_pi}", SCAN]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("did you mean `{src_ip}`?"), "{}", run.stderr);

    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "version = 1\n[outputs.a]\nplugin = 'stdout'\nformat = 'template:{kind}'\n").unwrap();
    let run = tripline(["rules".as_ref(), "check".as_ref(), rules.as_os_str()]);
    assert_eq!(run.status, Some(2));
    assert!(run.stderr.contains("rules.toml:4:") && run.stderr.contains("{scan.kind}"), "{}", run.stderr);
}

// ---- Files that stay whole --------------------------------------------------

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn after_kill_9_at_any_moment_and_the_next_start_the_file_holds_whole_lines_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scans.jsonl");
    let output = format!("file:path={}", path.display());
    // How long a whole run takes here, to kill within.
    let begun = std::time::Instant::now();
    let whole = tripline(["read", "-q", "-f", "eve", MANY]).json().len();
    let time = begun.elapsed();
    for part in 1..=12 {
        let _ = fs::remove_file(&path);
        let mut child = start(&["read", "-q", "-o", &output, MANY]);
        thread::sleep(time * part / 12);
        let _ = child.kill();
        child.wait().unwrap();
        let text = fs::read(&path).unwrap_or_default();
        let before = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).count();

        assert_eq!(tripline(["read", "-q", "-o", &output, SCAN]).status, Some(0));
        let added = tripline(["read", "-q", "-f", "eve", SCAN]).json().len();
        let events = lines(&path);
        assert_eq!(events.len(), before + added);
        let (killed, _) = events.split_at(before);
        assert!(killed.len() <= whole);
        let mut seen: Vec<_> = killed.iter().filter_map(|event| event.get("scan")).collect();
        seen.sort_by_key(|scan| (scan["id"].to_string(), scan["rev"].as_u64()));
        assert!(seen.windows(2).all(|two| (&two[0]["id"], &two[0]["rev"]) != (&two[1]["id"], &two[1]["rev"])));
    }
}

#[test]
fn on_a_full_disk_no_half_line_stays_and_nothing_is_lost_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("captures");
    fs::create_dir(&captures).unwrap();
    fs::copy(SCAN, captures.join("a.pcap")).unwrap();
    // A disk of 512 KiB in a mount namespace of its own; but for two pages it is taken, and given back after a second.
    let script = r#"
        mount -t tmpfs -o size=512k none "$1/disk" || exit 77
        head -c 516096 /dev/zero > "$1/disk/ballast"
        ( sleep 1; tail -c 50 "$1/disk/scans" > "$1/end"; rm "$1/disk/ballast" ) &
        "$2" read -o "file:path=$1/disk/scans" "$3" > /dev/null 2> "$1/said"
        echo $? > "$1/status"
        cp "$1/disk/scans" "$1/scans"
    "#;
    fs::create_dir(folder.path().join("disk")).unwrap();
    let outcome = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .args([env!("CARGO_BIN_EXE_tripline"), MANY])
        .output();
    match outcome {
        Ok(outcome) if outcome.status.success() => {}
        Ok(outcome) => {
            eprintln!("skipped: no namespace to mount a small disk in: {}", String::from_utf8_lossy(&outcome.stderr));
            return;
        }
        Err(error) => {
            eprintln!("skipped: no `unshare`: {error}");
            return;
        }
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let said = read("said");
    assert_eq!(read("status").trim(), "0", "{said}");
    assert!(read("end").ends_with('\n'), "half a line stood there while the disk was full: {}", read("end"));
    let got = lines(&folder.path().join("scans"));
    let expected = tripline(["read", "-f", "eve", MANY]).json();
    let scans = |events: &[Value]| -> Vec<String> {
        events.iter().filter(|event| event["event_type"] == "scan").map(Value::to_string).collect()
    };
    assert_eq!(scans(&got), scans(&expected));
}

// ---- The end of a run -------------------------------------------------------

#[test]
fn a_signal_ends_a_run_with_all_that_was_recognised_written() {
    let expected = tripline(["read", "-q", "-f", "eve", SCAN]).json().len();
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scans.jsonl");
        let output = format!("file:path={}", path.display());
        let mut child = start(&["read", "-q", "--batch", "4 KiB", "-o", &output, "-"]);
        let mut stdin = child.stdin.take().unwrap();
        let capture = fs::read(SCAN).unwrap();
        stdin.write_all(&capture).unwrap();
        // More of the wire: the last frame again and again, as a live source that never ends.
        let last = last_record(&capture);
        let pid = child.id().to_string();
        let mut ended = None;
        for step in 0..2_000 {
            if step == 20 {
                assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
            }
            if stdin.write_all(&last.repeat(20)).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
            ended = child.try_wait().unwrap();
            if ended.is_some() {
                break;
            }
        }
        let status = ended.unwrap_or_else(|| child.wait().unwrap());
        assert_eq!(status.code(), Some(1), "SIG{signal}: the input was not read to its end");
        let events = lines(&path);
        assert!(events.len() >= expected, "SIG{signal}: {} of {expected}", events.len());
        assert!(events.iter().any(|event| event["scan"]["phase"] == "end"), "SIG{signal}");
    }
}

/// The bytes of the last record of a pcap file.
fn last_record(capture: &[u8]) -> Vec<u8> {
    let mut at = 24;
    loop {
        let size = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
        let next = at + 16 + size;
        if next + 16 > capture.len() {
            return capture[at..next].to_vec();
        }
        at = next;
    }
}
