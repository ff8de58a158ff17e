//! Whose evidence a packet is: from batches in order to cells in parallel.
//!
//! In: the observations of each batch. Out: the same, sorted by the 256 cells that own them.
//! Cells are fixed; a shard is the set of cells that one worker runs, so `--shards` changes
//! nothing but the speed. Must not know what cells do with what they get.
//! Read next: `hash.rs` (which cell), `errand.rs`, `scatter.rs` (the sort), `pool.rs` (the workers), then `cells`.

mod errand;
mod flows;
pub mod hash;
pub mod owner;
pub mod pool;
#[cfg(test)]
mod samples;
pub mod scatter;

pub use errand::WINDOW;
pub use hash::{CELLS, Key, KeyMaker};
pub use owner::{Role, owners};
pub use pool::{Pool, PoolError};
pub use scatter::{Lead, Names, Scattered, Sighting};
