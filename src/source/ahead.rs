//! Unpacks on a thread of its own, a few buffers ahead of who reads.
//!
//! In: a compressed file, and how many buffers there may be. Out: the same bytes, and how much of the file those took
//! that were handed over so far, so that a progress bar does not run ahead. No more buffers wait than were granted: a slow
//! reader, or one that is still at another file, holds the thread up, and a reader that goes away ends it.
//! Must not know what is unpacked. Not part of the pool: it waits, which no worker may.
//! Read next: `packed.rs` (the work), `input.rs` (who decides that there is a thread).

use std::{
    io::{self, Read},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::{self, JoinHandle},
};

use super::{packed::Packed, reader::read_full};

/// Handed over at once: as much as a reader asks for.
pub(super) const BUFFER: usize = 256 << 10;
/// One to be filled while another is emptied, and one to spare for when either hesitates.
pub(super) const FEWEST: usize = 3;

/// What the thread hands over.
struct Portion {
    buffer: Vec<u8>,
    /// How much of it is filled; 0 at the end.
    filled: usize,
    /// Bytes of the file used up by then.
    used: u64,
    /// Why there is no more.
    failed: Option<String>,
    /// Its window was larger than it may be.
    starved: bool,
}

/// The reader's end.
pub(super) struct Ahead {
    portions: Receiver<Portion>,
    empty: SyncSender<Vec<u8>>,
    /// What is being read, and how much of it was.
    current: Portion,
    read: usize,
    /// How much memory it may take in all.
    held: u64,
    /// Until it has ended.
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts the thread, which has so many buffers; what `packed` takes beside them is `window`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(mut packed: Packed, window: u64, buffers: usize) -> io::Result<Self> {
        let buffers = buffers.max(FEWEST);
        let (full, portions) = sync_channel(buffers);
        let (empty, to_fill) = sync_channel::<Vec<u8>>(buffers);
        let work = move || {
            // The reader holds one, which is still empty.
            let mut made = 1;
            // What comes back is warm: more are made only while the reader is behind, or at another file.
            while let Some(mut buffer) = match to_fill.try_recv() {
                Ok(buffer) => Some(buffer),
                Err(TryRecvError::Empty) if made < buffers => {
                    made += 1;
                    Some(Vec::new())
                }
                Err(_) => to_fill.recv().ok(),
            } {
                buffer.resize(BUFFER, 0);
                let (filled, failed) = match read_full(&mut packed, &mut buffer) {
                    Ok(filled) => (filled, None),
                    Err(error) => (0, Some(error.to_string())),
                };
                let (used, starved) = (packed.used(), packed.is_starved());
                if full.send(Portion { buffer, filled, used, failed, starved }).is_err() || filled == 0 {
                    break;
                }
            }
        };
        let thread = Some(thread::Builder::new().name("unpack".into()).spawn(work)?);
        let current = Portion { buffer: Vec::new(), filled: 0, used: 0, failed: None, starved: false };
        Ok(Self { portions, empty, current, read: 0, held: window + (buffers * BUFFER) as u64, thread })
    }

    /// Ends before its file does, and is not gone before all memory is given back. Not for a pipe: the thread may be
    /// waiting for it.
    pub(super) fn end(self) {
        let Self { portions, empty, thread, .. } = self;
        drop((portions, empty));
        wait(thread);
    }

    /// How much memory it takes at the most.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether it failed for a window that is larger than was allowed.
    pub(super) fn is_starved(&self) -> bool {
        self.current.failed.is_some() && self.current.starved
    }

    /// Bytes of the file used up for what was read so far.
    pub(super) fn used(&self) -> u64 {
        self.current.used
    }
}

/// Waits for the end of the thread, if that is still to come.
fn wait(thread: Option<JoinHandle<()>>) {
    if let Some(thread) = thread {
        // Should it have panicked, it has sent no end, which is noticed.
        let _ = thread.join();
    }
}

impl Read for Ahead {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.read == self.current.filled {
            match self.portions.recv() {
                Ok(next) => {
                    let spent = std::mem::replace(&mut self.current, next);
                    // Nobody takes it when the file is at its end.
                    let _ = self.empty.send(spent.buffer);
                    self.read = 0;
                    if self.current.filled == 0 {
                        // The thread is about to end: the next file shall not take memory before this one has given back
                        // its own.
                        wait(self.thread.take());
                    }
                }
                // It never goes away without a word.
                Err(_) if self.thread.is_some() => return Err(io::Error::other("unpacking broke off")),
                Err(_) => {}
            }
        }
        if let Some(failed) = &self.current.failed {
            return Err(io::Error::other(failed.clone()));
        }
        let mut rest = self.current.buffer.get(self.read..self.current.filled).unwrap_or_default();
        let more = rest.read(to)?;
        self.read += more;
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Cursor,
        iter::Cycle,
        sync::mpsc::{Sender, channel},
        vec::IntoIter,
    };

    use super::*;
    use crate::source::packed::{Limits, Packing, tests::pack};

    /// A file that never ends, and tells when nobody has it any more.
    struct Endless {
        member: Cycle<IntoIter<u8>>,
        _told: Sender<()>,
    }

    impl Read for Endless {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            to.iter_mut().zip(&mut self.member).for_each(|(to, byte)| *to = byte);
            Ok(to.len())
        }
    }

    fn ahead(file: Vec<u8>) -> Ahead {
        Ahead::new(Packed::new(Packing::Gzip, Cursor::new(file), Limits::of(1 << 20)).unwrap(), 0, FEWEST).unwrap()
    }

    #[test]
    fn all_comes_in_order_and_the_count_does_not_run_ahead() {
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let file = pack(Packing::Gzip, &bytes);
        let length = file.len() as u64;
        let mut ahead = ahead(file);
        let mut first = vec![0; 1_000];
        ahead.read_exact(&mut first).unwrap();
        assert!((1..length / 2).contains(&ahead.used()), "{} of {length}", ahead.used());
        let mut rest = Vec::new();
        ahead.read_to_end(&mut rest).unwrap();
        assert_eq!((first.len() + rest.len(), ahead.used()), (bytes.len(), length));
        assert!(bytes.starts_with(&first) && bytes.ends_with(&rest));
    }

    #[test]
    fn an_error_comes_behind_what_is_before_it_and_stays() {
        let bytes = vec![7; 1_000_000];
        let mut file = pack(Packing::Gzip, &bytes);
        file.truncate(file.len() - 1);
        let mut ahead = ahead(file);
        let mut out = Vec::new();
        assert!(ahead.read_to_end(&mut out).unwrap_err().to_string().contains("is cut"));
        assert_eq!(out.len(), bytes.len());
        assert!(ahead.read(&mut [0; 10]).is_err());
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_thread() {
        let (told, end) = channel();
        let endless = Endless { member: pack(Packing::Gzip, b"on and on").into_iter().cycle(), _told: told };
        let packed = Packed::new(Packing::Gzip, endless, Limits::of(1 << 20)).unwrap();
        drop(Ahead::new(packed, 0, FEWEST).unwrap());
        assert!(end.recv().is_err(), "the file is let go of");
    }
}
