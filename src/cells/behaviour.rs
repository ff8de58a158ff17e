//! What `docs/DETECTION.md` promises of first contacts and suspicions, as stories told to cells.
//!
//! In: stories of `samples.rs`. What correlate makes of a suspicion is tested beside `verdict.rs`.

use super::{
    Suspicion, What,
    evidence::SAMPLE,
    knock::After,
    samples::{
        ACK, FIN, RST, SYN, Story, abort, back, error, goodbye, host, ping, port_unreachable, refusal, syn, tcp, udp,
        welcome, who_has,
    },
    technique::Technique,
    walk::Ground,
};
use crate::{
    decode::{Address, Kind, Marks, Observation},
    dispatch::Key,
    source::Time,
};
use tripline_plugin::event::Trust;

const DOORS: [u16; 4] = [22, 23, 80, 443];

/// So much memory that a cell's tables grow twice, and so many doors that they do.
const ROOMY: usize = 64 << 20;
const MANY: u16 = 500;

/// Doors as (open, closed, unreachable, silent).
fn doors(s: &Suspicion) -> (u64, u64, u64, u64) {
    let tally = s.evidence.tally;
    (tally.open, tally.closed, tally.unreachable, tally.silent)
}

#[test]
fn four_refusals_make_a_suspect_and_three_do_not() {
    let mut story = Story::new();
    for port in &DOORS[..3] {
        story.refused((2, 40_000), (1, *port));
    }
    assert!(story.suspicions().is_empty());
    let s = story.refused((2, 40_000), (1, 443)).suspicion();
    assert_eq!((s.technique, s.ground, doors(&s)), (Technique::TcpSyn, Ground::Failures, (0, 4, 0, 0)));
}

#[test]
fn speed_makes_no_difference() {
    let mut story = Story::new();
    for port in DOORS {
        story.refused((2, 40_000), (1, port)).wait(900_000);
    }
    assert_eq!(doors(&story.suspicion()), (0, 4, 0, 0));
}

#[test]
fn repeats_count_as_packets_never_as_doors() {
    let mut story = Story::new();
    for _ in 0..20 {
        for port in &DOORS[..3] {
            story.refused((2, 40_000), (1, *port));
        }
    }
    assert!(story.suspicions().is_empty(), "three doors are three doors, however often");
    story.refused((2, 40_000), (1, 443));
    for _ in 0..5 {
        story.refused((2, 40_000), (1, 443));
    }
    let s = story.end().suspicion();
    assert_eq!((doors(&s), s.evidence.packets), ((0, 4, 0, 0), 9));
}

#[test]
fn a_door_knocked_at_in_two_ways_in_turn_is_one_door_to_each() {
    let mut story = Story::new();
    for _ in 0..12 {
        story.refused((2, 40_000), (1, 80)).see(tcp((2, 40_001), (1, 80), FIN)).wait(1_500);
    }
    story.refused((2, 40_000), (1, 81)).end();
    assert!(story.suspicions().is_empty(), "{:#?}", story.suspicions());
}

#[test]
fn another_way_of_knocking_at_a_judged_door_is_a_first_contact() {
    let mut story = Story::new();
    for port in DOORS {
        story.refused((2, 40_000), (1, port));
    }
    for port in DOORS {
        let probe = tcp((2, 40_001), (1, port), FIN);
        story.see(probe).see(Observation { tcp_ack: probe.tcp_seq + 1, ..refusal(&probe) });
    }
    let found: Vec<_> = story.suspicions().iter().map(|(_, s)| (s.technique, doors(s))).collect();
    assert_eq!(found, [(Technique::TcpSyn, (0, 4, 0, 0)), (Technique::TcpFin, (0, 4, 0, 0))]);
}

#[test]
fn answers_that_do_not_echo_their_probe_are_ignored() {
    let off = |o: Observation| Observation { tcp_ack: o.tcp_ack.wrapping_add(7), ..o };
    let mut story = Story::new();
    for port in DOORS {
        let probe = syn((2, 40_000), (1, port));
        let quoting = Observation { tcp_seq: probe.tcp_seq.wrapping_add(7), ..error(&probe, 3, 13) };
        story.see(probe).see(off(refusal(&probe))).see(off(welcome(&probe))).see(quoting);
    }
    let s = story.wait(2_000).look().suspicion();
    assert_eq!(doors(&s), (0, 0, 0, 4), "neither framed nor acquitted");
    assert!(!story.reports().iter().any(|r| matches!(r.what, What::Answered { .. } | What::Alive { .. })));
}

