//! Detectors by name: what `-p NAME` and `preset = "NAME"` choose.
//!
//! In: observations, in order. Out: reports that become events. A reference preset does
//! what its original does, faults included, so that both can be compared on one input.
//! Must not know where packets come from, nor where events go.
//! Read next: `scanlogd/mod.rs`.

pub mod scanlogd;
