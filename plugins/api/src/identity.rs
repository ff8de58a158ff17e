//! The identity of a scan: the same scan has the same name in every run, on every sensor.
//!
//! In: what makes a scan one object. Out: 16 hex digits. There is no key in it, so that two
//! readings of one archive agree; nothing may be decided by it but "is this the same?".
//! Source: FNV-1a of Fowler, Noll and Vo, 64 bits.

/// Hashes preset, source (as printed), technique and start (nanoseconds since 1970).
#[must_use]
pub fn identity(preset: &str, source: &str, technique: &str, start: i64) -> String {
    // A zero byte between the parts: no two lists of parts read the same.
    let words = [preset, source, technique].into_iter().flat_map(|word| word.bytes().chain([0]));
    let hash = words
        .chain(start.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_ever() {
        assert_eq!(identity("scanlogd", "10.0.0.2", "tcp-syn", 1), "6f3ec18d2101dbaa");
    }

    #[test]
    fn every_part_counts() {
        let one = identity("a", "b", "c", 1);
        assert!(
            [("ab", "", "c", 1), ("a", "bc", "", 1), ("a", "b", "d", 1), ("a", "b", "c", 2)]
                .into_iter()
                .all(|(p, s, t, start)| identity(p, s, t, start) != one)
        );
    }
}
