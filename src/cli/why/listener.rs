//! Who takes the events of a run that only wants to know: rules decide as they do in `read`, and nobody gets anything.
//!
//! In: every event, in order, for limits count all of them. Out: those that concern the net that was asked about, each
//! with what the rules did and which outputs would have taken it. Bounded: so many events, the rest is counted.
//! Must not judge, nor open an output. Read next: `rules/route.rs`, `tale.rs`.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use tripline_plugin::Event;

use crate::{
    cli::{progress::Progress, say},
    config::diagnostic::printable,
    engine::{Sink, signals::Stop},
    output::{OutputConfig, Policy},
    rules::{Route, Router, Rules},
    source::Trouble,
};

/// Events that are kept.
const KEPT: usize = 1_024;

/// An event that concerns the net.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) event: Event,
    pub(super) route: Route,
    /// The outputs that take it.
    pub(super) to: Vec<String>,
    /// Those that the rules chose and that do not, and why.
    pub(super) not_to: Vec<(String, &'static str)>,
}

/// All that was heard.
#[derive(Debug, Default)]
pub(super) struct AllHeard {
    pub(super) events: Vec<Heard>,
    /// Events beyond those that are kept.
    pub(super) more: u64,
    /// All of the input was read.
    pub(super) is_whole: bool,
}

/// Takes events.
pub(super) struct Listener {
    router: Router,
    outputs: Vec<OutputConfig>,
    net: IpNet,
    stop: Stop,
    progress: Progress,
    heard: AllHeard,
    unknown_link: Option<PathBuf>,
}

impl Listener {
    pub(super) fn new(rules: Rules, outputs: Vec<OutputConfig>, net: IpNet, stop: Stop, progress: Progress) -> Self {
        let heard = AllHeard { is_whole: true, ..AllHeard::default() };
        Self { router: Router::new(rules), outputs, net, stop, progress, heard, unknown_link: None }
    }

    pub(super) fn finish(mut self) -> AllHeard {
        self.progress.clear();
        self.heard.is_whole &= !self.stop.is_asked();
        self.heard
    }

    fn complain(&mut self, what: &str) {
        self.heard.is_whole = false;
        self.progress.clear();
        say(&format!("tripline: {}\n", printable(what)));
    }
}

/// Whom an event accuses or lists beside the accused.
pub(super) fn concerns(event: &Event, is_him: impl Fn(&IpAddr) -> bool) -> bool {
    let scan = event.scan.as_deref();
    event.src_ip.iter().any(&is_him)
        || scan.is_some_and(|scan| scan.sources.sample.iter().any(&is_him))
        || scan.and_then(|scan| scan.decoy.as_ref()?.likely_source).iter().any(&is_him)
}

impl Sink for Listener {
    fn event(&mut self, mut event: Event) {
        // What limits held is told in digests, whose windows are kept as `read` keeps them.
        let now = self.router.time_of(&event);
        self.router.digests(now);
        let route = self.router.route(&mut event);
        if !concerns(&event, |ip| self.net.contains(ip)) {
            return;
        }
        if self.heard.events.len() >= KEPT {
            self.heard.more += 1;
            return;
        }
        let (mut to, mut not_to) = (Vec::new(), Vec::new());
        let chosen = self.outputs.iter().enumerate().filter(|(number, _)| route.outputs.contains(*number));
        for (_, output) in chosen {
            let name = printable(&output.name);
            match () {
                () if !output.phases.pass(&event) => not_to.push((name, "it takes other phases")),
                () if !output.format.tells(&event) => not_to.push((name, "its format has no words for it")),
                () if output.policy == Policy::Withhold => {
                    not_to.push((name, "it leaves the machine, which takes --deliver"));
                }
                () => to.push(name),
            }
        }
        self.heard.events.push(Heard { event, route, to, not_to });
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.complain(&trouble.to_string());
    }

    fn unknown_link(&mut self, path: &Path, number: u64, reason: &str) {
        if self.unknown_link.as_deref() != Some(path) {
            self.unknown_link = Some(path.to_owned());
            self.complain(&format!("{}: frame {number}: {reason}", path.display()));
        }
    }

    fn line(&mut self, _: usize, _: String) {}

    fn progress(&mut self, bytes: u64, frames: u64) -> bool {
        self.progress.advance(bytes, frames);
        !self.stop.is_asked()
    }
}
