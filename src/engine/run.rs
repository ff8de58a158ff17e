//! Reading an archive or watching a wire: the one loop that drives all stages.
//!
//! In: a source, a [`Plan`]. Out: events in order, to a [`Sink`]; and what was counted.
//! Three batches are under way at a time: while the workers decode one and run the cells over the one
//! before it, this thread gives it to stream processors, if there are any, reads the next and correlates what came of the one before both. Each lies in
//! buffers of its own; nothing is shared that anybody writes. When a live source says that no more waits
//! behind a batch, nothing is read until that one is through, so that its events do not wait for packets.

mod standing;

use std::{
    collections::VecDeque,
    io,
    mem::{swap, take},
    path::Path,
    sync::Arc,
};

use standing::Standing;
use tripline_plugin::Event;

use crate::{
    cells::{Cell, Losses},
    checkpoint::{Unfit, Writer},
    correlate::{Correlate, Finding, reference::Reference, talk::Heard},
    defragment::{Counts as Defragmented, Defragmenter, Limits, Policies},
    dispatch::{CELLS, Key, KeyMaker, Pool, PoolError},
    engine::{
        checkpoint::Checkpoints,
        counts::Counts,
        follow::Follow,
        locate::Locator,
        lot::{self, Lot, Wanted, Work},
        story::{About, Census, Story},
    },
    presets::tripline::Thresholds,
    source::{Batch, Filter, Pull, Source, Time, Trouble},
    streams::Intake,
};

/// How a run is to be done.
#[derive(Debug)]
pub struct Plan {
    /// Workers.
    pub shards: usize,
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
    let pool = Pool::new(plan.shards)?;
    let mut feed =
        Feed { source, held: VecDeque::new(), ended: false, stopped: false, rushed: false, read: 0, consumed: 0 };
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
    let mut filter = plan.filter;
    let keyed = (!cells.is_empty()).then_some(&key);
    let mut census = plan.about.map(Census::new);
    let all = census.is_some() || references.iter().any(Reference::sees_plain);
    // The batch to be decoded, the one to be run through the cells, the one to be read into.
    let (mut fresh, mut decoded, mut spare) = (Lot::default(), Lot::default(), Lot::default());
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
    let mut more = feed.pull(&mut fresh.batch, sink);
    while more || !decoded.batch.pieces.is_empty() {
        // Before a state is written nothing may be under way: as before a silence, nothing is read until all is through.
        let due = checkpoints.as_mut().filter(|checkpoints| more && feed.may_pause() && checkpoints.is_due(feed.read));
        let pause = due.is_some();
        if let Some(checkpoints) = due.filter(|_| fresh.batch.pieces.is_empty() && decoded.batch.pieces.is_empty()) {
            front.deliver(sink, false);
            standing!().write(checkpoints, [&fresh, &decoded, &spare], sink);
            more = feed.pull(&mut fresh.batch, sink);
            continue;
        }
        front.note(&fresh.batch);
        let (clock, hold) = (fresh.batch.clock, pause || fresh.batch.wire.lull || decoded.batch.wire.lull);
        if let Some(filter) = &mut filter {
            prepare(filter, &fresh.batch, sink);
        }
        let wanted = Wanted { key: keyed, plain: all, tenants: plan.tenants, filter: filter.as_ref() };
        let pulled = pool.scope(|jobs| {
            let together = cells.len().div_ceil(plan.shards * 4).max(1);
            for (n, part) in cells.chunks_mut(together).enumerate() {
                let decoded = &decoded;
                jobs.spawn(move || see(part, n * together, decoded));
            }
            let (batch, work) = fresh.work();
            for (piece, work) in work {
                jobs.spawn(move || work.digest(batch, piece, wanted));
            }
            if let Some(follow) = &mut follow {
                follow.read(batch, wanted.filter, sink);
            }
            front.deliver(sink, false);
            if hold {
                spare.batch.pass(clock);
                return more;
            }
            more && feed.pull(&mut spare.batch, sink)
        });
        let (findings, heard) = (take(&mut decoded.findings), take(&mut decoded.heard));
        front.take(cells.iter_mut(), findings, heard, decoded.batch.clock.now());
        if more {
            fresh.in_sequence(&mut defragmenter, &mut references, wanted);
            if let Some(follow) = &mut follow {
                fresh.heard = follow.heard(fresh.batch.clock.now(), &mut fresh.findings);
            }
            if let Some(census) = &mut census {
                front.ask(census, &fresh, &key, &mut cells);
            }
            complain(&mut fresh, sink);
            (totals.rebased, last) = (fresh.batch.clock.rebased, fresh.batch.clock.now());
        }
        decoded.batch.clear();
        swap(&mut decoded, &mut fresh);
        swap(&mut fresh, &mut spare);
        more = pulled;
    }
    front.deliver(sink, false);
    if let Some(checkpoints) = checkpoints.as_mut().filter(|_| feed.stopped && !feed.rushed) {
        // What is said from here on is the end of the input, which it is not for who goes on; nor is a key of
        // fewer frames his.
        standing!().write(checkpoints, [&fresh, &decoded, &spare], sink);
    }
    for cell in &mut cells {
        cell.conclude_all(last);
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
    for counts in [&fresh, &decoded, &spare].into_iter().flat_map(Lot::counts) {
        totals.counts.add(counts);
    }
    totals.defragmented = *defragmenter.counts();
    totals.losses = cells.iter().map(Cell::losses).fold(Losses::default(), Losses::plus);
    totals.forgotten = references.iter().map(|reference| (reference.name(), reference.given_up())).collect();
    totals.copies = cells.iter().map(Cell::copies).sum();
    (totals.lost, totals.stopped) = (front.lost, feed.stopped);
    Ok(totals)
}

/// Makes the filter ready for a batch, and says for which of its frames it makes no sense.
fn prepare(filter: &mut Filter, batch: &Batch, sink: &mut dyn Sink) {
    if let (Err(reason), Some(piece)) = (filter.prepare(batch), batch.pieces.first())
        && let Some(path) = batch.origin_of(piece.first_seq)
    {
        sink.unknown_link(path, piece.first_number, &reason);
    }
}

/// Runs some cells, of which the first has the number `first`, over a decoded batch.
fn see(cells: &mut [Cell], first: usize, lot: &Lot) {
    for (cell, number) in cells.iter_mut().zip(first..) {
        for work in lot.done() {
            work.show(number, cell);
        }
        // Without frames, too: time goes on while a wire is silent.
        cell.advance(lot.batch.clock.now());
    }
}

/// Says once for a file or an interface that it gives frames which nobody can decode.
fn complain(lot: &mut Lot, sink: &mut dyn Sink) {
    let unknown = lot.done_mut().iter_mut().filter_map(|work| work.counts.unknown_link.take()).min_by_key(|u| u.2);
    if let Some((link, number, seq)) = unknown
        && let Some(path) = lot.batch.origin_of(seq)
    {
        let reason = format!("link type {} is not known: its frames are counted and skipped", link.0);
        sink.unknown_link(path, number, &reason);
    }
}

/// The source, and what was read of it to make the key.
struct Feed<'a> {
    source: &'a mut dyn Source,
    held: VecDeque<Batch>,
    ended: bool,
    stopped: bool,
    /// It was ended before there was enough to make the key from.
    rushed: bool,
    /// Bytes of records so far.
    read: u64,
    /// Bytes of the input so far, as it lies on the disk.
    consumed: u64,
}

