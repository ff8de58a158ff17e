//! What both `read` and `watch` do with what the engine finds.
//!
//! In: events, troubles, progress. Out: events at the outputs that the rules choose, words on standard
//! error, and at the end the numbers of a summary.
//! Must not know where frames come from.
//! Read next: `read.rs`, `watch.rs` (who run it), `rules/route.rs`, `output/mod.rs`.

mod kept;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tripline_plugin::Event;

use super::{args::Judging, job, progress::Progress, say, summary::Detail};
use crate::{
    checkpoint::{Kept, Writer},
    config::{Diagnostic, Diagnostics, diagnostic::printable},
    engine::{
        Sink, Totals,
        signals::Stop,
        summary::{Delivered, Summary},
    },
    output::{Lines, OutputConfig, Outputs, Phases},
    rules::{Route, Router, Rules},
    source::Trouble,
};

/// How much the summary is to say, if it is to say anything.
pub fn detail(args: &Judging) -> Option<Detail> {
    match (args.quiet, args.verbose) {
        (2.., _) => None,
        (1, _) => Some(Detail::Least),
        (0, true) => Some(Detail::Most),
        (0, false) => Some(Detail::Usual),
    }
}

/// Takes what the engine finds: routes, delivers, counts, complains.
#[derive(Debug)]
pub struct Reporter {
    /// The rules at work.
    pub router: Router,
    /// Where events go.
    pub outputs: Outputs,
    /// What stream processors tell, by their numbers; `None` of those that tell nothing.
    lines: Vec<Option<Lines>>,
    /// How far a long read has come; nothing unless somebody sets it.
    pub progress: Progress,
    /// Those that write where the progress bar may stand, and which phases they get.
    screens: Vec<(usize, Phases)>,
    summary: Summary,
    stop: Stop,
    /// The last file that was named for its link type: it is named once.
    unknown_link: Option<PathBuf>,
    /// Another run may have to go on: at the end all is to be as safe as at each state.
    pub is_kept: bool,
}

impl Reporter {
    /// Opens the outputs.
    ///
    /// # Errors
    /// All that could not be opened.
    pub fn start(
        rules: Rules,
        outputs: Vec<OutputConfig>,
        lines: Vec<Option<Lines>>,
        stop: Stop,
    ) -> Result<Self, Diagnostics> {
        let screens = outputs.iter().enumerate().filter(|(_, config)| job::is_screen(config));
        let screens = screens.map(|(number, config)| (number, config.phases)).collect();
        let outputs = Outputs::start(outputs).map_err(|refused| {
            let mut errors = Diagnostics::default();
            for refused in refused {
                errors.push(Diagnostic::new(refused.to_string()));
            }
            errors
        })?;
        let (router, summary, unknown_link) = (Router::new(rules), Summary::default(), None);
        let progress = Progress::new(None, false);
        Ok(Self { router, outputs, lines, progress, screens, summary, stop, unknown_link, is_kept: false })
    }

    /// Says something above the bar.
    pub fn complain(&mut self, what: &str) {
        self.progress.clear();
        say(&format!("tripline: {}\n", printable(what)));
    }

    /// Tells of outputs that failed or do not get through, each once.
    fn announce_failures(&mut self) {
        for (name, what) in self.outputs.troubles() {
            self.complain(&format!("output `{name}` {what}"));
        }
        for (name, why) in self.outputs.failures() {
            self.complain(&format!("output `{name}` has failed: {why}"));
        }
    }

    /// Counts an event that has been routed, and hands it to its outputs.
    fn deliver(&mut self, event: Event, route: &Route) {
        self.summary.count(&event, route);
        if self.screens.iter().any(|(number, phases)| route.outputs.contains(*number) && phases.pass(&event)) {
            self.progress.step_aside();
        }
        let outputs: Vec<usize> = route.outputs.iter().collect();
        self.outputs.deliver(&Arc::new(event), &outputs);
    }

    /// Opens files anew: somebody may have put them away.
    pub fn reopen(&mut self) {
        self.outputs.reopen();
        self.lines.iter_mut().flatten().for_each(Lines::reopen);
    }

    /// Goes on with other rules. What limits of the old ones hold is told first: the new ones know nothing of it.
    pub fn reload(&mut self, rules: Rules) {
        for (digest, route) in self.router.last_digests() {
            self.deliver(digest, &route);
        }
        self.router.reload(rules);
    }

    /// Tells what limits held in windows that are over at `now`, nanoseconds since 1970: on a silent wire no
    /// event does.
    pub fn digests(&mut self, now: i64) {
        for (digest, route) in self.router.digests(now) {
            self.deliver(digest, &route);
        }
    }

    /// Tells what limits still hold, waits for the outputs, and says what all came to.
    pub fn finish(mut self, totals: &Totals) -> Summary {
        for (digest, route) in self.router.last_digests() {
            self.deliver(digest, &route);
        }
        if self.is_kept {
            // What goes wrong is said of the output below.
            let _ = self.outputs.standings();
        }
        self.progress.clear();
        self.announce_failures();
        self.summary.stopped = self.stop.is_asked();
        let delivered = self.outputs.finish().into_iter().map(|stats| Delivered {
            name: stats.name,
            delivered: stats.delivered,
            lost: stats.dropped + stats.rejected,
            withheld: stats.withheld,
            error: stats.error,
        });
        let told = self.lines.into_iter().flatten().map(Lines::finish).map(|told| Delivered {
            name: told.name,
            delivered: told.delivered,
            lost: told.dropped,
            withheld: 0,
            error: told.error,
        });
        self.summary.outputs = delivered.chain(told).collect();
        self.summary.add_totals(totals);
        self.summary
    }
}

impl Sink for Reporter {
    fn event(&mut self, mut event: Event) {
        let now = self.router.time_of(&event);
        for (digest, route) in self.router.digests(now) {
            self.deliver(digest, &route);
        }
        let route = self.router.route(&mut event);
        self.deliver(event, &route);
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.summary.unread += 1;
        self.complain(&trouble.to_string());
    }

    fn unknown_link(&mut self, path: &Path, number: u64, reason: &str) {
        if self.unknown_link.as_deref() != Some(path) {
            self.unknown_link = Some(path.to_owned());
            self.summary.unread += 1;
            self.complain(&format!("{}: frame {number}: {reason}", path.display()));
        }
    }

    fn line(&mut self, processor: usize, line: String) {
        if let Some(Some(lines)) = self.lines.get_mut(processor) {
            lines.tell(line);
        }
    }

    fn progress(&mut self, bytes: u64, frames: u64) -> bool {
        self.progress.advance(bytes, frames);
        self.announce_failures();
        !self.stop.is_asked() && self.outputs.is_alive()
    }

    fn keep(&mut self, to: &mut Writer<'_>) -> io::Result<()> {
        Kept::keep(self, to)
    }

    fn unkept(&mut self, reason: &str) {
        self.complain(&format!("no state was written, an older one stays: {reason}"));
    }
}
