//! What a syslog daemon gets: small listeners for a unix socket, UDP and TCP that keep what comes.
//!
//! Each of the places where the `syslog` crate alone falls short has its test here: local time, the
//! day's padding, framing, the hostname on a local socket, a restarted daemon, control characters,
//! MSGID and structured data, the address family of UDP.

// Says to clippy that all of it is tests, where `unwrap` is a plain way to fail.
#![cfg(test)]

use std::{
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixDatagram,
    sync::Arc,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use tripline_plugin::{ConfigError, Event, Options, Output, OutputError, Record, Table, sample_events, testkit};
use tripline_syslog::PLUGIN;

/// 2026-11-05T01:02:03.456789Z: a day of one digit.
const TIME: i64 = 1_793_840_523_456_789_000;

fn open(options: &[(&str, &str)], format: &str) -> Result<Box<dyn Output>, ConfigError> {
    let table: Table = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    (PLUGIN.build)(&Options::check(PLUGIN.options, &table).unwrap().with_format(format))
}

fn record(line: &str) -> Record {
    let scan = sample_events().into_iter().find(|event| event.scan.as_ref().is_some_and(|scan| scan.doors == 4));
    Record { event: Arc::new(Event { timestamp: TIME, ..scan.unwrap() }), line: line.into() }
}

fn patient(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
}

/// A daemon on a unix socket; the folder lives as long as it.
struct Local {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Local {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = bind(&folder);
        Self { folder, socket }
    }

    fn path(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn restart(&mut self) {
        std::fs::remove_file(self.path()).unwrap();
        self.socket = bind(&self.folder);
    }

    fn next(&self) -> String {
        let mut buffer = vec![0; 70_000];
        let size = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..size].to_vec()).unwrap()
    }
}

fn bind(folder: &tempfile::TempDir) -> UnixDatagram {
    let socket = UnixDatagram::bind(folder.path().join("log")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// One message to a local daemon.
fn local(options: &[(&str, &str)], format: &str, line: &str) -> String {
    let daemon = Local::start();
    let path = daemon.path();
    let options = [&[("path", path.as_str())], options].concat();
    open(&options, format).unwrap().write(&[record(line)]).unwrap();
    daemon.next()
}

/// The first message of an output with these options to a UDP server at this address.
fn datagram(address: &str, options: &[(&str, &str)], line: &str) -> String {
    let socket = UdpSocket::bind(address).unwrap();
    patient(&socket);
    let server = socket.local_addr().unwrap().to_string();
    let options = [&[("transport", "udp"), ("server", server.as_str())], options].concat();
    open(&options, "scanlogd").unwrap().write(&[record(line)]).unwrap();
    let mut buffer = vec![0; 70_000];
    let size = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..size].to_vec()).unwrap()
}

struct Server(TcpListener);

impl Server {
    fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn open(&self, options: &[(&str, &str)]) -> Box<dyn Output> {
        let server = self.0.local_addr().unwrap().to_string();
        let options = [&[("transport", "tcp"), ("server", server.as_str())], options].concat();
        open(&options, "scanlogd").unwrap()
    }

    fn accept(&self) -> BufReader<TcpStream> {
        let (socket, _) = self.0.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        BufReader::new(socket)
    }
}

fn line(from: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    line
}

