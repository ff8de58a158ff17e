//! What was read, input by input: for whoever must show later what a result rests on.
//!
//! In: a source. Out: the same batches, untouched; and at the end an [`Input`] for each file:
//! how many packets, from when to when, where nothing was captured, what went wrong, and its
//! SHA-256 as it lies on the disk. Must not know what is in a packet.
//!
//! It stands around the source only when somebody asks for a ledger, so nobody else pays. Files
//! are hashed in a second pass by a thread of their own, a little behind the reader and mostly
//! out of the page cache: so compressed and damaged files are hashed to their end too. What can be
//! read only once (a pipe) has no hash.
//! Read next: `cli/ledger.rs` (how it is written), `run.rs` (who drives the source).

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use sha2::{Digest, Sha256};

use crate::source::{Batch, Pull, Source, Time, Trouble};

/// Longer than this without a packet is a gap. Busy wires are never so long silent.
pub const GAP: i64 = 60 * Time::SECOND;

/// Gaps of an input that are listed; the others are counted.
const LISTED: usize = 100;

/// One input, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its path, or `-`.
    pub path: Arc<Path>,
    /// What it is on the disk; `None` for what can be read only once.
    pub file: Option<Fingerprint>,
    /// Packets that were read of it.
    pub packets: u64,
    /// Smallest and largest stamp of them.
    pub span: Option<(Time, Time)>,
    /// Times longer than [`GAP`] without a packet, by the stamps before and after; also those
    /// between the end of the input before and the beginning of this one.
    pub gaps: Vec<(Time, Time)>,
    /// Gaps beyond those that are listed.
    pub more_gaps: u64,
    /// What could not be read, in words.
    pub errors: Vec<String>,
}

/// A file's content in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its length in bytes.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

/// A source that takes notes.
pub struct Ledger<'s> {
    source: &'s mut dyn Source,
    inputs: Vec<Input>,
    /// Where in `inputs` each path stands.
    places: HashMap<Arc<Path>, usize>,
    /// Clock and stamp of the last packet.
    last: Option<(Time, Time)>,
    hasher: Hasher,
}

impl<'s> Ledger<'s> {
    /// Takes notes of what `source` hands over.
    ///
    /// # Errors
    /// The system gives no thread to hash on.
    pub fn of(source: &'s mut dyn Source) -> io::Result<Self> {
        Ok(Self { source, inputs: Vec::new(), places: HashMap::new(), last: None, hasher: Hasher::start()? })
    }

    /// The notes, in the order in which inputs were begun. Waits until all files are hashed, unless
    /// the run was `stopped`: then those that are not yet have no hash.
    pub fn finish(self, stopped: bool) -> Vec<Input> {
        let Self { mut inputs, hasher, .. } = self;
        for (place, hashed) in hasher.finish(stopped) {
            let Some(input) = inputs.get_mut(place) else { continue };
            match hashed {
                Ok(fingerprint) => input.file = Some(fingerprint),
                Err(why) => input.errors.push(why),
            }
        }
        inputs
    }

    fn input(&mut self, path: &Arc<Path>) -> Option<&mut Input> {
        let place = *self.places.entry(Arc::clone(path)).or_insert_with(|| {
            let path = Arc::clone(path);
            let place = self.inputs.len();
            self.hasher.ask(place, &path);
            self.inputs.push(Input {
                path,
                file: None,
                packets: 0,
                span: None,
                gaps: Vec::new(),
                more_gaps: 0,
                errors: Vec::new(),
            });
            place
        });
        self.inputs.get_mut(place)
    }

    fn note(&mut self, batch: &Batch) {
        let Some(origin) = &batch.origin else { return };
        let mut last = self.last;
        let Some(input) = self.input(origin) else { return };
        for piece in &batch.pieces {
            input.packets += piece.frames;
            batch.walk(piece, |frame| {
                let (first, latest) = input.span.unwrap_or((frame.stamp, frame.stamp));
                input.span = Some((first.min(frame.stamp), latest.max(frame.stamp)));
                if let Some((clock, stamp)) = last
                    && frame.clock.since(clock) > GAP
                {
                    if input.gaps.len() < LISTED {
                        input.gaps.push((stamp, frame.stamp));
                    } else {
                        input.more_gaps += 1;
                    }
                }
                last = Some((frame.clock, frame.stamp));
            });
        }
        self.last = last;
    }

    fn note_trouble(&mut self, trouble: &Trouble) {
        if let Some(input) = self.input(&trouble.path) {
            let Trouble { offset, frames, reason, .. } = trouble;
            input.errors.push(format!("at byte {offset}, after {frames} packets: {reason}"));
        }
    }
}

impl Source for Ledger<'_> {
    fn pull(&mut self, batch: &mut Batch) -> Pull {
        let pull = self.source.pull(batch);
        match &pull {
            Pull::Filled => self.note(batch),
            Pull::Trouble(trouble) => self.note_trouble(trouble),
            Pull::Idle | Pull::End => {}
        }
        pull
    }
}

/// Where an input stands in the ledger, and what it is on the disk or why nobody knows.
type Hashed = (usize, Result<Fingerprint, String>);

/// The thread that hashes.
struct Hasher {
    wanted: Sender<(usize, Arc<Path>, Metadata)>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Hashed>>,
}

impl Hasher {
    fn start() -> io::Result<Self> {
        let (wanted, asked) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("ledger".into()).spawn(move || hash_all(&asked, &stopped))?;
        Ok(Self { wanted, stop, thread })
    }

