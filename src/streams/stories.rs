//! What a stream is, and what evaders try: each a story of a few segments.
//!
//! In: stories. Out: what followers were given must be what the hosts read.
//! Read next: `samples.rs` (how they are told), `properties.rs`.

use super::{
    counts::Fate,
    samples::{Heard, Story, Told},
    segment::Sum,
};
use crate::{
    decode::tcp::flags::{ACK, FIN, PSH, RST, SYN, URG},
    defragment::Overlap,
    source::Time,
};
use tripline_plugin::End;

fn said(text: &str, end: End) -> (String, End) {
    (text.to_owned(), end)
}

#[test]
fn a_stream_is_read_from_handshake_to_close() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "GET /");
    story.say(1, ACK | PSH, 0, 5, "200 OK");
    story.say(0, ACK | FIN, 5, 6, "");
    story.say(1, ACK, 6, 6, " and more");
    story.say(1, ACK | FIN, 15, 6, "");
    assert_eq!(story.ended(), 1, "it is over with the second FIN");
    story.say(0, ACK, 6, 16, "");
    story.say(1, ACK | FIN, 15, 6, "");
    let (heard, counts) = story.heard();
    let expected = Heard {
        to_server: "GET /".into(),
        to_client: "200 OK and more".into(),
        end: Some(End::Closed),
        established: true,
        midstream: false,
    };
    assert_eq!(heard, [expected]);
    assert_eq!((counts.of(Fate::AfterEnd), counts.bytes, counts.established), (2, 20, 1));
}

#[test]
fn late_and_repeated_segments_change_nothing_and_numbers_may_wrap() {
    let mut story = Story::new();
    story.handshake();
    let text = "0123456789abcdefghijklmnopqrstuvwxyz";
    for at in [30, 10, 20, 10, 0, 0] {
        story.client(at, &text[at as usize..(at as usize + 10).min(36)]);
    }
    story.close(36);
    assert_eq!(story.end(), said(text, End::Closed));
}

/// What scans look like: streams that never were.
#[test]
fn attempts_end_by_the_answer_that_they_got() {
    let end = |tell: &dyn Fn(&mut Story)| {
        let mut story = Story::new();
        story.say(0, SYN, -1, 0, "");
        tell(&mut story);
        let (heard, _) = story.heard();
        assert!(!heard[0].established);
        (heard.len(), heard[0].end.unwrap())
    };
    assert_eq!(end(&|_| ()), (1, End::Attempted));
    assert_eq!(end(&|story| story.wait(100)), (1, End::Attempted));
    assert_eq!(end(&|story| story.say(1, RST | ACK, 0, 0, "")), (1, End::Refused));
    assert_eq!(end(&|story| story.say(1, SYN | ACK, -1, 0, "")), (1, End::HalfOpen));
    let scanned = |story: &mut Story| {
        story.say(1, SYN | ACK, -1, 0, "");
        story.reset(0, 0);
        story.wait(2);
    };
    assert_eq!(end(&scanned), (1, End::HalfOpen));
    let forged = |story: &mut Story| story.say(1, RST | ACK, 0, 77, "");
    assert_eq!(end(&forged), (1, End::Attempted), "a reset that echoes nothing refuses nothing");
}

#[test]
fn a_reset_counts_exactly_where_its_receiver_waits_for_it() {
    for (at, ended, text) in
        [(4, 1, "data"), (5, 0, "data!"), (50_000, 0, "data!"), (500_000, 0, "data!"), (0, 0, "data!")]
    {
        let mut story = Story::new();
        story.handshake();
        story.client(0, "data");
        story.acked(4);
        story.reset(0, at);
        assert_eq!(story.ended(), ended, "{at}");
        story.wait(3);
        story.client(4, "!");
        story.acked(5);
        story.wait(3);
        story.say(0, ACK, 5, 0, "");
        assert_eq!(story.end(), said(text, if ended == 1 { End::Reset } else { End::Exiting }), "{at}");
    }
}

#[test]
fn an_inexact_reset_counts_when_silence_follows() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "data");
    story.reset(0, 9);
    story.wait(11);
    assert_eq!(story.end(), said("data", End::Reset));
}

