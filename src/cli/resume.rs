//! `read --resume STATE`: who may go on where an interrupted run stopped, and from what.
//!
//! In: the flags, a job that is ready, a state if there is one. Out: the archive and the outputs as they stood then; or
//! everything that speaks against it, before anything is opened. A run that could not be undone up to its last state (a screen,
//! a pipe, another machine) is not begun: better none than one that tells things twice.
//! Must not know what is in a state.
//! Read next: `engine/checkpoint.rs` (the file), `read.rs` (who asks).

use std::{fmt::Write as _, io, path::Path};

use sha2::{Digest, Sha256};
use tripline_plugin::{ConfigError, Resume};

use super::{
    Failure, Outcome, args,
    job::{Job, is_screen},
    processors::Processors,
    reporter::Reporter,
    say,
};
use crate::{
    checkpoint::{Kept, Reader},
    config::{Diagnostic, Diagnostics, diagnostic::printable},
    engine::{
        Plan, Reference,
        checkpoint::{Checkpoints, Conditions, EVERY, Found, LastWord, Stage},
        summary::{Delivered, Summary},
    },
    output::{OutputConfig, Policy, Standing},
    rules::OutputSet,
    source::{Archive, Listed, Sizes, Time},
};

/// What to do after advice to begin anew.
const ANEW: &str = "give the command with which it was written, or remove it to begin anew";

/// A run that can be gone on with.
#[derive(Debug)]
pub struct Resuming<'a> {
    path: &'a Path,
    /// Somebody wants to hear of it.
    loud: bool,
    every: u64,
    conditions: Conditions,
    found: Option<Found>,
    /// Where outputs stood, and the stamp of the last event.
    standings: Option<(Vec<Standing>, i64)>,
}

/// What became of the wish to go on.
pub enum Begin<'a> {
    /// There is something to do.
    Run(Box<Resuming<'a>>, Box<Archive>),
    /// All was done before, with this outcome.
    Finished(Outcome),
}

/// Says what of flags and job cannot be taken back.
///
/// # Errors
/// All of it.
pub fn allow(args: &args::Read, outputs: &[OutputConfig], processors: &Processors) -> Result<(), Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut refuse = |what: String, hint: &str| errors.push(Diagnostic::new(format!("--resume: {what}")).hint(hint));
    if args.merge {
        refuse("files that are merged cannot be taken up in the middle".into(), "leave --merge out");
    }
    if args.ledger.is_some() {
        let hint = "leave --ledger out; make it in a run of its own";
        refuse("a ledger hashes whole files, which a run that goes on does not read".into(), hint);
    }
    if processors.is_on() {
        refuse("what stream processors know cannot be written down".into(), "read without them");
    }
    for config in outputs {
        let name = printable(&config.name);
        if is_screen(config) {
            let what = "what standard output was told cannot be taken back, and would be told twice".to_owned();
            refuse(what, "let events go to files alone: -o file:path=scans.jsonl, and rules without `stdout`");
        } else if config.policy == Policy::Withhold {
            // Nothing goes there.
        } else if config.plugin.leaves {
            let what = format!("what left the machine by `{name}` cannot be taken back, and would be told twice");
            refuse(what, "leave --deliver out");
        } else if let Err(ConfigError { option, reason, hint }) =
            (config.plugin.check)(&config.options.clone().with_resume(Resume::Begin))
        {
            let option = option.map(|option| format!("{option}: ")).unwrap_or_default();
            refuse(format!("output `{name}`: {option}{reason}"), hint.as_deref().unwrap_or("leave it out"));
        }
    }
    errors.none_or(())
}

