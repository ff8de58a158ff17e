//! Stamps in JSON: nanoseconds since 1970 inside, EVE's `2026-11-22T11:14:25.123456+0000` outside.
//!
//! In and out: an `i64` of nanoseconds, in a serde field (`#[serde(with = "stamp")]`) or as text.
//! Written in UTC and to the microsecond, as Suricata does; any offset is read back. Every `i64`
//! is a time between 1677 and 2262, so no stamp that a capture can hold goes wrong.
//! Must not know time zones: local time is for people, and `human` makes it.
//!
//! Read next: `event.rs` (where stamps stand).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// The stamp as EVE writes it: UTC, microseconds, an offset without a colon.
pub fn text(nanos: i64) -> String {
    // Every i64 lies well inside what a Timestamp can hold (years -9999 to 9999).
    let stamp = Timestamp::from_nanosecond(nanos.into()).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S.%6f%z").to_string()
}

/// Reads a stamp of any offset back to nanoseconds since 1970.
///
/// # Errors
/// Text that is no date and time with an offset, or one that nanoseconds in an `i64` cannot hold.
pub fn parse(text: &str) -> Result<i64, String> {
    let stamp: Timestamp = text.parse().map_err(|error| format!("`{text}` is no time stamp: {error}"))?;
    i64::try_from(stamp.as_nanosecond()).map_err(|_| format!("`{text}` is not between the years 1678 and 2262"))
}

/// For serde: writes a stamp as EVE does.
pub fn serialize<S: Serializer>(nanos: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(*nanos))
}

/// For serde: reads one back.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_as_eve_writes_it() {
        assert_eq!(text(1_795_346_065_123_456_789), "2026-11-22T11:14:25.123456+0000");
        assert_eq!(text(0), "1970-01-01T00:00:00.000000+0000");
    }

    #[test]
    fn a_written_stamp_reads_back_to_the_microsecond() {
        for micros in [0, 1, -1, 1_795_346_065_123_456, -9_000_000_000_000_000] {
            assert_eq!(parse(&text(micros * 1_000)), Ok(micros * 1_000));
        }
    }

    #[test]
    fn other_offsets_are_read_too() {
        let utc = parse("2026-11-22T11:14:25.123456+0000");
        assert_eq!(parse("2026-11-22T12:14:25.123456+0100"), utc);
        assert_eq!(parse("2026-11-22T06:14:25.123456-05:00"), utc);
    }

    #[test]
    fn stamps_at_the_ends_of_the_range_are_written() {
        assert_eq!(text(i64::MIN), "1677-09-21T00:12:43.145224+0000");
        assert_eq!(text(i64::MAX), "2262-04-11T23:47:16.854775+0000");
    }

    #[test]
    fn what_is_no_stamp_or_too_far_away_is_refused_by_name() {
        assert!(parse("yesterday").unwrap_err().contains("`yesterday`"));
        assert!(parse("9999-01-01T00:00:00.000000+0000").unwrap_err().contains("2262"));
        assert!(parse("2026-11-22T11:14:25.123456").is_err(), "a time without an offset is a guess");
    }
}