/// Each sort of chaff comes before, and after, what the host really reads.
#[test]
fn chaff_that_the_host_refuses_is_never_read() {
    type Change = fn(&mut Told);
    let sorts: [(&str, Change, Fate); 6] = [
        ("checksum", |told| told.sum = Sum::Wrong, Fate::Checksum),
        ("unfinished checksum of an honest sender", |told| told.sum = Sum::Unfinished, Fate::Checksum),
        ("low TTL", |told| told.ttl = 9, Fate::DoubtfulTtl),
        ("old timestamp", |told| told.timestamp = Some(5), Fate::DoubtfulTimestamp),
        ("acknowledges what was not sent", |told| told.ack = told.ack.wrapping_add(9_000), Fate::DoubtfulAck),
        ("without ACK", |told| told.flags = PSH, Fate::WithoutAck),
    ];
    for (sort, change, fate) in sorts {
        for before in [true, false] {
            let mut story = Story::new();
            for told in
                [story.told(0, SYN, -1, 0, ""), story.told(1, SYN | ACK, -1, 0, ""), story.told(0, ACK, 0, 0, "")]
            {
                let timestamp = Some(1_000);
                story.send(&Told { timestamp, ..told });
            }
            for at in 0..4 {
                let words = ["GET ", "/pas", "swd ", "HTTP"];
                let real = Told { timestamp: Some(1_001), ..story.told(0, ACK, at * 4, 0, words[at as usize]) };
                let mut chaff = Told { timestamp: Some(1_001), ..story.told(0, ACK, at * 4, 0, "XXXX") };
                change(&mut chaff);
                // Beyond the end, too, and for nobody to replace.
                let mut beyond = Told { timestamp: Some(1_001), ..story.told(0, ACK, at * 4 + 4, 0, "YYYY") };
                change(&mut beyond);
                let order = if before { [&chaff, &beyond, &real] } else { [&real, &chaff, &beyond] };
                for told in order {
                    story.send(told);
                }
                let ack = Told { timestamp: Some(1_001), ..story.told(1, ACK, 0, at * 4 + 4, "") };
                story.send(&ack);
            }
            story.close(16);
            let (heard, counts) = story.heard();
            assert_eq!((heard.len(), heard[0].to_server.as_str()), (1, "GET /passwd HTTP"), "{sort}, before: {before}");
            assert_eq!(heard[0].end, Some(End::Closed), "{sort}");
            assert!(counts.of(fate) > 0, "{sort}: {counts:?}");
        }
    }
}

#[test]
fn a_doubtful_segment_that_is_acknowledged_after_all_was_read() {
    let mut story = Story::new();
    story.handshake();
    let other_route = Told { ttl: 58, ..story.told(0, ACK, 0, 0, "by another way") };
    story.send(&other_route);
    story.acked(14);
    let again = Told { ttl: 58, ..story.told(0, ACK, 14, 0, " again") };
    story.send(&again);
    story.close(20);
    let (heard, counts) = story.heard();
    assert_eq!(heard[0].to_server, "by another way again");
    assert_eq!(counts.of(Fate::DoubtfulTtl), 1, "the way is known to be good from then on");
}

#[test]
fn what_lies_beyond_the_window_is_not_read() {
    for at in [60_000, 200_000, 0x4000_0000, -0x4000_0000] {
        let mut story = Story::new();
        story.handshake();
        story.client(at, "chaff");
        story.client(0, "data");
        story.acked(4);
        story.client(4 + at, "chaff");
        story.close(4);
        assert_eq!(story.end(), said("data", End::Closed), "{at}");
    }
}

#[test]
fn a_closed_window_takes_nothing() {
    let mut story = Story::new();
    story.handshake();
    let closed = Told { window: 4, ..story.told(1, ACK, 0, 0, "") };
    let shut = Told { window: 0, ..story.told(1, ACK, 0, 60_000, "") };
    // The window that was open at first is used up.
    let bulk = "b".repeat(60_000);
    story.send(&closed);
    story.client(0, &bulk);
    story.send(&shut);
    story.client(60_000, "chaff");
    story.say(1, ACK, 0, 60_000, "");
    story.client(60_000, "real!");
    story.acked(60_005);
    story.close(60_005);
    let (text, end) = story.end();
    assert_eq!((&text[59_998..], end), ("bbreal!", End::Closed));
}

