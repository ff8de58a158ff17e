//! The file by which a run that was interrupted goes on: `read --resume STATE`.
//!
//! In: what the stages and whoever takes the events have to say of themselves between two batches. Out: a file that is whole or not
//! there; and from it, for a later run of the same kind, the same. It is written beside, synced and renamed, and a
//! checksum stands at its end: what is damaged or cut is refused. While a run lasts the file is locked.
//! Must not know what a stage keeps, nor when it is time.
//!
//! ```text
//! TRIPLINE STATE 3    magic and format
//! preamble            version, settings, inputs, how far: begun, under way, finished
//! sink                where outputs stand, limits, summary
//! engine              source, cells, correlate, reference presets; only of a run under way
//! SHA-256             of all before
//! ```
//!
//! Read next: `checkpoint/mod.rs` (how memory is written), `run/standing.rs` (what and when), `cli/resume.rs` (who may go on).

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    checkpoint::{Reader, Unfit, Writer},
    source::Listed,
};

/// What a state begins with. The number goes up when something is kept in another way within a version.
const MAGIC: &[u8; 18] = b"TRIPLINE STATE 3\r\n";

/// How often, and how long, it is waited for a run that was killed just now.
const GOING: u32 = 30;
const MOMENT: Duration = Duration::from_millis(100);

/// Bytes of the checksum.
const CHECKSUM: usize = 32;

/// A state may be so long, beside four times the memory of the tables: addresses and numbers take less room than in
/// memory, what has a size of its own takes less than this.
const LONGEST: u64 = 512 << 20;

/// Bytes of records between two states, unpacked. Measured: with 64 MiB of tables a state costs a tenth of a second and what the
/// disk needs for 34 MB, and the same two cores take six seconds for so many records.
pub const EVERY: u64 = 2 << 30;

/// How far the run of a state has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Outputs are open and nothing was read.
    Begun,
    /// Something was read.
    UnderWay,
    /// All was read, and this is the status with which it ended.
    Finished(u8),
}

/// What must be the same for a run to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// The program's version.
    pub version: String,
    /// Settings by name; long ones by their hash.
    pub settings: Vec<(String, String)>,
    /// What is read, in order.
    pub inputs: Vec<Listed>,
}

impl Conditions {
    /// What differs from those of an earlier run, in words; inputs are compared by who opens them.
    #[must_use]
    pub fn differ(&self, then: &Self) -> Option<String> {
        if self.version != then.version {
            return Some(format!("it was written by version {}, and this is {}", then.version, self.version));
        }
        let mut pairs = self.settings.iter().zip(&then.settings);
        let other = pairs.find(|(now, then)| now != then);
        other.map(|((name, now), (_, then))| {
            if now.len().max(then.len()) > 60 {
                format!("it is of another run, with other {name}")
            } else {
                format!("it is of another run: {name} then {}, now {}", shown(then), shown(now))
            }
        })
    }
}

/// A value, or that there was none.
fn shown(value: &str) -> String {
    if value.is_empty() { "none".to_owned() } else { format!("`{value}`") }
}

/// Why a state cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// In words that follow its name.
    pub why: String,
    /// What to do.
    pub hint: &'static str,
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Self { why, hint: "remove it to begin anew" }
    }
}

/// Whether nobody else has a state, or soon nobody will: a killed program needs a moment to be gone.
fn is_free(file: &File) -> bool {
    let taken = || matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    for _ in 0..GOING {
        if !taken() {
            return true;
        }
        thread::sleep(MOMENT);
    }
    !taken()
}

/// A state that was found.
#[derive(Debug)]
pub struct Found {
    /// What its run was.
    pub conditions: Conditions,
    /// How far it came.
    pub stage: Stage,
    bytes: Vec<u8>,
    /// Where what was not read yet begins.
    at: usize,
    /// Keeps others away.
    lock: File,
}