#[test]
fn a_datagram_answers_only_where_the_question_came_from() {
    let mut story = Story::new();
    for port in 1..=8 {
        let probe = udp((2, 40_000), (1, port));
        story.see(probe).see(Observation { dst_port: 40_001, ..back(&probe) });
    }
    assert_eq!(doors(&story.wait(2_000).look().suspicion()), (0, 0, 0, 8));
}

#[test]
fn an_sctp_answer_has_to_bear_the_tag_of_its_probe() {
    let init = |port: u16| Observation {
        kind: Kind::SctpInit,
        protocol: 132,
        tcp_seq: 0xcafe_0000 | u32::from(port),
        ..udp((2, 40_000), (1, port))
    };
    for (tag, expected) in [(0, (0, 4, 0, 0)), (1, (0, 0, 0, 4))] {
        let mut story = Story::new();
        for port in DOORS {
            let probe = init(port);
            let answer =
                Observation { kind: Kind::SctpAbort, tcp_seq: 0, tcp_ack: probe.tcp_seq + tag, ..back(&probe) };
            story.see(probe).see(answer);
        }
        let s = story.wait(2_000).look().suspicion();
        assert_eq!((s.technique, doors(&s)), (Technique::SctpInit, expected));
    }
}

#[test]
fn an_odd_set_with_an_ack_is_refused_as_the_standard_says_by_the_number_that_it_acknowledged() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = Observation { tcp_ack: 0xbeef_0000, ..tcp((2, 40_000), (1, port), SYN | FIN | ACK) };
        story.see(probe).see(Observation { tcp_seq: 0xbeef_0000, tcp_ack: 0, flags: RST, ..back(&probe) });
    }
    let s = story.suspicion();
    assert_eq!((s.technique, doors(&s)), (Technique::TcpOther, (0, 4, 0, 0)));
}

#[test]
fn the_latest_attempt_at_a_silent_door_can_be_answered_too() {
    let mut story = Story::new();
    let (first, second) = (syn((2, 40_000), (1, 80)), syn((2, 40_001), (1, 80)));
    story.see(first).wait(60_000).see(second).see(welcome(&second)).see(goodbye(&second, 10));
    let answered = |r: &super::Report| matches!(r.what, What::Answered { port: 80, .. });
    assert!(story.reports().iter().any(answered), "the terrain has to hear of a door that came back");
}

#[test]
fn a_probe_of_another_kind_close_behind_does_not_hide_the_answer_to_the_first() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(tcp((2, 50_000), (1, port), FIN)).see(refusal(&probe));
    }
    assert_eq!(doors(&story.suspicion()), (0, 4, 0, 0));
}

#[test]
fn a_late_answer_revises_what_was_thought() {
    let mut story = Story::new();
    let probes: Vec<_> = DOORS.map(|port| syn((2, 40_000), (1, port))).to_vec();
    for probe in &probes {
        story.see(*probe);
    }
    assert_eq!(doors(&story.wait(2_000).look().suspicion()), (0, 0, 0, 4));
    let s = story.see(welcome(&probes[0])).see(refusal(&probes[1])).end().suspicion();
    assert_eq!((doors(&s), &s.evidence.found), ((1, 1, 0, 2), &vec![(host(1), 22)]));
}

#[test]
fn a_late_answer_of_a_door_outside_the_scan_does_not_touch_its_numbers() {
    let mut story = Story::new();
    let elsewhere = syn((2, 39_000), (9, 5_000));
    story.see(elsewhere).wait(2_000);
    for port in DOORS {
        story.refused((2, 40_000), (1, port));
    }
    let s = story.see(welcome(&elsewhere)).end().suspicion();
    assert_eq!((doors(&s), s.evidence.found.len()), ((0, 4, 0, 0), 0));
}

