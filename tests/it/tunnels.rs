//! No frame that a span port can hold hides a scan: links, tunnels, tenants, frames seen twice.
//! The packets that scan are the same in all of these; what is around them differs.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    craft::{Capture, Stamped},
    program::{Run, fed},
};

const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800;

/// What puts something around a frame.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// Twenty doors of one host, all closed.
fn scan() -> Capture {
    (1..=20).fold(Capture::new(), |capture, port| {
        capture.syn(&format!("10.0.0.2:{}", 40_000 + port), &format!("10.0.0.1:{port}")).refused()
    })
}

/// The same with something else around each frame.
fn around(capture: &Capture, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Capture {
    let mut wrapped = capture.clone();
    wrapped.frames.iter_mut().for_each(|frame| frame.bytes = wrap(&frame.bytes));
    wrapped
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &kind.to_be_bytes(), payload].concat()
}

/// An IPv4 datagram between two routers, 192.0.2.1 and 198.51.100.1.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + payload.len() as u16).to_be_bytes();
    let header = [0x45, 0, high, low, 0, 7, 0, 0, 255, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1];
    [&header[..], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len() as u16).to_be_bytes();
    [&50_000_u16.to_be_bytes()[..], &port.to_be_bytes(), &len, &[0, 0], payload].concat()
}

fn vxlan(network: u8, frame: &[u8]) -> Vec<u8> {
    ethernet(IPV4, &ipv4(17, &udp(4789, &[&[8, 0, 0, 0, 0, 0, network, 0][..], frame].concat())))
}

fn tagged(id: u8, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0, 0, id], &frame[12..]].concat()
}

/// Reads a capture, with these lines under `[detect]`.
fn read(capture: &Capture, detect: &str, more: &[&str]) -> Run {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    fs::write(&rules, format!("version = 1\n[detect]\n{detect}\n")).unwrap();
    let words = ["read", "-f", "eve", "-r", rules.to_str().unwrap(), "-"];
    let run = fed(words.into_iter().chain(more.iter().copied()), capture.pcap());
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run
}

/// The one scan of a capture.
fn the_scan(capture: &Capture) -> Value {
    let mut begins = read(capture, "", &[]).begins();
    assert_eq!(begins.len(), 1, "{begins:?}");
    begins.remove(0)
}

#[test]
fn a_scan_is_found_through_every_tunnel_which_the_event_names() {
    let wraps: [(&str, Option<u64>, Wrap); 8] = [
        ("IPv4", None, |frame| ethernet(IPV4, &ipv4(4, &frame[ETHERNET..]))),
        ("GRE", Some(7), |frame| {
            ethernet(IPV4, &ipv4(47, &[&[0x20, 0, 8, 0, 0, 0, 0, 7][..], &frame[ETHERNET..]].concat()))
        }),
        ("ERSPAN", Some(5), |frame| {
            let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 5, 0, 0, 0, 0];
            ethernet(IPV4, &ipv4(47, &[&header[..], frame].concat()))
        }),
        ("EtherIP", None, |frame| ethernet(IPV4, &ipv4(97, &[&[0x30, 0], frame].concat()))),
        ("VXLAN", Some(7), |frame| vxlan(7, frame)),
        ("GENEVE", Some(7), |frame| {
            ethernet(IPV4, &ipv4(17, &udp(6081, &[&[0, 0, 0x65, 0x58, 0, 0, 7, 0], frame].concat())))
        }),
        ("GTP-U", Some(7), |frame| {
            let inner = &frame[ETHERNET..];
            let [high, low] = (inner.len() as u16).to_be_bytes();
            ethernet(IPV4, &ipv4(17, &udp(2152, &[&[0x30, 255, high, low, 0, 0, 0, 7], inner].concat())))
        }),
        ("L2TP", Some(7), |frame| {
            let header = [0, 2, 0, 1, 0, 7, 0xff, 3, 0, 0x21];
            ethernet(IPV4, &ipv4(17, &udp(1701, &[&header[..], &frame[ETHERNET..]].concat())))
        }),
    ];
    for (name, id, wrap) in wraps {
        let event = the_scan(&around(&scan(), wrap));
        assert_eq!((&event["src_ip"], &event["dest_ip"]), (&"10.0.0.2".into(), &"10.0.0.1".into()), "{name}");
        let tunnel = &event["tunnel"];
        assert_eq!((&tunnel["proto"], tunnel["id"].as_u64(), &tunnel["depth"]), (&name.into(), id, &1.into()));
        assert_eq!((&tunnel["src_ip"], &tunnel["dest_ip"]), (&"192.0.2.1".into(), &"198.51.100.1".into()));
        assert_eq!(event["scan"]["on_link"], false, "{name}");
    }
    assert_eq!(the_scan(&scan()).get("tunnel"), None);
}