impl Found {
    /// The state at `path`, if there is one. `memory`: bytes of the tables of this run.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn at(path: &Path, memory: usize) -> Result<Option<Self>, Unusable> {
        let mut lock = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| error.to_string())?,
        };
        let meta = lock.metadata().map_err(|error| error.to_string())?;
        if !meta.is_file() {
            return Err(Unusable { why: "it is no file".into(), hint: "name another file" });
        }
        let mut magic = [0; MAGIC.len()];
        if lock.read_exact(&mut magic).is_err() || &magic != MAGIC {
            let why = "it is no state of this program, and is left alone".into();
            return Err(Unusable { why, hint: "name another file, or move that one away" });
        }
        if !is_free(&lock) {
            let why = "another run is at work with it".into();
            return Err(Unusable { why, hint: "wait for its end, or give each run a state of its own" });
        }
        let most = LONGEST.saturating_add(4_u64.saturating_mul(memory as u64));
        if meta.len() > most {
            return Err(Unusable::from(format!("it is damaged: {} bytes are more than a state can have", meta.len())));
        }
        let mut bytes = magic.to_vec();
        Read::by_ref(&mut lock).take(most).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or_else(|| "it is damaged or cut".to_owned())?;
        if Sha256::digest(body).as_slice() != checksum {
            return Err(Unusable::from("it is damaged or cut".to_owned()));
        }
        let length = body.len();
        bytes.truncate(length);
        let mut reader = Reader::new(bytes.get(MAGIC.len()..).unwrap_or_default());
        // Of another version all behind may look different.
        let preamble = reader.take::<String>().and_then(|version| {
            let same = version == env!("CARGO_PKG_VERSION");
            let (settings, inputs, stage) = if same { reader.take()? } else { (Vec::new(), Vec::new(), Stage::Begun) };
            Ok((Conditions { version, settings, inputs }, stage))
        });
        let (conditions, stage) = preamble.map_err(|unfit| unfit.to_string())?;
        let at = length - reader.left();
        Ok(Some(Self { conditions, stage, bytes, at, lock }))
    }

    /// Reads on with `read`.
    ///
    /// # Errors
    /// What it says.
    pub fn read<T>(&mut self, read: impl FnOnce(&mut Reader<'_>) -> Result<T, Unfit>) -> Result<T, Unfit> {
        let mut reader = Reader::new(self.bytes.get(self.at..).unwrap_or_default());
        let value = read(&mut reader)?;
        self.at = self.bytes.len() - reader.left();
        Ok(value)
    }
}

/// Where states are written, and what was found there.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    conditions: Conditions,
    /// Bytes of input between two states.
    every: u64,
    /// Bytes of input at the last one.
    last: u64,
    /// What the engine is to take up.
    found: Option<Found>,
    /// The file that was written last, locked.
    written: Option<File>,
}

impl Checkpoints {
    /// States at `path` of a run that begins or goes on from `found`, each so many bytes of input.
    #[must_use]
    pub fn new(path: PathBuf, conditions: Conditions, every: u64, found: Option<Found>) -> Self {
        Self { path, conditions, every: every.max(1), last: 0, found, written: None }
    }

    /// The last word about the run, to be said when all is written.
    #[must_use]
    pub fn last_word(&self) -> LastWord {
        LastWord { path: self.path.clone(), conditions: self.conditions.clone() }
    }

    /// What the engine is to take up, if the run is one that goes on after something was read.
    pub(super) fn take_found(&mut self) -> Option<Found> {
        let found = self.found.take()?;
        // Until the first state is written, the old one is locked.
        self.written = found.lock.try_clone().ok();
        (found.stage == Stage::UnderWay).then_some(found)
    }

    /// Whether it is time, after so many bytes of input.
    pub(super) fn is_due(&self, read: u64) -> bool {
        read.saturating_sub(self.last) >= self.every
    }

    /// Writes a state after so many bytes of input. What was there stays until the new one is whole. Whether it succeeds or not, the next is due
    /// only after as much again.
    ///
    /// # Errors
    /// What the operating system or a part says.
    pub fn write(
        &mut self,
        read: u64,
        stage: Stage,
        parts: &mut dyn FnMut(&mut Writer<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.last = read;
        self.written = Some(write(&self.path, &self.conditions, stage, parts)?);
        Ok(())
    }
}

/// Says that a run is finished.
#[derive(Debug)]
pub struct LastWord {
    path: PathBuf,
    conditions: Conditions,
}

impl LastWord {
    /// Marks the state as finished, with the status with which the program ends.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn say(&self, status: u8) -> io::Result<()> {
        write(&self.path, &self.conditions, Stage::Finished(status), &mut |_| Ok(())).map(drop)
    }
}

