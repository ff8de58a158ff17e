//! The classic capture file: a 24-byte header, then records of 16 bytes and their packet.
//!
//! In: bytes. Out: from the header a [`Framing`]; from each record a [`Step`].
//! Must not know where the bytes came from, nor what is in a packet.
//! Source: draft-ietf-opsawg-pcap; limits as in libpcap's reader.
//! Read next: `pcapng.rs` (the successor), `cut.rs`.

use nom::{
    IResult, Parser,
    combinator::map,
    error::Error,
    number::{Endianness, complete},
};

use super::{
    Framing, Interface, LinkType, Time, Units,
    flaw::Flaw,
    walk::{MAX_CAPTURED, Record, Step, Steps},
};

/// Length of the file's header.
pub(super) const HEADER: usize = 24;

/// The upper bits of the link field tell whether frames carry a checksum at their end,
/// and how long; the registry's numbers use the lower 26.
const LINK_BITS: u32 = 0x03ff_ffff;

/// The fields of the file's header that matter.
struct Header {
    version: (u16, u16),
    framing: Framing,
}

/// Reads the file's header; `None` when `file` is shorter than one.
///
/// # Errors
/// [`Flaw::PcapVersion`] for the versions whose records look different.
pub(super) fn header(file: &[u8]) -> Option<Result<Framing, Flaw>> {
    let (_, Header { version, framing }) = parse_header(file).ok()?;
    // Before 2.3 the two lengths of a record stood the other way round.
    Some(match version {
        (2, 3..) => Ok(framing),
        (major, minor) => Err(Flaw::PcapVersion(major, minor)),
    })
}

fn parse_header(file: &[u8]) -> IResult<&[u8], Header, Error<&[u8]>> {
    let (rest, magic) = complete::be_u32(file)?;
    let (endianness, units) = match magic {
        0xa1b2_c3d4 => (Endianness::Big, Units::Decimal(6)),
        0xa1b2_3c4d => (Endianness::Big, Units::Decimal(9)),
        0x4d3c_b2a1 => (Endianness::Little, Units::Decimal(9)),
        _ => (Endianness::Little, Units::Decimal(6)),
    };
    let short = || complete::u16(endianness);
    let word = || complete::u32(endianness);
    // The zone and the accuracy of stamps were never written by anybody.
    let fields = (short(), short(), word(), word(), word(), word());
    map(fields, |(major, minor, _zone, _accuracy, snaplen, link)| Header {
        version: (major, minor),
        framing: Framing::Pcap {
            big_endian: endianness == Endianness::Big,
            interface: Interface { link: LinkType(link & LINK_BITS), units, offset: 0, snaplen },
        },
    })
    .parse(rest)
}

/// The records of a file, whose numbers have their most significant byte first when `BIG`. A type for each order:
/// which one it is need not be asked at each field of each record.
#[derive(Clone, Copy)]
pub(super) struct Records<const BIG: bool> {
    link: LinkType,
    /// Nanoseconds of a unit of the second field.
    unit: i64,
}

impl<const BIG: bool> Records<BIG> {
    /// The records of frames of this interface.
    pub(super) fn of(interface: &Interface) -> Self {
        Self { link: interface.link, unit: if interface.units == Units::Decimal(9) { 1 } else { 1_000 } }
    }
}

