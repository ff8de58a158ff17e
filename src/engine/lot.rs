//! A batch on its way through the stages, with the buffers that it fills on the way.
//!
//! In: a batch. Out: for each of its pieces the observations, sorted by cell. All buffers are reused from
//! batch to batch. Must not know of threads: `run.rs` says who works when.

use std::borrow::Cow;

use crate::{
    cells::Cell,
    correlate::{Finding, reference::Reference, talk::Heard},
    decode::{self, Class, Glance, Kind, Marks, Observation, Packet, Skip, Tunnel, transport::protocol},
    defragment::{Defragmenter, Fragment, Verdict, Warning, lines},
    dispatch::{Key, Scattered, Sighting},
    engine::counts::Counts,
    source::{Batch, Filter, Frame, LinkType, Piece, Time},
};

/// A fragment, or a segment that may hold a part of a line, that waits for the sequential stage.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    packet: Packet,
    tunnel: Option<Tunnel>,
    stamp: Time,
    clock: Time,
    seq: u64,
    /// Where its payload lies in [`Work::bytes`].
    start: usize,
    len: usize,
}

impl Waiting {
    /// Of a frame; its payload goes behind all others' `bytes`.
    fn of(frame: &Frame<'_>, packet: &Packet, tunnel: Option<Tunnel>, bytes: &mut Vec<u8>) -> Self {
        let payload = packet.payload.of_bytes(frame.bytes);
        let (start, len) = (bytes.len(), payload.len());
        bytes.extend_from_slice(payload);
        let Frame { stamp, clock, seq, .. } = *frame;
        Self { packet: *packet, tunnel, stamp, clock, seq, start, len }
    }
}

/// What a packet came through: looked for only where it is marked.
#[inline]
fn tunnel_of(frame: &Frame<'_>, packet: &Packet) -> Option<Tunnel> {
    if packet.marks.has(Marks::TUNNELLED) { decode::through(frame) } else { None }
}

