//! Writes a batch as whole lines, even where the destination takes only part of it.
//!
//! In: records and anything that is [`Write`]. Out: each record's text and a newline, in one
//! write call a batch. A full disk or a stuffed pipe may cut a batch, and a line, in two: the
//! host gives the batch again, and the rest of it goes out, so that a reader meets no line twice
//! and none that is broken for good.
//! Must not know whether the destination is a file, a pipe or a socket.
//!
//! Read next: `output.rs` (the contract this helps to keep).

use std::io::{Error, ErrorKind, Result, Write};

use crate::output::Record;

/// The batch at hand, and how much of it went out.
#[derive(Debug, Default)]
pub struct WholeLines {
    /// Empty between two batches; reused.
    buffer: Vec<u8>,
    taken: usize,
    begin_new_line: bool,
}

impl WholeLines {
    /// Writes the batch, with as few calls as `to` allows; after an error, the rest of it.
    ///
    /// # Errors
    /// What `to` said. Any number of whole lines may have been written, and part of one; call
    /// again with the same batch.
    pub fn write(&mut self, batch: &[Record], to: &mut impl Write) -> Result<()> {
        if self.buffer.is_empty() && !batch.is_empty() {
            if std::mem::take(&mut self.begin_new_line) {
                self.buffer.push(b'\n');
            }
            for record in batch {
                self.buffer.extend_from_slice(record.line.as_bytes());
                self.buffer.push(b'\n');
            }
        }
        while let Some(left) = self.buffer.get(self.taken..).filter(|left| !left.is_empty()) {
            match to.write(left) {
                Ok(0) => return Err(Error::from(ErrorKind::WriteZero)),
                Ok(taken) => self.taken += taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.taken = 0;
        Ok(())
    }

    /// Begins the next batch on a new line: the destination ends in the middle of one, which
    /// somebody else left behind.
    pub fn begin_new_line(&mut self) {
        self.begin_new_line = true;
    }

    /// After an error: how many bytes of an unfinished line stand at the end of the destination.
    pub fn unfinished(&self) -> usize {
        let out = self.buffer.get(..self.taken).unwrap_or_default();
        out.iter().rev().take_while(|byte| **byte != b'\n').count()
    }

    /// The unfinished line was taken off the destination, or goes on at another one: it goes out
    /// again from its beginning.
    pub fn take_back(&mut self) {
        self.taken -= self.unfinished();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sample_events;

    /// Takes `room` bytes, in pieces of at most three, then fails.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            let size = bytes.len().min(3).min(self.room);
            if size == 0 {
                return Err(Error::from(ErrorKind::StorageFull));
            }
            self.room -= size;
            self.taken.extend_from_slice(&bytes[..size]);
            Ok(size)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn batch() -> Vec<Record> {
        let event = Arc::new(sample_events().remove(0));
        ["alpha", "beta", "gamma"].map(|line| Record { event: event.clone(), line: line.into() }).into()
    }

    const WHOLE: &str = "alpha\nbeta\ngamma\n";

    #[test]
    fn wherever_a_write_breaks_off_a_reader_meets_each_line_once() {
        for first in 0..=WHOLE.len() {
            for second in 0..=WHOLE.len() - first {
                let mut lines = WholeLines::default();
                let mut to = Narrow { taken: Vec::new(), room: 0 };
                for room in [first, second, usize::MAX] {
                    to.room = room;
                    let broke = lines.write(&batch(), &mut to).is_err();
                    assert_eq!(broke, to.taken.len() < WHOLE.len());
                    if !broke {
                        break;
                    }
                }
                assert_eq!(String::from_utf8(to.taken).unwrap(), WHOLE);
                to = Narrow { taken: Vec::new(), room: usize::MAX };
                lines.write(&batch(), &mut to).unwrap();
                assert_eq!(String::from_utf8(to.taken).unwrap(), WHOLE, "the next batch is its own");
            }
        }
    }

    #[test]
    fn an_unfinished_line_that_was_taken_off_goes_out_whole() {
        for room in 0..WHOLE.len() {
            let mut lines = WholeLines::default();
            let mut to = Narrow { taken: Vec::new(), room };
            lines.write(&batch(), &mut to).unwrap_err();
            to.taken.truncate(to.taken.len() - lines.unfinished());
            assert!(to.taken.is_empty() || to.taken.ends_with(b"\n"));
            lines.take_back();
            to.room = usize::MAX;
            lines.write(&batch(), &mut to).unwrap();
            assert_eq!(String::from_utf8(to.taken).unwrap(), WHOLE);
        }
    }

    #[test]
    fn a_line_that_somebody_left_unfinished_is_ended_first() {
        let mut lines = WholeLines::default();
        let mut to = b"half a li".to_vec();
        lines.begin_new_line();
        lines.write(&batch(), &mut to).unwrap();
        assert_eq!(to, b"half a li\nalpha\nbeta\ngamma\n");
    }
}
