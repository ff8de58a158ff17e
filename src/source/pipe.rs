//! Reads a pipe on a thread of its own, so that nobody has to wait for it who may be asked to end.
//!
//! In: what may keep its reader waiting for ever. Out: the same bytes; where none have come for a moment, [`io::ErrorKind::WouldBlock`], after
//! which more may come. Whoever has some already hears it at once: what is there is not to wait for what is not.
//! Must not know what it reads. The thread ends with the pipe, or with the program.
//! Read next: `reader.rs` (who ends a batch early), `ahead.rs` (what is unpacked).

use std::{
    io::{self, ErrorKind, Read},
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

/// Handed over at once, at the most: as much as a pipe holds.
const PORTION: usize = 64 << 10;

/// So many wait at the most.
const PORTIONS: usize = 4;

/// So long a silence is waited for.
const MOMENT: Duration = Duration::from_millis(100);

/// The reader's end.
pub(super) struct Pipe {
    portions: Receiver<io::Result<Vec<u8>>>,
    current: Vec<u8>,
    read: usize,
    /// Something came since it was last found empty.
    fed: bool,
    ended: bool,
}

impl Pipe {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn new(mut from: Box<dyn Read + Send>) -> io::Result<Self> {
        let (full, portions) = sync_channel(PORTIONS);
        let work = move || {
            let mut buffer = vec![0; PORTION];
            loop {
                let portion = match from.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(more) => Ok(buffer.get(..more).unwrap_or_default().to_vec()),
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = portion.is_err();
                if full.send(portion).is_err() || failed {
                    return;
                }
            }
        };
        thread::Builder::new().name("pipe".into()).spawn(work)?;
        Ok(Self { portions, current: Vec::new(), read: 0, fed: false, ended: false })
    }

    /// The next portion; none at the end.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let next = if self.fed {
            self.portions.try_recv().map_err(|error| error == TryRecvError::Empty)
        } else {
            self.portions.recv_timeout(MOMENT).map_err(|error| error == RecvTimeoutError::Timeout)
        };
        self.fed = next.is_ok();
        match next {
            Ok(portion) => portion.map(Some),
            Err(true) => Err(ErrorKind::WouldBlock.into()),
            Err(false) => Ok(None),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.read == self.current.len() && !self.ended {
            match self.next()? {
                Some(portion) => (self.current, self.read) = (portion, 0),
                None => self.ended = true,
            }
        }
        let mut rest = self.current.get(self.read..).unwrap_or_default();
        let more = rest.read(to)?;
        self.read += more;
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Waits until somebody writes to it.
    struct Slow(Receiver<&'static [u8]>);

    impl Read for Slow {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let Ok(bytes) = self.0.recv() else { return Ok(0) };
            to[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    fn pipe() -> (Sender<&'static [u8]>, Pipe) {
        let (into, from) = channel();
        (into, Pipe::new(Box::new(Slow(from))).unwrap())
    }

    #[test]
    fn a_silent_pipe_keeps_nobody_waiting_and_loses_nothing() {
        let (into, mut pipe) = pipe();
        let mut room = [0; 4];
        assert_eq!(pipe.read(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
        into.send(b"abcdef").unwrap();
        assert_eq!((pipe.read(&mut room).unwrap(), &room), (4, b"abcd"));
        assert_eq!((pipe.read(&mut room).unwrap(), &room[..2]), (2, &b"ef"[..]));
        assert_eq!(pipe.read(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(into);
        assert_eq!((pipe.read(&mut room).unwrap(), pipe.read(&mut room).unwrap()), (0, 0));
    }
}
