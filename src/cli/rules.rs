//! `tripline rules`: are rules files right, and what do they say.
//!
//! In: paths. Out: a word or a list on standard output; all errors and warnings on standard error.
//! Must not know how rules are written.
//! Read next: `rules/mod.rs`, `rules_test.rs` (events held against rules).

use std::{fmt::Write, path::PathBuf};

use super::{Failure, Outcome, Program, args, known, print, rules_test, say, summary::many};
use crate::{
    config::{Diagnostics, diagnostic::printable},
    output::Setting,
    rules::{Rule, Rules, names},
};

/// `check`, `list` and `test`.
///
/// # Errors
/// All that is wrong with the files; else, for `check`, all of their own tests that fail.
pub fn rules(command: &args::Rules, program: &Program) -> Result<Outcome, Failure> {
    let setting = Setting { plugins: program.outputs.clone(), ..Setting::default() };
    match command {
        args::Rules::Check { paths } => {
            let rules = load(paths, &setting, program)?;
            warn(&rules);
            rules.run_trials()?;
            let counts = [
                many(rules.rules.len() as u64, "rule"),
                many(rules.outputs.len() as u64, "output"),
                many(rules.trials.len() as u64, "test"),
            ];
            print(&format!("all right: {}\n", counts.join(", ")))
        }
        args::Rules::List { paths } => print(&list(&load(paths, &setting, program)?)),
        args::Rules::Test { rules, events } => rules_test::test(load(rules, &setting, program)?, events, &setting),
    }
}

/// Says what can be done but was probably not meant.
pub fn warn(rules: &Rules) {
    rules.warnings.iter().for_each(|warning| say(&format!("{warning}\n")));
}

/// Reads rules files; the built-in ones when there are none.
///
/// # Errors
/// All that is wrong with them.
pub fn load(paths: &[PathBuf], setting: &Setting, program: &Program) -> Result<Rules, Diagnostics> {
    let rules = known::with_known(setting, &program.processors, |known| match paths {
        [] => Rules::builtin_default(known),
        paths => Rules::load(paths, known),
    })?;
    known::thresholds(&rules.detect)?;
    Ok(rules)
}

/// Where everything goes when the rules name no output at all.
const SCREEN: &str = "standard output";

/// The rules in the order in which they are asked.
fn list(rules: &Rules) -> String {
    let mut text = String::new();
    for (number, rule) in rules.rules.iter().enumerate() {
        let asked = if rule.written.is_empty() { "anything" } else { &rule.written };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{:3}  {}   ({})\n     if    {asked}\n     then  {}\n",
            number + 1,
            printable(&rule.name),
            rule.place,
            consequence(rule, rules)
        );
    }
    let _ = writeln!(text, "else to {}", rules.names_of(rules.default, SCREEN));
    text
}

fn consequence(rule: &Rule, rules: &Rules) -> String {
    if let Some(silence) = &rule.silence {
        let reason = silence.reason.as_ref().map(|reason| format!(": {}", printable(reason)));
        let until = silence.until.map(|until| {
            let moment = jiff::Timestamp::from_nanosecond(until.into()).unwrap_or_default();
            format!(", until {moment}")
        });
        return format!("silence{}{}", reason.unwrap_or_default(), until.unwrap_or_default());
    }
    let mut parts = Vec::new();
    parts.extend(rule.severity.map(|severity| format!("severity {}", names::word_for(names::SEVERITIES, &severity))));
    match rule.outputs {
        Some(outputs) => parts.push(format!("to {}", rules.names_of(outputs, SCREEN))),
        None if !rule.goes_on => parts.push(format!("to {}", rules.names_of(rules.default, SCREEN))),
        None => {}
    }
    parts.extend(rule.limit.map(|limit| {
        let seconds = limit.per as f64 / 1e9;
        format!("at most {} in {seconds} s", limit.events)
    }));
    parts.extend(rule.goes_on.then(|| "and the rules below are asked too".to_owned()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Document;

    #[test]
    fn a_list_shows_what_is_asked_and_what_follows() {
        let text = r#"version = 1
[nets]
home = ["10.0.0.0/8"]
our-scanners = ["10.0.9.7"]
[outputs.alerts]
plugin = "stdout"
format = "scanlogd"
[outputs.archive]
plugin = "file"
path = "/var/log/tripline/scans.jsonl"
[[rules]]
name = "our own vulnerability scanner"
if = { source = "our-scanners" }
silence = true
reason = "scans every night"
until = 2027-01-31
[[rules]]
name = "one of ours scans"
if = { direction = ["inside", "outbound"], counts.doors = ">= 60" }
severity = "high"
outputs = ["alerts", "archive"]
continue = true
[[rules]]
name = "the world knocks"
[rules.if]
direction = "inbound"
answers = { open = 0 }
[rules.limit]
events = 20
per = "1m"
[default]
outputs = "archive"
"#;
        let document = Document { name: "rules.toml".to_owned(), text: text.to_owned() };
        let documents = [Arc::new(document)];
        let rules = known::with_known(&Setting::default(), &crate::streams::builtin(), |known| {
            Rules::from_documents(&documents, known)
        });
        insta::assert_snapshot!(list(&rules.unwrap()), @r#"
          1  our own vulnerability scanner   (rules.toml:12:8)
             if    source = "our-scanners"
             then  silence: scans every night, until 2027-02-01T00:00:00Z
          2  one of ours scans   (rules.toml:18:8)
             if    direction = ["inside", "outbound"], counts = { doors = ">= 60" }
             then  severity high, to alerts and archive, and the rules below are asked too
          3  the world knocks   (rules.toml:24:8)
             if    direction = "inbound", answers = { open = 0 }
             then  to archive, at most 20 in 60 s
        else to archive
        "#);
    }

    #[test]
    fn the_built_in_rules_are_listed_without_a_path() {
        assert_eq!(list(&load(&[], &Setting::default(), &crate::builtin()).unwrap()), "else to screen\n");
    }

    /// All that is wrong with a text, as the program at hand sees it.
    fn wrong_with(name: &str, text: &str) -> String {
        let document = Document { name: name.to_owned(), text: text.to_owned() };
        let documents = [Arc::new(document)];
        let rules = known::with_known(&Setting::default(), &crate::streams::builtin(), |known| {
            Rules::from_documents(&documents, known)
        });
        rules.err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn the_rules_in_the_documentation_are_right() {
        let page = include_str!("../../docs/rules.md");
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 1);
        for block in blocks {
            assert_eq!(wrong_with("docs/rules.md", block), "");
        }
    }

    #[test]
    fn the_rules_that_ship_are_right() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|suffix| suffix == "toml") {
                let rules = load(std::slice::from_ref(&path), &Setting::default(), &crate::builtin()).unwrap();
                rules.run_trials().unwrap();
                assert!(!rules.trials.is_empty() && rules.warnings.is_empty(), "{}", path.display());
                seen += 1;
            }
        }
        assert_eq!(seen, 4);
    }
}