#[test]
fn a_probe_that_died_on_the_way_hides_none_that_follows() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = syn((2, 40_000), (1, port));
        story.see(Observation { ttl: 1, ..probe }).see(error(&probe, 11, 0));
    }
    assert!(story.wait(2_000).look().suspicions().is_empty(), "a traced route is no scan");
    for port in DOORS {
        story.refused((2, 40_000), (1, port));
    }
    assert_eq!(doors(&story.suspicion()), (0, 4, 0, 0));
}

#[test]
fn each_way_of_answering_has_its_outcome() {
    let mut story = Story::new();
    for (port, code) in [(1, 3), (2, 13), (3, 1), (4, 10)] {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(error(&probe, 3, code));
    }
    assert_eq!(doors(&story.suspicion()), (0, 1, 3, 0), "port unreachable is closed, any other a router's no");

    let mut story = Story::new();
    for port in DOORS {
        let probe = udp((2, 40_000), (1, port));
        story.see(probe).see(port_unreachable(&probe));
    }
    assert_eq!(doors(&story.suspicion()), (0, 4, 0, 0));
}

#[test]
fn too_big_is_no_answer() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(error(&probe, 3, 4));
    }
    assert_eq!(doors(&story.wait(2_000).look().suspicion()), (0, 0, 0, 4));
}

#[test]
fn silence_is_judged_at_its_exact_time_whoever_looks() {
    let mut often = Story::new().with_ticks();
    let mut seldom = Story::new();
    for story in [&mut often, &mut seldom] {
        for port in DOORS {
            story.see(syn((2, 40_000), (1, port)));
        }
        story.wait(100_000).end();
    }
    let what = |story: &mut Story| format!("{:#?}", story.reports());
    assert_eq!(what(&mut often), what(&mut seldom));
    let due = seldom.reports().into_iter().find(|r| matches!(r.what, What::Suspicion(_))).map(|r| (r.clock, r.seq));
    assert_eq!(due, Some((Time(1_003_000_000), 3)), "a second after the fourth probe, which has the number 3");
}

#[test]
fn a_scan_is_over_when_it_was_quiet_whoever_looks() {
    // The last probe's silence falls due half a second after the scan does: both lie in one wait.
    let mut often = Story::new().with_ticks();
    let mut seldom = Story::new();
    for story in [&mut often, &mut seldom] {
        for port in DOORS {
            story.refused((2, 40_000), (1, port));
        }
        story.wait(3_599_500).see(syn((2, 40_000), (1, 8080))).wait(7_300_000).end();
    }
    let what = |story: &mut Story| format!("{:#?}", story.reports());
    assert_eq!(what(&mut often), what(&mut seldom));
    assert!(seldom.reports().iter().any(|r| matches!(r.what, What::Ended(_)) && r.seq == 0), "it ended by itself");
}

#[test]
fn a_long_scan_reports_each_day() {
    let mut story = Story::new();
    for port in 1..=110 {
        story.refused((2, 40_000), (1, port)).wait(1_800_000);
    }
    let days: Vec<_> = story.reports().iter().filter(|r| matches!(r.what, What::Day(_))).map(|r| r.clock).collect();
    assert_eq!(days.len(), 2);
    assert_eq!(days[1].since(days[0]), 86_400 * Time::SECOND);
}

#[test]
fn flags_that_no_honest_stack_sends_need_no_answers() {
    for (flags, technique) in [(FIN, Technique::TcpFin), (0, Technique::TcpNull), (41, Technique::TcpXmas)] {
        let mut story = Story::new();
        for port in &DOORS[..3] {
            story.see(tcp((2, 40_000), (1, *port), flags));
        }
        let s = story.wait(2_000).look().suspicion();
        assert_eq!((s.technique, s.ground), (technique, Ground::Dishonest));
    }
}

#[test]
fn one_source_port_and_sequence_number_on_three_doors_need_no_failures() {
    let mut story = Story::new();
    for target in 10..13 {
        let probe = Observation { tcp_seq: 7, ..syn((2, 40_000), (target, 80)) };
        story.see(probe).see(welcome(&probe));
    }
    assert_eq!(story.suspicion().ground, Ground::Repeated);
}

#[test]
fn open_doors_that_are_reset_without_a_word_tell_and_say_who_heard_them() {
    let mut story = Story::new();
    for port in 1..=6 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(welcome(&probe)).see(abort(&probe));
    }
    let s = story.end().suspicion();
    assert_eq!((s.ground, s.evidence.trust()), (Ground::HalfOpen, Trust::Reacted));
    assert_eq!(s.evidence.found.len(), 6);
}

