//! Detectors by name: what `-p NAME` and `preset = "NAME"` choose.
//!
//! In: observations, in order. Out: what becomes events. `tripline` is ours: its numbers are here, its
//! logic is in `cells` and `correlate`. A reference preset does what its original does, faults included,
//! so that both can be compared on one input.
//! Must not know where packets come from, nor where events go.
//! Read next: `tripline.rs`, `scanlogd/mod.rs`, then `correlate/reference.rs` (who feeds them).

mod alarm;
mod attempts;
#[cfg(test)]
mod by_hand;
pub mod libnids;
mod recent;
pub mod scanlogd;
pub mod snort;
pub mod tripline;
pub mod trw;
pub mod zeek;

pub use alarm::Found;

/// All presets: the name, and what it does.
pub const ALL: [(&str, &str); 8] = [
    ("tripline", "Tripline's own judgement, and the default"),
    ("scanlogd", "what scanlogd 2.2.8 logs, line for line"),
    ("libnids", "what the scan detector of libnids 1.26 warns of"),
    ("snort-low", "what Snort 3's port_scan tells at its low level"),
    ("snort-medium", "the same at its medium level"),
    ("snort-high", "the same at its high level"),
    ("trw", "the sequential hypothesis test of Jung et al. 2004"),
    ("zeek", "the notices of Zeek's scan script"),
];

/// Their names.
#[must_use]
pub fn names() -> [&'static str; ALL.len()] {
    ALL.map(|(name, _)| name)
}
