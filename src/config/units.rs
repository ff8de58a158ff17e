//! Amounts as people write them: "64 MiB", "3s", "1h30m".
//!
//! In: text. Out: bytes or nanoseconds, exact; or what is wrong and how it would be right.
//! Must not know what is measured.
//! Source: IEC 80000-13 for KiB and MiB; a bare K, M, G means the same, as in most tools.
//! Read next: `rules/parse.rs` and `cli/args.rs`, the two that ask.

use super::Unreadable;

/// Bytes: a whole number and a unit, `67108864`, `64 MiB`, `64M`, `10 kB`.
pub fn size(text: &str) -> Result<u64, Unreadable> {
    let wrong = |why: &str| Unreadable::new(format!("`{text}` is no size: {why}"), "write it like 64 MiB or 1 GiB");
    let (number, unit) = split_number(text.trim());
    let number: u64 = number.parse().map_err(|_| wrong("it must begin with a whole number"))?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(wrong("the units are B, KiB, MiB, GiB, TiB, kB, MB, GB, TB")),
    };
    number.checked_mul(factor).ok_or_else(|| wrong("no machine has so much"))
}

/// Nanoseconds: whole numbers with units, `250ms`, `3s`, `1h30m`, `7d`.
pub fn duration(text: &str) -> Result<i64, Unreadable> {
    let wrong = |why: &str| Unreadable::new(format!("`{text}` is no duration: {why}"), "write it like 3s, 1m or 1h30m");
    let mut rest = text.trim();
    let mut total: i64 = 0;
    if rest.is_empty() {
        return Err(wrong("it is empty"));
    }
    while !rest.is_empty() {
        let (number, behind) = split_number(rest);
        let number: i64 = number.parse().map_err(|_| wrong("a whole number must stand before each unit"))?;
        let behind = behind.trim_start();
        let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(end).unwrap_or((behind, ""));
        let factor: i64 = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "" => return Err(wrong("a number needs a unit")),
            _ => return Err(wrong("the units are ns, us, ms, s, m, h, d")),
        };
        let part = number.checked_mul(factor).and_then(|part| total.checked_add(part));
        total = part.ok_or_else(|| wrong("it is longer than 292 years"))?;
        rest = behind.trim_start();
    }
    Ok(total)
}

/// The digits at the start, and the rest.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Bytes as a person reads them: the largest unit that leaves a number from 1 up.
pub fn show_size(bytes: u64) -> String {
    let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        Some((unit, factor)) if bytes.is_multiple_of(factor) => format!("{} {unit}", bytes / factor),
        Some((unit, factor)) => format!("{:.1} {unit}", bytes as f64 / factor as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("67108864", 67_108_864),
            ("64 MiB", 64 << 20),
            ("64MiB", 64 << 20),
            (" 64m ", 64 << 20),
            ("1G", 1 << 30),
            ("10 kB", 10_000),
            ("0", 0),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_told_why() {
        for (text, why) in [
            ("", "whole number"),
            ("MiB", "whole number"),
            ("-1", "whole number"),
            ("1.5 GiB", "units"),
            ("64 furlongs", "units"),
            ("99999999 TiB", "no machine"),
            ("99999999999999999999999", "whole number"),
        ] {
            let error = size(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("64 MiB"), "{text}: {error}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, nanos) in [
            ("3s", 3_000_000_000),
            ("250 ms", 250_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1h 30m", 5_400_000_000_000),
            ("7d", 604_800_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told_why() {
        for (text, why) in [
            ("", "empty"),
            ("3", "needs a unit"),
            ("s", "whole number"),
            ("3 parsecs", "units"),
            ("-3s", "whole number"),
            ("1h-30m", "whole number"),
            ("3sé", "whole number"),
            ("999999999999d", "292 years"),
        ] {
            let error = duration(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_shown_short() {
        assert_eq!(show_size(64 << 20), "64 MiB");
        assert_eq!(show_size(1_500_000), "1.4 MiB");
        assert_eq!(show_size(999), "999 B");
    }
}
