//! The contract of outputs, kept by `file`; and what a user of an archive gets.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests take the short way, their helpers too")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;
use tripline_plugin::{ConfigError, Options, Output, Table, testkit};

fn build(path: &Path) -> Result<Box<dyn Output>, ConfigError> {
    let table = Table::from([("path".to_owned(), path.to_str().unwrap().into())]);
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
fn a_line_that_a_crash_cut_is_ended_before_new_ones_begin() {
    let (_, folder) = open();
    let path = folder.path().join("scans.jsonl");
    fs::write(&path, r#"{"timestamp":"2026-1"#).unwrap();
    build(&path).unwrap().write(&testkit::records()[..1]).unwrap();
    assert_eq!(read(&folder), "{\"timestamp\":\"2026-1\nsample event 1\n");
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
        assert!(
            matches!(&error, tripline_plugin::OutputError::Retry(why) if why.starts_with("/dev/full: ")),
            "{error}"
        );
    }
}
