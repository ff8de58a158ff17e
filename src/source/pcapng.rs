//! The block-structured capture file: sections, interfaces, packets, and much to skip.
//!
//! In: bytes. Out: from each block a [`Step`]. All three packet blocks are read: enhanced,
//! simple (without a stamp) and the obsolete one. Blocks of other kinds are skipped.
//! Must not know where the bytes came from, nor what is in a packet.
//! Source: draft-ietf-opsawg-pcapng; limits as in libpcap's reader.
//! Read next: `cut.rs` (who keeps the list of interfaces).

use nom::{
    Parser,
    bytes::complete::take,
    error::Error,
    number::{Endianness, complete},
};

use super::{
    Interface, LinkType, Time, Units,
    flaw::Flaw,
    walk::{MAX_CAPTURED, Record, Step, Steps},
};

/// What was parsed, with the rest before it.
type Parsed<'a, T> = nom::IResult<&'a [u8], T, Error<&'a [u8]>>;

/// Section header block: reads the same in both byte orders.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Longer blocks are damage: packets are far shorter, and what programs store beside them
/// (names, secrets) stays below too. libpcap draws the line here as well.
const MAX_BLOCK: usize = 16 << 20;

/// The blocks of one section.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'i> {
    pub(super) big_endian: bool,
    /// Those described so far, or further on: an id has one meaning in a section.
    pub(super) interfaces: &'i [Interface],
}

impl Steps for Blocks<'_> {
    #[inline]
    fn step<'a>(&self, bytes: &'a [u8], at: usize) -> Step<'a> {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(&[k0, k1, k2, k3, l0, l1, l2, l3]) = rest.first_chunk() else {
            return Step::Cut { part: "a block's header", need: 8 };
        };
        let kind = self.word([k0, k1, k2, k3]);
        let length = self.word([l0, l1, l2, l3]);
        let next = at + length as usize;
        if kind != ENHANCED_PACKET {
            return self.seldom(kind, length, rest, at);
        }
        match self.body(rest, length) {
            Ok(body) => match self.enhanced(body, next) {
                Ok(record) => Step::Frame(record),
                Err(flaw) => Step::Damaged(flaw),
            },
            Err(step) => step,
        }
    }
}

/// A section header, which says itself in which byte order it is.
#[cold]
fn section(rest: &[u8], at: usize) -> Step<'static> {
    let Some((head, _)) = rest.split_first_chunk::<12>() else {
        return Step::Cut { part: "a section header", need: 12 };
    };
    let (fields, _) = head.as_chunks::<4>();
    let &[_, length, order] = fields else { return Step::Cut { part: "a section header", need: 12 } };
    let big_endian = match u32::from_be_bytes(order) {
        0x1a2b_3c4d => true,
        0x4d3c_2b1a => false,
        other => return Step::Damaged(Flaw::ByteOrder(other)),
    };
    let blocks = Blocks { big_endian, interfaces: &[] };
    let length = blocks.word(length);
    let body = match blocks.body(rest, length) {
        Ok(body) => body,
        Err(step) => return step,
    };
    // Its own length (signed, -1 for unknown) and options are of no use for walking.
    match blocks.section_version(body) {
        Ok((_, (1, _))) => Step::Section { big_endian, next: at + length as usize },
        Ok((_, (major, minor))) => Step::Damaged(Flaw::SectionVersion(major, minor)),
        Err(_) => Step::Damaged(Flaw::BlockLength(length)),
    }
}

