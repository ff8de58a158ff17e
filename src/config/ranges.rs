//! Sets of 16-bit numbers: ports, VLAN ids.
//!
//! In: `22-25,80,443`. Out: whether a number is in, whether sets overlap or cover each other.
//! Must not know what the numbers are of.
//! Read next: `rules/conditions.rs` (`ports`, `vlan`).

use std::fmt;

use super::Unreadable;

/// Numbers as ranges: sorted, apart from each other, never touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u16, u16)>);

impl Ranges {
    /// Reads numbers and ranges with commas between them. `what` names one of them in errors.
    pub fn parse(text: &str, what: &str) -> Result<Self, Unreadable> {
        text.split(',').map(|part| Self::parse_part(part.trim(), what)).collect()
    }

    fn parse_part(part: &str, what: &str) -> Result<(u16, u16), Unreadable> {
        let wrong = |why: &str| {
            Unreadable::new(format!("`{part}` is no {what}: {why}"), "write numbers and ranges: 22-25,80,443")
        };
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong("numbers go from 0 to 65535"));
        let (from, to) = (number(from)?, number(to)?);
        if from > to { Err(wrong("the range ends before it begins")) } else { Ok((from, to)) }
    }

    /// Whether the number is in.
    pub fn contains(&self, number: u16) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= number);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, to)| number <= *to)
    }

    /// How many numbers are in.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(from, to)| u64::from(to.saturating_sub(*from)) + 1).sum()
    }

    /// Whether some number is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        other.0.iter().any(|(from, to)| self.0.iter().any(|(f, t)| f <= to && from <= t))
    }

    /// Whether every number of `other` is in.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(from, to)| self.0.iter().any(|(f, t)| f <= from && to <= t))
    }
}

impl fmt::Display for Ranges {
    /// As they are read: `22-25,80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (from, to)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}-{to}")? }
        }
        Ok(())
    }
}

impl FromIterator<(u16, u16)> for Ranges {
    fn from_iter<I: IntoIterator<Item = (u16, u16)>>(parts: I) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(parts.len());
        for (from, to) in parts {
            match merged.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = (*end).max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }
}

impl Extend<Self> for Ranges {
    fn extend<I: IntoIterator<Item = Self>>(&mut self, others: I) {
        let own = std::mem::take(&mut self.0);
        *self = own.into_iter().chain(others.into_iter().flat_map(|other| other.0)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Ranges {
        Ranges::parse(text, "port").unwrap()
    }

    #[test]
    fn numbers_and_ranges_make_one_set() {
        let set = ports("80, 22-25,443,24-30,31");
        assert_eq!(set.0, [(22, 31), (80, 80), (443, 443)]);
        assert!([22, 28, 31, 80, 443].into_iter().all(|port| set.contains(port)));
        assert!([0, 21, 32, 79, 81, 444, 65_535].into_iter().all(|port| !set.contains(port)));
        assert!(ports("0-65535").contains(0) && ports("0-65535").contains(65_535));
    }

    #[test]
    fn sets_overlap_and_cover() {
        assert!(ports("1-100").overlaps(&ports("100-200")) && !ports("1-99").overlaps(&ports("100-200")));
        assert!(ports("1-50,51-100").covers(&ports("40-60")) && !ports("1-50").covers(&ports("40-60")));
    }

    #[test]
    fn what_is_no_port_is_told_why() {
        for (text, why) in [
            ("", "from 0 to 65535"),
            ("22,", "from 0 to 65535"),
            ("65536", "from 0 to 65535"),
            ("http", "from 0 to 65535"),
            ("25-22", "ends before it begins"),
            ("22-", "from 0 to 65535"),
        ] {
            let error = Ranges::parse(text, "port").unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