/// Writes a file that is whole or not there, and gives it locked.
fn write(
    path: &Path,
    conditions: &Conditions,
    stage: Stage,
    parts: &mut dyn FnMut(&mut Writer<'_>) -> io::Result<()>,
) -> io::Result<File> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // It says who talked to whom.
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    let written = fill(&file, conditions, stage, parts).and_then(|()| fs::rename(&part, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where folders cannot be synced the name is as safe as it can be.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(file)
}

fn fill(
    file: &File,
    Conditions { version, settings, inputs }: &Conditions,
    stage: Stage,
    parts: &mut dyn FnMut(&mut Writer<'_>) -> io::Result<()>,
) -> io::Result<()> {
    // File systems without locks do without.
    let _ = file.try_lock();
    let mut summed = Summed { file, sum: Sha256::new() };
    summed.write_all(MAGIC)?;
    let mut to = Writer::new(&mut summed);
    to.put(version)?;
    to.put(&(settings, inputs, stage))?;
    parts(&mut to)?;
    to.finish()?;
    let Summed { mut file, sum } = summed;
    file.write_all(sum.finalize().as_slice())?;
    file.sync_all()
}

/// Writes and sums up.
struct Summed<'f> {
    file: &'f File,
    sum: Sha256,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions() -> Conditions {
        let settings = [("memory", "1"), ("rules", &"f".repeat(64))].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        Conditions { version: env!("CARGO_PKG_VERSION").into(), settings, inputs: Vec::new() }
    }

    fn state(folder: &Path) -> PathBuf {
        let path = folder.join("state");
        let mut checkpoints = Checkpoints::new(path.clone(), conditions(), 10, None);
        assert!(checkpoints.is_due(10) && !checkpoints.is_due(9));
        checkpoints.write(10, Stage::UnderWay, &mut |to| to.put(&(7_u64, "seven"))).unwrap();
        assert!(!checkpoints.is_due(19) && checkpoints.is_due(20));
        path
    }

    fn taken<T: serde::de::DeserializeOwned>(found: &mut Found) -> Result<T, Unfit> {
        found.read(|from| Ok((from.take()?,))).map(|(value,)| value)
    }

    #[test]
    fn a_state_is_found_as_it_was_written_and_nothing_lies_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut found = Found::at(&state(folder.path()), 0).unwrap().unwrap();
        assert_eq!((&found.conditions, found.stage), (&conditions(), Stage::UnderWay));
        assert_eq!(taken::<u64>(&mut found), Ok(7));
        assert_eq!(taken::<String>(&mut found), Ok("seven".into()));
        assert_eq!(taken::<u8>(&mut found), Err(Unfit::Damaged));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Found::at(&folder.path().join("none"), 0).unwrap().is_none());
    }

    #[test]
    fn each_damaged_byte_and_each_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = state(folder.path());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            fs::write(&path, damaged).unwrap();
            let why = Found::at(&path, 0).unwrap_err();
            assert!(why.why.starts_with("it is damaged") == (at >= MAGIC.len()), "{at}: {why:?}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Found::at(&path, 0).is_err());
        }
    }

    #[test]
    fn who_writes_it_keeps_others_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut checkpoints = Checkpoints::new(path.clone(), conditions(), 10, None);
        for n in 1..3_u8 {
            checkpoints.write(0, Stage::UnderWay, &mut |to| to.put(&n)).unwrap();
            assert_eq!(Found::at(&path, 0).unwrap_err().why, "another run is at work with it");
        }
        drop(checkpoints);
        assert!(Found::at(&path, 0).is_ok());
    }

    #[test]
    fn what_fails_leaves_the_state_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = state(folder.path());
        let before = fs::read(&path).unwrap();
        let mut checkpoints = Checkpoints::new(path.clone(), conditions(), 10, None);
        checkpoints.write(10, Stage::UnderWay, &mut |_| Err(io::Error::other("no"))).unwrap_err();
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(folder.path()).unwrap().count()), (before, 1));
    }

    #[test]
    fn what_differs_is_named() {
        let then = conditions();
        let differ = |change: fn(&mut Conditions)| {
            let mut now = conditions();
            change(&mut now);
            now.differ(&then)
        };
        assert_eq!(differ(|_| ()), None);
        let why = differ(|now| now.settings[0].1 = String::new());
        assert_eq!(why.as_deref(), Some("it is of another run: memory then `1`, now none"));
        let why = differ(|now| now.settings[1].1 = "0".repeat(64));
        assert_eq!(why.as_deref(), Some("it is of another run, with other rules"));
        assert!(differ(|now| now.version = "9".into()).unwrap().ends_with("and this is 9"));
    }
}
