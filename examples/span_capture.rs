//! Makes the captures that speed is measured with: what a span port of a company would show, the same bytes for the same seed.
//!
//! In: options (`--help` lists them). Out: a pcap file. Clients open TCP connections to servers and use them, ask names,
//! ping; three scanners are among them, and `--flood` adds SYNs of forged sources in one go. Checksums are right.
//! An example and not a part of the program. Must not know how anything is detected.
//! Read next: `scripts/bench-peers` (who asks for which), `header_walk.rs` (the least that reading one can cost).

// A tool for developers may take the short way, as benches do.
#![allow(clippy::indexing_slicing, clippy::print_stdout)]

use std::{
    fs::File,
    io::{self, BufWriter, Error, Write},
    net::Ipv4Addr,
};

const HELP: &str = "span_capture --out FILE [--packets 1000000] [--seed 1] [--snaplen 96 (0: whole frames)] [--flood 0] \
                    [--sources 1000] [--short (connections end after one packet of data)] \
                    [--proxy (one address is an end of every connection)]";

/// 2026-11-22 08:00 UTC.
const BEGIN: u64 = 1_795_334_400_000_000;
/// Microseconds between two packets at the most; in a flood.
const PACE: u64 = 120;
const PACE_OF_A_FLOOD: u64 = 4;
/// Connections under way at a time.
const OPEN: usize = 2_000;
/// What packets say: payloads are stretches of it.
const WORDS: usize = 64 << 10;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// What was asked for.
#[derive(Clone, Debug)]
struct Options {
    packets: u64,
    seed: u64,
    snaplen: usize,
    flood: u64,
    sources: u32,
    short: bool,
    proxy: bool,
    out: String,
}

/// Splitmix64: a few instructions, and good enough for traffic.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.roll()) * u128::from(bound)) >> 64) as u64
    }
}

/// One end of a conversation.
#[derive(Clone, Copy, Default)]
struct End {
    address: u32,
    port: u16,
    /// The sequence number of what it says next.
    next: u32,
}

/// How a conversation goes.
#[derive(Clone, Copy, Default, PartialEq)]
enum Talk {
    /// Nothing is said any more.
    #[default]
    Over,
    /// TCP: the steps of a connection, and data packets still to come.
    Stream { step: u8, left: u16 },
    /// A question and an answer; over ICMP a ping and its echo.
    Ask { protocol: u8, answered: bool },
}

#[derive(Clone, Copy, Default)]
struct Conversation {
    client: End,
    server: End,
    talk: Talk,
}

/// What is in a frame behind the addresses.
struct Said {
    protocol: u8,
    flags: u8,
    payload: usize,
}

/// The file, and what every frame needs.
struct Capture<W: Write> {
    out: W,
    snaplen: usize,
    now: u64,
    /// The next frame comes no more microseconds later.
    pace: u64,
    words: Vec<u8>,
    /// Sums of the words before each place, for checksums at once.
    sums: Vec<u64>,
    written: u64,
}

impl<W: Write> Capture<W> {
    fn new(mut out: W, snaplen: usize, dice: &mut Dice) -> io::Result<Self> {
        out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        out.write_all(&(if snaplen == 0 { 262_144 } else { snaplen as u32 }).to_le_bytes())?;
        out.write_all(&1_u32.to_le_bytes())?;
        // Half text, half noise: it shrinks as captures do.
        let text = b"GET /index.html HTTP/1.1\r\nHost: intranet.example\r\nAccept: */*\r\n\r\n";
        let word = |n: usize| if (n / 512).is_multiple_of(2) { text[n % text.len()] } else { dice.roll() as u8 };
        let words: Vec<u8> = (0..WORDS).map(word).collect();
        let mut sums = vec![0];
        for pair in words.chunks(2) {
            sums.push(sums[sums.len() - 1] + u64::from(u16::from_be_bytes([pair[0], pair[1]])));
        }
        Ok(Self { out, snaplen, now: BEGIN, pace: PACE, words, sums, written: 0 })
    }

