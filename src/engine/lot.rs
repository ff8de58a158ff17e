//! The batches of a round on their way through the stages, with the buffers that they fill on the way.
//!
//! In: batches, in order. Out: for each the observations, sorted by cell. All buffers are reused from
//! round to round. Must not know of threads: `run.rs` says who works when.

use std::borrow::Cow;

use crate::{
    cells::Evidence,
    correlate::{Finding, reference::Reference},
    decode::{self, Class, Glance, Kind, Marks, Observation, Packet, Skip, Tunnel},
    defragment::{Defragmenter, Fragment, Verdict, Warning, lines},
    dispatch::{Key, Lead, Scattered, Sighting},
    engine::counts::{Counts, Seen},
    source::{Batch, Clock, Filter, Frame, LinkType, Take, Time},
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

/// What a worker makes of one batch.
#[derive(Debug, Default)]
pub struct Work {
    /// The evidence, and who owns it.
    scattered: Scattered,
    /// What was put together of fragments, apart: most batches have none, and those need not be sorted again.
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
    /// Walks a batch: decodes each frame that `filter` keeps, keeps evidence and fragments.
    pub fn digest(&mut self, batch: &Batch, wanted: Wanted<'_>, filter: Option<&Filter>) {
        self.scattered.clear();
        self.rebuilt.clear();
        self.plain.clear();
        self.fragments.clear();
        self.bytes.clear();
        let mut seen = Seen::default();
        let mut reading = Reading { seen: &mut seen, work: self, wanted, filter };
        batch.pieces.iter().for_each(|piece| batch.walk_with(piece, &mut reading));
        self.counts.saw(&seen);
        if let Some(key) = wanted.key {
            self.scattered.sort(key);
        }
    }

    #[cold]
    fn read_closely(&mut self, frame: &Frame<'_>, wanted: Wanted<'_>) {
        let Self { scattered, counts, plain, fragments, bytes, .. } = self;
        let mut packet = Packet::default();
        if let Err(skip) = decode::decode_into(frame, &mut packet) {
            if skip == Skip::UnknownLinkType && counts.unknown_link.is_none() {
                counts.unknown_link = Some((frame.link, frame.number, frame.seq));
            }
            return counts.skip(skip);
        }
        counts.known(packet.protocol);
        if wanted.tenants {
            let tunnel = tunnel_of(frame, &packet);
            decode::tenant::separate(&mut packet, tunnel);
        }
        match decode::classify(&packet) {
            Class::Plain => {
                counts.plain += 1;
                if wanted.plain {
                    plain.push(decode::observe(frame, &packet, Kind::Tcp));
                }
                if wanted.key.is_some() {
                    let doors = decode::ftp::named(&packet, packet.payload.of_bytes(frame.bytes));
                    scattered.observations.extend(doors.filter_map(|d| decode::announce(frame, &packet, d)));
                    if lines::is_said(&packet) {
                        fragments.push(Waiting::of(frame, &packet, None, bytes));
                    }
                }
            }
            Class::Nobody(skip) => counts.skip(skip),
            Class::Evidence(kind) => {
                let o = decode::observe(frame, &packet, kind);
                counts.observation(&o);
                scattered.observations.push(o);
                scattered.tunnels.extend(tunnel_of(frame, &packet).map(|tunnel| (o.seq, tunnel)));
            }
            Class::Fragment => {
                counts.fragments += 1;
                fragments.push(Waiting::of(frame, &packet, tunnel_of(frame, &packet), bytes));
            }
        }
    }

    /// Puts this batch's fragments together with those that came before. A whole datagram takes the place
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

    /// Hands out the leads that a cell has of the batch, the one of this number in its round, in order.
    #[inline]
    fn each(&self, cell: usize, number: u16, take: &mut impl FnMut(Lead)) {
        // Of most cells no datagram came in fragments, and there is nothing to merge. One call of `take` alone: so it is a part of the loop.
        let merged;
        let (leads, list) = if self.rebuilt.is_empty(cell) {
            (self.scattered.leads(cell), number << 1)
        } else {
            merged = self.merged(cell, number);
            (merged.as_slice(), 0)
        };
        for lead in leads {
            take(lead.of_list(lead.list | list));
        }
    }

    /// The same where there is something to merge.
    #[cold]
    fn merged(&self, cell: usize, number: u16) -> Vec<Lead> {
        let of = |scattered: &Scattered, rebuilt| {
            let list = number << 1 | rebuilt;
            scattered.leads(cell).iter().map(|lead| lead.of_list(list)).collect::<Vec<_>>()
        };
        let place = |lead: &Lead| self.sighting(lead).map_or(0, |sighting| sighting.observation.seq);
        merge(of(&self.scattered, 0).into_iter(), of(&self.rebuilt, 1).into_iter(), place).collect()
    }

    #[inline]
    fn sighting(&self, lead: &Lead) -> Option<Sighting<'_>> {
        let scattered = if lead.list & 1 == 0 { &self.scattered } else { &self.rebuilt };
        scattered.sighting(lead)
    }

    #[inline]
    fn following(&self, lead: &Lead) -> Option<Lead> {
        let scattered = if lead.list & 1 == 0 { &self.scattered } else { &self.rebuilt };
        scattered.following(lead)
    }

    /// All that is to be seen of the batch one after the other: evidence and plain packets, in order.
    pub fn in_order(&self) -> impl Iterator<Item = &Observation> {
        let evidence = merge(self.scattered.observations.iter(), self.rebuilt.observations.iter(), |o| o.seq);
        merge(evidence, self.plain.iter(), |o| o.seq)
    }
}