impl Feed<'_> {
    /// Whether the source stands behind the last batch that it gave.
    fn may_pause(&self) -> bool {
        self.held.is_empty() && !self.stopped
    }

    /// Fills `batch`, or has its clock go on; false at the end.
    fn pull(&mut self, batch: &mut Batch, sink: &mut dyn Sink) -> bool {
        batch.pieces.clear();
        if let Some(held) = self.held.pop_front() {
            *batch = held;
            return true;
        }
        while !self.ended && !self.stopped {
            batch.consumed = 0;
            let pull = self.source.pull(batch);
            self.consumed += batch.consumed;
            match pull {
                Pull::Filled => {
                    self.read += batch.bytes.len() as u64;
                    let frames = batch.pieces.iter().map(|piece| piece.frames).sum();
                    self.stopped = !sink.progress(batch.consumed, frames);
                    return true;
                }
                Pull::Trouble(trouble) => sink.trouble(trouble),
                // On a wire time has gone on, which the stages are to know.
                Pull::Idle if batch.wire.live => {
                    self.stopped = !sink.progress(0, 0);
                    return true;
                }
                Pull::Idle => {}
                Pull::End => self.ended = true,
            }
            // What held no frame was read all the same.
            self.stopped = !sink.progress(batch.consumed, 0);
        }
        batch.pieces.clear();
        false
    }

    /// Reads ahead until there is enough to make the key from.
    fn make_seed(&mut self, sink: &mut dyn Sink) -> u64 {
        let (mut maker, mut read) = (KeyMaker::default(), VecDeque::new());
        while !maker.is_done() {
            let mut batch = Batch::default();
            if !self.pull(&mut batch, sink) {
                break;
            }
            for piece in &batch.pieces {
                if !maker.is_done() {
                    batch.walk(piece, |frame| maker.absorb(&frame));
                }
            }
            read.push_back(batch);
        }
        self.held = read;
        self.rushed = self.stopped && !maker.is_done();
        maker.seed()
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
}

impl Front {
    fn new(plan: &Plan, key: &Key) -> Self {
        let thresholds = Arc::new(plan.thresholds.clone().unwrap_or_default());
        let (locator, findings, now, lost) = Default::default();
        Self { correlate: Correlate::new(key, thresholds), locator, findings, now, lost }
    }

    /// Counts the packets of those whose story is to be told. Who appears for the first time is watched from this batch on,
    /// before his cell has seen any of it.
    fn ask(&mut self, census: &mut Census, lot: &Lot, key: &Key, cells: &mut [Cell]) {
        for address in census.take(lot.done().iter().flat_map(Work::in_order)) {
            if let Some(cell) = cells.get_mut(usize::from(key.cell(address))) {
                cell.watch(address, census.keep());
            }
            self.correlate.listen(address);
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
        cells.for_each(|cell| self.correlate.take(cell.reports()));
        self.findings.extend(references);
    }

    /// Judges it and hands the events on, in order, one after the other: a flood has many, and each is large. `over`: no
    /// more will come.
    fn deliver(&mut self, sink: &mut dyn Sink, over: bool) {
        let Self { correlate, locator, findings, now, lost } = self;
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
