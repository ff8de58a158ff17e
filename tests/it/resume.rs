//! A run that was interrupted goes on, and its files are byte for byte as if it had never been: `read --resume STATE`.
//! What cannot be taken back is refused before anything is done. `docs/resume.md` is the promise.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tripline::{
    checkpoint::Writer,
    defragment::Policies,
    engine::{
        self, Plan, Reference, RunError, Sink,
        checkpoint::{Checkpoints, Conditions, Found},
    },
    presets::{self, tripline::Thresholds},
    source::{Archive, Order, Sizes, Trouble},
};
use tripline_plugin::Event;

use crate::{
    craft::{Capture, frame::SYN, frame::Segment, pieces},
    program::tripline,
};

/// Numbers that look like chance and are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Traffic with something for every table: scans of all sorts, clients, forged sources, decoys, crowds, fragments.
fn traffic(acts: u32, seed: u64) -> Capture {
    let mut chance = Chance(seed);
    let mut story = Capture::new();
    for n in 0..acts {
        let (who, host, port) = (chance.below(40), chance.below(24), 1 + chance.below(400));
        let (source, target) = (format!("10.0.9.{}", 100 + who), format!("10.0.0.{}", 10 + host));
        let (from, to) = (format!("{source}:{}", 30_000 + n % 30_000), format!("{target}:{port}"));
        story = match chance.below(24) {
            0..=4 => story.syn(&from, &to).refused(),
            5 => story.syn(&from, &to).accepted().aborted(),
            6 => story.syn(&from, &format!("{target}:80")).accepted().used(100),
            7 => story.syn(&from, &to),
            8 => story.udp(&from, &to, 20).port_unreachable(),
            9 => story.ping(&source, &target).who_has(&source, &target),
            10 => story.tcp(&from, &to, 41),
            // Forged ones that come once, twice, three times.
            11..=17 => {
                let forged = format!("20.{}.{}.7:4000", chance.below(9), chance.below(250));
                story.syn(&forged, &format!("10.0.0.1:{port}"))
            }
            // nmap's decoys: the same probe under other names.
            18 => [1, 2, 3].into_iter().fold(story, |story, n| story.syn(&format!("10.0.8.{n}:5555"), &to)),
            19 => story.syn(&format!("10.1.{}.{}:5000", who, chance.below(9)), &format!("10.0.0.2:{port}")).refused(),
            20 => story.syn(&format!("[fd00::{who:x}]:4000"), &format!("[fd00:1::{host:x}]:{port}")).refused(),
            21 => story.wait(chance.below(4_000) as f64 / 10.0),
            _ => {
                let seq = n.wrapping_mul(77);
                let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
                let whole = Segment { from, to, flags: SYN, seq, ack: 0, payload: 24 }.frame();
                let mut cut = pieces::cut(&whole, n as u16, 16);
                // Of some the last piece never comes, or one comes twice.
                match chance.below(4) {
                    0 => drop(cut.pop()),
                    1 => cut.push(cut[0].clone()),
                    _ => {}
                }
                cut.into_iter().fold(story, Capture::frame)
            }
        };
    }
    story
}

/// An archive of every sort: the story in four files, one after the other.
fn archive(folder: &Path, story: &Capture) -> PathBuf {
    let archive = folder.join("archive");
    fs::create_dir(&archive).unwrap();
    let parts = story.cut_into(4);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let write = |name: &str, bytes: &[u8]| fs::write(archive.join(name), bytes).unwrap();
    // Names run against the order of time, which must win.
    write("d.pcap", &parts[0].pcap());
    write("c.pcapng", &parts[1].pcapng(crate::craft::file::Order::Big));
    write("b.pcap.gz", &gzip(&parts[2].pcap()));
    write("a.pcapng.zst", &zstd::encode_all(&parts[3].pcapng(crate::craft::file::Order::Little)[..], 3).unwrap());
    archive
}

