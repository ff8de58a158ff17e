//! The command line: from words to work, and from what came of it to an exit status.
//!
//! In: the program's arguments and its plugins. Out: events on standard output, all
//! else on standard error, and the one place where exit statuses are made.
//! Must not find scans: it asks the engine.
//!
//! Read next: `args.rs` (every flag), `read.rs` and `watch.rs` (the main commands), `summary.rs`, `progress.rs`.

pub mod args;
pub mod interfaces;
pub mod job;
pub mod known;
pub mod ledger;
pub mod packets;
pub mod plugins;
pub mod processors;
pub mod progress;
pub mod read;
pub mod report_file;
pub mod reporter;
pub mod resume;
pub mod rules;
pub mod rules_test;
pub mod sample_events;
pub mod streams;
pub mod summary;
pub mod summary_file;
pub mod watch;
pub mod when;
pub mod why;

use std::{
    io::{Write, stderr},
    process::ExitCode,
};

use clap::Parser;
use tripline_plugin::{OutputPlugin, ProcessorPlugin};

use crate::{config::Diagnostics, output};
use args::{Cli, Command};

/// The program with its plugins, about to run.
#[derive(Clone, Debug)]
pub struct Program {
    outputs: Vec<OutputPlugin>,
    processors: Vec<ProcessorPlugin>,
}

/// The program with the outputs and stream processors that come with it.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     tripline::run_with(tripline::builtin())
/// }
/// ```
pub fn builtin() -> Program {
    Program { outputs: output::builtin(), processors: crate::streams::builtin() }
}

impl Program {
    /// Adds an output plugin of your own; one with a name that is there already replaces it.
    #[must_use]
    pub fn output(mut self, plugin: OutputPlugin) -> Self {
        self.outputs.retain(|other| other.name != plugin.name);
        self.outputs.push(plugin);
        self
    }

    /// Adds a stream processor of your own; one with a name that is there already replaces it.
    #[must_use]
    pub fn processor(mut self, plugin: ProcessorPlugin) -> Self {
        self.processors.retain(|other| other.name != plugin.name);
        self.processors.push(plugin);
        self
    }
}

/// What a command came to, when it could be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work was done.
    Done,
    /// Some input could not be read, or some event not delivered; the rest was done.
    Incomplete,
    /// A scan was reported, and `--fail-on-scan` asks for a status of its own.
    ScanReported,
}

impl Outcome {
    /// The exit status.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Incomplete => 1,
            Self::ScanReported => 3,
        }
    }

    /// The outcome of an exit status; what is none of those was not done.
    #[must_use]
    pub fn of_status(status: u8) -> Self {
        [Self::Done, Self::ScanReported].into_iter().find(|known| known.status() == status).unwrap_or(Self::Incomplete)
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong usage, rules or configuration.
    #[error("{0}")]
    Wrong(#[from] Diagnostics),
    /// All was right, but the machine refused.
    #[error("tripline: {0:#}\n")]
    Refused(#[from] anyhow::Error),
}

/// Runs the program with the arguments that it was started with.
#[expect(clippy::needless_pass_by_value, reason = "a program is run once")]
pub fn run_with(program: Program) -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(&cli.command, &program),
        Err(error) => {
            // Help and version are no errors and go to standard output.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    if let Err(failure) = &result {
        say(&failure.to_string());
    }
    ExitCode::from(match result {
        Ok(outcome) => outcome.status(),
        Err(Failure::Refused(_)) => Outcome::Incomplete.status(),
        Err(Failure::Wrong(_)) => 2,
    })
}

fn run(command: &Command, program: &Program) -> Result<Outcome, Failure> {
    match command {
        Command::Read(args) => read::read(args, program),
        Command::Watch(args) => watch::watch(args, program),
        Command::Interfaces => interfaces::interfaces(),
        Command::Packets(args) => packets::packets(args),
        Command::Why(args) => why::why(args, program),
        Command::Streams(args) => streams::streams(args, program),
        Command::Rules { command } => rules::rules(command, program),
        Command::Plugins { name } => plugins::plugins(name.as_deref(), program),
        Command::SampleEvents { format } => sample_events::sample_events(format),
    }
}

/// Writes to standard error. Where that is closed there is nobody left to tell.
fn say(text: &str) {
    let _ = stderr().lock().write_all(text.as_bytes());
}

/// Writes to standard output. A reader that has gone (`… | head`) has seen enough: no failure.
fn print(text: &str) -> Result<Outcome, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(anyhow::Error::new(error).context("standard output")))
        }
        _ => Ok(Outcome::Done),
    }
}