    /// Asks for a file; what is none is left out, and what is gone tells the reader.
    fn ask(&self, place: usize, path: &Arc<Path>) {
        if path.as_ref() != Path::new("-")
            && let Ok(meta) = fs::metadata(path)
            && meta.is_file()
        {
            // The thread ends only after this sender.
            let _ = self.wanted.send((place, Arc::clone(path), meta));
        }
    }

    fn finish(self, stopped: bool) -> Vec<Hashed> {
        self.stop.store(stopped, Ordering::Relaxed);
        drop(self.wanted);
        self.thread.join().unwrap_or_default()
    }
}

fn hash_all(asked: &Receiver<(usize, Arc<Path>, Metadata)>, stop: &AtomicBool) -> Vec<Hashed> {
    let mut buffer = vec![0; 1 << 20];
    let mut all = Vec::new();
    for (place, path, meta) in asked {
        match hash(&path, &meta, &mut buffer, stop) {
            Ok(Some(fingerprint)) => all.push((place, fingerprint)),
            Ok(None) => {}
            Err(why) => all.push((place, Err(format!("it cannot be hashed: {why}")))),
        }
    }
    all
}

/// Hashes one file; `None` when it was stopped.
fn hash(
    path: &Path,
    meta: &Metadata,
    buffer: &mut [u8],
    stop: &AtomicBool,
) -> io::Result<Option<Result<Fingerprint, String>>> {
    let mut file = File::open(path)?;
    let (mut sha, mut bytes) = (Sha256::new(), 0);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let read = match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(why) => return Err(why),
        };
        sha.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
    let now = file.metadata()?;
    if now.len() != meta.len() || now.modified().ok() != meta.modified().ok() || bytes != now.len() {
        return Ok(Some(Err("the file changed while it was read: there is no hash of what was".to_owned())));
    }
    let sha256 = sha.finalize();
    let sha256 = sha256.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let sha256 = sha256.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    Ok(Some(Ok(Fingerprint { bytes, sha256 })))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::source::{Archive, LinkType, Order, Sizes, write::PcapWriter};

    /// Reads captures (by name, with a frame at each of these seconds) into a ledger.
    fn read(folder: &Path, captures: &[(&str, &[i64])]) -> Vec<Input> {
        for (name, seconds) in captures {
            let mut file = PcapWriter::new(LinkType(1), false, false);
            for second in *seconds {
                file.frame(Time(second * Time::SECOND), 60, &[0; 60]);
            }
            fs::write(folder.join(name), file.bytes()).unwrap();
        }
        let paths: Vec<PathBuf> = captures.iter().map(|(name, _)| folder.join(name)).collect();
        drain(&paths, false)
    }

    fn drain(paths: &[PathBuf], stopped: bool) -> Vec<Input> {
        let mut archive = Archive::open(paths, Order::Given, Sizes::default());
        let mut ledger = Ledger::of(&mut archive).unwrap();
        let mut batch = Batch::default();
        while !matches!(ledger.pull(&mut batch), Pull::End) {}
        ledger.finish(stopped)
    }

    #[test]
    fn packets_span_and_gaps_are_noted_for_each_input() {
        let folder = tempfile::tempdir().unwrap();
        let inputs = read(folder.path(), &[("a", &[10, 11, 12, 100]), ("b", &[3_000, 3_060])]);
        let seconds = |(from, to): (Time, Time)| (from.0 / Time::SECOND, to.0 / Time::SECOND);
        let row = |input: &Input| {
            let gaps: Vec<_> = input.gaps.iter().copied().map(seconds).collect();
            (input.packets, input.span.map(seconds), gaps)
        };
        assert_eq!(row(&inputs[0]), (4, Some((10, 100)), vec![(12, 100)]));
        assert_eq!(row(&inputs[1]), (2, Some((3_000, 3_060)), vec![(100, 3_000)]));
        assert!(inputs.iter().all(|input| input.errors.is_empty() && input.more_gaps == 0));
    }

    #[test]
    fn endless_gaps_are_counted_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let seconds: Vec<i64> = (0..300).map(|n| n * 100).collect();
        let inputs = read(folder.path(), &[("a", &seconds)]);
        assert_eq!((inputs[0].gaps.len(), inputs[0].more_gaps), (LISTED, 299 - LISTED as u64));
    }

    #[test]
    fn the_hash_is_that_of_the_whole_file_damaged_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("abc"), "abc").unwrap();
        let inputs = drain(&[path("abc"), path("gone")], false);
        let file = inputs[0].file.as_ref().unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((file.bytes, inputs[0].errors.len()), (3, 1));
        assert!(inputs[0].errors[0].starts_with("at byte 0, after 0 packets: "), "{inputs:?}");
        assert!(inputs[1].file.is_none() && inputs[1].errors[0].contains("No such file"), "{inputs:?}");
    }

    #[test]
    fn a_file_that_changes_meanwhile_has_no_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        let meta = fs::metadata(&path).unwrap();
        fs::write(&path, "abcd").unwrap();
        let hashed = hash(&path, &meta, &mut [0; 8], &AtomicBool::new(false)).unwrap();
        assert!(hashed.unwrap().unwrap_err().contains("changed while it was read"));
        assert!(hash(&path, &meta, &mut [0; 8], &AtomicBool::new(true)).unwrap().is_none());
    }
}