#[test]
fn connections_without_a_byte_port_after_port_tell() {
    let mut story = Story::new();
    for port in 1..=10 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(welcome(&probe)).see(goodbye(&probe, 0));
    }
    let s = story.suspicion();
    assert_eq!((s.ground, s.evidence.trust()), (Ground::EmptyConnects, Trust::Confirmed));
}

#[test]
fn who_visits_open_doors_is_no_suspect() {
    let mut story = Story::new();
    for port in 1..=100 {
        story.visit((2, 40_000), (1, port));
    }
    assert!(story.end().suspicions().is_empty());
}

#[test]
fn visits_to_open_doors_buy_no_later_refusals() {
    let mut story = Story::new();
    for port in 100..140 {
        story.visit((2, 40_000), (1, port));
    }
    for port in 1..=10 {
        story.refused((2, 40_000), (1, port));
    }
    assert_eq!(story.suspicion().ground, Ground::Failures);
}

#[test]
fn an_ack_scan_is_seen_by_the_resets_that_it_earns() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = tcp((2, 40_000), (1, port), ACK);
        story.see(Observation { tcp_seq: 9, tcp_ack: 0, flags: RST, ..back(&probe) });
    }
    let s = story.suspicion();
    assert_eq!((s.technique, doors(&s)), (Technique::TcpAck, (0, 4, 0, 0)));
}

#[test]
fn a_fin_ack_on_no_connection_towards_services_is_maimons() {
    let mut story = Story::new();
    for port in DOORS {
        let probe = Observation { tcp_ack: 0xbeef, ..tcp((2, 40_000), (1, port), FIN | ACK) };
        story.see(probe).see(Observation { tcp_seq: 0xbeef, tcp_ack: 0, flags: RST, ..back(&probe) });
    }
    assert_eq!(story.suspicion().technique, Technique::TcpMaimon);
}

#[test]
fn pings_and_arp_requests_are_knocks() {
    let mut story = Story::new();
    for target in 10..40 {
        story.see(ping(2, target)).see(who_has(3, target));
    }
    let mut found: Vec<_> = story.wait(2_000).look().suspicions().into_iter().map(|(a, s)| (a, s.technique)).collect();
    found.sort_unstable();
    assert_eq!(found, [(host(2), Technique::IcmpEcho), (host(3), Technique::Arp)]);
}

#[test]
fn what_goes_to_many_or_to_oneself_knocks_nowhere() {
    let mut story = Story::new();
    for port in 1..=40 {
        let mut o = syn((2, 40_000), (1, port));
        o.marks.set(Marks::TO_MANY);
        story.see(o).see(syn((3, 40_000), (3, port))).see(syn((0, 40_000), (1, port)));
    }
    let nobody = Observation { src: crate::decode::Address(0), ..syn((0, 40_000), (1, 1)) };
    story.see(nobody);
    let found = story.wait(2_000).look().suspicions();
    assert_eq!(found.iter().map(|(source, _)| *source).collect::<Vec<_>>(), [host(0)], "10.0.0.0 is somebody");
}

#[test]
fn the_latest_knocks_are_the_case_so_that_harmless_ones_cannot_fill_it() {
    let mut story = Story::new();
    for port in 1..=300 {
        story.refused((2, 40_000), (1, port));
    }
    let s = story.end().suspicion();
    let ports: Vec<u16> = s.case.iter().map(|k| k.port).collect();
    assert_eq!(ports, (237..=300).collect::<Vec<u16>>());
    assert_eq!((s.evidence.tally.doors(), s.evidence.port_sample.len()), (300, SAMPLE));
}

#[test]
fn every_refusing_host_is_told_alive_not_one_a_network() {
    let mut story = Story::new();
    story.refused((2, 40_000), (10, 80)).refused((2, 40_000), (11, 80));
    let alive = |r: &super::Report| if let What::Alive { target } = r.what { Some(target) } else { None };
    assert_eq!(story.reports().iter().filter_map(alive).collect::<Vec<_>>(), [host(10), host(11)]);
}

