//! A scan under a flood of forged packets: one trial, in memory.
//!
//! In: how the forger goes about it ([`Forger`]), forged packets for each true probe, a seed. Out: whether the scanner is
//! in any event that is delivered. The scan is the one by which scanlogd was measured: 200 doors of one host, one a second.
//! Packets go through dispatch, cells and correlate; decode would only take time. A forger who does not know the key
//! spreads evenly over the cells, each of which has tables of its own: so one cell stands for all, and gets its share of
//! the flood, unless the trial is about what correlate has for all cells together.
//! Must not know how evidence is kept. Read next: `../blind.rs`.

use std::{net::IpAddr, sync::Arc};

use tripline::{
    cells::Cell,
    correlate::Correlate,
    decode::{Address, Kind, Observation},
    dispatch::{CELLS, Key, Scattered},
    presets::tripline::Thresholds,
    source::Time,
};

/// The default budget.
const MEMORY: usize = 64 << 20;
/// Packets that are shown at once.
const BATCH: usize = 16_384;
/// Seconds for which the flood goes on before the scan begins.
const BEFORE: i64 = 3;
/// Probes of the scan.
const PROBES: i64 = 200;

const SCANNER: Address = address(0xcb00_7109);
const TARGET: Address = address(0xc000_0201);

const fn address(v4: u32) -> Address {
    Address(0xffff_0000_0000 | v4 as u128)
}

/// How packets are forged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forger {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// Doors that each source knocks at, one right after the other.
    pub(crate) doors: u32,
    /// Sources are of so many addresses side by side; 0 for all there are.
    pub(crate) among: u32,
    /// Its doors refuse, as the scanner's do; else nobody answers.
    pub(crate) refused: bool,
    /// All of a minute come within a second, at its beginning.
    pub(crate) at_once: bool,
    /// All cells are shown it, for what correlate has is at stake.
    pub(crate) whole: bool,
}

/// Numbers by chance (Steele et al. 2014, `splitmix`).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

fn tcp(src: Address, dst: Address, ports: (u16, u16), flags: u8, seq: u32, ack: u32) -> Observation {
    Observation {
        src,
        dst,
        tcp_seq: seq,
        tcp_ack: ack,
        src_port: ports.0,
        dst_port: ports.1,
        window: 1024,
        protocol: 6,
        kind: Kind::Tcp,
        flags,
        ttl: 64,
        ..Observation::BLANK
    }
}

/// What a refused probe gets.
fn refusal(o: &Observation) -> Observation {
    tcp(o.dst, o.src, (o.dst_port, o.src_port), 20, 0, o.tcp_seq.wrapping_add(1))
}

/// One trial.
struct Field {
    key: Key,
    cells: Vec<Cell>,
    correlate: Correlate,
    /// The cell that stands for all, unless all are there.
    only: Option<usize>,
    batch: Scattered,
    seq: u64,
    noticed: bool,
}

impl Field {
    fn new(seed: u64, whole: bool) -> Self {
        let (key, thresholds) = (Key::new(seed), Arc::new(Thresholds::default()));
        let only = (!whole).then(|| usize::from(key.cell(SCANNER)));
        let cells = (0..if whole { CELLS } else { 1 })
            .map(|_| Cell::new(MEMORY, key.clone(), Arc::clone(&thresholds)))
            .collect();
        let correlate = Correlate::new(&key, thresholds);
        Self { key, cells, correlate, only, batch: Scattered::default(), seq: 0, noticed: false }
    }

    fn show(&mut self, now: Time, o: Observation) {
        self.batch.observations.push(Observation { stamp: now, clock: now, seq: self.seq, ..o });
        self.seq += 1;
        if self.batch.observations.len() >= BATCH {
            self.settle(now);
        }
    }

    fn settle(&mut self, now: Time) {
        self.batch.sort(&self.key);
        for (n, cell) in self.cells.iter_mut().enumerate() {
            for sighting in self.batch.of(self.only.unwrap_or(n)) {
                cell.see(&sighting);
            }
            cell.advance(now);
            self.correlate.take(cell.reports());
        }
        self.batch.clear();
        let (noticed, scanner) = (&mut self.noticed, SCANNER.ip());
        self.correlate.settle(now, |finding| {
            let event = &finding.event;
            let among = |ips: &[IpAddr]| ips.contains(&scanner);
            *noticed |=
                event.scan.as_ref().is_some_and(|scan| event.src_ip == Some(scanner) || among(&scan.sources.sample));
        });
    }

    /// A forged source that the trial is about.
    fn forge(&self, chance: &mut Chance, forger: &Forger) -> Address {
        loop {
            let n = chance.next() as u32;
            let source = address(if forger.among == 0 { n } else { 0x1400_0000 + n % forger.among });
            if source != SCANNER && self.only.is_none_or(|only| only == usize::from(self.key.cell(source))) {
                return source;
            }
        }
    }
}

/// Whether a scan is noticed in spite of so many forged packets for each of its probes.
#[must_use]
pub(crate) fn notices(forger: &Forger, ratio: u64, seed: u64) -> bool {
    let mut field = Field::new(seed, forger.whole);
    let mut chance = Chance(seed);
    let share = if forger.whole { 1.0 } else { 1.0 / CELLS as f64 };
    let (mut owed, mut left, mut source) = (0.0, 0, SCANNER);
    for second in 0..BEFORE + PROBES {
        // Windows of the clock begin in the midst of the flood, not with the scanner's probe.
        let start = second * Time::SECOND + Time::SECOND / 2;
        if second >= BEFORE {
            let n = (second - BEFORE) as u16;
            let probe = tcp(SCANNER, TARGET, (50_000 + n, 1 + n), 2, chance.next() as u32, 0);
            field.show(Time(start), probe);
            field.show(Time(start + 200_000), refusal(&probe));
        }
        // Who knows how windows lie spends all when one begins.
        owed += match (forger.at_once, second % 60) {
            (true, 0) => 60.0 * ratio as f64 * share,
            (true, _) => 0.0,
            _ => ratio as f64 * share,
        };
        let packets = owed as i64;
        owed -= packets as f64;
        for n in 0..packets {
            if left == 0 {
                (left, source) = (forger.doors, field.forge(&mut chance, forger));
            }
            left -= 1;
            let now = start + 300_000 + n * (Time::SECOND - 400_000) / packets;
            let random = chance.next();
            // One host for one source, ever new ports: what says most of it.
            let target = if forger.refused { TARGET } else { address(0xc000_0300 | source.0 as u32 & 0xff) };
            let probe = tcp(source, target, ((random >> 16) as u16 | 1024, random as u16), 2, (random >> 32) as u32, 0);
            field.show(Time(now), probe);
            if forger.refused {
                field.show(Time(now), refusal(&probe));
            }
        }
        field.settle(Time(start + Time::SECOND - 1));
        if field.noticed {
            return true;
        }
    }
    field.noticed
}
