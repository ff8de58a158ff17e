//! A scan is seen through a flood of forged packets. The bench `blind` measures how far that goes; this holds it to a part.
//!
//! One cell stands for all, with its share of the flood and of the default budget.

#[path = "../../benches/blind/field.rs"]
mod field;

use field::{Forger, notices};

const RANDOM: Forger = Forger { name: "random", doors: 1, among: 0, refused: true, at_once: false, whole: false };

#[test]
fn a_scan_of_a_probe_a_second_is_seen_through_a_million_forged_ones_for_each() {
    assert!(notices(&RANDOM, 1_000_000, 7));
}

#[test]
fn sources_that_come_twice_or_thrice_or_are_neighbours_or_look_like_scanners_hide_no_one() {
    let forgers = [
        (Forger { name: "each source twice", doors: 2, ..RANDOM }, 30_000),
        (Forger { name: "each source thrice", doors: 3, ..RANDOM }, 30_000),
        (Forger { name: "all from one /16", among: 1 << 16, ..RANDOM }, 500_000),
        (Forger { name: "forged scanners", doors: 4, whole: true, ..RANDOM }, 500),
    ];
    for (forger, ratio) in forgers {
        assert!(notices(&forger, ratio, 7), "{ratio}: {}", forger.name);
    }
}
