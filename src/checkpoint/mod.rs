//! How a stage's memory is written down and taken up again, for runs that go on where an earlier one stopped.
//!
//! In: what a stage remembers. Out: bytes; and from bytes the same memory again, to the last detail that could show in
//! an event. A stage says itself what it keeps ([`Kept`]): it writes the plain data, and takes it up into a fresh one of
//! the same settings, so that what follows from settings (keys, thresholds, sizes of tables) is never read from a file.
//! A state is input like any other: each length is compared with the table that it is for, and nothing is allocated
//! beyond it. Must not know files, nor which stages there are.
//! Source: the format is postcard's (varints, no names), so that every change of a type is another format: a state is read by
//! the version that wrote it alone.
//! Read next: `roomy.rs`; `engine/checkpoint.rs` (the file), `cells/mod.rs` (who keeps the most).

pub mod roomy;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// A stage, or a part of one, whose memory outlives the run.
pub trait Kept {
    /// Writes down what it remembers. Take `self` apart field by field, without `..`: a new field then cannot be forgotten.
    ///
    /// # Errors
    /// What the writer says.
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()>;

    /// Takes up what one of the same settings has written. After an error it is good for nothing.
    ///
    /// # Errors
    /// It does not fit.
    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit>;
}

/// Why a state cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The bytes are not what a state has at this place.
    #[error("it is damaged")]
    Damaged,
    /// A table has another size than this run's, or numbers contradict each other.
    #[error("it does not fit: {0}")]
    Other(&'static str),
    /// The input cannot be read from there on, in words.
    #[error("{0}")]
    Input(String),
}

/// Bytes that are gathered before they are handed on.
const PORTION: usize = 256 << 10;

/// Where a state is written.
pub struct Writer<'a> {
    to: &'a mut dyn Write,
    gathered: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Writes to this.
    pub fn new(to: &'a mut dyn Write) -> Self {
        Self { to, gathered: Vec::with_capacity(PORTION) }
    }

    /// Writes a value. A slice brings its length.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered = postcard::to_extend(value, gathered).map_err(io::Error::other)?;
        if self.gathered.len() >= PORTION { self.pass_on() } else { Ok(()) }
    }

    /// Writes what goes through an iterator of known length, as [`Reader::list`] reads it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn list<T: Serialize>(&mut self, items: impl ExactSizeIterator<Item = T>) -> io::Result<()> {
        self.put(&items.len())?;
        items.into_iter().try_for_each(|item| self.put(&item))
    }

    /// Hands on what was gathered.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn finish(mut self) -> io::Result<()> {
        self.pass_on()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        self.to.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

/// What is left to read of a state.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads these.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether all was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Reads a value of bounded size: no vector may be in it but such as bound themselves (`roomy.rs`) or are read
    /// from as many bytes as they take.
    ///
    /// # Errors
    /// It is none.
    pub fn take<T: Deserialize<'a>>(&mut self) -> Result<T, Unfit> {
        let (value, rest) = postcard::take_from_bytes(self.bytes).map_err(|_| Unfit::Damaged)?;
        self.bytes = rest;
        Ok(value)
    }

    /// Reads a table of a fixed size in its place.
    ///
    /// # Errors
    /// It has another size.
    pub fn fill<T: Deserialize<'a>>(&mut self, table: &mut [T]) -> Result<(), Unfit> {
        if self.take::<usize>()? != table.len() {
            return Err(Unfit::Other("a table has another size"));
        }
        table.iter_mut().try_for_each(|place| {
            *place = self.take()?;
            Ok(())
        })
    }

    /// Reads a list of `most` things at most, one after the other.
    ///
    /// # Errors
    /// It is longer, or one of them is none.
    pub fn list<L>(&mut self, most: usize) -> Result<L, Unfit>
    where
        L: Default + IntoIterator<Item: Deserialize<'a>> + Extend<L::Item>,
    {
        let length = self.length(most)?;
        let mut list = L::default();
        for _ in 0..length {
            list.extend([self.take::<L::Item>()?]);
        }
        Ok(list)
    }

    /// Reads how many things follow: `most` at most.
    ///
    /// # Errors
    /// They are more.
    pub fn length(&mut self, most: usize) -> Result<usize, Unfit> {
        let length = self.take::<usize>()?;
        if length > most { Err(Unfit::Other("a list is longer than it may be")) } else { Ok(length) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>) -> io::Result<()>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        write(&mut writer).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn what_was_written_is_read_again_in_the_same_order() {
        let bytes = written(|to| {
            to.put(&7_u64)?;
            to.put([1_u32, 2, 300].as_slice())?;
            to.list([(1_u8, "a"), (2, "b")].into_iter())
        });
        let mut from = Reader::new(&bytes);
        let mut table = [0_u32; 3];
        assert_eq!(from.take::<u64>(), Ok(7));
        from.fill(&mut table).unwrap();
        assert_eq!(
            (table, from.list::<Vec<(u8, String)>>(2)),
            ([1, 2, 300], Ok(vec![(1, "a".into()), (2, "b".into())]))
        );
        assert!(from.is_at_end());
        assert_eq!(from.take::<u8>(), Err(Unfit::Damaged));
    }

    #[test]
    fn lengths_are_compared_before_anything_is_made() {
        let bytes = written(|to| to.put([1_u8; 9].as_slice()));
        assert_eq!(Reader::new(&bytes).fill(&mut [0_u8; 8]), Err(Unfit::Other("a table has another size")));
        let too_long = Err(Unfit::Other("a list is longer than it may be"));
        assert_eq!(Reader::new(&bytes).list::<Vec<u8>>(8), too_long);
        let endless = written(|to| to.put(&u64::MAX));
        assert_eq!(Reader::new(&endless).list::<Vec<u8>>(1 << 20), too_long);
    }
}