/// What a worker makes of one piece.
#[derive(Debug, Default)]
pub struct Work {
    /// The evidence, and who owns it.
    scattered: Scattered,
    /// What was put together of fragments, apart: most pieces have none, and those need not be sorted again.
    rebuilt: Scattered,
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
        self.rebuilt.clear();
        self.plain.clear();
        self.fragments.clear();
        self.bytes.clear();
        let Self { scattered, counts, plain, fragments, bytes, .. } = self;
        batch.walk(piece, |frame| {
            if wanted.filter.is_some_and(|filter| !filter.keeps(&frame)) {
                counts.filtered += 1;
                return;
            }
            counts.frame(&frame);
            match decode::glance(&frame, &mut scattered.observations) {
                Glance::Evidence => {
                    if let Some(o) = scattered.observations.last() {
                        counts.known(o.protocol);
                        counts.observation(o);
                    }
                    return;
                }
                Glance::Plain if !wanted.plain => {
                    counts.plain += 1;
                    return counts.known(protocol::TCP);
                }
                Glance::Plain | Glance::Unsure => {}
            }
            let mut packet = Packet::default();
            if let Err(skip) = decode::decode_into(&frame, &mut packet) {
                if skip == Skip::UnknownLinkType && counts.unknown_link.is_none() {
                    counts.unknown_link = Some((frame.link, frame.number, frame.seq));
                }
                return counts.skip(skip);
            }
            counts.known(packet.protocol);
            if wanted.tenants {
                let tunnel = tunnel_of(&frame, &packet);
                decode::tenant::separate(&mut packet, tunnel);
            }
            match decode::classify(&packet) {
                Class::Plain => {
                    counts.plain += 1;
                    if wanted.plain {
                        plain.push(decode::observe(&frame, &packet, Kind::Tcp));
                    }
                    if wanted.key.is_some() {
                        let doors = decode::ftp::named(&packet, packet.payload.of_bytes(frame.bytes));
                        scattered.observations.extend(doors.filter_map(|d| decode::announce(&frame, &packet, d)));
                        if lines::is_said(&packet) {
                            fragments.push(Waiting::of(&frame, &packet, None, bytes));
                        }
                    }
                }
                Class::Nobody(skip) => counts.skip(skip),
                Class::Evidence(kind) => {
                    let o = decode::observe(&frame, &packet, kind);
                    counts.observation(&o);
                    scattered.observations.push(o);
                    scattered.tunnels.extend(tunnel_of(&frame, &packet).map(|tunnel| (o.seq, tunnel)));
                }
                Class::Fragment => {
                    counts.fragments += 1;
                    fragments.push(Waiting::of(&frame, &packet, tunnel_of(&frame, &packet), bytes));
                }
            }
        });
        if let Some(key) = wanted.key {
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
            let Waiting { mut packet, mut tunnel, stamp, clock, seq, start, len } = *waiting;
            let mut payload = Cow::Borrowed(self.bytes.get(start..start + len).unwrap_or_default());
            let place = Frame { bytes: &[], wire_len: 0, link: LinkType(0), stamp, clock, seq, number: 0 };
            if packet.fragment.is_none() {
                let door = defragmenter.lines.push(&packet, &payload);
                self.rebuilt.observations.extend(door.and_then(|door| decode::announce(&place, &packet, door)));
                continue;
            }
            // What was put together may be a tunnel's, and hold a piece of the next datagram.
            for _ in 0..=decode::tunnel::DEEPEST {
                let Some(fragment) = Fragment::of(&packet, &payload, stamp, clock, seq) else { break };
                let Verdict::Whole(whole) = defragmenter.push(&fragment) else { break };
                let inner;
                (packet, inner) = whole.packet();
                tunnel = Tunnel::around(tunnel, inner);
                if wanted.tenants {
                    decode::tenant::separate(&mut packet, tunnel);
                }
                // Evaders mix chaff among their fragments. With a wrong checksum no host took this whole. (Of a packet
                // inside another, the sum was somebody else's to make.)
                if !packet.marks.has(Marks::CUT)
                    && inner.is_none()
                    && !decode::checksum::holds(packet.src, packet.dst, packet.protocol, whole.payload)
                {
                    self.counts.skip(Skip::FalseWhole);
                    break;
                }
                match decode::classify(&packet) {
                    Class::Evidence(kind) => {
                        let o = decode::observe(&place, &packet, kind);
                        self.counts.observation(&o);
                        self.rebuilt.observations.push(o);
                        self.rebuilt.tunnels.extend(tunnel.map(|tunnel| (seq, tunnel)));
                    }
                    Class::Nobody(skip) => self.counts.skip(skip),
                    Class::Plain => {
                        self.counts.plain += 1;
                        if wanted.plain {
                            self.plain.push(decode::observe(&place, &packet, Kind::Tcp));
                        }
                        if wanted.key.is_some() && lines::is_said(&packet) {
                            let said = packet.payload.of_bytes(whole.payload).to_vec();
                            let part = defragmenter.lines.push(&packet, &said);
                            let doors = decode::ftp::named(&packet, &said).chain(part);
                            self.rebuilt
                                .observations
                                .extend(doors.filter_map(|d| decode::announce(&place, &packet, d)));
                        }
                    }
                    Class::Fragment => {
                        payload = Cow::Owned(packet.payload.of_bytes(whole.payload).to_vec());
                        continue;
                    }
                }
                break;
            }
        }
        self.plain.sort_by_key(|o| o.seq);
        if let Some(key) = wanted.key.filter(|_| !self.rebuilt.observations.is_empty()) {
            self.rebuilt.sort(key);
        }
    }

    /// Shows a cell, the one of this number, what it owns of the piece, in order.
    pub fn show(&self, number: usize, cell: &mut Cell) {
        // Of most cells no datagram came in fragments, and there is nothing to merge.
        let merged = (!self.rebuilt.is_empty(number)).then(|| self.of(number));
        let alone = merged.is_none().then(|| self.scattered.of(number));
        alone.into_iter().flatten().chain(merged.into_iter().flatten()).for_each(|sighting| cell.see(sighting));
    }

    fn of(&self, cell: usize) -> impl Iterator<Item = Sighting<'_>> {
        merge(self.scattered.of(cell), self.rebuilt.of(cell), |sighting| sighting.observation.seq)
    }

    /// All that is to be seen of the piece one after the other: evidence and plain packets, in order.
    pub fn in_order(&self) -> impl Iterator<Item = &Observation> {
        let evidence = merge(self.scattered.observations.iter(), self.rebuilt.observations.iter(), |o| o.seq);
        merge(evidence, self.plain.iter(), |o| o.seq)
    }
}

/// Of two that are in order each, one that is.
fn merge<T>(
    many: impl Iterator<Item = T>,
    few: impl Iterator<Item = T>,
    place: impl Fn(&T) -> u64,
) -> impl Iterator<Item = T> {
    let (mut many, mut few) = (many.peekable(), few.peekable());
    std::iter::from_fn(move || match (many.peek(), few.peek()) {
        (Some(one), Some(other)) if place(other) < place(one) => few.next(),
        (Some(_), _) => many.next(),
        (None, _) => few.next(),
    })
}

/// What the stages behind decode ask for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Evidence sorted by cell, with this key; `None` when there are no cells.
    pub key: Option<&'a Key>,
    /// Plain packets too, for reference presets.
    pub plain: bool,
    /// VLAN and virtual network are part of an address.
    pub tenants: bool,
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
    /// What stream processors heard in it.
    pub heard: Vec<Heard>,
    /// A slot for each piece, and spare ones of larger batches before.
    works: Vec<Work>,
}

