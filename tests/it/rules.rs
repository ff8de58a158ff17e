//! Rules files: what ships is right, editors are told the truth about the language, and events
//! can be held against rules before anybody relies on them.

use std::{collections::BTreeSet, fs, sync::Arc};

use serde_json::Value;
use tempfile::TempDir;
use tripline::{
    cli::known,
    config::{Diagnostics, Document, document::Parsed},
    defragment::Overlap,
    output::HOST_KEYS,
    presets,
    rules::{conditions, names, parse, processors, reassembly, rule, trials},
};

use crate::{
    architecture::root,
    craft::Capture,
    program::{Run, fed, tripline},
};

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("rules/schema.json")).unwrap()).unwrap()
}

/// The text of a rules file as the JSON that an editor holds against the schema.
fn json(text: &str) -> Value {
    let document = Arc::new(Document { name: "rules.toml".to_owned(), text: text.to_owned() });
    let mut errors = Diagnostics::default();
    let parsed = Parsed::new(&document).unwrap();
    let entries = parsed.table().entries();
    let json = entries.iter().map(|entry| (entry.key.to_owned(), entry.value.plain(&mut errors))).collect();
    errors.none_or(json).unwrap()
}

/// The files that ship, and those that docs/rules.md shows.
fn good_files() -> Vec<String> {
    let mut files: Vec<String> = ["default", "internet-edge", "lan", "quiet"]
        .map(|name| fs::read_to_string(root().join(format!("rules/{name}.toml"))).unwrap())
        .into();
    let page = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    files.extend(blocks.map(str::to_owned));
    assert!(files.len() > 5);
    files
}

#[test]
fn the_schema_takes_every_file_that_ships_or_is_shown() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for file in good_files() {
        let json = json(&file);
        let errors: Vec<String> = schema.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:?}\n{file}");
    }
}

#[test]
fn the_schema_refuses_what_rules_check_refuses_at_a_glance() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for bad in [
        "colour = 1",
        "[[rules]]\nname = 'x'\nif = { sorce = '10.0.0.1' }",
        "[[rules]]\nname = 'x'\nseverity = 'hihg'",
        "[[rules]]\nif = { kind = 'block' }",
        "[[rules]]\nname = 'x'\nlimit = { events = 20 }",
        "[[rules]]\nname = 'x'\nif = { answers = { opened = 1 } }",
        "[[rules]]\nname = 'x'\noutputs = []",
        "[detect]\nwlak = 4",
        "[outputs.x]\nformat = 'eve'",
        "[[tests]]\nname = 'x'\nevent = { direction = 'inbound' }\noutputs = []",
    ] {
        assert!(!schema.is_valid(&json(&format!("version = 1\n{bad}\n"))), "{bad}");
    }
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

fn of<T>(words: names::Words<T>) -> BTreeSet<String> {
    set(words.iter().map(|(word, _)| *word))
}

