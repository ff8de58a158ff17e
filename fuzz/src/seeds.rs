//! Good inputs, where damage begins: the recordings in `tests/captures`, the rules that ship or are shown, the sample events.
//!
//! In: the project's own files. Out: [`Seeds`] for each target.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use tripline::{
    output::HOST_KEYS,
    presets,
    rules::{conditions, names, parse, rule},
    source::{
        Archive, Batch, Interface, LinkType, Order, Pull, Sizes, Source, Time, Units,
        write::{PcapNgWriter, PcapWriter},
    },
};
use tripline_plugin::sample_events;

/// Where damage begins.
#[derive(Clone, Debug, Default)]
pub struct Seeds {
    /// Good inputs, small ones.
    pub inputs: Vec<Vec<u8>>,
    /// Words of the language, where it has any.
    pub words: Vec<&'static str>,
}

/// Of each recording so many frames: what a target takes should be small.
const FRAMES: usize = 12;

/// A frame of a recording.
struct Frame {
    stamp: Time,
    wire_len: u32,
    link: LinkType,
    bytes: Vec<u8>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder with this ending, by name.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("the project's folders");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    assert!(!paths.is_empty(), "no {ending} in {folder}");
    paths
}

/// The first frames of each recording.
fn recordings() -> Vec<Vec<Frame>> {
    let first = |path: PathBuf| {
        let mut archive = Archive::open(&[path], Order::Given, Sizes::default());
        let (mut batch, mut frames) = (Batch::default(), Vec::new());
        while !matches!(archive.pull(&mut batch), Pull::End) && frames.len() < FRAMES {
            for piece in &batch.pieces {
                batch.walk(piece, |frame| {
                    let (stamp, wire_len, link, bytes) =
                        (frame.stamp, frame.wire_len, frame.link, frame.bytes.to_vec());
                    frames.push(Frame { stamp, wire_len, link, bytes });
                });
            }
        }
        frames.truncate(FRAMES);
        frames
    };
    [".pcap", ".pcapng"].into_iter().flat_map(|ending| files("tests/captures", ending)).map(first).collect()
}

fn as_pcap(frames: &[Frame], n: usize) -> Vec<u8> {
    let link = frames.first().map_or(LinkType(1), |frame| frame.link);
    let mut writer = PcapWriter::new(link, n % 2 == 1, n % 3 == 1);
    for frame in frames {
        writer.frame(frame.stamp, frame.wire_len, &frame.bytes);
    }
    writer.bytes().to_vec()
}

fn as_pcapng(frames: &[Frame], n: usize) -> Vec<u8> {
    let link = frames.first().map_or(LinkType(1), |frame| frame.link);
    let mut writer = PcapNgWriter::new(n % 2 == 1);
    let units = if n.is_multiple_of(3) { Units::Binary(20) } else { Units::Decimal(6) };
    writer.interface(Interface { link, units, offset: n as i64 % 2, snaplen: 0 });
    for (place, frame) in frames.iter().enumerate() {
        let stamp = frame.stamp.0 as u64 / 1_000;
        match place % 4 {
            0 => writer.simple(frame.wire_len, &frame.bytes),
            1 => writer.obsolete(0, stamp, frame.wire_len, &frame.bytes),
            _ => writer.enhanced(0, stamp, frame.wire_len, &frame.bytes),
        };
    }
    writer.bytes().to_vec()
}

