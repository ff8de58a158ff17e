//! `tripline streams`: TCP streams as their receivers read them, one JSON line a stream as it ends.
//!
//! In: captures. Out: lines, or with `--follow` the bytes of one stream, on standard output; what could not be read,
//! and what was not as it should be, on standard error.
//! Must not know how streams are put together.
//! Read next: `streams/digest.rs` (what stands in a line), `docs/streams.md`.

use std::{
    io::{self, BufWriter, ErrorKind, Write, stdout},
    net::SocketAddr,
    sync::mpsc,
};

use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Interest, Processor, Stream};

use super::{Failure, Outcome, Program, args, job, rules, say};
use crate::{
    config::{Diagnostics, diagnostic::printable},
    decode::{self, Skip},
    defragment::Policies,
    output::Setting,
    source::{Archive, Batch, Filter, Pull, Sizes, Source, Unpacking},
    streams::{Intake, Settings},
};

/// Puts all streams together.
///
/// # Errors
/// A filter that cannot be read: then nothing was done. Or standard output cannot be written to.
pub fn streams(args: &args::Streams, program: &Program) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    let (mut filter, window) = job::selection(&args.selection, &mut errors);
    errors.none_or(())?;
    let unpacking = Unpacking::for_workers(1, args.selection.unpack_memory);
    let mut archive = Archive::open(&args.paths, args.order.into(), Sizes::default()).unpacking(unpacking);
    if let Some(window) = window {
        archive = archive.within(window);
    }
    if args.merge {
        archive = archive.merged();
    }
    let setting = Setting { plugins: program.outputs.clone(), ..Setting::default() };
    let policies = match (args.overlap, args.rules.as_slice()) {
        (Some(overlap), _) => Policies::all(overlap),
        (None, []) => Policies::default(),
        (None, paths) => rules::load(paths, &setting, program)?.reassembly,
    };
    let settings = Settings {
        policies,
        checksums: args.checksums,
        memory: usize::try_from(args.memory).unwrap_or(usize::MAX),
        tenants: false,
    };
    let (said, heard) = mpsc::channel();
    let processor: Box<dyn Processor> = match args.follow {
        Some(end) => Box::new(OneStream { end, said: Some(said) }),
        None => Box::new(tripline_streams::Digest),
    };
    let mut intake = Intake::new(settings, vec![processor]);
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    let read = read(&mut archive, filter.as_mut(), &mut intake, &mut |intake| {
        for (_, line) in intake.findings().take_lines() {
            writeln!(out, "{line}")?;
        }
        heard.try_iter().try_for_each(|bytes: Vec<u8>| out.write_all(&bytes))
    });
    let ended = read.and_then(|outcome| out.flush().map(|()| outcome));
    if !args.quiet {
        say(&summary(&intake));
    }
    match ended {
        Ok(outcome) => Ok(outcome),
        // Who reads has seen enough (`… | head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Outcome::Done),
        Err(error) => Err(Failure::Refused(anyhow::Error::new(error).context("standard output"))),
    }
}

/// Feeds all frames; `tell` is called often enough that nothing waits for long.
fn read(
    archive: &mut Archive,
    mut filter: Option<&mut Filter>,
    intake: &mut Intake,
    tell: &mut dyn FnMut(&mut Intake) -> io::Result<()>,
) -> io::Result<Outcome> {
    let (mut batch, mut outcome) = (Batch::default(), Outcome::Done);
    loop {
        match archive.pull(&mut batch) {
            Pull::Filled => {
                if let Some(reason) = filter.as_mut().and_then(|filter| filter.prepare(&batch).err()) {
                    outcome = Outcome::Incomplete;
                    say(&format!("tripline: {}\n", printable(&reason)));
                }
                if let Some(unknown) = feed(&batch, filter.as_deref(), intake, tell)? {
                    outcome = Outcome::Incomplete;
                    say(&format!("tripline: {}\n", printable(&unknown)));
                }
            }
            Pull::Trouble(trouble) => {
                outcome = Outcome::Incomplete;
                say(&format!("tripline: {}\n", printable(&trouble.to_string())));
            }
            Pull::Idle => {}
            Pull::End => break,
        }
    }
    while intake.finish() {
        tell(intake)?;
    }
    tell(intake)?;
    Ok(outcome)
}

/// Feeds one batch; says which link type could not be decoded, if any.
fn feed(
    batch: &Batch,
    filter: Option<&Filter>,
    intake: &mut Intake,
    tell: &mut dyn FnMut(&mut Intake) -> io::Result<()>,
) -> io::Result<Option<String>> {
    let (mut unknown, mut told) = (None, Ok(()));
    for piece in &batch.pieces {
        batch.walk(piece, |frame| {
            if told.is_err() || filter.is_some_and(|filter| !filter.keeps(&frame)) {
                return;
            }
            match decode::decode(&frame) {
                Ok(packet) => intake.packet(&packet, &frame),
                Err(Skip::UnknownLinkType) if unknown.is_none() => {
                    let file = batch.origin_of(frame.seq).map_or("-".into(), |path| path.display().to_string());
                    let (number, link) = (frame.number, frame.link.0);
                    unknown =
                        Some(format!("{file}: frame {number}: link type {link} is not known: its frames are skipped"));
                }
                Err(_) => {}
            }
            told = tell(intake);
        });
    }
    told.map(|()| unknown)
}

/// What was done, and what was not as it should be.
fn summary(intake: &Intake) -> String {
    let counts = intake.counts();
    let ends = End::ALL.into_iter().map(|end| (end.name(), counts.ended(end)));
    let fragments = intake.defragmented().losses().map(|(loss, count)| (loss.name(), count));
    let fates = counts.fates().map(|(fate, count)| (fate.name(), count));
    let conflicts = [("overlap-conflicts", counts.conflicts)];
    let list = |of: &mut dyn Iterator<Item = (&'static str, u64)>| -> String {
        let shown: Vec<_> = of.filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}")).collect();
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    };
    format!(
        "{} segments, {} streams established, {} bytes in order, {} gaps with {} bytes\n  streams ended: {}\n  oddities: {}\n",
        counts.segments,
        counts.established,
        counts.bytes,
        counts.gaps,
        counts.missing,
        list(&mut ends.into_iter()),
        list(&mut fates.chain(fragments).chain(conflicts)),
    )
}

/// Gives the bytes of the first stream that has this end.
struct OneStream {
    end: SocketAddr,
    /// Gone when the stream was found.
    said: Option<mpsc::Sender<Vec<u8>>>,
}

impl Processor for OneStream {
    fn established(&mut self, stream: &Stream) -> Option<Box<dyn Follower>> {
        if stream.client != self.end && stream.server != self.end {
            return None;
        }
        self.said.take().map(|said| Box::new(Copy { said }) as Box<dyn Follower>)
    }
}

struct Copy {
    said: mpsc::Sender<Vec<u8>>,
}

impl Follower for Copy {
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    fn data(&mut self, _: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
        // Nobody who listens any more is no reason to stop.
        let _ = self.said.send(chunk.data.to_vec());
    }

    fn urgent(&mut self, _: &Stream, _: Direction, _: u64, byte: u8, _: &mut Findings) {
        let _ = self.said.send(vec![byte]);
    }
}
