//! The contract of outputs, kept by `file`; and what a user of an archive gets.

// Says to clippy that all of it is tests, where `unwrap` is a plain way to fail.
#![cfg(test)]

use std::{collections::BTreeMap, fs, io::Read, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use tempfile::TempDir;
use tripline_plugin::{
    ConfigError, Event, Options, Output, OutputError, Record, Resume, Table, event::EventType, testkit,
};

fn build(path: &Path) -> Result<Box<dyn Output>, ConfigError> {
    build_with(path, &[])
}

fn build_with(path: &Path, options: &[(&str, &str)]) -> Result<Box<dyn Output>, ConfigError> {
    let path = [("path", path.to_str().unwrap())];
    let options = options.iter().chain(&path);
    let table: Table = options.map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    (tripline_file::PLUGIN.build)(&Options::check(tripline_file::PLUGIN.options, &table).unwrap())
}

fn open() -> (Box<dyn Output>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (build(&folder.path().join("scans.jsonl")).unwrap(), folder)
}

fn read(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("scans.jsonl")).unwrap()
}

#[test]
fn it_keeps_the_contract() {
    testkit::check_card(&tripline_file::PLUGIN);
    testkit::check_lines(open, read);
    testkit::check_empty(open, read);
    testkit::check_reopen(open, read);
}

#[test]
fn it_appends_and_never_truncates() {
    let (_, folder) = open();
    let path = folder.path().join("scans.jsonl");
    fs::write(&path, "of last week\n").unwrap();
    build(&path).unwrap().write(&testkit::records()[..1]).unwrap();
    assert_eq!(read(&folder), "of last week\nsample event 1\n");
}

#[test]
fn a_line_that_a_crash_tore_is_cut_off_and_kept_beside() {
    for (left, whole, torn) in [
        ("one\n{\"timestamp\":\"2026-1", "one\n", "{\"timestamp\":\"2026-1\n"),
        ("half of the first", "", "half of the first\n"),
        ("one\ntwo\n", "one\ntwo\n", ""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scans.jsonl");
        fs::write(&path, left).unwrap();
        build(&path).unwrap().write(&testkit::records()[..1]).unwrap();
        assert_eq!(read(&folder), format!("{whole}sample event 1\n"));
        assert_eq!(fs::read_to_string(folder.path().join("scans.jsonl.torn")).unwrap_or_default(), torn);
    }
}

fn resumed(path: &Path, resume: Resume) -> Result<Box<dyn Output>, ConfigError> {
    let table: Table = [("path".to_owned(), path.to_str().unwrap().into())].into();
    let options = Options::check(tripline_file::PLUGIN.options, &table).unwrap();
    (tripline_file::PLUGIN.build)(&options.with_resume(resume))
}

#[test]
fn what_was_written_behind_a_position_is_taken_back_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scans.jsonl");
    fs::write(&path, "of last week\n").unwrap();
    let mut first = resumed(&path, Resume::Begin).unwrap();
    assert_eq!(first.position(), Ok(13));
    first.write(&testkit::records()[..1]).unwrap();
    let end = first.position().unwrap();
    first.write(&testkit::records()[1..4]).unwrap();
    drop(first);
    let torn = format!("{}half a li", read(&folder));
    fs::write(&path, torn).unwrap();
    let mut second = resumed(&path, Resume::At(end)).unwrap();
    assert_eq!(second.position(), Ok(end));
    second.write(&testkit::records()[1..2]).unwrap();
    assert_eq!(read(&folder), "of last week\nsample event 1\nsample event 2\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was put beside it");
}

#[test]
fn a_file_that_cannot_be_the_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scans.jsonl");
    let why = |text: Option<&str>, end| {
        let _ = fs::remove_file(&path);
        text.inspect(|text| fs::write(&path, text).unwrap());
        let reason = resumed(&path, Resume::At(end)).err().map(|error| error.reason);
        assert_eq!(text, fs::read_to_string(&path).ok().filter(|_| reason.is_some() || end > 0).as_deref());
        reason.map(|reason| reason.rsplit_once(": ").unwrap().1.to_owned())
    };
    assert_eq!(why(Some("one\n"), 9).as_deref(), Some("it has 4 bytes"));
    assert_eq!(why(Some("another\n"), 4).as_deref(), Some("no line ends there, so it is another file"));
    assert!(why(None, 4).unwrap().contains("No such file"));
    assert_eq!(why(Some("one\n"), 4), None);
    assert_eq!(why(None, 0), None);
}

