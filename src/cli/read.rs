//! `tripline read`: captures in, scans out.
//!
//! In: flags. Out: events at the outputs, the summary on standard error, the outcome.
//! Must not know how scans are found; it gives the engine a job and takes what comes.
//! Read next: `job.rs` (what is to be done), `engine/run.rs` (who does it), `reporter.rs`, `summary.rs`.

use anyhow::Context;
use tripline_plugin::OutputPlugin;

use super::{
    Failure, Outcome, args,
    job::{self, Job, Mode},
    progress::Progress,
    reporter::{Reporter, detail},
    say, summary,
};
use crate::{
    config::{Diagnostic, Diagnostics},
    engine::{self, Plan, signals::Stop},
    source::{Archive, Order, Sizes, Window},
};

/// Reads captures and reports the scans in them.
///
/// # Errors
/// Wrong flags, rules or outputs: then nothing was read. Or the system refuses threads.
pub fn read(args: &args::Read, plugins: Vec<OutputPlugin>) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    let (filter, window) = (job::filter(args.filter.as_deref(), &mut errors), window(args, &mut errors));
    let mode = Mode::Read { deliver: args.deliver };
    let Job { plan, rules, outputs } = job::prepare(&args.judging, mode, plugins, errors)?;
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let mut reporter = Reporter::start(rules, outputs, stop)?;
    let mut archive = Archive::open(&args.paths, order(args), sizes(args, plan.shards));
    if let Some(window) = window {
        archive = archive.within(window);
    }
    if args.merge {
        archive = archive.merged();
    }
    reporter.progress = Progress::new(archive.total_bytes(), !args.judging.quiet);
    let plan = Plan { key: args.key, filter, ..plan };
    let totals = engine::run(&mut archive, plan, &mut reporter).context("cannot start the workers")?;
    let mut summary = reporter.finish(&totals);
    (summary.left_out, summary.late) = (archive.left_out(), archive.late());
    say(&summary::render(&summary, detail(&args.judging)));
    Ok(match () {
        () if !summary.is_whole() => Outcome::Incomplete,
        () if args.fail_on_scan && summary.has_scans() => Outcome::ScanReported,
        () => Outcome::Done,
    })
}

/// Which span of capture time, if not all.
fn window(args: &args::Read, errors: &mut Diagnostics) -> Option<Window> {
    let window = Window::new(args.since, args.until);
    if window.is_none() {
        let error = Diagnostic::new("--until: there is no time between --since and it");
        errors.push(error.hint("it must be the later one"));
    }
    window.filter(|_| args.since.is_some() || args.until.is_some())
}

fn order(args: &args::Read) -> Order {
    match args.order {
        args::Order::Time => Order::Time,
        args::Order::Name => Order::Name,
        args::Order::Given => Order::Given,
    }
}

fn sizes(args: &args::Read, workers: usize) -> Sizes {
    let usual = Sizes::for_workers(workers);
    let batch_bytes = args.batch.map_or(usual.batch_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    Sizes { batch_bytes: batch_bytes.max(1), ..usual }
}
