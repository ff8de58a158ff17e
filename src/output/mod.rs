//! Where events go: each output on a thread of its own, behind a bounded queue.
//!
//! In: events with the outputs that the rules chose for them. Out: text at every destination,
//! and at the end what became of every event. The one place that queues, renders, retries and
//! counts, so that a plugin only writes. No output can stop another.
//! Must not know why an event goes where it goes: that is the rules' business.
//!
//! ```text
//!               ┌ queue ─► worker: render, retry ─► plugin   (a thread each)
//! deliver ──────┤
//!               └ queue ─► worker: render, retry ─► plugin
//! ```
//!
//! Read next: `config.rs` (what an output is), `queue.rs`, `worker.rs`, `formats/mod.rs`, `lines.rs`,
//! `plugins/README.md`.

mod builtin;
mod config;
mod formats;
mod lines;
mod phases;
mod queue;
mod retry;
mod standing;
mod worker;

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    thread,
    time::Duration,
};

use tripline_plugin::{
    ConfigError, Event,
    event::{Anomaly, EventType},
};

pub use builtin::builtin;
pub use config::{HOST_KEYS, OutputConfig, Setting};
pub use formats::{Format, Look};
pub use lines::Lines;
pub use phases::Phases;
pub use queue::Policy;
pub use retry::Patience;
pub use standing::Standing;

use queue::Queue;
use worker::Worker;

/// Events that may wait for one output. An event with full samples is some 4 KiB, and one that
/// waits for several outputs is there once.
const CAPACITY: usize = 1_024;

/// All outputs of a run, at work.
#[derive(Debug)]
pub struct Outputs {
    running: Vec<Running>,
    /// Stamp of the last event: what is said of outputs has no time of its own.
    now: Cell<i64>,
    /// What [`Outputs::troubles`] is to tell.
    troubles: RefCell<Vec<(String, String)>>,
}

#[derive(Debug)]
struct Running {
    name: String,
    format: Format,
    phases: Phases,
    queue: Arc<Queue>,
    /// `None` of one that is withheld.
    thread: Option<thread::JoinHandle<()>>,
    /// How long its end is waited for.
    abandon_after: Option<Duration>,
    /// Its failure was told by [`Outputs::failures`].
    announced: bool,
}

/// An output that could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("output `{output}`: {error}")]
pub struct Refused {
    /// Its name.
    pub output: String,
    /// Why.
    pub error: ConfigError,
}

/// What became of the events for one output. The four numbers sum to all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputStats {
    /// The output's name.
    pub name: String,
    /// Events that its destination took.
    pub delivered: u64,
    /// Events that a full queue or a failed output lost.
    pub dropped: u64,
    /// Events that its destination would never take.
    pub rejected: u64,
    /// Events that were only counted, since they would have left the machine.
    pub withheld: u64,
    /// Why the output stopped before its time, or else why it first rejected something.
    pub error: Option<String>,
}

