//! Unpacks what is compressed: gzip, zstd, xz, lz4, known by their first bytes alone.
//!
//! In: the bytes of a file or a pipe. Out: the bytes that were compressed, how much of the file
//! they took, and an error in words when the file is cut, damaged or a bomb. Several members,
//! frames or streams behind each other are one. Only this file and its part `lz4.rs` may name a decoder
//! (`clippy.toml` sees to it): none is used without the limits that stand here.
//! Must not know what was compressed.
//! Source: RFC 1952, RFC 8878, the .xz file format 1.2, the lz4 frame format 1.6.
//! Read next: `lz4.rs` (frames), `ahead.rs` (a thread of its own), `input.rs` (who decides).

// The one place that may: see above.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::{
    fmt,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::lz4::Frames;

/// A compressor whose work is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Xz,
    Lz4,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
        })
    }
}

/// What unpacking one file may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of the window of zstd, of the dictionary of xz.
    pub(super) window: u64,
    /// Bytes that may come out of a file whose window is larger than the memory there is: of a window no more is ever
    /// touched than came out.
    pub(super) most: u64,
    /// More bytes than this for each byte of the file are a bomb …
    pub(super) ratio: u64,
    /// … once there are so many of them: a small file of much the same is none.
    pub(super) floor: u64,
}

impl Limits {
    /// For a file whose window is to be no larger than this.
    /// Captures of floods, packet upon equal packet, shrink to a two hundredth; bombs to less than
    /// a thousandth. Since nothing is kept of what is unpacked, a bomb costs time alone, and a
    /// quarter of a gibibyte of it costs a second.
    pub(super) const fn of(window: u64) -> Self {
        Self { window, most: u64::MAX, ratio: 1_000, floor: 256 << 20 }
    }

    /// For a file of which only the beginning is wanted, or that is short, whatever window it says: no more than
    /// `memory` comes out. 2^27 is what `zstd -d` allows too, and more than `xz -9` asks for.
    pub(super) const fn beginning(memory: u64) -> Self {
        let window = if memory > LARGEST { memory } else { LARGEST };
        Self { most: memory, ..Self::of(window) }
    }

    /// For zstd: the power of two that is no less than the window, as far as it knows any.
    fn window_log(self) -> u32 {
        self.window.max(1).next_power_of_two().ilog2().clamp(10, 31)
    }
}

/// Larger windows are not even begun.
const LARGEST: u64 = 128 << 20;

/// Decoders give out at most so much at once: when they meet damage, what they were about to
/// give is lost, and that shall be little.
const PORTION: usize = 32 << 10;

/// A compressed file that is being unpacked.
pub(super) struct Packed {
    packing: Packing,
    limits: Limits,
    decoder: Box<dyn Read + Send>,
    /// Bytes of the file that the decoder took.
    used: Arc<AtomicU64>,
    /// Bytes that it gave.
    made: u64,
    /// Why it cannot go on. Some decoders tell an error once and an end from then on.
    failed: Option<String>,
    /// That is because its window is larger than was allowed.
    starved: bool,
}

impl Packed {
    /// Begins to unpack `file`, which must be at its first byte.
    ///
    /// # Errors
    /// A decoder cannot be had (no memory).
    pub(super) fn new(packing: Packing, file: impl Read + Send + 'static, limits: Limits) -> io::Result<Self> {
        let used = Arc::new(AtomicU64::new(0));
        let file = Counted { file: BufReader::with_capacity(128 << 10, file), used: Arc::clone(&used) };
        let decoder: Box<dyn Read + Send> = match packing {
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
                decoder.window_log_max(limits.window_log())?;
                Box::new(decoder)
            }
            Packing::Xz => {
                // Beside the dictionary: less than this.
                let memory = limits.window.saturating_add(1 << 20);
                let stream = liblzma::stream::Stream::new_stream_decoder(memory, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
            }
            Packing::Lz4 => Box::new(Frames::new(file)),
        };
        Ok(Self { packing, limits, decoder, used, made: 0, failed: None, starved: false })
    }

