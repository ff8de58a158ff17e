//! Who doubts a verdict can ask other detectors in the same run: the reference presets do what their originals do, side
//! by side, and docs/presets.md says what each makes of the recordings.
//!
//! `UPDATE_README=1 cargo test --test it presets` writes its tables anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;
use tripline::presets;

use crate::{
    architecture::root,
    captures::{self, Recording, Verdict},
    program::tripline,
};

/// All of them, as `-p` takes them.
fn all() -> String {
    presets::names().join(",")
}

/// The first events about scans in a capture.
fn begins(preset: &str, path: &Path) -> Vec<Value> {
    let run =
        tripline(["read".as_ref(), "-f".as_ref(), "eve".as_ref(), "-p".as_ref(), preset.as_ref(), path.as_os_str()]);
    assert_eq!(run.status, Some(0), "{}: {}", path.display(), run.stderr);
    run.begins()
}

fn preset(event: &Value) -> &str {
    event["scan"]["preset"].as_str().unwrap()
}

#[test]
fn each_preset_says_beside_others_what_it_says_alone() {
    let mut compared = BTreeSet::new();
    for file in ["nmap-syn-1000.pcap", "nmap-block-5x31.pcap", "nmap-decoys-3.pcap", "ftp-passive-60.pcap"] {
        let path = captures::folder().join(file);
        let together = begins(&all(), &path);
        for name in presets::names() {
            let own: Vec<&Value> = together.iter().filter(|event| preset(event) == name).collect();
            compared.extend((!own.is_empty()).then_some(name));
            assert_eq!(own, begins(name, &path).iter().collect::<Vec<_>>(), "{name} on {file}");
        }
    }
    assert_eq!(compared, BTreeSet::from(presets::names()), "all had something to say");
}

#[test]
fn rules_choose_several_presets_and_tell_their_events_apart() {
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules.toml");
    let text = "version = 1\n[detect]\npreset = ['libnids', 'snort-high', 'zeek']\n[outputs.screen]\nplugin = 'stdout'\n\
                format = 'eve'\n[[rules]]\nname = 'snort'\nif = { preset = 'snort-high' }\noutputs = ['screen']\n\
                [default]\noutputs = ['screen']\n";
    fs::write(&rules, text).unwrap();
    let path = captures::folder().join("nmap-syn-1000.pcap");
    let run = tripline(["read".as_ref(), "-r".as_ref(), rules.as_os_str(), path.as_os_str()]);
    assert_eq!(run.status, Some(0), "{}", run.stderr);
    let begins = run.begins();
    let named: BTreeSet<&str> = begins.iter().map(preset).collect();
    assert_eq!(named, BTreeSet::from(["libnids", "snort-high", "zeek"]));
    let by_rule = |event: &&Value| event["scan"]["rule"] == "snort";
    let by_rule: BTreeSet<&str> = begins.iter().filter(by_rule).map(preset).collect();
    assert_eq!(by_rule, BTreeSet::from(["snort-high"]));
}

#[test]
fn the_same_bytes_come_out_of_all_presets_for_any_shards_and_batches() {
    let all = all();
    let run = |path: &Path, more: [&str; 2]| {
        let run = tripline(["read", "-f", "eve", "-p", &all, path.to_str().unwrap()].into_iter().chain(more));
        assert_eq!(run.status, Some(0), "{more:?}: {}", run.stderr);
        run.stdout
    };
    let mut compared = String::new();
    // In the first, hosts come and go for hours; in the second, all outcomes are due at the end.
    for path in [captures::folder(), captures::folder().join("nmap-block-5x31.pcap")] {
        let alone = run(&path, ["--shards", "1"]);
        for more in [["--shards", "7"], ["--batch", "4KiB"], ["--batch", "64KiB"]] {
            assert!(run(&path, more) == alone, "{more:?} gives other events of {}", path.display());
        }
        compared += &alone;
    }
    assert!(presets::names().iter().all(|name| compared.contains(&format!("\"preset\":\"{name}\""))));
}

/// What each preset makes of a recording.
struct Made {
    recording: Recording,
    /// Addresses that it accuses, by preset.
    accused: BTreeMap<String, BTreeSet<String>>,
}

impl Made {
    fn of(recording: Recording) -> Self {
        let mut accused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for event in begins(&all(), &recording.path()) {
            let listed = event["scan"]["sources"]["sample"].as_array().into_iter().flatten();
            let who = listed.chain([&event["src_ip"]]).filter_map(|who| who.as_str().map(str::to_owned));
            accused.entry(preset(&event).to_owned()).or_default().extend(who);
        }
        Self { recording, accused }
    }

    /// `+` a scanner is named, `-` none, `!` somebody else is accused.
    fn mark(&self, preset: &str) -> &'static str {
        let Recording { scanners, decoys, .. } = &self.recording;
        let none = BTreeSet::new();
        let accused = self.accused.get(preset).unwrap_or(&none);
        let found = accused.iter().any(|who| scanners.contains(who));
        let wrong = accused.iter().any(|who| !scanners.contains(who) && !decoys.contains(who));
        match (found, wrong) {
            (true, false) => "+",
            (true, true) => "+ !",
            (false, true) => "!",
            (false, false) => "-",
        }
    }
}

