//! How fast is the whole: a capture from the page cache in, events out?
//!
//! 200,000 frames cut to 96 bytes, of which one in ten is evidence (connections that open and close), the rest plain
//! data, and a scan in between; then the same frames all SYNs of forged sources. For 1 and 2 shards. `elem/s` is
//! frames a second; the program is started for each run, and events go nowhere.

// A bench may take the short way, as tests do.
#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::NamedTempFile;
use tripline::source::{LinkType, Time, write::PcapWriter};

const FRAMES: u32 = 200_000;

/// A frame of a connection: the client is made of `n`.
fn frame(n: u32, flags: u8, source: u32, port: u16) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 2, 0, 0x1c, 0x46, 0x40, 0, 57, 6, 0, 0];
    bytes.extend(source.to_be_bytes());
    bytes.extend((0xc000_0200 + n % 64).to_be_bytes());
    bytes.extend((32_768 + (n % 28_000) as u16).to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend(n.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0x50, flags, 4, 0, 0, 0, 0, 0]);
    bytes.resize(96, 0);
    bytes
}

fn capture(make: impl Fn(u32) -> Vec<u8>) -> NamedTempFile {
    let mut writer = PcapWriter::new(LinkType(1), false, false);
    for n in 0..FRAMES {
        writer.frame(Time(i64::from(n) * 10_000), 526, &make(n));
    }
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(writer.bytes()).unwrap();
    file
}

fn ordinary(n: u32) -> Vec<u8> {
    let connection = n / 10;
    let client = 0x0a00_0000 + connection % 500;
    match n % 10 {
        0 if connection % 50 == 7 => frame(n, 2, 0x0a00_ffff, (connection / 50) as u16),
        0 => frame(connection, 2, client, 443),
        9 => frame(connection + 1_000, 17, client, 443),
        _ => frame(connection, 24, client, 443),
    }
}

fn forged(n: u32) -> Vec<u8> {
    frame(n, 2, n.wrapping_mul(0x9e37_79b9), 80)
}

fn read(path: &Path, shards: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .args(["read", "-q", "--format", "eve", "--shards", shards])
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(output.unwrap().success());
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Elements(u64::from(FRAMES))).sample_size(10);
    for (name, file) in [("ordinary traffic", capture(ordinary)), ("a flood of forged syns", capture(forged))] {
        for shards in ["1", "2"] {
            group.bench_function(format!("{name}, {shards} shards"), |b| b.iter(|| read(file.path(), shards)));
        }
    }
    group.finish();
}

criterion_group!(benches, whole);
criterion_main!(benches);