#[test]
fn windows_are_scaled_when_both_sides_say_so() {
    for (scale, read) in [(Some(7), true), (None, false)] {
        let mut story = Story::new();
        for told in [story.told(0, SYN, -1, 0, ""), story.told(1, SYN | ACK, -1, 0, ""), story.told(0, ACK, 0, 0, "")] {
            story.send(&Told { scale: if told.flags & SYN > 0 { scale } else { None }, ..told });
        }
        story.acked(0);
        story.client(1_000_000, "far");
        let (_, counts) = story.heard();
        assert_eq!(counts.of(Fate::OutOfWindow) == 0, read);
    }
}

#[test]
fn missing_bytes_are_a_gap_and_no_end() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "first");
    story.client(10, "third");
    story.acked(15);
    story.wait(2);
    story.client(15, "fourth");
    story.close(21);
    assert_eq!(story.end(), said("first[5]thirdfourth", End::Closed));
}

#[test]
fn what_the_host_misses_too_is_waited_for() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "first");
    story.client(10, "third");
    story.acked(5);
    story.wait(30);
    story.client(5, " two ");
    story.acked(15);
    story.close(15);
    assert_eq!(story.end(), said("first two third", End::Closed));
}

#[test]
fn urgent_bytes_come_beside_the_stream() {
    let mut story = Story::new();
    story.handshake();
    for (at, urgent, text) in [(0, 3, "abcd"), (4, 0, "efgh"), (8, 1, "i")] {
        let told = Told { urgent, ..story.told(0, ACK | URG, at, 0, text) };
        story.send(&told);
    }
    story.close(9);
    assert_eq!(story.end(), said("ab<c>d<e>fgh<i>", End::Closed));
}

#[test]
fn overlaps_go_by_the_policy_of_who_reads_them() {
    for (overlap, text) in [(Overlap::First, "first!"), (Overlap::Last, "fiLAST"), (Overlap::Solaris, "first!")] {
        let mut story = Story::with(64 << 20, overlap);
        story.handshake();
        story.client(1, "irst!");
        story.client(2, "LAST");
        story.client(0, "f");
        story.close(6);
        assert_eq!(story.end(), said(text, End::Closed), "{overlap}");
    }
}

#[test]
fn a_handshake_with_false_numbers_beside_the_true_ones_is_seen_through() {
    let mut story = Story::new();
    let false_syn = Told { seq: 7, ttl: 9, ..story.told(0, SYN, -1, 0, "") };
    let false_answer = Told { seq: 9, ..story.told(1, SYN | ACK, -1, 0, "") };
    story.send(&false_syn);
    story.say(0, SYN, -1, 0, "");
    story.client(0, "chaff before the answer");
    story.send(&false_answer);
    story.say(1, SYN | ACK, -1, 0, "");
    story.say(0, ACK, 0, 0, "");
    story.client(0, "data");
    story.acked(4);
    story.say(0, SYN, 3_000, 0, "");
    story.client(4, " goes on");
    story.close(12);
    assert_eq!(story.end(), said("data goes on", End::Closed));
}

#[test]
fn a_reset_that_the_client_does_not_obey_refuses_nothing() {
    let mut story = Story::new();
    story.say(0, SYN, -1, 0, "");
    story.say(1, RST | ACK, 0, 0, "");
    story.say(1, SYN | ACK, -1, 0, "");
    story.say(0, ACK, 0, 0, "");
    story.client(0, "data");
    story.close(4);
    assert_eq!(story.end(), said("data", End::Closed));
}

#[test]
fn both_may_begin_and_data_may_come_with_the_first() {
    let mut story = Story::new();
    story.say(0, SYN, -1, 0, "");
    story.say(1, SYN, -1, 0, "");
    story.say(0, SYN | ACK, -1, 0, "");
    story.say(1, SYN | ACK, -1, 0, "");
    story.say(0, ACK, 0, 0, "data");
    story.close(4);
    assert_eq!(story.end(), said("data", End::Closed));

    for (acked, text) in [(4, "fastdata"), (0, "data")] {
        let mut story = Story::new();
        story.say(0, SYN, -1, 0, "fast");
        story.say(1, SYN | ACK, -1, acked, "");
        story.say(0, ACK, acked, 0, "data");
        story.close(acked + 4);
        assert_eq!(story.end(), said(text, End::Closed), "{acked} bytes on the SYN were taken");
    }
}

