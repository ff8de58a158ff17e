//! What must hold of any stream, and under any flood.
//!
//! In: random ways of cutting, ordering and repeating one stream's bytes; floods. Out: always the same bytes, always
//! within the budget.
//! Read next: `samples.rs`.

use proptest::{collection::vec, prelude::*};
use tripline_plugin::End;

use super::{
    counts::Fate,
    samples::{CLIENT, Story, Told},
};
use crate::{
    decode::{
        Address,
        tcp::flags::{ACK, SYN},
    },
    defragment::Overlap,
};

const TEXT: &str =
    "The quick brown fox jumps over the lazy dog, 0123456789 times, and then again; what a day it was for both.";

/// Segments that hold all of the text, some of it several times, in any order.
fn segments() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let extra = vec((0..TEXT.len(), 1..40_usize), 0..12);
    let cuts = vec(1..30_usize, 8..60);
    (cuts, extra).prop_flat_map(|(cuts, extra)| {
        let (mut all, mut at) = (extra, 0);
        for len in cuts {
            all.push((at, len));
            at += len;
        }
        all.push((at, TEXT.len()));
        all.retain(|(at, _)| *at < TEXT.len());
        Just(all.into_iter().map(|(at, len)| (at, len.min(TEXT.len() - at))).collect::<Vec<_>>()).prop_shuffle()
    })
}

proptest! {
    #[test]
    fn any_way_of_cutting_ordering_and_repeating_gives_the_same_bytes(
        segments in segments(), policy in 0_usize..6, isn: [u32; 2], acks in vec(any::<bool>(), 80),
    ) {
        let mut story = Story::with(64 << 20, Overlap::ALL[policy]);
        story.isn = isn;
        story.handshake();
        let mut got = vec![false; TEXT.len()];
        for ((at, len), acks) in segments.into_iter().zip(acks) {
            story.client(at as i64, &TEXT[at..at + len]);
            got[at..at + len].fill(true);
            if acks {
                let acked = got.iter().take_while(|got| **got).count();
                story.acked(acked as i64);
            }
        }
        story.close(TEXT.len() as i64);
        prop_assert_eq!(story.end(), (TEXT.to_owned(), End::Closed));
    }

    #[test]
    fn acknowledgements_may_overtake_what_they_acknowledge(segments in segments(), ahead in 0_usize..6) {
        let mut story = Story::new();
        story.handshake();
        let mut got = vec![false; TEXT.len()];
        let mut behind = std::collections::VecDeque::new();
        for (at, len) in segments {
            got[at..at + len].fill(true);
            behind.push_back((at, len));
            story.acked(got.iter().take_while(|got| **got).count() as i64);
            while behind.len() > ahead {
                let (at, len) = behind.pop_front().unwrap();
                story.client(at as i64, &TEXT[at..at + len]);
            }
        }
        for (at, len) in behind {
            story.client(at as i64, &TEXT[at..at + len]);
        }
        story.close(TEXT.len() as i64);
        prop_assert_eq!(story.end(), (TEXT.to_owned(), End::Closed));
    }

    #[test]
    fn any_segments_whatever_do_no_harm_and_leave_nothing(
        segments in vec((0_usize..2, any::<u8>(), -100_000_i64..100_000, -100_000_i64..100_000, 0_usize..50, any::<u8>(), any::<[u16; 2]>()), 0..60),
        handshake: bool,
    ) {
        let mut story = Story::with(1 << 20, Overlap::Linux);
        if handshake {
            story.handshake();
        }
        for (by, flags, at, acked, len, ttl, [window, urgent]) in segments {
            let told = story.told(by, flags, at, acked, &TEXT[..len]);
            story.send(&Told { window, urgent, ttl, ..told });
            story.now += i64::from(window) * 100_000;
        }
        story.heard();
    }
}