#[test]
fn a_first_contact_that_had_to_go_is_in_the_evidence_of_its_scan() {
    let mut story = Story::within(256 * 2_500);
    for port in DOORS {
        story.refused((2, 40_000), (1, port));
    }
    for port in 1_000..1_100 {
        story.see(syn((2, 40_000), (1, port)));
    }
    let lost: u64 = story.cells.iter().map(|cell| cell.losses().contacts).sum();
    let s = story.end().suspicion();
    assert!(lost > 10, "{lost}");
    assert_eq!(s.evidence.evicted, lost);
}

#[test]
fn a_flood_of_suspects_leaves_no_appointments_behind() {
    let mut story = Story::within(256 * 16_384);
    for n in 0..20_000_u32 {
        for port in 1..=3 {
            let src = crate::decode::Address::v4((0x1400_0000 + n).to_be_bytes());
            story.see(Observation { src, ..tcp((2, 40_000), (1, port), 0) });
        }
        if n % 64 == 0 {
            story.wait(1_100);
        }
        if n % 2_000 == 0 {
            story.reports();
            story.forget();
        }
    }
    for cell in &story.cells {
        let held = cell.deadlines.appointments();
        assert!(held <= 256, "{held} appointments for a handful of scans");
        assert!(cell.suspects.bytes() <= 16_384 / 4 + 4_096, "{}", cell.suspects.bytes());
    }
    let lost: u64 = story.cells.iter().map(|cell| cell.losses().suspects).sum();
    assert!(lost > 10_000, "{lost} were counted as given up");
}

/// Doors that are probed and answered, each fifth as one who wants to talk, and what a forger does with each.
fn forged(then: impl Fn(&Observation, u32) -> Option<Observation>) -> Trust {
    let mut story = Story::new();
    for port in 1..=40_u16 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(if port % 5 == 0 { welcome(&probe) } else { refusal(&probe) });
        if let Some(o) = then(&probe, u32::from(port)) {
            story.see(o);
        }
    }
    story.end().suspicion().evidence.trust()
}

#[test]
fn who_resets_every_door_has_not_heard_which_are_open() {
    assert_eq!(forged(|probe, _| Some(abort(probe))), Trust::Spoofable);
    assert_eq!(forged(|probe, port| (port % 5 == 0).then(|| abort(probe))), Trust::Reacted);
}

#[test]
fn a_second_connection_to_the_same_door_is_not_taken_for_the_first() {
    let end = |probe: &Observation| Observation { tcp_seq: 77, tcp_ack: 99, src_port: 50_000, ..goodbye(probe, 0) };
    let both = |story: &mut Story, port: u16| {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(welcome(&probe)).see(end(&probe)).see(goodbye(&probe, 0));
    };
    let mut story = Story::new();
    (1..=10).for_each(|port| both(&mut story, port));
    assert_eq!(story.suspicion().evidence.trust(), Trust::Confirmed);
    assert_eq!(forged(|probe, _| Some(Observation { src_port: 50_000, ..abort(probe) })), Trust::Spoofable);
}

#[test]
fn resets_sent_before_the_answers_prove_nothing() {
    let mut story = Story::new();
    for port in 1..=40 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(abort(&probe)).see(if port % 5 == 0 { welcome(&probe) } else { refusal(&probe) });
    }
    assert_eq!(story.end().suspicion().evidence.trust(), Trust::Spoofable);
}

#[test]
fn ends_with_guessed_numbers_prove_nothing() {
    let guess = |n: u32| n.wrapping_mul(0x9e37_79b9);
    let end = |probe: &Observation, n| Some(Observation { tcp_ack: guess(n), ..goodbye(probe, 0) });
    assert_eq!(forged(end), Trust::Spoofable);
    assert_eq!(forged(|probe, port| (port % 5 == 0).then(|| goodbye(probe, 0))), Trust::Confirmed);
}

#[test]
fn the_end_of_a_connection_that_nobody_saw_accepted_proves_nothing() {
    let mut story = Story::new();
    for port in 1..=10 {
        story.refused((2, 40_000), (1, port));
    }
    for port in 11..=15 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(goodbye(&probe, 0));
    }
    assert_eq!(story.end().suspicion().evidence.trust(), Trust::Spoofable);
}

