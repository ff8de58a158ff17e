//! Cells that are shown whole batches, against cells that are shown one packet after the other: `ahead.rs` must not change anything.
//!
//! In: the random packets of `properties.rs`, among few hosts, in little memory: contacts are displaced, and errands opened again, in the midst of
//! batches. Some packets come twice within a moment, some through a tunnel or a VLAN: what counts those stands behind what is settled.
//! Read next: `ahead.rs`.

use std::{cell::Cell as Counter, sync::Arc};

use proptest::{prelude::*, test_runner::RngSeed};

use super::{
    Cell, Evidence, Report, Slate,
    contacts::Contacts,
    properties::{Act, acts, packet},
    samples::{goodbye, syn, udp, welcome},
    see,
};
use crate::{
    decode::{Marks, Observation, Tunnel, tunnel::Protocol},
    dispatch::{CELLS, Key, Lead, Scattered, Sighting},
    presets::tripline::Thresholds,
    source::Time,
};

/// 8 contacts a cell.
const TIGHT: usize = 256 * 1_200;
/// Room for all.
const AMPLE: usize = 256 * 16_384;

/// What a worker has made of the pieces of a round.
struct Round {
    pieces: Vec<Scattered>,
    /// How often it was asked for a cell's leads: once for each cell, and once more where errands were opened again.
    asked: Counter<usize>,
}

impl Evidence for Round {
    fn each(&self, cell: usize, mut take: impl FnMut(Lead)) {
        self.asked.set(self.asked.get() + 1);
        for (piece, number) in self.pieces.iter().zip(0..) {
            piece.leads(cell).iter().for_each(|lead| take(lead.of_list(number)));
        }
    }

    fn sighting(&self, lead: &Lead) -> Option<Sighting<'_>> {
        self.pieces.get(usize::from(lead.list))?.sighting(lead)
    }

    fn following(&self, lead: &Lead) -> Option<Lead> {
        self.pieces.get(usize::from(lead.list))?.following(lead)
    }
}

fn cells(memory: usize) -> Vec<Cell> {
    let thresholds = Arc::new(Thresholds { copies: 3_000_000, ..Thresholds::default() });
    (0..CELLS).map(|_| Cell::new(memory, Key::new(5), Arc::clone(&thresholds))).collect()
}

fn piece(packets: &[Observation]) -> Scattered {
    let mut piece = Scattered::default();
    piece.observations = packets.to_vec();
    let way = |o: &Observation| Tunnel {
        src: o.src,
        dst: o.dst,
        id: Some(o.seq as u32),
        protocol: Protocol::Vxlan,
        depth: 1,
    };
    let through = packets.iter().filter(|o| o.marks.has(Marks::TUNNELLED));
    piece.tunnels = through.map(|o| (o.seq, way(o))).collect();
    piece.sort(&Key::new(5));
    piece
}

/// One packet after the other.
fn one_by_one(cells: &mut [Cell], packets: &[Observation]) {
    for packet in packets {
        let piece = piece(std::slice::from_ref(packet));
        for (n, cell) in cells.iter_mut().enumerate() {
            piece.of(n).iter().for_each(|sighting| cell.see(sighting));
        }
    }
}

/// In rounds of several pieces, of so many packets each in turn; so many cells at once. How often leads were looked through again.
fn in_batches(cells: &mut [Cell], packets: &[Observation], sizes: &[usize], round: usize, together: usize) -> usize {
    let (mut rest, mut sizes, mut again) = (packets, sizes.iter().cycle(), 0);
    let mut slate = Slate::default();
    while let Some(last) = rest.last() {
        let mut pieces = Vec::new();
        let mut now = last.clock;
        while pieces.len() < round && !rest.is_empty() {
            let (first, behind) = rest.split_at(*sizes.next().unwrap().min(&rest.len()));
            pieces.push(piece(first));
            now = first.last().map_or(now, |o| o.clock);
            rest = behind;
        }
        let round = Round { pieces, asked: Counter::new(0) };
        for (n, part) in cells.chunks_mut(together).enumerate() {
            see(part, n * together, &round, now, &mut slate);
        }
        again += round.asked.get() - CELLS;
    }
    again
}

/// All that a cell says, and what it counts and keeps.
fn told(cells: &mut [Cell], end: Time) -> Vec<String> {
    let tell = |cell: &mut Cell| {
        cell.wait_no_more(end, u64::MAX);
        cell.review_all(end);
        cell.end(end);
        let mut reports: Vec<Report> = cell.reports().collect();
        reports.sort_by(Report::compare);
        let contacts: &Contacts = &cell.contacts;
        format!("{reports:#?} {:?} {} {contacts:?} {:?}", cell.losses(), cell.copies(), cell.paths)
    };
    cells.iter_mut().map(tell).collect()
}

/// The packets of a story, numbered and timed; some come twice, some in a way of their own.
fn packets(acts: &[(Act, u8)]) -> Vec<Observation> {
    let (mut now, mut all) = (Time(0), Vec::new());
    for &(act, more) in acts {
        let (wait, mut o) = packet(act);
        now = now.after(wait * 1_000_000 + 1_000_000);
        match more {
            0 => o.vlan = [7, 0],
            1 => o.vlan = [8, 0],
            2 => o.marks.set(Marks::TUNNELLED),
            _ => {}
        }
        for _ in 0..if more >= 24 { 2 } else { 1 } {
            all.push(Observation { stamp: now, clock: now, seq: all.len() as u64, ..o });
        }
    }
    all
}