/// A walk over a batch.
struct Reading<'a> {
    seen: &'a mut Seen,
    work: &'a mut Work,
    wanted: Wanted<'a>,
    filter: Option<&'a Filter>,
}

impl Take<'_> for Reading<'_> {
    /// The short way of a frame, which most take, and no more than that.
    #[expect(clippy::inline_always, reason = "see `glance`")]
    #[inline(always)]
    fn take(&mut self, frame: Frame<'_>) {
        let Self { seen, work, wanted, filter } = self;
        if filter.is_some_and(|filter| !filter.keeps(&frame)) {
            work.counts.filtered += 1;
            return;
        }
        seen.frame(&frame);
        match decode::glance(&frame, &mut work.scattered.observations) {
            Glance::Plain if !wanted.plain => seen.plain += 1,
            Glance::Evidence => match work.scattered.observations.last() {
                // Its addresses are to be those of a tenant.
                Some(o) if wanted.tenants && o.vlan != [0; 2] => {
                    work.scattered.observations.pop();
                    work.read_closely(&frame, *wanted);
                }
                Some(o) => {
                    work.counts.known(o.protocol);
                    work.counts.observation(o);
                }
                None => {}
            },
            Glance::Plain | Glance::Unsure => work.read_closely(&frame, *wanted),
        }
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
}

/// A batch, and what became of it.
#[derive(Debug, Default)]
pub struct Slot {
    /// Its frames. Who decodes them takes the bytes away with him, unless they are asked for.
    pub batch: Batch,
    /// What they are.
    pub work: Work,
}

/// The batches of a round.
#[derive(Debug, Default)]
pub struct Lot {
    slots: Vec<Slot>,
    /// So many slots of them are filled.
    used: usize,
    /// The clock behind the last of them.
    pub clock: Clock,
    /// What the reference presets found in it.
    pub findings: Vec<Finding>,
}

/// More batches in a round than anybody needs: a lead has room for their numbers.
pub const MOST: usize = 1 << 12;

impl Lot {
    /// So many slots to fill anew.
    pub fn open(&mut self, slots: usize) -> &mut [Slot] {
        let slots = slots.min(MOST);
        self.used = 0;
        self.slots.resize_with(self.slots.len().max(slots), Slot::default);
        self.slots.get_mut(..slots).unwrap_or_default()
    }

    /// So many of them were filled; without any it is still the time `clock`.
    pub fn close(&mut self, used: usize, clock: Clock) {
        self.used = used.min(self.slots.len());
        self.clock = self.slots().last().map_or(clock, |slot| slot.batch.clock);
    }

