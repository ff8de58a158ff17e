//! `tripline sample-events`: one event of every kind, phase and oddity.
//!
//! In: a format. Out: the events of the plugins' test kit in it, on standard output, to try a
//! SIEM or a plugin with before the first real scan comes.
//! Read next: `plugins/api`, which has the samples.

use tripline_plugin::{ConfigError, sample_events as samples};

use super::{Failure, Outcome, print};
use crate::{
    config::{Diagnostic, Diagnostics},
    output::{Format, Look},
};

/// Prints the sample events.
///
/// # Errors
/// There is no such format, or standard output cannot be written to.
pub fn sample_events(format: &str) -> Result<Outcome, Failure> {
    let format = Format::named(format, &Look::default()).map_err(|ConfigError { reason, hint, .. }| {
        let error = Diagnostic::new(format!("--format: {reason}"));
        Diagnostics::from(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    })?;
    let mut text = String::new();
    for event in samples().iter().filter(|event| format.tells(event)) {
        format.render(event, &mut text);
        text.push('\n');
    }
    print(&text)
}
