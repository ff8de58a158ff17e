//! Appends to a file: the archive that outlives the program.
//!
//! In: batches of records. Out: their lines at the end of one file, one write a batch, so that
//! others may read along and several writers share it. It is opened anew when it was moved away, and
//! put away by day or size where that is asked for.
//! Must not know formats: the host renders.
//!
//! Read next: `tail.rs` (the end of a file), `back.rs`, `rotate.rs`, `pack.rs`, `tests/contract.rs`.

mod back;
mod pack;
mod rotate;
mod tail;

use std::{
    fs, io,
    os::unix::fs::FileTypeExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tripline_plugin::{
    ConfigError, Need, OptionKind, OptionSpec, Options, Output, OutputError, OutputPlugin, Record, Resume,
};

use pack::{Beside, Packing};
use rotate::Rotate;
use tail::Tail;

/// The card of this plugin.
pub const PLUGIN: OutputPlugin = OutputPlugin {
    name: "file",
    summary: "appends to a file, which it creates readable for its owner and group",
    format: "eve",
    leaves: false,
    options: &[
        OptionSpec {
            name: "path",
            kind: OptionKind::Path,
            need: Need::Required,
            help: "the file to append to; its folder must exist",
        },
        OptionSpec {
            name: "rotate",
            kind: OptionKind::ChoiceOrSize(&["never", "daily"]),
            need: Need::Default("never"),
            help: "when to put the file away as PATH.DATE and begin a new one: with the first event of another day \
                   (local time), or before it would pass a size",
        },
        OptionSpec {
            name: "keep",
            kind: OptionKind::Integer,
            need: Need::Optional,
            help: "files put away that are kept, the newest [all]",
        },
        OptionSpec {
            name: "compress",
            kind: OptionKind::Choice(&["none", "gzip", "zstd"]),
            need: Need::Default("none"),
            help: "how files put away are compressed",
        },
        OptionSpec {
            name: "fsync",
            kind: OptionKind::Choice(&["never", "interval", "always"]),
            need: Need::Default("never"),
            help: "when it waits for the disk: as the system likes, when nothing more waits and every 5 s, or after \
                   every write",
        },
    ],
    check: |options| Settings::read(options).map(drop),
    build: |options| Ok(Box::new(Archive::open(options)?)),
};

/// With `fsync = "interval"`, the longest that a busy output goes on without.
const INTERVAL: Duration = Duration::from_secs(5);

/// When to wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fsync {
    Never,
    Interval,
    Always,
}

/// What the options ask for.
struct Settings {
    path: PathBuf,
    rotate: Rotate,
    keep: Option<u64>,
    packing: Option<Packing>,
    fsync: Fsync,
}

struct Archive {
    path: PathBuf,
    tail: Tail,
    rotate: Rotate,
    keep: Option<u64>,
    packing: Option<Packing>,
    fsync: Fsync,
    zone: TimeZone,
    /// The day of what the file holds, when it holds anything.
    day: Option<Date>,
    /// Of the batch at hand: records that are done, and those being written since an error.
    done: usize,
    begun: usize,
    /// When the disk was last waited for, if there is something new since.
    unsynced_since: Option<Instant>,
    beside: Beside,
}

impl Settings {
    fn read(options: &Options) -> Result<Self, ConfigError> {
        let path = options.path("path")?;
        let rotate = match (options.text("rotate"), options.number("rotate")) {
            (Some("daily"), _) => Rotate::Daily,
            (_, Some(0)) => {
                return Err(ConfigError::about("rotate", "a file cannot be put away at 0 bytes").hint("try `64 MiB`"));
            }
            (_, Some(size)) => Rotate::At(size),
            _ => Rotate::Never,
        };
        if rotate != Rotate::Never && options.resume().is_some() {
            return Err(ConfigError::about(
                "rotate",
                "a file that was put away cannot be cut back, as `--resume` asks for",
            )
            .hint("leave `rotate` out, and put the file away when the run is finished"));
        }
        let packing = match options.text("compress") {
            Some("gzip") => Some(Packing::Gzip),
            Some("zstd") => Some(Packing::Zstd),
            _ => None,
        };
        let keep = options.number("keep");
        for (option, is_given) in [("keep", keep.is_some()), ("compress", packing.is_some())] {
            if is_given && rotate == Rotate::Never {
                return Err(ConfigError::about(option, "means nothing without `rotate`")
                    .hint("add rotate = \"daily\" or a size such as \"64 MiB\""));
            }
        }
        let fsync = match options.text("fsync") {
            Some("always") => Fsync::Always,
            Some("interval") => Fsync::Interval,
            _ => Fsync::Never,
        };
        Ok(Self { path, rotate, keep, packing, fsync })
    }
}