    /// The slots that are filled, in order.
    pub fn slots(&self) -> &[Slot] {
        self.slots.get(..self.used).unwrap_or_default()
    }

    /// What became of its batches, in order.
    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.slots().iter().map(|slot| &slot.work)
    }

    /// Whether none of its slots is filled.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// No more waits on the wire: what is under way must not wait for it.
    pub fn ends_in_silence(&self) -> bool {
        self.slots().last().is_some_and(|slot| slot.batch.wire.lull)
    }

    /// What cannot be done in parallel: fragments, and the reference presets, whose originals see one packet
    /// after the other.
    pub fn in_sequence(&mut self, defragmenter: &mut Defragmenter, references: &mut [Reference], wanted: Wanted<'_>) {
        for Slot { work, .. } in self.slots.iter_mut().take(self.used) {
            work.defragment(defragmenter, wanted);
            for reference in references.iter_mut() {
                // Their originals do not look into tunnels.
                let outside = work.in_order().filter(|o| !o.marks.has(Marks::TUNNELLED));
                outside.for_each(|o| reference.see(o, &mut self.findings));
            }
        }
        self.findings.extend(defragmenter.warnings(self.clock.now()).map(found));
    }

    /// The first frame that nobody can decode: its link type, number and place in the run, and the batch that it is of.
    pub fn unknown_link(&mut self) -> Option<((LinkType, u64, u64), &Batch)> {
        let slots = self.slots.iter_mut().take(self.used);
        let unknown = slots.map(|slot| (slot.work.counts.unknown_link.take(), &slot.batch));
        unknown.filter_map(|(unknown, batch)| Some((unknown?, batch))).reduce(|first, _| first)
    }

    /// What all slots have counted.
    pub fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.slots.iter().map(|slot| &slot.work.counts)
    }
}

impl Evidence for Lot {
    #[inline]
    fn each(&self, cell: usize, mut take: impl FnMut(Lead)) {
        self.works().zip(0..).for_each(|(work, number)| work.each(cell, number, &mut take));
    }

    #[inline]
    fn sighting(&self, lead: &Lead) -> Option<Sighting<'_>> {
        self.slots.get(usize::from(lead.list >> 1))?.work.sighting(lead)
    }

    #[inline]
    fn following(&self, lead: &Lead) -> Option<Lead> {
        self.slots.get(usize::from(lead.list >> 1))?.work.following(lead)
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
        assert!(matches!(archive.pull(&mut lot.open(1)[0].batch), Pull::Filled));
        lot.close(1, Clock::default());
        lot
    }

    fn digest(lot: &mut Lot, wanted: Wanted<'_>) {
        for Slot { batch, work } in &mut lot.slots {
            work.digest(batch, wanted, None);
        }
        lot.in_sequence(&mut Defragmenter::new(crate::defragment::Limits::default()), &mut [], wanted);
    }

    fn shown(lot: &Lot) -> Vec<u64> {
        let mut shown = Vec::new();
        for cell in 0..CELLS {
            for work in lot.works() {
                let mut list = Vec::new();
                work.each(cell, 0, &mut |lead| list.push(lead));
                let sightings = list.iter().filter_map(|lead| work.sighting(lead));
                let sent = sightings.filter(|sighting| sighting.role == Role::Sender);
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
            digest(&mut lot, Wanted { key: Some(&key), plain, tenants: false });
            assert_eq!(shown(&lot), [0]);
            let seen: Vec<u64> = lot.works().flat_map(|work| work.in_order().map(|o| o.seq)).collect();
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
        digest(&mut lot, Wanted { key: Some(&key), plain: false, tenants: false });
        let work = &lot.slots[0].work;
        let order: Vec<_> = work.in_order().map(|o| (o.seq, o.flags, o.marks.has(Marks::FRAGMENTED))).collect();
        assert_eq!(order, [(1, 2, false), (2, 2, true), (3, 1, false)]);
        assert_eq!((work.counts.fragments, work.counts.evidence), (2, 3));
        assert_eq!(shown(&lot), [1, 2, 3]);
    }
}
