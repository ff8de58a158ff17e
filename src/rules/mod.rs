//! What is done about a scan: severity, silence, limits, and which outputs get it.
//!
//! In: rules files, then events in order. Out: each event with severity, direction and rule,
//! and the set of outputs for it. Must not know how a scan was found, nor what an output does.
//! No clock but that of the capture; no disk but in `files.rs`.
//! Source: `docs/rules.md` is the language.
//!
//! Read next: `parse.rs`, `rule.rs`, `conditions.rs`, `reassembly.rs`, `processors.rs` (how rules files are written), `check.rs` (what
//! is refused), `matching.rs` and `route.rs` (how they work), `severity.rs`, `direction.rs`,
//! `limit.rs` and `digest.rs` (too much at once), `trials.rs` (tests that stand in rules files).

pub mod check;
pub mod conditions;
pub mod digest;
pub mod direction;
pub mod files;
pub mod limit;
pub mod matching;
pub mod names;
pub mod parse;
pub mod processors;
pub mod reassembly;
pub mod route;
pub mod rule;
#[cfg(test)]
pub(crate) mod samples;
pub mod severity;
pub mod trials;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub use names::Known;
pub use processors::Processors;
pub use route::{OutputSet, Route, Router};
pub use rule::Rule;

use crate::{
    config::{
        Diagnostic, Diagnostics, Document, Place,
        diagnostic::printable,
        document::{Parsed, Table},
        nets::NetSet,
    },
    defragment::Policies,
};
use parse::Settings;
use trials::Trial;

/// What holds without any rules file.
const BUILTIN: &str = include_str!("../../rules/default.toml");

/// Rules that can be followed: every name in them stands for something.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How scans are to be found.
    pub detect: Detect,
    /// The net called `home`, if there is one.
    pub home: Option<NetSet>,
    /// Whose bytes count where fragments and segments overlap, by target.
    pub reassembly: Policies,
    /// Which stream processors are on.
    pub processors: Processors,
    /// Where events can go; [`OutputSet`]s hold positions in this list.
    pub outputs: Vec<OutputEntry>,
    /// From the top.
    pub rules: Vec<Rule>,
    /// Who gets what no rule took.
    pub default: OutputSet,
    /// Who gets whatever is not silenced: outputs from the command line, numbered behind the others.
    pub everywhere: OutputSet,
    /// What the files expect of themselves; [`Rules::run_trials`] looks.
    pub trials: Vec<Trial>,
    /// What can be done, but was probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// `[detect]`.
#[derive(Clone, Debug, Default)]
pub struct Detect {
    /// Presets by name; none for the default.
    pub presets: Vec<String>,
    /// Bytes for tables.
    pub memory: Option<u64>,
    /// VLAN and virtual network are part of an address.
    pub tenants: bool,
    /// Thresholds that differ from those of the presets.
    pub thresholds: BTreeMap<String, Threshold>,
}

/// A threshold that differs from the preset's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The number; nanoseconds where it is a time.
    pub value: i64,
    /// Where the value stands.
    pub place: Place,
}

/// `[outputs.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputEntry {
    /// What rules call it.
    pub name: String,
    /// Its keys: `plugin`, `format`, `phases`, and what only the plugin understands.
    pub table: tripline_plugin::Table,
    /// Where its name stands.
    pub place: Place,
}

impl Rules {
    /// Reads files and folders as one set.
    ///
    /// # Errors
    /// All that is wrong, at once: files that cannot be read; else bad syntax; else bad words.
    pub fn load(paths: &[PathBuf], known: &Known<'_>) -> Result<Self, Diagnostics> {
        Self::from_documents(&files::read(paths)?, known)
    }

    /// The rules that hold when no others are given: everything goes to standard output.
    ///
    /// # Errors
    /// The program at hand lacks what they name; not so in the program as it is built.
    pub fn builtin_default(known: &Known<'_>) -> Result<Self, Diagnostics> {
        let document = Document { name: "<built-in rules>".to_owned(), text: BUILTIN.to_owned() };
        Self::from_documents(&[Arc::new(document)], known)
    }

