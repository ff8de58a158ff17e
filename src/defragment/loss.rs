//! Why a fragment did not become part of a datagram, and how often: nothing is lost silently.
//!
//! In: losses. Out: counters by name. Each fragment is in the end joined, lost for one
//! reason, or still waiting.
//! Must not know what decided.
//! Read next: `mod.rs`.

use serde::{Deserialize, Serialize};

use super::Datagram;

/// The reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It carries nothing.
    Empty,
    /// Its length is no multiple of 8 though more follow.
    Length,
    /// It ends behind the largest datagram that there can be.
    TooBig,
    /// Its datagram has as many as one may have.
    TooMany,
    /// Its end contradicts the datagram's.
    End,
    /// It, or another of its IPv6 datagram, overlaps: the datagram is given up (RFC 5722).
    Overlap,
    /// It was there already, with the same bytes.
    Duplicate,
    /// The rest did not come in time.
    Timeout,
    /// A source that has more under way than its share gives up its own oldest.
    Share,
    /// The oldest gives way when memory is used up.
    Memory,
    /// The input ended first.
    Unfinished,
}

impl Loss {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 11] = [
        Self::Empty,
        Self::Length,
        Self::TooBig,
        Self::TooMany,
        Self::End,
        Self::Overlap,
        Self::Duplicate,
        Self::Timeout,
        Self::Share,
        Self::Memory,
        Self::Unfinished,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "fragment-empty",
            Self::Length => "fragment-length",
            Self::TooBig => "fragment-too-big",
            Self::TooMany => "fragment-too-many",
            Self::End => "fragment-end",
            Self::Overlap => "fragment-overlap",
            Self::Duplicate => "fragment-duplicate",
            Self::Timeout => "fragment-timeout",
            Self::Share => "fragment-share",
            Self::Memory => "fragment-memory",
            Self::Unfinished => "fragment-unfinished",
        }
    }
}

/// What became of all fragments so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Fragments that came.
    pub fragments: u64,
    /// Those that are part of a whole datagram.
    pub joined: u64,
    /// Whole datagrams.
    pub datagrams: u64,
    /// Datagrams, whole or not, in which copies of some bytes contradicted each other.
    pub conflicts: u64,
    /// Whole IPv6 datagrams whose headers were not all in their first fragment.
    pub headless: u64,
    lost: [u64; Loss::ALL.len()],
}

impl Counts {
    /// Fragments lost for this reason.
    #[must_use]
    pub fn lost(&self, loss: Loss) -> u64 {
        self.lost.get(loss as usize).copied().unwrap_or_default()
    }

    /// Every reason that occurred, with its fragments.
    pub fn losses(&self) -> impl Iterator<Item = (Loss, u64)> {
        Loss::ALL.into_iter().map(|loss| (loss, self.lost(loss))).filter(|(_, count)| *count != 0)
    }

    pub(super) fn join(&mut self, datagram: &Datagram<'_>) {
        self.joined += u64::from(datagram.fragments);
        self.datagrams += 1;
        self.headless += u64::from(datagram.headless);
    }

    pub(super) fn lose(&mut self, loss: Loss, fragments: u64) {
        if let Some(count) = self.lost.get_mut(loss as usize) {
            *count = count.saturating_add(fragments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_has_its_own_counter() {
        let mut counts = Counts::default();
        for (times, loss) in (1..).zip(Loss::ALL) {
            counts.lose(loss, times);
        }
        assert!(counts.losses().eq(Loss::ALL.into_iter().zip(1..)));
    }
}