impl Blocks<'_> {
    #[inline]
    fn word(&self, field: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }
    }

    fn endianness(&self) -> Endianness {
        if self.big_endian { Endianness::Big } else { Endianness::Little }
    }

    /// Whatever is not the block that nearly all are: kept out of the tight loops.
    #[cold]
    #[inline(never)]
    fn seldom<'a>(&self, kind: u32, length: u32, rest: &'a [u8], at: usize) -> Step<'a> {
        if kind == SECTION {
            return section(rest, at);
        }
        let body = match self.body(rest, length) {
            Ok(body) => body,
            Err(step) => return step,
        };
        let next = at + length as usize;
        let step = match kind {
            SIMPLE_PACKET => self.simple(body, next).map(Step::Frame),
            OBSOLETE_PACKET => self.obsolete(body, next).map(Step::Frame),
            INTERFACE => self.interface(body).map(|interface| Step::Interface { interface, next }),
            _ => Ok(Step::Skip { next }),
        };
        step.unwrap_or_else(Step::Damaged)
    }

    /// What stands between the two lengths of a block that says it is `length` bytes long.
    #[inline]
    fn body<'a>(&self, rest: &'a [u8], length: u32) -> Result<&'a [u8], Step<'static>> {
        let need = length as usize;
        if need < 12 || !need.is_multiple_of(4) || need > MAX_BLOCK {
            return Err(Step::Damaged(Flaw::BlockLength(length)));
        }
        let block = rest.get(..need).and_then(|block| block.get(8..)).and_then(<[u8]>::split_last_chunk);
        let Some((body, last)) = block else { return Err(Step::Cut { part: "a block", need }) };
        match self.word(*last) {
            last if last == length => Ok(body),
            last => Err(Step::Damaged(Flaw::BlockEnds { first: length, last })),
        }
    }

    /// Interface, stamp (high, low), captured, on the wire, packet.
    #[inline]
    fn enhanced<'a>(&self, body: &'a [u8], next: usize) -> Result<Record<'a>, Flaw> {
        let too_short = Flaw::BlockLength(body.len() as u32 + 12);
        let (fields, behind) = body.split_first_chunk::<20>().ok_or(too_short)?;
        let &[id, high, low, captured, wire] = fields.as_chunks::<4>().0 else { return Err(too_short) };
        self.stamped(self.word(id), [high, low, captured, wire], behind, next)
    }

    /// Interface and a count of drops as 16 bits each, then as in an enhanced one.
    #[cold]
    fn obsolete<'a>(&self, body: &'a [u8], next: usize) -> Result<Record<'a>, Flaw> {
        let too_short = Flaw::BlockLength(body.len() as u32 + 12);
        let (fields, behind) = body.split_first_chunk::<20>().ok_or(too_short)?;
        let &[[i0, i1, _, _], high, low, captured, wire] = fields.as_chunks::<4>().0 else { return Err(too_short) };
        let id = if self.big_endian { u16::from_be_bytes([i0, i1]) } else { u16::from_le_bytes([i0, i1]) };
        self.stamped(id.into(), [high, low, captured, wire], behind, next)
    }

    /// What both packet blocks with a stamp share.
    #[inline]
    fn stamped<'a>(&self, id: u32, fields: [[u8; 4]; 4], behind: &'a [u8], next: usize) -> Result<Record<'a>, Flaw> {
        let [high, low, captured, wire] = fields.map(|field| self.word(field));
        let interface = self.of(id)?;
        Ok(Record {
            bytes: packet(behind, captured)?,
            wire_len: wire.max(captured),
            link: interface.link,
            stamp: Some(interface.time(u64::from(high) << 32 | u64::from(low))),
            next,
        })
    }

    /// Only the length on the wire; the interface is the first, its snaplen cuts.
    #[cold]
    fn simple<'a>(&self, body: &'a [u8], next: usize) -> Result<Record<'a>, Flaw> {
        let (wire, behind) = body.split_first_chunk().ok_or(Flaw::BlockLength(12))?;
        let wire_len = self.word(*wire);
        let interface = self.of(0)?;
        let captured = if interface.snaplen == 0 { wire_len } else { wire_len.min(interface.snaplen) };
        let bytes = packet(behind, captured)?;
        Ok(Record { bytes, wire_len, link: interface.link, stamp: None, next })
    }

    #[inline]
    fn of(&self, id: u32) -> Result<&Interface, Flaw> {
        self.interfaces.get(id as usize).ok_or(Flaw::NoInterface { id, known: self.interfaces.len() })
    }

    #[cold]
    fn interface(&self, body: &[u8]) -> Result<Interface, Flaw> {
        let too_short = |_| Flaw::BlockLength(body.len() as u32 + 12);
        let (options, (link, snaplen)) = self.interface_fields(body).map_err(too_short)?;
        let link = LinkType(link.into());
        let mut interface = Interface { link, units: Units::Decimal(6), offset: 0, snaplen };
        self.interface_options(options, &mut interface)?;
        Ok(interface)
    }

    fn interface_fields<'a>(&self, body: &'a [u8]) -> Parsed<'a, (u16, u32)> {
        let short = || complete::u16(self.endianness());
        (short(), short(), complete::u32(self.endianness())).map(|(link, _, snaplen)| (link, snaplen)).parse(body)
    }

    /// Looks among the options of an interface for `if_tsresol` (9) and `if_tsoffset` (14).
    fn interface_options(&self, mut options: &[u8], interface: &mut Interface) -> Result<(), Flaw> {
        // An end-of-options entry is usual, not required.
        while !options.is_empty() {
            let (rest, (code, value)) = self.option(options).map_err(|_| Flaw::Options)?;
            match (code, value) {
                (0, _) => break,
                (9, &[n]) if n & 0x80 != 0 => interface.units = Units::Binary(n & 0x7f),
                (9, &[n]) => interface.units = Units::Decimal(n),
                (14, value) => {
                    let seconds = *value.first_chunk().filter(|_| value.len() == 8).ok_or(Flaw::Options)?;
                    interface.offset =
                        if self.big_endian { i64::from_be_bytes(seconds) } else { i64::from_le_bytes(seconds) };
                }
                // Stamps in unknown units would be wrong stamps.
                (9, _) => return Err(Flaw::Options),
                _ => {}
            }
            options = rest;
        }
        Ok(())
    }

    /// One option: code and value, padded to four bytes.
    fn option<'a>(&self, options: &'a [u8]) -> Parsed<'a, (u16, &'a [u8])> {
        let (rest, (code, length)) =
            (complete::u16(self.endianness()), complete::u16(self.endianness())).parse(options)?;
        let (rest, value) = take(length)(rest)?;
        let (rest, _) = take(length.wrapping_neg() % 4)(rest)?;
        Ok((rest, (code, value)))
    }

    fn section_version<'a>(&self, body: &'a [u8]) -> Parsed<'a, (u16, u16)> {
        let short = || complete::u16(self.endianness());
        let (rest, (_order, version, _length)) = (take(4_usize), (short(), short()), take(8_usize)).parse(body)?;
        Ok((rest, version))
    }
}