impl<'a> Resuming<'a> {
    /// Looks for a state, and opens what is to be read. `span`: which frames.
    ///
    /// # Errors
    /// The state is of another run, damaged, or something cannot be read twice.
    pub fn begin(
        args: &'a args::Read,
        path: &'a Path,
        job: &Job,
        span: String,
        sizes: Sizes,
    ) -> Result<Begin<'a>, Diagnostics> {
        let wrong = |why: &str, hint: &str| {
            Diagnostics::from(Diagnostic::new(format!("--resume {}: {why}", path.display())).hint(hint))
        };
        let mut found = Found::at(path, job.plan.memory).map_err(|no| wrong(&no.why, no.hint))?;
        let mut conditions = conditions(args, job, span);
        let archive = match &found {
            None => Archive::open(&args.paths, args.order.into(), sizes),
            Some(then) => {
                if let Some(why) = conditions.differ(&then.conditions) {
                    return Err(wrong(&why, ANEW));
                }
                let list: &[Listed] = &then.conditions.inputs;
                Archive::open_again(&args.paths, list, sizes)
                    .map_err(|why| wrong(&format!("it was written for another input: {why}"), ANEW))?
            }
        };
        if let Some(Stage::Finished(status)) = found.as_ref().map(|found| found.stage) {
            if args.judging.quiet == 0 {
                let path = path.display();
                say(&format!(
                    "tripline: the run of {path} is finished; nothing was read. Remove it to read all again\n"
                ));
            }
            return Ok(Begin::Finished(Outcome::of_status(status)));
        }
        conditions.inputs = match &found {
            Some(then) => then.conditions.inputs.clone(),
            None => archive.listed().map_err(|why| wrong(&why, "read without --resume"))?,
        };
        let read = |from: &mut Reader<'_>| Ok((from.list(OutputSet::CAPACITY)?, from.take()?));
        let standings = found.as_mut().map(|found| found.read(read)).transpose();
        let standings = standings.map_err(|unfit| wrong(&unfit.to_string(), "remove it to begin anew"))?;
        let (every, loud) = (args.checkpoint_every.unwrap_or(EVERY), args.judging.quiet == 0);
        Ok(Begin::Run(Box::new(Self { path, loud, every, conditions, found, standings }), Box::new(archive)))
    }

    /// The outputs as they are to be opened: what lies behind the state is taken back.
    #[must_use]
    pub fn outputs(&self, outputs: Vec<OutputConfig>) -> Vec<OutputConfig> {
        let positions = self.standings.iter().flat_map(|(standings, _)| standings).map(|standing| standing.position);
        let asked = positions.map(|position| position.map_or(Resume::Begin, Resume::At));
        let asked = asked.chain(std::iter::repeat(Resume::Begin));
        let resuming = |(config, asked): (OutputConfig, Resume)| OutputConfig {
            options: config.options.clone().with_resume(asked),
            ..config
        };
        outputs.into_iter().zip(asked).map(resuming).collect()
    }

    /// Has the reporter stand where it stood, or writes the first state.
    ///
    /// # Errors
    /// An output cannot be taken back, the state does not fit, or none can be written.
    pub fn start(mut self, reporter: &mut Reporter) -> Result<(Checkpoints, LastWord), Failure> {
        let wrong = |why: String| {
            let error = Diagnostic::new(format!("--resume {}: {why}", self.path.display()));
            Failure::Wrong(Diagnostics::from(error))
        };
        if let Err((name, why)) = reporter.outputs.standings() {
            return Err(wrong(format!("output `{}`: {why}", printable(&name))));
        }
        reporter.is_kept = true;
        if let (Some(found), Some((standings, now))) = (&mut self.found, self.standings) {
            reporter.outputs.go_on(standings, now);
            found.read(|from| reporter.resume(from)).map_err(|unfit| wrong(unfit.to_string()))?;
            let Self { path, loud, every, conditions, found, .. } = self;
            if loud {
                say(&format!("tripline: going on from where {} was written\n", path.display()));
            }
            let checkpoints = Checkpoints::new(path.to_owned(), conditions, every, found);
            let word = checkpoints.last_word();
            return Ok((checkpoints, word));
        }
        let mut checkpoints = Checkpoints::new(self.path.to_owned(), self.conditions.clone(), self.every, None);
        let begun = checkpoints.write(0, Stage::Begun, &mut |to| Kept::keep(reporter, to));
        begun.map_err(|error| wrong(format!("it cannot be written: {error}")))?;
        let word = checkpoints.last_word();
        Ok((checkpoints, word))
    }
}

/// Writes down that a run is finished, unless somebody has to go on.
///
/// # Errors
/// What the operating system says.
pub fn end(last_word: &LastWord, summary: &Summary, outcome: Outcome) -> io::Result<()> {
    let lost = |output: &Delivered| output.lost > 0 || output.error.is_some();
    if summary.stopped || summary.outputs.iter().any(lost) {
        say("tripline: the run is not finished: the same command goes on with it\n");
        return Ok(());
    }
    last_word.say(outcome.status())
}

/// What must be the same for a run to go on. How many workers there are, and how much is said of it, may change.
fn conditions(args: &args::Read, job: &Job, span: String) -> Conditions {
    let Job { plan, rules, outputs, .. } = job;
    let Plan { memory, thresholds, references, .. } = plan;
    let own = thresholds.as_ref().map(|_| "tripline");
    let presets: Vec<&str> = own.into_iter().chain(references.iter().map(Reference::name)).collect();
    let outputs = outputs.iter().map(|OutputConfig { name, plugin, options, format, phases, policy, .. }| {
        format!("{name:?} {} {options:?} {format:?} {phases:?} {policy:?}", plugin.name)
    });
    let settings = [
        ("presets", presets.join(", ")),
        ("memory", memory.to_string()),
        ("key", args.key.map(|key| format!("{key:x}")).unwrap_or_default()),
        ("filter", args.selection.filter.clone().unwrap_or_default()),
        ("span of time", span),
        ("order", format!("{:?}", args.order)),
        // Before the rules, which know the outputs of the command line by their numbers.
        ("outputs", hash(&format_args!("{}", outputs.collect::<Vec<_>>().join("\n")))),
        ("rules", hash(&format_args!("{rules:?}"))),
    ];
    Conditions {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        inputs: Vec::new(),
    }
}

/// The span of time that flags ask for, as text.
pub fn span(selection: &args::Selection) -> String {
    let [since, until] = [selection.since, selection.until].map(|time| time.map(|Time(nanos)| nanos.to_string()));
    match (since, until) {
        (None, None) => String::new(),
        (since, until) => format!("{} to {}", since.unwrap_or_default(), until.unwrap_or_default()),
    }
}

/// The hash of a long text, which is never there as a whole.
fn hash(text: &std::fmt::Arguments<'_>) -> String {
    struct Sum(Sha256);
    impl std::fmt::Write for Sum {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut sum = Sum(Sha256::new());
    let _ = sum.write_fmt(*text);
    sum.0.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