    /// Bytes of the file that were used up so far.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether it failed for a window that is larger than its limits allow.
    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }

    /// What an error of a decoder means to the person who has the file.
    fn explain(&mut self, error: &io::Error) -> String {
        let packing = self.packing;
        let at = self.used();
        if error.raw_os_error().is_some() {
            return error.to_string();
        }
        if error.kind() == ErrorKind::UnexpectedEof {
            return format!("the {packing} file is cut: it ends at its byte {at}, in the middle of what it packs");
        }
        let memory = error
            .get_ref()
            .and_then(|error| error.downcast_ref())
            .is_some_and(|error| matches!(error, liblzma::stream::Error::MemLimit))
            || error.to_string().contains("too much memory");
        if memory {
            return self.starve();
        }
        format!("the {packing} file is damaged, at or before its byte {at}: {error}")
    }

    /// There is not enough memory for the window.
    fn starve(&mut self) -> String {
        self.starved = true;
        let Self { packing, limits, .. } = self;
        let long = if *packing == Packing::Zstd { " --long=31" } else { "" };
        let memory = limits.window.min(limits.most);
        let more = if memory < LARGEST { "--unpack-memory 128MiB gives it more; or " } else { "" };
        format!(
            "unpacking takes more memory than the {} MiB that it may have: {more}`{packing} -dc{long} FILE | tripline read -`",
            memory >> 20
        )
    }

    fn bomb(&self) -> Option<String> {
        let Self { packing, limits, made, .. } = self;
        let used = self.used().max(1);
        (*made > limits.floor && made / used >= limits.ratio).then(|| {
            format!(
                "{used} bytes of {packing} have become {made}: more than {} for one, which is made to do harm; if you \
                 know better: `{packing} -dc FILE | tripline read -`",
                limits.ratio
            )
        })
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failed) = &self.failed {
            return Err(io::Error::other(failed.clone()));
        }
        let portion = buffer.len().min(PORTION);
        let failed = match self.decoder.read(buffer.get_mut(..portion).unwrap_or_default()) {
            Ok(more) => {
                self.made += more as u64;
                if self.made > self.limits.most {
                    self.starve()
                } else {
                    match self.bomb() {
                        None => return Ok(more),
                        Some(bomb) => bomb,
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => self.explain(&error),
        };
        self.failed = Some(failed.clone());
        Err(io::Error::other(failed))
    }
}

/// Counts what a decoder takes, to the byte: what is merely read ahead for it does not count.
struct Counted<R> {
    file: BufReader<R>,
    used: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let more = self.file.read(buffer)?;
        self.used.fetch_add(more as u64, Ordering::Relaxed);
        Ok(more)
    }
}

