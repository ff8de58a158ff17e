//! `--filter`: an expression in libpcap's language, and the frames that it keeps.
//!
//! In: the expression; frames. Out: whether each is kept, or what is wrong with the expression.
//! libpcap compiles it, anew for each link type that a capture has; `bpf.rs` runs it. This is the only
//! file that knows libpcap for this.
//! Must not ask the network: libpcap looks up the names of hosts, so names of hosts are refused.
//! Source: pcap-filter(7).
//! Read next: `bpf.rs`.

use std::{net::Ipv6Addr, ops::Range};

use pcap::{BpfInstruction, Capture, Linktype};
use thiserror::Error;

use super::{
    Batch, Frame, Framing, LinkType,
    bpf::{self, Instruction},
};

/// An expression, and its programs.
#[derive(Debug)]
pub struct Filter {
    expression: String,
    /// By link type; nothing where the expression makes no sense for it.
    programs: Vec<(LinkType, Option<Vec<Instruction>>)>,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct FilterError {
    /// What, in libpcap's words where they are its own.
    pub reason: String,
    /// Where in the expression, if that can be told: bytes.
    pub place: Option<Range<usize>>,
    /// What helps.
    pub hint: Option<String>,
}

/// More link types than any archive has: a hostile file may name 65,536.
const MOST_LINKS: usize = 64;

/// An expression must make sense for one of these: Ethernet, raw IP, 802.11, radiotap, cooked.
const USUAL: [LinkType; 5] = [LinkType(1), LinkType(101), LinkType(105), LinkType(127), LinkType(113)];

impl Filter {
    /// Compiles `expression`.
    ///
    /// # Errors
    /// libpcap does not understand it, or would have to look up a name for it.
    pub fn new(expression: &str) -> Result<Self, FilterError> {
        if let Some(place) = host_name(expression) {
            let name = expression.get(place.clone()).unwrap_or_default();
            return Err(FilterError {
                reason: format!("`{name}` stands where an address is wanted, and no name is looked up on the network"),
                place: Some(place),
                hint: Some("write the address itself, as in `host 192.0.2.7`".into()),
            });
        }
        let compiled = USUAL.map(|link| compile(expression, link));
        if let [Err(reason), Err(_), Err(_), Err(_), Err(_)] = &compiled {
            let place = place(expression, reason);
            let hint = "the language is that of tcpdump: `man pcap-filter`";
            return Err(FilterError { reason: reason.clone(), place, hint: Some(hint.into()) });
        }
        Ok(Self { expression: expression.to_owned(), programs: Vec::new() })
    }

    /// Whether it is ready for all frames of `batch`.
    #[must_use]
    pub fn is_ready(&self, batch: &Batch) -> bool {
        let is_known = |link| self.programs.iter().any(|(known, _)| *known == link);
        batch.pieces.iter().all(|piece| links(&piece.framing).into_iter().all(is_known))
    }

    /// Makes ready for all frames of `batch`.
    ///
    /// # Errors
    /// A link type for which the expression makes no sense, told once: none of its frames is kept.
    pub fn prepare(&mut self, batch: &Batch) -> Result<(), String> {
        let mut told = Ok(());
        for piece in &batch.pieces {
            for link in links(&piece.framing) {
                if self.programs.iter().any(|(known, _)| *known == link) || self.programs.len() == MOST_LINKS {
                    continue;
                }
                let program = match compile(&self.expression, link) {
                    Ok(program) => Some(program),
                    // No ARP on a link that has none: an answer, not an error. No program keeps nothing.
                    Err(reason) if reason.contains("rejects all packets") => None,
                    Err(reason) => {
                        told = Err(format!("the filter makes no sense for frames of link type {}: {reason}", link.0));
                        None
                    }
                };
                self.programs.push((link, program));
            }
        }
        told
    }