/// The first `captured` bytes of what follows a packet block's fields.
#[inline]
fn packet(behind: &[u8], captured: u32) -> Result<&[u8], Flaw> {
    let damaged = Flaw::PacketLength { packet: captured, room: behind.len() };
    if captured > MAX_CAPTURED {
        return Err(damaged);
    }
    behind.get(..captured as usize).ok_or(damaged)
}

impl Interface {
    /// The time that a stamp of so many units is, held at the ends of the range.
    #[inline]
    pub(super) fn time(&self, units: u64) -> Time {
        let nanos = match self.units {
            Units::Decimal(6) => units.saturating_mul(1_000),
            Units::Decimal(9) => units,
            other => other.nanos(units),
        };
        let seconds = self.offset.saturating_mul(Time::SECOND);
        Time(i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(seconds))
    }
}

impl Units {
    #[cold]
    fn nanos(self, units: u64) -> u64 {
        match self {
            Self::Decimal(n) => {
                let power = |n: u8| 10_u64.saturating_pow(n.into());
                if n <= 9 { units.saturating_mul(power(9 - n)) } else { units / power(n - 9) }
            }
            Self::Binary(n) => {
                let nanos = (u128::from(units) * Time::SECOND as u128).checked_shr(n.into()).unwrap_or(0);
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::write::PcapNgWriter;

    const MICRO: Interface = Interface { link: LinkType(1), units: Units::Decimal(6), offset: 0, snaplen: 0 };

    fn steps<'a>(bytes: &'a [u8], big_endian: bool, interfaces: &[Interface]) -> Step<'a> {
        Blocks { big_endian, interfaces }.step(bytes, 0)
    }

    #[test]
    fn a_section_tells_its_own_byte_order() {
        for big_endian in [false, true] {
            let file = PcapNgWriter::new(big_endian);
            // Whatever the section before was.
            for before in [false, true] {
                let step = steps(file.bytes(), before, &[]);
                assert!(matches!(step, Step::Section { big_endian: b, next: 28 } if b == big_endian), "{step:?}");
            }
        }
    }

    #[test]
    fn an_interface_comes_with_units_offset_and_snaplen() {
        for big_endian in [false, true] {
            for units in [Units::Decimal(3), Units::Decimal(9), Units::Binary(10)] {
                let interface = Interface { link: LinkType(113), units, offset: -3_600, snaplen: 96 };
                let mut file = PcapNgWriter::new(big_endian);
                file.interface(interface);
                let step = steps(&file.bytes()[28..], big_endian, &[]);
                assert!(matches!(step, Step::Interface { interface: i, .. } if i == interface), "{step:?}");
            }
        }
    }

    #[test]
    fn stamps_are_read_in_every_unit() {
        let time = |units, offset, stamp| Interface { units, offset, ..MICRO }.time(stamp).0;
        assert_eq!(time(Units::Decimal(6), 0, 1_500_000), 1_500_000_000);
        assert_eq!(time(Units::Decimal(0), 2, 1), 3_000_000_000);
        assert_eq!(time(Units::Decimal(12), 0, 1_500_000_000_000), 1_500_000_000);
        assert_eq!(time(Units::Binary(10), 0, 1_536), 1_500_000_000);
        assert_eq!(time(Units::Binary(32), -1, 3 << 31), 500_000_000);
    }

    #[test]
    fn absurd_units_and_offsets_hold_at_the_ends() {
        for units in (0..=127).flat_map(|n| [Units::Decimal(n), Units::Binary(n)]) {
            for offset in [i64::MIN, 0, i64::MAX] {
                for stamp in [0, 1, u64::MAX] {
                    let _ = Interface { units, offset, ..MICRO }.time(stamp);
                }
            }
        }
        assert_eq!(Interface { units: Units::Decimal(0), ..MICRO }.time(u64::MAX), Time(i64::MAX));
    }

    #[test]
    fn all_three_packet_blocks_give_their_packet() {
        for big_endian in [false, true] {
            let mut file = PcapNgWriter::new(big_endian);
            let start = file.bytes().len();
            file.enhanced(1, 1_500_000, 60, b"packet").obsolete(1, 1_500_000, 60, b"packet").simple(60, b"packet");
            let mut rest = &file.bytes()[start..];
            let narrow = Interface { snaplen: 6, ..MICRO };
            for stamp in [Some(Time(1_500_000_000)), Some(Time(1_500_000_000)), None] {
                let Step::Frame(r) = steps(rest, big_endian, &[narrow, MICRO]) else { panic!("a packet") };
                assert_eq!((r.bytes, r.wire_len, r.stamp), (&b"packet"[..], 60, stamp));
                rest = &rest[r.next..];
            }
        }
    }

    #[test]
    fn damage_is_named() {
        let mut file = PcapNgWriter::new(false);
        file.enhanced(3, 0, 4, b"abcd");
        let block = &file.bytes()[28..];
        let with = |at: usize, value: u32| {
            let mut block = block.to_vec();
            block[at..at + 4].copy_from_slice(&value.to_le_bytes());
            match steps(&block, false, &[MICRO; 4]) {
                Step::Damaged(flaw) => flaw,
                step => panic!("{step:?}"),
            }
        };
        assert_eq!(with(4, 11), Flaw::BlockLength(11));
        assert_eq!(with(4, 38), Flaw::BlockLength(38));
        assert_eq!(with(4, u32::MAX - 3), Flaw::BlockLength(u32::MAX - 3));
        assert_eq!(with(32, 40), Flaw::BlockEnds { first: 36, last: 40 });
        assert_eq!(with(8, 4), Flaw::NoInterface { id: 4, known: 4 });
        assert_eq!(with(20, 5), Flaw::PacketLength { packet: 5, room: 4 });
        assert!(matches!(steps(&block[..35], false, &[]), Step::Cut { need: 36, .. }));
    }

    #[test]
    fn options_that_leave_their_block_are_damage() {
        let mut file = PcapNgWriter::new(true);
        // Link type 1, then if_tsresol with a length of 200.
        file.block(INTERFACE, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 200, 6, 0, 0, 0]);
        assert!(matches!(steps(&file.bytes()[28..], true, &[]), Step::Damaged(Flaw::Options)));
    }
}
