//! What holds for every capture, whatever is in it: tests over made-up ones.
//!
//! In: captures written by `write.rs` from lists of frames. Out: that reading gives those
//! frames, whatever the sizes, the cuts and the damage.
//! Read next: `reader.rs`, `cut.rs`, `walk.rs` (what is tested here).

use std::{
    io::{self, Cursor, Read},
    path::Path,
};

use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    Batch, Clock, Interface, LinkType, Pull, Sizes, Time, Trouble, Units,
    cut::Run,
    input::Input,
    reader::Reader,
    write::{PcapNgWriter, PcapWriter},
};

/// A frame as a user sees it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    bytes: Vec<u8>,
    wire_len: u32,
    link: LinkType,
    stamp: Time,
    clock: Time,
    seq: u64,
    number: u64,
}

/// A capture and what is to come out of it.
#[derive(Clone, Debug, Default)]
struct Made {
    file: Vec<u8>,
    frames: Vec<Seen>,
    /// Where each record or block begins, and the frames before it; the end is the last.
    borders: Vec<(usize, usize)>,
    /// Tells the clock over `frames`, and the stamp of those that have none.
    clock: Clock,
}

impl Made {
    fn border(&mut self, at: usize) {
        self.borders.push((at, self.frames.len()));
    }

    fn expect(&mut self, stamp: Option<Time>, wire_len: u32, bytes: Vec<u8>, link: LinkType) {
        let (stamp, clock) = match stamp {
            Some(stamp) => (stamp, self.clock.tick(stamp)),
            None => (self.clock.stamp(), self.clock.now()),
        };
        let seq = self.frames.len() as u64;
        self.frames.push(Seen { bytes, wire_len, link, stamp, clock, seq, number: seq + 1 });
    }
}

/// What a pcapng file may hold behind its first section header.
#[derive(Clone, Debug)]
enum Block {
    Section { big_endian: bool },
    Interface { units: Units, offset: i64, link: u16 },
    Packet { how: u8, interface: Index, seconds: u32, extra: u32, bytes: Vec<u8> },
    Other { kind: u32, body: Vec<u8> },
}

fn packet() -> impl Strategy<Value = (u32, u32, Vec<u8>)> {
    // Steps of all sorts: jitter, steps back, leaps.
    let seconds = prop_oneof![8 => 10_000_u32..10_020, 1 => 0_u32..100_000, 1 => any::<u32>()];
    (seconds, 0_u32..2_000, vec(any::<u8>(), 0..200))
}

fn pcap() -> impl Strategy<Value = Made> {
    (any::<bool>(), any::<bool>(), vec(packet(), 1..40)).prop_map(|(big_endian, nanoseconds, packets)| {
        let mut writer = PcapWriter::new(LinkType(1), big_endian, nanoseconds);
        let mut made = Made::default();
        for (seconds, extra, bytes) in packets {
            made.border(writer.bytes().len());
            let (stamp, wire_len) = (Time(i64::from(seconds) * Time::SECOND + 5_000), bytes.len() as u32 + extra);
            writer.frame(stamp, wire_len, &bytes);
            made.expect(Some(stamp), wire_len, bytes, LinkType(1));
        }
        made.border(writer.bytes().len());
        made.file = writer.bytes().to_vec();
        made
    })
}

fn block() -> impl Strategy<Value = Block> {
    let units = prop_oneof![
        Just(Units::Decimal(0)),
        Just(Units::Decimal(6)),
        Just(Units::Decimal(9)),
        Just(Units::Binary(20)),
    ];
    prop_oneof![
        1 => any::<bool>().prop_map(|big_endian| Block::Section { big_endian }),
        2 => (units, -9_i64..9, 0_u16..300).prop_map(|(units, offset, link)| Block::Interface { units, offset, link }),
        9 => (0_u8..4, any::<Index>(), packet()).prop_map(|(how, interface, (seconds, extra, bytes))| {
            Block::Packet { how, interface, seconds, extra, bytes }
        }),
        2 => (7_u32..2_000, vec(any::<u8>(), 0..300)).prop_map(|(kind, body)| Block::Other { kind, body }),
    ]
}

fn pcapng() -> impl Strategy<Value = Made> {
    (any::<bool>(), vec(block(), 5..60))
        .prop_map(|(big_endian, blocks)| {
            let mut writer = PcapNgWriter::new(big_endian);
            let mut made = Made::default();
            made.border(0);
            let mut interfaces: Vec<Interface> = Vec::new();
            let first = Block::Interface { units: Units::Decimal(6), offset: 0, link: 1 };
            for block in [first].into_iter().chain(blocks) {
                made.border(writer.bytes().len());
                match block {
                    Block::Section { big_endian } => {
                        writer.section(big_endian);
                        interfaces.clear();
                    }
                    Block::Interface { units, offset, link } => {
                        let interface = Interface { link: LinkType(link.into()), units, offset, snaplen: 0 };
                        writer.interface(interface);
                        interfaces.push(interface);
                    }
                    Block::Packet { .. } if interfaces.is_empty() => {}
                    Block::Packet { how, interface, seconds, extra, bytes } => {
                        let id = interface.index(interfaces.len());
                        let of = interfaces[if how == 0 { 0 } else { id }];
                        let units = match of.units {
                            Units::Decimal(n) => u64::from(seconds) * 10_u64.pow(n.into()),
                            Units::Binary(n) => u64::from(seconds) << n,
                        };
                        let wire_len = bytes.len() as u32 + if how == 0 { 0 } else { extra };
                        match how {
                            0 => writer.simple(wire_len, &bytes),
                            1 => writer.obsolete(id as u16, units, wire_len, &bytes),
                            _ => writer.enhanced(id as u32, units, wire_len, &bytes),
                        };
                        let stamp = Time((i64::from(seconds) + of.offset) * Time::SECOND);
                        made.expect((how > 0).then_some(stamp), wire_len, bytes, of.link);
                    }
                    Block::Other { kind, body } => {
                        writer.block(kind, &body);
                    }
                }
            }
            made.border(writer.bytes().len());
            made.file = writer.bytes().to_vec();
            made
        })
        .prop_filter("a capture without a packet is another matter", |made| !made.frames.is_empty())
}

