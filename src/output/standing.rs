//! How far outputs have come, for a run that another may have to go on with.
//!
//! In: outputs at work. Out: where each stands once all is written that was delivered, and what it has counted; and the same
//! way back. Where an output stands is its plugin's affair (`Output::position`); what is behind it, a new one takes
//! back when it is opened.
//! Read next: `queue.rs` (who waits for whom), `cli/resume.rs` (what may be an output of such a run).

use serde::{Deserialize, Serialize};

use super::{Outputs, queue::Tally};

/// One output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// As its plugin gave it; `None` of one that is withheld, which has nothing to take back.
    pub position: Option<u64>,
    tally: Tally,
    /// Dropped, and not said yet.
    lost: u64,
}

impl Outputs {
    /// Waits until all is written that was delivered, and tells where each output stands, in their order, and the stamp of
    /// the last event.
    ///
    /// # Errors
    /// One of them has failed, or what it has told cannot be taken back: its name and why.
    pub fn standings(&self) -> Result<(Vec<Standing>, i64), (String, String)> {
        let stands = self.running.iter().map(|output| {
            let asked = output.thread.is_some().then(|| output.queue.ask_position()).transpose();
            let position = asked.map_err(|why| (output.name.clone(), why))?;
            let (tally, lost) = output.queue.counts();
            Ok(Standing { position, tally, lost })
        });
        let stands: Result<_, (String, String)> = stands.collect();
        Ok((stands?, self.now.get()))
    }

    /// Goes on counting where others of the same configuration stood.
    pub fn go_on(&mut self, standings: Vec<Standing>, now: i64) {
        for (output, Standing { tally, lost, .. }) in self.running.iter().zip(standings) {
            output.queue.count_on((tally, lost));
        }
        self.now.set(now);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tripline_plugin::{Event, Options, Resume, sample_events};

    use super::*;
    use crate::output::{OutputConfig, Setting};

    fn open(spec: &str, resume: Resume) -> Outputs {
        let mut config = OutputConfig::from_spec(spec, &Setting { deliver: false, ..Setting::default() }).unwrap();
        config.options = Options::with_resume(config.options, resume);
        Outputs::start(vec![config]).unwrap()
    }

    #[test]
    fn all_that_was_delivered_is_written_when_a_position_is_told_and_counts_go_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let spec = format!("file:path={}", folder.path().join("x").display());
        let outputs = open(&spec, Resume::Begin);
        let events: Vec<_> = sample_events().into_iter().map(Arc::new).collect();
        let (first, rest) = events.split_at(3);
        let deliver = |outputs: &Outputs, events: &[Arc<Event>]| {
            for event in events {
                outputs.deliver(event, &[0]);
            }
        };
        deliver(&outputs, first);
        let (standings, now) = outputs.standings().unwrap();
        let written = std::fs::read(folder.path().join("x")).unwrap();
        assert_eq!(standings[0].position, Some(written.len() as u64));
        deliver(&outputs, rest);
        let whole = outputs.finish();
        let all = std::fs::read(folder.path().join("x")).unwrap();
        let mut outputs = open(&spec, Resume::At(standings[0].position.unwrap()));
        outputs.go_on(standings, now);
        deliver(&outputs, rest);
        assert_eq!((outputs.finish(), std::fs::read(folder.path().join("x")).unwrap()), (whole, all));
    }

    #[test]
    fn who_cannot_be_taken_back_says_so_and_who_is_withheld_need_not() {
        let why = open("stdout", Resume::Begin).standings().unwrap_err();
        assert_eq!(why, ("stdout".to_owned(), "what it has told cannot be taken back".to_owned()));
        let (standings, _) = open("syslog", Resume::Begin).standings().unwrap();
        assert_eq!(standings[0].position, None);
    }
}
