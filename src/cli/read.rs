//! `tripline read`: captures in, scans out.
//!
//! In: flags. Out: events at the outputs, the summary on standard error, the outcome.
//! Must not know how scans are found; it gives the engine a job and takes what comes.
//! Read next: `job.rs` (what is to be done), `engine/run.rs` (who does it), `reporter.rs`, `summary.rs`.

use std::path::PathBuf;

use anyhow::Context;
use jiff::Timestamp;

use super::{
    Failure, Outcome, Program, args,
    job::{self, Job, Mode},
    ledger,
    progress::Progress,
    report_file::ReportFile,
    reporter::{Reporter, detail},
    resume::{self, Begin, Resuming},
    rules::warn,
    say, summary, summary_file,
};
use crate::{
    config::{Diagnostic, Diagnostics},
    engine::{
        self, Plan, RunError,
        ledger::{Input, Ledger},
        signals::Stop,
        summary::Summary,
    },
    source::{Archive, Sizes, Unpacking},
};

/// Reads captures and reports the scans in them.
///
/// # Errors
/// Wrong flags, rules or outputs: then nothing was read. Or the system refuses threads.
pub fn read(args: &args::Read, program: &Program) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    let (filter, window) = job::selection(&args.selection, &mut errors);
    let mode = Mode::Read { deliver: args.deliver, alone: args.resume.is_some() };
    let mut job = job::prepare(&args.judging, mode, program, errors)?;
    let (sizes, batches) = sizes(args, job.plan.shards);
    let (mut resuming, mut opened) = (None, None);
    if let Some(path) = &args.resume {
        resume::allow(args, &job.outputs, &job.processors)?;
        match Resuming::begin(args, path, &job, resume::span(&args.selection), sizes)? {
            Begin::Finished(outcome) => return Ok(outcome),
            Begin::Run(found, archive) => {
                job.outputs = found.outputs(job.outputs);
                (resuming, opened) = (Some(found), Some(*archive));
            }
        }
    }
    let Job { plan, rules, outputs, processors } = job;
    let reports = Reports::begin(args)?;
    if args.judging.quiet == 0 {
        warn(&rules);
    }
    if args.judging.verbose {
        say(&format!("{}{}\n", job::settings(&plan, &outputs), processors.describe()));
    }
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let (streams, lines) = processors.start(Some(false))?;
    let mut reporter = Reporter::start(rules, outputs, lines, stop)?;
    let mut archive = opened
        .unwrap_or_else(|| Archive::open(&args.paths, args.order.into(), sizes))
        .unpacking(Unpacking::for_workers(plan.shards, args.selection.unpack_memory));
    if let Some(window) = window {
        archive = archive.within(window);
    }
    if args.merge {
        archive = archive.merged();
    }
    let (checkpoints, last_word) = resuming.map(|found| found.start(&mut reporter)).transpose()?.unzip();
    reporter.progress = Progress::new(archive.total_bytes(), args.judging.quiet == 0);
    let plan = Plan { key: args.key, batches, filter, streams, checkpoints, ..plan };
    let (totals, inputs) = if reports.ledger.is_some() {
        let mut ledger = Ledger::of(&mut archive).context("cannot start the ledger")?;
        let totals = engine::run(&mut ledger, plan, &mut reporter).map_err(failure)?;
        let inputs = ledger.finish(totals.stopped);
        (totals, Some(inputs))
    } else {
        (engine::run(&mut archive, plan, &mut reporter).map_err(failure)?, None)
    };
    let mut summary = reporter.finish(&totals);
    (summary.left_out, summary.late) = (archive.left_out(), archive.late());
    say(&detail(&args.judging).map(|detail| summary::render(&summary, detail)).unwrap_or_default());
    reports.write(&summary, inputs.as_deref())?;
    let outcome = match () {
        () if !summary.is_whole() => Outcome::Incomplete,
        () if args.fail_on_scan && summary.has_scans() => Outcome::ScanReported,
        () => Outcome::Done,
    };
    if let Some(last_word) = last_word {
        resume::end(&last_word, &summary, outcome).context("the end of the run could not be written down")?;
    }
    Ok(outcome)
}

/// Why the engine did not begin.
fn failure(error: RunError) -> Failure {
    match error {
        RunError::Pool(error) => Failure::Refused(anyhow::Error::new(error).context("cannot start the workers")),
        RunError::State(unfit) => Diagnostics::from(Diagnostic::new(format!("--resume: {unfit}"))).into(),
    }
}

/// The files about the run that were asked for.
struct Reports {
    began: Timestamp,
    summary: Option<ReportFile>,
    ledger: Option<ReportFile>,
}

impl Reports {
    /// Begins both, before anything is read.
    fn begin(args: &args::Read) -> Result<Self, Diagnostics> {
        let mut errors = Diagnostics::default();
        if args.summary.is_some() && args.summary == args.ledger {
            errors.push(Diagnostic::new("--summary and --ledger name the same file").hint("give each its own"));
            return Err(errors);
        }
        let mut begin = |flag: &str, path: &Option<PathBuf>| {
            let begun = path.as_deref().map(|path| ReportFile::begin(flag, path))?;
            begun.map_err(|error| errors.push(error)).ok()
        };
        let (summary, ledger) = (begin("--summary", &args.summary), begin("--ledger", &args.ledger));
        errors.none_or(Self { began: Timestamp::now(), summary, ledger })
    }

    fn write(self, summary: &Summary, inputs: Option<&[Input]>) -> Result<(), Failure> {
        let ledger = inputs.map(|inputs| ledger::render(inputs, self.began, summary.stopped));
        let summary = summary_file::render(summary);
        for (file, report) in [(self.summary, Some(summary)), (self.ledger, ledger)] {
            if let (Some(file), Some(report)) = (file, report) {
                let path = file.path().display().to_string();
                file.write(&report).with_context(|| format!("{path} could not be written"))?;
            }
        }
        Ok(())
    }
}

fn sizes(args: &args::Read, workers: usize) -> (Sizes, usize) {
    let of = |bytes| Sizes::of_round(usize::try_from(bytes).unwrap_or(usize::MAX));
    args.batch.map_or_else(|| Sizes::of_workers(workers), of)
}
