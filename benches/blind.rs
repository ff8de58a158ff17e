//! How many forged packets must be sent for each true probe, to hide a scan?
//!
//! A scan of one probe a second, at the default budget, judged at the delivered event. The ratio is doubled until the
//! scan goes unnoticed with two of three keys, then halved in between. `docs/DETECTION.md` has the table.
//! No time is measured: a bench, because it takes minutes. `cargo bench --bench blind -- twice` does the rows that match.

// A bench may take the short way, as tests do.
#![allow(clippy::print_stdout)]

#[path = "blind/field.rs"]
mod field;

use field::{Forger, notices};

/// It is enough to know that a row stands above this.
const ENOUGH: u64 = 16_000_000;
/// The same where all cells are shown the flood.
const ENOUGH_OF_ALL: u64 = 65_536;
const KEYS: [u64; 3] = [1, 2, 3];

const FORGER: Forger = Forger { name: "", doors: 1, among: 0, refused: false, at_once: false, whole: false };

const FORGERS: [Forger; 9] = [
    Forger { name: "random sources, nobody answers", ..FORGER },
    Forger { name: "random sources, all refused", refused: true, ..FORGER },
    Forger { name: "each source twice, nobody answers", doors: 2, ..FORGER },
    Forger { name: "each source twice, all refused", doors: 2, refused: true, ..FORGER },
    Forger { name: "each source three times, all refused", doors: 3, refused: true, ..FORGER },
    Forger { name: "all from one /16, all refused", among: 1 << 16, refused: true, ..FORGER },
    Forger { name: "forged scanners of 4 doors", doors: 4, refused: true, whole: true, ..FORGER },
    Forger { name: "forged scanners of 100 doors", doors: 100, refused: true, whole: true, ..FORGER },
    Forger {
        name: "the same, those of a minute at once",
        doors: 100,
        refused: true,
        at_once: true,
        whole: true,
        ..FORGER
    },
];

fn is_noticed(forger: &Forger, ratio: u64) -> bool {
    KEYS.iter().filter(|key| notices(forger, ratio, **key)).count() >= 2
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    println!("| forged packets | to hide one probe |\n|---|---|");
    for forger in FORGERS.iter().filter(|f| wanted.is_empty() || wanted.iter().any(|word| f.name.contains(word))) {
        let enough = if forger.whole { ENOUGH_OF_ALL } else { ENOUGH };
        let mut unnoticed = 4;
        while unnoticed < enough && is_noticed(forger, unnoticed) {
            unnoticed *= 4;
        }
        if unnoticed >= enough {
            println!("| {} | more than {} |", forger.name, unnoticed / 4);
            continue;
        }
        let mut noticed = unnoticed / 4;
        // To a tenth.
        while (unnoticed - noticed) * 10 > unnoticed {
            let middle = unnoticed.midpoint(noticed);
            *(if is_noticed(forger, middle) { &mut noticed } else { &mut unnoticed }) = middle;
        }
        println!("| {} | {unnoticed} |", forger.name);
    }
}
