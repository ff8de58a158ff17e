//! What holds for any fragments whatever: tested with random ones.
//!
//! In: nothing. Out: tests. Read next: `mod.rs`.

use proptest::{
    collection::vec,
    prelude::*,
    sample::SizeRange,
    test_runner::{RngSeed, TestCaseError},
};

use super::{samples::*, *};

/// A piece of a datagram, by where it lies in it.
#[derive(Clone, Debug)]
struct Piece {
    start: usize,
    end: usize,
}

/// A datagram cut at multiples of 8 in some order, some pieces twice before the last one.
fn cut_up() -> impl Strategy<Value = (Vec<u8>, Vec<Piece>)> {
    (vec(any::<u8>(), 9..3000), vec(any::<prop::sample::Index>(), 1..40)).prop_flat_map(|(bytes, cuts)| {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| 8 * cut.index(bytes.len() / 8)).collect();
        cuts.extend([0, 8]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.retain(|cut| *cut < bytes.len());
        let ends = cuts.iter().skip(1).copied().chain([bytes.len()]);
        let pieces: Vec<_> = cuts.iter().zip(ends).map(|(start, end)| Piece { start: *start, end }).collect();
        (Just(bytes), Just(pieces).prop_shuffle(), vec(any::<prop::sample::Index>(), 0..5)).prop_map(
            |(bytes, mut pieces, twice)| {
                for index in twice {
                    let at = index.index(pieces.len() - 1);
                    pieces.insert(at, pieces[at].clone());
                }
                (bytes, pieces)
            },
        )
    })
}

/// Any fragments of a few small datagrams: overlapping, contradicting, cut, beyond the end.
fn any_fragments(count: impl Into<SizeRange>) -> impl Strategy<Value = Vec<(Header, u32, bool, u32, Vec<u8>, i64)>> {
    let header = (0..4_u32, any::<bool>()).prop_map(|(id, ipv6)| Header { ipv6, id, ..HEADER });
    let len = prop_oneof![(0..6_u32).prop_map(|n| 8 * n), 0..50_u32, any::<u32>()];
    let offset = prop_oneof![(0..12_u32).prop_map(|n| 8 * n), any::<u32>()];
    vec((header, offset, any::<bool>(), len, vec(0..3_u8, 0..50), 0..Time::SECOND), count)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn any_cut_in_any_order_gives_the_original((bytes, pieces) in cut_up(), ipv6: bool) {
        let fragments: Vec<_> = pieces
            .iter()
            .map(|piece| fragment(piece.start as u32, piece.end < bytes.len(), &bytes[piece.start..piece.end]))
            .map(|fragment| if ipv6 { v6(fragment) } else { fragment })
            .collect();
        prop_assert_eq!(rebuild(&fragments), Some(bytes));
    }

    #[test]
    fn under_a_flood_memory_keeps_its_bound_and_no_fragment_goes_uncounted(
        fragments in any_fragments(1..400),
        bytes in 0..8_000_usize,
        datagrams in 0..6_usize,
    ) {
        let mut defragmenter = Defragmenter::new(Limits {
            bytes,
            source_bytes: bytes / 2,
            datagrams,
            fragments: 9,
            timeout: Time::SECOND,
            timeout_v6: 2 * Time::SECOND,
        });
        let mut clock = Time(0);
        for (header, offset, more, len, payload, pause) in &fragments {
            clock = clock + pause / 16;
            let fragment = Fragment { header: *header, len: *len, clock, ..fragment(*offset, *more, payload) };
            if let Verdict::Whole(datagram) = defragmenter.push(&fragment) {
                prop_assert!(datagram.payload.len() <= datagram.len as usize);
            }
            prop_assert!(defragmenter.held() <= bytes);
            prop_assert!(defragmenter.waiting() <= datagrams);
        }
        defragmenter.finish(clock);
        prop_assert_eq!((defragmenter.held(), defragmenter.waiting()), (0, 0));
        let counts = defragmenter.counts();
        let lost: u64 = counts.losses().map(|(_, count)| count).sum();
        prop_assert_eq!(counts.joined + lost, fragments.len() as u64);
    }

    /// Against the plainest thinkable model, which knows of each word whose it is and nothing else.
    #[test]
    fn each_policy_reads_what_its_model_reads(
        overlap in prop::sample::select(&Overlap::ALL[..]),
        fragments in vec((0..8_u32, 1..5_u32, any::<u8>()), 1..60),
    ) {
        let mut defragmenter = Defragmenter::default().following(Policies::all(overlap));
        let mut model = Model::default();
        let unchecked = |fragment: Fragment<'static>| Fragment { header: Header { protocol: 253, ..HEADER }, ..fragment };
        defragmenter.push(&unchecked(fragment(88, false, &[7; 8])));
        model.put(overlap, 11..12, 7);
        for (start, words, byte) in fragments {
            let payload = vec![byte; 8 * words as usize];
            let piece = Fragment { payload: &payload, ..unchecked(fragment(8 * start, true, &[])) };
            let verdict = defragmenter.push(&Fragment { len: 8 * words, ..piece });
            if !matches!(verdict, Verdict::Lost(Loss::Duplicate)) {
                model.put(overlap, start..start + words, byte);
            }
            match (verdict, model.bytes()) {
                (Verdict::Whole(datagram), Some(bytes)) => {
                    prop_assert_eq!((datagram.payload, datagram.reading), (&bytes[..], overlap));
                    return Ok(());
                }
                (Verdict::Pending | Verdict::Lost(Loss::Duplicate), None) => {}
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
}

/// Whose each word of a datagram of twelve is, and what byte he wrote.
#[derive(Default)]
struct Model {
    words: [Option<(usize, u8)>; 12],
    pieces: usize,
}

impl Model {
    /// Each word changes hands when the policy says so of the new piece and of the run of words that its owner still
    /// has in one.
    fn put(&mut self, overlap: Overlap, new: std::ops::Range<u32>, byte: u8) {
        let (before, owner) = (self.words, self.pieces);
        self.pieces += 1;
        for at in new.clone() {
            let same = |word: u32| before.get(word as usize).is_some_and(|other| *other == before[at as usize]);
            let takes = before[at as usize].is_none() || {
                let start = (0..=at).rev().take_while(|word| same(*word)).last().unwrap();
                let end = (at..12).take_while(|word| same(*word)).last().unwrap() + 1;
                match overlap {
                    Overlap::First => false,
                    Overlap::Last => true,
                    Overlap::Linux => start >= new.start,
                    Overlap::Bsd => start > new.start,
                    Overlap::Windows => start > new.start && end < new.end,
                    Overlap::Solaris => start > new.start && end <= new.end,
                }
            };
            if takes {
                self.words[at as usize] = Some((owner, byte));
            }
        }
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        Some(self.words.iter().copied().collect::<Option<Vec<_>>>()?.iter().flat_map(|(_, byte)| [*byte; 8]).collect())
    }
}
