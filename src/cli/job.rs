//! From flags and rules to a job that can be done, or all that is wrong with them.
//!
//! In: the flags that `read` and `watch` share and the program's plugins. Out: a [`Job`].
//! Nothing is read but rules files, nothing is opened: a wrong word leaves no trace.
//! Must not do the work.
//! Read next: `read.rs` and `watch.rs`, which do.

use std::{
    env,
    io::{IsTerminal, stdout},
    sync::Arc,
};

use jiff::tz::TimeZone;
use tripline_plugin::{ConfigError, Table};

use super::{
    Program,
    args::{Judging, Selection},
    known,
    processors::Processors,
    summary::many,
};
use crate::{
    config::{Diagnostic, Diagnostics, Document, Place, diagnostic::printable, units::show_size},
    defragment::Policies,
    engine::{self, Plan, Reference},
    output::{Format, Look, OutputConfig, Phases, Setting},
    presets::tripline::Thresholds,
    rules::{OutputSet, Rules},
    source::{Filter, FilterError, Sizes, Window},
};

/// Bytes for tables when nobody says otherwise.
const MEMORY: u64 = 64 << 20;

/// What a run is to do with what it is given.
#[derive(Debug)]
pub struct Job {
    /// How to find scans.
    pub plan: Plan,
    /// What to do about them.
    pub rules: Rules,
    /// Where they go: those of the rules first, in their order.
    pub outputs: Vec<OutputConfig>,
    /// Who follows streams.
    pub processors: Processors,
}

/// Whether packets wait for the program or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An archive: nothing may be lost, times are in UTC.
    Read {
        /// Outputs that leave the machine are fed, too.
        deliver: bool,
        /// Who says where events go wants them there alone: nobody else's screen beside.
        alone: bool,
    },
    /// A wire: outputs do not hold packets up, times are local.
    Watch,
}

/// Puts a job together. `errors` is what is wrong with flags that only one command has.
///
/// # Errors
/// All that is wrong with the rules; else all that is wrong with the flags.
pub fn prepare(args: &Judging, mode: Mode, program: &Program, mut errors: Diagnostics) -> Result<Job, Diagnostics> {
    let (live, deliver, alone, zone) = match mode {
        Mode::Watch => (true, true, false, TimeZone::system()),
        Mode::Read { deliver, alone } => (false, deliver, alone, TimeZone::UTC),
    };
    let look = Look { zone, colour: has_colour(), quiet: args.quiet > 0 };
    let setting = Setting { plugins: program.outputs.clone(), look, live, deliver };
    let mut rules = known::with_known(&setting, &program.processors, |known| match args.rules.as_slice() {
        [] => Rules::builtin_default(known),
        paths => Rules::load(paths, known),
    })?;
    let presets = known::presets(&args.preset, &rules.detect, &mut errors);
    let thresholds = known::thresholds(&rules.detect).map_err(|wrong| errors.extend(wrong)).unwrap_or_default();
    let outputs = outputs(args, alone, &mut rules, &setting, &mut errors);
    let plan = Plan {
        reassembly: rules.reassembly.clone(),
        tenants: rules.detect.tenants,
        ..plan(args, &presets, thresholds, rules.detect.memory)
    };
    let processors = Processors::choose(&args.processor, &rules, &program.processors, &mut errors);
    let job = Job { plan, rules, outputs, processors };
    errors.none_or(job)
}

fn plan(args: &Judging, presets: &[String], thresholds: Thresholds, memory: Option<u64>) -> Plan {
    let memory = args.memory.or(memory).unwrap_or(MEMORY);
    let shards = args.shards.map_or_else(engine::cores, usize::from);
    Plan {
        shards,
        batches: Sizes::of_workers(shards).1,
        memory: usize::try_from(memory).unwrap_or(usize::MAX),
        key: None,
        thresholds: presets.iter().any(|name| name == known::TRIPLINE).then_some(thresholds),
        references: presets.iter().filter_map(|name| Reference::named(name)).collect(),
        reassembly: Policies::default(),
        tenants: false,
        filter: None,
        about: None,
        streams: None,
        checkpoints: None,
    }
}

/// Which frames of captures, if not all: by what is in them, by when they came.
pub fn selection(args: &Selection, errors: &mut Diagnostics) -> (Option<Filter>, Option<Window>) {
    let filter = filter(args.filter.as_deref(), errors);
    let window = Window::new(args.since, args.until);
    if window.is_none() {
        let error = Diagnostic::new("--until: there is no time between --since and it");
        errors.push(error.hint("it must be the later one"));
    }
    (filter, window.filter(|_| args.since.is_some() || args.until.is_some()))
}

