//! Detection presets: ours, and the reference ones that reproduce other programs.
//!
//! In: nothing but what each file says. Out: thresholds; reference detectors that run in sequence.

pub mod tripline;