fn capture() -> impl Strategy<Value = Made> {
    prop_oneof![pcap().boxed(), pcapng().boxed()]
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (1_usize..3_000, 1_usize..1_000).prop_map(|(batch_bytes, piece_bytes)| Sizes { batch_bytes, piece_bytes })
}

/// Hands out a few bytes at a time, as a slow pipe does, and an interruption in between.
struct Trickle(Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let some = buffer.len().min(self.1);
        if self.1 == 3 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(&mut buffer[..some]) }
    }
}

/// Reads a whole capture, and holds each batch to what a batch promises.
fn read(file: &[u8], sizes: Sizes) -> (Vec<Seen>, Vec<Trouble>) {
    let input = Box::new(Trickle(Cursor::new(file.to_vec()), 0));
    let mut reader = Reader::new(Input::Plain(input), Path::new("made").into(), file.len() as u64, sizes);
    let (mut frames, mut troubles, mut consumed) = (Vec::new(), Vec::new(), 0);
    let (mut batch, mut run) = (Batch::default(), Run::default());
    loop {
        let pull = reader.pull(&mut batch, &mut run);
        consumed += batch.consumed;
        match pull {
            Pull::Filled => {
                for piece in &batch.pieces {
                    let before = frames.len() as u64;
                    assert_eq!((piece.first_seq, piece.first_number), (before, before + 1));
                    batch.walk(piece, |f| {
                        let (bytes, stamp, clock) = (f.bytes.to_vec(), f.stamp, f.clock);
                        let (wire_len, link, seq, number) = (f.wire_len, f.link, f.seq, f.number);
                        frames.push(Seen { bytes, wire_len, link, stamp, clock, seq, number });
                    });
                    assert_eq!(frames.len() as u64 - before, piece.frames);
                    assert!(piece.frames > 0, "an empty piece is work for nothing");
                }
                assert_eq!(Some(batch.clock.now()), frames.last().map(|f| f.clock));
            }
            Pull::Trouble(trouble) => {
                assert!(batch.pieces.is_empty());
                troubles.push(trouble);
            }
            Pull::End => break,
            Pull::Idle => {}
        }
    }
    assert_eq!(consumed, file.len() as u64, "a progress bar ends at its end");
    (frames, troubles)
}

const WHOLE: Sizes = Sizes { batch_bytes: 1 << 20, piece_bytes: 1 << 20 };

proptest! {
    #[test]
    fn what_was_written_is_read_whatever_the_sizes(made in capture(), sizes in sizes()) {
        for sizes in [WHOLE, sizes] {
            let (frames, troubles) = read(&made.file, sizes);
            prop_assert_eq!(&frames, &made.frames);
            prop_assert_eq!(&troubles, &[]);
        }
    }

    #[test]
    fn a_cut_costs_what_is_behind_it_and_is_told_once(made in capture(), cut in any::<Index>(), sizes in sizes()) {
        let cut = cut.index(made.file.len());
        let (frames, troubles) = read(&made.file[..cut], sizes);
        // The record that is cut, or before which the file ends neatly.
        let before = made.borders.iter().rev().find(|(at, _)| *at <= cut);
        let &(at, whole) = before.unwrap_or(&(0, 0));
        prop_assert_eq!(&frames, &made.frames[..whole]);
        match &troubles[..] {
            [] => prop_assert!(at == cut && whole > 0, "not told"),
            [trouble] => {
                prop_assert!(at < cut || whole == 0, "nothing is cut: {}", trouble);
                prop_assert_eq!((trouble.offset, trouble.frames), (at as u64, whole as u64));
            }
            _ => prop_assert!(false, "told {} times", troubles.len()),
        }
    }

    #[test]
    fn damage_is_harmless_and_the_same_whatever_the_sizes(
        made in capture(),
        changes in vec((any::<Index>(), any::<u8>()), 1..20),
        sizes in sizes(),
    ) {
        let mut file = made.file;
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let whole = read(&file, WHOLE);
        prop_assert!(whole.1.len() <= 1);
        prop_assert_eq!(read(&file, sizes), whole);
    }

    #[test]
    fn noise_behind_any_beginning_does_no_harm(
        beginning in prop_oneof![
            Just(PcapWriter::new(LinkType(1), true, true).bytes().to_vec()),
            Just(PcapNgWriter::new(false).bytes().to_vec()),
            Just(Vec::new()),
        ],
        noise in vec(prop_oneof![3 => Just(0_u8), 1 => 0_u8..16, 1 => any::<u8>()], 0..500),
        sizes in sizes(),
    ) {
        let file = [beginning, noise].concat();
        prop_assert_eq!(read(&file, sizes), read(&file, WHOLE));
    }
}
