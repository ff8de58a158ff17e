//! What the Linux kernel makes of fragments, asked itself: in namespaces of the test's own, over a cable of its own.
//! Where that is not allowed, or a tool is missing, the test says so and is skipped.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr},
    process::{Command, Stdio},
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tripline::{
    decode,
    defragment::{Defragmenter, Fragment, Limits, Verdict},
    source::{Frame, LinkType, Time},
};

use crate::{
    craft::{frame, pieces},
    lab::Lab,
};

/// Prints each datagram that arrives at port 9999, of either family, until nothing comes for two seconds.
const RECEIVER: &str = "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind(('::', 9999))
s.settimeout(15)
print('ready', flush=True)
try:
    while True:
        print(s.recv(65536).hex(), flush=True)
        s.settimeout(2)
except TimeoutError:
    pass
";

/// Puts each frame of standard input on the wire.
const SENDER: &str = "
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('va', 0))
for line in sys.stdin:
    s.send(bytes.fromhex(line))
    time.sleep(0.0002)
";

/// A datagram in pieces: how long it is, where it is cut, which piece comes twice, and a piece with other bytes.
#[derive(Clone, Debug)]
struct Case {
    words: usize,
    order: Vec<usize>,
    twice: Option<usize>,
    /// Where it begins, how many words it has, and when it comes.
    chaff: Option<(usize, usize, usize)>,
    /// A piece that is not the last carries so many bytes more than a multiple of eight.
    odd: usize,
}

fn case() -> impl Strategy<Value = Case> {
    (3..20_usize).prop_flat_map(|words| {
        let order = Just((0..words).collect::<Vec<_>>()).prop_shuffle();
        let twice = prop::option::of(0..words);
        // Behind the ports, which say where the datagram goes, and the case's number.
        let chaff = prop::option::of((2..words, 1..4_usize, 0..words));
        (Just(words), order, twice, chaff, prop_oneof![4 => Just(0_usize), 1 => 1..8_usize])
            .prop_map(|(words, order, twice, chaff, odd)| Case { words, order, twice, chaff, odd })
    })
}

/// A whole datagram with the case's number in it. Each pair of words and its complement leave the checksum as it was.
fn datagram(from: SocketAddr, to: SocketAddr, number: u16, case: &Case) -> Vec<u8> {
    let mut frame = frame::udp(from, to, 8 * (case.words as u16 - 1));
    let start = frame.len() - 8 * (case.words - 1);
    for (at, pair) in (0_u16..).zip(frame[start..].chunks_exact_mut(4)) {
        let word = number.wrapping_mul(31).wrapping_add(at).to_be_bytes();
        pair.copy_from_slice(&[word[0], word[1], !word[0], !word[1]]);
    }
    frame
}

/// The frames of a case, in the order in which they are sent.
fn frames(whole: &[u8], number: u16, case: &Case) -> Vec<Vec<u8>> {
    let payload = pieces::payload(whole);
    let one = |word: usize| {
        let more = word + 1 < case.words;
        let end = (8 * word + 8 + if more { case.odd } else { 0 }).min(payload.len());
        pieces::piece(whole, number, 8 * word, more, &payload[8 * word..end])
    };
    let mut frames: Vec<_> = case.order.iter().map(|word| one(*word)).collect();
    if let Some(word) = case.twice {
        // Before the last, or it would begin another datagram.
        frames.insert(case.order.iter().position(|other| *other == word).unwrap_or_default(), one(word));
    }
    if let Some((start, words, when)) = case.chaff {
        let end = (start + words).min(case.words - 1);
        if start < end {
            frames.insert(when, pieces::piece(whole, number, 8 * start, true, &vec![0x5a; 8 * (end - start)]));
        }
    }
    frames
}

/// What Tripline rebuilds of frames: the payloads of UDP, with right checksums only.
fn rebuilt(frames: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut defragmenter = Defragmenter::new(Limits::default());
    let mut whole = BTreeSet::new();
    for (seq, bytes) in (0..).zip(frames) {
        let place = Frame {
            bytes,
            wire_len: bytes.len() as u32,
            link: LinkType(1),
            stamp: Time(0),
            clock: Time(0),
            seq,
            number: seq + 1,
        };
        let packet = decode::decode(&place).unwrap();
        let fragment = Fragment::of(&packet, packet.payload.of_bytes(bytes), Time(0), Time(0), seq).unwrap();
        if let Verdict::Whole(datagram) = defragmenter.push(&fragment)
            && decode::checksum::holds(packet.src, packet.dst, 17, datagram.payload)
        {
            whole.insert(datagram.payload[8..].to_vec());
        }
    }
    whole
}