#[test]
fn a_file_that_is_put_away_cannot_be_cut_back_and_a_device_not_either() {
    let table: Table = [("path", "/x"), ("rotate", "daily")].map(|(key, value)| (key.to_owned(), value.into())).into();
    let options = Options::check(tripline_file::PLUGIN.options, &table).unwrap();
    assert_eq!((tripline_file::PLUGIN.check)(&options), Ok(()));
    let error = (tripline_file::PLUGIN.check)(&options.with_resume(Resume::Begin)).unwrap_err();
    assert!(error.reason.contains("--resume"), "{error}");
    let mut device = resumed(Path::new("/dev/null"), Resume::Begin).unwrap();
    assert!(matches!(device.position(), Err(OutputError::Reject(why)) if why == "/dev/null is no plain file"));
}

#[test]
fn what_another_writer_is_about_to_finish_is_not_torn() {
    let (mut first, folder) = open();
    first.write(&testkit::records()[..1]).unwrap();
    let path = folder.path().join("scans.jsonl");
    fs::write(&path, "sample event 1\nunder w").unwrap();
    let _second = build(&path).unwrap();
    assert_eq!(read(&folder), "sample event 1\nunder w");
}

#[test]
fn others_than_owner_and_group_may_not_read_it() {
    let (_, folder) = open();
    let mode = fs::metadata(folder.path().join("scans.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn after_a_rename_and_reopen_new_lines_go_to_a_new_file() {
    let (mut output, folder) = open();
    let records = testkit::records();
    output.write(&records[..1]).unwrap();
    fs::rename(folder.path().join("scans.jsonl"), folder.path().join("old")).unwrap();
    output.reopen().unwrap();
    output.write(&records[1..2]).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "sample event 1\n");
    assert_eq!(read(&folder), "sample event 2\n");
}

#[test]
fn a_place_where_no_file_can_be_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let error = build(folder.path()).err().unwrap().to_string();
    assert!(error.starts_with("path: ") && error.contains("is a folder (name a file in it"), "{error}");
    let error = build(&folder.path().join("no/such/scans.jsonl")).err().unwrap().to_string();
    assert!(error.contains("no/such/scans.jsonl") && error.ends_with("(create its folder first)"), "{error}");
}

#[test]
fn a_full_disk_is_tried_again_and_named() {
    let full = Path::new("/dev/full");
    if full.exists() {
        let error = build(full).unwrap().write(&testkit::records()).unwrap_err();
        assert!(matches!(&error, OutputError::Retry(why) if why.starts_with("/dev/full: ")), "{error}");
    }
}

#[test]
fn a_file_that_was_moved_away_is_begun_anew_without_being_told() {
    let (mut output, folder) = open();
    let records = testkit::records();
    output.write(&records[..1]).unwrap();
    fs::rename(folder.path().join("scans.jsonl"), folder.path().join("old")).unwrap();
    output.write(&records[1..2]).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "sample event 1\n");
    assert_eq!(read(&folder), "sample event 2\n");
    fs::remove_file(folder.path().join("scans.jsonl")).unwrap();
    output.write(&records[2..3]).unwrap();
    assert_eq!(read(&folder), "sample event 3\n");
}

// ---- Rotation ---------------------------------------------------------------

/// Noon, UTC, of a day in November 2026: the same day in nearly every zone.
fn noon(day: i64, line: &str) -> Record {
    let event = Event::new(EventType::Stats, (1_793_491_200 + (day - 1) * 86_400 + 43_200) * 1_000_000_000);
    Record { event: Arc::new(event), line: line.into() }
}

