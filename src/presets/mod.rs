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

/// What it takes for a source to be found by a reference preset, in short: docs/presets.md says it at length.
#[must_use]
pub fn takes(name: &str) -> &'static str {
    match name {
        "scanlogd" => "new ports that weigh 21, 3 each below 1024 and 1 above, never 3 s without one (TCP over IPv4)",
        "libnids" => "11 pairs of target and port, without ACK (TCP over IPv4)",
        "snort-low" => "in 60 s 5 rejects with 5 changes of port or address",
        "snort-medium" => {
            "in 90 s 10 rejects or 200 attempts with 15 changes of port; 7 or 30 with 7 changes of address"
        }
        "snort-high" => "in 600 s 5 rejects or 200 attempts with 10 changes of port; 3 or 30 with 3 changes of address",
        "trw" => "4 hosts at which its first TCP connection failed more than succeeded, within an hour",
        "zeek" => "25 hosts on one port or 15 ports of one host that failed within five minutes (TCP)",
        _ => "",
    }
}

/// Their names.
#[must_use]
pub fn names() -> [&'static str; ALL.len()] {
    ALL.map(|(name, _)| name)
}
