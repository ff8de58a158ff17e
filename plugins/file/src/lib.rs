//! Appends to a file: the archive that outlives the program.
//!
//! In: batches of records. Out: their lines at the end of one file, one write a batch, so
//! that others may read along and several writers share it. Never truncates anything.
//! Must not know formats: the host renders.
//!
//! Read next: `tests/contract.rs`; `lines.rs` of `plugins/api` (whole lines on a full disk).

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use tripline_plugin::{
    ConfigError, Need, OptionKind, OptionSpec, Options, Output, OutputError, OutputPlugin, Record, WholeLines,
};

/// The card of this plugin.
pub const PLUGIN: OutputPlugin = OutputPlugin {
    name: "file",
    summary: "appends to a file, which it creates readable for its owner and group",
    format: "eve",
    leaves: false,
    options: &[OptionSpec {
        name: "path",
        kind: OptionKind::Path,
        need: Need::Required,
        help: "the file to append to; its folder must exist",
    }],
    build: |options| Ok(Box::new(Archive::open(options)?)),
};

/// Who scanned whom is not everybody's business: the owner writes, the group may read.
const MODE: u32 = 0o640;

struct Archive {
    path: PathBuf,
    file: File,
    lines: WholeLines,
}

impl Archive {
    fn open(options: &Options) -> Result<Self, ConfigError> {
        let path = options.path("path")?;
        let refuse = |reason: String| ConfigError::about("path", reason);
        match path.metadata().map(|found| found.file_type()) {
            Ok(found) if found.is_dir() => {
                let hint = format!("name a file in it, such as {}", path.join("scans.jsonl").display());
                return Err(refuse(format!("{} is a folder", path.display())).hint(hint));
            }
            // Opening a pipe for writing would wait until somebody reads.
            Ok(found) if found.is_fifo() || found.is_socket() => {
                let hint = "for a program that reads, use `stdout` and a pipe";
                return Err(refuse(format!("{} is no file", path.display())).hint(hint));
            }
            Ok(_) | Err(_) => {}
        }
        let (file, lines) = append_to(&path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => "create its folder first",
                io::ErrorKind::PermissionDenied => "give the user that runs tripline the right to write there",
                _ => "choose another place",
            };
            refuse(format!("cannot open {}: {error}", path.display())).hint(advice)
        })?;
        Ok(Self { path, file, lines })
    }

    fn failed(&self, error: &io::Error) -> OutputError {
        // Nothing that befalls a file is for ever: disks are emptied, mounts come back.
        OutputError::Retry(format!("{}: {error}", self.path.display()))
    }
}

/// Opens for appending; ends a line that somebody left unfinished (a crash, a full disk).
fn append_to(path: &Path) -> io::Result<(File, WholeLines)> {
    let file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
    let mut lines = WholeLines::default();
    // To look is a kindness, not a need: a file that may be written but not read is fine.
    if file.metadata()?.is_file() && last_byte(path).is_some_and(|byte| byte != b'\n') {
        lines.begin_new_line();
    }
    Ok((file, lines))
}

/// The last byte of a file, if it has one and may be read.
fn last_byte(path: &Path) -> Option<u8> {
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::End(-1)).ok()?;
    let mut byte = [0];
    file.read_exact(&mut byte).ok()?;
    let [byte] = byte;
    Some(byte)
}

impl Output for Archive {
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
        self.lines.write(batch, &mut self.file).map_err(|error| self.failed(&error))
    }

    fn reopen(&mut self) -> Result<(), OutputError> {
        (self.file, self.lines) = append_to(&self.path).map_err(|error| self.failed(&error))?;
        Ok(())
    }
}
