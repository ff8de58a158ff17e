//! A batch on its way through the stages, with the buffers that it fills on the way.
//!
//! In: a batch. Out: for each of its pieces the observations, sorted by cell. All buffers are reused from
//! batch to batch. Must not know of threads: `run.rs` says who works when.

use crate::{
    correlate::{Finding, reference::Reference},
    decode::{self, Class, Kind, Marks, Observation, Packet, Skip},
    defragment::{Defragmenter, Fragment, Verdict},
    dispatch::{Key, Scattered},
    engine::counts::Counts,
    source::{Batch, Filter, Frame, LinkType, Piece, Time},
};

/// A fragment that waits for the sequential stage.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    packet: Packet,
    stamp: Time,
    clock: Time,
    seq: u64,
    /// Where its payload lies in [`Work::bytes`].
    start: usize,
    len: usize,
}

/// What a worker makes of one piece.
#[derive(Debug, Default)]
pub struct Work {
    /// The evidence, and who owns it.
    pub scattered: Scattered,
    /// What this slot has counted in all batches so far.
    pub counts: Counts,
    /// What is evidence about nobody, but is seen by originals of reference presets: plain ACKs and data.
    plain: Vec<Observation>,
    fragments: Vec<Waiting>,
    /// The fragments' payloads: copied, since the batch is gone when a datagram is whole.
    bytes: Vec<u8>,
}

impl Work {
    /// Walks a piece: decodes each frame, keeps evidence and fragments.
    pub fn digest(&mut self, batch: &Batch, piece: &Piece, wanted: Wanted<'_>) {
        self.scattered.clear();
        self.plain.clear();
        self.fragments.clear();
        self.bytes.clear();
        let Self { scattered, counts, plain, fragments, bytes } = self;
        batch.walk(piece, |frame| {
            if wanted.filter.is_some_and(|filter| !filter.keeps(&frame)) {
                counts.filtered += 1;
                return;
            }
            counts.frame(&frame);
            if !wanted.plain && decode::is_plain(&frame) {
                return counts.plain();
            }
            let packet = match decode::decode(&frame) {
                Ok(packet) => packet,
                Err(skip) => {
                    if skip == Skip::UnknownLinkType && counts.unknown_link.is_none() {
                        counts.unknown_link = Some((frame.link, frame.number, frame.seq));
                    }
                    return counts.skip(skip);
                }
            };
            counts.packet(&packet);
            match decode::classify(&packet) {
                Class::Plain => {
                    counts.plain += 1;
                    if wanted.plain {
                        plain.push(decode::observe(&frame, &packet, Kind::Tcp));
                    }
                }
                Class::Nobody(skip) => counts.skip(skip),
                Class::Evidence(kind) => {
                    let o = decode::observe(&frame, &packet, kind);
                    counts.observation(&o);
                    scattered.observations.push(o);
                }
                Class::Fragment => {
                    counts.fragments += 1;
                    let payload = packet.payload.of_bytes(frame.bytes);
                    let (start, len) = (bytes.len(), payload.len());
                    bytes.extend_from_slice(payload);
                    let Frame { stamp, clock, seq, .. } = frame;
                    fragments.push(Waiting { packet, stamp, clock, seq, start, len });
                }
            }
        });
        if let Some(key) = wanted.key.filter(|_| self.fragments.is_empty()) {
            self.scattered.sort(key);
        }
    }

