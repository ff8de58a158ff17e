//! `tripline watch` under strain: more frames than it can take, two wires at once, users with hardly a right, signals
//! while frames come. In namespaces of its own, as `watch.rs`.
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    architecture::root,
    lab::{Lab, Watch},
    program::tripline,
};

/// Sends so many datagrams of 200 bytes as fast as can be: python3 -c FLOOD address count.
const FLOOD: &str = "
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(int(sys.argv[2])):
    try: s.sendto(bytes(200), (sys.argv[1], 9))
    except OSError: pass
";

/// Sends the frames of a pcap file in their order, as a tap does: of one direction to the first interface, of the
/// other to the second: python3 -c TAP file one other.
const TAP: &str = "
import socket, struct, sys, time
def wire(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind((name, 0)); return s
one, other = wire(sys.argv[2]), wire(sys.argv[3])
data = open(sys.argv[1], 'rb').read()
at, first = 24, None
while at < len(data):
    length, = struct.unpack('<I', data[at + 8:at + 12])
    frame = data[at + 16:at + 16 + length]
    first = first or frame[6:12]
    (one if frame[6:12] == first else other).send(frame)
    at += 16 + length
    time.sleep(0.0005)
";

fn python(namespace: &str, arguments: &[&str]) {
    let output = Lab::inside(namespace, "python3").arg("-c").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The number before or behind a word of the summary.
fn lost_of(said: &str) -> u64 {
    let line = said.lines().find(|line| line.trim_start().starts_with("not seen")).unwrap_or_else(|| panic!("{said}"));
    line.split_whitespace().find_map(|word| word.replace(',', "").parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn frames_that_the_kernel_had_no_room_for_stand_in_the_summary_and_in_every_event_after() {
    let Some(lab) = Lab::new("d", &["ip", "nmap", "python3"]) else { return };
    let watch = lab.watch(&["-f", "eve", "--phases", "begin", "--buffer", "1 MiB"]);
    // Whoever does not come to look for a while loses what does not fit into the ring.
    watch.signal("STOP");
    python(&lab.theirs, &[FLOOD, "10.99.0.2", "30000"]);
    watch.signal("CONT");
    lab.scan(&["-sS", "-n", "-Pn", "-p", "1-50"]);
    let event = watch.next_of("begin");
    let drops = event["scan"]["completeness"]["drops"].as_u64().unwrap();
    assert!(drops > 1_000 && event["scan"]["technique"] == "tcp-syn", "{event}");
    let (_, status, said) = watch.finish();
    assert_eq!(status, Some(0), "{said}");
    assert!(lost_of(&said) >= drops, "the event said {drops}:\n{said}");
}

#[test]
fn the_two_directions_of_a_tap_give_what_one_capture_gives() {
    let Some(lab) = Lab::new("t", &["ip", "python3"]) else { return };
    for cable in ["in", "out"] {
        lab.cable(cable);
    }
    let file = root().join("tests/captures/nmap-syn-5ports.pcap");
    let file = file.to_str().unwrap();
    let expected = tripline(["read", "-f", "eve", "--phases", "end", file]).json();
    let mut command = Lab::inside(&lab.ours, env!("CARGO_BIN_EXE_tripline"));
    command.args(["watch", "-i", "inb", "-i", "outb", "-f", "eve"]);
    let watch = Watch::start(command);
    python(&lab.theirs, &[TAP, file, "ina", "outa"]);
    let begin = watch.next_of("begin");
    let (events, status, said) = watch.finish();
    assert_eq!(status, Some(0), "{said}");
    let end = events.iter().find(|event| event["scan"]["phase"] == "end").unwrap_or_else(|| panic!("{events:?}"));
    for field in ["doors", "answers", "ports", "kind", "technique", "trust"] {
        assert_eq!(end["scan"][field], expected[0]["scan"][field], "{field}: {end}");
    }
    let wires: [Value; 2] = ["inb".into(), "outb".into()];
    for event in [&begin, end] {
        assert!(wires.contains(&event["in_iface"]), "{event}");
    }
}

/// The numbers of user and groups of every thread, and whether any has a capability left.
fn ids_of(pid: u32) -> Vec<(String, String, bool)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        (field("Uid:"), field("Groups:"), !field("CapEff:").trim_matches('0').is_empty())
    };
    tasks.map(|task| of(task.unwrap())).collect()
}

#[test]
fn root_becomes_whom_one_names() {
    let Some(lab) = Lab::new("n", &["ip"]) else { return };
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let Some(id) = passwd.lines().find_map(|line| line.strip_prefix("games:x:")?.split(':').next()) else {
        eprintln!("skipped: there is no user `games` here");
        return;
    };
    let watch = lab.watch(&["--user", "games"]);
    assert!(watch.said.contains("as games"), "{}", watch.said);
    for (uid, _, capable) in ids_of(watch.child.id()) {
        assert!(uid.split_whitespace().all(|one| one == id) && !capable, "{uid}");
    }
    let (_, status, said) = watch.finish();
    assert_eq!(status, Some(0), "{said}");
    let refused = tripline(["watch", "-i", "lo", "--user", "no-such-user"]);
    assert_eq!(refused.status, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("--user"), "{}", refused.stderr);
}

#[test]
fn with_one_capability_a_user_who_has_nothing_else_watches() {
    let Some(lab) = Lab::new("c", &["ip", "nmap", "setpriv"]) else { return };
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("tripline");
    fs::copy(env!("CARGO_BIN_EXE_tripline"), &program).unwrap();
    match Command::new("setcap").arg("cap_net_raw+ep").arg(&program).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => return eprintln!("skipped: no capabilities here: {}", String::from_utf8_lossy(&output.stderr)),
        Err(why) => return eprintln!("skipped: `setcap` does not run here (Debian package libcap2-bin): {why}"),
    }
    let mut command = Lab::inside(&lab.ours, "setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command.args(["watch", "-i", "vb", "-f", "eve"]);
    let watch = Watch::start(command);
    assert!(ids_of(watch.child.id()).iter().all(|(uid, _, _)| !uid.split_whitespace().any(|one| one == "0")));
    lab.scan(&["-sS", "-n", "-Pn", "-p", "1-30"]);
    assert_eq!(watch.next_of("begin")["src_ip"], "10.99.0.1");
    let (_, status, said) = watch.finish();
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn hangups_in_the_middle_of_a_scan_lose_no_packet_and_no_event() {
    let Some(lab) = Lab::new("m", &["ip", "nmap"]) else { return };
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "version = 1\n").unwrap();
    let path = folder.path().join("scans.jsonl");
    let file = format!("file:path={}", path.display());
    let watch = lab.watch(&["-r", rules.to_str().unwrap(), "-f", "eve", "-o", &file]);
    thread::scope(|scope| {
        let slowly = "-sS -n -Pn --max-retries 0 --min-rate 400 --max-rate 400 -p 1-600";
        let scan = scope.spawn(|| lab.scan(&slowly.split(' ').collect::<Vec<_>>()));
        while !scan.is_finished() {
            watch.signal("HUP");
            thread::sleep(Duration::from_millis(60));
        }
    });
    let (events, status, said) = watch.finish();
    assert_eq!(status, Some(0), "{said}");
    assert!(said.matches("read anew").count() > 3, "{said}");
    let ends: Vec<_> = events.iter().filter(|event| event["scan"]["phase"] == "end").collect();
    assert!(ends.len() == 1 && ends[0]["scan"]["doors"] == 600, "{events:?}");
    assert_eq!(whole_lines(&path), events.len(), "what standard output got, the file got");
}

/// How many lines a file has, all of them events, the last one whole.
fn whole_lines(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
    for line in text.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|event| event["scan"].is_object()), "{line}");
    }
    text.lines().count()
}

