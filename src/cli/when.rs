//! Times as people write them on a command line.
//!
//! In: a word. Out: a time, or what a time looks like. A time without an offset is UTC, as all
//! that `read` prints. Must not know what the time is for, nor what time it is now.
//! Source: RFC 3339.
//! Read next: `args.rs`, which has the flags.

use jiff::{Timestamp, civil, tz::TimeZone};

use crate::source::Time;

/// Reads `2026-11-22`, `2026-11-22 10:30`, `2026-11-22 10:30:00`, or the last with an offset.
///
/// # Errors
/// How it is to be written.
pub fn time(text: &str) -> Result<Time, String> {
    let at = text.parse::<Timestamp>().or_else(|_| {
        // A zone in words would be ignored here, and a time without a date is none.
        let is_plain = text.chars().all(|c| c.is_ascii_digit() || "-:.T ".contains(c));
        let civil = text.parse::<civil::DateTime>().ok().filter(|_| is_plain).ok_or(())?;
        civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(drop)
    });
    let nanos = at.ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    nanos.map(Time).ok_or_else(|| {
        "a time is written as 2026-11-22, as '2026-11-22 10:30' (UTC) or as 2026-11-22T10:30:00+01:00".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let day = 1_795_305_600;
        for (text, seconds) in [
            ("2026-11-22", day),
            ("2026-11-22 10:30", day + 37_800),
            ("2026-11-22 10:30:07", day + 37_807),
            ("2026-11-22T10:30:07", day + 37_807),
            ("2026-11-22T10:30:07Z", day + 37_807),
            ("2026-11-22T10:30:07+01:00", day + 34_207),
            ("1970-01-01", 0),
        ] {
            assert_eq!(time(text), Ok(Time(seconds * Time::SECOND)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_how_to_be_one() {
        for text in ["", "yesterday", "10:30", "22.11.2026", "2026-13-01", "2026-11-22 10:30 CET", "9999-01-01"] {
            assert!(time(text).unwrap_err().contains("2026-11-22"), "{text}");
        }
    }
}
