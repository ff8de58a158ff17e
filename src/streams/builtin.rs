//! THE list of built-in stream processors. One joins by its line here and in `Cargo.toml`.
//!
//! In: nothing. Out: the cards, in the order of help texts. Explicit on purpose: what is not
//! written here is not in the program.
//!
//! Read next: `docs/processors.md` (how to write one).

use tripline_plugin::ProcessorPlugin;

/// Every processor that comes with the program.
#[must_use]
pub fn builtin() -> Vec<ProcessorPlugin> {
    vec![tripline_streams::PLUGIN, tripline_probe_payload::PLUGIN]
}