#[test]
fn the_schema_knows_the_keys_and_words_of_the_parser_and_no_others() {
    let schema = schema();
    let keys = |pointer: &str| -> BTreeSet<String> {
        let table = schema.pointer(&format!("{pointer}/properties")).unwrap_or_else(|| panic!("no {pointer}"));
        table.as_object().unwrap().keys().cloned().collect()
    };
    let words = |pointer: &str| -> BTreeSet<String> {
        let list = schema.pointer(&format!("{pointer}/enum")).unwrap_or_else(|| panic!("no {pointer}"));
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let part = |name: &str| format!("/definitions/{name}");
    let thresholds = known::THRESHOLDS.iter().map(|(name, _)| *name);
    for (pointer, parser) in [
        (String::new(), set(parse::PARTS)),
        (part("detect"), set(parse::DETECT_KEYS.into_iter().chain(thresholds))),
        ("/properties/default".to_owned(), set(parse::DEFAULT_KEYS)),
        (part("reassembly"), set(reassembly::KEYS)),
        (part("target"), set(reassembly::TARGET_KEYS)),
        (part("processors"), set(processors::KEYS.into_iter().chain(["streams", "probe-payload"]))),
        (part("output"), set(HOST_KEYS)),
        (part("rule"), set(rule::KEYS)),
        (part("limit"), set(rule::LIMIT_KEYS)),
        (part("if"), set(conditions::KEYS)),
        (part("answers"), of(conditions::ANSWERS)),
        (part("counts"), of(conditions::COUNTS)),
        (part("test"), set(trials::KEYS)),
        (part("event"), set(trials::EVENT_KEYS)),
        (part("event/properties/answers"), of(conditions::ANSWERS)),
        (part("event/properties/counts"), of(conditions::COUNTS)),
    ] {
        assert_eq!(keys(&pointer), parser, "{pointer}");
    }
    for (pointer, parser) in [
        (part("technique"), set(names::TECHNIQUES)),
        (part("kind"), of(names::KINDS)),
        (part("phase"), of(names::PHASES)),
        (part("severity"), of(names::SEVERITIES)),
        (part("trust"), of(names::TRUSTS)),
        (part("direction"), of(names::DIRECTIONS)),
        (part("preset"), set(presets::names())),
        (part("limit/properties/by"), of(rule::BY)),
        (part("overlap"), set(Overlap::ALL.map(Overlap::name))),
    ] {
        assert_eq!(words(&pointer), parser, "{pointer}");
    }
}

struct Files(TempDir);

impl Files {
    fn of<const N: usize>(files: [(&str, &[u8]); N]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    /// `tripline` with these arguments, the folder for the word `HERE`.
    fn run(&self, arguments: &[&str]) -> Run {
        tripline(arguments.iter().map(|word| word.replace("HERE", self.0.path().to_str().unwrap())))
    }
}

const LIMITED: &str = "version = 1
[outputs.screen]
plugin = 'stdout'
format = 'eve'
[outputs.idle]
plugin = 'stdout'
[[rules]]
name = 'few'
outputs = 'screen'
limit = { events = 2, per = '1h' }
[default]
outputs = 'screen'
";

#[test]
fn check_runs_the_tests_of_a_file_and_warns_without_failing() {
    let wrong = format!("{LIMITED}[[tests]]\nname = 'it is silent'\nevent = {{ technique = 'udp' }}\noutputs = []\n");
    let files = Files::of([("idle.toml", LIMITED.as_bytes()), ("wrong.toml", wrong.as_bytes())]);
    let idle = files.run(&["rules", "check", "HERE/idle.toml"]);
    assert_eq!((idle.status, idle.stdout.as_str()), (Some(0), "all right: 1 rule, 2 outputs, 0 tests\n"));
    assert!(idle.stderr.contains("warning: nothing is sent to the output `idle`"), "{idle:?}");
    let wrong = files.run(&["rules", "check", "HERE/wrong.toml"]);
    assert_eq!(wrong.status, Some(2));
    assert!(wrong.stderr.contains("test `it is silent`: it goes to screen"), "{wrong:?}");
}

#[test]
fn events_can_be_held_against_rules_that_are_not_in_force() {
    let events = tripline(["sample-events"]).stdout;
    let count = events.lines().count();
    let rules = root().join("rules/quiet.toml");
    let arguments = ["rules", "test", "-r", rules.to_str().unwrap(), "-"];
    let run = fed(arguments, format!("{events}\nnonsense\n").into_bytes());
    assert_eq!(run.status, Some(1), "a line that is no event was not looked at: {run:?}");
    assert!(run.stderr.contains(&format!("-:{}: not an event", count + 2)), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("{count} events, 1 line not read")), "{}", run.stderr);
    let told: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("-:")).collect();
    assert_eq!(told.len(), count);
    assert!(told.iter().any(|line| line.ends_with("the rest: silenced")), "{}", run.stdout);
    assert!(told.iter().any(|line| line.contains("worth getting up for: to screen")), "{}", run.stdout);
    assert_eq!(fed(arguments, events.into_bytes()).status, Some(0));
}

