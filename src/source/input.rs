//! What a reader reads: a file as it is, or what a compressed one packs.
//!
//! In: an open file or pipe, and the memory there is. Out: bytes, and how much of the file they took when that is not
//! the same. Plain files pass through without a copy.
//! Must not know formats beyond their magic numbers, nor who reads.
//! Read next: `need.rs`, `packed.rs`, `ahead.rs`; `reader.rs` (who reads), `turns.rs` (who shares out the memory).

use std::io::{self, Cursor, Read};

use super::{
    ahead::{self, Ahead},
    magic::{self, Format},
    need,
    packed::{Limits, Packed, Packing},
    reader::read_full,
};

/// The bytes of a capture.
pub(super) enum Input {
    Plain(Box<dyn Read + Send>),
    Packed(Packed),
    /// `modest`: it was not given all of the memory.
    Ahead {
        ahead: Ahead,
        modest: bool,
    },
}

/// How compressed files are to be unpacked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unpack {
    /// On a thread of its own: the whole file will be read.
    Ahead(Room),
    /// As far as it is asked for: many files may be open, or only a beginning is wanted.
    Here(Limits),
}

impl Unpack {
    /// For a look at the first packets, of one file at a time.
    pub(super) const BEGINNING: Self = Self::Here(Limits::beginning(16 << 20));
}

/// What a file that is unpacked ahead may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// All that unpacking may take, if no other file were there.
    pub(super) memory: u64,
    /// Up to this much it takes buffers, for what it is ahead by.
    pub(super) share: u64,
    /// What the head of the file says is no matter: it may have all of the memory.
    pub(super) alone: bool,
}

/// What a decoder takes beside its window: its own tables, what it reads ahead of itself, a block or two.
const DECODER: u64 = 512 << 10;

/// A file of which no more than the first bytes was looked at.
pub(super) struct Opened {
    file: Box<dyn Read + Send>,
    /// If it is compressed, how, and the window that it asks for.
    packing: Option<(Packing, u64)>,
}

impl Opened {
    /// Looks at the first bytes of `file` to tell whether it is compressed.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn new(mut file: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut head = [0; need::ENOUGH];
        let have = read_full(&mut file, &mut head)?;
        let head = head.get(..have).unwrap_or_default();
        let packing = match magic::recognise(head) {
            Ok(Format::Packed(packing)) => Some((packing, need::window(packing, head))),
            _ => None,
        };
        Ok(Self { file: Box::new(Cursor::new(head.to_vec()).chain(file)), packing })
    }

    /// The least that it takes to unpack it ahead; nothing for a plain one.
    pub(super) fn need(&self) -> u64 {
        let fewest = (ahead::FEWEST * ahead::BUFFER) as u64;
        self.packing.map_or(0, |(_, window)| window.saturating_add(DECODER + fewest))
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// There is no memory or thread for a decoder.
    pub(super) fn begin(self, unpack: Unpack) -> io::Result<Input> {
        let Self { file, packing } = self;
        let Some((packing, window)) = packing else { return Ok(Input::Plain(file)) };
        let Room { memory, share, alone } = match unpack {
            Unpack::Here(limits) => return Ok(Input::Packed(Packed::new(packing, file, limits)?)),
            Unpack::Ahead(room) => room,
        };
        let (limits, window, modest) = match window {
            // It cannot be held to less than it takes, and that is no more than this.
            window if packing == Packing::Lz4 => (Limits::of(window), window, false),
            // It may still be short.
            window if window > memory => (Limits::beginning(memory), memory, false),
            _ if alone => (Limits::of(memory), memory, false),
            window => (Limits::of(window), window, window < memory),
        };
        let spare = share.saturating_sub(window + DECODER) / ahead::BUFFER as u64;
        let packed = Packed::new(packing, file, limits)?;
        let ahead = Ahead::new(packed, window + DECODER, usize::try_from(spare).unwrap_or(0))?;
        Ok(Input::Ahead { ahead, modest })
    }
}

impl Input {
    /// Looks at the first bytes of `file`, and begins to read it.
    ///
    /// # Errors
    /// It cannot be read, or there is no memory or thread for a decoder.
    pub(super) fn new(file: Box<dyn Read + Send>, unpack: Unpack) -> io::Result<Self> {
        Opened::new(file)?.begin(unpack)
    }

    /// Gives back what it took of a file, before anything else is begun.
    pub(super) fn end(self) {
        if let Self::Ahead { ahead, .. } = self {
            ahead.end();
        }
    }

    /// How much memory it takes at the most, if it is unpacked ahead.
    pub(super) fn held(&self) -> u64 {
        match self {
            Self::Plain(_) | Self::Packed(_) => 0,
            Self::Ahead { ahead, .. } => ahead.held(),
        }
    }

    /// Whether it was begun with less than all of the memory, and that was too little for a later part of the file.
    pub(super) fn is_starved(&self) -> bool {
        matches!(self, Self::Ahead { ahead, modest: true } if ahead.is_starved())
    }

    /// Bytes of the file that were used up; `None` when they are those that were read.
    pub(super) fn used(&self) -> Option<u64> {
        match self {
            Self::Plain(_) => None,
            Self::Packed(packed) => Some(packed.used()),
            Self::Ahead { ahead, .. } => Some(ahead.used()),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(packed) => packed.read(buffer),
            Self::Ahead { ahead, .. } => ahead.read(buffer),
        }
    }
}
