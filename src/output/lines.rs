//! The file that gets a stream processor's lines, on a thread of its own.
//!
//! In: lines, one by one. Out: the same at the end of a file; at the end of the run, how many came there. `read` waits
//! when the disk is slow; `watch` never does: what there is no room for is lost and counted.
//! Must not know what stands in a line.
//! Read next: `queue.rs` (how events wait).

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use super::OutputStats;

/// Lines that may wait.
const CAPACITY: usize = 4_096;

/// What the thread is told.
enum Told {
    Line(String),
    Reopen,
}

/// A file for lines.
#[derive(Debug)]
pub struct Lines {
    name: String,
    live: bool,
    to: SyncSender<Told>,
    thread: thread::JoinHandle<(u64, Option<String>)>,
    told: u64,
}

impl Lines {
    /// Opens the file at its end, or makes it.
    ///
    /// # Errors
    /// It cannot be opened: why, for a person.
    pub fn open(name: &str, path: &Path, live: bool) -> Result<Self, String> {
        let why = |error: io::Error| format!("{}: {error}", path.display());
        let file = append(path).map_err(why)?;
        let (to, told) = sync_channel(CAPACITY);
        let path = path.to_owned();
        let thread = thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || work(file, &path, &told)).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), live, to, thread, told: 0 })
    }

    /// One more line.
    pub fn tell(&mut self, line: String) {
        self.told += 1;
        let told = Told::Line(line);
        // What does not come to the file is missing from the count of those that did.
        if self.live { drop(self.to.try_send(told)) } else { drop(self.to.send(told)) }
    }

    /// The file may have been put away: goes on in a new one.
    pub fn reopen(&mut self) {
        // One that is whose queue is full gets to it with the next signal; one that is over has said why.
        drop(self.to.try_send(Told::Reopen));
    }

    /// Waits until all is written.
    pub fn finish(self) -> OutputStats {
        drop(self.to);
        let (delivered, error) = self.thread.join().unwrap_or((0, Some("its thread died".to_owned())));
        let dropped = self.told.saturating_sub(delivered);
        OutputStats { name: self.name, delivered, dropped, rejected: 0, withheld: 0, error }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Writes until nobody tells any more; how many lines came to the file, and why it was not all.
fn work(file: File, path: &Path, told: &Receiver<Told>) -> (u64, Option<String>) {
    let (mut to, mut written, mut safe) = (BufWriter::new(file), 0, 0);
    let mut write = || -> io::Result<()> {
        while let Ok(first) = told.recv() {
            for told in std::iter::once(first).chain(told.try_iter()) {
                match told {
                    Told::Line(line) => {
                        writeln!(to, "{line}")?;
                        written += 1;
                    }
                    Told::Reopen => {
                        to.flush()?;
                        // Who may no longer open it goes on with the old one.
                        if let Ok(file) = append(path) {
                            to = BufWriter::new(file);
                        }
                    }
                }
            }
            to.flush()?;
            safe = written;
        }
        Ok(())
    };
    let error = write().err().map(|error| format!("{}: {error}", path.display()));
    (safe, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_to_the_end_of_the_file_and_to_a_new_one_when_it_was_put_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("a.jsonl"), folder.path().join("a.jsonl.1"));
        std::fs::write(&path, "before\n").unwrap();
        let mut lines = Lines::open("test", &path, false).unwrap();
        (0..10_000).for_each(|n| lines.tell(n.to_string()));
        std::fs::rename(&path, &old).unwrap();
        lines.reopen();
        let stats = lines.finish();
        assert_eq!((stats.delivered, stats.dropped, stats.error), (10_000, 0, None));
        let text = std::fs::read_to_string(old).unwrap();
        assert!(text.starts_with("before\n0\n1\n") && text.ends_with("\n9999\n"), "{}", text.len());
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_said() {
        assert!(Lines::open("test", Path::new("/nowhere/at/all"), false).unwrap_err().contains("/nowhere/at/all"));
        let mut lines = Lines::open("test", Path::new("/dev/full"), false).unwrap();
        lines.tell("lost".to_owned());
        let stats = lines.finish();
        assert_eq!((stats.delivered, stats.dropped), (0, 1));
        assert!(stats.error.unwrap().contains("/dev/full"));
    }
}
