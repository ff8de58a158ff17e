//! Probes as each program makes them, and that nothing else is taken for them.
//!
//! In: the rules by which the programs fill their headers, written down once more in words of the tests. Out: the name.

use proptest::{prelude::*, test_runner::RngSeed};

use super::{Probe, Sign, Traces, sign};
use crate::{
    cells::samples::{ping, syn, tcp, udp},
    decode::{Marks, Observation, Telltale},
};

/// What a program sends to its so manieth door.
type Program = fn(u32) -> Observation;

/// What a scan of these first contacts shows.
fn traces(probes: impl IntoIterator<Item = Observation>) -> Traces {
    let mut traces = Traces::default();
    for o in probes {
        let target = o.dst.as_v4().filter(|_| o.protocol == 6);
        let Observation { src_port, tcp_seq: seq, ttl, marks, .. } = o;
        let dont_fragment = marks.has(Marks::DONT_FRAGMENT);
        traces.add(&Probe { sign: sign(&o), target, port: o.dst_port, src_port, seq, ttl, dont_fragment });
    }
    traces
}

fn named(probes: impl IntoIterator<Item = Observation>) -> Option<String> {
    traces(probes).tool().map(|tool| tool.name)
}

/// A number that looks drawn, the same in each run.
fn drawn(n: u32) -> u32 {
    let mixed = n.wrapping_add(1).wrapping_mul(0x9e37_79b9);
    (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b) ^ mixed >> 7
}

fn v4(o: &Observation) -> u32 {
    o.dst.as_v4().unwrap()
}

/// A Linux kernel's SYN.
fn kernel(n: u32) -> Observation {
    let src_port = 32_768 + (drawn(n) % 14_000) as u16 * 2;
    let marks = Marks(Marks::TCP_OPTIONS.0 | Marks::DONT_FRAGMENT.0);
    let (tcp_seq, ip_id) = (drawn(n + 7_000), drawn(n + 9_000) as u16);
    Observation { tcp_seq, window: 64_240, ip_id, marks, ..syn((2, src_port), (n as u8, 80)) }
}

fn zmap(n: u32) -> Observation {
    let Observation { tcp_seq, .. } = kernel(n);
    Observation { tcp_seq, ip_id: 54_321, window: 65_535, ttl: 255, ..syn((2, 40_000 + n as u16), (n as u8, 443)) }
}

fn masscan(n: u32) -> Observation {
    let o = Observation { tcp_seq: drawn(n), ttl: 255, ..syn((2, 47_606), (n as u8, 80 + n as u16 % 3)) };
    Observation { ip_id: (v4(&o) ^ o.tcp_seq) as u16 ^ o.dst_port, ..o }
}

fn mirai(n: u32) -> Observation {
    let o = Observation { ip_id: drawn(n) as u16, window: 5_840, ..syn((2, 31_000), (n as u8, 23)) };
    Observation { tcp_seq: v4(&o), ..o }
}

/// The second attempt at each third door.
fn nmap(n: u32, flags: u8) -> Observation {
    let attempt = u32::from(n.is_multiple_of(3));
    let tcp_seq = 0xc51f_3a97 ^ (attempt << 16 | attempt);
    let marks = if flags & 2 != 0 { Marks(Marks::MSS_ONLY.0 | Marks::TCP_OPTIONS.0) } else { Marks::default() };
    let Observation { ip_id, .. } = kernel(n);
    let ttl = 37 + (drawn(n) % 23) as u8;
    Observation { tcp_seq, ip_id, marks, ttl, ..tcp((2, 48_771 + attempt as u16), (1, n as u16), flags) }
}

fn unicornscan(n: u32) -> Observation {
    let o = syn((2, 20_000 + n as u16), (1 + n as u8 % 4, 7 * n as u16));
    let ports = (u32::from(o.dst_port) << 16) + u32::from(o.src_port);
    Observation { tcp_seq: 0x1234_5678 ^ v4(&o).swap_bytes() ^ ports, ip_id: drawn(n) as u16, window: 4_096, ..o }
}

