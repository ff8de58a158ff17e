//! What is promised of a capture file, plain or packed, and of a whole run over one.
//!
//! In: the bytes of a file. It is read twice, in batches of different sizes; what comes out must be the same, lie in the
//! file, be numbered without a gap, and take no more memory than was allowed; what is wrong is told once, with its place.
//! Read next: `tripline::source`, `tripline::engine`.

use std::{io::Cursor, path::Path};

use tripline::{
    defragment::Policies,
    engine::{self, Plan, Reference, Sink, Totals},
    presets::tripline::Thresholds,
    source::{Archive, Batch, Pull, Sizes, Source, Trouble},
    streams::{self, Intake, Settings},
};
use tripline_plugin::{Event, Options, ProcessorPlugin};

/// A file's name that no message may lose.
const NAME: &str = "fuzz.pcap";

/// libpcap's longest record, and what a batch may be longer than asked for because of it: its header, a stride.
const LONGEST: usize = (262_144 + 64) + (256 << 10);

/// pcap, whatever its first four bytes were.
pub fn pcap(bytes: &[u8]) {
    const MAGICS: [[u8; 4]; 4] =
        [[0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0xc3, 0xd4], [0x4d, 0x3c, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d]];
    let magic = MAGICS.iter().find(|magic| bytes.starts_with(*magic));
    file(bytes, magic.unwrap_or(&MAGICS[usize::from(bytes.first().copied().unwrap_or_default() % 4)]));
}

/// pcapng, likewise.
pub fn pcapng(bytes: &[u8]) {
    file(bytes, &[0x0a, 0x0d, 0x0d, 0x0a]);
}

/// gzip, likewise.
pub fn gzip(bytes: &[u8]) {
    file(bytes, &[0x1f, 0x8b, 8]);
}

/// zstd, likewise.
pub fn zstd(bytes: &[u8]) {
    file(bytes, &[0x28, 0xb5, 0x2f, 0xfd]);
}

/// xz, likewise.
pub fn xz(bytes: &[u8]) {
    file(bytes, &[0xfd, b'7', b'z', b'X', b'Z', 0]);
}

/// lz4, likewise.
pub fn lz4(bytes: &[u8]) {
    file(bytes, &[0x04, 0x22, 0x4d, 0x18]);
}

/// What was read, folded into one number that depends on every byte and its order, and how it ended.
#[derive(Debug, PartialEq)]
struct Read {
    frames: u64,
    digest: u64,
    troubles: Vec<Trouble>,
}

fn file(bytes: &[u8], magic: &[u8]) {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(magic.len()), 0);
    bytes[..magic.len()].copy_from_slice(magic);
    let odd = 1 + bytes.len() % 700;
    let whole = read(&bytes, Sizes::default());
    let pieces = read(&bytes, Sizes { batch_bytes: odd, piece_bytes: 1 + odd / 3 });
    assert_eq!(whole, pieces, "the size of batches shows");
    assert!(whole.frames > 0 || !whole.troubles.is_empty(), "a file without a frame, and nothing is said");
}

fn read(bytes: &[u8], sizes: Sizes) -> Read {
    let mut archive = Archive::stream(Path::new(NAME), Cursor::new(bytes.to_vec()), sizes);
    let mut read = Read { frames: 0, digest: 0, troubles: Vec::new() };
    let (mut batch, mut consumed, mut clock) = (Batch::default(), 0, None);
    loop {
        let pull = archive.pull(&mut batch);
        consumed += batch.consumed;
        assert!(batch.bytes.capacity() <= 2 * (sizes.batch_bytes + LONGEST), "{} bytes", batch.bytes.capacity());
        match pull {
            Pull::Filled => {
                assert!(!batch.pieces.is_empty());
                for piece in &batch.pieces {
                    let before = read.frames;
                    assert_eq!((piece.first_seq, piece.first_number), (before, before + 1), "a gap in the numbers");
                    batch.walk(piece, |frame| {
                        assert_eq!((frame.seq, frame.number), (read.frames, read.frames + 1));
                        assert!(frame.bytes.len() <= frame.wire_len as usize, "more captured than there was");
                        assert!(
                            clock.is_none_or(|clock| clock <= frame.clock)
                                || piece.clock.rebased > 0
                                || batch.clock.rebased > 0
                        );
                        clock = Some(frame.clock);
                        read.frames += 1;
                        let facts =
                            [frame.wire_len.into(), frame.link.0.into(), frame.stamp.0 as u64, frame.clock.0 as u64];
                        for value in facts.into_iter().chain(frame.bytes.iter().map(|byte| u64::from(*byte))) {
                            read.digest = (read.digest ^ value).wrapping_mul(0x0100_0000_01b3);
                        }
                    });
                    assert_eq!(read.frames - before, piece.frames, "a piece that lies about its frames");
                    assert!(piece.frames > 0, "an empty piece");
                }
            }
            Pull::Trouble(trouble) => {
                assert!(batch.pieces.is_empty(), "frames and trouble in one");
                let words = trouble.to_string();
                assert!(words.starts_with(&format!("{NAME}: at byte {}", trouble.offset)), "no place: {words}");
                assert!(!trouble.reason.is_empty() && !words.contains('\n'), "{words:?}");
                assert!(trouble.unpacked || trouble.offset <= bytes.len() as u64, "behind the end: {words}");
                assert_eq!(trouble.frames, read.frames, "{words}");
                read.troubles.push(trouble);
            }
            Pull::Idle => assert!(batch.pieces.is_empty()),
            Pull::End => break,
        }
    }
    assert!(read.troubles.len() <= 1, "{:?}", read.troubles);
    assert!(consumed <= bytes.len() as u64, "more used up than there is");
    read
}