impl Outputs {
    /// Opens every output and starts its thread. An output's place in `configs` is its number.
    ///
    /// # Errors
    /// All that could not be opened; then none runs. Those that could be opened may have
    /// created their files.
    pub fn start(configs: Vec<OutputConfig>) -> Result<Self, Vec<Refused>> {
        let mut refused = Vec::new();
        let mut opened = Vec::new();
        for config in configs {
            if config.policy == Policy::Withhold {
                opened.push((config, None));
                continue;
            }
            match (config.plugin.build)(&config.options) {
                Ok(output) => opened.push((config, Some(output))),
                Err(error) => refused.push(Refused { output: config.name, error }),
            }
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let running = Vec::with_capacity(opened.len());
        let mut outputs = Self { running, now: Cell::default(), troubles: RefCell::default() };
        for (config, output) in opened {
            let OutputConfig { name, format, phases, policy, patience, .. } = config;
            let queue = Arc::new(Queue::new(policy, CAPACITY));
            let spawn = |output| {
                let worker = Worker { output, format: format.clone(), patience, queue: queue.clone() };
                // The system cuts a thread's name at 15 bytes and refuses a zero byte in it.
                let title = format!("out-{}", name.replace('\0', ""));
                thread::Builder::new().name(title).spawn(move || worker.run())
            };
            match output.map(spawn).transpose() {
                Ok(thread) => {
                    let abandon_after = patience.abandon_at_end;
                    outputs.running.push(Running {
                        name,
                        format,
                        phases,
                        queue,
                        thread,
                        abandon_after,
                        announced: false,
                    });
                }
                Err(error) => {
                    let reason = format!("the system gives no thread: {error}");
                    let error = ConfigError { option: None, reason, hint: None };
                    // Those that run end when `outputs` is dropped.
                    return Err(vec![Refused { output: name, error }]);
                }
            }
        }
        Ok(outputs)
    }

    /// Hands an event to the outputs with these numbers, as far as their phases and formats want
    /// it. With [`Policy::Wait`] this waits while a queue is full.
    pub fn deliver(&self, event: &Arc<Event>, to: &[usize]) {
        self.now.set(event.timestamp);
        self.announce();
        for output in to.iter().filter_map(|number| self.running.get(*number)) {
            if output.phases.pass(event) && output.format.tells(event) {
                output.queue.put(event, || self.announce());
            }
        }
    }

    /// Tells each output what befell the others: whoever reads one of them should know that another
    /// is silent for a reason. Waits for nobody.
    fn announce(&self) {
        for (number, output) in self.running.iter().enumerate() {
            let Some(news) = output.queue.news() else { continue };
            let said = Anomaly { kind: "output".into(), event: format!("output `{}` {news}", output.name) };
            let event = Event { anomaly: Some(said), ..Event::new(EventType::Anomaly, self.now.get()) };
            let event = Arc::new(event);
            let others = self.running.iter().enumerate().filter(|(other, _)| *other != number);
            others.filter(|(_, other)| other.thread.is_some()).for_each(|(_, other)| other.queue.offer(&event));
            if output.queue.failure().is_none() {
                self.troubles.borrow_mut().push((output.name.clone(), news));
            }
        }
    }

    /// The outputs that do not get through for now, or again, since the last call, in words that
    /// follow the output's name.
    pub fn troubles(&mut self) -> Vec<(String, String)> {
        self.announce();
        std::mem::take(&mut self.troubles.borrow_mut())
    }

    /// The outputs that failed since the last call, with the reason: to be announced once.
    pub fn failures(&mut self) -> Vec<(String, String)> {
        self.announce();
        let news = self.running.iter_mut().filter(|output| !output.announced);
        news.filter_map(|output| {
            let why = output.queue.failure()?;
            output.announced = true;
            Some((output.name.clone(), why))
        })
        .collect()
    }

    /// Whether any output still takes events; if not (`… | head`), reading on is in vain.
    pub fn is_alive(&self) -> bool {
        let mut open = self.running.iter().filter(|output| output.thread.is_some()).peekable();
        // With none that is open, there is still the summary.
        open.peek().is_none() || open.any(|output| output.queue.failure().is_none())
    }

    /// Has every output open its destination anew (after a log was rotated).
    pub fn reopen(&self) {
        self.running.iter().for_each(|output| output.queue.reopen());
    }

    /// Waits until everything that was delivered is written, and ends the threads. Live, an output
    /// that does not come to its end is left alone after a while, and what waits for it is lost.
    pub fn finish(mut self) -> Vec<OutputStats> {
        // All at once, so that the slow ones end side by side.
        self.running.iter().for_each(|output| output.queue.close());
        self.running.drain(..).map(Running::finish).collect()
    }
}

impl Drop for Outputs {
    /// Without [`Outputs::finish`], too, threads end when their queues are empty.
    fn drop(&mut self) {
        self.running.iter().for_each(|output| output.queue.close());
    }
}

impl Running {
    fn finish(self) -> OutputStats {
        let Self { name, queue, thread, abandon_after, .. } = self;
        let is_open = thread.is_some();
        if let Some(thread) = thread {
            if queue.wait_for_end(abandon_after) {
                // A panic has told the queue already.
                let _ = thread.join();
            } else {
                queue.fail("did not come to its end in time and was left alone".into());
            }
        }
        let tally = queue.tally();
        let left = tally.offered.saturating_sub(tally.delivered).saturating_sub(tally.rejected);
        let (dropped, withheld) = if is_open { (left, 0) } else { (0, left) };
        let (delivered, rejected, error) = (tally.delivered, tally.rejected, tally.error);
        OutputStats { name, delivered, dropped, rejected, withheld, error }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicBool, Ordering},
    };

    use tripline_plugin::{Options, Output, OutputError, OutputPlugin, Record, event::Phase, sample_events};

    use super::*;

    /// A plugin that is hard to please, to see what the host does.
    struct Picky {
        writes: u32,
    }

