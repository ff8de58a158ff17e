//! `tripline watch`: live wires in, scans out, until a signal.
//!
//! In: flags. Out: a start line, events at the outputs, the same summary as `read`'s at the end.
//! Everything that needs root is opened first; then it becomes somebody who may do nothing, before the first
//! packet is looked at. SIGHUP reads the rules anew and reopens files; wrong rules leave the old ones at work.
//! Must not know how frames are captured or scans found.
//! Read next: `reporter.rs`, `engine/privileges.rs`, `source/live.rs`.

use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use tripline_plugin::Event;

use super::{
    Failure, Outcome, Program, args,
    job::{self, Job, Mode},
    reporter::{Reporter, detail},
    say, summary,
};
use crate::{
    config::{Diagnostic, Diagnostics, diagnostic::printable, units::show_size},
    engine::{
        self, Plan, Sink,
        privileges::{self, Denied},
        signals::{Hangup, Stop},
    },
    rules::{Detect, Rules},
    source::{
        Live, Sizes, Trouble,
        live::{Backend, Wanted},
    },
};

/// Bytes of a frame that hold all headers, and whatever is in it.
const HEADERS: u32 = 256;
const WHOLE: u32 = 262_144;

/// Whom root becomes unless told otherwise.
const NOBODY: &str = "nobody";

/// Watches until a signal comes or nothing is left to watch.
///
/// # Errors
/// Wrong flags, rules, interfaces or outputs: then nothing was watched. Or the system refuses a step to less power.
pub fn watch(args: &args::Watch, program: &Program) -> Result<Outcome, Failure> {
    let mut errors = Diagnostics::default();
    // libpcap's ring has the kernel filter; without one it is done here. Checked is it here either way,
    // since libpcap alone would ask the network for names.
    let filter = job::filter(args.filter.as_deref(), &mut errors).filter(|_| args.backend == args::Backend::Raw);
    let Job { plan, rules, outputs, processors } = job::prepare(&args.judging, Mode::Watch, program, errors)?;
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let hangup = Hangup::on_signal().context("cannot listen for signals")?;
    // Nobody can aim at a table whose order he cannot know.
    let key = getrandom::u64().context("the system gives no random number")?;
    // Detection needs no more than headers; what hosts say is behind them.
    let snaplen = args.snaplen.unwrap_or(if processors.is_on() { WHOLE } else { HEADERS });
    let mut live = open(args, snaplen)?;
    let described = processors.describe();
    let (streams, lines) = processors.start(Some(true))?;
    let reporter = Reporter::start(rules, outputs, lines, stop)?;
    if let Some(user) = args.user.as_deref().or_else(|| privileges::is_root().then_some(NOBODY)) {
        privileges::become_user(user).map_err(denied)?;
    }
    if args.judging.quiet == 0 {
        let words = start_line(args, snaplen, &live, &plan, reporter.router.rules());
        say(&format!("{}\n", printable(&format!("{words}{described}"))));
    }
    let mut watcher = Watcher { reporter, hangup, args, program };
    let totals = engine::run(&mut live, Plan { key: Some(key), batches: 1, filter, streams, ..plan }, &mut watcher)
        .context("cannot start the workers")?;
    let mut summary = watcher.reporter.finish(&totals);
    // A signal is how a watch ends.
    summary.stopped = false;
    say(&detail(&args.judging).map(|detail| summary::render(&summary, detail)).unwrap_or_default());
    Ok(if summary.is_whole() { Outcome::Done } else { Outcome::Incomplete })
}

/// A name that cannot be is a wrong word; all else is the machine's refusal.
fn denied(error: Denied) -> Failure {
    match error {
        Denied::NoUser(_) | Denied::NotRoot(_) => {
            let mut errors = Diagnostics::default();
            errors.push(Diagnostic::new(format!("--user: {error}")));
            Failure::Wrong(errors)
        }
        Denied::Step { .. } | Denied::Left { .. } => Failure::Refused(anyhow::Error::new(error)),
    }
}

fn open(args: &args::Watch, snaplen: u32) -> Result<Live, Diagnostics> {
    let mut interfaces = args.interface.clone();
    interfaces.sort();
    interfaces.dedup();
    let wanted = Wanted {
        interfaces,
        backend: match args.backend {
            args::Backend::Pcap => Backend::Pcap,
            args::Backend::Raw => Backend::Raw,
        },
        snaplen,
        buffer: args.buffer,
        promiscuous: !args.no_promisc,
        filter: args.filter.clone(),
    };
    Live::open(&wanted, Sizes::of_wires()).map_err(|refused| {
        let mut errors = Diagnostics::default();
        for refused in refused {
            let error = Diagnostic::new(format!("cannot watch {}", printable(&refused.to_string())));
            errors.push(match refused.hint {
                Some(hint) => error.hint(hint),
                None => error,
            });
        }
        errors
    })
}

