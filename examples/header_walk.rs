//! The least that reading a capture can cost: large reads, and a look at the header of each record.
//!
//! In: a little-endian pcap file. Out: how many frames it has, and their bytes. What `scripts/bench-peers` compares Tripline with.
//! Must not know what a frame is, and keeps nothing.
//! Read next: `src/source/reader.rs`, which does this for the program.

// A tool for developers may take the short way, as benches do.
#![allow(clippy::print_stdout)]

use std::{
    fs::File,
    io::{self, Error, Read},
};

/// Read at once.
const STRIDE: usize = 1 << 20;
const FILE_HEADER: usize = 24;

/// Counts the whole records of `bytes` from `at` on; where the first that is cut begins, maybe far behind.
fn walk(bytes: &[u8], mut at: usize, frames: &mut u64, total: &mut u64) -> usize {
    while let Some(header) = bytes.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        *frames += 1;
        *total += length as u64;
        at += 16 + length;
    }
    at
}

fn count(mut file: impl Read) -> io::Result<(u64, u64)> {
    let (mut frames, mut total, mut at) = (0, 0, FILE_HEADER);
    let mut bytes = vec![0; STRIDE];
    let mut filled = 0;
    loop {
        let more = file.read(bytes.get_mut(filled..).unwrap_or_default())?;
        if more == 0 {
            return Ok((frames, total));
        }
        filled += more;
        at = walk(bytes.get(..filled).unwrap_or_default(), at, &mut frames, &mut total);
        // The beginning of a header goes over to the next stride; a frame that is cut is stepped over.
        let kept = filled.saturating_sub(at);
        bytes.copy_within(filled - kept..filled, 0);
        at -= filled - kept;
        filled = kept;
    }
}

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or_else(|| Error::other("header_walk FILE.pcap"))?;
    let (frames, bytes) = count(File::open(path)?)?;
    println!("{frames} frames, {bytes} bytes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tripline::source::{LinkType, Time, write::PcapWriter};

    use super::*;

    /// Hands out a few bytes at a time.
    struct Drops<R>(R);

    impl<R: Read> Read for Drops<R> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let few = to.len().min(7);
            self.0.read(&mut to[..few])
        }
    }

    #[test]
    fn every_record_is_counted_wherever_reads_end() {
        let mut file = PcapWriter::new(LinkType(1), false, false);
        for n in 0..1_000 {
            file.frame(Time(0), n, &vec![0; n as usize]);
        }
        let expected = (1_000, 999 * 1_000 / 2);
        assert_eq!(count(Cursor::new(file.bytes())).unwrap(), expected);
        assert_eq!(count(Drops(Cursor::new(file.bytes()))).unwrap(), expected);
    }
}