    /// Writes one frame, a few microseconds after the one before.
    fn frame(&mut self, from: End, to: End, said: &Said, dice: &mut Dice) -> io::Result<()> {
        let Said { protocol, flags, payload } = *said;
        let roll = dice.roll();
        self.now += 1 + roll % self.pace;
        let header = match protocol {
            6 => 20,
            _ => 8,
        };
        let length = 20 + header + payload;
        // An even number of bytes, from an even place on.
        let place = (roll >> 17) as usize % (WORDS / 2 - 1_024) * 2;
        let mut bytes = [0; 54];
        bytes[..12].copy_from_slice(&[
            2,
            0,
            0,
            0,
            0,
            (to.address >> 8) as u8,
            2,
            0,
            0,
            0,
            0,
            (from.address >> 8) as u8,
        ]);
        bytes[12..14].copy_from_slice(&[8, 0]);
        let ip = &mut bytes[14..];
        ip[..9].copy_from_slice(&[
            0x45,
            0,
            (length >> 8) as u8,
            length as u8,
            (roll >> 40) as u8,
            (roll >> 48) as u8,
            0x40,
            0,
            61,
        ]);
        ip[9] = protocol;
        ip[12..16].copy_from_slice(&from.address.to_be_bytes());
        ip[16..20].copy_from_slice(&to.address.to_be_bytes());
        let sum = checksum(&ip[..20], 0);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let pseudo = sum_of(&ip[12..20]) + u64::from(protocol) + (header + payload) as u64;
        let said = self.sums[place / 2 + payload / 2] - self.sums[place / 2];
        let behind = &mut ip[20..20 + header];
        behind[..2].copy_from_slice(&from.port.to_be_bytes());
        behind[2..4].copy_from_slice(&to.port.to_be_bytes());
        let (at, carried) = match protocol {
            6 => {
                let acknowledged = if flags & ACK != 0 { to.next } else { 0 };
                behind[4..8].copy_from_slice(&from.next.to_be_bytes());
                behind[8..12].copy_from_slice(&acknowledged.to_be_bytes());
                behind[12..16].copy_from_slice(&[0x50, flags, 0xfa, 0xf0]);
                (16, pseudo + said)
            }
            17 => {
                behind[4..6].copy_from_slice(&((8 + payload) as u16).to_be_bytes());
                (6, pseudo + said)
            }
            _ => {
                behind[..2].copy_from_slice(&[flags, 0]);
                behind[4..6].copy_from_slice(&from.port.max(to.port).to_be_bytes());
                behind[2..4].fill(0);
                (2, said)
            }
        };
        let sum = checksum(behind, carried);
        behind[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        let whole = 14 + length;
        let captured = if self.snaplen == 0 { whole } else { whole.min(self.snaplen) };
        let mut record = [0; 16];
        let fields = [(self.now / 1_000_000) as u32, (self.now % 1_000_000) as u32, captured as u32, whole as u32];
        for (to, field) in record.chunks_mut(4).zip(fields) {
            to.copy_from_slice(&field.to_le_bytes());
        }
        self.out.write_all(&record)?;
        let headers = captured.min(34 + header);
        self.out.write_all(&bytes[..headers])?;
        self.out.write_all(&self.words[place..place + captured - headers])?;
        self.written += 1;
        Ok(())
    }
}

fn sum_of(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}

fn checksum(bytes: &[u8], more: u64) -> u16 {
    let mut sum = sum_of(bytes) + more;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An address of the servers' net, the clients' net, and out on the internet.
fn server(n: u64) -> u32 {
    0x0a14_1000 + n as u32
}

fn client(n: u64) -> u32 {
    0x0a80_0000 + n as u32
}

/// Who talks, and with whom next.
struct Company {
    sources: u32,
    short: bool,
    proxy: bool,
    /// Counts the doors that scanners have tried.
    doors: u32,
}

impl Company {
    /// A new conversation.
    fn begin(&self, dice: &mut Dice) -> Conversation {
        let who = dice.below(u64::from(self.sources));
        let roll = dice.roll();
        let (client_port, next) = (32_768 + (roll >> 48) as u16 % 28_000, (roll >> 16) as u32);
        // Each client has its few servers.
        let mut there = server((who * 7 + (roll & 3) * 13) % 200);
        let mut here = client(who);
        if self.proxy {
            if roll & 4 == 0 { there = server(250) } else { here = server(250) }
        }
        let (port, talk) = match roll % 100 {
            0..=69 => (
                443,
                Talk::Stream {
                    step: 0,
                    left: if self.short { 1 } else { 4 + (dice.below(12) * dice.below(12)) as u16 },
                },
            ),
            70..=84 => (25, Talk::Stream { step: 0, left: if self.short { 1 } else { 8 } }),
            85..=97 => (53, Talk::Ask { protocol: 17, answered: false }),
            _ => (0, Talk::Ask { protocol: 1, answered: false }),
        };
        Conversation {
            client: End { address: here, port: client_port, next },
            server: End { address: there, port, next: !next },
            talk,
        }
    }

    /// A probe of one of three scanners, and what answers it: a walk over ports, a sweep into the dark, and a slow one.
    fn scan<W: Write>(&mut self, capture: &mut Capture<W>, dice: &mut Dice) -> io::Result<()> {
        self.doors += 1;
        let n = self.doors;
        let (from, to, answered) = match n % 8 {
            0 => (0xc633_6407, End { address: 0x0a14_8000 + n / 8, port: 445, next: 0 }, false),
            1 if n % 64 == 1 => (0xcb00_714d, End { address: server(9), port: (n / 64) as u16, next: 0 }, true),
            _ => (
                0xcb00_7109,
                End { address: server(u64::from(n / 1_000 % 200)), port: (n % 1_000) as u16, next: 0 },
                true,
            ),
        };
        let from = End { address: from, port: 40_000 + (n % 1_000) as u16, next: dice.roll() as u32 };
        capture.frame(from, to, &Said { protocol: 6, flags: SYN, payload: 0 }, dice)?;
        if answered {
            let heard = End { next: from.next.wrapping_add(1), ..from };
            capture.frame(to, heard, &Said { protocol: 6, flags: RST | ACK, payload: 0 }, dice)?;
        }
        Ok(())
    }
}

impl Conversation {
    /// The next packet of it.
    fn step<W: Write>(&mut self, capture: &mut Capture<W>, dice: &mut Dice) -> io::Result<()> {
        let Self { client, server, talk } = self;
        let tcp = |flags, payload| Said { protocol: 6, flags, payload };
        let (from_client, said, then) = match *talk {
            Talk::Over => return Ok(()),
            Talk::Ask { protocol, answered } => {
                let payload = if answered { 120 } else { 40 };
                let flags = if answered { 0 } else { 8 };
                let then = if answered { Talk::Over } else { Talk::Ask { protocol, answered: true } };
                (!answered, Said { protocol, flags, payload }, then)
            }
            Talk::Stream { step: 0, left } => (true, tcp(SYN, 0), Talk::Stream { step: 1, left }),
            Talk::Stream { step: 1, left } => (false, tcp(SYN | ACK, 0), Talk::Stream { step: 2, left }),
            Talk::Stream { step: 2, left } => (true, tcp(ACK, 0), Talk::Stream { step: 3, left }),
            Talk::Stream { step: 3, left: 0 } => (true, tcp(FIN | ACK, 0), Talk::Stream { step: 4, left: 0 }),
            Talk::Stream { step: 3, left } => {
                let then = Talk::Stream { step: 3, left: left - 1 };
                match dice.below(8) {
                    0 => (true, tcp(PSH | ACK, 2 * dice.below(300) as usize + 2), then),
                    1..=2 => (true, tcp(ACK, 0), then),
                    3 => (false, tcp(PSH | ACK, 2 * dice.below(700) as usize + 2), then),
                    _ => (false, tcp(ACK, 1_460), then),
                }
            }
            Talk::Stream { step: 4, .. } => (false, tcp(FIN | ACK, 0), Talk::Stream { step: 5, left: 0 }),
            Talk::Stream { .. } => (true, tcp(ACK, 0), Talk::Over),
        };
        *talk = then;
        let (from, to) = if from_client { (client, server) } else { (server, client) };
        capture.frame(*from, *to, &said, dice)?;
        let flag = u32::from(said.flags & (SYN | FIN) != 0);
        from.next = from.next.wrapping_add(said.payload as u32 + flag);
        Ok(())
    }
}

/// Writes the whole capture.
fn make(options: &Options, out: impl Write) -> io::Result<u64> {
    let mut dice = Dice(options.seed);
    let mut capture = Capture::new(out, options.snaplen, &mut dice)?;
    let Options { sources, short, proxy, .. } = *options;
    let mut company = Company { sources: sources.max(1), short, proxy, doors: 0 };
    let mut open = vec![Conversation::default(); OPEN];
    let mut end = options.packets;
    while capture.written < end {
        if end == options.packets && capture.written >= end / 2 {
            end += options.flood;
            capture.pace = PACE_OF_A_FLOOD;
            for _ in 0..options.flood {
                let from =
                    End { address: dice.roll() as u32, port: (dice.roll() >> 48) as u16, next: dice.roll() as u32 };
                let to = End { address: server(3), port: 80, next: 0 };
                capture.frame(from, to, &Said { protocol: 6, flags: SYN, payload: 0 }, &mut dice)?;
            }
            capture.pace = PACE;
        }
        let roll = dice.roll();
        if !options.proxy && roll.is_multiple_of(400) {
            company.scan(&mut capture, &mut dice)?;
        }
        let one = &mut open[(roll >> 32) as usize % OPEN];
        if one.talk == Talk::Over {
            *one = company.begin(&mut dice);
        }
        one.step(&mut capture, &mut dice)?;
    }
    capture.out.flush()?;
    Ok(capture.written)
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let out = String::new();
    let mut options =
        Options { packets: 1_000_000, seed: 1, snaplen: 96, flood: 0, sources: 1_000, short: false, proxy: false, out };
    while let Some(word) = words.next() {
        if let Some(flag) = match word.as_str() {
            "--short" => Some(&mut options.short),
            "--proxy" => Some(&mut options.proxy),
            _ => None,
        } {
            *flag = true;
            continue;
        }
        let value = words.next().ok_or(HELP)?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: not a number\n{HELP}"));
        match word.as_str() {
            "--packets" => options.packets = number()?,
            "--seed" => options.seed = number()?,
            "--snaplen" => options.snaplen = number()? as usize,
            "--flood" => options.flood = number()?,
            "--sources" => options.sources = number()?.min(1 << 23) as u32,
            "--out" => options.out = value,
            _ => return Err(HELP.to_owned()),
        }
    }
    if options.out.is_empty() { Err(HELP.to_owned()) } else { Ok(options) }
}

fn main() -> io::Result<()> {
    let options = options(std::env::args().skip(1)).map_err(Error::other)?;
    let file = File::create(&options.out)?;
    let written = make(&options, BufWriter::with_capacity(1 << 20, file))?;
    println!("{}: {written} frames, servers from {}", options.out, Ipv4Addr::from(server(0)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use tripline::source::{Archive, Batch, Pull, Sizes, Source};

    use super::*;

    const SMALL: Options = Options {
        packets: 20_000,
        seed: 7,
        snaplen: 96,
        flood: 0,
        sources: 1_000,
        short: false,
        proxy: false,
        out: String::new(),
    };

    fn bytes(options: &Options) -> Vec<u8> {
        let mut bytes = Vec::new();
        make(options, &mut bytes).unwrap();
        bytes
    }

    fn frames(file: Vec<u8>, mut each: impl FnMut(&[u8], u32)) -> u64 {
        let mut archive = Archive::stream("made".as_ref(), io::Cursor::new(file), Sizes::default());
        let (mut batch, mut count) = (Batch::default(), 0);
        loop {
            match archive.pull(&mut batch) {
                Pull::Filled | Pull::Idle => {}
                Pull::End => return count,
                Pull::Trouble(trouble) => panic!("{trouble:?}"),
            }
            for piece in &batch.pieces {
                count += piece.frames;
                batch.walk(piece, |frame| each(frame.bytes, frame.wire_len));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        assert_eq!(bytes(&SMALL), bytes(&SMALL));
        assert_ne!(bytes(&SMALL), bytes(&Options { seed: 8, ..SMALL }));
    }

    #[test]
    fn it_has_as_many_frames_as_asked_for_cut_where_asked_for_with_right_checksums() {
        let all = |bytes: &[u8], wire: u32| assert_eq!(bytes.len() as u32, wire.min(96));
        assert!((20_000..20_002).contains(&frames(bytes(&SMALL), all)));
        let flooded = Options { flood: 5_000, ..SMALL };
        let mut forged = 0;
        let count =
            frames(bytes(&flooded), |frame, _| forged += u64::from(frame[47] == SYN && frame[36..38] == [0, 80]));
        assert!((25_000..25_002).contains(&count) && (5_000..5_100).contains(&forged), "{count}, {forged}");
        frames(bytes(&Options { snaplen: 0, ..SMALL }), |frame, wire| {
            assert_eq!(frame.len() as u32, wire);
            assert_eq!(checksum(&frame[14..34], 0), 0);
            let behind = &frame[34..];
            let pseudo =
                if frame[23] == 1 { 0 } else { sum_of(&frame[26..34]) + u64::from(frame[23]) + behind.len() as u64 };
            assert_eq!(checksum(behind, pseudo), 0);
        });
    }

    #[test]
    fn a_proxy_is_an_end_of_every_packet() {
        let proxy = server(250).to_be_bytes();
        frames(bytes(&Options { proxy: true, ..SMALL }), |frame, _| {
            assert!(frame[26..30] == proxy || frame[30..34] == proxy);
        });
    }
}
