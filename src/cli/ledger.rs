//! The ledger as a file: what a result rests on, for evidence.
//!
//! In: what the engine noted of each input. Out: JSON. Must not read anything.
//! Source: `docs/evidence.md` is the contract.
//! Read next: `engine/ledger.rs` (where it comes from), `report_file.rs` (how it is written).

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tripline_plugin::stamp;

use crate::{
    engine::ledger::{GAP, Input},
    source::Time,
};

/// The whole ledger; `began` is when the run did.
pub fn render(inputs: &[Input], began: Timestamp, stopped: bool) -> Value {
    json!({
        "ledger": 1,
        "program": concat!("tripline ", env!("CARGO_PKG_VERSION")),
        "began": began.to_string(),
        "stopped": stopped,
        "gap_seconds": GAP / Time::SECOND,
        "inputs": inputs.iter().map(input).collect::<Vec<_>>(),
    })
}

/// One input. What is absent is absent.
fn input(input: &Input) -> Value {
    let mut row = Map::new();
    row.insert("path".to_owned(), input.path.to_string_lossy().into());
    if let Some(file) = &input.file {
        row.insert("bytes".to_owned(), file.bytes.into());
        row.insert("sha256".to_owned(), file.sha256.as_str().into());
    }
    row.insert("packets".to_owned(), input.packets.into());
    if let Some((first, last)) = input.span {
        row.insert("first".to_owned(), stamp::text(first.0).into());
        row.insert("last".to_owned(), stamp::text(last.0).into());
    }
    let gap = |(after, until): &(Time, Time)| json!({"after": stamp::text(after.0), "until": stamp::text(until.0)});
    row.insert("gaps".to_owned(), input.gaps.iter().map(gap).collect());
    if input.more_gaps > 0 {
        row.insert("more_gaps".to_owned(), input.more_gaps.into());
    }
    row.insert("errors".to_owned(), input.errors.as_slice().into());
    row.into()
}
