//! The end of a file, where lines are appended: opened, kept whole, found again.
//!
//! In: a path. Out: a [`Tail`], which ends with a whole line before the first write and after every
//! failed one. A line that a crash tore is cut off and kept beside the file as `PATH.torn`, so that
//! nothing of anybody's is lost. Who appends holds a shared lock: what another program writes
//! at this moment is not torn.
//! Must not know rotation.
//!
//! Read next: `lib.rs`; `lines.rs` of `plugins/api`.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tripline_plugin::{Record, WholeLines};

/// Who scanned whom is not everybody's business: the owner writes, the group may read.
pub(crate) const MODE: u32 = 0o640;

/// No line of ours is longer; what ends without a line break for so long is something else.
const LONGEST_LINE: u64 = 1 << 20;

pub(crate) struct Tail {
    path: PathBuf,
    file: File,
    lines: WholeLines,
    /// Of a plain file; devices have none.
    size: Option<u64>,
}

impl Tail {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut tail = Self { path: path.into(), file: append_to(path)?, lines: WholeLines::default(), size: None };
        tail.begin()?;
        Ok(tail)
    }

    /// Goes on in a new file at the same path; an unfinished line goes there as a whole.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        let file = append_to(&self.path)?;
        self.lines.take_back();
        self.file = file;
        self.begin()
    }

    fn begin(&mut self) -> io::Result<()> {
        let found = self.file.metadata()?;
        self.size = None;
        if found.is_file() {
            let mended = mend(&self.file, &self.path, found.len());
            if mended.is_err() {
                // No room, no locks: a torn line is at least ended.
                self.lines.begin_new_line();
            }
            self.size = Some(mended.unwrap_or(found.len()));
        }
        Ok(())
    }

    /// Appends records; after an error, call again with the same.
    pub(crate) fn write(&mut self, records: &[Record]) -> io::Result<()> {
        let outcome = self.lines.write(records, &mut self.file);
        match &outcome {
            Ok(()) => {
                let written = records.iter().map(|record| record.line.len() as u64 + 1).sum::<u64>();
                self.size = self.size.map(|size| size + written);
            }
            Err(_) => self.take_off_half_a_line(),
        }
        outcome
    }

    /// After a failed write: half a line must not stay for readers to trip over, nor for ever if
    /// the program ends now. Not where somebody else has appended since.
    fn take_off_half_a_line(&mut self) {
        let half = self.lines.unfinished() as u64;
        if half == 0 || self.size.is_none() {
            return;
        }
        let end = self.file.stream_position();
        let is_last = |end: u64| self.file.metadata().is_ok_and(|found| found.len() == end);
        if let Ok(end) = end
            && is_last(end)
            && self.file.set_len(end.saturating_sub(half)).is_ok()
        {
            self.lines.take_back();
        }
    }

    /// Whether the path leads elsewhere now: somebody moved or removed the file.
    pub(crate) fn was_moved(&self) -> bool {
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(here)) => (there.dev(), there.ino()) != (here.dev(), here.ino()),
            (Err(error), _) => error.kind() == io::ErrorKind::NotFound,
            (_, Err(_)) => false,
        }
    }

    /// Bytes of the file as far as this program knows; `None` of a device.
    pub(crate) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Where the file ends, with all of it on the disk; `None` of a device.
    pub(crate) fn end(&self) -> io::Result<Option<u64>> {
        if self.size.is_none() {
            return Ok(None);
        }
        self.file.sync_all()?;
        Ok(Some(self.file.metadata()?.len()))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.size.is_some() { self.file.sync_data() } else { Ok(()) }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// Cuts off a torn line; the size afterwards. Fails where it cannot be known or done.
fn mend(file: &File, path: &Path, size: u64) -> io::Result<u64> {
    // Exclusive: nobody is writing. A crash leaves no lock behind.
    let lock = file.try_lock();
    let torn = if size > 0 { torn(path, size) } else { Ok(Vec::new()) };
    let outcome = match (torn, lock) {
        (Ok(torn), _) if torn.is_empty() => Ok(size),
        (Ok(torn), Ok(())) => keep_and_cut(file, path, size, torn),
        (Ok(_), Err(TryLockError::WouldBlock)) => Ok(size),
        // To look is a kindness: a file that may be written but not read is fine.
        (Err(error), _) if error.kind() == io::ErrorKind::PermissionDenied => Ok(size),
        (Err(error), _) | (Ok(_), Err(TryLockError::Error(error))) => Err(error),
    };
    // From now on others see that somebody writes. File systems without locks do without.
    let _ = file.try_lock_shared();
    outcome
}

fn keep_and_cut(file: &File, path: &Path, size: u64, mut torn: Vec<u8>) -> io::Result<u64> {
    let whole = size.saturating_sub(torn.len() as u64);
    torn.push(b'\n');
    let mut name = path.as_os_str().to_owned();
    name.push(".torn");
    let mut beside = append_to(Path::new(&name))?;
    beside.write_all(&torn)?;
    beside.sync_data()?;
    file.set_len(whole)?;
    Ok(whole)
}

/// The bytes behind the last line break.
fn torn(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == [b'\n'] {
        return Ok(Vec::new());
    }
    let from = size.saturating_sub(LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(LONGEST_LINE).read_to_end(&mut end)?;
    match end.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => Ok(end.split_off(at + 1)),
        None if from == 0 => Ok(end),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "it ends in something that is no line")),
    }
}
