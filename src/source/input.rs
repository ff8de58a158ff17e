//! What a reader reads: a file as it is, or what a compressed one packs.
//!
//! In: an open file or pipe. Out: bytes, and how much of the file they took when that is not
//! the same. Plain files pass through without a copy.
//! Must not know formats beyond their magic numbers, nor who reads.
//! Read next: `packed.rs`, `ahead.rs`; `reader.rs` (who reads).

use std::io::{self, Cursor, Read};

use super::{
    ahead::Ahead,
    magic::{self, Format},
    packed::{Limits, Packed},
    reader::read_full,
};

/// The bytes of a capture.
pub(super) enum Input {
    Plain(Box<dyn Read + Send>),
    Packed(Packed),
    Ahead(Ahead),
}

/// How compressed files are to be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpack {
    /// On a thread of its own: the whole file will be read, and no other at the same time.
    Ahead,
    /// As far as it is asked for, and with little memory: many files may be open.
    Here,
}

impl Input {
    /// Looks at the first bytes of `file` to tell whether it is compressed.
    ///
    /// # Errors
    /// It cannot be read, or there is no memory or thread for a decoder.
    pub(super) fn new(mut file: Box<dyn Read + Send>, unpack: Unpack) -> io::Result<Self> {
        let mut head = [0; magic::ENOUGH];
        let have = read_full(&mut file, &mut head)?;
        let head = head.get(..have).unwrap_or_default();
        let format = magic::recognise(head);
        let whole = Cursor::new(head.to_vec()).chain(file);
        let Ok(Format::Packed(packing)) = format else { return Ok(Self::Plain(Box::new(whole))) };
        Ok(match unpack {
            Unpack::Ahead => Self::Ahead(Ahead::new(Packed::new(packing, whole, Limits::ALONE)?)?),
            Unpack::Here => Self::Packed(Packed::new(packing, whole, Limits::AMONG_MANY)?),
        })
    }

    /// Bytes of the file that were used up; `None` when they are those that were read.
    pub(super) fn used(&self) -> Option<u64> {
        match self {
            Self::Plain(_) => None,
            Self::Packed(packed) => Some(packed.used()),
            Self::Ahead(ahead) => Some(ahead.used()),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(packed) => packed.read(buffer),
            Self::Ahead(ahead) => ahead.read(buffer),
        }
    }
}