/// Limits, a silence, two outputs; one of them for people.
fn rules(folder: &Path) -> PathBuf {
    let path = folder.join("rules.toml");
    let text = format!(
        "version = 1\n[outputs.all]\nplugin = 'file'\npath = '{0}/all.jsonl'\n[outputs.few]\nplugin = 'file'\n\
         path = '{0}/few.txt'\nformat = 'human'\n[[rules]]\nname = 'ours'\nif = {{ source = '10.0.9.105' }}\nsilence = true\n[[rules]]\nname = 'few'\noutputs = ['few']\nlimit = {{ events = 3, per = '10m', by = 'source' }}\n\
         continue = true\n[default]\noutputs = ['all']\n",
        folder.display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// All that a run wrote, by file.
fn written(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file() && entry.file_name() != "rules.toml")
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// A run that was killed until it came to its end.
struct Survivor {
    folder: TempDir,
    kills: u32,
    status: Option<i32>,
}

/// Kills a command again and again, at random times, until it comes to its end; `whole` is what one takes that is not
/// killed. A machine may become faster meanwhile, so what ends before it was killed `least` times does not count: all
/// begins anew in a new folder, with half the patience.
fn kill_until_over(arguments: impl Fn(&Path) -> Vec<String>, whole: Duration, least: u32, seed: u64) -> Survivor {
    let mut chance = Chance(seed);
    let mut patience = whole / 4;
    loop {
        let folder = TempDir::new().unwrap();
        let (kills, status) = kill_until_it_ends(&arguments(folder.path()), patience, &mut chance);
        if kills >= least {
            return Survivor { folder, kills, status };
        }
        // With no patience left, as many are killed as are ever killed.
        patience /= 2;
    }
}

/// How often a command was killed, and with which status it ended.
fn kill_until_it_ends(arguments: &[String], patience: Duration, chance: &mut Chance) -> (u32, Option<i32>) {
    const MOST: u32 = 40;
    for kills in 0.. {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        let command = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Ever more time, so that it ends on slow machines too.
        let patience = patience.mul_f64((0.3 + chance.below(1_000) as f64 / 1_000.0) * (1.0 + f64::from(kills) / 5.0));
        let until = Instant::now() + patience;
        while Instant::now() < until || kills >= MOST {
            if let Some(status) = child.try_wait().unwrap() {
                let mut said = String::new();
                io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
                assert!(matches!(status.code(), Some(0 | 1)), "{status}: {said}");
                return (kills, status.code());
            }
            thread::sleep(Duration::from_millis(1));
        }
        // SIGKILL, wherever it is.
        child.kill().unwrap();
        child.wait().unwrap();
    }
    unreachable!()
}

#[test]
fn a_run_that_is_killed_again_and_again_writes_what_one_that_never_was_does() {
    let story = traffic(20_000, 2026);
    assert!(story.frames.len() > 30_000, "{}", story.frames.len());
    let presets = presets::names().join(",");
    for (seed, more) in [(1, vec!["--memory", "1MiB"]), (2, vec!["-p", &presets, "--memory", "4MiB"])] {
        let whole = TempDir::new().unwrap();
        let input = archive(whole.path(), &story);
        let input = input.to_str().unwrap();
        let arguments = |folder: &Path| {
            let (rules, state) = (rules(folder), folder.join("state"));
            let summary = folder.join("summary.json");
            let own = ["read", "-q", "--checkpoint-every", "150KiB", "-r", rules.to_str().unwrap(), "--summary"];
            let own = own
                .into_iter()
                .chain([summary.to_str().unwrap(), "--resume", state.to_str().unwrap(), input])
                .chain(more.iter().copied());
            own.map(str::to_owned).collect::<Vec<_>>()
        };
        let (own, summary) = (rules(whole.path()), whole.path().join("summary.json"));
        let own = ["read", "-q", "-r", own.to_str().unwrap(), "--summary", summary.to_str().unwrap(), input];
        let began = Instant::now();
        let run = tripline(own.iter().chain(&more));
        let took = began.elapsed();
        assert_eq!(run.status, Some(0), "{}", run.stderr);
        let expected = written(whole.path());
        assert!(expected.len() == 3 && expected.iter().all(|(_, bytes)| bytes.len() > 1_000), "{}", run.stderr);

        let Survivor { folder, kills, status } = kill_until_over(arguments, took, 3, seed);
        assert_eq!(status, Some(0), "after {kills} kills");
        fs::remove_file(folder.path().join("state")).unwrap();
        let got = written(folder.path());
        let names: Vec<_> = got.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["all.jsonl", "few.txt", "summary.json"], "and nothing lies about");
        for ((name, got), (_, expected)) in got.iter().zip(&expected) {
            assert!(got == expected, "{name} differs after {kills} kills");
        }
    }
}

/// An archive of five packed captures, by four packers, some with windows; the third ends in the middle.
fn packed_archive(folder: &Path, story: &Capture) -> PathBuf {
    let archive = folder.join("archive");
    fs::create_dir(&archive).unwrap();
    let parts: Vec<Vec<u8>> = story.cut_into(5).iter().map(Capture::pcap).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&parts[0]).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&parts[1]).unwrap();
    let mut cut = zstd::encode_all(&parts[2][..], 3).unwrap();
    cut.truncate(cut.len() * 3 / 4);
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&parts[3]).unwrap();
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(24).unwrap();
    wide.write_all(&parts[4]).unwrap();
    let all = [gzip.finish(), xz.finish(), Ok(cut), Ok(lz4.finish().unwrap()), wide.finish()];
    for (name, bytes) in ["1.gz", "2.xz", "3.zst", "4.lz4", "5.zst"].into_iter().zip(all) {
        fs::write(archive.join(name), bytes.unwrap()).unwrap();
    }
    archive
}

