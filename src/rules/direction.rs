//! Which way a scan goes, seen from the net called `home`.
//!
//! In: an event and the net. Out: inside, inbound, outbound or transit.
//! Must not know the rules.
//! Read next: `severity.rs`, which asks for it.

use tripline_plugin::event::{Direction, Event};

use super::matching::{sources, targets};
use crate::config::nets::NetSet;

/// The direction of an event whose addresses are known. A scan of many is `inbound` when it
/// touches one address of ours, and `outbound` when it touches one that is not; it comes from
/// us only when all its sources are ours.
pub fn of(event: &Event, home: &NetSet) -> Option<Direction> {
    let mut sources = sources(event).peekable();
    let mut targets = targets(event).peekable();
    sources.peek()?;
    targets.peek()?;
    let ours = |address| home.contains(address);
    Some(match sources.all(ours) {
        true if targets.all(ours) => Direction::Inside,
        true => Direction::Outbound,
        false if targets.any(ours) => Direction::Inbound,
        false => Direction::Transit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::nets, rules::samples};

    fn direction(sources: &[&str], targets: &[&str]) -> Option<Direction> {
        let mut home = NetSet::default();
        home.add(nets::net("10.0.0.0/8").unwrap(), false);
        of(&samples::between(sources, targets), &home)
    }

    #[test]
    fn one_to_one_goes_one_of_four_ways() {
        assert_eq!(direction(&["10.0.0.1"], &["10.0.0.2"]), Some(Direction::Inside));
        assert_eq!(direction(&["192.0.2.1"], &["10.0.0.2"]), Some(Direction::Inbound));
        assert_eq!(direction(&["10.0.0.1"], &["192.0.2.2"]), Some(Direction::Outbound));
        assert_eq!(direction(&["192.0.2.1"], &["198.51.100.2"]), Some(Direction::Transit));
    }

    #[test]
    fn a_sweep_goes_where_it_matters() {
        assert_eq!(direction(&["192.0.2.1"], &["198.51.100.2", "10.0.0.2"]), Some(Direction::Inbound));
        assert_eq!(direction(&["10.0.0.1"], &["10.0.0.2", "198.51.100.2"]), Some(Direction::Outbound));
    }

    #[test]
    fn a_stranger_among_the_sources_makes_it_theirs() {
        assert_eq!(direction(&["10.0.0.1", "192.0.2.1"], &["10.0.0.2"]), Some(Direction::Inbound));
    }

    #[test]
    fn without_addresses_there_is_no_direction() {
        assert_eq!(direction(&[], &["10.0.0.2"]), None);
        assert_eq!(direction(&["10.0.0.1"], &[]), None);
    }
}