/// One SYN of so many sources, each with ports of its own.
fn flood(story: &mut Story, syns: u32, most: &mut usize) {
    for n in 0..syns {
        let from = (Address(0xffff_0b00_0000 | u128::from(n)), 1_024 + (n % 60_000) as u16);
        let syn = Told { from, ..story.told(0, SYN, -1, 0, "") };
        story.send(&syn);
        story.now -= 999_000;
        *most = (*most).max(story.table.held());
    }
}

#[test]
fn a_flood_of_syns_pushes_no_established_stream_out() {
    let memory = 4 << 20;
    let (mut story, mut most) = (Story::with(memory, Overlap::Linux), 0);
    story.handshake();
    story.client(0, "before");
    flood(&mut story, 50_000, &mut most);
    story.client(6, " and after");
    story.close(16);
    assert!(most <= memory / 4 + 2_048, "{most}");
    let (heard, counts) = story.heard();
    let survivor: Vec<_> = heard.iter().filter(|heard| heard.established).collect();
    assert_eq!(survivor.len(), 1);
    assert_eq!((survivor[0].to_server.as_str(), survivor[0].end), ("before and after", Some(End::Closed)));
    assert!(counts.of(Fate::HalfOpenMemory) > 40_000 && counts.of(Fate::StreamMemory) == 0, "{counts:?}");
    assert_eq!(counts.ended(End::Attempted), 50_000, "each has its end told");
}

#[test]
fn bytes_out_of_order_fill_no_memory() {
    let memory = 4 << 20;
    let mut story = Story::with(memory, Overlap::Linux);
    let text = "x".repeat(1_000);
    let mut most = 0;
    for host in 0..40 {
        let from = (Address(CLIENT.0.0 + host), CLIENT.1);
        let to = |told: Told| Told {
            from: if told.from == CLIENT { from } else { told.from },
            to: if told.to == CLIENT { from } else { told.to },
            ..told
        };
        for told in [story.told(0, SYN, -1, 0, ""), story.told(1, SYN | ACK, -1, 0, ""), story.told(0, ACK, 0, 0, "")] {
            let scaled = Told { scale: (told.flags & SYN > 0).then_some(10), ..told };
            story.send(&to(scaled));
        }
        story.send(&to(story.told(1, ACK, 0, 0, "")));
        for n in 0..1_000 {
            story.send(&to(story.told(0, ACK, 1 + n * 1_001, 0, &text)));
            most = most.max(story.table.held());
        }
    }
    assert!(most <= memory, "{most}");
    let (heard, counts) = story.heard();
    assert!(counts.of(Fate::PieceMemory) > 10_000, "{counts:?}");
    assert_eq!(heard.len(), 40);
    assert!(heard.iter().all(|heard| heard.to_server.is_empty()), "nothing was ever in order");
}

#[test]
fn one_client_with_many_streams_gives_way_before_another_with_one() {
    let memory = 1 << 20;
    let mut story = Story::with(memory, Overlap::Linux);
    let open = |story: &mut Story, from: (Address, u16)| {
        for (by, flags, at) in [(0, SYN, -1), (1, SYN | ACK, -1), (0, ACK, 0), (0, ACK, 0)] {
            let told = story.told(by, flags, at, 0, if flags == ACK { "hi" } else { "" });
            story.send(&if by == 0 { Told { from, ..told } } else { Told { to: from, ..told } });
        }
    };
    open(&mut story, (Address(0xffff_0c00_0001), 5));
    for port in 1..5_000 {
        open(&mut story, (Address(0xffff_0c00_0002), port));
    }
    assert!(story.table.held() <= memory);
    let (heard, counts) = story.heard();
    assert!(counts.of(Fate::StreamMemory) > 1_000, "{counts:?}");
    // The first that was opened is the only one of its client; it lasts to the end.
    assert_eq!(heard.iter().filter(|heard| heard.end == Some(End::Exiting)).count() as u64, counts.ended(End::Exiting));
    let place = heard.iter().position(|heard| heard.end == Some(End::Exiting)).unwrap();
    assert_eq!(place as u64, counts.ended(End::Displaced));
    assert_eq!(counts.ended(End::Exiting) + counts.ended(End::Displaced), 5_000);
}