#[test]
fn captures_that_are_unpacked_before_their_turn_are_begun_again_where_a_killed_run_stood() {
    let story = traffic(5_000, 77);
    let whole = TempDir::new().unwrap();
    let input = packed_archive(whole.path(), &story);
    let input = input.to_str().unwrap();
    // Room for all of them at once, and for hardly one: the last has a window of 16 MiB.
    for (seed, more) in [(3, &["--unpack-memory", "64MiB", "--shards", "4"][..]), (4, &["--unpack-memory", "3MiB"])] {
        let words = |folder: &Path, resume: bool| {
            let path = |name: &str| folder.join(name).display().to_string();
            let mut words = vec!["read".into(), "-q".into(), "-r".into(), rules(folder).display().to_string()];
            words.extend(["--summary".into(), path("summary.json")]);
            if resume {
                words.extend(["--checkpoint-every", "60KiB", "--resume"].map(str::to_owned));
                words.push(path("state"));
            }
            words.extend(more.iter().map(|word| (*word).to_owned()));
            words.push(input.into());
            words
        };
        let folder = TempDir::new().unwrap();
        let began = Instant::now();
        let run = tripline(words(folder.path(), false));
        let took = began.elapsed();
        assert!(run.status == Some(1) && run.stderr.contains("3.zst"), "{}", run.stderr);
        let expected = written(folder.path());
        let Survivor { folder: killed, kills, status } = kill_until_over(|folder| words(folder, true), took, 2, seed);
        assert_eq!(status, Some(1), "after {kills} kills");
        fs::remove_file(killed.path().join("state")).unwrap();
        let got = written(killed.path());
        assert_eq!(got.len(), expected.len(), "and nothing lies about");
        for ((name, got), (_, expected)) in got.iter().zip(&expected) {
            assert!(got == expected, "{name} differs after {kills} kills, {more:?}");
        }
    }
}

/// Takes events, and stops a run after so many bytes of its input.
#[derive(Default)]
struct Told {
    events: Vec<String>,
    troubles: Vec<String>,
    /// Bytes of the input, those of runs before included.
    bytes: u64,
    stop_after: Option<u64>,
    kept: u32,
}

