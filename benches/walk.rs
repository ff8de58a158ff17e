//! What does a frame cost before anybody looks into it?
//!
//! `pull`: the reading thread's share, from the page cache to pieces. `walk`: a worker's,
//! from a piece to frames. Both for pcap and pcapng, with frames cut to 96 bytes, as an
//! archive for scan detection would have them. Divide by the 100,000 frames.

// A bench may take the short way, as tests do.
#![allow(clippy::unwrap_used)]

use std::{hint::black_box, io::Write, path::PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tempfile::NamedTempFile;
use tripline::source::{
    Archive, Batch, Interface, LinkType, Order, Pull, Sizes, Source, Time, Units,
    write::{PcapNgWriter, PcapWriter},
};

const FRAMES: u64 = 100_000;

fn pcap() -> Vec<u8> {
    let mut file = PcapWriter::new(LinkType(1), false, false);
    for n in 0..FRAMES as i64 {
        file.frame(Time(n * 10_000), 525, &[0x5a; 96]);
    }
    file.bytes().to_vec()
}

fn pcapng() -> Vec<u8> {
    let mut file = PcapNgWriter::new(false);
    file.interface(Interface { link: LinkType(1), units: Units::Decimal(6), offset: 0, snaplen: 96 });
    for n in 0..FRAMES {
        file.enhanced(0, n * 10, 525, &[0x5a; 96]);
    }
    file.bytes().to_vec()
}

fn read(path: &PathBuf, sizes: Sizes, mut each: impl FnMut(&Batch)) {
    let mut archive = Archive::open(std::slice::from_ref(path), Order::Given, sizes);
    let mut batch = Batch::default();
    while let Pull::Filled = archive.pull(&mut batch) {
        each(&batch);
    }
}

fn frames(criterion: &mut Criterion) {
    for (name, bytes) in [("pcap", pcap()), ("pcapng", pcapng())] {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        let path = file.path().to_path_buf();

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(FRAMES));
        group.bench_function("pull", |b| {
            b.iter(|| {
                read(&path, Sizes::default(), |batch| {
                    black_box(batch.pieces.len());
                });
            });
        });
        group.bench_function("walk", |b| {
            let sizes = Sizes { batch_bytes: bytes.len(), ..Sizes::default() };
            read(&path, sizes, |batch| {
                b.iter(|| {
                    for piece in &batch.pieces {
                        batch.walk(piece, |frame| {
                            black_box((frame.bytes.first(), frame.clock, frame.seq));
                        });
                    }
                });
            });
        });
        group.finish();
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
