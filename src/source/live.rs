//! Live wires as a source: frames in batches, and the time while none come.
//!
//! In: interfaces to watch. Out: batches, handed over when they are full or [`GATHER`] after their
//! first frame; ticks of the clock when the wires are silent; trouble of an interface that goes away.
//! This is the one place of the source that knows the wall clock: while nothing comes, the clock goes on
//! from the last stamp by the time that has passed, so that deadlines fire and nothing else is shifted.
//! Must not know how frames are captured.
//! Read next: `ring.rs` (libpcap) and `raw.rs` (a plain socket), `gather.rs`, then `engine/run.rs`.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Batch, LinkType, Pull, Sizes, Source, Time, Trouble,
    cut::Run,
    gather::{Gather, Wire},
    raw::Raw,
    ring::Ring,
};

/// A batch is handed over so long after its first frame. With the 10 ms that the kernel may hold a
/// frame back, and twice that for several interfaces, an event follows its packet within 100 ms.
const GATHER: Duration = Duration::from_millis(40);

/// On silent wires the engine is asked so often whether to go on, and deadlines fire.
const SILENCE: Duration = Duration::from_millis(100);

/// While nothing comes, the clock stays so far behind, so that a frame which the kernel still holds
/// back finds its deadlines open.
const LAG: Duration = Duration::from_millis(200);

/// By what frames are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// libpcap: a ring in memory shared with the kernel, its stamps, its count of losses.
    #[default]
    Pcap,
    /// A plain socket, without libpcap: a copy a frame, stamps of this program, no count of losses.
    Raw,
}

/// What to watch and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Interfaces by name; `any` for all (libpcap on Linux only).
    pub interfaces: Vec<String>,
    /// By what.
    pub backend: Backend,
    /// Bytes of a frame that are captured.
    pub snaplen: u32,
    /// Bytes of the kernel's ring for each interface.
    pub buffer: u32,
    /// See frames to others, too.
    pub promiscuous: bool,
    /// Which frames, in libpcap's language: for the kernel's sake, so that the plain socket does without it.
    pub filter: Option<String>,
}

/// Why an interface cannot be watched, with the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{interface}: {reason}")]
pub struct Refused {
    /// Its name.
    pub interface: String,
    /// In words for the operator.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

/// How frames are taken from open wires.
pub(super) trait Tap: Send {
    /// Waits until frames may be there, at most so long; sooner when a signal comes.
    fn wait(&mut self, patience: Duration);

    /// Takes what has come, in order of arrival, as far as there is room. True when there was more.
    ///
    /// # Errors
    /// A wire cannot be read any more; the others can.
    fn drain(&mut self, gather: &mut Gather<'_>) -> Result<bool, Fault>;

    /// Frames lost on all wires so far.
    fn lost(&mut self) -> u64;
}

/// The end of a wire.
pub(super) struct Fault {
    /// Its number.
    pub(super) wire: usize,
    /// Why.
    pub(super) reason: String,
}

/// Open wires.
pub struct Live {
    tap: Box<dyn Tap>,
    wires: Vec<Wire>,
    /// So many can still be read.
    alive: usize,
    run: Run,
    sizes: Sizes,
    /// The clock's last stamp and when it was read.
    last: Option<(Time, Instant)>,
    /// To be told with the next pull.
    trouble: Option<Trouble>,
    bytes: u64,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("wires", &self.wires).field("alive", &self.alive).finish_non_exhaustive()
    }
}

impl Live {
    /// Opens all interfaces.
    ///
    /// # Errors
    /// All that cannot be watched; then none is.
    pub fn open(wanted: &Wanted, sizes: Sizes) -> Result<Self, Vec<Refused>> {
        let (wires, tap): (_, Box<dyn Tap>) = match wanted.backend {
            Backend::Pcap => Ring::open(wanted).map(|(wires, ring)| (wires, Box::new(ring) as Box<dyn Tap>))?,
            Backend::Raw => Raw::open(wanted).map(|(wires, raw)| (wires, Box::new(raw) as Box<dyn Tap>))?,
        };
        Ok(Self::new(wires, tap, sizes))
    }

    fn new(wires: Vec<Wire>, tap: Box<dyn Tap>, sizes: Sizes) -> Self {
        let alive = wires.len();
        let (run, last, trouble, bytes) = Default::default();
        Self { tap, wires, alive, run, sizes, last, trouble, bytes }
    }

    /// The interfaces with what their frames begin with.
    pub fn wires(&self) -> impl Iterator<Item = (&Path, LinkType)> {
        self.wires.iter().map(|wire| (&*wire.name, wire.link))
    }

    /// Gathers frames until the batch is full, its time has come or nothing comes. True when it is full.
    fn gather(&mut self, batch: &mut Batch) -> bool {
        let Self { tap, run, wires, sizes, .. } = self;
        let mut gather = Gather { batch, run, wires, sizes: *sizes };
        let begun = Instant::now();
        let mut first = None;
        loop {
            let deadline = first.map_or(begun + SILENCE, |first| first + GATHER);
            let patience = deadline.saturating_duration_since(Instant::now());
            tap.wait(patience);
            match tap.drain(&mut gather) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(Fault { wire, reason }) => {
                    let path = wires.get(wire).map_or_else(|| Path::new("").into(), |wire| Arc::clone(&wire.name));
                    let frames = gather.run.seq;
                    let offset = self.bytes + gather.batch.bytes.len() as u64;
                    self.trouble = Some(Trouble { path, offset, frames, reason, unpacked: false });
                    self.alive = self.alive.saturating_sub(1);
                    return false;
                }
            }
            if first.is_none() && !gather.is_empty() {
                first = Some(Instant::now());
            }
            if patience.is_zero() || first.is_none() && begun.elapsed() >= SILENCE {
                return false;
            }
        }
    }

