//! The same input gives the same bytes: for any number of shards, any size of batch, and
//! for one file or the same packets cut into ten. Whoever repeats a run can compare it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, test_runner::RngSeed};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    captures,
    craft::{Capture, file::Order},
    program::{Run, tripline},
};

/// The events about these files, with more arguments.
fn events(paths: &[PathBuf], more: &[&str]) -> String {
    let arguments = ["read", "-f", "eve"].into_iter().chain(more.iter().copied()).map(Into::into);
    let run = tripline(arguments.chain(paths.iter().map(|path| path.clone().into_os_string())));
    assert_eq!(run.status, Some(0), "{more:?}: {}", run.stderr);
    run.stdout
}

/// The same without what names a place in a file.
fn without_places(events: &str) -> Vec<Value> {
    events
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let fields = event.as_object_mut().unwrap();
            fields.remove("pcap_filename");
            fields.remove("pcap_cnt");
            event
        })
        .collect()
}

/// Whether the events about `path` are the same however the work is shared out.
fn same_for_any_sharing(path: &Path) -> Result<String, TestCaseError> {
    let paths = [path.to_owned()];
    let alone = events(&paths, &["--shards", "1"]);
    for more in [["--shards", "2"], ["--shards", "7"], ["--shards", "64"], ["--batch", "4KiB"], ["--batch", "64KiB"]] {
        prop_assert_eq!(&events(&paths, &more), &alone, "{:?} of {}", more, path.display());
    }
    Ok(alone)
}

#[test]
fn the_recordings_give_the_same_events_for_any_shards_and_batches() {
    let mut found = 0;
    for recording in captures::all() {
        found += same_for_any_sharing(&recording.path()).unwrap().lines().count();
    }
    assert!(found > 0, "nothing was compared: no recording gave an event");
}

#[test]
fn all_recordings_in_one_run_give_the_same_events_for_any_shards_and_batches() {
    let events = same_for_any_sharing(&captures::folder()).unwrap();
    assert!(events.lines().count() > 10, "nothing was compared: {events}");
}

/// A network whose addresses take turns, sources with one door each, a bounce whose lines come byte by byte.
fn of_many_cells() -> Capture {
    let story = (1..=60_u16).fold(Capture::new(), |story, n| {
        let story = story.syn(&format!("[2001:db8:1:2::{n:x}]:40000"), &format!("[fd00::1]:{n}")).refused();
        let story = story.syn(&format!("[2001:db8:2:{n:x}::1]:40000"), &format!("[fd00::2]:{n}")).refused();
        story.syn(&format!("10.{n}.0.9:40000"), &format!("10.0.0.1:{n}")).refused()
    });
    (0..6_u32).fold(story, |story, n| {
        let line = format!("PORT 10,0,0,7,0,{}\r\n", 20 + n);
        let said = line.char_indices().fold(story, |story, (at, letter)| {
            story.told_at("10.0.0.2:50000", "10.0.0.9:21", 100 * n + at as u32, &letter.to_string())
        });
        said.syn("10.0.0.9:20", &format!("10.0.0.7:{}", 20 + n)).accepted().used(100 + n as u16)
    })
}

#[test]
fn what_takes_many_cells_or_segments_gives_the_same_events_for_any_shards_and_batches() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("story.pcap");
    std::fs::write(&path, of_many_cells().pcap()).unwrap();
    let all = same_for_any_sharing(&path).unwrap();
    for words in ["2001:db8:1:2::/64 in turn", "2001:db8:2::/48 in turn", "share out the doors", "a bounce"] {
        assert!(all.contains(words), "{words}: {all}");
    }
}

/// What each packet of random traffic is, with numbers small enough that they meet.
#[derive(Clone, Debug)]
struct Act {
    from: u8,
    to: u8,
    port: u8,
    what: u8,
    wait: u16,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..6_u8, 0..12_u8, 0..40_u8, 0..9_u8, 0..800_u16).prop_map(|(from, to, port, what, wait)| Act {
        from,
        to,
        port,
        what,
        wait,
    });
    prop::collection::vec(act, 20..400)
}

fn story(acts: &[Act]) -> Capture {
    acts.iter().enumerate().fold(Capture::new(), |story, (i, act)| {
        let source = format!("10.0.0.{}", 100 + act.from);
        let target = format!("10.0.0.{}", 10 + act.to);
        let from = format!("{source}:{}", 40_000 + i);
        let to = format!("{target}:{}", 1 + act.port);
        let story = story.wait(f64::from(act.wait) / 1000.0);
        match act.what {
            0 => story.syn(&from, &to),
            1 | 2 => story.syn(&from, &to).refused(),
            3 => story.syn(&from, &to).accepted().aborted(),
            4 => story.syn(&from, &to).accepted().used(100),
            5 => story.udp(&from, &to, 20).port_unreachable(),
            6 => story.ping(&source, &target),
            7 => story.who_has(&source, &target),
            _ => story
                .syn(&format!("[fd00::{}]:40000", act.from), &format!("[fd00::1{}]:{}", act.to, 1 + act.port))
                .refused(),
        }
    })
}

proptest! {
    // Each case is a dozen runs of the program; the seed makes CI's cases everybody's.
    #![proptest_config(ProptestConfig {
        cases: 12, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn random_traffic_gives_the_same_events_for_any_shards_batches_and_cuts(acts in acts()) {
        let folder = TempDir::new().unwrap();
        let capture = story(&acts);
        let whole = folder.path().join("whole.pcap");
        std::fs::write(&whole, capture.pcap()).unwrap();
        let alone = same_for_any_sharing(&whole)?;

        let mut parts = Vec::new();
        for (i, part) in capture.cut_into(10).iter().enumerate() {
            // Names run against the order of time, which must win.
            let path = folder.path().join(format!("part-{:02}.pcap", 99 - i));
            std::fs::write(&path, part.pcap()).unwrap();
            parts.push(path);
        }
        prop_assert_eq!(without_places(&events(&parts, &[])), without_places(&alone));
    }
}

