//! What does one packet of evidence cost in its cell?
//!
//! Honest traffic (connections to doors that are known, DNS), a scan (each packet a new door or its refusal),
//! and a flood of forged sources into tables that are full. One cell gets all of it, sorted by dispatch beforehand,
//! so that the sort is not measured. Divide by the packets of a run: `elem/s` is packets a second.

// A bench may take the short way, as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tripline::{
    cells::Cell,
    decode::{Address, Kind, Observation},
    dispatch::{CELLS, Key, Scattered},
    presets::tripline::Thresholds,
    source::Time,
};

const PACKETS: u32 = 20_000;
/// The default budget.
const MEMORY: usize = 64 << 20;
/// The cell that owns all the addresses of a story.
const MINE: u8 = 7;

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

/// Addresses that this cell owns.
fn owned(key: &Key) -> impl Iterator<Item = Address> {
    (0x0a00_0000_u32..).map(|n| Address::v4(n.to_be_bytes())).filter(|a| key.cell(*a) == MINE)
}

/// A story with clock and order, 20 microseconds from packet to packet, as the cell gets it.
fn story(key: &Key, packets: impl Iterator<Item = Observation>) -> Scattered {
    let mut scattered = Scattered::default();
    for (o, n) in packets.take(PACKETS as usize).zip(0_u32..) {
        let time = Time(i64::from(n) * 20_000);
        scattered.observations.push(Observation { stamp: time, clock: time, seq: u64::from(n), ..o });
    }
    scattered.sort(key);
    scattered
}

/// Two hundred clients with a dozen doors each: handshakes and ends, and a datagram each way.
fn honest(key: &Key) -> Scattered {
    let clients: Vec<Address> = owned(key).take(200).collect();
    let servers: Vec<Address> = (0..12_u8).map(|n| Address::v4([192, 0, 2, n])).collect();
    let packets = (0_u32..).flat_map(move |n| {
        let (client, server) = (clients[n as usize % 200], servers[n as usize / 200 % 12]);
        let ports = (40_000 + (n % 20_000) as u16, 443);
        let back = (ports.1, ports.0);
        let query = Observation { kind: Kind::Udp, protocol: 17, ..tcp(client, server, (ports.0, 53), 0, 0, 0) };
        [
            query,
            Observation { src: server, dst: client, src_port: 53, dst_port: ports.0, ..query },
            tcp(client, server, ports, 2, n, 0),
            tcp(server, client, back, 18, n ^ 0x63, n.wrapping_add(1)),
            tcp(client, server, ports, 17, n.wrapping_add(500), (n ^ 0x63).wrapping_add(5_000)),
            tcp(server, client, back, 17, (n ^ 0x63).wrapping_add(5_000), n.wrapping_add(501)),
        ]
    });
    story(key, packets)
}

/// One source, ever new ports and hosts, all refused.
fn scan(key: &Key) -> Scattered {
    let source = owned(key).next().unwrap();
    let packets = (0_u32..).flat_map(move |n| {
        let target = Address::v4((0xc000_0200 + n / 1_000).to_be_bytes());
        let ports = (50_000, (n % 1_000) as u16);
        let back = (ports.1, ports.0);
        [tcp(source, target, ports, 2, n, 0), tcp(target, source, back, 20, 0, n.wrapping_add(1))]
    });
    story(key, packets)
}

/// A new forged source with each packet.
fn flood(key: &Key, flags: u8) -> Scattered {
    let target = Address::v4([192, 0, 2, 1]);
    let sources: Vec<Address> = owned(key).take(PACKETS as usize).collect();
    story(key, sources.into_iter().zip(0_u32..).map(move |(source, n)| tcp(source, target, (50_000, 80), flags, n, 0)))
}

fn show(cell: &mut Cell, story: &Scattered, later: i64) {
    for sighting in story.of(usize::from(MINE)) {
        let clock = sighting.observation.clock.after(later);
        let observation = &Observation { clock, stamp: clock, ..*sighting.observation };
        cell.see(&tripline::dispatch::Sighting { observation, ..sighting });
    }
    black_box(cell.reports().count());
}

fn cells(c: &mut Criterion) {
    let key = Key::new(11);
    let thresholds = Arc::new(Thresholds::default());
    let new = || Cell::new(MEMORY, key.clone(), Arc::clone(&thresholds));
    let mut group = c.benchmark_group("cells");
    assert!(CELLS > usize::from(MINE));
    for (name, story) in [
        ("honest traffic", honest(&key)),
        ("a scan", scan(&key)),
        ("forged syns, tables full", flood(&key, 2)),
        ("forged null probes, tables full", flood(&key, 0)),
    ] {
        let shown = story.of(usize::from(MINE)).len();
        group.throughput(Throughput::Elements(shown as u64));
        group.bench_function(name, |b| {
            let ready = || {
                let mut cell = new();
                // Once before: doors become known, tables full.
                show(&mut cell, &story, 0);
                cell
            };
            let later = if name.contains("forged") { 600 } else { 10 } * Time::SECOND;
            b.iter_batched_ref(ready, |cell| show(cell, &story, later), BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, cells);
criterion_main!(benches);