impl<const BIG: bool> Steps for Records<BIG> {
    // Fields by array, not by combinator: this runs twice a frame, once on the reading thread.
    #[inline]
    fn step<'a>(&self, bytes: &'a [u8], at: usize) -> Step<'a> {
        let Some((header, behind)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<16>) else {
            return Step::Cut { part: "a record's header", need: 16 };
        };
        let (fields, _) = header.as_chunks::<4>();
        let &[seconds, fraction, captured, wire] = fields else {
            return Step::Cut { part: "a record's header", need: 16 };
        };
        let word = |field: [u8; 4]| if BIG { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) };
        let captured = word(captured);
        if captured > MAX_CAPTURED {
            return Step::Damaged(Flaw::RecordLength(captured));
        }
        let Some(packet) = behind.get(..captured as usize) else {
            return Step::Cut { part: "a record", need: 16 + captured as usize };
        };
        // A fraction of a second and more carries over by itself.
        let stamp = i64::from(word(seconds)) * Time::SECOND + i64::from(word(fraction)) * self.unit;
        Step::Frame(Record {
            bytes: packet,
            wire_len: word(wire).max(captured),
            link: self.link,
            stamp: Some(Time(stamp)),
            next: at + 16 + packet.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::write::PcapWriter;

    fn first_record(file: &[u8]) -> (Framing, Time, Vec<u8>, u32) {
        let framing = header(file).unwrap().unwrap();
        let Framing::Pcap { big_endian, interface } = framing else { panic!("pcap") };
        let step = if big_endian {
            Records::<true>::of(&interface).step(file, HEADER)
        } else {
            Records::<false>::of(&interface).step(file, HEADER)
        };
        match step {
            Step::Frame(r) => (framing, r.stamp.unwrap(), r.bytes.to_vec(), r.wire_len),
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn all_four_magics_tell_the_same_story() {
        for big_endian in [false, true] {
            for nanoseconds in [false, true] {
                let mut writer = PcapWriter::new(LinkType(101), big_endian, nanoseconds);
                writer.frame(Time(1_700_000_000_123_456_000), 1_500, b"packet");
                let (framing, stamp, bytes, wire_len) = first_record(writer.bytes());
                let Framing::Pcap { big_endian: read, interface } = framing else { panic!("pcap") };
                assert_eq!((read, interface.link), (big_endian, LinkType(101)));
                assert_eq!((stamp, &bytes[..], wire_len), (Time(1_700_000_000_123_456_000), &b"packet"[..], 1_500));
            }
        }
    }

    #[test]
    fn checksum_bits_do_not_hide_the_link_type() {
        let mut file = PcapWriter::new(LinkType(1 | 0x5400_0000), false, false);
        file.frame(Time(0), 60, b"packet");
        let (framing, ..) = first_record(file.bytes());
        assert!(matches!(framing, Framing::Pcap { interface: Interface { link: LinkType(1), .. }, .. }));
    }

    #[test]
    fn odd_numbers_that_harm_nothing_are_taken() {
        let mut file = PcapWriter::new(LinkType(1), false, false).bytes().to_vec();
        // 2.5 s written as 1 s and 1,500,000 us; fewer bytes on the wire than captured.
        for field in [1_u32, 1_500_000, 4, 2] {
            file.extend(field.to_le_bytes());
        }
        file.extend(b"abcd");
        let (_, stamp, bytes, wire_len) = first_record(&file);
        assert_eq!((stamp, bytes.len(), wire_len), (Time(2_500_000_000), 4, 4));
    }

    #[test]
    fn an_impossible_length_is_damage_and_a_missing_byte_is_a_cut() {
        let interface = Interface { link: LinkType(1), units: Units::Decimal(6), offset: 0, snaplen: 0 };
        let records = Records::<true>::of(&interface);
        let mut record = [0; 116];
        record[8..12].copy_from_slice(&0xdead_beef_u32.to_be_bytes());
        assert!(matches!(records.step(&record, 0), Step::Damaged(Flaw::RecordLength(0xdead_beef))));
        record[8..12].copy_from_slice(&101_u32.to_be_bytes());
        assert!(matches!(records.step(&record, 0), Step::Cut { need: 117, .. }));
        assert!(matches!(records.step(&record, 101), Step::Cut { need: 16, .. }));
    }

    #[test]
    fn versions_with_other_records_are_refused() {
        let mut file = PcapWriter::new(LinkType(1), false, false).bytes().to_vec();
        file[6] = 2;
        assert!(matches!(header(&file), Some(Err(Flaw::PcapVersion(2, 2)))));
        assert!(header(&file[..23]).is_none());
    }
}