/// All files of a folder with their texts, decompressed.
#[expect(clippy::disallowed_types, reason = "what this test unpacks it has packed itself")]
fn files(folder: &TempDir) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let text = |path: &Path| {
        let mut text = String::new();
        let mut file = fs::File::open(path).unwrap();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => flate2::read::GzDecoder::new(file).read_to_string(&mut text),
            Some("zst") => zstd::Decoder::new(file).unwrap().read_to_string(&mut text),
            _ => file.read_to_string(&mut text),
        }
        .unwrap();
        text
    };
    entries.map(|entry| (entry.file_name().into_string().unwrap(), text(&entry.path()))).collect()
}

fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn each_day_has_a_file_even_when_one_batch_spans_three() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = build_with(&folder.path().join("log"), &[("rotate", "daily")]).unwrap();
    output.write(&[noon(1, "a"), noon(1, "b"), noon(2, "c"), noon(3, "d")]).unwrap();
    output.write(&[noon(3, "e")]).unwrap();
    let expected = map(&[("log.2026-11-01", "a\nb\n"), ("log.2026-11-02", "c\n"), ("log", "d\ne\n")]);
    assert_eq!(files(&folder), expected);
}

#[test]
fn what_an_earlier_run_left_is_put_away_under_the_day_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "old\n").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_hours(438_300);
    fs::File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    build_with(&path, &[("rotate", "daily")]).unwrap().write(&[noon(1, "new")]).unwrap();
    assert_eq!(files(&folder), map(&[("log.2020-01-01", "old\n"), ("log", "new\n")]));
}

#[test]
fn no_file_passes_its_size_and_none_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = build_with(&folder.path().join("log"), &[("rotate", "8")]).unwrap();
    let lines = ["aaa", "bbb", "ccc", "longer than all", "ddd"];
    output.write(&lines.map(|line| noon(1, line))).unwrap();
    let expected = map(&[
        ("log.2026-11-01", "aaa\nbbb\n"),
        ("log.2026-11-01.1", "ccc\n"),
        ("log.2026-11-01.2", "longer than all\n"),
        ("log", "ddd\n"),
    ]);
    assert_eq!(files(&folder), expected);
}

#[test]
fn files_put_away_are_compressed_and_the_oldest_go() {
    for (compress, extension) in [("gzip", "gz"), ("zstd", "zst")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let options = [("rotate", "daily"), ("keep", "2"), ("compress", compress)];
        for day in 1..=5 {
            // A run a day; each waits at its end for what it began.
            build_with(&path, &options).unwrap().write(&[noon(day, &format!("day {day}"))]).unwrap();
            let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_793_491_200 + (day as u64 - 1) * 86_400);
            let file = fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(now + std::time::Duration::from_hours(12)).unwrap();
        }
        // And one that tidies what the last rotation left.
        drop(build_with(&path, &options).unwrap());
        let (third, fourth) = (format!("log.2026-11-03.{extension}"), format!("log.2026-11-04.{extension}"));
        assert_eq!(files(&folder), map(&[(&third, "day 3\n"), (&fourth, "day 4\n"), ("log", "day 5\n")]));
        let mode = fs::metadata(folder.path().join(third)).unwrap().permissions().mode();
        assert_eq!(mode & 0o137, 0, "{mode:o}");
    }
}

#[test]
fn options_that_mean_nothing_are_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let error = |options| build_with(&path, options).err().unwrap().to_string();
    assert!(error(&[("keep", "3")]).starts_with("keep: means nothing without `rotate` (add rotate = "));
    assert!(error(&[("compress", "gzip")]).starts_with("compress: means nothing without `rotate`"));
    assert!(error(&[("rotate", "0")]).starts_with("rotate: a file cannot be put away at 0 bytes"));
    if Path::new("/dev/full").exists() {
        let error = build_with(Path::new("/dev/full"), &[("rotate", "daily")]).err().unwrap().to_string();
        assert!(error.contains("is no plain file"), "{error}");
    }
}

#[test]
fn every_way_of_syncing_writes_the_same() {
    for fsync in ["never", "interval", "always"] {
        let folder = tempfile::tempdir().unwrap();
        let mut output = build_with(&folder.path().join("log"), &[("fsync", fsync)]).unwrap();
        output.write(&[noon(1, "a")]).unwrap();
        output.flush().unwrap();
        assert_eq!(files(&folder), map(&[("log", "a\n")]));
    }
}
