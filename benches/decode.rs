//! What does it cost to find out what a frame is?
//!
//! The way of every frame through a worker: plain data ends at a glance, the rest is decoded
//! and classified, evidence is made an observation. Each answer is the time for a run of 1,024
//! frames of one sort, so divide by that for one frame; `elem/s` is frames a second.
//! The frames differ in address and port, so that no branch is learnt by heart.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tripline::{
    decode::{Class, Glance, classify, decode, glance, observe},
    source::{Frame, LinkType, Time},
};

const FRAMES: usize = 1024;

const ETHERNET: &str = "021000000001 021000000002";
const TCP: &str = "c23c 0050 00000001 00000002 5010 0400 0000 0000";

/// Bytes from hexadecimal text; blanks are for the eye.
fn hex(parts: &[&str]) -> Vec<u8> {
    let digits: Vec<u8> = parts.concat().bytes().filter_map(|b| (b as char).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}

/// So many copies of a frame; `varying` is where two bytes differ from copy to copy.
fn copies(frame: &[u8], varying: usize) -> Vec<Vec<u8>> {
    (0..FRAMES as u16)
        .map(|n| {
            let mut copy = frame.to_vec();
            if let Some(field) = copy.get_mut(varying..varying + 2) {
                field.copy_from_slice(&n.wrapping_mul(40_503).to_be_bytes());
            }
            copy.resize(frame.len().max(60), 0);
            copy
        })
        .collect()
}

fn ipv4(protocol: &str, transport: &str) -> Vec<u8> {
    let total = 20 + hex(&[transport]).len();
    let total = format!("{total:04x}");
    hex(&[ETHERNET, "0800 4500", &total, "1c46 4000 40", protocol, "0000 0a0a0032 0a0a0001", transport])
}

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));
    let syn = "c23c 0050 00000001 00000000 6002 0400 0000 0000 020405b4";
    let quote = "4500 003c 1c46 4000 01 11 0000 0a0a0032 0a0a0001 c23c 829a 0028 0000";
    let ipv6 =
        hex(&[ETHERNET, "86dd 60000000 0014 06 40 fd00", &"00".repeat(13), "32 fd00", &"00".repeat(13), "01", TCP]);
    let tagged = hex(&[ETHERNET, "8100 000c 0800 4500 0028 1c46 4000 40 06 0000 0a0a0032 0a0a0001", TCP]);
    let mut mixed = copies(&ipv4("06", TCP), 34);
    mixed.iter_mut().skip(7).step_by(10).zip(copies(&ipv4("06", syn), 34)).for_each(|(slot, probe)| *slot = probe);
    for (name, frames) in [
        ("plain tcp, ipv4", copies(&ipv4("06", TCP), 34)),
        ("plain tcp, ipv6", copies(&ipv6, 54)),
        ("plain tcp, ipv4, one tag", copies(&tagged, 38)),
        ("one syn among ten", mixed),
        ("syn", copies(&ipv4("06", syn), 34)),
        ("udp", copies(&ipv4("11", "c23c 0035 0010 0000 0000000000000000"), 34)),
        ("icmp port unreachable", copies(&ipv4("01", &["0303 0000 00000000", quote].concat()), 64)),
        (
            "arp request",
            copies(
                &hex(&[ETHERNET, "0806 0001 0800 0604 0001 021000000002 0a0a0032", &"00".repeat(6), "0a0a0001"]),
                40,
            ),
        ),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut plain = 0;
                let mut list = Vec::with_capacity(1);
                for (seq, bytes) in frames.iter().enumerate() {
                    let frame = Frame {
                        bytes,
                        wire_len: bytes.len() as u32,
                        link: LinkType(1),
                        stamp: Time(seq as i64),
                        clock: Time(seq as i64),
                        seq: seq as u64,
                        number: seq as u64 + 1,
                    };
                    match glance(black_box(&frame), &mut list) {
                        Glance::Plain => plain += 1,
                        Glance::Evidence => list.clear(),
                        Glance::Unsure => {
                            if let Ok(packet) = decode(black_box(&frame))
                                && let Class::Evidence(kind) = classify(&packet)
                            {
                                black_box(observe(&frame, &packet, kind));
                            }
                        }
                    }
                }
                plain
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
