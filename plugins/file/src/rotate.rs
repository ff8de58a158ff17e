//! Rotation: when a file is full, what it is called afterwards, and how many are kept.
//!
//! In: a path, sizes, the times of events. Out: files beside it, `PATH.2026-11-22`, a second one of
//! that day `PATH.2026-11-22.1`, compressed ones with `.gz` or `.zst`. Days are local ones and
//! of the events' own time, in `watch` as in `read`, so that a file is called after what it holds.
//! Files with any other name are never touched.
//! Must not know lines.
//!
//! Read next: `pack.rs`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tripline_plugin::Record;

use crate::pack::Packing;

/// When to begin a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotate {
    Never,
    Daily,
    /// Before it would grow beyond so many bytes. A longer line gets a file of its own.
    At(u64),
}

impl Rotate {
    /// How many of these records go into a file that has this size and holds this day; none when
    /// it is full.
    pub(crate) fn fitting(self, records: &[Record], size: u64, day: Option<Date>, zone: &TimeZone) -> usize {
        match self {
            Self::Never => records.len(),
            Self::Daily => {
                let first = records.first().map(|record| day_of(record.event.timestamp, zone));
                let day = day.filter(|_| size > 0).or(first);
                records.iter().take_while(|record| Some(day_of(record.event.timestamp, zone)) == day).count()
            }
            Self::At(limit) => {
                let mut size = size;
                let count = records.iter().take_while(|record| {
                    let grown = size + record.line.len() as u64 + 1;
                    let fits = size == 0 || grown <= limit;
                    size = grown;
                    fits
                });
                count.count()
            }
        }
    }
}

/// Every `i64` of nanoseconds is a time between 1677 and 2262.
pub(crate) fn day_of(nanos: i64, zone: &TimeZone) -> Date {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or_default().to_zoned(zone.clone()).date()
}

/// A file that was put away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rotated {
    date: String,
    number: u32,
    /// How it is packed; `None` as it was written.
    packing: Option<Packing>,
    pub(crate) path: PathBuf,
}

/// Puts the file away under the name of a day.
pub(crate) fn put_away(path: &Path, day: Date) -> io::Result<()> {
    let date = day.to_string();
    let taken = rotated(path)?.into_iter().filter(|other| other.date == date).map(|other| other.number).max();
    let suffix = match taken {
        None => format!(".{date}"),
        Some(number) => format!(".{date}.{}", number.saturating_add(1)),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    fs::rename(path, name)
}

/// Removes the oldest beyond `keep`, then packs what is not packed yet: the last rotation's, and
/// what an earlier run had no time for.
///
/// # Errors
/// The first that came; everything was tried. What failed stays and is tried again next time.
pub(crate) fn tidy(path: &Path, keep: Option<u64>, packing: Option<Packing>) -> io::Result<()> {
    let mut files = rotated(path)?;
    let keep = keep.map_or(usize::MAX, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
    let surplus = files.len().saturating_sub(keep);
    let mut outcome = Ok(());
    for old in files.drain(..surplus) {
        outcome = outcome.and(fs::remove_file(old.path));
    }
    if let Some(packing) = packing {
        for file in files.iter().filter(|file| file.packing.is_none()) {
            outcome = outcome.and(packing.pack(&file.path));
        }
    }
    outcome
}

/// Those that were put away, the oldest first.
fn rotated(path: &Path) -> io::Result<Vec<Rotated>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let suffix = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('.'));
        if let Some((date, number, packing)) = suffix.and_then(read_suffix) {
            found.push(Rotated { date, number, packing, path: entry.path() });
        }
    }
    found.sort();
    Ok(found)
}

/// `2026-11-22`, `2026-11-22.1`, `2026-11-22.1.gz`; nothing else, since these are removed one day.
fn read_suffix(suffix: &str) -> Option<(String, u32, Option<Packing>)> {
    let (rest, packing) = match Packing::ALL.into_iter().find(|packing| suffix.ends_with(packing.extension())) {
        Some(packing) => (suffix.strip_suffix(packing.extension())?.strip_suffix('.')?, Some(packing)),
        None => (suffix, None),
    };
    let (date, number) = match rest.split_once('.') {
        Some((date, number)) => (date, number.parse().ok().filter(|n: &u32| *n > 0 && n.to_string() == number)?),
        None => (rest, 0),
    };
    let day: Date = date.parse().ok()?;
    (day.to_string() == date).then(|| (date.to_owned(), number, packing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_a_rotation_gives_are_taken_for_one() {
        assert_eq!(read_suffix("2026-11-22"), Some(("2026-11-22".into(), 0, None)));
        assert_eq!(read_suffix("2026-11-22.12.zst"), Some(("2026-11-22".into(), 12, Some(Packing::Zstd))));
        for other in [
            "",
            "gz",
            "torn",
            "bak",
            "1",
            "2026-11",
            "2026-13-01",
            "20261122",
            "2026-11-22T00",
            "2026-11-22.old",
            "2026-11-22.01",
            "2026-11-22.0",
            "2026-11-22.gz.part",
            "2026-11-22.1.2",
            "2026-11-22gz",
        ] {
            assert_eq!(read_suffix(other), None, "{other}");
        }
    }

    #[test]
    fn the_tenth_of_a_day_is_newer_than_the_ninth() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let day = "2026-11-22".parse().unwrap();
        for n in 0..12 {
            fs::write(&path, n.to_string()).unwrap();
            put_away(&path, day).unwrap();
        }
        fs::write(folder.path().join("log.2026-11-22.keep-me"), "").unwrap();
        tidy(&path, Some(3), None).unwrap();
        let left: Vec<_> = rotated(&path).unwrap().iter().map(|old| fs::read_to_string(&old.path).unwrap()).collect();
        assert_eq!(left, ["9", "10", "11"]);
        assert!(folder.path().join("log.2026-11-22.keep-me").exists());
    }
}
