//! Fragments hide nothing: a scan in pieces is the scan, whatever is done to the pieces; and who overlaps them is named.
//! Where a real kernel can be asked, it is.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;
use tripline::{
    decode,
    defragment::{Defragmenter, Fragment, Limits, Overlap, Policies, Verdict},
    source::{Frame, LinkType, Time},
};

use crate::{
    captures,
    craft::{
        Capture, Stamped,
        frame::{SYN, Segment},
        pieces,
    },
    program::tripline,
};

/// Events about a capture, as JSON.
fn events(capture: &Capture, more: &[&str]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.pcap");
    fs::write(&path, capture.pcap()).unwrap();
    let arguments = ["read", "-f", "eve", "-q"].into_iter().chain(more.iter().copied()).map(Into::into);
    let run = tripline(arguments.chain([path.into_os_string()]));
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn syn(from: &str, to: &str) -> Vec<u8> {
    Segment { from: from.parse().unwrap(), to: to.parse().unwrap(), flags: SYN, seq: 7, ack: 0, payload: 0 }.frame()
}

/// The frames of a recording: a pcap of this machine's own byte order.
fn recorded(path: &Path) -> Vec<Stamped> {
    let file = fs::read(path).unwrap();
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let (stamp, length) =
            (i64::from(number(at)) * 1_000_000_000 + i64::from(number(at + 4)) * 1_000, number(at + 8));
        frames.push(Stamped { stamp, bytes: file[at + 16..at + 16 + length as usize].to_vec() });
        at += 16 + length as usize;
    }
    frames
}

/// The same packets, each in pieces of 8 bytes, these mixed up and some twice, all by a fixed rule.
fn in_pieces(frames: &[Stamped]) -> Capture {
    let mut capture = Capture::new();
    for (id, Stamped { stamp, bytes }) in (1..).zip(frames) {
        let can = bytes[12..14] == [8, 0] && bytes[14] == 0x45 && pieces::payload(bytes).len() > 8;
        let mut cut = if can { pieces::cut(bytes, id, 8) } else { vec![bytes.clone()] };
        let turn = usize::from(id) % cut.len();
        cut.rotate_left(turn);
        if cut.len() > 2 {
            // Not the last one: a copy behind the whole would begin another datagram.
            cut.insert(1, cut[0].clone());
            cut.swap(0, 2);
        }
        capture.frames.extend(cut.into_iter().map(|bytes| Stamped { stamp: *stamp, bytes }));
    }
    capture
}

/// What does not speak of single frames.
fn without_frames(mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        for field in ["pcap_filename", "pcap_cnt"] {
            event.remove(field);
        }
        event["scan"].as_object_mut().unwrap().remove("fragmented");
    }
    events
}

#[test]
fn a_recorded_scan_in_small_pieces_is_the_same_scan_and_marked() {
    for name in ["nmap-syn-8ports.pcap", "nmap-fin.pcap", "nmap-connect-100.pcap", "nmap-maimon.pcap"] {
        let frames = recorded(&captures::folder().join(name));
        let mut whole = Capture::new();
        whole.frames.clone_from(&frames);
        let (expected, found) = (events(&whole, &[]), events(&in_pieces(&frames), &[]));
        assert!(found.iter().all(|event| event["scan"]["fragmented"] == true), "{name}: {found:#?}");
        assert!(expected.iter().all(|event| event["scan"]["fragmented"] == false), "{name}");
        assert!(!expected.is_empty(), "{name}");
        assert_eq!(without_frames(found), without_frames(expected), "{name}");
    }
}

#[test]
fn a_scan_over_ipv6_in_pieces_is_found() {
    let capture = (1..=40_u16).fold(Capture::new(), |capture, port| {
        let to = format!("[fd00::1]:{port}").parse().unwrap();
        let segment = Segment { from: "[fd00::9]:40000".parse().unwrap(), to, flags: SYN, seq: 7, ack: 0, payload: 20 };
        // The first piece has all of the headers, as receivers demand.
        pieces::cut(&segment.frame(), port, 24).into_iter().rev().fold(capture, Capture::frame)
    });
    let found = events(&capture, &[]);
    assert!(
        found.iter().any(|event| event["scan"]["fragmented"] == true && event["src_ip"] == "fd00::9"),
        "{found:#?}"
    );
}

/// A scan in which each probe is told in two ways: the door is 1,000 + n for whom the first piece counts, and 2,000 + n
/// for whom the last does. UDP without a checksum, so that either can be true.
fn two_faced(story: Capture, ports: std::ops::Range<u16>) -> Capture {
    ports.fold(story, |capture, n| {
        let door = |base: u16| {
            let mut datagram = vec![0; 24];
            datagram[..2].copy_from_slice(&40_000_u16.to_be_bytes());
            datagram[2..4].copy_from_slice(&(base + n).to_be_bytes());
            datagram[4..6].copy_from_slice(&24_u16.to_be_bytes());
            datagram
        };
        let mut frame = syn("198.51.100.7:1", "10.0.0.1:1");
        frame[14 + 9] = 17;
        let piece = |offset, more, bytes: &[u8]| pieces::piece(&frame, n, offset, more, bytes);
        let (old, new) = (door(1_000), door(2_000));
        capture.frame(piece(0, true, &old[..16])).frame(piece(0, true, &new[..16])).frame(piece(16, false, &old[16..]))
    })
}

