//! `tripline packets`: what was decoded of each frame, one JSON line a frame.
//!
//! In: captures. Out: lines on standard output; what could not be read on standard error.
//! For who wants to see what the detectors see, and for tests that compare with other decoders.
//! Read next: `decode/describe.rs`, which says what stands in a line.

use std::{
    io::{self, BufWriter, ErrorKind, Write, stdout},
    path::Path,
};

use super::{Failure, Outcome, args, job, say};
use crate::{
    config::{Diagnostics, diagnostic::printable},
    decode::{
        Skip, decode,
        describe::{Described, describe},
    },
    source::{Archive, Batch, Filter, LinkType, Order, Pull, Sizes, Source, Unpacking},
};

/// Describes every frame that was asked for.
///
/// # Errors
/// Wrong flags: then nothing was read. Or standard output cannot be written to.
pub fn packets(args: &args::Packets) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    let (mut filter, window) = job::selection(&args.selection, &mut errors);
    errors.none_or(())?;
    let unpacking = Unpacking::for_workers(1, args.selection.unpack_memory);
    let mut archive = Archive::open(&args.paths, Order::Given, Sizes::default()).unpacking(unpacking);
    if let Some(window) = window {
        archive = archive.within(window);
    }
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    let mut batch = Batch::default();
    let mut outcome = Outcome::Done;
    let mut named = None;
    let written = loop {
        match archive.pull(&mut batch) {
            Pull::Filled => {
                // What makes no sense for a link type keeps none of its frames, which is to be said.
                if let Some(Err(reason)) = filter.as_mut().map(|filter| filter.prepare(&batch)) {
                    outcome = Outcome::Incomplete;
                    say(&format!("tripline: {}\n", printable(&reason)));
                }
                match write_batch(&mut out, &batch, filter.as_ref()) {
                    Ok(None) => {}
                    Ok(Some(unknown)) => {
                        outcome = Outcome::Incomplete;
                        // Once a file, however many batches it fills.
                        if named != batch.origin {
                            named.clone_from(&batch.origin);
                            say(&format!("tripline: {}\n", printable(&unknown.told_of(&batch))));
                        }
                    }
                    Err(error) => break Err(error),
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

/// The first frame of a link type that has no decoder.
struct UnknownLink {
    link: LinkType,
    number: u64,
}

impl UnknownLink {
    fn told_of(&self, batch: &Batch) -> String {
        let file = batch.origin.as_deref().unwrap_or(Path::new("-")).display();
        format!("{file}: frame {}: link type {} is not known: its frames are skipped", self.number, self.link.0)
    }
}

fn write_batch(out: &mut impl Write, batch: &Batch, filter: Option<&Filter>) -> io::Result<Option<UnknownLink>> {
    let mut unknown = None;
    let mut result = Ok(());
    for piece in &batch.pieces {
        batch.walk(piece, |frame| {
            if result.is_err() || filter.is_some_and(|filter| !filter.keeps(&frame)) {
                return;
            }
            let decoded = decode(&frame);
            if decoded == Err(Skip::UnknownLinkType) && unknown.is_none() {
                unknown = Some(UnknownLink { link: frame.link, number: frame.number });
            }
            result = write_line(out, &describe(&frame, &decoded));
        });
    }
    result.map(|()| unknown)
}

fn write_line(out: &mut impl Write, described: &Described) -> io::Result<()> {
    serde_json::to_writer(&mut *out, described)?;
    out.write_all(b"\n")
}