    impl Output for Picky {
        fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
            self.writes += 1;
            let has = |part: &str| batch.iter().any(|record| record.line.contains(part));
            match () {
                () if has("\"type\":\"fatal\"") => Err(OutputError::Fatal("it is over".into())),
                () if has("\"type\":\"panic\"") => panic!("as a test asked for"),
                () if has("\"type\":\"reject\"") => Err(OutputError::Reject("never".into())),
                () if self.writes % 2 == 1 => Err(OutputError::Retry("not now".into())),
                () => Ok(()),
            }
        }
    }

    const PICKY: OutputPlugin = OutputPlugin {
        name: "picky",
        summary: "for tests",
        format: "eve",
        leaves: false,
        options: &[],
        check: |_| Ok(()),
        build: |_: &Options| Ok(Box::new(Picky { writes: 0 })),
    };

    fn setting() -> Setting {
        let plugins = builtin().into_iter().chain([PICKY]).collect();
        Setting { plugins, ..Setting::default() }
    }

    fn start(specs: &[&str]) -> Outputs {
        let quick = |spec: &&str| {
            let patience = Patience { first: Duration::from_millis(1), ..Patience::READ };
            OutputConfig { patience, ..OutputConfig::from_spec(spec, &setting()).unwrap() }
        };
        Outputs::start(specs.iter().map(quick).collect()).unwrap()
    }

    fn anomaly(kind: &str) -> Arc<Event> {
        let mut event = sample_events().into_iter().find(|event| event.anomaly.is_some()).unwrap();
        event.anomaly.as_mut().unwrap().kind = kind.into();
        Arc::new(event)
    }

    #[test]
    fn every_event_is_written_in_order_however_many_and_only_where_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let outputs = start(&[&format!("file:path={}", path("a")), &format!("file:path={}", path("b"))]);
        for at in 0..5_000 {
            let event = Event { timestamp: at * 1_000, ..Event::clone(&anomaly("storm")) };
            outputs.deliver(&Arc::new(event), if at % 2 == 0 { &[0, 1] } else { &[0] });
        }
        let stats = outputs.finish();
        assert_eq!(stats.iter().map(|output| output.delivered).collect::<Vec<_>>(), [5_000, 2_500]);
        assert!(stats.iter().all(|output| output.dropped + output.rejected == 0 && output.error.is_none()));
        let stamps = |name: &str| {
            let text = fs::read_to_string(path(name)).unwrap();
            let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            events.iter().map(|event| event.timestamp / 1_000).collect::<Vec<_>>()
        };
        assert_eq!(stamps("a"), (0..5_000).collect::<Vec<_>>());
        assert_eq!(stamps("b"), (0..5_000).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn an_output_gets_its_phases_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ends").display().to_string();
        let outputs = start(&[&format!("file:path={path},phases=end")]);
        for event in sample_events() {
            outputs.deliver(&Arc::new(event), &[0]);
        }
        outputs.finish();
        let text = fs::read_to_string(path).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap());
        let phases: Vec<_> = events.filter_map(|event| event.scan.map(|scan| scan.phase)).collect();
        assert!(!phases.is_empty() && phases.iter().all(|phase| *phase == Phase::End));
    }

    #[test]
    fn what_is_rejected_takes_nothing_else_with_it() {
        let outputs = start(&["picky"]);
        for kind in ["storm", "reject", "storm", "reject", "storm"] {
            outputs.deliver(&anomaly(kind), &[0]);
        }
        let expected = OutputStats {
            name: "picky".into(),
            delivered: 3,
            dropped: 0,
            rejected: 2,
            withheld: 0,
            error: Some("never".into()),
        };
        assert_eq!(outputs.finish(), [expected]);
    }

    #[test]
    fn a_failed_output_is_announced_once_counted_and_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all").display().to_string();
        for (kind, why) in [("fatal", "it is over"), ("panic", "the plugin panicked, which is a bug of it")] {
            let mut outputs = start(&["picky", &format!("file:path={path}")]);
            outputs.deliver(&anomaly(kind), &[0, 1]);
            // Far more than a queue holds: nobody may wait for the failed one.
            (0..CAPACITY * 3).for_each(|_| outputs.deliver(&anomaly("storm"), &[0, 1]));
            assert_eq!(outputs.failures(), [("picky".to_owned(), why.to_owned())]);
            assert_eq!(outputs.failures(), []);
            assert!(outputs.is_alive(), "the file still takes events");
            let stats = outputs.finish();
            let all = CAPACITY as u64 * 3 + 1;
            assert_eq!((stats[0].delivered, stats[0].dropped), (0, all));
            assert_eq!(stats[0].error.as_deref(), Some(why));
            // And the news of it.
            assert_eq!((stats[1].delivered, stats[1].dropped), (all + 1, 0));
            let text = fs::read_to_string(&path).unwrap();
            let news = format!("output `picky` has failed: {why}");
            assert_eq!(text.lines().filter(|line| line.contains(&news)).count(), 1);
        }
    }

    /// A destination that is full until room is made, or never answers at all.
    struct Full {
        room: &'static AtomicBool,
        hangs: bool,
    }

    impl Output for Full {
        fn write(&mut self, _: &[Record]) -> Result<(), OutputError> {
            if self.hangs {
                thread::sleep(Duration::from_mins(10));
            }
            if self.room.load(Ordering::Relaxed) { Ok(()) } else { Err(OutputError::Retry("no room".into())) }
        }
    }

    const FULL: OutputPlugin = OutputPlugin {
        name: "full",
        check: |_| Ok(()),
        build: |_: &Options| {
            static ROOM: AtomicBool = AtomicBool::new(false);
            Ok(Box::new(Full { room: &ROOM, hangs: false }))
        },
        ..PICKY
    };

    const HANGS: OutputPlugin = OutputPlugin {
        name: "hangs",
        check: |_| Ok(()),
        build: |_: &Options| {
            static ROOM: AtomicBool = AtomicBool::new(false);
            Ok(Box::new(Full { room: &ROOM, hangs: true }))
        },
        ..PICKY
    };

    #[test]
    fn while_an_output_is_full_read_waits_and_the_others_hear_of_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all").display().to_string();
        let patience =
            Patience { first: Duration::from_millis(1), give_up: Duration::from_millis(600), ..Patience::READ };
        let full = OutputConfig { plugin: FULL, patience, ..OutputConfig::from_spec("picky", &setting()).unwrap() };
        let file = OutputConfig::from_spec(&format!("file:path={path}"), &setting()).unwrap();
        let mut outputs = Outputs::start(vec![OutputConfig { name: "full".into(), ..full }, file]).unwrap();
        // More than the queue of the full one holds: this waits until it is given up.
        (0..CAPACITY + 300).for_each(|_| outputs.deliver(&anomaly("storm"), &[0]));
        let words = ("full".to_owned(), "does not get through and is tried again: no room".to_owned());
        assert_eq!(outputs.troubles(), [words]);
        let stats = outputs.finish();
        assert_eq!((stats[0].delivered, stats[0].dropped), (0, CAPACITY as u64 + 300));
        let text = fs::read_to_string(path).unwrap();
        let said: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let said: Vec<_> = said.into_iter().map(|event| event.anomaly.unwrap().event).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert_eq!(said[0], "output `full` does not get through and is tried again: no room");
        assert!(said[1].starts_with("output `full` has failed: no room; given up after "), "{said:?}");
    }

    #[test]
    fn live_an_output_that_hangs_does_not_keep_the_program_from_its_end() {
        let patience = Patience { abandon_at_end: Some(Duration::from_millis(50)), ..Patience::LIVE };
        let config = OutputConfig::from_spec("picky", &Setting { live: true, ..setting() }).unwrap();
        let outputs = Outputs::start(vec![OutputConfig { plugin: HANGS, patience, ..config }]).unwrap();
        (0..3).for_each(|_| outputs.deliver(&anomaly("storm"), &[0]));
        let stats = outputs.finish();
        assert_eq!((stats[0].delivered, stats[0].dropped), (0, 3));
        assert_eq!(stats[0].error.as_deref(), Some("did not come to its end in time and was left alone"));
    }

    #[test]
    fn what_is_withheld_is_not_opened_and_counted() {
        let setting = Setting { deliver: false, ..setting() };
        let spec = "syslog:path=/no/such/socket";
        let outputs = Outputs::start(vec![OutputConfig::from_spec(spec, &setting).unwrap()]).unwrap();
        (0..3).for_each(|_| outputs.deliver(&anomaly("storm"), &[0]));
        assert!(outputs.is_alive(), "the summary is worth reading on");
        let stats = outputs.finish();
        assert_eq!((stats[0].withheld, stats[0].dropped, stats[0].error.as_ref()), (3, 0, None));
    }

    #[test]
    fn all_outputs_that_cannot_be_opened_are_named_and_none_runs() {
        let specs = ["file:path=/no/such/folder/a", "stdout", "file:path=/no/such/folder/b"];
        let configs = specs.map(|spec| OutputConfig::from_spec(spec, &setting()).unwrap());
        let refused = Outputs::start(configs.into()).unwrap_err();
        assert_eq!(refused.len(), 2);
        assert!(refused[0].to_string().starts_with("output `file:path=/no/such/folder/a`: path: cannot open"));
    }

    #[test]
    fn reopening_follows_a_renamed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let outputs = start(&[&format!("file:path={}", path.display())]);
        outputs.deliver(&anomaly("storm"), &[0]);
        while fs::metadata(&path).unwrap().len() == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        fs::rename(&path, folder.path().join("old")).unwrap();
        outputs.reopen();
        outputs.deliver(&anomaly("flood"), &[0]);
        outputs.finish();
        assert!(fs::read_to_string(path).unwrap().contains("flood"));
    }
}
