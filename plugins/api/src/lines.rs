//! Writes a batch as whole lines, even where the destination takes only part of it.
//!
//! In: records and anything that is [`Write`]. Out: each record's text and a newline, in one
//! write call a batch. A full disk or a stuffed pipe may cut a line in two; the rest of that
//! line is kept and goes out first next time, so that a reader never meets a broken line (the
//! host gives the batch again, so it meets some lines twice).
//! Must not know whether the destination is a file, a pipe or a socket.
//!
//! Read next: `output.rs` (the contract this helps to keep).

use std::io::{Error, ErrorKind, Result, Write};

use crate::output::Record;

/// The state between two batches: a reused buffer, and what remains of a cut line.
#[derive(Debug, Default)]
pub struct WholeLines {
    buffer: Vec<u8>,
    /// The rest of a line whose beginning was written, with its newline; mostly empty.
    cut: Vec<u8>,
}

impl WholeLines {
    /// Writes the batch, with as few calls as `to` allows.
    ///
    /// # Errors
    /// What `to` said. Any number of whole lines may have been written, and part of one; call
    /// again with the same batch.
    pub fn write(&mut self, batch: &[Record], to: &mut impl Write) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        self.buffer.append(&mut self.cut);
        let rest_of_cut = self.buffer.len();
        for record in batch {
            self.buffer.extend_from_slice(record.line.as_bytes());
            self.buffer.push(b'\n');
        }
        let mut left = self.buffer.as_slice();
        let outcome = loop {
            if left.is_empty() {
                break Ok(());
            }
            match to.write(left) {
                Ok(0) => break Err(Error::from(ErrorKind::WriteZero)),
                Ok(taken) => left = left.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let taken = self.buffer.len() - left.len();
        let within_a_line = match taken {
            0 => rest_of_cut > 0,
            _ => self.buffer.get(taken - 1) != Some(&b'\n'),
        };
        if outcome.is_err() && within_a_line {
            let end = left.iter().position(|byte| *byte == b'\n').map_or(left.len(), |at| at + 1);
            self.cut.extend(left.iter().take(end));
        }
        outcome
    }

    /// Begins the next batch on a new line: the destination ends in the middle of one, which
    /// somebody else left behind.
    pub fn begin_new_line(&mut self) {
        self.cut = vec![b'\n'];
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

    #[test]
    fn wherever_a_write_breaks_off_a_reader_meets_whole_lines_only() {
        let whole = "alpha\nbeta\ngamma\n";
        for first in 0..=whole.len() {
            for second in 0..=whole.len() {
                let mut lines = WholeLines::default();
                let mut to = Narrow { taken: Vec::new(), room: first };
                let broke = lines.write(&batch(), &mut to).is_err();
                assert_eq!(broke, first < whole.len());
                to.room = second;
                let _ = lines.write(&batch(), &mut to);
                to.room = usize::MAX;
                lines.write(&batch(), &mut to).unwrap();
                let text = String::from_utf8(to.taken).unwrap();
                assert!(text.lines().all(|line| ["alpha", "beta", "gamma"].contains(&line)), "{text:?}");
                assert!(text.ends_with(whole), "{text:?}");
            }
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