#[test]
fn a_target_s_policy_says_which_doors_were_tried() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    // Neither Windows nor BSD is moved by what begins where the old piece begins; Linux is.
    for (policy, base) in [("first", 1), ("last", 2), ("linux", 2), ("bsd", 1), ("windows", 1), ("solaris", 1)] {
        let text = format!(
            "version = 1\n[nets]\nservers = ['10.0.0.0/24']\n[outputs.screen]\nplugin = 'stdout'\n\
             [[reassembly.targets]]\nnets = 'servers'\noverlap = '{policy}'\n"
        );
        fs::write(&rules, text).unwrap();
        let found = events(&two_faced(Capture::new(), 0..60), &["-r", rules.to_str().unwrap()]);
        let ports: Vec<u64> = found
            .iter()
            .filter_map(|event| event["scan"]["ports"]["sample"].as_array().cloned())
            .flatten()
            .map(|port| port.as_u64().unwrap() / 1_000)
            .collect();
        assert!(!ports.is_empty() && ports.iter().all(|port| *port == base), "{policy}: {ports:?}");
    }
}

#[test]
fn overlaps_are_told_once_a_source_and_minute_with_a_count_through_the_rules() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let text = "version = 1\n[outputs.screen]\nplugin = 'stdout'\n[[rules]]\nname = 'scans'\nif = { technique = 'udp' }\nsilence = true\n";
    fs::write(&rules, text).unwrap();
    let capture = two_faced(two_faced(Capture::new(), 0..60).wait(90.0), 60..70);
    let told = events(&capture, &["-r", rules.to_str().unwrap()]);
    let words: Vec<_> =
        told.iter().map(|event| (event["anomaly"]["type"].clone(), event["anomaly"]["event"].clone())).collect();
    let words: Vec<_> = words.iter().map(|(kind, words)| (kind.as_str().unwrap(), words.as_str().unwrap())).collect();
    let first = "fragments of one datagram overlap with different bytes: hosts differ in what they read";
    assert_eq!(
        words,
        [
            ("overlap", first),
            ("overlap", "59 more datagrams within a minute: their fragments overlap, too"),
            ("overlap", first),
            ("overlap", "9 more datagrams within a minute: their fragments overlap, too"),
        ]
    );
    assert!(told.iter().all(|event| event["src_ip"] == "198.51.100.7"));
    assert_eq!(
        (&told[0]["dest_ip"], &told[0]["proto"], &told[0]["pcap_cnt"]),
        (&"10.0.0.1".into(), &"UDP".into(), &2.into())
    );
    for more in [["--shards", "7"], ["--batch", "4KiB"]] {
        let rules = rules.to_str().unwrap();
        let again = events(&capture, &["-r", rules, more[0], more[1]]);
        let plain = |events: &[Value]| {
            events.iter().map(|event| (event["timestamp"].clone(), event["anomaly"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(plain(&again), plain(&told), "{more:?}");
    }
    let originals = events(&capture, &["-r", rules.to_str().unwrap(), "-p", "scanlogd"]);
    assert!(originals.iter().all(|event| event["event_type"] == "scan"), "scanlogd knows no such word: {originals:#?}");
}

/// The datagrams of a capture, rebuilt: their bytes by source and identification.
fn datagrams(frames: &[Stamped], overlap: Overlap) -> BTreeMap<(String, u16), Vec<u8>> {
    let mut defragmenter = Defragmenter::new(Limits::default()).following(Policies::all(overlap));
    let mut whole = BTreeMap::new();
    for (seq, Stamped { stamp, bytes }) in (0..).zip(frames) {
        let time = Time(*stamp);
        let frame = Frame {
            bytes,
            wire_len: bytes.len() as u32,
            link: LinkType(1),
            stamp: time,
            clock: time,
            seq,
            number: seq + 1,
        };
        let Ok(packet) = decode::decode(&frame) else { continue };
        let Some(fragment) = Fragment::of(&packet, packet.payload.of_bytes(bytes), time, time, seq) else { continue };
        if let Verdict::Whole(datagram) = defragmenter.push(&fragment) {
            whole.insert((packet.src.to_string(), packet.ip_id), datagram.payload.to_vec());
        }
    }
    whole
}

#[test]
fn recorded_evasions_give_the_bytes_that_the_hosts_exchanged() {
    let recording = |name: &str| recorded(&captures::folder().join(name));
    let undisturbed: BTreeMap<_, _> = recording("http-base.pcap")
        .iter()
        .map(|frame| {
            let source = std::net::Ipv4Addr::from(<[u8; 4]>::try_from(&frame.bytes[26..30]).unwrap());
            let id = u16::from_be_bytes([frame.bytes[18], frame.bytes[19]]);
            ((source.to_string(), id), pieces::payload(&frame.bytes).to_vec())
        })
        .collect();
    for name in ["fr-ipfrag24", "fr-ipfrag24-random", "fr-ipfrag-reverse-dup", "fr-ipfrag-old", "fr-ipfrag-new"] {
        // Whatever the policy: of readings that contradict each other, some host took one.
        for overlap in Overlap::ALL {
            let rebuilt = datagrams(&recording(&format!("{name}.pcap")), overlap);
            assert!(rebuilt.len() > 10, "{name}: {}", rebuilt.len());
            for (which, bytes) in rebuilt {
                assert_eq!(Some(&bytes), undisturbed.get(&which), "{name}, {overlap}: {which:?}");
            }
        }
    }
}