/// What the kernel's UDP socket got of them.
fn received(lab: &Lab, frames: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut receiver = Lab::inside(&lab.ours, "python3");
    let mut receiver = receiver.args(["-c", RECEIVER]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(receiver.stdout.take().unwrap());
    let mut ready = String::new();
    lines.read_line(&mut ready).unwrap();
    assert_eq!(ready, "ready\n");
    let mut text = String::new();
    for frame in frames {
        for byte in frame {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    let mut sender = Lab::inside(&lab.theirs, "python3");
    let mut sender = sender.args(["-c", SENDER]).stdin(Stdio::piped()).spawn().unwrap();
    sender.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(sender.wait().unwrap().success());
    let mut got = String::new();
    lines.read_to_string(&mut got).unwrap();
    assert!(receiver.wait().unwrap().success());
    let byte = |hex: &[u8]| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap();
    got.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

/// Random datagrams in pieces between two addresses: what the kernel got, what Tripline got, and what was sent whole
/// and undisturbed.
fn asked(lab: &Lab, from: &str, to: &str) -> [BTreeSet<Vec<u8>>; 3] {
    let socket = |ip: &str, port| SocketAddr::new(ip.parse::<IpAddr>().unwrap(), port);
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[26; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), seed);
    let (mut all, mut undisturbed) = (Vec::new(), BTreeSet::new());
    for number in 1..=300_u16 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let whole = datagram(socket(from, 40_000), socket(to, 9_999), number, &case);
        if case.chaff.is_none() && case.odd == 0 {
            undisturbed.insert(pieces::payload(&whole)[8..].to_vec());
        }
        all.extend(frames(&whole, number, &case).into_iter().map(|mut frame| {
            // To everybody on the cable: nobody need ask for addresses.
            frame[..6].fill(0xff);
            frame
        }));
    }
    assert!(undisturbed.len() > 50, "{}", undisturbed.len());
    [received(lab, &all), rebuilt(&all), undisturbed]
}

/// A lab with IPv6 in it.
fn lab(name: &str) -> Option<Lab> {
    let lab = Lab::new(name, &["python3"])?;
    let add = format!("-n {} -6 addr add fd99::2/64 dev vb nodad", lab.ours);
    assert!(Command::new("ip").args(add.split(' ')).status().unwrap().success());
    Some(lab)
}

#[test]
fn over_ipv4_nothing_reaches_a_socket_that_is_not_rebuilt_here_byte_for_byte() {
    let Some(lab) = lab("f4") else { return };
    let [kernel, ours, undisturbed] = asked(&lab, "10.99.0.1", "10.99.0.2");
    assert!(
        kernel.is_superset(&undisturbed),
        "the kernel misses {} of {}",
        undisturbed.difference(&kernel).count(),
        undisturbed.len()
    );
    let unseen: Vec<_> = kernel.difference(&ours).collect();
    assert!(
        unseen.is_empty(),
        "{} of {} datagrams reached the socket unseen: {unseen:02x?}",
        unseen.len(),
        kernel.len()
    );
    println!("undisturbed {}, kernel {}, here {}", undisturbed.len(), kernel.len(), ours.len());
}

#[test]
fn over_ipv6_nothing_is_rebuilt_here_that_does_not_reach_a_socket() {
    let Some(lab) = lab("f6") else { return };
    let [kernel, ours, undisturbed] = asked(&lab, "fd99::1", "fd99::2");
    assert!(kernel.is_superset(&undisturbed) && ours.is_superset(&undisturbed));
    let invented: Vec<_> = ours.difference(&kernel).collect();
    assert!(
        invented.is_empty(),
        "{} of {} datagrams never reached the socket: {invented:02x?}",
        invented.len(),
        ours.len()
    );
    println!("undisturbed {}, kernel {}, here {}", undisturbed.len(), kernel.len(), ours.len());
}