impl Archive {
    fn open(options: &Options) -> Result<Self, ConfigError> {
        let Settings { path, rotate, keep, packing, fsync } = Settings::read(options)?;
        refuse_what_is_no_file(&path)?;
        if let Some(Resume::At(end)) = options.resume() {
            back::cut(&path, end)?;
        }
        let tail = Tail::open(&path).map_err(|error| {
            let advice = match error.kind() {
                io::ErrorKind::NotFound => "create its folder first",
                io::ErrorKind::PermissionDenied => "give the user that runs tripline the right to write there",
                _ => "choose another place",
            };
            ConfigError::about("path", format!("cannot open {}: {error}", path.display())).hint(advice)
        })?;
        if rotate != Rotate::Never && tail.size().is_none() {
            return Err(ConfigError::about("rotate", format!("{} is no plain file", path.display())));
        }
        let zone = TimeZone::system();
        let day = None;
        let (done, begun, unsynced_since, beside) = (0, 0, None, Beside::default());
        let mut archive =
            Self { path, tail, rotate, keep, packing, fsync, zone, day, done, begun, unsynced_since, beside };
        archive.find_day();
        // What an earlier run had no time for.
        archive.tidy();
        Ok(archive)
    }

    /// Of what others wrote only the file's own time is known.
    fn find_day(&mut self) {
        let written = fs::metadata(&self.path).and_then(|found| found.modified()).ok();
        let written = written.and_then(|time| Timestamp::try_from(time).ok());
        self.day = written.filter(|_| self.size() > 0).map(|time| time.to_zoned(self.zone.clone()).date());
    }

    fn size(&self) -> u64 {
        self.tail.size().unwrap_or(0)
    }

    fn append(&mut self, batch: &[Record]) -> io::Result<()> {
        while let Some(rest) = batch.get(self.done..).filter(|rest| !rest.is_empty()) {
            if self.tail.was_moved() {
                self.tail.reopen()?;
                self.find_day();
            }
            if self.begun == 0 {
                self.begun = self.rotate.fitting(rest, self.size(), self.day, &self.zone);
            }
            let Some(part) = rest.get(..self.begun).filter(|part| !part.is_empty()) else {
                self.put_away()?;
                continue;
            };
            self.tail.write(part)?;
            self.day = part.last().map(|record| rotate::day_of(record.event.timestamp, &self.zone));
            self.done += self.begun;
            self.begun = 0;
            self.unsynced_since.get_or_insert_with(Instant::now);
        }
        let overdue = |since: &Instant| self.fsync == Fsync::Interval && since.elapsed() >= INTERVAL;
        if self.fsync == Fsync::Always || self.unsynced_since.as_ref().is_some_and(overdue) {
            self.sync()?;
        }
        self.done = 0;
        Ok(())
    }

    fn put_away(&mut self) -> io::Result<()> {
        self.sync()?;
        let day = self.day.unwrap_or_default();
        rotate::put_away(&self.path, day)?;
        self.tail.reopen()?;
        self.day = None;
        self.tidy();
        Ok(())
    }

    /// A failure there loses nothing: it is tried again with the next rotation.
    fn tidy(&mut self) {
        if self.rotate == Rotate::Never || self.keep.is_none() && self.packing.is_none() {
            return;
        }
        let (path, keep, packing) = (self.path.clone(), self.keep, self.packing);
        self.beside.start(move || _ = rotate::tidy(&path, keep, packing));
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.fsync != Fsync::Never {
            self.tail.sync()?;
        }
        self.unsynced_since = None;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> OutputError {
        // Nothing that befalls a file is for ever: disks are emptied, mounts come back.
        OutputError::Retry(format!("{}: {error}", self.path.display()))
    }
}

fn refuse_what_is_no_file(path: &std::path::Path) -> Result<(), ConfigError> {
    let refuse = |what: &str| ConfigError::about("path", format!("{} is {what}", path.display()));
    match path.metadata().map(|found| found.file_type()) {
        Ok(found) if found.is_dir() => {
            Err(refuse("a folder").hint(format!("name a file in it, such as {}", path.join("scans.jsonl").display())))
        }
        // Opening a pipe for writing would wait until somebody reads.
        Ok(found) if found.is_fifo() || found.is_socket() => {
            Err(refuse("no file").hint("for a program that reads, use `stdout` and a pipe"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

impl Output for Archive {
    fn write(&mut self, batch: &[Record]) -> Result<(), OutputError> {
        self.append(batch).map_err(|error| self.failed(&error))
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        if self.unsynced_since.is_some() && self.fsync == Fsync::Interval {
            self.sync().map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    fn position(&mut self) -> Result<u64, OutputError> {
        if self.tail.was_moved() {
            return Err(OutputError::Reject(format!("{} was moved away meanwhile", self.path.display())));
        }
        let end = self.tail.end().map_err(|error| self.failed(&error))?;
        end.ok_or_else(|| OutputError::Reject(format!("{} is no plain file", self.path.display())))
    }

    fn reopen(&mut self) -> Result<(), OutputError> {
        match self.tail.reopen() {
            // Root opened it and is nobody by now. As long as it is the same file there is nothing to open.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !self.tail.was_moved() => return Ok(()),
            reopened => reopened.map_err(|error| self.failed(&error))?,
        }
        self.find_day();
        Ok(())
    }
}