/// A row of a table.
fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a table.
fn head<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> String {
    row(cells.clone().map(str::to_owned)) + &row(cells.map(|_| "---".to_owned()))
}

/// The tables of docs/presets.md.
fn tables(made: &[Made]) -> String {
    let names = presets::names();
    let (scans, benign): (Vec<&Made>, Vec<&Made>) = made.iter().partition(|one| one.recording.verdict == Verdict::Scan);
    let finds = format!("finds, of {} scans", scans.len());
    let accuses = format!("accuses somebody, of {} without a scan", benign.len());
    let mut text = head(["preset", &finds, &accuses, "in"].into_iter());
    for name in names {
        let found = scans.iter().filter(|one| one.mark(name).contains('+')).count();
        let wrong = benign.iter().filter(|one| one.mark(name).contains('!'));
        let wrong: Vec<String> = wrong.map(|one| format!("`{}`", one.recording.file)).collect();
        text += &row([format!("`{name}`"), found.to_string(), wrong.len().to_string(), wrong.join(", ")]);
    }
    text += "\n`+` the scanner is named, `-` nobody is, `!` somebody else is accused (decoys aside).\n\n";
    text += &head(["recording"].into_iter().chain(names));
    for one in scans {
        let about = format!("{} (`{}`)", one.recording.about.replace('|', "\\|"), one.recording.file);
        text += &row([about].into_iter().chain(names.map(|name| one.mark(name).to_owned())));
    }
    text
}

#[test]
fn the_page_says_what_each_preset_makes_of_the_recordings() {
    const BEGIN: &str = "<!-- measured: by tests/it/presets.rs -->\n\n";
    const END: &str = "\n<!-- end -->";
    let made: Vec<Made> = captures::all().into_iter().map(Made::of).collect();
    let path = root().join("docs/presets.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let real = [before, BEGIN, &tables(&made), END, after].concat();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&path, real).unwrap();
    } else {
        assert_eq!(page, real, "UPDATE_README=1 cargo test --test it presets writes what the presets find now");
    }
}

#[test]
fn every_preset_is_explained_on_its_page() {
    let page = fs::read_to_string(root().join("docs/presets.md")).unwrap();
    let (explained, _) = page.split_once("## ").unwrap();
    for name in presets::names() {
        assert!(explained.contains(&format!("`{name}`")), "docs/presets.md does not list {name}");
    }
}

/// The real libnids at work, or why it is not.
fn real_libnids(folder: &Path) -> Result<PathBuf, String> {
    let program = folder.join("libnids");
    let mut compiler = Command::new("cc");
    compiler.arg("-o").arg(&program).arg(root().join("tests/it/libnids.c")).args(["-lnids", "-lpcap"]);
    match compiler.output() {
        Err(error) => Err(format!("no C compiler: {error}")),
        Ok(output) if !output.status.success() => Err("libnids is not installed (apt install libnids-dev)".to_owned()),
        Ok(_) => Ok(program),
    }
}

/// A warning: the source, its targets and its ports, each once, in order of first sight.
type Warning = (String, Vec<String>, Vec<u64>);

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, one| {
        if !seen.contains(&one) {
            seen.push(one);
        }
        seen
    })
}

#[test]
fn libnids_itself_warns_of_the_same_sources_and_doors() {
    let folder = TempDir::new().unwrap();
    let program = match real_libnids(folder.path()) {
        Ok(program) => program,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let mut compared = 0;
    // It does not know frames with two VLAN tags.
    for recording in captures::all().into_iter().filter(|recording| recording.file != "qinq-fin-scan.pcap") {
        let output = Command::new(&program).arg(recording.path()).output().unwrap();
        if !output.status.success() {
            eprintln!("skipped: {}: libnids cannot read it", recording.file);
            continue;
        }
        let warning = |line: &str| -> Warning {
            let mut words = line.split(' ');
            let source = words.next().unwrap().to_owned();
            let doors: Vec<(&str, &str)> = words.map(|door| door.rsplit_once(':').unwrap()).collect();
            let targets = distinct(doors.iter().map(|door| door.0.to_owned()));
            (source, targets, distinct(doors.iter().map(|door| door.1.parse().unwrap())))
        };
        let expected: Vec<Warning> = String::from_utf8(output.stdout).unwrap().lines().map(warning).collect();
        let sample = |event: &Value, of: &str| event["scan"][of]["sample"].as_array().unwrap().clone();
        let own = |event: &Value| -> Warning {
            let targets = sample(event, "targets").iter().map(|ip| ip.as_str().unwrap().to_owned()).collect();
            let ports = sample(event, "ports").iter().map(|port| port.as_u64().unwrap()).collect();
            (event["src_ip"].as_str().unwrap().to_owned(), targets, ports)
        };
        let found: Vec<Warning> = begins("libnids", &recording.path()).iter().map(own).collect();
        compared += expected.len();
        assert_eq!(found, expected, "{}", recording.file);
    }
    assert!(compared > 100, "libnids warned only {compared} times");
}
