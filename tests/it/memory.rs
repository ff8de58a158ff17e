//! The budget is kept under a flood: what the program holds is bounded by `--memory`, whatever the packets.
//!
//! The floods come from ever new forged sources, none of which comes again: the worst for every table.
#![cfg(unix)]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::craft::{
    frame::{SYN, Segment},
    pieces,
};

const FRAMES: u32 = 300_000;

/// Beside the tables: the program, its threads, three batches and what they became, the terrain.
const BESIDE: u64 = 56 << 20;

/// A capture in which each source, forged, sends `each` probes with these flags to ports of one host.
fn flood(path: &Path, flags: u8, each: u32) {
    let (from, to) = ("20.0.0.1:40000".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
    let mut frame = Segment { from, to, flags, seq: 7, ack: 0, payload: 0 }.frame();
    let mut file = vec![];
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(field.to_le_bytes());
    }
    for n in 0..FRAMES {
        // Ethernet is 14 bytes; the source lies 12 bytes into IPv4, ports and sequence number behind it.
        frame[26..30].copy_from_slice(&(0x1400_0000 + n / each * 97).to_be_bytes());
        frame[36..38].copy_from_slice(&(1 + (n % each) as u16).to_be_bytes());
        frame[38..42].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
        for field in [1_795_348_800 + n / 50_000, n % 50_000 * 20, frame.len() as u32, frame.len() as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(&frame);
    }
    fs::write(path, file).unwrap();
}

/// A capture of first pieces of datagrams of which nothing more ever comes, 120 MB of them.
fn flood_of_pieces(path: &Path) {
    let (from, to) = ("20.0.0.1:40000".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
    let whole = Segment { from, to, flags: SYN, seq: 7, ack: 0, payload: 980 }.frame();
    let mut frame = pieces::piece(&whole, 7, 0, true, pieces::payload(&whole));
    let mut file = vec![];
    for field in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(field.to_le_bytes());
    }
    for n in 0..120_000_u32 {
        frame[26..30].copy_from_slice(&(0x1400_0000 + n * 97).to_be_bytes());
        for field in [1_795_348_800, n, frame.len() as u32, frame.len() as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(&frame);
    }
    fs::write(path, file).unwrap();
}

/// The most that a run over a flood held, in bytes; `None` where the system does not say.
fn held(path: &Path, memory: &str) -> Option<u64> {
    held_by(&["read", "-q", "--shards", "2", "--memory", memory], path)
}

/// The same of any command.
fn held_by(arguments: &[&str], path: &Path) -> Option<u64> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments).arg(path);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut most = None;
    loop {
        // The kernel keeps the peak: whatever was read last before the end is it, or nearly.
        most = peak(&child).max(most);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return most;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

#[test]
fn a_flood_of_forged_sources_grows_no_table_beyond_its_budget() {
    let folder = TempDir::new().unwrap();
    // One SYN each fills the first contacts; three null probes each make every one a scanner.
    for (name, flags, each) in [("contacts", SYN, 1), ("suspects", 0, 3)] {
        let path = folder.path().join(name);
        flood(&path, flags, each);
        for (memory, budget) in [("4MiB", 4 << 20), ("32MiB", 32 << 20)] {
            let Some(most) = held(&path, memory) else {
                println!("skipped: /proc does not tell here what a program holds");
                return;
            };
            println!("{name}: {} MiB held with a budget of {memory}", most >> 20);
            // Correlate's lives of the scans, too, and what is told at the end, when all are over at once.
            assert!(most <= budget + BESIDE, "{name}: {} MiB held with a budget of {memory}", most >> 20);
        }
    }
}

#[test]
fn a_flood_of_fragments_that_never_complete_is_given_up_piece_by_piece() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pieces");
    flood_of_pieces(&path);
    let Some(most) = held(&path, "4MiB") else {
        println!("skipped: /proc does not tell here what a program holds");
        return;
    };
    println!("pieces: {} MiB held of 120 MB that wait", most >> 20);
    assert!(most <= (8 << 20) + BESIDE, "{} MiB held", most >> 20);
}

#[test]
fn a_flood_of_half_open_streams_takes_a_quarter_of_what_streams_may() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("half-open");
    flood(&path, SYN, 1);
    // The frames were changed behind their checksums.
    let streams = |memory| held_by(&["streams", "-q", "--checksums", "ignore", "--memory", memory], &path);
    let (Some(small), Some(large)) = (streams("8MiB"), streams("64MiB")) else {
        println!("skipped: /proc does not tell here what a program holds");
        return;
    };
    println!("half-open: {} MiB held with a budget of 8 MiB, {} MiB with 64 MiB", small >> 20, large >> 20);
    // Beside the streams: the program, a batch, what is on its way to standard output.
    assert!(small <= (8 << 20) + (24 << 20) && large <= (64 << 20) + (24 << 20));
}

#[test]
fn processors_keep_streams_within_their_own_budget() {
    let folder = TempDir::new().unwrap();
    let (path, rules) = (folder.path().join("half-open"), folder.path().join("rules.toml"));
    flood(&path, SYN, 1);
    // The frames were changed behind their checksums.
    let text = "version = 1\n[processors]\nmemory = '8 MiB'\nchecksums = 'ignore'\n[processors.probe-payload]\n";
    fs::write(&rules, text).unwrap();
    let rules = rules.display().to_string();
    let read = ["read", "-q", "--shards", "2", "--memory", "4MiB"];
    let with = held_by(&[&read[..], &["-r", &rules]].concat(), &path);
    let (Some(with), Some(without)) = (with, held_by(&read, &path)) else {
        println!("skipped: /proc does not tell here what a program holds");
        return;
    };
    println!("processors: {} MiB held, {} MiB without", with >> 20, without >> 20);
    assert!(with <= without + (8 << 20) + (8 << 20), "{} MiB held, {} MiB without", with >> 20, without >> 20);
}

/// What `zstd` makes of `bytes` with a window of 2 to the power of `log`.
fn zstd(bytes: &[u8], log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_folder_of_packed_captures_takes_no_more_than_unpacking_may_beside_what_a_plain_one_does() {
    let (plain, packed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    flood(&plain.path().join("0"), SYN, 1);
    let flooded = fs::read(plain.path().join("0")).unwrap();
    for n in 0..4 {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&flooded).unwrap();
        let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz4.write_all(&flooded).unwrap();
        let files = [zstd(&flooded, 21), gzip.finish().unwrap(), zstd(&flooded, 23), lz4.finish().unwrap()];
        fs::write(packed.path().join(n.to_string()), &files[n % 4]).unwrap();
        fs::write(plain.path().join(n.to_string()), &flooded).unwrap();
    }
    let (Some(plain), Some(packed)) = (held(plain.path(), "4MiB"), held(packed.path(), "4MiB")) else {
        println!("skipped: /proc does not tell here what a program holds");
        return;
    };
    println!("folders: {} MiB held for packed captures, {} MiB for plain ones", packed >> 20, plain >> 20);
    // What `--unpack-memory` is when nobody says it; what lz4 takes beyond it, and allocators of threads keep of the
    // windows of files that are done.
    assert!(packed <= plain + (8 << 20) + (16 << 20), "{} MiB held, {} MiB plain", packed >> 20, plain >> 20);
}
