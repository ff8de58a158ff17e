//! `tripline read`: captures in, scans out.
//!
//! In: flags. Out: events at the outputs, the summary on standard error, the outcome.
//! Must not know how scans are found; it gives the engine a job and takes what comes.
//! Read next: `job.rs` (what is to be done), `engine/run.rs` (who does it), `summary.rs`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use jiff::Timestamp;
use tripline_plugin::{Event, OutputPlugin};

use super::{
    Failure, Outcome, args,
    job::{self, Job},
    ledger,
    progress::Progress,
    report_file::ReportFile,
    rules::warn,
    say,
    summary::{self, Detail},
    summary_file,
};
use crate::{
    config::{Diagnostic, Diagnostics, diagnostic::printable},
    engine::{
        self, Sink,
        ledger::{Input, Ledger},
        signals::Stop,
        summary::{Delivered, Summary},
    },
    output::{Outputs, Phases},
    rules::{Route, Router},
    source::{Archive, Trouble},
};

/// Reads captures and reports the scans in them.
///
/// # Errors
/// Wrong flags, rules or outputs: then nothing was read. Or the system refuses threads.
pub fn read(args: &args::Read, plugins: Vec<OutputPlugin>) -> Result<Outcome, Failure> {
    let Job { paths, order, merge, window, sizes, plan, rules, outputs } = job::prepare(args, plugins)?;
    let reports = Reports::begin(args)?;
    if args.quiet == 0 {
        warn(&rules);
    }
    if args.verbose {
        say(&format!("{}\n", job::settings(&plan, &outputs)));
    }
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let screens = outputs.iter().enumerate().filter(|(_, config)| job::is_screen(config));
    let screens = screens.map(|(number, config)| (number, config.phases)).collect();
    let outputs = Outputs::start(outputs).map_err(|refused| {
        let mut errors = Diagnostics::default();
        for refused in refused {
            errors.push(Diagnostic::new(refused.to_string()));
        }
        errors
    })?;
    let mut archive = Archive::open(&paths, order, sizes);
    if let Some(window) = window {
        archive = archive.within(window);
    }
    if merge {
        archive = archive.merged();
    }
    let mut reporter = Reporter {
        router: Router::new(rules),
        outputs,
        screens,
        summary: Summary::default(),
        progress: Progress::new(archive.total_bytes(), args.quiet == 0),
        stop,
        unknown_link: None,
    };
    let workers = "cannot start the workers";
    let (totals, inputs) = if reports.ledger.is_some() {
        let mut ledger = Ledger::of(&mut archive).context("cannot start the ledger")?;
        let totals = engine::run(&mut ledger, plan, &mut reporter).context(workers)?;
        let inputs = ledger.finish(totals.stopped);
        (totals, Some(inputs))
    } else {
        (engine::run(&mut archive, plan, &mut reporter).context(workers)?, None)
    };
    let mut summary = reporter.finish();
    summary.add_totals(&totals);
    summary.left_out = archive.left_out();
    summary.late = archive.late();
    let detail = match (args.quiet, args.verbose) {
        (2.., _) => None,
        (1, _) => Some(Detail::Least),
        (0, true) => Some(Detail::Most),
        (0, false) => Some(Detail::Usual),
    };
    say(&detail.map(|detail| summary::render(&summary, detail)).unwrap_or_default());
    reports.write(&summary, inputs.as_deref())?;
    Ok(match () {
        () if !summary.is_whole() => Outcome::Incomplete,
        () if args.fail_on_scan && summary.has_scans() => Outcome::ScanReported,
        () => Outcome::Done,
    })
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

/// Takes what the engine finds: routes, delivers, counts, complains.
struct Reporter {
    router: Router,
    outputs: Outputs,
    /// Those that write where the progress bar may stand, and which phases they get.
    screens: Vec<(usize, Phases)>,
    summary: Summary,
    progress: Progress,
    stop: Stop,
    /// The last file that was named for its link type: it is named once.
    unknown_link: Option<PathBuf>,
}

impl Reporter {
    /// Says something above the bar.
    fn complain(&mut self, what: &str) {
        self.progress.clear();
        say(&format!("tripline: {}\n", printable(what)));
    }

    /// Tells of outputs that failed or do not get through, each once.
    fn announce_failures(&mut self) {
        for (name, what) in self.outputs.troubles() {
            self.complain(&format!("output `{name}` {what}"));
        }
        for (name, why) in self.outputs.failures() {
            self.complain(&format!("output `{name}` has failed: {why}"));
        }
    }

    /// Counts an event that has been routed, and hands it to its outputs.
    fn deliver(&mut self, event: Event, route: &Route) {
        self.summary.count(&event, route);
        if self.screens.iter().any(|(number, phases)| route.outputs.contains(*number) && phases.pass(&event)) {
            self.progress.step_aside();
        }
        let outputs: Vec<usize> = route.outputs.iter().collect();
        self.outputs.deliver(&Arc::new(event), &outputs);
    }

    /// Tells what limits still hold, and waits for the outputs.
    fn finish(mut self) -> Summary {
        for (digest, route) in self.router.last_digests() {
            self.deliver(digest, &route);
        }
        self.progress.clear();
        self.announce_failures();
        self.summary.stopped = self.stop.is_asked();
        let delivered = self.outputs.finish().into_iter().map(|stats| Delivered {
            name: stats.name,
            delivered: stats.delivered,
            lost: stats.dropped + stats.rejected,
            withheld: stats.withheld,
            error: stats.error,
        });
        self.summary.outputs = delivered.collect();
        self.summary
    }
}

impl Sink for Reporter {
    fn event(&mut self, mut event: Event) {
        let now = self.router.time_of(&event);
        for (digest, route) in self.router.digests(now) {
            self.deliver(digest, &route);
        }
        let route = self.router.route(&mut event);
        self.deliver(event, &route);
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.summary.unread += 1;
        self.complain(&trouble.to_string());
    }

    fn unknown_link(&mut self, path: &Path, number: u64, reason: &str) {
        if self.unknown_link.as_deref() != Some(path) {
            self.unknown_link = Some(path.to_owned());
            self.summary.unread += 1;
            self.complain(&format!("{}: frame {number}: {reason}", path.display()));
        }
    }

    fn progress(&mut self, bytes: u64, frames: u64) -> bool {
        self.progress.advance(bytes, frames);
        self.announce_failures();
        !self.stop.is_asked() && self.outputs.is_alive()
    }
}
