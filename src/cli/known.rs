//! What this program has that rules may name: presets, thresholds, outputs.
//!
//! In: the plugins. Out: [`Known`] for the rules, and thresholds for the engine.
//! Must not know what thresholds mean: the preset's own list is asked.
//! Read next: `rules/names.rs`, `presets/tripline.rs`.

use tripline_plugin::ProcessorPlugin;

use crate::{
    config::{Diagnostic, Diagnostics, Unreadable},
    output::{OutputConfig, Setting},
    presets::{self, tripline::Thresholds},
    rules::{Detect, Known, names::Quantity},
    streams::ProcessorConfig,
};

/// The preset that is ours.
pub const TRIPLINE: &str = "tripline";

/// The thresholds of `tripline`, as its fields are called.
pub const THRESHOLDS: [(&str, Quantity); 24] = [
    ("walk", Quantity::Count),
    ("walk-after-success", Quantity::Count),
    ("dishonest", Quantity::Count),
    ("repeated", Quantity::Count),
    ("half-open", Quantity::Count),
    ("empty-connects", Quantity::Count),
    ("blind", Quantity::Count),
    ("blind-percent", Quantity::Count),
    ("once", Quantity::Count),
    ("review", Quantity::Duration),
    ("incoherent", Quantity::Count),
    ("incoherent-percent", Quantity::Count),
    ("one-sided-ports", Quantity::Count),
    ("one-sided-hosts", Quantity::Count),
    ("one-sided-neighbours", Quantity::Count),
    ("lone", Quantity::Count),
    ("rotation", Quantity::Count),
    ("arp", Quantity::Count),
    ("distributed", Quantity::Count),
    ("storm", Quantity::Count),
    ("flood", Quantity::Count),
    ("answer-wait", Quantity::Duration),
    ("quiet", Quantity::Duration),
    ("copies", Quantity::Duration),
];

/// Calls `with` with what this program has.
pub fn with_known<T>(setting: &Setting, processors: &[ProcessorPlugin], with: impl FnOnce(&Known<'_>) -> T) -> T {
    let check_output = |name: &str, table: &tripline_plugin::Table| {
        OutputConfig::from_table(name, table.clone(), setting).err().unwrap_or_default()
    };
    let check_processor = |name: &str, table: &tripline_plugin::Table| {
        ProcessorConfig::from_table(name, table.clone(), processors).err().unwrap_or_default()
    };
    let names: Vec<&str> = processors.iter().map(|plugin| plugin.name).collect();
    with(&Known {
        presets: &presets::names(),
        thresholds: &THRESHOLDS,
        processors: &names,
        check_processor: &check_processor,
        check_output: &check_output,
    })
}

/// The presets that hold: those of the command line, else of the rules, else ours.
pub fn presets(asked: &[String], detect: &Detect, errors: &mut Diagnostics) -> Vec<String> {
    for name in asked.iter().filter(|name| !presets::names().contains(&name.as_str())) {
        let Unreadable { message, hint } = Unreadable::unknown("preset", name, presets::names());
        errors.push(Diagnostic::new(format!("--preset: {message}")).hint(hint));
    }
    let chosen = if asked.is_empty() { &detect.presets } else { asked };
    let mut chosen = if chosen.is_empty() { vec![TRIPLINE.to_owned()] } else { chosen.to_vec() };
    // Twice the same preset would report each scan twice.
    chosen.sort();
    chosen.dedup();
    chosen
}

/// The thresholds of `tripline`, with those that the rules set.
///
/// # Errors
/// A number that is too large for its threshold, where it stands.
pub fn thresholds(detect: &Detect) -> Result<Thresholds, Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut chosen = serde_json::Map::new();
    for (name, threshold) in &detect.thresholds {
        let one = serde_json::Map::from_iter([(name.clone(), threshold.value.into())]);
        match serde_json::from_value::<Thresholds>(one.clone().into()) {
            Ok(_) => chosen.extend(one),
            Err(_) => errors.push(threshold.place.error(format!("`{name}` cannot be so large"))),
        }
    }
    errors.none_or(serde_json::from_value(chosen.into()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::{config::Document, rules::Rules};

    fn detect(text: &str) -> Result<Detect, Diagnostics> {
        let document = Document { name: "rules.toml".to_owned(), text: format!("version = 1\n[detect]\n{text}\n") };
        let documents = [Arc::new(document)];
        let rules = with_known(&Setting::default(), &[], |known| Rules::from_documents(&documents, known));
        rules.map(|rules| rules.detect)
    }

    #[test]
    fn rules_may_set_every_threshold_that_the_preset_has() {
        let fields = serde_json::to_value(Thresholds::default()).unwrap();
        let fields: BTreeSet<&str> = fields.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, THRESHOLDS.iter().map(|(name, _)| *name).collect());
    }

    #[test]
    fn thresholds_reach_the_preset_and_the_others_stay() {
        let chosen = thresholds(&detect("walk = 6\nquiet = '2h'").unwrap()).unwrap();
        assert_eq!(chosen, Thresholds { walk: 6, quiet: 7_200_000_000_000, ..Thresholds::default() });
        let errors = thresholds(&detect("walk = 99999999999").unwrap()).unwrap_err();
        assert!(errors.to_string().contains("rules.toml:3:8: error: `walk` cannot be so large"), "{errors}");
        assert!(detect("quiet = 7200").is_err() && detect("wlak = 6").is_err());
    }

    #[test]
    fn the_command_line_chooses_over_the_rules() {
        let of_rules = detect("preset = 'scanlogd'").unwrap();
        let chosen = |asked: &[&str], detect: &Detect| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            presets(&asked, detect, &mut Diagnostics::default())
        };
        assert_eq!(chosen(&[], &of_rules), ["scanlogd"]);
        assert_eq!(chosen(&["tripline", "tripline"], &of_rules), ["tripline"]);
        assert_eq!(chosen(&[], &Detect::default()), ["tripline"]);
    }
}
