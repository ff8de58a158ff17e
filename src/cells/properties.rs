//! Properties of cells under random traffic: short-cuts change nothing, nor does who looks at the clock when, and no
//! table passes its budget.
//!
//! In: random packets among few hosts and ports, so that they meet; answers that echo and ones that do not.

use proptest::{prelude::*, test_runner::RngSeed};

use super::samples::{Story, abort, back, error, goodbye, port_unreachable, refusal, syn, tcp, udp, welcome};
use crate::decode::{Marks, Observation};

/// What each packet is about.
pub(super) type Act = (u8, u8, u8, u8, u8, u16);

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..3_u8, 0..3_u8, 0..6_u8, 0..6_u8, 0..24_u8, 0..3_000_u16);
    prop::collection::vec(act, 50..500)
}

/// How many milliseconds pass before it, and what it is.
pub(super) fn packet((from, to, source_port, port, what, wait): Act) -> (i64, Observation) {
    let ports = [53, 80, 123, 40_000, 40_001, 50_000];
    let from = (10 + from, ports[usize::from(source_port)]);
    let to = (10 + to, ports[usize::from(port)]);
    let (probe, datagram) = (syn(from, to), udp(from, to));
    let to_many = |o: Observation| Observation { marks: Marks::TO_MANY, ..o };
    let o = match what {
        0..=3 => probe,
        4..=6 => welcome(&probe),
        7 => refusal(&probe),
        8 | 9 => goodbye(&probe, 20),
        10 => abort(&probe),
        11..=14 => datagram,
        15..=17 => back(&datagram),
        18 => port_unreachable(&datagram),
        19 => tcp(from, to, 1),
        20 => tcp(from, to, 2 | 32),
        21 => to_many(if wait % 2 == 0 { probe } else { datagram }),
        22 => error(&probe, 11, 0),
        _ => Observation { tcp_seq: 99, ..probe },
    };
    // Most follow at once, some after a second or two: errands have names for sixteen.
    (if wait < 2_000 { 0 } else { i64::from(wait) - 1_500 }, o)
}

fn play(story: &mut Story, acts: &[Act]) {
    for &act in acts {
        let (wait, o) = packet(act);
        story.wait(wait).see(o);
    }
    story.end();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn settling_errands_changes_nothing(acts in acts(), tight in any::<bool>()) {
        // 8 contacts a cell, or room for all.
        let memory = if tight { 256 * 1_200 } else { 256 * 16_384 };
        let (mut with, mut without) = (Story::within(memory), Story::within(memory).without_errands());
        play(&mut with, &acts);
        play(&mut without, &acts);
        prop_assert_eq!(format!("{:#?}", with.reports()), format!("{:#?}", without.reports()));
        if tight {
            // Nor what is remembered of whom, and for how long.
            for (with, without) in with.cells.iter().zip(&without.cells) {
                prop_assert_eq!(format!("{:?}", with.contacts), format!("{:?}", without.contacts));
            }
        }
    }

    #[test]
    fn it_does_not_matter_when_somebody_looks_at_the_clock(acts in acts()) {
        let (mut often, mut seldom) = (Story::new().with_ticks(), Story::new());
        play(&mut often, &acts);
        play(&mut seldom, &acts);
        prop_assert_eq!(format!("{:#?}", often.reports()), format!("{:#?}", seldom.reports()));
    }
}

#[test]
fn an_errand_is_open_again_when_its_door_is_tried_in_another_way() {
    let tell = |mut story: Story| {
        let probe = syn((2, 40_000), (1, 80));
        story.see(probe).see(welcome(&probe)).see(probe).see(tcp((2, 40_001), (1, 80), 1)).wait(1_100).see(probe);
        story.cells.iter().map(|cell| format!("{:?}", cell.contacts)).collect::<Vec<_>>()
    };
    let room = || Story::within(256 * 1_200);
    assert_eq!(tell(room()), tell(room().without_errands()));
}

#[test]
fn what_was_settled_as_one_that_claims_an_answer_is_open_again_when_it_has_to_go() {
    let tell = |mut story: Story| {
        let probe = syn((2, 40_000), (1, 80));
        story.see(probe).see(goodbye(&probe, 20)).see(goodbye(&probe, 20));
        // Doors that were refused deserve their places longer.
        for port in 100..110 {
            story.refused((2, 40_000), (1, port));
        }
        story.see(goodbye(&probe, 20));
        let left = story.cells.iter().map(|cell| format!("{:?}", cell.contacts)).collect::<Vec<_>>();
        (left, format!("{:#?}", story.end().reports()))
    };
    let room = || Story::within(256 * 1_200);
    assert!(tell(room()) == tell(room().without_errands()));
}
