//! `tripline packets`: what was decoded of each frame, one JSON line a frame.
//!
//! In: captures. Out: lines on standard output; what could not be read on standard error.
//! For who wants to see what the detectors see, and for tests that compare with other decoders.
//! Read next: `decode/describe.rs`, which says what stands in a line.

use std::{
    io::{self, BufWriter, ErrorKind, Write, stdout},
    path::PathBuf,
};

use super::{Failure, Outcome, say};
use crate::{
    config::diagnostic::printable,
    decode::{decode, describe::describe},
    source::{Archive, Batch, Frame, Order, Pull, Sizes, Source},
};

/// Describes every frame.
///
/// # Errors
/// Standard output cannot be written to.
pub fn packets(paths: &[PathBuf]) -> Result<Outcome, Failure> {
    let mut archive = Archive::open(paths, Order::Given, Sizes::default());
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    let mut batch = Batch::default();
    let mut outcome = Outcome::Done;
    let written = loop {
        match archive.pull(&mut batch) {
            Pull::Filled => {
                if let Err(error) = write_batch(&mut out, &batch) {
                    break Err(error);
                }
            }
            Pull::Trouble(trouble) => {
                outcome = Outcome::Incomplete;
                say(&format!("tripline: {}\n", printable(&trouble.to_string())));
            }
            Pull::Idle => {}
            Pull::End => break out.flush(),
        }
    };
    match written {
        // Who reads has seen enough (`… | head`).
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Refused(anyhow::Error::new(error).context("standard output")))
        }
        _ => Ok(outcome),
    }
}

fn write_batch(out: &mut impl Write, batch: &Batch) -> io::Result<()> {
    let mut result = Ok(());
    for piece in &batch.pieces {
        batch.walk(piece, |frame| {
            if result.is_ok() {
                result = write_frame(out, &frame);
            }
        });
    }
    result
}

fn write_frame(out: &mut impl Write, frame: &Frame<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &describe(frame, &decode(frame)))?;
    out.write_all(b"\n")
}