    /// Whether the expression holds for `frame`, of a batch that was prepared for.
    #[inline]
    pub fn keeps(&self, frame: &Frame<'_>) -> bool {
        let program = self.programs.iter().find(|(link, _)| *link == frame.link).and_then(|(_, p)| p.as_ref());
        program.is_some_and(|program| bpf::keeps(program, frame.bytes, frame.wire_len))
    }
}

/// The link types that a piece may have.
fn links(framing: &Framing) -> Vec<LinkType> {
    match framing {
        Framing::Pcap { interface, .. } => vec![interface.link],
        Framing::PcapNg { interfaces, .. } => interfaces.iter().map(|interface| interface.link).collect(),
        Framing::Merged { links } => links.to_vec(),
    }
}

/// Lets libpcap compile; its reason when it does not.
fn compile(expression: &str, LinkType(link): LinkType) -> Result<Vec<Instruction>, String> {
    // Files and libpcap number these differently (LINKTYPE_ and DLT_).
    let dlt = match link {
        100 => 11,
        101 => 12,
        102 => 13,
        103 => 14,
        106 => 19,
        same => i32::try_from(same).map_err(|_| "no such link type".to_owned())?,
    };
    let words = |error: pcap::Error| match error {
        pcap::Error::PcapError(words) => words,
        other => other.to_string(),
    };
    let program = Capture::dead(Linktype(dlt)).and_then(|dead| dead.compile(expression, true)).map_err(words)?;
    program.get_instructions().iter().map(read).collect::<Option<_>>().ok_or("a program that is not known".to_owned())
}

/// An instruction, which the crate shows in words only: code, both jumps, operand.
fn read(instruction: &BpfInstruction) -> Option<Instruction> {
    let words = instruction.to_string();
    let mut fields = words.split(' ').map(str::parse::<u32>);
    let mut next = || fields.next()?.ok();
    Some(Instruction {
        code: next()?.try_into().ok()?,
        if_true: next()?.try_into().ok()?,
        if_false: next()?.try_into().ok()?,
        k: next()?,
    })
}

/// The words of an expression, and where they stand.
fn words(expression: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let is_border = |c: char| c.is_whitespace() || "()[]!&|<>=".contains(c);
    expression.split(is_border).filter(|word| !word.is_empty()).map(|word| {
        let start = word.as_ptr() as usize - expression.as_ptr() as usize;
        (start..start + word.len(), word)
    })
}

/// Where libpcap's complaint belongs: at the word that it names, or behind what it understands.
fn place(expression: &str, reason: &str) -> Option<Range<usize>> {
    let named = reason.split(['\'', '"', '`']).skip(1).step_by(2);
    for name in named {
        if let Some((place, _)) = words(expression).find(|(_, word)| *word == name) {
            return Some(place);
        }
    }
    // Not in parentheses: what stands before a wrong word there is never whole.
    if expression.contains('(') {
        return None;
    }
    let understood = |(place, _): &(Range<usize>, &str)| {
        expression.get(..place.start).is_some_and(|begin| compile(begin, LinkType(1)).is_ok())
    };
    // Nothing at all is understood too, which tells nothing.
    words(expression).skip(1).filter(understood).last().map(|(place, _)| place)
}

/// The first word that libpcap would look up as the name of a host or a network.
fn host_name(expression: &str) -> Option<Range<usize>> {
    let mut wanted = false;
    for (place, word) in words(expression) {
        let before = expression.get(..place.start).unwrap_or_default();
        // Between brackets stand numbers: `ip[2:2]`.
        if before.matches('[').count() > before.matches(']').count() {
            continue;
        }
        if ADDRESS.contains(&word) {
            wanted = true;
            continue;
        }
        let is_keyword = KEYWORDS.contains(&word);
        let is_known = is_keyword || JOINS.contains(&word);
        let is_dotted = word.contains('.') || word.contains(':') && word.contains(char::is_alphabetic);
        if (is_dotted || wanted && !is_known) && !is_address(word) {
            return Some(place);
        }
        // A list of addresses goes on behind `or`; anything else says what it wants itself.
        wanted &= !is_keyword;
    }
    None
}

/// Whether a word is an address or a number, which libpcap reads itself: IPv6, up to four numbers of IPv4, either with the
/// length of a prefix, or a link's.
fn is_address(word: &str) -> bool {
    let address =
        word.split_once('/').filter(|(_, bits)| bits.parse::<u8>().is_ok()).map_or(word, |(address, _)| address);
    let hex = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_hexdigit());
    let parts = |at: &[char]| word.split(at).filter(hex).map(str::len).collect::<Vec<_>>();
    let is_link = |separator| {
        let (count, lengths) = (word.split(separator).count(), parts(&[separator]));
        matches!(lengths[..], [1..=2, 1..=2, 1..=2, 1..=2, 1..=2, 1..=2] | [4, 4, 4]) && count == lengths.len()
    };
    let is_decimal = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let is_v4 = address.split('.').all(is_decimal) && address.split('.').count() <= 4;
    let is_hex = word.strip_prefix("0x").is_some_and(|digits| hex(&digits));
    is_v4 || is_hex || address.parse::<Ipv6Addr>().is_ok() || [':', '-', '.'].into_iter().any(is_link)
}

