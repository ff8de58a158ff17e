//! A real rsyslogd reads what is sent to it: each transport, each protocol, each framing, and a
//! restart in the middle. It runs unprivileged in a folder of its own, on loopback.

// Says to clippy that all of it is tests, where `unwrap` is a plain way to fail.
#![cfg(test)]

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use tripline_plugin::{Options, Output, OutputError, Record, Table, sample_events};
use tripline_syslog::PLUGIN;

/// A daemon with a unix socket, UDP and TCP, which writes one line a message into a file.
struct Daemon {
    folder: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

fn program() -> Option<PathBuf> {
    ["/usr/sbin/rsyslogd", "/sbin/rsyslogd", "/usr/local/sbin/rsyslogd"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

impl Daemon {
    /// `None` where there is no rsyslogd.
    fn start() -> Option<Self> {
        let program = program().or_else(|| {
            eprintln!("skipped: rsyslogd is not installed (Debian package rsyslog)");
            None
        })?;
        let folder = tempfile::tempdir().unwrap();
        // A port that is free for both; nobody else is likely to take it in this moment.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            r#"
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
input(type="imuxsock" Socket="{socket}" CreatePath="off" UseSysTimeStamp="off")
input(type="imudp" address="127.0.0.1" port="{port}")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="fields" type="string"
    string="%syslogfacility-text%.%syslogseverity-text%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%procid%|%msgid%|%structured-data%|%msg%\n")
action(type="omfile" file="{out}" template="fields")
"#,
            socket = at("socket"),
            out = at("messages"),
        );
        fs::write(folder.path().join("conf"), config).unwrap();
        let mut daemon = Self { folder, port, running: None };
        daemon.run(&program);
        Some(daemon)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&mut self, program: &Path) {
        let _ = fs::remove_file(self.path("socket"));
        let errors = fs::File::create(self.path("errors")).unwrap();
        let child = Command::new(program)
            .args(["-n", "-f"])
            .arg(self.path("conf"))
            .arg("-i")
            .arg(self.path("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        self.running = Some(child);
        let ready = || self.path("socket").exists() && TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        let came = (0..500).any(|_| {
            thread::sleep(Duration::from_millis(20));
            ready()
        });
        assert!(came, "rsyslogd did not start: {}", fs::read_to_string(self.path("errors")).unwrap());
    }

    /// As `systemctl stop` does it.
    fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    /// Waits until this many messages were written, or no more come.
    fn messages(&self, wanted: usize) -> Vec<String> {
        let read = || fs::read_to_string(self.path("messages")).unwrap_or_default();
        for _ in 0..500 {
            if read().lines().count() >= wanted {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        read().lines().map(str::to_owned).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn open(options: &[(&str, &str)]) -> Box<dyn Output> {
    let table: Table = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    (PLUGIN.build)(&Options::check(PLUGIN.options, &table).unwrap().with_format("scanlogd")).unwrap()
}

fn record(line: &str) -> Record {
    let scan = sample_events().into_iter().find(|event| event.scan.as_ref().is_some_and(|scan| scan.doors == 4));
    Record { event: Arc::new(scan.unwrap()), line: line.into() }
}

#[test]
fn every_way_of_saying_it_is_understood() {
    let Some(daemon) = Daemon::start() else { return };
    let (socket, server) = (daemon.path("socket").display().to_string(), format!("127.0.0.1:{}", daemon.port));
    let remote = [("server", server.as_str()), ("hostname", "sensor-1")];
    let ways: [(&str, Vec<(&str, &str)>); 5] = [
        ("local old", vec![("path", &socket)]),
        ("udp old", [&[("transport", "udp")], &remote[..]].concat()),
        ("udp new", [&[("transport", "udp"), ("protocol", "rfc5424")], &remote[..]].concat()),
        ("tcp lines", [&[("transport", "tcp")], &remote[..]].concat()),
        (
            "tcp octets",
            [&[("transport", "tcp"), ("protocol", "rfc5424"), ("framing", "octet-counting")], &remote[..]].concat(),
        ),
    ];
    for (n, (name, options)) in ways.iter().enumerate() {
        let mut output = open(options);
        output.write(&[record(&format!("{name} a")), record(&format!("{name} b"))]).unwrap();
        // One after the other, so that the file is in order.
        assert_eq!(daemon.messages(2 * n + 2).len(), 2 * n + 2, "{name}");
    }
    let pid = std::process::id().to_string();
    for (n, message) in daemon.messages(10).iter().enumerate() {
        let parts: Vec<_> = message.split('|').collect();
        let (name, _) = &ways[n / 2];
        let (is_new, is_remote) = (name.ends_with("new") || name.ends_with("octets"), !name.starts_with("local"));
        assert_eq!(parts[0], "daemon.alert", "{message}");
        assert!(is_new && parts[1].starts_with("2026-11-2") || parts[1].contains("-11-2"), "{message}");
        assert!(!is_remote || parts[2] == "sensor-1", "{message}");
        assert_eq!((parts[3], parts[4]), ("tripline", pid.as_str()), "{message}");
        assert_eq!(parts[5], if is_new { "SCAN" } else { "-" }, "{message}");
        assert!(!is_new || parts[6].starts_with("[scan@32473 id=\""), "{message}");
        let letter = if n % 2 == 0 { "a" } else { "b" };
        assert_eq!(parts[7].trim_start(), format!("{name} {letter}"), "{message}");
    }
}

#[test]
fn a_restart_in_the_middle_loses_nothing_over_tcp() {
    let Some(mut daemon) = Daemon::start() else { return };
    let server = format!("127.0.0.1:{}", daemon.port);
    let mut output = open(&[("transport", "tcp"), ("server", &server)]);
    let all = 600;
    let mut away = 0;
    for n in 0..all {
        if n == 200 {
            daemon.stop();
        }
        let batch = [record(&format!("number {n}"))];
        let mut tries = 0;
        while let Err(error) = output.write(&batch) {
            assert!(matches!(error, OutputError::Retry(_)), "{error}");
            away += 1;
            tries += 1;
            // It comes back while messages wait for it.
            if tries == 3 && daemon.running.is_none() {
                daemon.run(&program().unwrap());
            }
            assert!(tries < 200, "{error}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    output.flush().unwrap();
    assert!(away > 0, "it was away, and somebody noticed");
    thread::sleep(Duration::from_millis(200));
    let numbers = |messages: &[String]| -> std::collections::BTreeSet<usize> {
        messages.iter().map(|message| message.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    let got = (0..50).map(|_| {
        thread::sleep(Duration::from_millis(100));
        numbers(&daemon.messages(all))
    });
    let complete = got.into_iter().any(|numbers| numbers.len() == all);
    let got = numbers(&daemon.messages(all));
    let missing: Vec<_> = (0..all).filter(|n| !got.contains(n)).collect();
    assert!(complete, "missing: {missing:?}");
}
