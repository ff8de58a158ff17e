//! The order of names as people count: `x.pcap`, `x.pcap1`, `x.pcap2`, `x.pcap10`, as `tcpdump -C` numbers.
//!
//! In: two paths. Out: which comes first: folder by folder, by number where both have digits and byte by
//! byte elsewhere. Must not know what lies there.
//! Read next: `find.rs` and `archive.rs`, which sort by it.

use std::{cmp::Ordering, iter::once, path::Path};

/// Compares two paths. Only equal ones are equal.
pub(super) fn compare(a: &Path, b: &Path) -> Ordering {
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().as_encoded_bytes().to_vec()).collect();
    let (a_parts, b_parts): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (parts(a), parts(b));
    let names = a_parts.iter().zip(&b_parts).map(|(a, b)| names(a, b));
    let rest = once(a_parts.len().cmp(&b_parts.len())).chain(once(a.cmp(b)));
    names.chain(rest).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares two names, run by run of digits and of other bytes.
fn names(a: &[u8], b: &[u8]) -> Ordering {
    let runs = |name: &[u8]| -> Vec<Vec<u8>> {
        name.chunk_by(|x, y| x.is_ascii_digit() == y.is_ascii_digit()).map(<[u8]>::to_vec).collect()
    };
    let (a_runs, b_runs) = (runs(a), runs(b));
    for (a, b) in a_runs.iter().zip(&b_runs) {
        let order = match (number(a), number(b)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    a_runs.len().cmp(&b_runs.len()).then_with(|| a.cmp(b))
}

/// The digits of a number without leading zeros; a longer one is a larger one.
fn number(run: &[u8]) -> Option<&[u8]> {
    run.first().filter(|byte| byte.is_ascii_digit())?;
    let zeros = run.iter().take_while(|byte| **byte == b'0').count();
    run.get(zeros..)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn names_come_as_people_count() {
        // Of equal numbers the bytes decide.
        let right = [
            "a/9/x.pcap",
            "a/10/x.pcap",
            "a.pcap",
            "x.pcap",
            "x.pcap1",
            "x.pcap2",
            "x.pcap0010",
            "x.pcap10",
            "y-0.pcap",
            "y-00.pcap",
            "y-1-x",
            "y-1.5",
            "y-1.12",
            "y-99999999999999999999998",
            "y-99999999999999999999999",
        ];
        let right: Vec<PathBuf> = right.iter().map(PathBuf::from).collect();
        let mut sorted: Vec<_> = right.iter().rev().cloned().collect();
        sorted.sort_by(|a, b| compare(a, b));
        assert_eq!(sorted, right);
    }
}
