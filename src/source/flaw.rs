//! What can be wrong with a capture file, in words for the person who has it.
//!
//! In: what the framing found. Out: [`Flaw`], whose text ends up as the reason of a
//! [`Trouble`](super::Trouble). Small and `Copy`: it travels through the fast loops.
//! Must not know which file it is of, nor where in it.
//! Read next: `magic.rs`, `pcap.rs`, `pcapng.rs` (who finds them), `reader.rs` (who tells).

use std::fmt;

use thiserror::Error;

use super::packed::Packing;

/// Why a file, or the rest of one, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Flaw {
    #[error("empty file")]
    Empty,
    #[error("a capture without a packet")]
    NoFrames,
    #[error(
        "not a capture file: begins with {0}; known are pcap and pcapng, and `editcap -F pcap IN OUT` turns many others into one"
    )]
    Foreign(Head),
    #[error(
        "compressed in a way that is not read (gzip, zstd, xz and lz4 are): `{tool} -dc FILE | tripline read -` reads it"
    )]
    Compressed { tool: &'static str },
    #[error("compressed twice, the second time with {0}: `{0} -d` the file once and read the result")]
    PackedTwice(Packing),
    #[error("the pcap variant of the magic a1b2cd34 is not read: `editcap -F pcap IN OUT` makes a plain one of it")]
    ModifiedPcap,
    #[error("pcap version {0}.{1}: known are 2.3 and 2.4; the header is damaged, or the file is from before 1998")]
    PcapVersion(u16, u16),
    #[error("pcapng section of version {0}.{1}: known is 1")]
    SectionVersion(u16, u16),
    #[error("the file ends in the middle of {part}: {have} of {need} bytes are there")]
    Cut { part: &'static str, have: usize, need: usize },
    #[error("record of {0} bytes: longer than any packet; the file is damaged here")]
    RecordLength(u32),
    #[error("block of {0} bytes: no block has this length; the file is damaged here")]
    BlockLength(u32),
    #[error("block of {first} bytes that says {last} at its end: the file is damaged here")]
    BlockEnds { first: u32, last: u32 },
    #[error("packet of {packet} bytes in a block with room for {room}: the file is damaged here")]
    PacketLength { packet: u32, room: usize },
    #[error("section with byte order {0:08x}: neither 1a2b3c4d nor 4d3c2b1a; the file is damaged here")]
    ByteOrder(u32),
    #[error("packet of interface {id}, of which {known} are described so far: the file is damaged here")]
    NoInterface { id: u32, known: usize },
    #[error("interface description whose options do not fit into its block: the file is damaged here")]
    Options,
    #[error("more than {0} interfaces in one section: the file is damaged, or made to do harm")]
    TooManyInterfaces(usize),
}

/// The first bytes of a file that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    bytes: [u8; 8],
    len: usize,
}

impl Head {
    /// The first bytes of `file`, at most eight.
    pub(super) fn of(file: &[u8]) -> Self {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(file) {
            *to = *from;
        }
        Self { bytes, len: file.len().min(8) }
    }
}

impl fmt::Display for Head {
    /// In hexadecimal, and as text where it is text: many foreign files name themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = || self.bytes.iter().take(self.len);
        for (n, byte) in bytes().enumerate() {
            write!(f, "{}{byte:02x}", if n == 0 { "" } else { " " })?;
        }
        let text: String =
            bytes().map_while(|&b| (b.is_ascii_graphic() || b == b' ').then_some(char::from(b))).collect();
        if text.len() < 3 { Ok(()) } else { write!(f, " ({text:?})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_is_shown_as_it_begins() {
        assert_eq!(Head::of(b"snoop\0\0\0\0\0").to_string(), r#"73 6e 6f 6f 70 00 00 00 ("snoop")"#);
        assert_eq!(Head::of(&[0xff, 0x41]).to_string(), "ff 41");
    }

    #[test]
    fn a_compressed_file_comes_with_the_command_that_reads_it() {
        let words = Flaw::Compressed { tool: "bzip2" }.to_string();
        assert!(words.contains("`bzip2 -dc FILE | tripline read -`"), "{words}");
    }
}