/// Where the first difference is: all of it would be a book.
fn same(batches: &[String], single: &[String]) -> Result<(), TestCaseError> {
    for (n, (batches, single)) in batches.iter().zip(single).enumerate() {
        let line = batches.lines().zip(single.lines()).find(|(one, other)| one != other);
        prop_assert!(batches == single, "cell {n}: {line:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96, rng_seed: RngSeed::Fixed(2026), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn whole_batches_say_what_single_packets_say(
        acts in acts(),
        more in prop::collection::vec(0..32_u8, 500),
        sizes in prop::collection::vec(1..90_usize, 1..12),
        round in 1..5_usize,
        together in prop::sample::select(vec![1, 9, 37, 256]),
        tight in any::<bool>(),
    ) {
        let packets = packets(&acts.into_iter().zip(more).collect::<Vec<_>>());
        let end = packets.last().unwrap().clock;
        let memory = if tight { TIGHT } else { AMPLE };
        let (mut batches, mut single) = (cells(memory), cells(memory));
        in_batches(&mut batches, &packets, &sizes, round, together);
        one_by_one(&mut single, &packets);
        same(&told(&mut batches, end), &told(&mut single, end))?;
    }
}

#[test]
fn errands_are_opened_again_in_the_midst_of_a_batch() {
    let mut packets = Vec::new();
    for n in 0..40_u16 {
        let used = syn((2, 40_000), (1, 80));
        // What is settled; then doors enough to displace it, and the same again, in which nothing may be missing.
        packets.extend([used, welcome(&used), used, goodbye(&used, 20), used, used]);
        packets.extend((0..6).map(|door| udp((3 + (n % 5) as u8, 50_000), (1, 100 + 10 * n + door))));
        packets.extend([used, goodbye(&used, 20), used]);
    }
    let at = |(n, o): (usize, Observation)| {
        let now = Time(n as i64 * 10_000_000);
        Observation { stamp: now, clock: now, seq: n as u64, ..o }
    };
    let packets: Vec<_> = packets.into_iter().enumerate().map(at).collect();
    let (end, mut single) = (Time(Time::SECOND * 60), cells(TIGHT));
    one_by_one(&mut single, &packets);
    let single = told(&mut single, end);
    for (sizes, round) in [(&[500, 7][..], 1), (&[60], 3), (&[13, 1, 40], 2)] {
        let mut batches = cells(TIGHT);
        let again = in_batches(&mut batches, &packets, sizes, round, 64);
        assert!(again > 0, "all stayed settled: nothing was shown");
        same(&told(&mut batches, end), &single).unwrap();
    }
}

#[test]
fn of_flows_whose_errand_is_open_each_packet_has_its_turn() {
    // Asked and answered at once, late, never; in between what settles errands, opens them again, and comes by another way.
    let mut packets = Vec::new();
    for n in 0..30_u16 {
        let (asked, mute) = (udp((2, 40_000 + n), (1, 53)), udp((2, 40_000), (3, 7_000 + n % 7)));
        let answer = udp((1, 53), (2, 40_000 + n));
        packets.extend([mute, asked, asked, mute, answer, asked, mute, answer, answer, mute, asked]);
        let tagged = Observation { vlan: [5, 0], ..asked };
        packets.extend((0..n % 5).flat_map(|door| [udp((4, 50_000), (1, 100 + 10 * n + door)), mute, tagged, mute]));
        packets.extend([answer, asked, mute, udp((3, 7_000 + n % 7), (2, 40_000)), mute, mute]);
    }
    let at = |(n, o): (usize, Observation)| {
        let now = Time(n as i64 * 30_000_000);
        Observation { stamp: now, clock: now, seq: n as u64, ..o }
    };
    let packets: Vec<_> = packets.into_iter().enumerate().map(at).collect();
    let end = Time(Time::SECOND * 60);
    for memory in [TIGHT, AMPLE] {
        let mut single = cells(memory);
        one_by_one(&mut single, &packets);
        let single = told(&mut single, end);
        for (sizes, round) in [(&[500, 7][..], 1), (&[60], 3), (&[13, 1, 40], 2)] {
            let mut batches = cells(memory);
            in_batches(&mut batches, &packets, sizes, round, 64);
            same(&told(&mut batches, end), &single).unwrap();
        }
    }
}

#[test]
fn who_asks_for_an_errand_takes_no_place_from_one_that_is_settled() {
    let place = |port: u16| {
        let probe = syn((2, 40_000), (1, port));
        let piece = piece(&[probe]);
        let lead = piece.leads(usize::from(Key::new(5).cell(probe.src))).first().copied();
        lead.map(|lead| (lead.errand >> 32) % 256)
    };
    let other = (81..5_000).find(|port| place(*port) == place(80)).unwrap();
    let (used, fresh) = (syn((2, 40_000), (1, 80)), syn((2, 40_000), (1, other)));
    let packets = [used, welcome(&used), used, fresh, used, used, welcome(&fresh), fresh, used, used, used];
    // Three that come again at once, in a batch that knows of the other.
    let timed = |(n, o)| Observation { seq: n, clock: Time(n as i64 * 1_000), stamp: Time(n as i64 * 1_000), ..o };
    let packets: Vec<_> = (0..).zip(packets).map(timed).collect();
    let end = Time(Time::SECOND);
    let mut single = cells(AMPLE);
    one_by_one(&mut single, &packets);
    let single = told(&mut single, end);
    for size in 1..packets.len() {
        let mut batches = cells(AMPLE);
        in_batches(&mut batches, &packets, &[size], 1, 256);
        same(&told(&mut batches, end), &single).unwrap();
    }
}
