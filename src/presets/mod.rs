//! Detectors by name: what `-p NAME` and `preset = "NAME"` choose.
//!
//! In: observations, in order. Out: what becomes events. `tripline` is ours: its numbers are here, its
//! logic is in `cells` and `correlate`. A reference preset does what its original does, faults included,
//! so that both can be compared on one input.
//! Must not know where packets come from, nor where events go.
//! Read next: `tripline.rs`, `scanlogd/mod.rs`, then `correlate/reference.rs` (who feeds them).

pub mod scanlogd;
pub mod tripline;