    /// What time it is after a batch: that of its frames, or what has passed since the last.
    fn tick(&mut self, is_silent: bool) {
        if !is_silent {
            self.last = Some((self.run.clock.stamp(), Instant::now()));
        } else if let Some((stamp, read)) = self.last {
            let passed = read.elapsed().saturating_sub(LAG);
            // Zero would be a frame's own stamp again, which needs no telling.
            if !passed.is_zero() {
                self.run.clock.tick(stamp.after(i64::try_from(passed.as_nanos()).unwrap_or(i64::MAX)));
            }
        }
    }
}

impl Source for Live {
    fn pull(&mut self, batch: &mut Batch) -> Pull {
        batch.clear();
        batch.bytes.clear();
        batch.origin = None;
        let full = self.trouble.is_none() && self.alive > 0 && self.gather(batch);
        self.tick(batch.pieces.is_empty());
        batch.clock = self.run.clock;
        batch.consumed = batch.bytes.len() as u64;
        self.bytes += batch.consumed;
        batch.wire = super::Wire { live: true, lull: !full, lost: self.tap.lost() };
        if !batch.pieces.is_empty() {
            return Pull::Filled;
        }
        match self.trouble.take() {
            Some(trouble) => Pull::Trouble(trouble),
            None if self.alive == 0 => Pull::End,
            None => Pull::Idle,
        }
    }
}

/// What time it is on the wall: for who stamps or orders frames as they arrive.
pub(super) fn wall_clock() -> Time {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wires whose frames a test writes: each drain gives the next list.
    struct Script(std::vec::IntoIter<Result<Vec<i64>, Fault>>);

    impl Tap for Script {
        fn wait(&mut self, patience: Duration) {
            std::thread::sleep(patience);
        }

        fn drain(&mut self, gather: &mut Gather<'_>) -> Result<bool, Fault> {
            for seconds in self.0.next().unwrap_or_else(|| Ok(Vec::new()))? {
                gather.frame(0, Time(seconds * Time::SECOND), 60, &[0; 60]);
                if gather.room(256) == 0 {
                    return Ok(true);
                }
            }
            Ok(false)
        }

        fn lost(&mut self) -> u64 {
            7
        }
    }

    fn live(script: Vec<Result<Vec<i64>, Fault>>, batch_bytes: usize) -> Live {
        let wires = vec![Wire { name: Path::new("eth0").into(), link: LinkType(1) }];
        let sizes = Sizes { batch_bytes, ..Sizes::default() };
        Live::new(wires, Box::new(Script(script.into_iter())), sizes)
    }

    #[test]
    fn time_goes_on_from_the_last_stamp_while_nothing_comes() {
        let mut live = live(vec![Ok(vec![100])], 1 << 20);
        let mut batch = Batch::default();
        assert!(matches!(live.pull(&mut batch), Pull::Filled));
        assert_eq!(batch.clock.now(), Time(100 * Time::SECOND));
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(450) {
            assert!(matches!(live.pull(&mut batch), Pull::Idle));
        }
        let passed = batch.clock.now().since(Time(100 * Time::SECOND));
        let late = i64::try_from(began.elapsed().as_nanos()).unwrap() - passed;
        assert!(passed > 0 && late >= 100_000_000, "{passed} ns have passed, {late} ns late");
    }

    #[test]
    fn before_the_first_frame_there_is_no_time() {
        let mut batch = Batch::default();
        assert!(matches!(live(vec![], 1 << 20).pull(&mut batch), Pull::Idle));
        assert_eq!(batch.clock.now(), Time::default());
    }

    #[test]
    fn only_a_batch_that_is_not_full_is_followed_by_a_lull() {
        let mut live = live(vec![Ok((0..10).collect()), Ok(vec![11])], 1_000);
        let mut batch = Batch::default();
        assert!(matches!(live.pull(&mut batch), Pull::Filled));
        assert!(!batch.wire.lull && batch.wire.lost == 7);
        assert!(matches!(live.pull(&mut batch), Pull::Filled));
        assert!(batch.wire.lull);
    }

    #[test]
    fn an_interface_that_goes_away_is_told_and_what_came_before_counts() {
        let fault = Fault { wire: 0, reason: "it went away".to_owned() };
        let mut live = live(vec![Ok(vec![1]), Err(fault)], 1 << 20);
        let mut batch = Batch::default();
        assert!(matches!(live.pull(&mut batch), Pull::Filled));
        let Pull::Trouble(trouble) = live.pull(&mut batch) else { panic!("it went away") };
        assert_eq!(trouble.to_string(), "eth0: at byte 76, after 1 frames: it went away");
        assert!(matches!(live.pull(&mut batch), Pull::End));
    }
}