/// Which frames, if not all.
pub fn filter(expression: Option<&str>, errors: &mut Diagnostics) -> Option<Filter> {
    let expression = expression?;
    Filter::new(expression).map_err(|error| errors.push(filter_error(expression, error))).ok()
}

/// What is wrong with an expression, shown where it stands.
fn filter_error(expression: &str, FilterError { reason, place, hint }: FilterError) -> Diagnostic {
    let message = format!("--filter: {reason}");
    let error = match place {
        Some(place) => {
            let document = Document { name: "<the filter>".to_owned(), text: expression.to_owned() };
            Place::new(&Arc::new(document), place).error(message)
        }
        None => Diagnostic::new(message),
    };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The outputs of the rules and of the command line, which `-f` and `--phases` change where
/// they go to standard output.
fn outputs(
    args: &Judging,
    alone: bool,
    rules: &mut Rules,
    setting: &Setting,
    errors: &mut Diagnostics,
) -> Vec<OutputConfig> {
    let mut wrong = |flag: &str, ConfigError { reason, hint, .. }: ConfigError| {
        let error = Diagnostic::new(format!("{flag}: {reason}"));
        errors.push(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    };
    let mut asked = Table::new();
    if let Some(name) = &args.format {
        match Format::named(name, &setting.look) {
            Ok(_) => asked.extend([("format".to_owned(), name.as_str().into())]),
            Err(error) => wrong("--format", error),
        }
    }
    if let Some(list) = &args.phases {
        match Phases::parse(list) {
            Ok(_) => asked.extend([("phases".to_owned(), list.as_str().into())]),
            Err(error) => wrong("--phases", error),
        }
    }
    let mut extra = Vec::new();
    for spec in &args.output {
        match OutputConfig::from_spec(spec, setting) {
            Ok(config) => extra.push(config),
            Err(errors) => errors.into_iter().for_each(|ConfigError { option, reason, hint }| {
                let reason = option.map_or(reason.clone(), |option| format!("{option}: {reason}"));
                wrong(&format!("--output {spec}"), ConfigError { option: None, reason, hint });
            }),
        }
    }
    if args.rules.is_empty() && asked.is_empty() && extra.iter().any(|config| alone || is_screen(config)) {
        // Somebody says himself what standard output gets, or that it gets nothing; the built-in screen is in the way.
        rules.outputs.clear();
        rules.default = OutputSet::default();
    }
    let mut configs = Vec::new();
    let mut seen = false;
    for entry in &rules.outputs {
        let mut table = entry.table.clone();
        if table.get("plugin").and_then(|name| name.as_str()) == Some(SCREEN) {
            table.extend(asked.clone());
            seen = true;
        }
        match OutputConfig::from_table(&entry.name, table, setting) {
            Ok(config) => configs.push(config),
            Err(errors) => errors.into_iter().for_each(|error| wrong("--format", error)),
        }
    }
    // Where the rules have nothing for standard output, -f adds it; and so does their having
    // no output at all.
    if !seen && (!asked.is_empty() || configs.is_empty() && extra.is_empty()) {
        asked.insert("plugin".to_owned(), SCREEN.into());
        match OutputConfig::from_table("screen", asked, setting) {
            Ok(config) => extra.push(config),
            Err(errors) => errors.into_iter().for_each(|error| wrong("--format", error)),
        }
    }
    for config in extra {
        rules.everywhere.extend([configs.len()]);
        configs.push(config);
    }
    if configs.len() > OutputSet::CAPACITY {
        errors.push(Diagnostic::new(format!("there can be {} outputs at most", OutputSet::CAPACITY)));
    }
    configs
}

/// What holds for a run, on one line.
pub fn settings(plan: &Plan, outputs: &[OutputConfig]) -> String {
    let own = plan.thresholds.is_some().then_some(known::TRIPLINE);
    let presets: Vec<&str> = own.into_iter().chain(plan.references.iter().map(Reference::name)).collect();
    let outputs: Vec<String> = outputs.iter().map(|output| printable(&output.name)).collect();
    let key = plan.key.map_or_else(|| "made from the input".to_owned(), |key| format!("{key:x}"));
    format!(
        "settings  {}; tables of {}; {}; key {key}; to {}",
        presets.join(", "),
        show_size(plan.memory as u64),
        many(plan.shards as u64, "worker"),
        outputs.join(", ")
    )
}

/// The plugin that writes to standard output.
const SCREEN: &str = tripline_stdout::PLUGIN.name;

/// Whether an output goes to standard output.
pub fn is_screen(config: &OutputConfig) -> bool {
    config.plugin.name == SCREEN
}

/// Colours are for a terminal whose user did not say no (no-color.org).
fn has_colour() -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    stdout().is_terminal() && !refused && !dumb
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{
        args::{Cli, Command},
        builtin,
    };

    fn job(arguments: &[&str]) -> Result<Job, String> {
        let words = ["tripline", "read", "a.pcap"].iter().chain(arguments);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Read(read) => {
                let mode = Mode::Read { deliver: read.deliver, alone: read.resume.is_some() };
                prepare(&read.judging, mode, &builtin(), Diagnostics::default()).map_err(|errors| errors.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Name, format and phases of each output, and whether it gets everything.
    fn shown(job: &Job) -> Vec<(String, String, Phases, bool)> {
        let gets_all = |n| job.rules.everywhere.and(job.rules.default).contains(n);
        let row = |(n, config): (usize, &OutputConfig)| {
            (config.name.clone(), config.format.name().to_owned(), config.phases, gets_all(n))
        };
        job.outputs.iter().enumerate().map(row).collect()
    }

    fn row(name: &str, format: &str, phases: Phases, everything: bool) -> (String, String, Phases, bool) {
        (name.to_owned(), format.to_owned(), phases, everything)
    }

    #[test]
    fn without_rules_everything_goes_to_standard_output_as_f_says() {
        assert_eq!(shown(&job(&[]).unwrap()), [row("screen", "human", Phases::END, true)]);
        assert_eq!(shown(&job(&["-f", "eve"]).unwrap()), [row("screen", "eve", Phases::ALL, true)]);
        let begins = job(&["-f", "eve", "--phases", "begin"]).unwrap();
        assert_eq!(shown(&begins), [row("screen", "eve", Phases::BEGIN, true)]);
    }

    #[test]
    fn o_adds_an_output_and_its_own_standard_output_replaces_the_built_in_one() {
        let both = job(&["-o", "file:path=/x"]).unwrap();
        assert_eq!(shown(&both)[1], row("file:path=/x", "eve", Phases::ALL, true));
        assert_eq!(shown(&both)[0], row("screen", "human", Phases::END, true));
        let own = job(&["-o", "stdout:format=scanlogd"]).unwrap();
        assert_eq!(shown(&own), [row("stdout:format=scanlogd", "scanlogd", Phases::BEGIN, true)]);
    }

    #[test]
    fn with_rules_f_changes_their_standard_output_or_adds_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let screen = "[outputs.lines]\nplugin = 'stdout'\nformat = 'scanlogd'\n";
        let with = write("with.toml", &format!("version = 1\n{screen}[default]\noutputs = 'lines'\n"));
        let file = "[outputs.log]\nplugin = 'file'\npath = '/x'\n";
        let without = write("without.toml", &format!("version = 1\n{file}[default]\noutputs = 'log'\n"));
        let nothing = write("nothing.toml", "version = 1\n[detect]\nmemory = '1 MiB'\n");

        assert_eq!(shown(&job(&["-r", &with]).unwrap()), [row("lines", "scanlogd", Phases::BEGIN, true)]);
        assert_eq!(shown(&job(&["-r", &with, "-f", "eve"]).unwrap()), [row("lines", "eve", Phases::ALL, true)]);
        assert_eq!(shown(&job(&["-r", &without]).unwrap()), [row("log", "eve", Phases::ALL, true)]);
        let added = job(&["-r", &without, "-f", "human"]).unwrap();
        assert_eq!(shown(&added)[1], row("screen", "human", Phases::END, true));
        let bare = job(&["-r", &nothing]).unwrap();
        assert_eq!((shown(&bare), bare.plan.memory), (vec![row("screen", "human", Phases::END, true)], 1 << 20));
    }

    #[test]
    fn flags_choose_the_plan() {
        let plan = job(&["--shards", "7", "--memory", "1 MiB", "-p", "scanlogd"]).unwrap().plan;
        assert_eq!((plan.shards, plan.memory), (7, 1 << 20));
        assert!(plan.thresholds.is_none() && plan.references.len() == 1);
        let plan = job(&[]).unwrap().plan;
        assert!(plan.thresholds.is_some() && plan.references.is_empty() && plan.memory == 64 << 20);
    }

    #[test]
    fn all_wrong_flags_are_said_at_once() {
        let errors =
            job(&["-p", "tripwire", "-f", "yaml", "--phases", "midle", "-o", "pigeon", "-o", "file"]).unwrap_err();
        insta::assert_snapshot!(errors, @r#"
        error: --preset: no preset is called `tripwire`
          = did you mean `tripline`?

        error: --format: `yaml` is no format
          = known are: human, eve, eve-alert, scanlogd, template

        error: --phases: `midle` is no phase
          = known are: begin, update, end

        error: --output pigeon: plugin: `pigeon` is no output plugin
          = known are: stdout, file, syslog

        error: --output file: path: is missing
          = the file to append to; its folder must exist

        5 errors; nothing was started
        "#);
    }
}