/// What is watched, with what, for whom.
fn start_line(args: &args::Watch, snaplen: u32, live: &Live, plan: &Plan, rules: &Rules) -> String {
    let names: Vec<_> = live.wires().map(|(name, _)| name.display().to_string()).collect();
    let promiscuous = if args.no_promisc { ", own traffic only" } else { "" };
    let buffer = match args.backend {
        args::Backend::Pcap => format!("{} of ring each", show_size(args.buffer.into())),
        args::Backend::Raw => "a plain socket, losses unknown".to_owned(),
    };
    let filter = args.filter.as_deref().map(|filter| format!(", only `{filter}`")).unwrap_or_default();
    let ours = plan.thresholds.as_ref().map(|_| super::known::TRIPLINE);
    let presets: Vec<&str> = ours.into_iter().chain(plan.references.iter().map(engine::Reference::name)).collect();
    let mut outputs: Vec<&str> = rules.outputs.iter().map(|entry| entry.name.as_str()).collect();
    outputs.extend(args.judging.output.iter().map(String::as_str));
    if outputs.is_empty() {
        outputs.push("screen");
    }
    format!(
        "tripline: watching {}{promiscuous}{filter} ({} a frame, {buffer}); presets {}; tables {}; {} workers; outputs {}; as {}",
        names.join(", "),
        show_size(snaplen.into()),
        presets.join(", "),
        show_size(plan.memory as u64),
        plan.shards,
        outputs.join(", "),
        privileges::whoami(),
    )
}

/// A reporter that can be told to look at its rules and files anew.
struct Watcher<'a> {
    reporter: Reporter,
    hangup: Hangup,
    args: &'a args::Watch,
    program: &'a Program,
}

impl Watcher<'_> {
    /// Reads the rules anew and reopens files. Whatever is wrong, watching goes on.
    fn reload(&mut self) {
        self.reporter.reopen();
        match job::prepare(&self.args.judging, Mode::Watch, self.program, Diagnostics::default()) {
            Err(errors) => say(&format!("{errors}tripline: the old rules stay at work\n")),
            Ok(job) => {
                let (taken, words) = compare(self.reporter.router.rules(), &job.rules);
                if taken {
                    self.reporter.reload(job.rules);
                }
                self.reporter.complain(&words);
            }
        }
    }
}

/// Whether new rules can take the place of the old ones while running, and what differs.
fn compare(old: &Rules, new: &Rules) -> (bool, String) {
    let outputs = |rules: &Rules| -> Vec<_> {
        rules.outputs.iter().map(|entry| (entry.name.clone(), entry.table.clone())).collect()
    };
    if outputs(old) != outputs(new) {
        return (false, "files reopened; outputs differ, which needs a restart: the old rules stay at work".to_owned());
    }
    let names = |rules: &Rules| rules.rules.iter().map(|rule| rule.name.to_string()).collect::<Vec<_>>();
    let (before, after) = (names(old), names(new));
    let only = |these: &[String], those: &[String], word: &str| -> Vec<String> {
        these.iter().filter(|name| !those.contains(name)).map(|name| format!("{word} \"{name}\"")).collect()
    };
    let changes = [only(&after, &before, "new"), only(&before, &after, "gone")].concat();
    let changes = if changes.is_empty() { String::new() } else { format!(": {}", changes.join(", ")) };
    let detect = if same(&old.detect, &new.detect) { "" } else { "; [detect] differs, which needs a restart" };
    let reassembly =
        if old.reassembly == new.reassembly { "" } else { "; [reassembly] differs, which needs a restart" };
    let processors =
        if old.processors == new.processors { "" } else { "; [processors] differs, which needs a restart" };
    (true, format!("files reopened, {} rules read anew{changes}{detect}{reassembly}{processors}", after.len()))
}

/// Whether both ask for the same detection, wherever it stands in the files.
fn same(old: &Detect, new: &Detect) -> bool {
    let thresholds = |detect: &Detect| -> Vec<_> {
        detect.thresholds.iter().map(|(name, threshold)| (name.clone(), threshold.value)).collect()
    };
    (&old.presets, old.memory, thresholds(old)) == (&new.presets, new.memory, thresholds(new))
}

impl Sink for Watcher<'_> {
    fn event(&mut self, event: Event) {
        self.reporter.event(event);
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.reporter.trouble(trouble);
    }

    fn unknown_link(&mut self, path: &Path, number: u64, reason: &str) {
        self.reporter.unknown_link(path, number, reason);
    }

    fn line(&mut self, processor: usize, line: String) {
        self.reporter.line(processor, line);
    }

    fn progress(&mut self, bytes: u64, frames: u64) -> bool {
        if self.hangup.take() {
            self.reload();
        }
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        self.reporter.digests(now);
        self.reporter.progress(bytes, frames)
    }
}
