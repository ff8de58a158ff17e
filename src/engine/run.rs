//! Reading an archive or watching a wire: the one loop that drives all stages.
//!
//! In: a source, a [`Plan`]. Out: events in order, to a [`Sink`]; and what was counted.
//! It goes in rounds, and the batches of three are under way at a time: while the workers run the cells over those of the round before, and read and
//! decode new ones, this thread gives those of the round before to stream processors, if there are any, and correlates what came of those before
//! them. Each lies in buffers of its own; nothing is shared that anybody writes. When a live source says that no more waits
//! behind a batch, nothing is read until that one is through, so that its events do not wait for packets.

mod standing;

use std::{
    io,
    mem::{swap, take},
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use standing::Standing;
use tripline_plugin::Event;

use crate::{
    cells::{self, Cell, Losses, Slate},
    checkpoint::{Unfit, Writer},
    correlate::{Correlate, Finding, reference::Reference, talk::Heard},
    defragment::{Counts as Defragmented, Defragmenter, Limits, Policies},
    dispatch::{CELLS, Key, Pool, PoolError},
    engine::{
        checkpoint::Checkpoints,
        counts::Counts,
        feed::{Desk, Feed, patience},
        follow::Follow,
        locate::Locator,
        lot::{self, Lot, Wanted, Work},
        story::{About, Census, Story},
    },
    presets::tripline::Thresholds,
    source::{Batch, Filter, Source, Time, Trouble},
    streams::Intake,
};

/// How a run is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Workers.
    pub shards: usize,
    /// Batches of a round: speed and memory, the result does not depend on it. One when watching, where each is waited for.
    pub batches: usize,
    /// Bytes for the tables.
    pub memory: usize,
    /// The hash key; made from the input's first frames when not given.
    pub key: Option<u64>,
    /// What the preset `tripline` judges by; `None` when it is not asked for.
    pub thresholds: Option<Thresholds>,
    /// Reference presets, by name.
    pub references: Vec<Reference>,
    /// Whose bytes count where fragments overlap.
    pub reassembly: Policies,
    /// VLAN and virtual network are part of an address.
    pub tenants: bool,
    /// Which frames are looked at at all.
    pub filter: Option<Filter>,
    /// Whose story is to be told.
    pub about: Option<About>,
    /// Stream processors, if any are on.
    pub streams: Option<Intake>,
    /// Where states are written by which a later run goes on, and the one from which this one does.
    pub checkpoints: Option<Checkpoints>,
}