#[test]
fn who_asked_for_its_target_by_arp_from_where_the_probes_come_is_on_the_link() {
    let (own, routers) = ([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 254]);
    for (asked_from, sent_from, expected) in [(own, own, true), (own, routers, false)] {
        let mut story = Story::new();
        let ask = Observation { mac: asked_from, ..who_has(2, 1) };
        story.see(ask).see(Observation { kind: Kind::ArpReply, ..back(&ask) });
        for port in DOORS {
            let probe = Observation { mac: sent_from, ..syn((2, 40_000), (1, port)) };
            story.see(probe).see(refusal(&probe));
        }
        let s = story.suspicion();
        assert_eq!((s.mac, s.evidence.neighbour), (sent_from, expected));
    }
    let mut unanswered = Story::new();
    unanswered.see(Observation { mac: own, ..who_has(2, 1) });
    for port in DOORS {
        let probe = Observation { mac: own, ..syn((2, 40_000), (1, port)) };
        unanswered.see(probe).see(refusal(&probe));
    }
    let neighbour = unanswered.suspicions().iter().any(|(_, s)| s.evidence.neighbour);
    assert!(!neighbour, "a question alone anybody on the way could have forged");
}

#[test]
fn closing_what_was_never_answered_hides_no_scan_and_a_late_answer_counts() {
    let mut story = Story::new();
    for port in 1..=6 {
        let probe = syn((2, 40_000), (1, port));
        story.see(probe).see(goodbye(&probe, 10)).see(refusal(&probe));
    }
    let found = story.end().suspicions();
    let (_, s) = found.last().unwrap();
    assert_eq!(doors(s), (0, 6, 0, 0), "closed, whatever it pretends");
    let mut silent = Story::new();
    for port in 1..=8 {
        let probe = syn((2, 40_000), (1, port));
        silent.see(probe).see(goodbye(&probe, 10));
    }
    let found = silent.suspicions();
    let (_, s) = found.last().unwrap();
    assert_eq!(doors(s).0, 0, "nothing is open of which nobody heard");
    assert!(s.case.iter().all(|k| k.after == After::Claimed), "{s:#?}");
}

/// Another attempt at the same door.
fn later(o: Observation) -> Observation {
    Observation { src_port: 40_009, tcp_seq: o.tcp_seq ^ 9, ..o }
}

#[test]
fn a_copy_is_no_retry_nor_is_an_older_attempt_that_comes_again() {
    let retried = |then: for<'a> fn(&'a mut Story, Observation) -> &'a mut Story| {
        let mut story = Story::new();
        for port in 1..=4 {
            let probe = syn((2, 40_000), (1, port));
            story.see(probe);
            then(&mut story, probe);
        }
        let s = story.wait(9_000).look().suspicion();
        s.case.iter().filter(|k| k.marks.has(Marks::RETRIED)).count()
    };
    assert_eq!(retried(|story, o| story.see(o)), 0, "a copy");
    assert_eq!(retried(|story, o| story.wait(900).see(o)), 4);
    assert_eq!(retried(|story, o| story.see(later(o)).wait(900).see(o).wait(2_000).see(o)), 0, "the first of two");
}

#[test]
fn who_is_waited_for_falls_silent_wherever_his_contact_has_gone() {
    let mut story = Story::within(ROOMY);
    for port in 1..=MANY {
        story.see(syn((2, 40_000), (1, port)));
    }
    let s = story.wait(5_000).end().suspicion();
    assert_eq!(doors(&s), (0, 0, 0, MANY.into()));
}

#[test]
fn who_waits_is_remembered_with_his_door_wherever_that_has_gone() {
    let mut story = Story::within(ROOMY);
    story.refused((2, 40_000), (1, 22));
    let key = Key::new(5);
    let neighbours = (0..u32::MAX).map(|n| Address::v4((0x0a09_0000 + n).to_be_bytes()));
    let neighbour = neighbours.filter(|address| key.cell(*address) == key.cell(host(2))).nth(1).unwrap();
    for port in 1..=MANY {
        story.refused_to(neighbour, (3, port));
    }
    story.refused((2, 40_000), (1, 23));
    let mut few = story.reports().into_iter().filter(|report| report.source == host(2)).filter_map(|r| match r.what {
        What::Few(knocks) => Some(knocks.iter().map(|k| k.port).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(few.next(), Some(vec![22, 23]));
}