#[test]
fn a_stream_is_met_under_way_and_one_side_is_enough() {
    let mut story = Story::new();
    story.client(0, "half a request");
    story.say(1, ACK, 0, 14, "an answer");
    story.close(14);
    let (heard, _) = story.heard();
    assert!(heard.len() == 1 && heard[0].midstream, "{heard:?}");
    assert_eq!((heard[0].to_server.as_str(), heard[0].to_client.as_str()), ("half a request", "an answer"));

    // The answers went another way.
    let mut story = Story::new();
    story.say(0, SYN, -1, 0, "");
    story.say(0, ACK, 0, 0, "");
    story.client(0, "one ");
    story.client(4, "sided");
    story.wait(2);
    story.client(9, " talk");
    assert_eq!(story.end(), said("one sided talk", End::Exiting));
}

#[test]
fn ports_are_used_again() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "old");
    // The old one died unseen; the server accepts a new one.
    story.isn = [5_000, 6_000];
    story.say(0, SYN, -1, 0, "");
    story.say(1, SYN | ACK, -1, 0, "");
    story.say(0, ACK, 0, 0, "");
    story.client(0, "new");
    story.close(3);
    // And once more, at once behind the end.
    story.isn = [500_000, 600_000];
    story.handshake();
    story.client(0, "newer");
    story.close(5);
    let (heard, _) = story.heard();
    let told: Vec<_> = heard.iter().map(|heard| (heard.to_server.as_str(), heard.end.unwrap())).collect();
    assert_eq!(told, [("old", End::TimedOut), ("new", End::Closed), ("newer", End::Closed)]);
}

#[test]
fn a_sender_that_leaves_checksums_to_its_card_is_recognised() {
    let mut story = Story::new();
    let unfinished = |mut told: Told| {
        told.sum = Sum::Unfinished;
        told
    };
    story.send(&unfinished(story.told(0, SYN, -1, 0, "")));
    story.say(1, SYN | ACK, -1, 0, "");
    story.send(&unfinished(story.told(0, ACK, 0, 0, "")));
    let chaff = Told { sum: Sum::Wrong, ..story.told(0, ACK, 0, 0, "chaff") };
    story.send(&chaff);
    story.send(&unfinished(story.told(0, ACK, 0, 0, "bytes")));
    // Another part of the system, which does not offload.
    story.reset(0, 5);
    assert_eq!(story.end(), said("bytes", End::Reset));
}

#[test]
fn a_stream_on_which_nobody_speaks_is_over_in_the_end() {
    let mut story = Story::new();
    story.handshake();
    story.client(0, "data");
    story.wait(3_600);
    assert_eq!(story.ended(), 0);
    story.wait(2 * 3_600);
    assert_eq!(story.ended(), 1);
    story.wait(60);
    assert_eq!(story.table.held(), 0, "and then forgotten");
    assert_eq!(story.end(), said("data", End::TimedOut));
}

#[test]
fn a_half_open_stream_lasts_a_minute_however_often_it_is_asked_for() {
    let mut story = Story::new();
    for _ in 0..70 {
        story.say(0, SYN, -1, 0, "");
        story.now += Time::SECOND;
    }
    assert_eq!(story.ended(), 1);
}

#[test]
fn a_syn_with_fin_or_garbage_does_no_harm() {
    let mut story = Story::new();
    for flags in 0..=255_u8 {
        story.say(0, flags, i64::from(flags), i64::from(flags) * 77, "x");
        story.say(1, flags.reverse_bits(), i64::from(flags), 0, "y");
    }
    let (heard, counts) = story.heard();
    assert!(counts.segments == 512 && !heard.is_empty());
    let mut story = Story::new();
    story.handshake();
    story.say(0, ACK | FIN, 0, 0, "all in one");
    story.say(0, ACK, 10, 0, "behind the end");
    story.say(1, ACK | FIN, 0, 11, "");
    assert_eq!(story.end(), said("all in one", End::Closed));
}