/// Who takes what comes out of a run.
pub trait Sink {
    /// An event, in order.
    fn event(&mut self, event: Event);
    /// Something could not be read.
    fn trouble(&mut self, trouble: Trouble);
    /// A file holds frames of a link type without a decoder; `number` is the first. Said once a batch.
    fn unknown_link(&mut self, path: &Path, number: u64, reason: &str);
    /// A line that the stream processor with this number tells.
    fn line(&mut self, processor: usize, line: String);
    /// So many more bytes of the input were used up, with so many frames. False ends the run early.
    fn progress(&mut self, bytes: u64, frames: u64) -> bool;
    /// Writes down what it must know to go on in another run, when all that it got is where it goes.
    ///
    /// # Errors
    /// It cannot, or what the writer says.
    fn keep(&mut self, _to: &mut Writer<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// A state could not be written, for this reason. The run goes on.
    fn unkept(&mut self, _reason: &str) {}
}

/// What was counted in a run.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Frames.
    pub counts: Counts,
    /// Fragments.
    pub defragmented: Defragmented,
    /// What the tables had to give up.
    pub losses: Losses,
    /// What each reference preset had to forget for want of memory.
    pub forgotten: Vec<(&'static str, u64)>,
    /// Packets that were seen twice and counted once.
    pub copies: u64,
    /// What became of segments and streams, by name; empty without stream processors.
    pub streams: Vec<(&'static str, u64)>,
    /// Times that the capture's clock went back by more than jitter.
    pub rebased: u32,
    /// Frames that a live capture lost before they came here.
    pub lost: u64,
    /// The run was ended early.
    pub stopped: bool,
    /// The stories that the plan asks for, by address in order of first sight; and how many more there would be.
    pub stories: (Vec<Story>, u64),
}

/// Why a run was not begun.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The workers' threads could not be started.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It was to go on from a state that does not fit.
    #[error("{0}")]
    State(#[from] Unfit),
}

/// Runs a source through all stages.
///
/// # Errors
/// The workers' threads could not be started, or the run cannot go on from the state in its plan.
#[expect(clippy::too_many_lines, reason = "the one place where all stages meet")]
pub fn run(source: &mut dyn Source, mut plan: Plan, sink: &mut dyn Sink) -> Result<Totals, RunError> {
    let patience = patience(plan.shards);
    let pool = Pool::new(plan.shards, patience)?;
    let mut feed = Feed::new(source);
    let mut checkpoints = plan.checkpoints.take();
    let mut totals = Totals::default();
    let mut found = checkpoints.as_mut().and_then(Checkpoints::take_found);
    let known = found.as_mut().map(|found| standing::begin(found, &mut totals)).transpose()?;
    let seed = known.or(plan.key).unwrap_or_else(|| feed.make_seed(sink));
    let key = Key::new(seed);
    let mut cells = plan.cells(&key);
    let mut front = Front::new(&plan, &key);
    let mut references = plan.references;
    let mut defragmenter = Defragmenter::new(Limits::default()).following(plan.reassembly);
    if plan.thresholds.is_some() {
        // Who asks for reference presets alone wants what their originals say, and not a word more.
        defragmenter = defragmenter.telling();
    }
    let mut follow = plan.streams.map(|intake| Follow::new(intake, plan.thresholds.is_some()));
    let mut last = Time::default();
    let filter = plan.filter.map(RwLock::new);
    let keyed = (!cells.is_empty()).then_some(&key);
    let mut census = plan.about.map(Census::new);
    let all = census.is_some() || references.iter().any(Reference::sees_plain);
    let wanted = Wanted { key: keyed, plain: all, tenants: plan.tenants };
    // What is read and decoded, and what is run through the cells.
    let (mut fresh, mut decoded) = (Lot::default(), Lot::default());
    // One for each worker: it stays near its core.
    let mut tools: Vec<(Vec<u8>, Slate)> = (0..plan.shards.max(1)).map(|_| Default::default()).collect();
    // All that a state holds. By name, since nothing here is one thing but while the loop stands still.
    macro_rules! standing {
        () => {
            Standing {
                seed,
                feed: &mut feed,
                cells: &mut cells,
                front: &mut front,
                references: &mut references,
                defragmenter: &mut defragmenter,
                totals: &mut totals,
                last: &mut last,
            }
        };
    }
    if let Some(mut found) = found.take() {
        found.read(|from| standing!().resume(from))?;
        feed.stopped = !sink.progress(feed.consumed, 0);
    }
    while feed.has_more() || !decoded.is_empty() {
        // Before a state is written nothing may be under way: as before a silence, nothing is read until all is through.
        let mut due = checkpoints.as_mut().filter(|checkpoints| feed.may_pause() && checkpoints.is_due(feed.read));
        if let Some(checkpoints) = due.take_if(|_| decoded.is_empty()) {
            front.deliver(sink, false);
            standing!().write(checkpoints, [&fresh, &decoded], sink);
        }
        let (hold, clock) = (due.is_some() || decoded.ends_in_silence(), decoded.clock);
        let slots = fresh.open(if hold { 0 } else { front.room(plan.batches) });
        let desk = Desk::new(&mut feed, slots, filter.as_ref(), wanted, follow.is_some()).with_patience(patience);
        let together = cells.len().div_ceil(plan.shards * 8).max(1);
        let parts = Mutex::new(cells.chunks_mut(together).zip((0..).step_by(together)));
        let own = || {
            if let Some(follow) = &mut follow {
                follow.read(&decoded, filter.as_ref(), sink);
            }
            front.deliver(sink, false);
        };
        pool.work(&mut tools, own, |(buffer, slate)| {
            desk.work(buffer, || {
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
                part.map(|(cells, first)| cells::see(cells, first, &decoded, clock.now(), slate)).is_some()
            });
        });
        let used = desk.close();
        fresh.close(used, clock);
        feed.tell(sink);
        let mut findings = take(&mut decoded.findings);
        let heard = follow.as_mut().map(|follow| follow.heard(clock.now(), &mut findings)).unwrap_or_default();
        front.take(cells.iter_mut(), findings, heard, clock.now());
        fresh.slots().iter().for_each(|slot| front.note(&slot.batch));
        fresh.in_sequence(&mut defragmenter, &mut references, wanted);
        if let Some(census) = &mut census {
            front.ask(census, &fresh, &key, &mut cells);
        }
        complain(&mut fresh, sink);
        (totals.rebased, last) = (fresh.clock.rebased, fresh.clock.now());
        swap(&mut decoded, &mut fresh);
    }
    front.deliver(sink, false);
    if let Some(checkpoints) = checkpoints.as_mut().filter(|_| feed.stopped && !feed.rushed) {
        // What is said from here on is the end of the input, which it is not for who goes on; nor is a key of
        // fewer frames his.
        standing!().write(checkpoints, [&fresh, &decoded], sink);
    }
    // What processors heard at the last has its place among what the cells find, which is then told at once.
    front.conclude(&mut cells, if follow.is_some() { u64::MAX } else { PORTION }, last, sink);
    for cell in &mut cells {
        cell.review_all(last);
    }
    defragmenter.finish(last);
    let mut findings: Vec<Finding> = defragmenter.warnings(last).map(lot::found).collect();
    for reference in &mut references {
        reference.finish(last, &mut findings);
    }
    let heard = follow.as_mut().map(|follow| follow.finish(last, &mut findings, sink)).unwrap_or_default();
    front.take(cells.iter_mut(), findings, heard, last);
    front.deliver(sink, false);
    for cell in &mut cells {
        cell.end(last);
        front.correlate.take_ends(cell.reports());
    }
    front.deliver(sink, true);
    let witnesses = cells.iter_mut().flat_map(Cell::witnesses).collect();
    let told = census.map(|census| census.stories(witnesses, front.correlate.hearings()));
    totals.stories = told.unwrap_or_default();
    totals.streams = follow.map(|mut follow| follow.counts(front.correlate.unheard())).unwrap_or_default();
    for counts in [&fresh, &decoded].into_iter().flat_map(Lot::counts) {
        totals.counts.add(counts);
    }
    totals.defragmented = *defragmenter.counts();
    totals.losses = cells.iter().map(Cell::losses).fold(Losses::default(), Losses::plus);
    totals.forgotten = references.iter().map(|reference| (reference.name(), reference.given_up())).collect();
    totals.copies = cells.iter().map(Cell::copies).sum();
    (totals.lost, totals.stopped) = (front.lost, feed.stopped);
    Ok(totals)
}

/// Says once for a file or an interface that it gives frames which nobody can decode.
fn complain(lot: &mut Lot, sink: &mut dyn Sink) {
    if let Some(((link, number, seq), batch)) = lot.unknown_link()
        && let Some(path) = batch.origin_of(seq)
    {
        let reason = format!("link type {} is not known: its frames are counted and skipped", link.0);
        sink.unknown_link(path, number, &reason);
    }
}

/// What this thread does while the workers work: the order of things.
struct Front {
    correlate: Correlate,
    locator: Locator,
    findings: Vec<Finding>,
    /// How far the cells have come.
    now: Time,
    /// Frames that the capture has lost so far.
    lost: u64,
    /// Batches that the next round may have.
    room: usize,
}

/// So many reports of a round, of a KiB and more each, make the next one smaller, and fewer let it grow again: they are beside the budget until
/// correlate has them.
const MANY: usize = 2_048;

/// So many frames at a time are concluded at the end of the input: each may be worth a report.
const PORTION: u64 = 1_000;

impl Front {
    fn new(plan: &Plan, key: &Key) -> Self {
        let thresholds = Arc::new(plan.thresholds.clone().unwrap_or_default());
        let (locator, findings, now, lost) = Default::default();
        Self { correlate: Correlate::new(key, thresholds), locator, findings, now, lost, room: 1 }
    }

    /// How many of so many batches the next round should have: few at first, for a capture may begin in a flood.
    fn room(&mut self, batches: usize) -> usize {
        self.room = self.room.min(batches);
        self.room
    }

    /// Counts the packets of those whose story is to be told. Who appears for the first time is watched from this batch on,
    /// before his cell has seen any of it.
    fn ask(&mut self, census: &mut Census, lot: &Lot, key: &Key, cells: &mut [Cell]) {
        for address in census.take(lot.works().flat_map(Work::in_order)) {
            if let Some(cell) = cells.get_mut(usize::from(key.cell(address))) {
                cell.watch(address, census.keep());
            }
            self.correlate.listen(address);
        }
    }

    /// The input ends at `last`, and the cells wait no more. What comes of it is told in portions, as it is in rounds: a flood's is much.
    /// (But for that of the last: it is told with all else that the end brings.)
    fn conclude(&mut self, cells: &mut [Cell], portion: u64, last: Time, sink: &mut dyn Sink) {
        while let Some(first) = cells.iter().filter_map(Cell::waits_for).min() {
            self.take(cells.iter_mut(), Vec::new(), Vec::new(), last);
            self.deliver(sink, false);
            let until = first.saturating_add(portion);
            for cell in cells.iter_mut() {
                cell.wait_no_more(last, until);
            }
        }
    }

    /// Takes note of where a batch comes from and what is missing before it.
    fn note(&mut self, batch: &Batch) {
        self.locator.note(batch);
        self.lost = self.lost.max(batch.wire.lost);
    }

    /// Takes what cells, reference presets and processors found in one batch.
    fn take<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a mut Cell>,
        references: Vec<Finding>,
        heard: Vec<Heard>,
        now: Time,
    ) {
        self.now = now;
        self.correlate.take_heard(heard);
        let mut reported = 0;
        for cell in cells {
            let reports = cell.reports();
            reported += reports.len();
            self.correlate.take(reports);
        }
        self.room = if reported > MANY { (self.room / 2).max(1) } else { self.room.saturating_mul(2) };
        self.findings.extend(references);
    }

    /// Judges it and hands the events on, in order, one after the other: a flood has many, and each is large. `over`: no
    /// more will come.
    fn deliver(&mut self, sink: &mut dyn Sink, over: bool) {
        let Self { correlate, locator, findings, now, lost, room: _ } = self;
        let mut hand = |Finding { seq, mut event, .. }: Finding, has_end: bool| {
            if let Some((path, number)) = seq.and_then(|seq| locator.locate(seq)) {
                event.pcap_filename = Some(path.display().to_string());
                event.pcap_cnt = Some(number);
            }
            let interface =
                if has_end { locator.interface(seq, &event) } else { seq.and_then(|seq| locator.interface_of(seq)) };
            event.in_iface = interface.map(|name| name.display().to_string());
            if let Some(scan) = &mut event.scan {
                scan.completeness.drops = *lost;
            }
            sink.event(event);
        };
        findings.sort_by_key(|finding| finding.order);
        let mut references = findings.drain(..).peekable();
        let mut merge = |finding: Finding| {
            while let Some(reference) = references.next_if(|reference| reference.order <= finding.order) {
                hand(reference, false);
            }
            hand(finding, true);
        };
        correlate.settle(*now, &mut merge);
        if over {
            correlate.finish(*now, &mut merge);
        }
        references.for_each(|reference| hand(reference, false));
    }
}

impl Plan {
    /// All cells, or none when only reference presets were asked for.
    fn cells(&self, key: &Key) -> Vec<Cell> {
        let Some(thresholds) = &self.thresholds else { return Vec::new() };
        let thresholds = Arc::new(thresholds.clone());
        (0..CELLS).map(|_| Cell::new(self.memory, key.clone(), Arc::clone(&thresholds))).collect()
    }
}
