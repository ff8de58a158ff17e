//! Which phases of a scan's life an output gets.
//!
//! In: `begin,update,end` as a configuration writes it. Out: a small set. What is no scan has
//! no phase and always passes. Must not know formats, which only bring their defaults.
//!
//! Read next: `config.rs` (who reads it), `mod.rs` (who asks it).

use tripline_plugin::{ConfigError, Event, event::Phase};

/// The preset whose scans begin, grow and end.
const WITH_A_LIFE: &str = "tripline";

/// A set of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// `begin` alone.
    pub const BEGIN: Self = Self(1);
    /// `update` alone.
    pub const UPDATE: Self = Self(2);
    /// `end` alone.
    pub const END: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether such an event passes. The detectors that do what other programs do know one moment of a scan, which
    /// stands for all of its life: who asks for the ends alone is to hear of it, too.
    pub fn pass(self, event: &Event) -> bool {
        event.scan.as_ref().is_none_or(|scan| scan.preset != WITH_A_LIFE || self.0 & Self::of(scan.phase).0 != 0)
    }

    fn of(phase: Phase) -> Self {
        match phase {
            Phase::Begin => Self::BEGIN,
            Phase::Update => Self::UPDATE,
            Phase::End => Self::END,
        }
    }

    /// The set of these names.
    ///
    /// # Errors
    /// A word that is no phase, or none at all.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let mut phases = Self(0);
        for name in names {
            phases = phases.and(match name {
                "begin" => Self::BEGIN,
                "update" => Self::UPDATE,
                "end" => Self::END,
                _ => {
                    let reason = format!("`{}` is no phase", name.escape_debug());
                    return Err(ConfigError::unknown("phases", reason, name, &["begin", "update", "end"]));
                }
            });
        }
        if phases == Self(0) {
            return Err(ConfigError::about("phases", "names none").hint("an output without phases gets no scan"));
        }
        Ok(phases)
    }

    /// The set from one text: names with `,` or `+` between them.
    ///
    /// # Errors
    /// As [`Phases::named`].
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        Self::named(text.split([',', '+']).map(str::trim).filter(|name| !name.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use tripline_plugin::sample_events;

    use super::*;

    #[test]
    fn an_output_gets_the_phases_it_names_and_all_that_has_none() {
        let count = |phases: Phases| sample_events().iter().filter(|event| phases.pass(event)).count();
        let anomalies = sample_events().iter().filter(|event| event.scan.is_none()).count();
        let parts = [Phases::BEGIN, Phases::UPDATE, Phases::END].map(|phases| count(phases) - anomalies);
        assert!(parts.iter().all(|part| *part > 0));
        assert_eq!(count(Phases::ALL), parts.iter().sum::<usize>() + anomalies);
    }

    #[test]
    fn the_one_moment_that_other_detectors_know_passes_everywhere() {
        let mut event =
            sample_events().iter().find(|e| e.scan.as_ref().is_some_and(|s| s.phase == Phase::Begin)).unwrap().clone();
        assert!(!Phases::END.pass(&event));
        event.scan.as_mut().unwrap().preset = "zeek".into();
        assert!(Phases::END.pass(&event));
    }

    #[test]
    fn lists_are_read_from_the_command_line_and_from_o() {
        assert_eq!(Phases::parse("begin, end").unwrap(), Phases::BEGIN.and(Phases::END));
        assert_eq!(Phases::parse("begin+update+end").unwrap(), Phases::ALL);
    }

    #[test]
    fn a_wrong_or_missing_name_is_refused() {
        let error = |text| Phases::parse(text).unwrap_err().to_string();
        assert_eq!(error("begin,ende"), "phases: `ende` is no phase (did you mean `end`?)");
        assert_eq!(error(","), "phases: names none (an output without phases gets no scan)");
    }
}