impl Lot {
    /// The batch, and its pieces with their slots.
    pub fn work(&mut self) -> (&Batch, impl Iterator<Item = (&Piece, &mut Work)>) {
        let (batch, works) = (&self.batch, &mut self.works);
        works.resize_with(works.len().max(batch.pieces.len()), Work::default);
        (batch, batch.pieces.iter().zip(works))
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
                // Their originals do not look into tunnels.
                let outside = work.in_order().filter(|o| !o.marks.has(Marks::TUNNELLED));
                outside.for_each(|o| reference.see(o, &mut self.findings));
            }
        }
        self.findings.extend(defragmenter.warnings(self.batch.clock.now()).map(found));
    }

    /// What all slots have counted.
    pub fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.works.iter().map(|work| &work.counts)
    }
}

/// What defragment warns of, among the findings.
pub fn found(Warning { clock, seq, event }: Warning) -> Finding {
    Finding { order: (clock, seq.unwrap_or_default()), seq, event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dispatch::{CELLS, Role},
        source::{Archive, Order, Pull, Sizes, Source, write::PcapWriter},
    };

    /// A segment from 10.0.0.2 with these flags, and of another sort when `fragment` bits are set.
    fn frame(flags: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 20 + payload.len() as u8, 0, 7, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
        bytes.extend(payload);
        if fragment == 0 {
            bytes[33] = flags;
        }
        bytes
    }

    const SEGMENT: [u8; 20] = [0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0xfb, 0x4e, 0, 0];

    /// The lot of a capture with these frames, all in one piece.
    fn lot(frames: &[Vec<u8>]) -> Lot {
        let mut writer = PcapWriter::new(LinkType(101), false, false);
        for (n, bytes) in frames.iter().enumerate() {
            writer.frame(Time(n as i64 * 1_000), bytes.len() as u32, bytes);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), writer.bytes()).unwrap();
        let mut lot = Lot::default();
        let mut archive = Archive::open(&[file.path().to_path_buf()], Order::Given, Sizes::default());
        assert!(matches!(archive.pull(&mut lot.batch), Pull::Filled));
        lot
    }

    fn digest(lot: &mut Lot, wanted: Wanted<'_>) {
        let (batch, work) = lot.work();
        for (piece, work) in work {
            work.digest(batch, piece, wanted);
        }
        lot.in_sequence(&mut Defragmenter::new(crate::defragment::Limits::default()), &mut [], wanted);
    }

    fn shown(lot: &Lot) -> Vec<u64> {
        let mut shown = Vec::new();
        for cell in 0..CELLS {
            for work in lot.done() {
                let sent = work.of(cell).filter(|sighting| sighting.role == Role::Sender);
                shown.extend(sent.map(|sighting| sighting.observation.seq));
            }
        }
        shown
    }

    #[test]
    fn evidence_is_kept_and_plain_data_only_for_those_who_ask() {
        let key = Key::new(1);
        for plain in [false, true] {
            let mut lot = lot(&[frame(2, 0, &SEGMENT), frame(16, 0, &SEGMENT), vec![0x45]]);
            digest(&mut lot, Wanted { key: Some(&key), plain, tenants: false, filter: None });
            assert_eq!(shown(&lot), [0]);
            let seen: Vec<u64> = lot.done().iter().flat_map(|work| work.in_order().map(|o| o.seq)).collect();
            assert_eq!(seen, if plain { vec![0, 1] } else { vec![0] });
            let counts: Vec<_> = lot.counts().map(|c| (c.frames, c.evidence, c.plain)).collect();
            assert_eq!(counts, [(3, 1, 1)]);
        }
    }

    #[test]
    fn a_whole_datagram_takes_the_place_of_the_fragment_that_completed_it() {
        let key = Key::new(1);
        let more = 0x2000;
        let mut lot = lot(&[
            frame(0, more, &SEGMENT[..8]),
            frame(2, 0, &SEGMENT),
            frame(0, 1, &SEGMENT[8..]),
            frame(1, 0, &SEGMENT),
        ]);
        digest(&mut lot, Wanted { key: Some(&key), plain: false, tenants: false, filter: None });
        let work = &lot.done()[0];
        let order: Vec<_> = work.in_order().map(|o| (o.seq, o.flags, o.marks.has(Marks::FRAGMENTED))).collect();
        assert_eq!(order, [(1, 2, false), (2, 2, true), (3, 1, false)]);
        assert_eq!((work.counts.fragments, work.counts.evidence), (2, 3));
        assert_eq!(shown(&lot), [1, 2, 3]);
    }
}
