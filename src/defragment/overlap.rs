//! Whose bytes count where pieces overlap: the policies, and which target follows which.
//!
//! In: a target's address. Out: its [`Overlap`]. Operating systems resolve overlaps differently, and
//! one who knows the target's way can show a sensor other bytes than the target gets; so the
//! sensor must go the target's way. Must not know how pieces are kept: fragments of datagrams
//! (`building.rs`) and segments of TCP streams follow the same names.
//! Source: Novak, "Target-Based Fragmentation Reassembly" (2005); Shankar and Paxson,
//! "Active Mapping" (2003).
//! Read next: `resolve.rs` (a whole datagram), `rules/reassembly.rs` (how rules files say it).

use std::{fmt, ops::Range, str::FromStr};

use crate::{
    config::{Unreadable, nets::NetSet},
    decode::Address,
};

/// Of pieces that overlap, whose bytes count. The variants say what it means for fragments of datagrams; "before"
/// and "behind" speak of where a piece lies, "old" and "new" of when it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// The old piece's.
    First,
    /// The new piece's.
    Last,
    /// The old piece's where it begins before the new one; else the new one's.
    #[default]
    Linux,
    /// The old piece's where it begins before the new one or with it; else the new one's.
    Bsd,
    /// The new piece's where it begins before the old one and ends behind it; else the old one's.
    Windows,
    /// The new piece's where it begins before the old one and ends behind it or with it; else the old one's.
    Solaris,
}

impl Overlap {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::First, Self::Last, Self::Linux, Self::Bsd, Self::Windows, Self::Solaris];

    /// Whether the new piece's bytes count where it meets an old one. Of an old piece that lost its beginning
    /// or its end to others, only what is left lies there.
    pub(super) fn takes_new(self, old: &Range<u32>, new: &Range<u32>) -> bool {
        match self {
            Self::First => false,
            Self::Last => true,
            Self::Linux => new.start <= old.start,
            Self::Bsd => new.start < old.start,
            Self::Windows => new.start < old.start && new.end > old.end,
            Self::Solaris => new.start < old.start && new.end >= old.end,
        }
    }

    /// What rules files and the command line call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Linux => "linux",
            Self::Bsd => "bsd",
            Self::Windows => "windows",
            Self::Solaris => "solaris",
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Overlap {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let unknown = || Unreadable::unknown("overlap policy", text, Self::ALL.map(Self::name));
        Self::ALL.into_iter().find(|overlap| overlap.name() == text).ok_or_else(unknown)
    }
}

/// Which target follows which policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// For whoever is in none of the nets.
    otherwise: Overlap,
    /// From the top.
    targets: Vec<(NetSet, Overlap)>,
}

impl Policies {
    /// One policy for everybody.
    #[must_use]
    pub fn all(otherwise: Overlap) -> Self {
        Self { otherwise, targets: Vec::new() }
    }

    /// Targets in `nets` follow `overlap`, unless an earlier call said otherwise.
    pub fn add(&mut self, nets: NetSet, overlap: Overlap) {
        self.targets.push((nets, overlap));
    }

    /// The policy of a target: that of the first nets that it is in.
    #[must_use]
    pub fn of(&self, target: Address) -> Overlap {
        let ip = target.ip();
        self.targets.iter().find(|(nets, _)| nets.contains(ip)).map_or(self.otherwise, |(_, overlap)| *overlap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::nets;

    #[test]
    fn what_a_policy_is_called_is_read_as_the_policy() {
        for overlap in Overlap::ALL {
            assert_eq!(overlap.to_string().parse(), Ok(overlap));
        }
        let error = "widnows".parse::<Overlap>().unwrap_err();
        assert_eq!(error.to_string(), "no overlap policy is called `widnows`; did you mean `windows`?");
    }

    #[test]
    fn the_first_nets_that_hold_the_target_decide() {
        let mut policies = Policies::all(Overlap::First);
        for (net, overlap) in [("10.1.0.0/16", Overlap::Windows), ("10.0.0.0/8", Overlap::Bsd)] {
            let mut set = NetSet::default();
            set.add(nets::net(net).unwrap(), false);
            policies.add(set, overlap);
        }
        let of = |target: &str| policies.of(target.parse().unwrap());
        assert_eq!((of("10.1.2.3"), of("10.2.2.3")), (Overlap::Windows, Overlap::Bsd));
        assert_eq!((of("192.0.2.1"), of("2001:db8::1")), (Overlap::First, Overlap::First));
        assert_eq!(Policies::default().of(Address::v4([10, 1, 2, 3])), Overlap::Linux);
    }
}
