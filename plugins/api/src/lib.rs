//! The event, the `Output` trait and the test kit: all that an output needs to know of Tripline.

pub mod event;
pub mod identity;
pub mod stamp;

pub use event::Event;