    /// Puts this piece's fragments together with those that came before. A whole datagram takes the place
    /// of the fragment that completed it.
    fn defragment(&mut self, defragmenter: &mut Defragmenter, wanted: Wanted<'_>) {
        if self.fragments.is_empty() {
            return;
        }
        for waiting in &self.fragments {
            let Waiting { packet, stamp, clock, seq, start, len } = *waiting;
            let payload = self.bytes.get(start..start + len).unwrap_or_default();
            let Some(fragment) = Fragment::of(&packet, payload, stamp, clock, seq) else { continue };
            let Verdict::Whole(whole) = defragmenter.push(&fragment) else { continue };
            let packet = whole.packet();
            // Evaders mix chaff among their fragments. With a wrong checksum no host took this whole.
            if !packet.marks.has(Marks::CUT)
                && !decode::checksum::holds(packet.src, packet.dst, packet.protocol, whole.payload)
            {
                self.counts.skip(Skip::FalseWhole);
                continue;
            }
            let place = Frame { bytes: &[], wire_len: 0, link: LinkType(0), stamp, clock, seq, number: 0 };
            match decode::classify(&packet) {
                Class::Evidence(kind) => {
                    let o = decode::observe(&place, &packet, kind);
                    self.counts.observation(&o);
                    self.scattered.observations.push(o);
                }
                Class::Nobody(skip) => self.counts.skip(skip),
                Class::Plain => {
                    self.counts.plain += 1;
                    if wanted.plain {
                        self.plain.push(decode::observe(&place, &packet, Kind::Tcp));
                    }
                }
                Class::Fragment => {}
            }
        }
        self.scattered.observations.sort_by_key(|o| o.seq);
        self.plain.sort_by_key(|o| o.seq);
        if let Some(key) = wanted.key {
            self.scattered.sort(key);
        }
    }
}

impl Work {
    /// All that is to be seen of the piece one after the other: evidence and plain packets, in order.
    fn in_order(&self) -> impl Iterator<Item = &Observation> {
        let (mut evidence, mut plain) = (self.scattered.observations.iter().peekable(), self.plain.iter().peekable());
        std::iter::from_fn(move || match (evidence.peek(), plain.peek()) {
            (Some(e), Some(p)) if p.seq < e.seq => plain.next(),
            (Some(_), _) => evidence.next(),
            (None, _) => plain.next(),
        })
    }
}

/// What the stages behind decode ask for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Evidence sorted by cell, with this key; `None` when there are no cells.
    pub key: Option<&'a Key>,
    /// Plain packets too, for reference presets.
    pub plain: bool,
    /// Nothing but the frames that it keeps, when there is one. It is prepared for the batch.
    pub filter: Option<&'a Filter>,
}

/// A batch and the work on its pieces.
#[derive(Debug, Default)]
pub struct Lot {
    /// The bytes.
    pub batch: Batch,
    /// What the reference presets found in it.
    pub findings: Vec<Finding>,
    /// A slot for each piece, and spare ones of larger batches before.
    works: Vec<Work>,
}

impl Lot {
    /// The pieces with their slots.
    pub fn work(&mut self) -> impl Iterator<Item = (&Batch, &Piece, &mut Work)> {
        let (batch, works) = (&self.batch, &mut self.works);
        works.resize_with(works.len().max(batch.pieces.len()), Work::default);
        batch.pieces.iter().zip(works).map(move |(piece, work)| (batch, piece, work))
    }

    /// The slots that the batch filled, in order.
    pub fn done(&self) -> &[Work] {
        self.works.get(..self.batch.pieces.len()).unwrap_or(&self.works)
    }

    /// The same, to go on with.
    pub fn done_mut(&mut self) -> &mut [Work] {
        let pieces = self.batch.pieces.len().min(self.works.len());
        self.works.get_mut(..pieces).unwrap_or_default()
    }

    /// What cannot be done in parallel: fragments, and the reference presets, whose originals see one packet
    /// after the other.
    pub fn in_sequence(&mut self, defragmenter: &mut Defragmenter, references: &mut [Reference], wanted: Wanted<'_>) {
        for work in self.works.iter_mut().take(self.batch.pieces.len()) {
            work.defragment(defragmenter, wanted);
            for reference in references.iter_mut() {
                self.findings.extend(work.in_order().filter_map(|o| reference.see(o)));
            }
        }
    }

    /// What all slots have counted.
    pub fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.works.iter().map(|work| &work.counts)
    }
}