    /// Puts documents together, in their order.
    ///
    /// # Errors
    /// All that is wrong, at once. With bad syntax nothing else is looked at: half a file
    /// would show errors that are none.
    pub fn from_documents(documents: &[Arc<Document>], known: &Known<'_>) -> Result<Self, Diagnostics> {
        let mut errors = Diagnostics::default();
        let mut parsed = Vec::new();
        for document in documents {
            match Parsed::new(document) {
                Ok(document) => parsed.push(document),
                Err(wrong) => errors.extend(wrong),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut settings = Settings::default();
        for document in &parsed {
            settings.read(&document.table(), known, &mut errors);
        }
        let rules = Self::put_together(settings, known, &mut errors);
        errors.none_or(rules)
    }

    fn put_together(settings: Settings<'_>, known: &Known<'_>, errors: &mut Diagnostics) -> Self {
        let nets = settings.nets.map(|(nets, _)| nets).unwrap_or_default();
        let reassembly = settings.reassembly.map(|(table, _): (Table<'_>, _)| reassembly::read(&table, &nets, errors));
        let words = rule::Vocabulary { nets: &nets, outputs: &settings.outputs, known };
        let mut rules = Vec::new();
        let mut sound = Vec::new();
        for table in &settings.rules {
            let before = errors.len();
            if let Some(rule) = rule::read(table, &words, errors) {
                sound.extend((errors.len() == before).then_some(rules.len()));
                rules.push(rule);
            }
        }
        check::names(&rules, errors);
        check::shadows(&sound.iter().filter_map(|number| rules.get(*number)).collect::<Vec<_>>(), errors);
        let default = settings.default.map(|(table, _): (Table<'_>, _)| {
            table.only("[default]", &parse::DEFAULT_KEYS, errors);
            table.get("outputs").map(|outputs| rule::read_outputs(&outputs, &settings.outputs, errors))
        });
        let trials = settings.tests.iter().filter_map(|table| trials::read(table, &words, &rules, errors)).collect();
        let mut set = Self {
            detect: settings.detect.map(|(detect, _)| detect).unwrap_or_default(),
            home: nets.get(names::HOME).cloned(),
            reassembly: reassembly.unwrap_or_default(),
            processors: settings.processors.map(|(processors, _)| processors).unwrap_or_default(),
            // What nobody was named for goes to everybody: nothing is lost by leaving a line out.
            default: default.flatten().unwrap_or_else(|| OutputSet::first(settings.outputs.len())),
            outputs: settings.outputs,
            rules,
            everywhere: OutputSet::default(),
            trials,
            warnings: Vec::new(),
        };
        set.warnings = check::unused_outputs(&set);
        set
    }

    /// Runs the tests that the files carry.
    ///
    /// # Errors
    /// Where the rules do something else than a test expects.
    pub fn run_trials(&self) -> Result<(), Diagnostics> {
        let mut errors = Diagnostics::default();
        self.trials.iter().for_each(|trial| trial.run(self, &mut errors));
        errors.none_or(())
    }

    /// The outputs of a set by name; `nobody` when it is empty.
    pub fn names_of(&self, outputs: OutputSet, nobody: &str) -> String {
        if outputs.is_empty() {
            return nobody.to_owned();
        }
        let name = |number: usize| self.outputs.get(number).map(|output| printable(&output.name));
        outputs.iter().filter_map(name).collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as people ship them, to be damaged.
    const SHIPPED: [&str; 4] = [
        BUILTIN,
        include_str!("../../rules/internet-edge.toml"),
        include_str!("../../rules/lan.toml"),
        include_str!("../../rules/quiet.toml"),
    ];

    proptest::proptest! {
        /// Whatever stands in a rules file, it is understood or refused with words at a place; never a panic.
        #[test]
        fn a_damaged_file_is_refused_in_words(
            which in 0..SHIPPED.len(),
            cuts in proptest::collection::vec((0..4_000_usize, 0..12_usize, "[\\PC\n\"'=\\[\\]{}.,!0-9a-z-]{0,8}"), 1..6),
        ) {
            let mut text: Vec<char> = SHIPPED[which].chars().collect();
            for (at, length, put) in cuts {
                let start = at % (text.len() + 1);
                let end = (start + length).min(text.len());
                text.splice(start..end, put.chars());
            }
            let text: String = text.into_iter().collect();
            if let Err(errors) = samples::read(&[("damaged.toml", &text)]) {
                proptest::prop_assert!(errors.to_string().contains("damaged.toml"), "no place in {errors}");
            }
        }
    }

    #[test]
    fn the_built_in_rules_send_everything_to_standard_output() {
        let rules = Rules::builtin_default(&samples::KNOWN).unwrap();
        assert_eq!(
            rules.outputs.iter().map(|output| output.table["plugin"].as_str()).collect::<Vec<_>>(),
            [Some("stdout")]
        );
        assert_eq!((rules.default.iter().collect::<Vec<_>>(), rules.detect.memory), (vec![0], Some(64 << 20)));
        assert!(rules.rules.is_empty() && rules.home.is_none());
    }

    #[test]
    fn all_errors_of_a_file_come_at_once() {
        let text = r#"version = 1
[outputs.alerts]
plugin = "file"

[[rules]]
name = "ours"
if = { source = "our-scanners", sorce = "x", doors = ">= 60" }
silence = "yes"

[[rules]]
if = { kind = "diagonal", ports = "80-22", answers = { opened = 1 } }
severity = "hihg"
outputs = ["alert", "alerts"]

[default]
outputs = []
"#;
        insta::assert_snapshot!(samples::read(&[("rules.toml", text)]).unwrap_err(), @r#"
        rules.toml:7:17: error: no net is called `our-scanners`
           |
         7 | if = { source = "our-scanners", sorce = "x", doors = ">= 60" }
           |                 ^^^^^^^^^^^^^^
           = there is none yet

        rules.toml:7:33: error: `if` has no key `sorce`
           |
         7 | if = { source = "our-scanners", sorce = "x", doors = ">= 60" }
           |                                 ^^^^^
           = did you mean `source`?

        rules.toml:7:46: error: `if` has no key `doors`
           |
         7 | if = { source = "our-scanners", sorce = "x", doors = ">= 60" }
           |                                              ^^^^^
           = numbers stand together: counts = { doors = ">= 60" }

        rules.toml:8:11: error: expected true or false, found a string
           |
         8 | silence = "yes"
           |           ^^^^^

        rules.toml:11:15: error: no kind is called `diagonal`
            |
         11 | if = { kind = "diagonal", ports = "80-22", answers = { opened = 1 } }
            |               ^^^^^^^^^^
            = known: vertical, horizontal, block, distributed, decoy

        rules.toml:11:35: error: `80-22` is no port: the range ends before it begins
            |
         11 | if = { kind = "diagonal", ports = "80-22", answers = { opened = 1 } }
            |                                   ^^^^^^^
            = write numbers and ranges: 22-25,80,443

        rules.toml:11:56: error: `answers` has no key `opened`
            |
         11 | if = { kind = "diagonal", ports = "80-22", answers = { opened = 1 } }
            |                                                        ^^^^^^
            = did you mean `open`?

        rules.toml:12:12: error: no severity is called `hihg`
            |
         12 | severity = "hihg"
            |            ^^^^^^
            = did you mean `high`?

        rules.toml:13:12: error: no output is called `alert`
            |
         13 | outputs = ["alert", "alerts"]
            |            ^^^^^^^
            = did you mean `alerts`?

        rules.toml:10:1: error: a rule has a name
            |
         10 | [[rules]]
            | ^^^^^^^^^
            = name = "what it is for"; events carry it

        rules.toml:16:11: error: an empty list of outputs would lose events unseen
            |
         16 | outputs = []
            |           ^^
            = say silence = true, which counts them, or leave the key out

        11 errors; nothing was started
        "#);
    }

    #[test]
    fn with_bad_syntax_nothing_else_is_looked_at() {
        let bad = "version = 1\n[[rules]\nname = 'x'\n";
        let errors = samples::read(&[("a.toml", bad), ("b.toml", "version = 1\ncolour = 1\n")]).unwrap_err();
        insta::assert_snapshot!(errors, @r#"
        a.toml:2:9: error: not TOML: unclosed array table, expected `]`
           |
         2 | [[rules]
           |         ^

        1 error; nothing was started
        "#);
    }

    #[test]
    fn several_files_are_one_set() {
        let nets = "version = 1\n[nets]\nours = ['10.0.9.7']\n[outputs.log]\nplugin = 'file'\n";
        let rules = "version = 1\n[[rules]]\nname = 'x'\nif = { source = 'ours' }\noutputs = 'log'\n";
        let set = samples::read(&[("10-rules.toml", rules), ("20-nets.toml", nets)]).unwrap();
        assert_eq!((set.rules.len(), set.outputs.len()), (1, 1));
        let errors = samples::read(&[("a.toml", nets), ("b.toml", nets)]).unwrap_err().to_string();
        assert!(errors.contains("b.toml:2:2: error: [nets] stands in another file already"), "{errors}");
        assert!(errors.contains("it can stand in one only: see a.toml:2:2"), "{errors}");
        assert!(errors.contains("an output is called `log` already"), "{errors}");
    }

    #[test]
    fn without_a_default_everybody_gets_what_no_rule_took() {
        let text = "version = 1\n[outputs.a]\nplugin = 'file'\n[outputs.b]\nplugin = 'stdout'\n";
        let rules = samples::read(&[("rules.toml", text)]).unwrap();
        assert_eq!(rules.default.iter().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_folder_is_read_in_order_of_name_and_what_is_no_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("20-second.toml", "version = 1\n[[rules]]\nname = 'second'\nif = { kind = 'block' }\n");
        write("10-first.toml", "version = 1\n[[rules]]\nname = 'first'\nif = { kind = 'decoy' }\n");
        write(".hidden.toml", "nonsense");
        write("README.md", "nonsense");
        let rules = Rules::load(&[folder.path().to_owned()], &samples::KNOWN).unwrap();
        let names: Vec<&str> = rules.rules.iter().map(|rule| rule.name.as_ref()).collect();
        assert_eq!(names, ["first", "second"]);

        let empty = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none.toml");
        let errors = Rules::load(&[empty.path().to_owned(), missing], &samples::KNOWN).unwrap_err().to_string();
        assert!(errors.contains("no *.toml in this folder") && errors.contains("No such file"), "{errors}");
    }

    #[test]
    fn nothing_that_stands_in_a_file_can_do_harm() {
        proptest::proptest!(|(text in r#"(version = 1|[\[\]{}=,"'\n.#!<>]|rules|if|nets|outputs|a|1|é|\PC){0,60}"#)| {
            let _ = samples::read(&[("any.toml", &text)]);
        });
    }
}