impl Sink for Told {
    fn event(&mut self, event: Event) {
        self.events.push(serde_json::to_string(&event).unwrap());
    }
    fn trouble(&mut self, trouble: Trouble) {
        self.troubles.push(trouble.to_string());
    }
    fn unknown_link(&mut self, _: &Path, _: u64, reason: &str) {
        panic!("{reason}");
    }
    fn line(&mut self, _: usize, _: String) {}
    fn progress(&mut self, bytes: u64, _: u64) -> bool {
        self.bytes += bytes;
        self.stop_after.is_none_or(|most| self.bytes < most)
    }
    fn keep(&mut self, to: &mut Writer<'_>) -> io::Result<()> {
        self.kept += 1;
        to.put(&(self.events.len(), self.troubles.len()))
    }
    fn unkept(&mut self, reason: &str) {
        panic!("{reason}");
    }
}

/// A run inside this process.
struct Inside {
    folder: TempDir,
    input: PathBuf,
    every: u64,
    batch: usize,
    key: Option<u64>,
}

impl Inside {
    fn new(story: &Capture) -> Self {
        let folder = TempDir::new().unwrap();
        let input = archive(folder.path(), story);
        // Two that end in the middle of a record, in the middle of the story.
        for name in ["d.pcap", "b.pcap.gz"] {
            let whole = fs::read(input.join(name)).unwrap();
            fs::write(input.join(name), &whole[..whole.len() - 7]).unwrap();
        }
        Self { folder, input, every: u64::MAX, batch: 30_000, key: None }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn plan(&self, checkpoints: Option<Checkpoints>) -> Plan {
        let references = ["scanlogd", "libnids", "snort-high", "trw", "zeek"];
        Plan {
            shards: 1,
            batches: 1,
            memory: 1 << 20,
            key: self.key,
            thresholds: Some(Thresholds { copies: 1_000_000, ..Thresholds::default() }),
            references: references.into_iter().filter_map(Reference::named).collect(),
            reassembly: Policies::default(),
            tenants: false,
            filter: None,
            about: None,
            streams: None,
            checkpoints,
        }
    }

    /// Runs on from the state, if there is one, and stops after so many bytes.
    fn run(&self, told: &mut Told, stop_after: Option<u64>) -> Result<bool, RunError> {
        let sizes = Sizes { batch_bytes: self.batch, piece_bytes: 7_000 };
        let mut found = Found::at(&self.state(), 1 << 20).unwrap();
        let kept = found.as_mut().map(|found| found.read(|from| Ok((from.take()?, from.take()?)))).transpose()?;
        let (events, troubles): (usize, usize) = kept.unwrap_or_default();
        told.events.truncate(events);
        told.troubles.truncate(troubles);
        let mut archive = Archive::open(std::slice::from_ref(&self.input), Order::Time, sizes);
        let conditions =
            Conditions { version: env!("CARGO_PKG_VERSION").into(), settings: Vec::new(), inputs: Vec::new() };
        let checkpoints = Checkpoints::new(self.state(), conditions, self.every, found);
        (told.bytes, told.stop_after) = (0, stop_after);
        let totals = engine::run(&mut archive, self.plan(Some(checkpoints)), told)?;
        Ok(totals.stopped)
    }
}

/// Says where the first difference is: all of it would be a book.
fn same(got: &[String], expected: &[String]) {
    if let Some((n, (got, expected))) =
        got.iter().zip(expected).enumerate().find(|(_, (got, expected))| got != expected)
    {
        panic!("event {n}:\n{got}\nand not\n{expected}");
    }
    assert_eq!(got.len(), expected.len());
}

#[test]
fn wherever_a_run_stops_another_says_the_rest_and_no_state_changes_a_byte() {
    let story = traffic(6_000, 7);
    let mut inside = Inside::new(&story);
    let mut whole = Told::default();
    let mut archive = Archive::open(std::slice::from_ref(&inside.input), Order::Time, Sizes::default());
    engine::run(&mut archive, inside.plan(None), &mut whole).unwrap();
    assert!(whole.events.len() > 100 && whole.troubles.len() == 2, "{:?}", whole.troubles);
    // Ever so many states, with batches of another size.
    for every in [1, 50_000, 400_000] {
        inside.every = every;
        let mut told = Told::default();
        assert!(!inside.run(&mut told, None).unwrap());
        assert!(told.kept > 1, "{every}");
        same(&told.events, &whole.events);
        same(&told.troubles, &whole.troubles);
        fs::remove_file(inside.state()).unwrap();
    }
    // Stopped after each so many bytes, and gone on with each time.
    for step in [20_000, 97_000] {
        // What was said of the end of the input is taken back by who goes on.
        let (mut told, mut stops) = (Told::default(), 0);
        while inside.run(&mut told, Some((stops + 1) * step)).unwrap() {
            stops += 1;
        }
        assert!(stops > 2, "{stops}");
        same(&told.events, &whole.events);
        same(&told.troubles, &whole.troubles);
        let _ = fs::remove_file(inside.state());
    }
}

#[test]
fn a_forged_state_is_refused_or_goes_wrong_without_harm() {
    // With a key there is a state before so many frames.
    let inside = Inside { key: Some(7), ..Inside::new(&traffic(1_500, 11)) };
    let mut told = Told::default();
    assert!(inside.run(&mut told, Some(80_000)).unwrap());
    let whole = fs::read(inside.state()).unwrap();
    let events = told.events.clone();
    let mut chance = Chance(5);
    let (mut refused, mut taken) = (0, 0);
    let times: u32 = std::env::var("TRIPLINE_FUZZ").map_or(1, |times| times.parse().unwrap());
    for _ in 0..120 * times {
        let mut body = whole[..whole.len() - 32].to_vec();
        for _ in 0..=chance.below(3) {
            let at = 60 + chance.below(body.len() as u64 - 60) as usize;
            match chance.below(4) {
                0 => body[at] = 0xff,
                1 => body[at] ^= 1 << chance.below(8),
                2 => drop(body.remove(at)),
                _ => body.insert(at, chance.below(256) as u8),
            }
        }
        let sum = Sha256::digest(&body);
        body.extend(sum);
        fs::write(inside.state(), body).unwrap();
        told.events.clone_from(&events);
        match inside.run(&mut told, None) {
            Ok(_) => taken += 1,
            Err(RunError::State(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 30 && taken > 5, "{refused} refused, {taken} taken");
}

/// A folder with an archive and a run of it that was stopped.
fn begun() -> (TempDir, Vec<String>) {
    let folder = TempDir::new().unwrap();
    archive(folder.path(), &traffic(3_000, 3));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let output = format!("file:path={}", path("x.jsonl"));
    let words = ["read", "-q", "--resume", &path("state"), "-o", &output, &path("archive")].map(str::to_owned);
    (folder, words.into())
}

#[test]
fn a_run_that_is_finished_is_not_run_again_by_mistake() {
    let (folder, words) = begun();
    let mut loud = words.clone();
    loud.retain(|word| word != "-q");
    assert_eq!(tripline(&words).status, Some(0));
    let written = fs::read(folder.path().join("x.jsonl")).unwrap();
    assert!(!written.is_empty());
    let again = tripline(&loud);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("is finished; nothing was read"), "{}", again.stderr);
    assert_eq!(fs::read(folder.path().join("x.jsonl")).unwrap(), written);
    // The day after, with one capture more.
    fs::copy(folder.path().join("archive/d.pcap"), folder.path().join("archive/e.pcap")).unwrap();
    let other = tripline(&words);
    assert_eq!(other.status, Some(2));
    assert!(other.stderr.contains("another input") && other.stderr.contains("e.pcap was not there then"), "{other:?}");
    assert_eq!(fs::read(folder.path().join("x.jsonl")).unwrap(), written);
}

#[test]
fn the_outcome_of_a_finished_run_is_that_of_the_next() {
    let (_folder, mut words) = begun();
    words.push("--fail-on-scan".into());
    assert_eq!((tripline(&words).status, tripline(&words).status), (Some(3), Some(3)));
}

#[test]
fn another_run_is_refused_and_said_what_is_other() {
    let (folder, words) = begun();
    assert_eq!(tripline(&words).status, Some(0));
    let before = written(folder.path());
    let rules = folder.path().join("archive/rules.toml");
    fs::write(&rules, "version = 1\n").unwrap();
    let refused = |more: &[&str], why: &str| {
        let run = tripline(words.iter().map(String::as_str).chain(more.iter().copied()));
        assert_eq!(run.status, Some(2), "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(why) && run.stderr.contains("nothing was started"), "{why}: {}", run.stderr);
        assert!(written(folder.path()) == before, "{more:?} left something");
    };
    refused(&["--memory", "1MiB"], "memory then `67108864`, now `1048576`");
    refused(&["-p", "zeek"], "presets then `tripline`, now `zeek`");
    refused(&["--key", "7"], "key then none, now `7`");
    refused(&["--filter", "tcp"], "filter then none, now `tcp`");
    refused(&["--since", "2026-01-01"], "span of time then none");
    refused(&["--order", "name"], "order then `Time`, now `Name`");
    refused(&["-r", rules.to_str().unwrap()], "other rules");
    refused(&["-o", "file:path=/dev/null"], "other outputs");
}

#[test]
fn what_cannot_be_taken_back_is_refused_before_anything_is_done() {
    let (folder, words) = begun();
    let refused = |more: &[&str], why: &str| {
        let run = tripline(words.iter().map(String::as_str).chain(more.iter().copied()));
        assert_eq!(run.status, Some(2), "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(why) && run.stderr.contains("nothing was started"), "{why}: {}", run.stderr);
        assert!(written(folder.path()).is_empty(), "{more:?} left something");
    };
    let rotated = format!("file:path={}/y,rotate=daily", folder.path().display());
    refused(&["--merge"], "merged");
    refused(&["--ledger", "/dev/null"], "ledger");
    refused(&["--processor", "probe-payload"], "stream processors");
    refused(&["-f", "eve"], "standard output");
    refused(&["-o", "stdout"], "standard output");
    refused(&["--deliver", "-o", "syslog"], "left the machine");
    refused(&["-o", &rotated], "rotate");
    refused(&["-"], "can be read only once");
    let no_file = tripline(["read", "--resume", "/no/such/folder/state", words.last().unwrap()]);
    assert_eq!(no_file.status, Some(2));
    assert!(no_file.stderr.contains("standard output"), "an output is asked for: {}", no_file.stderr);
    let device = tripline(words.iter().map(String::as_str).chain(["-o", "file:path=/dev/null"]));
    assert!(device.status == Some(2) && device.stderr.contains("/dev/null is no plain file"), "{device:?}");
}

#[test]
fn a_damaged_state_or_what_is_none_is_refused_and_left_alone() {
    let (folder, words) = begun();
    assert_eq!(tripline(&words).status, Some(0));
    let path = folder.path().join("state");
    let whole = fs::read(&path).unwrap();
    let output = fs::read(folder.path().join("x.jsonl")).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for (bytes, why) in [
        (&damaged[..], "it is damaged or cut"),
        (&whole[..whole.len() / 2], "it is damaged or cut"),
        (b"a capture, say, or a letter", "it is no state of this program, and is left alone"),
        (b"", "it is no state of this program, and is left alone"),
    ] {
        fs::write(&path, bytes).unwrap();
        let run = tripline(&words);
        assert_eq!(run.status, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(folder.path().join("x.jsonl")).unwrap()),
            (bytes.into(), output.clone())
        );
    }
}

#[test]
fn who_asks_a_run_to_end_can_go_on_with_it_later() {
    let story = traffic(12_000, 5);
    let folder = TempDir::new().unwrap();
    let input = archive(folder.path(), &story);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let run = |output: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
        let output = format!("file:path={}", path(output));
        command.args(["read", "--resume", &path(&format!("{}.state", output.len())), "-o", &output]).arg(&input);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    assert!(run("whole.jsonl").output().unwrap().status.success());
    let child = run("x.jsonl").spawn().unwrap();
    thread::sleep(Duration::from_millis(250));
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    // On a fast machine it is done before.
    assert!(ended.status.success() || said.contains("the same command goes on with it"), "{said}");
    let second = run("x.jsonl").output().unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let [whole, got] = ["whole.jsonl", "x.jsonl"].map(|name| fs::read(path(name)).unwrap());
    assert!(whole == got && whole.len() > 10_000, "{} and {} bytes", whole.len(), got.len());
}
