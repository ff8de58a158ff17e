//! Tells by its first bytes, never by its name, what a file is.
//!
//! In: the head of a file. Out: the [`Format`] that frames it or the compressor that packs it,
//! or the [`Flaw`] that it is something else: foreign, empty, compressed in a way that is not read.
//! Must not know the formats beyond their magic numbers.
//! Source: draft-ietf-opsawg-pcap and -pcapng; the magic numbers of the compressors'
//! own specifications (RFC 1952, RFC 8878, the .xz, lz4 frame and bzip2 formats).
//! Read next: `pcap.rs`, `pcapng.rs`.

use super::{
    flaw::{Flaw, Head},
    packed::Packing,
};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Pcap,
    PcapNg,
    /// Whatever a compressor made of it.
    Packed(Packing),
}

/// So many bytes of a file are enough for [`recognise`].
pub(super) const ENOUGH: usize = 8;

/// Magic numbers of compressors that are read.
const PACKED: [(&[u8], Packing); 4] = [
    (&[0x1f, 0x8b], Packing::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Packing::Xz),
    (&[0x04, 0x22, 0x4d, 0x18], Packing::Lz4),
];

/// Those of others, and the tool whose `-dc` undoes them.
const COMPRESSED: [(&[u8], &str); 5] = [
    (b"BZh", "bzip2"),
    (&[0x1f, 0x9d], "uncompress"),
    (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
    (&[0x89, b'L', b'Z', b'O', 0], "lzop"),
    (b"LZIP", "lzip"),
];

/// What `head` is the beginning of: the whole file, or its first [`ENOUGH`] bytes and more.
pub(super) fn recognise(head: &[u8]) -> Result<Format, Flaw> {
    if let Some((_, packing)) = PACKED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok(Format::Packed(*packing));
    }
    // A frame to be skipped, with which parallel compressors of zstd begin.
    if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] = head {
        return Ok(Format::Packed(Packing::Zstd));
    }
    if let Some((_, tool)) = COMPRESSED.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Flaw::Compressed { tool });
    }
    let foreign = || Flaw::Foreign(Head::of(head));
    match head.first_chunk().map(|magic| u32::from_be_bytes(*magic)) {
        Some(0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1) => Ok(Format::Pcap),
        Some(0x0a0d_0d0a) => Ok(Format::PcapNg),
        Some(0xa1b2_cd34 | 0x34cd_b2a1) => Err(Flaw::ModifiedPcap),
        _ if head.is_empty() => Err(Flaw::Empty),
        _ => Err(foreign()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::packed::tests;

    #[test]
    fn captures_are_known_in_both_byte_orders() {
        for magic in [0xa1b2_c3d4_u32, 0xa1b2_3c4d] {
            assert_eq!(recognise(&magic.to_be_bytes()), Ok(Format::Pcap));
            assert_eq!(recognise(&magic.to_le_bytes()), Ok(Format::Pcap));
        }
        assert_eq!(recognise(&[0x0a, 0x0d, 0x0d, 0x0a, 0x1c]), Ok(Format::PcapNg));
    }

    #[test]
    fn what_compressors_make_is_known() {
        for packing in tests::ALL {
            assert_eq!(recognise(&tests::pack(packing, b"abc")), Ok(Format::Packed(packing)));
        }
        assert_eq!(recognise(&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Ok(Format::Packed(Packing::Zstd)));
    }

    #[test]
    fn what_is_no_capture_is_named() {
        assert_eq!(recognise(b""), Err(Flaw::Empty));
        assert_eq!(recognise(&[0xa1, 0xb2, 0xcd, 0x34]), Err(Flaw::ModifiedPcap));
        assert_eq!(recognise(b"BZh91AY&"), Err(Flaw::Compressed { tool: "bzip2" }));
        assert_eq!(recognise(b"snoop\0\0\0"), Err(Flaw::Foreign(Head::of(b"snoop\0\0\0"))));
        assert_eq!(recognise(&[0xa1, 0xb2]), Err(Flaw::Foreign(Head::of(&[0xa1, 0xb2]))));
    }
}