/// A capture through all stages, with one worker and with three, in small batches and in large ones, with a reference preset:
/// the same events, and every frame in exactly one count.
pub fn run(bytes: &[u8]) {
    let (events, totals) = whole_run(bytes, 1, Sizes::default());
    let (same, others) = whole_run(bytes, 3, Sizes { batch_bytes: 1_500, piece_bytes: 400 });
    assert_eq!(events, same, "threads or batches show");
    assert_eq!(totals.counts.frames, others.counts.frames);
    for Totals { counts, defragmented, .. } in [&totals, &others] {
        let ends = counts.plain + counts.evidence + counts.fragments + counts.skipped.iter().sum::<u64>();
        assert_eq!(ends, counts.frames + defragmented.datagrams, "a frame that is counted nowhere, or twice");
        let lost: u64 = defragmented.losses().map(|(_, count)| count).sum();
        assert_eq!(defragmented.joined + lost, defragmented.fragments, "a fragment that is counted nowhere, or twice");
        assert_eq!(defragmented.fragments, counts.fragments);
    }
}

fn whole_run(bytes: &[u8], shards: usize, sizes: Sizes) -> (Vec<String>, Totals) {
    let mut archive = Archive::stream(Path::new(NAME), Cursor::new(bytes.to_vec()), sizes);
    let make = |plugin: ProcessorPlugin| (plugin.build)(&Options::default()).expect("processors that need no options");
    let settings = Settings { memory: 1 << 20, tenants: bytes.len() % 2 == 1, ..Settings::default() };
    let processors = Intake::new(settings, streams::builtin().into_iter().map(make).collect());
    let plan = Plan {
        batches: 1,
        shards,
        memory: 1 << 20,
        key: None,
        thresholds: Some(Thresholds::default()),
        references: Reference::named("scanlogd").into_iter().collect(),
        reassembly: Policies::default(),
        tenants: bytes.len() % 2 == 1,
        filter: None,
        about: None,
        streams: Some(processors),
        checkpoints: None,
    };
    let mut told = Told::default();
    let totals = engine::run(&mut archive, plan, &mut told).expect("workers");
    assert_eq!(told.frames, totals.counts.frames, "not every frame that was read was looked at");
    ([told.events, told.lines].concat(), totals)
}

#[derive(Default)]
struct Told {
    events: Vec<String>,
    /// Where they stand among events is not promised.
    lines: Vec<String>,
    frames: u64,
}

impl Sink for Told {
    fn event(&mut self, event: Event) {
        if let Some(scan) = &event.scan {
            let answers = &scan.answers;
            let sum = answers.open + answers.closed + answers.unreachable + answers.silent;
            assert!(
                scan.preset != "tripline" || sum == scan.doors,
                "the four ends of doors sum to the doors: {scan:?}"
            );
            assert!(scan.start <= scan.end, "{scan:?}");
        }
        self.events.push(serde_json::to_string(&event).expect("an event is JSON"));
    }

    fn trouble(&mut self, _: Trouble) {}

    fn unknown_link(&mut self, _: &Path, _: u64, _: &str) {}

    fn line(&mut self, processor: usize, line: String) {
        self.lines.push(format!("{processor} {line}"));
    }

    fn progress(&mut self, _: u64, frames: u64) -> bool {
        self.frames += frames;
        true
    }
}