/// Scans, clients and silences in turn; at every seventh packet a copy, as a span port shows it.
fn busy() -> Capture {
    let mut story = Capture::new();
    for n in 0..500_u32 {
        let (from, host) = (format!("10.0.9.{}:{}", 100 + n % 5, 20_000 + n), 10 + n * 7 % 19);
        let to = format!("10.0.0.{host}:{}", 1 + n * 31 % 300);
        story = match n % 9 {
            0..=3 => story.syn(&from, &to).refused(),
            4 => story.syn(&from, &format!("10.0.0.{host}:80")).accepted().used(1_400).wait(0.4),
            5 => story.udp(&from, &to, 900).port_unreachable(),
            6 => story.syn(&format!("20.0.{}.7:4000", n % 250), &to),
            7 => story.syn("10.0.9.7:5000", &format!("10.0.0.{host}:80")).accepted().used(9).syn(&from, &to),
            _ => story.ping(&format!("10.0.9.{}", 100 + n % 23), &format!("10.0.0.{host}")).wait(1.5),
        };
        if n % 7 == 0 {
            let again = story.frames.last().unwrap().bytes.clone();
            story = story.frame(again);
        }
    }
    story
}

/// The story in an archive of every sort: a capture larger than a batch, many that are smaller, sections one behind the other, compressed ones,
/// and in the midst of them three that cannot be read to their end.
fn archive(folder: &Path) {
    let parts = busy().cut_into(20);
    let pcapng = |n: usize| parts[n].pcapng(if n.is_multiple_of(2) { Order::Big } else { Order::Little });
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let all = |range: std::ops::Range<usize>| range.flat_map(pcapng).collect::<Vec<u8>>();
    for n in 0..20 {
        let (name, bytes) = match n {
            0 => {
                let mut large = Capture::new();
                large.frames = parts[..5].iter().flat_map(|part| part.frames.clone()).collect();
                ("large.pcap".into(), large.pcap())
            }
            1..=4 | 6..=7 => continue,
            5 => ("sections.pcapng".into(), all(5..8)),
            8 => ("cut.pcap".into(), parts[8].pcap()[..1_500].to_vec()),
            9 | 13 => (format!("{n}.pcap.gz"), gzip(&parts[n].pcap())),
            10 => ("cut.pcap.gz".into(), gzip(&parts[10].pcap()[..1_501])),
            11 => (format!("{n}.pcapng.zst"), zstd::encode_all(&pcapng(n)[..], 3).unwrap()),
            12 => {
                let packed = zstd::encode_all(&parts[12].pcap()[..], 3).unwrap();
                ("broken.zst".into(), packed[..packed.len() - 3].to_vec())
            }
            _ => (format!("{n}.pcapng"), pcapng(n)),
        };
        let bytes: Vec<u8> = bytes;
        fs::write(folder.join(name), bytes).unwrap();
    }
}

#[test]
fn an_archive_of_every_sort_says_and_counts_the_same_for_any_shards_and_batches() {
    let folder = TempDir::new().unwrap();
    let here = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(here("archive")).unwrap();
    archive(Path::new(&here("archive")));
    fs::write(here("rules.toml"), "version = 1\n[detect]\ncopies = '2ms'\n").unwrap();
    let read = |asked: &[&str], sharing: &[&str]| -> (Run, String) {
        let (rules, summary, input) = (here("rules.toml"), here("summary.json"), here("archive"));
        let own = ["read", "-q", "-f", "eve", "-r", &rules, "--summary", &summary, &input];
        let run = tripline(own.iter().chain(asked).chain(sharing));
        // Files that end too soon are in it, and neither a crash nor a clean end.
        assert_eq!(run.status, Some(1), "{asked:?} {sharing:?}: {}", run.stderr);
        (run, fs::read_to_string(summary).unwrap())
    };
    let sharings = [
        &["--shards", "2"][..],
        &["--shards", "7"],
        &["--shards", "64"],
        &["--shards", "1", "--batch", "1"],
        &["--shards", "2", "--batch", "64KiB"],
        &["--shards", "2", "--batch", "3MiB"],
    ];
    for asked in [
        &[][..],
        &["--memory", "1MiB", "-p", "tripline,scanlogd,zeek,trw"],
        &["--filter", "tcp and not host 10.0.0.11"],
        &["--since", "2026-11-22T12:00:20Z", "--until", "2026-11-22T12:01:30Z", "--processor", "probe-payload"],
        &["--merge"],
    ] {
        let (alone, counted) = read(asked, &["--shards", "1"]);
        assert!(alone.stdout.lines().count() > 5 && alone.stderr.lines().count() >= 3, "{asked:?}: {}", alone.stderr);
        for sharing in sharings {
            let (run, counts) = read(asked, sharing);
            assert_eq!(run.stdout, alone.stdout, "{asked:?} {sharing:?}");
            assert_eq!(run.stderr, alone.stderr, "{asked:?} {sharing:?}");
            assert_eq!(counts, counted, "{asked:?} {sharing:?}");
        }
        if asked.is_empty() {
            let at = |name: &str| alone.stderr.lines().position(|line| line.contains(name));
            let troubles = [at("cut.pcap:"), at("cut.pcap.gz"), at("broken.zst")];
            assert!(troubles.is_sorted() && troubles[0].is_some(), "in the order of the files: {}", alone.stderr);
        }
    }
}
