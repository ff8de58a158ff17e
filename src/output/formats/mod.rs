//! The formats: how an event is told.
//!
//! In: an event. Out: its text, appended to a string, without a final newline and safe for a
//! terminal whatever the event holds. Each format is a file here and a line in [`Format`].
//! Must not know where the text goes; what the command line decides comes in a [`Look`].
//!
//! Read next: `human.rs`, `eve.rs`, `scanlogd.rs`, `template.rs`; `docs/events.md` shows them side by side.

mod eve;
mod eve_alert;
mod human;
mod scanlogd;
mod template;
mod visible;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use tripline_plugin::{ConfigError, Event, event::EventType};

use super::phases::Phases;
use template::Template;

/// What the command line, the terminal and the mode decide about texts for people.
#[derive(Clone, Debug)]
pub struct Look {
    /// The zone of times: UTC in `read`, local in `watch`.
    pub zone: TimeZone,
    /// Colours: on a terminal without `NO_COLOR` only.
    pub colour: bool,
    /// `-q`: only the first line.
    pub quiet: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, colour: false, quiet: false }
    }
}

/// One of the formats, ready to render.
#[derive(Clone, Debug)]
pub enum Format {
    /// JSON in the envelope of Suricata's EVE.
    Eve,
    /// The same as an alert, for receivers that act on nothing else.
    EveAlert,
    /// For people.
    Human(Look),
    /// The line of scanlogd, with times of day in this zone.
    Scanlogd(TimeZone),
    /// The user's own line.
    Template(Template),
}

impl Format {
    /// All names, as configurations write them.
    pub const NAMES: [&str; 5] = ["human", "eve", "eve-alert", "scanlogd", "template"];

    /// The format of this name; of a template, its text follows: `template:{src_ip} …`.
    ///
    /// # Errors
    /// There is none, then the error suggests one; or the template is wrong.
    pub fn named(name: &str, look: &Look) -> Result<Self, ConfigError> {
        if let Some(rest) = name.strip_prefix("template") {
            match rest.strip_prefix(':') {
                Some(text) => return Template::read(text).map(Self::Template),
                None if rest.is_empty() => return Template::read("").map(Self::Template),
                None => {}
            }
        }
        match name {
            "human" => Ok(Self::Human(look.clone())),
            "eve" => Ok(Self::Eve),
            "eve-alert" => Ok(Self::EveAlert),
            // scanlogd always speaks local time, as the syslog beside it does.
            "scanlogd" => Ok(Self::Scanlogd(TimeZone::system())),
            _ => Err(ConfigError::unknown("format", format!("`{name}` is no format"), name, &Self::NAMES)),
        }
    }

    /// Its name, as configurations write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Eve => "eve",
            Self::EveAlert => "eve-alert",
            Self::Human(_) => "human",
            Self::Scanlogd(_) => "scanlogd",
            Self::Template(_) => "template",
        }
    }

    /// Whether this format has words for such an event; what it has none for is not delivered.
    pub fn tells(&self, event: &Event) -> bool {
        match self {
            Self::Eve | Self::EveAlert => true,
            // Of an event that says neither there is nothing to tell.
            Self::Human(_) | Self::Scanlogd(_) | Self::Template(_) => {
                event.event_type != EventType::Stats && (event.scan.is_some() || event.anomaly.is_some())
            }
        }
    }

    /// The phases that an output with this format gets unless its configuration says otherwise.
    pub fn default_phases(&self, live: bool) -> Phases {
        match self {
            Self::Eve | Self::EveAlert => Phases::ALL,
            Self::Scanlogd(_) => Phases::BEGIN,
            Self::Human(_) | Self::Template(_) if live => Phases::BEGIN.and(Phases::END),
            Self::Human(_) | Self::Template(_) => Phases::END,
        }
    }

    /// Appends the event's text.
    pub fn render(&self, event: &Event, into: &mut String) {
        match self {
            Self::Eve => eve::render(event, into),
            Self::EveAlert => eve_alert::render(event, into),
            Self::Human(look) => human::render(event, look, into),
            Self::Scanlogd(zone) => scanlogd::render(event, zone, into),
            Self::Template(template) => template.render(event, into),
        }
    }
}

/// A stamp in a time zone. Every `i64` of nanoseconds is a time between 1677 and 2262.
fn zoned(nanos: i64, zone: &TimeZone) -> Zoned {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or_default().to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use tripline_plugin::sample_events;

    use super::*;

    /// The one that `docs/events.md` shows.
    const TEMPLATE: &str =
        "template:{timestamp} {scan.severity} {src_ip} tried {scan.doors} doors of {dest_ip}: {scan.answers.open} open";

    /// The event in the format of this name, times in UTC.
    pub(super) fn rendered(name: &str, event: &Event) -> String {
        let mut text = String::new();
        let format = match name {
            "scanlogd" => Format::Scanlogd(TimeZone::UTC),
            "template" => Format::named(TEMPLATE, &Look::default()).unwrap(),
            _ => Format::named(name, &Look::default()).unwrap(),
        };
        format.render(event, &mut text);
        text
    }

    #[test]
    fn no_control_character_reaches_a_terminal_in_any_format() {
        for event in sample_events() {
            for name in Format::NAMES {
                let text = rendered(name, &event);
                let controls = text.chars().filter(|c| *c != '\n' && visible::is_hidden(*c)).count();
                assert_eq!(controls, 0, "{name}: {text:?}");
                assert!(!text.is_empty() && !text.ends_with('\n'), "{name}: {text:?}");
            }
        }
    }

    #[test]
    fn what_programs_read_is_one_line() {
        for event in sample_events() {
            for name in ["eve", "eve-alert", "scanlogd", "template"] {
                assert!(!rendered(name, &event).contains('\n'), "{name}");
            }
        }
    }

    #[test]
    fn stamps_at_the_ends_of_the_range_do_no_harm() {
        for stamp in [i64::MIN, i64::MAX] {
            for mut event in sample_events() {
                event.timestamp = stamp;
                if let Some(scan) = &mut event.scan {
                    (scan.start, scan.end) = (stamp, i64::MIN);
                }
                for name in Format::NAMES {
                    assert!(!rendered(name, &event).is_empty());
                }
            }
        }
    }

    #[test]
    fn a_mistyped_format_is_refused_with_a_suggestion() {
        let error = Format::named("humane", &Look::default()).unwrap_err();
        assert_eq!(error.to_string(), "format: `humane` is no format (did you mean `human`?)");
    }

    #[test]
    fn the_documentation_shows_what_the_formats_print() {
        let page = include_str!("../../../docs/events.md");
        let ended = |event: &&Event| event.scan.as_ref().is_some_and(|scan| scan.doors == 1_000);
        let event = sample_events().iter().find(ended).unwrap().clone();
        for name in Format::NAMES {
            let text = rendered(name, &event);
            // Of eve-alert it shows what eve has not.
            let shown = text.find("\"alert\":{").map_or(text.as_str(), |at| &text[at..text.len() - 1]);
            assert!(page.contains(shown), "docs/events.md should show the format {name} as\n{shown}");
        }
    }
}
