//! How large a window a compressed file asks for, by its first bytes.
//!
//! In: the head of a file that `magic.rs` has recognised. Out: bytes that whoever unpacks it has to keep. A guess where
//! the head does not tell: later frames of the same file may ask for more, and decoders hold it to what it was given.
//! Must not know what is done about a large one.
//! Source: RFC 8878 3.1.1.1 (zstd), the .xz file format 1.2, the lz4 frame format 1.6, RFC 1951.
//! Read next: `input.rs` (who asks), `packed.rs` (who holds it to that).

use super::packed::Packing;

/// So many bytes of a file are enough to tell, where it begins with what it packs.
pub(super) const ENOUGH: usize = 32;

/// What zstd takes for large files unless told otherwise, and the least that is given to any: frames that are put
/// behind a small one are often of this kind.
const USUAL: u64 = 2 << 20;

/// `xz -6`, which is what it does when not told otherwise.
const USUAL_OF_XZ: u64 = 8 << 20;

/// The window of a file that begins with `head`.
pub(super) fn window(packing: Packing, head: &[u8]) -> u64 {
    match packing {
        Packing::Gzip => 32 << 10,
        Packing::Zstd => of_zstd(head).unwrap_or(USUAL).max(USUAL),
        Packing::Xz => of_xz(head).unwrap_or(USUAL_OF_XZ),
        // Blocks of 4 MiB, of which the decoder keeps three; smaller ones may be followed by such.
        Packing::Lz4 => 12 << 20,
    }
}

/// What the header of the first frame says; nothing of a frame to be skipped.
fn of_zstd(head: &[u8]) -> Option<u64> {
    let (&descriptor, behind) = head.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let single = descriptor & 0x20 != 0;
    if !single {
        let exponent_and_mantissa = u64::from(*behind.first()?);
        let base = 1_u64 << (10 + (exponent_and_mantissa >> 3));
        return Some(base + base / 8 * (exponent_and_mantissa & 7));
    }
    // All of it is in one segment, and the window is its length.
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 3))?;
    let (width, more) = [(1, 0), (2, 256), (4, 0), (8, 0)].get(usize::from(descriptor >> 6))?;
    let field = behind.get(*dictionary..)?.get(..*width)?;
    Some(field.iter().rev().fold(0, |length, byte| length << 8 | u64::from(*byte)) + more)
}

/// The dictionary of LZMA2 in the header of the first block.
fn of_xz(head: &[u8]) -> Option<u64> {
    let (&flags, mut fields) = head.get(13..)?.split_first()?;
    for present in [flags & 0x40, flags & 0x80] {
        if present != 0 {
            let length = fields.iter().position(|byte| byte & 0x80 == 0)? + 1;
            fields = fields.get(length..)?;
        }
    }
    // The last filter is LZMA2; others before it are rare, and small.
    let [0x21, 1, size, ..] = *fields else { return None };
    (size <= 40).then(|| (2 | u64::from(size & 1)) << (u64::from(size) / 2 + 11))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::source::packed::tests::{ALL, pack};

    #[test]
    fn what_compressors_write_is_understood() {
        assert_eq!(ALL.map(|packing| window(packing, &pack(packing, b"abc"))), [32 << 10, 2 << 20, 8 << 20, 12 << 20]);
    }

    #[test]
    fn the_window_of_zstd_is_what_its_maker_asked_for() {
        for log in [21, 23, 24, 27] {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&vec![7; 1 << 20]).unwrap();
            assert_eq!(window(Packing::Zstd, &encoder.finish().unwrap()), 1 << log);
        }
    }

    #[test]
    fn what_is_in_one_segment_has_its_length_for_window() {
        // 3 bytes of a dictionary's number do not exist; 4 do.
        for (head, length) in [
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 4][..], 64 << 20),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xa3, 9, 9, 9, 9, 0, 0, 0, 4], 64 << 20),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0], 1 << 32),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 0xff, 0xff], USUAL),
        ] {
            assert_eq!(window(Packing::Zstd, head), length, "{head:x?}");
        }
    }

    #[test]
    fn the_dictionary_of_xz_is_found_behind_lengths_too() {
        for (preset, size) in [(0, 256 << 10), (6, 8 << 20), (9, 64 << 20)] {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), preset);
            encoder.write_all(b"abc").unwrap();
            assert_eq!(window(Packing::Xz, &encoder.finish().unwrap()), size);
        }
        let mut head = vec![0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0, 0, 0, 0, 3, 0xc0];
        head.extend([0x80, 0x80, 1, 0xff, 0xff, 3, 0x21, 1, 28]);
        assert_eq!(window(Packing::Xz, &head), 64 << 20);
    }

    #[test]
    fn any_head_gives_a_window() {
        for packing in ALL {
            let whole = pack(packing, b"abc");
            for length in 0..whole.len().min(ENOUGH) {
                assert!(window(packing, &whole[..length]) >= 32 << 10);
            }
            assert!(window(packing, &[0xff; ENOUGH]) >= 32 << 10);
        }
    }
}
