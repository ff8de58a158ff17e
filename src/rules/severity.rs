//! How much a scan matters when no rule says otherwise.
//!
//! In: a scan and its direction. Out: low, medium or high. Must not know the rules.
//! Source: `docs/rules.md`, "Severity".
//! Read next: `route.rs`, where rules may change it.

use tripline_plugin::event::{Direction, Scan, Severity, Trust};

/// More hosts or doors than this make any scan at least medium.
const MANY: u64 = 100;

/// The severity by the scan alone: `high` for one of ours who scans, and for a believable
/// source that found open doors; `medium` for a believable source and for large scans.
pub fn by_default(scan: &Scan, direction: Option<Direction>) -> Severity {
    let by_one_of_ours = matches!(direction, Some(Direction::Inside | Direction::Outbound));
    let believable = scan.trust >= Trust::Reacted;
    if by_one_of_ours || (believable && scan.answers.open > 0) {
        Severity::High
    } else if believable || scan.doors > MANY || scan.targets.count > MANY {
        Severity::Medium
    } else {
        Severity::Low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::samples;

    fn severity(change: impl FnOnce(&mut Scan), direction: Option<Direction>) -> Severity {
        let mut scan = samples::scan();
        scan.trust = Trust::Spoofable;
        (scan.doors, scan.targets.count, scan.answers.open) = (20, 1, 0);
        change(&mut scan);
        by_default(&scan, direction)
    }

    #[test]
    fn a_small_scan_that_anyone_could_have_forged_is_low() {
        assert_eq!(severity(|_| (), None), Severity::Low);
        assert_eq!(severity(|scan| scan.answers.open = 2, Some(Direction::Inbound)), Severity::Low);
    }

    #[test]
    fn believable_or_large_is_medium() {
        assert_eq!(severity(|scan| scan.trust = Trust::Reacted, None), Severity::Medium);
        assert_eq!(severity(|scan| scan.doors = 101, None), Severity::Medium);
        assert_eq!(severity(|scan| scan.doors = 100, None), Severity::Low);
        assert_eq!(severity(|scan| scan.targets.count = 101, Some(Direction::Transit)), Severity::Medium);
    }

    #[test]
    fn one_of_ours_and_a_believable_finder_are_high() {
        assert_eq!(severity(|_| (), Some(Direction::Inside)), Severity::High);
        assert_eq!(severity(|_| (), Some(Direction::Outbound)), Severity::High);
        let finder = |scan: &mut Scan| (scan.trust, scan.answers.open) = (Trust::Confirmed, 1);
        assert_eq!(severity(finder, Some(Direction::Inbound)), Severity::High);
    }
}