/// Behind these comes an address, unless a keyword says what else.
const ADDRESS: [&str; 7] = ["host", "net", "src", "dst", "gateway", "ra", "ta"];

/// What stands between the parts of an expression.
const JOINS: [&str; 3] = ["and", "or", "not"];

/// Words of the language with which something begins that is no address.
const KEYWORDS: [&str; 61] = [
    "mask",
    "port",
    "portrange",
    "proto",
    "protochain",
    "ether",
    "fddi",
    "tr",
    "wlan",
    "ppp",
    "slip",
    "link",
    "ip",
    "ip6",
    "arp",
    "rarp",
    "aarp",
    "atalk",
    "decnet",
    "iso",
    "isis",
    "stp",
    "ipx",
    "netbeui",
    "lat",
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "igmp",
    "igrp",
    "pim",
    "vrrp",
    "carp",
    "ah",
    "esp",
    "broadcast",
    "multicast",
    "vlan",
    "mpls",
    "pppoed",
    "pppoes",
    "geneve",
    "llc",
    "less",
    "greater",
    "type",
    "subtype",
    "inbound",
    "outbound",
    "len",
    "length",
    "byte",
    "vxlan",
    "clnp",
    "esis",
    "on",
    "ifname",
    "dir",
    "direction",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Clock, Interface, Piece, Units};

    const SYN: &str = "src 10.0.0.1 and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn";

    /// Ethernet, IPv4, TCP from 10.0.0.1:1025 to 10.0.0.2:80 with these flags, cut to the headers.
    fn tcp(flags: u8) -> Vec<u8> {
        let mut frame = vec![0; 54];
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        frame[23] = 6;
        frame[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..38].copy_from_slice(&[4, 1, 0, 80]);
        frame[46] = 0x50;
        frame[47] = flags;
        frame
    }

    /// A batch whose frames are of this link type.
    fn batch(link: u32) -> Batch {
        let interface = Interface { link: LinkType(link), units: Units::Decimal(6), offset: 0, snaplen: 0 };
        let framing = Framing::Pcap { big_endian: false, interface };
        let piece = Piece { range: 0..0, framing, clock: Clock::default(), first_seq: 0, first_number: 1, frames: 0 };
        Batch { pieces: vec![piece], ..Batch::default() }
    }

    fn keeps(expression: &str, bytes: &[u8], wire_len: u32) -> bool {
        let mut filter = Filter::new(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        filter.prepare(&batch(1)).unwrap_or_else(|error| panic!("{expression}: {error}"));
        filter.keeps(&Frame { bytes, wire_len, link: LinkType(1), ..Frame::default() })
    }

    #[test]
    fn frames_are_kept_as_the_expression_says() {
        let syn = tcp(2);
        for kept in [
            "",
            "tcp",
            "port http",
            "tcp[13] & 2 != 0",
            "tcp[tcpflags] == tcp-syn",
            "src host 10.0.0.1 and dst port 80",
            "src net 10.0.0.0/8 or ip6",
            "greater 1000",
            "portrange 1-100",
            "not arp",
            "ip[2:2] = 0",
            "len / 3 = 500",
        ] {
            assert!(keeps(kept, &syn, 1_500), "{kept}");
        }
        for dropped in
            ["udp", "src port 80", "less 60", "tcp[13] & 16 != 0", "ip6", "vlan", "tcp[60] = 0", "ip6 protochain 6"]
        {
            assert!(!keeps(dropped, &syn, 1_500), "{dropped}");
        }
    }

    #[test]
    fn another_link_type_gets_another_program_and_one_without_is_told_once() {
        let mut filter = Filter::new("tcp port 80 or ether src 02:00:00:00:00:01").unwrap();
        assert_eq!(filter.prepare(&batch(1)), Ok(()));
        let told = filter.prepare(&batch(101)).unwrap_err();
        assert!(told.starts_with("the filter makes no sense for frames of link type 101: "), "{told}");
        assert_eq!(filter.prepare(&batch(101)), Ok(()));
        assert_eq!(Filter::new("arp").unwrap().prepare(&batch(101)), Ok(()), "there is none, and that is all");

        let mut filter = Filter::new("tcp port 80").unwrap();
        filter.prepare(&batch(101)).unwrap();
        let ip = &tcp(2)[14..];
        let frame = Frame { bytes: ip, wire_len: 40, link: LinkType(101), ..Frame::default() };
        assert!(filter.keeps(&frame) && !filter.keeps(&Frame { link: LinkType(4_711), ..frame }));
    }

    #[test]
    fn mistakes_are_told_with_the_place_when_there_is_one() {
        for (expression, at) in [
            ("tcp prt 80", Some("prt")),
            ("tcp port 80 andd udp", Some("andd")),
            ("port nosuchservice", Some("nosuchservice")),
            ("(tcp or udp", None),
            ("tcp and", Some("and")),
        ] {
            let error = Filter::new(expression).unwrap_err();
            assert_eq!(error.place.clone().map(|place| &expression[place]), at, "{expression}: {error}");
            assert!(!error.reason.is_empty());
        }
    }

    #[test]
    fn no_name_is_looked_up() {
        for (expression, name) in [
            ("host example.com", "example.com"),
            ("src localhost and tcp", "localhost"),
            ("tcp and dst (10.0.0.1 or gate)", "gate"),
            ("www.example.com", "www.example.com"),
            ("ether host gate", "gate"),
            ("src net arpanet", "arpanet"),
            ("ip6 host fd\u{1}0::1", "fd\u{1}0::1"),
            ("host fe80::1%eth0", "fe80::1%eth0"),
            ("host 10.0.0.10.0.0.11", "10.0.0.10.0.0.11"),
            ("net 10.0.0.", "10.0.0."),
            ("host 1-100", "1-100"),
            ("udp dst gate[0]", "gate"),
            ("host 10.0.0.1 or gate", "gate"),
        ] {
            let error = Filter::new(expression).unwrap_err();
            assert_eq!(&expression[error.place.unwrap()], name, "{expression}");
        }
        for fine in [
            "host fe80::1",
            "ether host 02:00:00:00:00:01",
            "dst port http or https",
            "dst net 10.0.0.0/8",
            "net 10.1",
            "ip6 net fd00::/8",
            "len > 60",
            "ether src 02-00-00-00-00-01",
            "ether dst 0200.0000.0001",
            "tcp-syn & tcp[13] != 0",
            "host 10.0.0.1 or len > 60",
            SYN,
        ] {
            assert_eq!(host_name(fine), None, "{fine}");
        }
    }
}