fn all(make: fn(&[Frame], usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    recordings().iter().enumerate().map(|(n, frames)| make(frames, n)).collect()
}

/// Captures in pcap, of both byte orders and units.
pub fn pcap() -> Seeds {
    Seeds { inputs: all(as_pcap), words: Vec::new() }
}

/// The same in pcapng, with every sort of packet block.
pub fn pcapng() -> Seeds {
    Seeds { inputs: all(as_pcapng), words: Vec::new() }
}

/// A few of them packed, each whole and in two members.
pub fn packed(ending: &str) -> Seeds {
    let captures = [all(as_pcap), all(as_pcapng)].concat();
    let few = captures.iter().step_by(9);
    let pack = |bytes: &[u8]| pack(ending, bytes).expect("memory takes what is written");
    let halves = |bytes: &[u8]| [pack(&bytes[..bytes.len() / 2]), pack(&bytes[bytes.len() / 2..])].concat();
    let inputs = few.flat_map(|capture| [pack(capture), halves(capture)]).collect();
    Seeds { inputs, words: Vec::new() }
}

fn pack(ending: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    match ending {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        ".zst" => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3)?;
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        _ => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(Into::into)
        }
    }
}

/// Frames of the recordings, and each again under every link type that is known.
pub fn frames() -> Seeds {
    let known: Vec<LinkType> = (0..300).map(LinkType).filter(|link| tripline::decode::link::is_known(*link)).collect();
    let number = |link: LinkType| known.iter().position(|known| *known == link).unwrap_or_default() as u8;
    let few = |frames: Vec<Frame>| frames.into_iter().step_by(5);
    let mut inputs = Vec::new();
    for frame in recordings().into_iter().flat_map(few) {
        inputs.push([&[number(frame.link), 0], &frame.bytes[..]].concat());
        if let Some(packet) = frame.bytes.get(14..).filter(|_| frame.link == LinkType(1)) {
            // The network's packet alone: damage to the byte before it makes it one of any link.
            inputs.push([&[number(LinkType(101)), 0], packet].concat());
        }
    }
    Seeds { inputs, words: Vec::new() }
}

/// Datagrams in two to five pieces, in order and not.
pub fn fragments() -> Seeds {
    let piece = |ipv6: u8, place: u8, more: u8, len: u8| {
        [&[ipv6, 1, place, more, 1, len][..], &vec![place; usize::from(len)]].concat()
    };
    let mut inputs = Vec::new();
    for ipv6 in [0, 1] {
        for count in 2..=5 {
            let mut pieces: Vec<Vec<u8>> = (0..count).map(|n| piece(ipv6, n, u8::from(n + 1 < count), 8)).collect();
            inputs.push(pieces.concat());
            pieces.reverse();
            inputs.push(pieces.concat());
        }
    }
    Seeds { inputs, words: Vec::new() }
}

/// A connection: opened, spoken on by both sides with some of it turned round and sent again, closed.
pub fn segments() -> Seeds {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    const FIN: u8 = 1;
    const RST: u8 = 4;
    const URG: u8 = 32;
    let one = |who: u8, flags: u8, place: u8, ack: u8, payload: &[u8]| {
        [&[who, flags, place, ack, 1, payload.len() as u8][..], payload].concat()
    };
    let mut inputs = Vec::new();
    for (overlap, client) in (0..6).flat_map(|overlap| [(overlap, 0), (overlap, 1)]) {
        let (c, s) = (client, client | 2);
        let open = [one(c, SYN, 0, 0, b""), one(s, SYN | ACK, 0, 1, b""), one(c, ACK, 1, 1, b"")].concat();
        let said = [one(c, ACK, 1, 1, b"GET /"), one(c, ACK, 9, 1, b"later"), one(c, ACK, 6, 1, b"gap")].concat();
        let heard =
            [one(s, ACK | URG, 1, 14, b"answer"), one(s, ACK, 4, 14, b"anew"), one(c, ACK, 14, 8, b"")].concat();
        let closed = [one(c, FIN | ACK, 14, 8, b""), one(s, FIN | ACK, 8, 15, b""), one(c, ACK, 15, 9, b"")].concat();
        let reset = one(s, RST, 8, 0, b"");
        inputs.push([&[overlap], &open[..], &said, &heard, &closed].concat());
        inputs.push([&[overlap], &open[..], &heard, &said, &reset].concat());
        inputs.push([&[overlap], &said[..], &heard, &reset].concat());
    }
    Seeds { inputs, words: Vec::new() }
}

