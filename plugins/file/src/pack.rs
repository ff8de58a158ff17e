//! Compresses files that were put away, on a thread of its own.
//!
//! In: a rotated file. Out: the same with `.gz` or `.zst`. It is written beside as `.part`, synced,
//! renamed, and only then the original goes: whenever the machine stops, one of the two is whole.
//! An archive of a day may be large; meanwhile the output goes on writing.
//! Must not know which files: `rotate.rs` does.
//!
//! Read next: `rotate.rs`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread::{self, JoinHandle},
};

use crate::tail::MODE;

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    pub(crate) const ALL: [Self; 2] = [Self::Gzip, Self::Zstd];

    /// What is behind the dot.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }

    /// Replaces a file by its compressed form; one that somebody still writes stays as it is.
    pub(crate) fn pack(self, path: &Path) -> io::Result<()> {
        let from = File::open(path)?;
        if matches!(from.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            return Ok(());
        }
        let with = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            name
        };
        let part = with(&format!(".{}.part", self.extension()));
        let to = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&part)?;
        let packed = self.copy(&from, to).and_then(|to| {
            to.sync_all()?;
            fs::rename(&part, with(&format!(".{}", self.extension())))
        });
        match packed {
            Ok(()) => fs::remove_file(path),
            Err(error) => {
                // A full disk needs the room.
                let _ = fs::remove_file(&part);
                Err(error)
            }
        }
    }

    fn copy(self, from: &File, to: File) -> io::Result<File> {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let to = BufWriter::new(to);
        let to = match self {
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(to, flate2::Compression::default());
                io::copy(&mut from, &mut encoder)?;
                encoder.finish()?
            }
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                io::copy(&mut from, &mut encoder)?;
                encoder.finish()?
            }
        };
        let mut to = to;
        to.flush()?;
        to.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// Does one thing at a time beside the output.
#[derive(Default)]
pub(crate) struct Beside(Option<JoinHandle<()>>);

impl Beside {
    /// Starts it, unless the one before is still at work: then the next time does for both.
    pub(crate) fn start(&mut self, work: impl FnOnce() + Send + 'static) {
        if self.0.as_ref().is_none_or(JoinHandle::is_finished) {
            self.0 = thread::Builder::new().name("pack".into()).spawn(work).ok();
        }
    }
}

impl Drop for Beside {
    /// What was begun is finished.
    fn drop(&mut self) {
        // A panic there leaves the original, which is all that is promised.
        let _ = self.0.take().map(JoinHandle::join);
    }
}
