//! Frames of lz4, one behind the other, as `lz4` and `cat` make them.
//!
//! In: bytes. Out: what the frames pack. Steps over skippable frames, and tells a file that is
//! cut between two blocks, which the decoder of one frame takes for an end.
//! Must not know limits: a frame needs 12 MiB at the most, whatever it says.
//! Source: the lz4 frame format 1.6.
//! Read next: `packed.rs`, whose part this is.

#![allow(clippy::disallowed_types)]

use std::io::{self, BufRead, ErrorKind, Read};

use lz4_flex::frame::FrameDecoder;

/// Begins a frame.
const FRAME: u32 = 0x184d_2204;
const MAGIC: [u8; 4] = FRAME.to_le_bytes();
/// Begin a frame to be stepped over, by their upper 28 bits.
const SKIPPABLE: u32 = 0x184d_2a50;

/// All frames of a file.
pub(super) struct Frames<R: BufRead> {
    at: At<R>,
}

/// Where in the file.
enum At<R: BufRead> {
    /// Between two frames.
    Border(Watched<R>),
    /// In a frame. In a box, for it is large.
    Frame(Box<FrameDecoder<Watched<R>>>),
    /// Behind the last, or where nothing can be read any more.
    End,
}

impl<R: BufRead> Frames<R> {
    /// The frames of `file` from its first byte on.
    pub(super) fn new(file: R) -> Self {
        Self { at: At::Border(Watched { file, head: &[], ended: false }) }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Should reading fail, this is where it stays.
            match std::mem::replace(&mut self.at, At::End) {
                At::Border(file) => self.at = enter(file)?,
                At::Frame(mut frame) => {
                    let more = frame.read(buffer)?;
                    if more > 0 || buffer.is_empty() {
                        self.at = At::Frame(frame);
                        return Ok(more);
                    }
                    let file = frame.into_inner();
                    if file.ended {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    self.at = At::Border(file);
                }
                At::End => return Ok(0),
            }
        }
    }
}

/// Goes over to the next frame, or to the end.
fn enter<R: BufRead>(mut file: Watched<R>) -> io::Result<At<R>> {
    while !file.file.fill_buf()?.is_empty() {
        let mut magic = [0; 4];
        file.read_exact(&mut magic)?;
        match u32::from_le_bytes(magic) {
            FRAME => {
                // The decoder wants to see it too.
                file.head = &MAGIC;
                return Ok(At::Frame(Box::new(FrameDecoder::new(file))));
            }
            word if word & !0xf == SKIPPABLE => {
                let mut length = [0; 4];
                file.read_exact(&mut length)?;
                let length = u64::from(u32::from_le_bytes(length));
                if io::copy(&mut file.by_ref().take(length), &mut io::sink())? < length {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "what follows is no lz4 frame")),
        }
    }
    Ok(At::End)
}

/// A file, and whether somebody read on at its end.
struct Watched<R> {
    file: R,
    /// To be read before the file goes on.
    head: &'static [u8],
    ended: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.head.is_empty() {
            return self.head.read(buffer);
        }
        let more = self.file.read(buffer)?;
        self.ended |= more == 0 && !buffer.is_empty();
        Ok(more)
    }
}
