//! From a frame to what it is: pure, one file a protocol.

pub mod observation;

pub use observation::{Address, Kind, Marks, Observation};
