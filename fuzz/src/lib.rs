//! What Tripline promises of any bytes whatever, as plain functions that panic where it is broken.
//!
//! In: bytes that an attacker chose: a capture, a frame, a rules file, a line of events. Out: nothing, or a panic
//! that says which promise does not hold. The same functions serve two runs:
//!
//! - `tests/smoke.rs`: some thousand damaged seeds for each target, the same ones every time, on stable Rust; a part of `make test`.
//! - `fuzz_targets/`: libFuzzer, guided by coverage, for as long as one likes; `make fuzz`.
//!
//! Read next: `capture.rs` (files), `frames.rs` (decode, fragments), `streams.rs`, `rules.rs`, `events.rs`; then `seeds.rs`, `mutate.rs`.

// A target panics on purpose: that is how it speaks.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod capture;
pub mod choices;
pub mod events;
pub mod frames;
pub mod mutate;
pub mod rules;
pub mod seeds;
pub mod streams;

use seeds::Seeds;

/// One promise, and where damage to it may begin.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What `cargo fuzz run` and the smoke run call it.
    pub name: &'static str,
    /// Panics when the promise does not hold of these bytes.
    pub check: fn(&[u8]),
    /// Good inputs.
    pub seeds: fn() -> Seeds,
    /// Executions of the smoke run: about a second of them without optimisation.
    pub smoke: u32,
}

/// All of them. Whoever adds one adds `fuzz_targets/NAME.rs` and its `[[bin]]`, too; a test compares.
pub const TARGETS: [Target; 13] = [
    Target { name: "pcap", check: capture::pcap, seeds: seeds::pcap, smoke: 2_000 },
    Target { name: "pcapng", check: capture::pcapng, seeds: seeds::pcapng, smoke: 2_000 },
    Target { name: "gzip", check: capture::gzip, seeds: || seeds::packed(".gz"), smoke: 1_000 },
    Target { name: "zstd", check: capture::zstd, seeds: || seeds::packed(".zst"), smoke: 1_000 },
    Target { name: "xz", check: capture::xz, seeds: || seeds::packed(".xz"), smoke: 1_000 },
    Target { name: "lz4", check: capture::lz4, seeds: || seeds::packed(".lz4"), smoke: 1_000 },
    Target { name: "run", check: capture::run, seeds: seeds::pcap, smoke: 400 },
    Target { name: "decode", check: frames::decode, seeds: seeds::frames, smoke: 40_000 },
    Target { name: "defragment", check: frames::defragment, seeds: seeds::fragments, smoke: 40_000 },
    Target { name: "streams", check: streams::streams, seeds: seeds::segments, smoke: 20_000 },
    Target { name: "rules", check: rules::rules, seeds: seeds::rules, smoke: 4_000 },
    Target { name: "filter", check: rules::filter, seeds: seeds::filters, smoke: 3_000 },
    Target { name: "events", check: events::events, seeds: seeds::events, smoke: 2_000 },
];

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("no target is called {name}")).check)(bytes);
}
