//! `tripline watch` on real wires.
#![cfg(target_os = "linux")]

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::lab::{Lab, PATIENCE, Running};

#[test]
fn a_real_scan_of_a_real_host_is_told_at_once_as_event_and_as_scanlogd_line() {
    for backend in ["pcap", "raw"] {
        let Some(lab) = Lab::new(if backend == "pcap" { "p" } else { "r" }, &["ip", "nmap", "python3"]) else { return };
        let mut server = Lab::inside(&lab.ours, "python3");
        server.args(["-m", "http.server", "80"]).stdout(Stdio::null()).stderr(Stdio::null());
        let _server = Running(server.spawn().unwrap());
        let listens = || {
            let sockets = Lab::inside(&lab.ours, "cat").arg("/proc/net/tcp").output().unwrap().stdout;
            String::from_utf8_lossy(&sockets).contains(":0050 ")
        };
        let began = Instant::now();
        while !listens() {
            assert!(began.elapsed() < PATIENCE, "the server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("lines");
        let file = format!("file:path={},format=scanlogd", path.display());
        let watch = lab.watch(&["--backend", backend, "-p", "tripline,scanlogd", "-f", "eve", "-o", &file]);
        lab.scan(&["-sS", "-n", "-Pn", "-p", "1-100"]);

        let (_, event) = watch.next();
        assert_eq!((&event["src_ip"], &event["dest_ip"]), (&"10.99.0.1".into(), &"10.99.0.2".into()), "{event}");
        assert_eq!((&event["in_iface"], &event["scan"]["phase"]), (&"vb".into(), &"begin".into()), "{event}");
        assert_eq!((&event["scan"]["kind"], &event["scan"]["technique"]), (&"vertical".into(), &"tcp-syn".into()));
        assert!(event.get("pcap_filename").is_none() && event["scan"]["completeness"]["drops"] == 0, "{event}");

        let (took, status, said) = watch.end();
        assert!(took < Duration::from_secs(1), "{took:?} to end");
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("scans     ") && !said.contains("stopped"), "{said}");
        let lines = fs::read_to_string(path).unwrap();
        assert!(lines.lines().any(|l| l.starts_with("10.99.0.1") && l.contains(" to 10.99.0.2 ports ")), "{lines}");
    }
}

#[test]
fn an_event_follows_its_packet_within_a_fifth_of_a_second_on_a_wire_with_nothing_else() {
    let Some(lab) = Lab::new("l", &["ip", "nmap"]) else { return };
    let watch = lab.watch(&["-f", "eve", "--phases", "begin"]);
    // Every port is refused, so that the event is due with the last packet that decides it.
    let wall = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    lab.scan(&["-sS", "-n", "-Pn", "--max-retries", "0", "-p", "1-20"]);
    let (came, event) = watch.next();
    let stamp: jiff::Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
    let late = wall().saturating_sub(Duration::from_nanos(stamp.as_nanosecond().try_into().unwrap()));
    let late = late.saturating_sub(came.elapsed());
    eprintln!("the event came {late:?} after its packet");
    // Twice what is promised, for a busy machine.
    assert!(late < Duration::from_millis(400), "{late:?}");
}

#[test]
fn time_outs_fire_and_a_signal_is_obeyed_on_a_silent_wire() {
    let Some(lab) = Lab::new("s", &["ip", "nmap"]) else { return };
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, "version = 1\n[detect]\nquiet = '2s'\n").unwrap();
    let watch = lab.watch(&["-r", rules.to_str().unwrap(), "-f", "eve", "--filter", "tcp"]);
    lab.scan(&["-sS", "-n", "-Pn", "-p", "1-20"]);
    // From here on no packet that passes the filter comes; only a time-out can end the scan.
    let began = Instant::now();
    while watch.next().1["scan"]["phase"] != "end" {}
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let (took, status, said) = watch.end();
    assert!(took < Duration::from_secs(1) && status == Some(0), "{took:?} {said}");
}

#[test]
fn root_becomes_nobody_in_every_thread_before_it_looks_at_a_packet() {
    let Some(lab) = Lab::new("u", &["ip"]) else { return };
    let watch = lab.watch(&[]);
    assert!(watch.said.contains("as nobody"), "{}", watch.said);
    let tasks = fs::read_dir(format!("/proc/{}/task", watch.child.id())).unwrap();
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
        assert!(!of("Uid:").split('\t').any(|id| id == "0") && of("CapPrm:").trim_matches('0').is_empty(), "{status}");
        assert_eq!(of("Groups:"), of("Gid:").split('\t').next().unwrap(), "{status}");
    }
}

#[test]
fn a_hangup_reads_the_rules_anew_and_wrong_ones_leave_the_old_at_work() {
    let Some(lab) = Lab::new("h", &["ip", "nmap"]) else { return };
    let folder = TempDir::new().unwrap();
    // Who reads it anew is not root any more.
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.path().join("rules.toml");
    let with = |rules: &str| fs::write(&path, format!("version = 1\n{rules}")).unwrap();
    with("");
    let mut watch = lab.watch(&["-r", path.to_str().unwrap(), "-f", "eve"]);
    with("[[rules]]\nname = 'x'\nif = { source = 'nowhere' }\n");
    watch.signal("HUP");
    watch.wait_for("the old rules stay at work");
    assert!(watch.said.contains("nowhere"), "{}", watch.said);
    with("[nets]\nlab = ['10.99.0.0/24']\n[[rules]]\nname = 'ours'\nif = { source = 'lab' }\nseverity = 'high'\n");
    watch.signal("HUP");
    watch.wait_for("1 rules read anew: new \"ours\"");
    lab.scan(&["-sS", "-n", "-Pn", "-p", "1-20"]);
    assert_eq!(watch.next().1["scan"]["rule"], "ours");
}

#[test]
fn an_interface_that_goes_away_is_told_and_ends_the_watch() {
    let Some(lab) = Lab::new("g", &["ip"]) else { return };
    let mut watch = lab.watch(&[]);
    assert!(Command::new("ip").args(["-n", &lab.ours, "link", "del", "vb"]).status().unwrap().success());
    watch.wait_for("vb: at byte ");
    let began = Instant::now();
    while watch.child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < PATIENCE, "it does not end");
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(watch.child.wait().unwrap().code(), Some(1));
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_way_out() {
    let run = crate::program::tripline(["watch", "-i", "no-such-wire"]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
    assert!(
        run.stderr.contains("cannot watch no-such-wire") && run.stderr.contains("tripline interfaces"),
        "{}",
        run.stderr
    );
}

#[test]
fn interfaces_are_listed_for_anybody() {
    let run = crate::program::tripline(["interfaces"]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    assert!(
        run.stdout.starts_with("NAME ") && run.stdout.lines().any(|line| line.starts_with("lo ")),
        "{}",
        run.stdout
    );
}