impl<R: Read> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.used.fetch_add(amount as u64, Ordering::Relaxed);
        self.file.consume(amount);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    pub(in crate::source) const ALL: [Packing; 4] = [Packing::Gzip, Packing::Zstd, Packing::Xz, Packing::Lz4];

    /// What the compressor makes of `bytes`.
    pub(in crate::source) fn pack(packing: Packing, bytes: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
                encoder.include_checksum(true).unwrap();
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new()
                    .block_size(lz4_flex::frame::BlockSize::Max64KB)
                    .content_checksum(true);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    const ROOMY: Limits = Limits::of(LARGEST);

    /// Bytes that do not shrink to nothing.
    fn noise(len: u32) -> Vec<u8> {
        (0..len).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    }

    fn unpack(packing: Packing, file: Vec<u8>, limits: Limits) -> (Vec<u8>, Option<String>, u64) {
        let mut packed = Packed::new(packing, Cursor::new(file), limits).unwrap();
        let (mut out, mut buffer) = (Vec::new(), vec![0; 100_000]);
        loop {
            match packed.read(&mut buffer) {
                Ok(0) => return (out, None, packed.used()),
                Ok(more) => out.extend(&buffer[..more]),
                Err(error) => {
                    assert!(packed.read(&mut buffer).is_err(), "an error stays one");
                    return (out, Some(error.to_string()), packed.used());
                }
            }
        }
    }

    #[test]
    fn what_was_packed_comes_back_and_the_whole_file_was_used() {
        let bytes = noise(300_000);
        for packing in ALL {
            let file = pack(packing, &bytes);
            let length = file.len() as u64;
            assert_eq!(unpack(packing, file, ROOMY), (bytes.clone(), None, length), "{packing}");
        }
    }

    #[test]
    fn several_in_one_file_are_one_with_what_may_be_skipped_between_them() {
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for packing in ALL {
            let mut file = pack(packing, b"one ");
            if matches!(packing, Packing::Zstd | Packing::Lz4) {
                file.extend(skippable);
            }
            file.extend(pack(packing, b""));
            file.extend(pack(packing, b"two"));
            let length = file.len() as u64;
            assert_eq!(unpack(packing, file, ROOMY), (b"one two".to_vec(), None, length), "{packing}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_told_and_gives_what_is_before() {
        let bytes = noise(3_000);
        for packing in ALL {
            let file = pack(packing, &bytes);
            for length in (1..file.len()).step_by(7).chain([file.len() - 1]) {
                let (out, failed, _) = unpack(packing, file[..length].to_vec(), ROOMY);
                assert!(bytes.starts_with(&out), "{packing} cut at {length}");
                let failed = failed.unwrap_or_else(|| panic!("{packing} cut at {length}: nothing was said"));
                assert!(failed.contains("is cut") && failed.contains(&length.to_string()), "{packing}: {failed}");
            }
        }
    }

    #[test]
    fn damage_anywhere_is_told_or_without_effect() {
        let bytes = noise(3_000);
        for packing in ALL {
            let file = pack(packing, &bytes);
            for at in 0..file.len() {
                let mut damaged = file.clone();
                damaged[at] ^= 0x41;
                let (out, failed, _) = unpack(packing, damaged, ROOMY);
                assert!(failed.is_some() || out == bytes, "{packing} damaged at {at}: other bytes without a word");
            }
        }
    }

    #[test]
    fn damage_in_the_middle_leaves_what_is_before() {
        let bytes = noise(1 << 20);
        for packing in [Packing::Gzip, Packing::Xz] {
            let mut file = pack(packing, &bytes);
            let middle = file.len() / 2;
            file[middle..middle + 64].fill(0xff);
            let (out, failed, _) = unpack(packing, file, ROOMY);
            assert!(failed.unwrap().contains("is damaged"));
            assert!(out.len() > 1 << 16, "{packing}: only {} bytes", out.len());
        }
    }

    #[test]
    fn garbage_behind_the_end_is_told() {
        for packing in ALL {
            let mut file = pack(packing, b"all is well");
            file.extend(b"but this is not");
            let (out, failed, _) = unpack(packing, file, ROOMY);
            assert!(failed.is_some(), "{packing}");
            assert!(b"all is well".starts_with(&out[..]), "{packing}");
        }
    }

    #[test]
    fn a_bomb_is_refused_once_it_is_large() {
        let limits = Limits { ratio: 100, floor: 1 << 20, ..ROOMY };
        let zeros = vec![0; 8 << 20];
        for packing in ALL {
            let (out, failed, _) = unpack(packing, pack(packing, &zeros), limits);
            let failed = failed.unwrap_or_else(|| panic!("{packing}: nothing was said"));
            assert!(failed.contains("made to do harm") && failed.contains("-dc FILE | tripline read -"), "{failed}");
            assert!((1 << 20..5 << 20).contains(&out.len()), "{packing}: {}", out.len());
            assert_eq!(unpack(packing, pack(packing, &zeros[..1 << 20]), limits).1, None, "{packing} below the floor");
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused_with_the_way_round_it() {
        let limits = Limits::of(1 << 20);
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&noise(4 << 20)).unwrap();
        for (packing, file) in [
            (Packing::Zstd, encoder.finish().unwrap()),
            // Preset 6 has a dictionary of 8 MiB.
            (Packing::Xz, pack(Packing::Xz, &noise(4 << 20))),
        ] {
            let (_, failed, _) = unpack(packing, file, limits);
            let failed = failed.unwrap();
            assert!(failed.contains("more memory than the 1 MiB") && failed.contains("-dc"), "{packing}: {failed}");
        }
    }

    #[test]
    fn a_short_file_is_read_whatever_window_it_says_and_of_a_long_one_the_beginning() {
        let bytes = noise(3 << 20);
        // Preset 9 has a dictionary of 64 MiB.
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 9);
        encoder.write_all(&bytes).unwrap();
        let file = encoder.finish().unwrap();
        assert_eq!(unpack(Packing::Xz, file.clone(), Limits::beginning(4 << 20)).1, None);
        let (out, failed, _) = unpack(Packing::Xz, file, Limits::beginning(2 << 20));
        assert!(failed.unwrap().contains("more memory than the 2 MiB") && out.len() == 2 << 20, "{}", out.len());
    }
}