fn hping(n: u32) -> Observation {
    let Observation { ip_id, .. } = kernel(n);
    let (tcp_seq, tcp_ack) = (drawn(n) >> 1, drawn(n + 5_000) >> 1);
    Observation { tcp_seq, tcp_ack, ip_id, window: 512, ..syn((2, 1_663 + n as u16), (1, n as u16)) }
}

#[test]
fn each_program_is_known_by_the_relations_that_it_makes() {
    let stories: [(&str, Program); 9] = [
        ("zmap", zmap),
        ("zmap", |n| Observation { telltale: Telltale::TimeOfDay, ..kernel(n) }),
        ("masscan", masscan),
        ("mirai", mirai),
        ("nmap", |n| nmap(n, 2)),
        ("unicornscan", unicornscan),
        ("hping3", hping),
        ("ipeye", |n| Observation { tcp_seq: 1_958_810_375, ..syn((2, 4_000), (1, n as u16)) }),
        ("synscan", |n| Observation { ip_id: 39_426, ..tcp((2, 4_000), (n as u8, 53), 3) }),
    ];
    for (name, make) in stories {
        assert_eq!(named((1..5).map(make)).as_deref(), Some(name));
        assert_eq!(named((1..2).map(make)), None, "{name}: one probe is no series");
    }
    assert_eq!(named((1..20).map(kernel)), None);
}

#[test]
fn nmap_is_known_whatever_flags_it_sets() {
    for flags in [0, 1, 2, 3, 4, 8, 41] {
        assert_eq!(named((1..8).map(|n| nmap(n, flags))).as_deref(), Some("nmap"), "{flags}");
    }
    // With the ACK flag the acknowledgement holds what else the sequence number does.
    let with_ack = |n| Observation { tcp_ack: nmap(n, 17).tcp_seq, tcp_seq: 0, ..nmap(n, 17) };
    assert_eq!(named((1..8).map(with_ack)).as_deref(), Some("nmap"));
}

#[test]
fn an_unseen_ack_scan_of_nmap_is_known_by_the_numbers_in_the_resets() {
    let mut unseen = Traces::default();
    for port in 1..5 {
        let sign = Sign::Acknowledged as u8;
        let target = Some(1);
        unseen.add(&Probe { sign, target, port, src_port: 55_672, seq: 0xcc6f_1233, ttl: 0, dont_fragment: false });
    }
    assert_eq!(unseen.tool().map(|tool| tool.name).as_deref(), Some("nmap"));
}

#[test]
fn nmap_without_tcp_is_known_by_its_hop_limits_and_its_pings() {
    let datagram = |n: u32, ttl: u8| Observation { ttl, ..udp((2, 44_014), (1, n as u16)) };
    let drawn_anew = |n| datagram(n, 37 + (drawn(n) % 23) as u8);
    assert_eq!(named((1..40).map(drawn_anew)).as_deref(), Some("nmap"));
    assert_eq!(named((1..6).map(drawn_anew)), None, "five could be a changing path");
    assert_eq!(named((1..40).map(|n| datagram(n, 20 + (n / 2) as u8))), None, "a traced route only rises");
    assert_eq!(named((1..40).map(|n| datagram(n, 57 + (n % 2) as u8))), None, "two paths");
    assert_eq!(named((1..40).map(|n| datagram(n, drawn(n) as u8))), None, "drawn from all there are");
    let pings =
        |id: fn(u32) -> u16| (1..5).map(move |n| Observation { src_port: id(n), dst_port: 0, ..ping(2, n as u8) });
    assert_eq!(named(pings(|n| drawn(n) as u16)).as_deref(), Some("nmap"));
    assert_eq!(named(pings(|_| 77)), None, "one identifier is how every ping does it");
}