/// What ships, what is shown, and the words that rules are made of.
pub fn rules() -> Seeds {
    let read = |path: PathBuf| fs::read_to_string(path).expect("the project's own files");
    let mut texts: Vec<String> = files("rules", ".toml").into_iter().map(read).collect();
    for page in ["docs/rules.md", "rules/README.md"] {
        let page = read(root().join(page));
        texts.extend(page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned));
    }
    let mut words = vec![
        "version = 1\n",
        "[[rules]]\n",
        "[outputs.x]\n",
        "[nets]\n",
        "[[tests]]\n",
        " = ",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "!",
        ">= 60",
    ];
    words.extend([
        "\"1m\"",
        "\"64 MiB\"",
        "\"fe80::/10\"",
        "\"22-25,80\"",
        "9223372036854775807",
        "-1",
        "\u{202e}",
        "\\u001b",
        "2027-01-31",
    ]);
    words.extend(HOST_KEYS.into_iter().chain(parse::DETECT_KEYS).chain(rule::KEYS).chain(conditions::KEYS));
    words.extend(names::TECHNIQUES);
    words.extend(presets::names());
    Seeds { inputs: texts.into_iter().map(String::into_bytes).collect(), words }
}

/// Expressions as people write them, each over a frame of another recording.
pub fn filters() -> Seeds {
    const EXPRESSIONS: [&str; 16] = [
        "tcp port 80 and not host 10.0.0.1",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn",
        "src net 10.0.0.0/8 or ip6",
        "udp dst portrange 1-1024",
        "icmp[icmptype] = icmp-unreach",
        "vlan 100 and ip",
        "greater 60 and less 1500",
        "ether src 02:00:00:00:00:01",
        "ip[2:2] > 100 and ip[6:2] & 0x1fff = 0",
        "ether broadcast or multicast",
        "ip6 and tcp dst port 443",
        "arp or rarp",
        "len / 3 = 500 or len % 7 = 1",
        "proto 47 or sctp",
        "ip6 host fd00::1",
        "(tcp or udp) and port domain",
    ];
    let words = vec![
        " and ",
        " or ",
        " not ",
        "(",
        ")",
        "host ",
        "net ",
        "port ",
        "src ",
        "dst ",
        "tcp",
        "udp",
        "ip6",
        "icmp",
        "[",
        "]",
        ":",
        "&",
        "|",
        "<<",
        ">=",
        "!=",
        "=",
        "10.0.0.1",
        "fd00::1",
        "80",
        "0xffff",
        "4294967295",
        "vlan ",
        "mpls ",
        "pppoes ",
        "geneve ",
        "mask ",
        "less ",
        "greater ",
        "proto ",
        "gateway ",
        "ether ",
        "ip ",
        "len",
        "/",
        "%",
        "-",
        "broadcast",
        "inbound",
        "example.com",
        "gate",
    ];
    let recordings = recordings();
    let frame = |n: usize| recordings.get(n * 3).and_then(|frames| frames.first()).map(|frame| frame.bytes.as_slice());
    let make = |(n, expression): (usize, &&str)| [expression.as_bytes(), b"\n", frame(n).unwrap_or_default()].concat();
    Seeds { inputs: EXPRESSIONS.iter().enumerate().map(make).collect(), words }
}

/// Events of every kind, each a line, and all together.
pub fn events() -> Seeds {
    let lines = sample_events().into_iter().map(|event| serde_json::to_vec(&event).expect("an event is JSON"));
    let mut inputs: Vec<Vec<u8>> = lines.collect();
    inputs.push(inputs.join(&b'\n'));
    let words = vec![
        "null",
        "-1",
        "18446744073709551615",
        "1e999",
        "\\u202e",
        "\\u001b[31m",
        "\"\"",
        "{}",
        "[]",
        ",",
        ":",
        "\n",
        "true",
        "[[[[",
    ];
    Seeds { inputs, words }
}