#[test]
fn a_hop_limit_of_255_shows_a_neighbour_only_outside_a_tunnel() {
    let near = around(&scan(), |frame| {
        let mut bytes = frame.to_vec();
        bytes[ETHERNET + 8] = 255;
        bytes
    });
    assert_eq!(the_scan(&near)["scan"]["on_link"], true);
    assert_eq!(the_scan(&around(&near, |frame| vxlan(7, frame)))["scan"]["on_link"], false);
}

#[test]
fn a_tunnel_whose_datagrams_come_in_pieces_hides_nothing() {
    let mut whole = around(&scan(), |frame| vxlan(7, frame));
    let mut frames = Vec::new();
    for (n, Stamped { stamp, bytes }) in whole.frames.iter().enumerate() {
        // Two pieces of each outer datagram, the second from its 48th byte on.
        for (flags, part) in [(0x20, &bytes[34..82]), (0, &bytes[82..])] {
            let mut piece = ipv4(17, part);
            (piece[5], piece[6], piece[7]) = (n as u8, flags, if flags == 0 { 6 } else { 0 });
            frames.push(Stamped { stamp: *stamp, bytes: ethernet(IPV4, &piece) });
        }
    }
    whole.frames = frames;
    let event = the_scan(&whole);
    assert_eq!((&event["tunnel"]["proto"], &event["scan"]["fragmented"]), (&"VXLAN".into(), &true.into()));
}

#[test]
fn the_vlan_of_a_scan_that_nobody_answers_is_told() {
    let mut silent = scan();
    silent.frames = silent.frames.into_iter().step_by(2).collect();
    let silent = around(&silent, |frame| tagged(12, frame));
    // Somebody who answers shows that the network is in view; time goes on for the deadlines.
    let answered = silent.syn("10.0.0.9:40000", "10.0.0.1:22").accepted().wait(5.0).ping("10.0.0.9", "10.0.0.8");
    assert_eq!(the_scan(&answered)["vlan"], serde_json::json!([12]));
}

#[test]
fn tenants_with_equal_addresses_are_two_where_the_rules_say_so() {
    let wraps: [[Wrap; 2]; 2] = [[|f| tagged(12, f), |f| tagged(13, f)], [|f| vxlan(7, f), |f| vxlan(8, f)]];
    for [one, other] in wraps {
        let mut both = around(&scan(), one);
        both.frames.extend(around(&scan(), other).frames);
        both.frames.sort_by_key(|frame| frame.stamp);
        assert_eq!(read(&both, "", &[]).begins().len(), 1);
        let alone = read(&both, "tenants = true", &["--shards", "1"]);
        let begins = alone.begins();
        assert_eq!(begins.len(), 2, "{begins:?}");
        assert!(begins.iter().all(|event| event["src_ip"] == "10.0.0.2"));
        assert_ne!(begins[0]["scan"]["id"], begins[1]["scan"]["id"]);
        assert_eq!(read(&both, "tenants = true", &["--shards", "7"]).stdout, alone.stdout);
    }
}

#[test]
fn frames_that_the_span_shows_twice_count_once_where_the_rules_say_so() {
    let mut twice = scan();
    twice.frames = twice
        .frames
        .into_iter()
        .flat_map(|frame| [frame.clone(), Stamped { stamp: frame.stamp + 40_000, ..frame }])
        .collect();
    let without_numbers = |run: &Run| {
        let mut begins = run.begins();
        for event in &mut begins {
            let fields = event.as_object_mut().unwrap();
            fields.remove("pcap_cnt");
            fields.remove("timestamp");
        }
        begins
    };
    let asked = read(&twice, "copies = '5ms'", &["--shards", "1"]);
    assert_eq!(without_numbers(&asked), without_numbers(&read(&scan(), "", &[])));
    assert!(asked.stderr.contains("copies    40 packets, seen twice and counted once"), "{}", asked.stderr);
    assert_eq!(read(&twice, "copies = '5ms'", &["--shards", "7"]).stdout, asked.stdout);
    assert!(!read(&twice, "", &[]).stderr.contains("copies"));
}
