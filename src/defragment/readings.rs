//! Overlapping fragments: what is read of them, and what is told.
//!
//! In: nothing. Out: tests. Read next: `mod.rs`, `overlap.rs`.

use super::{samples::*, *};
use crate::{config::nets::NetSet, decode::Address};

/// A UDP datagram of 32 bytes to port 53 with a right checksum, and the same with other bytes in its third word.
fn told_in_two_ways() -> ([u8; 32], [u8; 8]) {
    let mut datagram = [0x61; 32];
    datagram[..8].copy_from_slice(&[0x80, 0, 0, 53, 0, 32, 0, 0]);
    let words = |bytes: &[u8]| bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum::<u32>();
    // The pseudo header of 0.0.0.1 and 0.0.0.2, whose addresses add up to 3.
    let sum = words(&datagram) + 3 + 17 + 32;
    let folded = (sum & 0xffff) + (sum >> 16);
    datagram[6..8].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    (datagram, [0x7a; 8])
}

#[test]
fn contradicting_copies_are_read_as_the_target_reads_them_and_it_is_told() {
    let mut policies = Policies::all(Overlap::First);
    let mut windows = NetSet::default();
    windows.add("10.0.0.0/8".parse().unwrap(), false);
    policies.add(windows, Overlap::Last);
    let mut defragmenter = Defragmenter::default().following(policies);
    for (dst, expected) in [([192, 0, 2, 1], 1), ([10, 0, 0, 1], 2)] {
        // Protocol 253 has no checksum that could speak for the one or the other.
        let header = Header { src: Address::v4([192, 0, 2, 9]), dst: Address::v4(dst), protocol: 253, ..HEADER };
        let of = |fragment| Fragment { header, ..fragment };
        defragmenter.push(&of(fragment(0, true, &[1; 16])));
        defragmenter.push(&of(fragment(8, true, &[2; 16])));
        let last = of(fragment(24, false, &[3; 2]));
        let Verdict::Whole(datagram) = defragmenter.push(&last) else { panic!("not whole") };
        assert_eq!(
            datagram.payload,
            [[1; 8], [expected; 8], [2; 8]].concat().into_iter().chain([3; 2]).collect::<Vec<u8>>()
        );
        assert!(datagram.conflict);
    }
    assert_eq!(defragmenter.counts().conflicts, 2);
}

#[test]
fn a_reading_that_no_host_could_take_gives_way_to_one_that_some_host_takes() {
    let (datagram, chaff) = told_in_two_ways();
    let headers = Header { src: Address::v4([0, 0, 0, 1]), dst: Address::v4([0, 0, 0, 2]), protocol: 17, ..HEADER };
    for policy in Overlap::ALL {
        for chaff_first in [false, true] {
            let mut pieces = vec![fragment(16, true, &datagram[16..24]), fragment(16, true, &chaff)];
            if chaff_first {
                pieces.reverse();
            }
            pieces.insert(0, fragment(0, true, &datagram[..16]));
            let mut defragmenter = Defragmenter::default().following(Policies::all(policy));
            for piece in pieces {
                assert!(matches!(defragmenter.push(&Fragment { header: headers, ..piece }), Verdict::Pending));
            }
            let last = Fragment { header: headers, ..fragment(24, false, &datagram[24..]) };
            let Verdict::Whole(whole) = defragmenter.push(&last) else { panic!("not whole") };
            assert_eq!(whole.payload, datagram, "{policy}");
        }
    }
}

#[test]
fn overlaps_that_agree_are_no_contradiction() {
    let mut defragmenter = Defragmenter::default().telling();
    defragmenter.push(&fragment(0, true, &[1; 16]));
    defragmenter.push(&fragment(8, true, &[1; 16]));
    let last = fragment(24, false, &[1; 8]);
    let Verdict::Whole(datagram) = defragmenter.push(&last) else { panic!("not whole") };
    assert!(!datagram.conflict);
    assert_eq!((defragmenter.counts().conflicts, defragmenter.warnings(Time(0)).count()), (0, 0));
}

#[test]
fn a_contradiction_is_told_once_a_datagram_whether_it_is_ever_whole_or_not() {
    for ipv6 in [false, true] {
        let mut defragmenter = Defragmenter::default().telling();
        for bytes in [[1; 8], [2; 8], [3; 8]] {
            let piece = fragment(8, true, &bytes);
            defragmenter.push(&Fragment { header: Header { ipv6, ..HEADER }, seq: u64::from(bytes[0]), ..piece });
        }
        let told: Vec<_> = defragmenter.warnings(Time(0)).collect();
        assert_eq!(told.iter().map(|warning| warning.seq).collect::<Vec<_>>(), [Some(2)]);
        assert_eq!(told[0].event.anomaly.as_ref().unwrap().kind, "overlap");
        assert_eq!(defragmenter.counts().conflicts, 1);
    }
}

#[test]
fn only_linux_takes_an_ipv4_fragment_of_odd_length_and_trims_it() {
    for overlap in Overlap::ALL {
        let mut defragmenter = Defragmenter::default().following(Policies::all(overlap));
        let taken = matches!(defragmenter.push(&fragment(0, true, b"12345678901")), Verdict::Pending);
        assert_eq!(taken, overlap == Overlap::Linux, "{overlap}");
        let last = fragment(8, false, b"end");
        if let Verdict::Whole(datagram) = defragmenter.push(&last) {
            assert_eq!(datagram.payload, b"12345678end");
        }
    }
}

#[test]
fn an_ipv6_overlap_ends_the_datagram_for_good() {
    let mut defragmenter = Defragmenter::default();
    defragmenter.push(&v6(fragment(0, true, &[1; 16])));
    for (offset, more) in [(8, true), (16, true), (24, false)] {
        let late = v6(fragment(offset, more, &[1; 8]));
        assert!(matches!(defragmenter.push(&late), Verdict::Lost(Loss::Overlap)), "even with the same bytes");
    }
    assert_eq!(defragmenter.counts().lost(Loss::Overlap), 4);
}