/// As the host does it: again until it is taken.
fn insist(output: &mut dyn Output, batch: &[Record]) {
    for _ in 0..100 {
        match output.write(batch) {
            Ok(()) => return,
            Err(OutputError::Retry(_)) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("never taken");
}

#[test]
fn the_card_is_complete() {
    testkit::check_card(&PLUGIN);
}

// ---- What the crate gets wrong, point by point ------------------------------

#[test]
fn point_1_times_are_local() {
    let local_time = Timestamp::from_nanosecond(TIME.into()).unwrap().to_zoned(TimeZone::system());
    let old = local(&[], "scanlogd", "x");
    assert!(old.contains(&local_time.strftime(">%b %e %H:%M:%S ").to_string()), "{old}");
    let new = local(&[("protocol", "rfc5424")], "scanlogd", "x");
    assert!(new.contains(&local_time.strftime(">1 %Y-%m-%dT%H:%M:%S.456789%:z ").to_string()), "{new}");
}

#[test]
fn point_2_a_day_of_one_digit_is_padded_with_a_blank() {
    let message = local(&[], "scanlogd", "x");
    let day = Timestamp::from_nanosecond(TIME.into()).unwrap().to_zoned(TimeZone::system()).day();
    assert!(message.contains(&format!(">Nov  {day} ")), "{message}");
}

#[test]
fn point_3_messages_over_tcp_are_told_apart() {
    let server = Server::start();
    let mut output = server.open(&[("pid", "false"), ("hostname", "h")]);
    output.write(&[record("first"), record("second")]).unwrap();
    let mut received = server.accept();
    assert!(line(&mut received).ends_with(" h tripline: first\n"));
    assert!(line(&mut received).ends_with(" h tripline: second\n"));

    let mut output = server.open(&[("framing", "octet-counting")]);
    output.write(&[record("first"), record("zweite: Grüße")]).unwrap();
    drop(output);
    let mut text = Vec::new();
    server.accept().read_to_end(&mut text).unwrap();
    let mut left = text.as_slice();
    for end in ["first", "zweite: Grüße"] {
        let blank = left.iter().position(|byte| *byte == b' ').unwrap();
        let size: usize = std::str::from_utf8(&left[..blank]).unwrap().parse().unwrap();
        let (message, rest) = left[blank + 1..].split_at(size);
        assert!(message.starts_with(b"<25>") && message.ends_with(end.as_bytes()));
        left = rest;
    }
    assert!(left.is_empty());
}

#[test]
fn point_4_a_local_daemon_is_told_no_hostname() {
    let message = local(&[("pid", "false")], "scanlogd", "10.0.0.2 to 10.0.0.1 ports 1, 2, ...");
    let (_, said) = message.split_at(message.find('>').unwrap() + "Nov  5 01:02:03 ".len() + 1);
    assert_eq!(said, "tripline: 10.0.0.2 to 10.0.0.1 ports 1, 2, ...");
}

#[test]
fn point_5_a_daemon_that_restarts_gets_what_comes_after() {
    let mut daemon = Local::start();
    let mut output = open(&[("path", &daemon.path())], "scanlogd").unwrap();
    output.write(&[record("one")]).unwrap();
    assert!(daemon.next().ends_with(": one"));
    daemon.restart();
    insist(output.as_mut(), &[record("two")]);
    assert!(daemon.next().ends_with(": two"));

    let server = Server::start();
    let mut output = server.open(&[]);
    output.write(&[record("one")]).unwrap();
    let mut received = server.accept();
    assert!(line(&mut received).ends_with(": one\n"));
    // The server goes away, having read everything, a while after.
    std::thread::sleep(Duration::from_millis(1_100));
    drop(received);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(output.flush(), Ok(()), "there is nothing to say to it");
    insist(output.as_mut(), &[record("two")]);
    assert!(line(&mut server.accept()).ends_with(": two\n"), "`one` was read and is not repeated");
}

#[test]
fn point_6_a_message_is_one_line_whatever_it_holds() {
    let message = local(&[], "human", "forged\n<0>Nov  5 01:02:03 sshd: break-in\r\u{1b}[2J\u{0}end");
    assert!(!message.chars().any(char::is_control), "{message:?}");
    assert!(message.ends_with(r"forged | <0>Nov  5 01:02:03 sshd: break-in\u{d}\u{1b}[2J\u{0}end"), "{message}");
    let indented = local(&[], "human", "a scan\n    why   so");
    assert!(indented.ends_with(": a scan | why   so"), "{indented}");
}

#[test]
fn point_7_a_message_of_rfc5424_has_a_name_and_data_and_a_checked_tag() {
    let options = [("protocol", "rfc5424"), ("hostname", "sensor-1"), ("pid", "false"), ("enterprise", "4711")];
    let message = local(&options, "scanlogd", "the line");
    let parts: Vec<_> = message.splitn(7, ' ').collect();
    assert_eq!(parts[0], "<25>1");
    assert_eq!(parts[2..6], ["sensor-1", "tripline", "-", "SCAN"]);
    assert!(parts[6].starts_with("[scan@4711 id=\"") && parts[6].ends_with("\"] the line"), "{message}");

    let error = open(&[("protocol", "rfc5424"), ("tag", &"x".repeat(49))], "scanlogd").err().unwrap();
    assert_eq!(error.option.as_deref(), Some("tag"));
    let error = open(&[("tag", "a b")], "scanlogd").err().unwrap();
    assert_eq!(error.option.as_deref(), Some("tag"));
}

#[test]
fn point_8_udp_reaches_servers_of_both_families() {
    assert!(datagram("127.0.0.1:0", &[], "over v4").ends_with(": over v4"));
    match UdpSocket::bind("[::1]:0") {
        Ok(_) => assert!(datagram("[::1]:0", &[], "over v6").ends_with(": over v6")),
        Err(error) => eprintln!("skipped the half for IPv6: this machine has none on loopback: {error}"),
    }
}

// ---- What a user can tell it ------------------------------------------------

#[test]
fn a_scanlogd_line_is_daemon_alert_and_others_are_as_grave_as_their_event() {
    assert!(local(&[], "scanlogd", "x").starts_with("<25>"));
    // The sample is a scan of low severity: daemon.notice.
    assert!(local(&[], "eve", "{}").starts_with("<29>"));
    assert!(local(&[("severity", "event")], "scanlogd", "x").starts_with("<29>"));
    assert!(local(&[("severity", "crit"), ("facility", "local7")], "eve", "{}").starts_with("<186>"));
}

#[test]
fn what_is_too_long_is_cut_in_text_and_refused_in_json() {
    let long = "ä".repeat(5_000);
    let message = datagram("127.0.0.1:0", &[], &long);
    assert!(message.len() <= 1_024 && message.len() > 1_020 && message.ends_with("ä..."), "{}", message.len());
    let message = datagram("127.0.0.1:0", &[("protocol", "rfc5424")], &long);
    assert!(message.len() <= 2_048 && message.len() > 2_044, "{}", message.len());

    let daemon = Local::start();
    let mut output = open(&[("path", &daemon.path()), ("limit", "1 KiB")], "eve").unwrap();
    let outcome = output.write(&[record("{}"), record(&format!("{{\"a\":\"{long}\"}}"))]);
    assert!(matches!(&outcome, Err(OutputError::Reject(why)) if why.contains("1024 are allowed")), "{outcome:?}");
    // Nothing of the batch went out: the host gives it again in pieces.
    output.write(&[record("{}")]).unwrap();
    assert!(daemon.next().ends_with(": {}"));
    daemon.socket.set_nonblocking(true).unwrap();
    assert!(daemon.socket.recv(&mut [0; 10]).is_err());
}

#[test]
fn what_cannot_be_reached_is_said_with_the_way_out() {
    let error = open(&[("path", "/no/such/socket")], "scanlogd").err().unwrap().to_string();
    assert!(error.starts_with("path: /no/such/socket: "), "{error}");
    assert!(error.ends_with("(is a syslog daemon running, and is this its socket?)"), "{error}");
    let error = open(&[("transport", "udp")], "scanlogd").err().unwrap().to_string();
    assert!(error.starts_with("server: is missing"), "{error}");
    let error = open(&[("server", "loghost")], "scanlogd").err().unwrap().to_string();
    assert!(error.contains("means nothing with transport = \"local\""), "{error}");
    let error = open(&[("limit", "10")], "scanlogd").err().unwrap().to_string();
    assert!(error.starts_with("limit: "), "{error}");
}

// ---- TCP and its losses -----------------------------------------------------

#[test]
fn a_server_that_is_away_at_the_start_gets_all_of_it_once_it_is_there() {
    let place = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = place.to_string();
    let mut output = open(&[("transport", "tcp"), ("server", &server)], "scanlogd").unwrap();
    let outcome = output.write(&[record("one")]);
    assert!(matches!(&outcome, Err(OutputError::Retry(why)) if why.contains(&server)), "{outcome:?}");
    let listener = TcpListener::bind(place).unwrap();
    insist(output.as_mut(), &[record("one"), record("two")]);
    let mut received = Server(listener).accept();
    assert!(line(&mut received).ends_with(": one\n") && line(&mut received).ends_with(": two\n"));
}

#[test]
fn what_a_server_had_not_read_when_it_died_is_said_again() {
    let server = Server::start();
    let mut output = server.open(&[]);
    let batch: Vec<_> = (0..20).map(|n| record(&format!("number {n}"))).collect();
    output.write(&batch[..10]).unwrap();
    let mut received = server.accept();
    assert!(line(&mut received).ends_with(": number 0\n"));
    // What it closes with unread bytes makes its system answer with a reset.
    let (socket, _) = (received.into_inner(), output.flush());
    output.write(&batch[10..15]).unwrap();
    drop(socket);
    std::thread::sleep(Duration::from_millis(50));
    insist(output.as_mut(), &batch[15..]);
    let mut again = server.accept();
    let got: Vec<_> = (0..20).map(|_| line(&mut again)).collect();
    for (n, message) in got.iter().enumerate() {
        assert!(message.ends_with(&format!(": number {n}\n")), "{n}: {message}");
    }
}

#[test]
fn a_server_that_takes_nothing_holds_nobody_up_for_long() {
    let server = Server::start();
    let mut output = server.open(&[]);
    let _asleep = server.accept();
    let begun = std::time::Instant::now();
    let batch: Vec<_> = (0..256).map(|_| record(&"x".repeat(7_000))).collect();
    // More than any socket buffers, so that it must come to a stop.
    let outcome = (0..100).find_map(|_| output.write(&batch).err());
    assert!(matches!(&outcome, Some(OutputError::Retry(_))), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