#[test]
fn what_a_limit_holds_arrives_as_one_digest_in_order() {
    // Five strangers at one minute's distance, and one much later.
    let mut story = Capture::new();
    for host in 1..=6 {
        for port in 1..=30 {
            story = story.syn(&format!("198.51.100.{host}:40000"), &format!("10.0.0.{host}:{port}")).refused();
        }
        story = story.wait(if host == 5 { 20_000.0 } else { 60.0 });
    }
    let files = Files::of([("rules.toml", LIMITED.as_bytes()), ("a.pcap", &story.pcap())]);
    let run = files.run(&["read", "-r", "HERE/rules.toml", "HERE/a.pcap"]);
    let events = run.json();
    // An `end` bears the stamp of the last probe, from before the scan was quiet.
    let moments = events.iter().filter(|event| event["scan"]["phase"] != "end");
    let stamps: Vec<&str> = moments.map(|event| event["timestamp"].as_str().unwrap()).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    let begins = run.begins().len();
    let ends = events.iter().filter(|event| event["scan"]["phase"] == "end").count();
    assert_eq!(begins, ends, "who saw it begin sees it end: {events:?}");
    // Limits changed what was shown, not what was found: all scans stand in one place or the other.
    let unlimited = files.run(&["read", "-f", "eve", "HERE/a.pcap"]);
    let shown = events.iter().filter(|event| event["event_type"] == "scan").count();
    let digests = events.iter().filter(|event| event["anomaly"]["type"] == "digest");
    let held: usize = digests
        .map(|digest| digest["anomaly"]["event"].as_str().unwrap().split(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert!(held >= 3, "three of the five were too many: {events:?}");
    assert_eq!(shown + held, unlimited.json().len(), "{events:?}");
}

/// Every mistake that people make in rules files, in one file.
const MISTAKES: &str = r#"version = 2
colour = "red"

[detect]
preset = "triplin"
walk = "four"
wlak = 4

[nets]
home = ["10.0.0.0/33", "10.0.0.256"]
servers = "10.0.0.0/8"

[outputs.screen]
plugin = "stdot"

[outputs.log]
plugin = "file"

[outputs.eve]
plugin = "stdout"
format = "evee"
phases = ["start"]

[[rules]]
name = "a"
if = { sorce = "home" }
outputs = ["screen"]

[[rules]]
name = "b"
if = { source = "hoem", technique = "tcp-sin", kind = "verticle", doors = ">= many", direction = "inward" }
severity = "urgent"
outputs = ["archiv"]
limit = { events = 0, per = "1x" }

[[rules]]
name = "b"
if = { trust = "maybe" }
silence = true
until = "tomorrow"
"#;

/// Where each of them stands, and a word of what is said about it.
const PLACES: [(&str, &str); 23] = [
    ("1:11", "reads version 1"),
    ("2:1", "`colour`"),
    ("5:10", "`triplin`"),
    ("6:8", "whole number"),
    ("7:1", "`wlak`"),
    ("10:9", "`33`"),
    ("10:24", "`10.0.0.256`"),
    ("14:10", "`stdot`"),
    ("16:10", "path: is missing"),
    ("21:10", "`evee`"),
    ("22:10", "`start`"),
    ("26:8", "`sorce`"),
    ("31:17", "`hoem`"),
    ("31:37", "`tcp-sin`"),
    ("31:55", "`verticle`"),
    ("31:67", "`doors`"),
    ("31:98", "`inward`"),
    ("32:12", "`urgent`"),
    ("33:12", "`archiv`"),
    ("34:29", "`1x`"),
    ("38:16", "`maybe`"),
    ("40:9", "`tomorrow`"),
    ("37:8", "`b` already"),
];

#[test]
fn every_mistake_of_a_file_is_shown_at_once_each_at_its_place() {
    let files = Files::of([("rules.toml", MISTAKES.as_bytes())]);
    let run = files.run(&["rules", "check", "HERE/rules.toml"]);
    assert_eq!(run.status, Some(2));
    for (place, word) in PLACES {
        let shown =
            run.stderr.lines().any(|line| line.contains(&format!("rules.toml:{place}: error:")) && line.contains(word));
        assert!(shown, "{place}: {word}\n{}", run.stderr);
    }
    assert!(run.stderr.ends_with("23 errors; nothing was started\n"), "{}", run.stderr);
}

#[test]
fn options_that_contradict_each_other_are_shown_where_they_stand() {
    let rules = "version = 1
[outputs.archive]
plugin = 'file'
path = '/no/such/folder/scans.jsonl'
keep = 30
[outputs.relay]
plugin = 'syslog'
transport = 'udp'
server = 'loghost'
framing = 'octet-counting'
[outputs.half]
plugin = 'syslog'
transport = 'tcp'
";
    let run = Files::of([("rules.toml", rules.as_bytes())]).run(&["rules", "check", "HERE/rules.toml"]);
    assert_eq!(run.status, Some(2));
    for (place, word) in
        [("5:8", "without `rotate`"), ("10:11", "transport = \"udp\""), ("11:10", "server: is missing")]
    {
        let shown =
            run.stderr.lines().any(|line| line.contains(&format!("rules.toml:{place}: error:")) && line.contains(word));
        assert!(shown, "{place}: {word}\n{}", run.stderr);
    }
    assert!(run.stderr.ends_with("3 errors; nothing was started\n"), "{}", run.stderr);
}
