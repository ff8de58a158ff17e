//! How much may wait, how long, and for whom.
//!
//! In: nothing. Out: [`Limits`], and what a waiting fragment costs. Must not know what waits.
//! Source: `net.ipv4.ipfrag_time` of Linux; RFC 8200 section 4.5.
//! Read next: `waiting.rs`, which keeps them.

use crate::source::Time;

/// The bounds. A sensor must hold more than one host does, but not much longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory for what waits, bookkeeping included.
    pub bytes: usize,
    /// Of it, what one source may take (one IPv4 address, one /64 of IPv6): a flood of fragments that never
    /// complete displaces its own sender's, and nobody else's.
    pub source_bytes: usize,
    /// Datagrams that may wait at a time.
    pub datagrams: usize,
    /// Fragments of one datagram: looking for overlaps takes time for each.
    pub fragments: usize,
    /// Nanoseconds by the clock from the first fragment of an IPv4 datagram to its last.
    pub timeout: i64,
    /// The same for IPv6.
    pub timeout_v6: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 4 << 20,
            // An eighth: seven datagrams of the largest size under way at a time.
            source_bytes: 512 << 10,
            datagrams: 4096,
            // A datagram of 64 KiB in pieces of 64 bytes.
            fragments: 1024,
            timeout: 30 * Time::SECOND,
            timeout_v6: 60 * Time::SECOND,
        }
    }
}

/// What a waiting datagram costs besides its fragments: its place in the three maps with their
/// slack, the smallest list of parts.
pub(super) const DATAGRAM_COST: usize = 1_280;
/// What a kept fragment costs besides its bytes: its part with the list's slack, the
/// allocator's own.
pub(super) const FRAGMENT_COST: usize = 80;