#[test]
fn killed_in_the_middle_of_a_flood_of_events_and_started_again_a_sensor_leaves_whole_lines() {
    let Some(lab) = Lab::new("k", &["ip", "nmap"]) else { return };
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("scans.jsonl");
    let file = format!("file:path={}", path.display());
    let mut before = 0;
    for wait in [150, 400, 900] {
        let mut command = Lab::inside(&lab.ours, env!("CARGO_BIN_EXE_tripline"));
        command.args(["watch", "-i", "vb", "-o", &file]).stdin(Stdio::null());
        let mut watch = Watch::start(command);
        // Decoys: many sources, so many events.
        thread::scope(|scope| {
            scope.spawn(|| lab.scan(&["-sN", "-n", "-Pn", "-D", "RND:60", "--max-retries", "0", "-p", "1-40"]));
            thread::sleep(Duration::from_millis(wait));
            watch.child.kill().unwrap();
            watch.child.wait().unwrap();
        });
        let watch = lab.watch(&["-f", "eve", "-o", &file]);
        lab.scan(&["-sS", "-n", "-Pn", "-p", "1-30"]);
        watch.next_of("begin");
        let (_, status, said) = watch.finish();
        assert_eq!(status, Some(0), "{said}");
        let lines = whole_lines(&path);
        assert!(lines >= before + 2, "a begin and an end at least: {lines} after {before}");
        before = lines;
    }
}
