//! The summary of a run as a file, for programs.
//!
//! In: a [`Summary`]. Out: JSON with the same numbers that a person sees, all of them.
//! Must not count anything.
//! Source: `docs/evidence.md` is the contract.
//! Read next: `summary.rs` (the same for a person), `report_file.rs` (how it is written).

use serde_json::{Map, Value, json};
use tripline_plugin::{Event, event::EventType, stamp};

use crate::{
    engine::summary::{Delivered, Summary, Worst},
    rules::names::{self, Words, word_for},
};

/// All of a summary.
pub fn render(summary: &Summary) -> Value {
    let scans = &summary.scans;
    let mut report = json!({
        "summary": 1,
        "program": concat!("tripline ", env!("CARGO_PKG_VERSION")),
        "complete": summary.is_whole(),
        "stopped": summary.stopped,
        "inputs_not_read": summary.unread,
        "frames": summary.frames,
        "bytes": summary.wire_bytes,
        "packets": summary.protocols,
        "skipped": summary.skipped,
        "filtered": summary.filtered,
        "left_out": {"frames": summary.left_out.frames, "files": summary.left_out.files},
        "late_files": summary.late,
        "syns": summary.syns,
        "syn_acks": summary.syn_acks,
        "clock_steps_back": summary.rebased,
        "copies": summary.copies,
        "evicted": summary.evicted,
        "forgotten": summary.forgotten,
        "streams": summary.streams,
        "scans": {
            "total": scans.total(),
            "by_severity": named(names::SEVERITIES, scans.by_severity.iter()),
            "by_kind": named(names::KINDS, scans.by_kind.iter()),
            "by_technique": scans.by_technique,
            "worst": scans.worst.iter().map(event).collect::<Vec<_>>(),
        },
        "anomalies": summary.anomalies,
        "silenced": summary.silenced,
        "held_back": summary.held,
        "outputs": summary.outputs.iter().map(output).collect::<Vec<_>>(),
    });
    if let (Some((first, last)), Some(report)) = (summary.span, report.as_object_mut()) {
        report.insert("first".to_owned(), stamp::text(first.0).into());
        report.insert("last".to_owned(), stamp::text(last.0).into());
    }
    report
}

/// Counts by the words of events.
fn named<'c, T: PartialEq + 'c>(words: Words<T>, counts: impl Iterator<Item = (&'c T, &'c u64)>) -> Map<String, Value> {
    counts.map(|(meaning, count)| (word_for(words, meaning).to_owned(), (*count).into())).collect()
}

/// One of the worst scans, as `eve` tells it.
fn event(worst: &Worst) -> Value {
    let Worst { source, target, scan } = worst;
    let event = Event {
        src_ip: *source,
        dest_ip: *target,
        scan: Some(Box::new(scan.clone())),
        ..Event::new(EventType::Scan, scan.end)
    };
    serde_json::to_value(event).unwrap_or_default()
}

fn output(output: &Delivered) -> Value {
    let Delivered { name, delivered, lost, withheld, error } = output;
    let mut row = json!({"name": name, "delivered": delivered, "lost": lost, "withheld": withheld});
    if let (Some(error), Some(row)) = (error, row.as_object_mut()) {
        row.insert("error".to_owned(), error.as_str().into());
    }
    row
}