#[test]
fn masscan_is_known_by_its_questions_whatever_else_it_asks() {
    let probe = |n: u32| {
        let port = [53, 123, 161, 500][n as usize % 4];
        let telltale = if port == 53 || port == 161 { Telltale::Bound } else { Telltale::None };
        Observation { telltale, ..udp((2, 48_319), (n as u8, port)) }
    };
    let tool = traces((1..40).map(probe)).tool().unwrap();
    assert_eq!((tool.name.as_str(), tool.confidence), ("masscan", 0.99));
    assert!(tool.evidence[0].contains("19 of 19 probes"), "{:?}", tool.evidence);
}

#[test]
fn what_half_of_the_probes_contradict_is_not_said() {
    let mixed = |share: u32| traces((0..100).map(move |n| if n % 10 < share { masscan(n) } else { kernel(n) })).tool();
    assert_eq!(mixed(5), None);
    let mostly = mixed(7).unwrap();
    assert_eq!((mostly.name.as_str(), (0.69..=0.7).contains(&mostly.confidence)), ("masscan", true));
}

#[test]
fn what_is_usual_for_a_program_is_no_sign_of_it() {
    let marks = Marks(Marks::MSS_ONLY.0 | Marks::TCP_OPTIONS.0);
    let window_of_nmap = |n| Observation { tcp_seq: drawn(n), marks, window: 1_024, ..syn((2, 4_000), (1, n as u16)) };
    assert_eq!(named((1..50).map(window_of_nmap)), None, "drawn numbers are not nmap's");
    let no_number = |n| Observation { tcp_seq: 0, ..window_of_nmap(n) };
    assert_eq!(named((1..50).map(no_number)), None, "who sets none has none");
    let counters = |n: u32| Observation { tcp_seq: 0, ..syn((2, 32_000 + n as u16), (n as u8, 23)) };
    assert_eq!(named((0..50).map(counters)), None, "ports and addresses that count up together");
    let counted = |n: u32| Observation { tcp_seq: n, ..syn((2, 32_000), (n as u8, 23)) };
    assert_eq!(named((0..50).map(counted)), None, "numbers and addresses that count up together");
    let ttl = |n| Observation { tcp_seq: drawn(n), ttl: 255, window: 65_535, ..syn((2, 4_000), (1, n as u16)) };
    assert_eq!(named((1..50).map(ttl)), None);
}

#[test]
fn source_ports_are_told_by_how_they_go() {
    let ports = |port: fn(u32) -> u16| traces((1..40).map(|n| syn((2, port(n)), (1, n as u16)))).source_ports();
    assert_eq!(ports(|_| 40_000), Some("one source port"));
    assert_eq!(ports(|n| (65_530 + n) as u16), Some("source ports that count up"));
    assert_eq!(traces((1..40).map(kernel)).source_ports(), Some("source ports as Linux gives them out"));
    assert_eq!(ports(|n| drawn(n) as u16), None);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Every field drawn, two to forty probes: a name would be a wonder of one in a million for each test.
    #[test]
    fn honest_numbers_are_never_named(
        numbers in prop::collection::vec(any::<(u32, u16, u16, u16, u8)>(), 2..40),
        options in any::<bool>(),
    ) {
        let marks = if options { Marks::TCP_OPTIONS } else { Marks::default() };
        let probes: Vec<_> = numbers.iter().zip(1..).map(|(&(tcp_seq, ip_id, src_port, window, ttl), port)| {
            Observation { tcp_seq, window, ip_id, marks, ttl, ..syn((2, src_port), (1, port)) }
        }).collect();
        prop_assert_eq!(traces(probes.clone()).tool(), None);
        let datagrams = probes.iter().map(|o| Observation { protocol: 17, kind: crate::decode::Kind::Udp, ..*o });
        prop_assert_eq!(traces(datagrams).tool(), None);
    }
}
