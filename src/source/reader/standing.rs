//! Where in a capture its reader stands between two batches, and how another comes to stand there.
//!
//! In: a reader that has read so far. Out: the byte behind the last whole record, how the file is framed, how many frames there were.
//! What was read ahead of that byte is read again. A plain file is sought; a compressed one is unpacked up to there.
//! Read next: `cut/standing.rs` (the framing).

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use super::{Dialect, Input, Reader, State as Progress};
use crate::checkpoint::{Kept, Reader as State, Unfit, Writer};

impl Kept for Reader {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        // What is carried over lies behind the byte.
        let Self { input: _, path: _, sizes: _, length: _, offset, used, frames, carry: _, dialect, state } = self;
        to.put(&(offset, used, frames))?;
        match state {
            Progress::Reading => to.put(&Option::<Option<&str>>::None)?,
            Progress::Failed(reason) => to.put(&Some(Some(reason)))?,
            Progress::Done => to.put(&Some(Option::<&str>::None))?,
        }
        to.put(&dialect.is_some())?;
        dialect.iter().try_for_each(|dialect| dialect.keep(to))
    }

    fn resume(&mut self, from: &mut State<'_>) -> Result<(), Unfit> {
        (self.offset, self.used, self.frames) = from.take()?;
        self.state = match from.take::<Option<Option<String>>>()? {
            None => Progress::Reading,
            Some(None) => Progress::Done,
            Some(Some(reason)) => Progress::Failed(reason),
        };
        self.dialect = if from.take()? { Some(Dialect::taken_up(from)?) } else { None };
        if let Progress::Reading = self.state {
            self.go_there().map_err(|error| {
                Unfit::Input(format!("{}: cannot go on at byte {}: {error}", self.path.display(), self.offset))
            })?;
        }
        Ok(())
    }
}

impl Reader {
    /// Leads the input to the byte at which the walk stands.
    fn go_there(&mut self) -> io::Result<()> {
        match &mut self.input {
            Input::Plain(input) => {
                let mut file = File::open(&self.path)?;
                file.seek(SeekFrom::Start(self.offset))?;
                *input = Box::new(file);
            }
            packed => {
                let passed = io::copy(&mut packed.by_ref().take(self.offset), &mut io::sink())?;
                if passed < self.offset {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok(())
    }
}
