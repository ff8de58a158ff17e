//! Which stream processors are on, and how they are begun.
//!
//! In: `--processor` and `[processors]`. Out: [`Processors`], checked; begun, an [`Intake`] that drives them and the files
//! that get their lines. Nothing is opened before that.
//! Must not know what a processor does.
//! Read next: `streams/config.rs`, `engine/follow.rs`, `output/lines.rs`.

use tripline_plugin::{ConfigError, ProcessorPlugin};

use crate::{
    config::{Diagnostic, Diagnostics, units::show_size},
    output::Lines,
    rules::Rules,
    streams::{Intake, ProcessorConfig, Settings},
};

/// Bytes for streams when nobody says otherwise.
const MEMORY: u64 = 64 << 20;

/// Those that are on.
#[derive(Debug)]
pub struct Processors {
    configs: Vec<ProcessorConfig>,
    settings: Settings,
}

impl Processors {
    /// Those of the rules in their order, then those of the command line, which go before those of the rules where both
    /// name one.
    pub fn choose(asked: &[String], rules: &Rules, known: &[ProcessorPlugin], errors: &mut Diagnostics) -> Self {
        let mut wrong = |spec: &str, reasons: Vec<ConfigError>| {
            for ConfigError { option, reason, hint } in reasons {
                let option = option.map(|option| format!("{option}: ")).unwrap_or_default();
                let error = Diagnostic::new(format!("--processor {spec}: {option}{reason}"));
                errors.push(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
        };
        // What is wrong with those of the rules was said when they were read.
        let of_rules = rules.processors.entries.iter();
        let mut configs: Vec<ProcessorConfig> = of_rules
            .filter_map(|entry| ProcessorConfig::from_table(&entry.name, entry.table.clone(), known).ok())
            .collect();
        for spec in asked {
            match ProcessorConfig::from_spec(spec, known) {
                Ok(config) => {
                    configs.retain(|other| other.plugin.name != config.plugin.name);
                    configs.push(config);
                }
                Err(reasons) => wrong(spec, reasons),
            }
        }
        let memory = rules.processors.memory.unwrap_or(MEMORY);
        let settings = Settings {
            policies: rules.reassembly.clone(),
            checksums: rules.processors.checksums,
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            tenants: rules.detect.tenants,
        };
        Self { configs, settings }
    }

    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        !self.configs.is_empty()
    }

    /// What holds for them, on one line; empty without any.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.configs.iter().map(|config| config.plugin.name).collect();
        if names.is_empty() {
            return String::new();
        }
        format!("; processors {}, streams of {}", names.join(", "), show_size(self.settings.memory as u64))
    }

    /// Makes them and opens the files for their lines, in the same order: `Some(live)`; or nobody gets those.
    ///
    /// # Errors
    /// All that could not be made or opened.
    pub fn start(self, live: Option<bool>) -> Result<(Option<Intake>, Vec<Option<Lines>>), Diagnostics> {
        let (mut processors, mut lines, mut errors) = (Vec::new(), Vec::new(), Diagnostics::default());
        for ProcessorConfig { plugin, options, path } in self.configs {
            let mut refused = |why: String| {
                errors.push(Diagnostic::new(format!("processor `{}`: {why}", plugin.name)));
            };
            match (plugin.build)(&options) {
                Ok(processor) => processors.push(processor),
                Err(error) => refused(error.to_string()),
            }
            match path.zip(live).map(|(path, live)| Lines::open(plugin.name, &path, live)).transpose() {
                Ok(opened) => lines.push(opened),
                Err(error) => refused(error),
            }
        }
        let intake = if processors.is_empty() { None } else { Some(Intake::new(self.settings, processors)) };
        errors.none_or((intake, lines))
    }
}
