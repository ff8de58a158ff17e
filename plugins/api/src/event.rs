//! The event: what the world gets to see of a scan, in the envelope of Suricata's EVE.
//!
//! In: what the stages found. Out: one JSON object, absent where absent, never null.
//! A field is never renamed or given another meaning within `v`.
//! Must not know how it was found, nor where it goes.
//! Source: the envelope is that of Suricata's EVE JSON, so that what reads it reads this too.
//!
//! Every field with meaning, unit and origin: `docs/events.md`. The same for machines:
//! `event.schema.json` beside this crate's `Cargo.toml`; a field added here is added there.
//!
//! Read next: `output.rs` (who gets events), `samples.rs` (one of every sort).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One line of `eve`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the phase was reached: capture time, nanoseconds since 1970; written as EVE's
    /// microseconds with offset.
    #[serde(with = "crate::stamp")]
    pub timestamp: i64,
    /// `scan`, `anomaly` or `stats`; `alert` in the format `eve-alert`.
    pub event_type: EventType,
    /// The sensor's name, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The file of the deciding frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcap_filename: Option<String>,
    /// The number of the deciding frame in its file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcap_cnt: Option<u64>,
    /// The interface, when live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_iface: Option<String>,
    /// 802.1Q ids from the outside in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlan: Vec<u16>,
    /// The scanner, as far as `trust` goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<IpAddr>,
    /// Its source port, when it was always the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    /// The target, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest_ip: Option<IpAddr>,
    /// The port, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest_port: Option<u16>,
    /// TCP, UDP, ICMP, IPv6-ICMP, SCTP, ARP or a protocol number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<String>,
    /// Which way, when the rules name `home`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The sender's address on the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_mac: Option<String>,
    /// The tunnel that the packets came through, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    /// The scan itself; boxed, since it is large and most moves need not carry it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<Box<Scan>>,
    /// An oddity that is not a scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<Anomaly>,
    /// Events that this output lost just before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped_before: Option<u64>,
}

impl Event {
    /// An event of this type and time that says nothing else yet: fill in what is known.
    #[must_use]
    pub fn new(event_type: EventType, timestamp: i64) -> Self {
        Self {
            timestamp,
            event_type,
            host: None,
            pcap_filename: None,
            pcap_cnt: None,
            in_iface: None,
            vlan: Vec::new(),
            src_ip: None,
            src_port: None,
            dest_ip: None,
            dest_port: None,
            proto: None,
            direction: None,
            src_mac: None,
            tunnel: None,
            scan: None,
            anomaly: None,
            dropped_before: None,
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum EventType {
    Scan,
    Anomaly,
    Stats,
    Alert,
}

/// Which way a scan goes, seen from the nets called `home`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From home to home.
    Inside,
    /// From elsewhere to home.
    Inbound,
    /// From home to elsewhere.
    Outbound,
    /// From elsewhere to elsewhere.
    Transit,
}

/// The outermost tunnel around the probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Where it begins.
    pub src_ip: IpAddr,
    /// Where it ends.
    pub dest_ip: IpAddr,
    /// VXLAN, GRE, IPIP and so on.
    pub proto: String,
    /// Its network identifier or key, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u32>,
    /// How many tunnels lie around each other, from 1.
    pub depth: u8,
}

/// A scan at one moment of its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The version of these fields: 1.
    pub v: u8,
    /// A hash of preset, source, technique and start: 16 hex digits.
    pub id: String,
    /// Grows by one with each event of the scan, from 1.
    pub rev: u32,
    /// Where in its life.
    pub phase: Phase,
    /// How it knocks, as `docs/events.md` lists them: `tcp-syn`, `udp` and so on.
    pub technique: String,
    /// Its shape.
    pub kind: Kind,
    /// How much it matters; rules may change it.
    pub severity: Severity,
    /// Stamp of its first probe, nanoseconds since 1970.
    #[serde(with = "crate::stamp")]
    pub start: i64,
    /// Stamp of its last probe, nanoseconds since 1970.
    #[serde(with = "crate::stamp")]
    pub end: i64,
    /// Probes, repeats included.
    pub packets: u64,
    /// Distinct (target, protocol, port) tried.
    pub doors: u64,
    /// How they answered; the four sum to `doors`.
    pub answers: Answers,
    /// Hosts tried.
    pub targets: Counted<IpAddr>,
    /// Ports tried, where the technique has ports; of `ip-protocol` the protocol numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Ports>,
    /// Doors that were found open, `addr:port`, IPv6 in brackets; capped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// Who took part.
    pub sources: Counted<IpAddr>,
    /// The IPv6 network whose addresses the source takes in turn, `2001:db8:1:2::/64`: then there is no one `src_ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Of kind `decoy`: who it probably was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoy: Option<Decoy>,
    /// TCP flags of the probes in scanlogd's notation: a letter each of `fsrpauxy` (FIN, SYN, RST,
    /// PSH, ACK, URG, ECE, CWR), small where it was never set, large where always, `?` where sometimes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
    /// TTL or hop limit of the probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Span<u8>>,
    /// TOS or traffic class, when it was always the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tos: Option<u8>,
    /// Source ports of the probes, where the technique has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ports: Option<Span<u16>>,
    /// Some probes came in fragments.
    pub fragmented: bool,
    /// How far the source address can be believed.
    pub trust: Trust,
    /// The sender is on the local network.
    pub on_link: bool,
    /// The program that sent it, when recognised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// Why it was reported, for a person.
    pub reason: String,
    /// How complete the sensor's view was.
    pub completeness: Completeness,
    /// The rule that took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The preset that found it.
    pub preset: String,
}

/// Where in its life a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It was recognised.
    Begin,
    /// It has grown tenfold, or a day has passed.
    Update,
    /// It is over, or the input is: the totals.
    End,
}

/// The shape of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Many ports of one host.
    Vertical,
    /// One or few ports over many hosts.
    Horizontal,
    /// Many ports over many hosts.
    Block,
    /// Many sources share the doors of one target.
    Distributed,
    /// One true source hides among forged ones.
    Decoy,
}

/// How much a scan matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Severity {
    Low,
    Medium,
    High,
}

/// How far a source address can be believed, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Nothing but packets that anyone could have sent.
    Spoofable,
    /// It behaved as one who receives the answers: it reset exactly the doors that were open.
    Reacted,
    /// Its packets carry the targets' sequence numbers.
    Confirmed,
}

/// How doors answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Answers {
    pub open: u64,
    pub closed: u64,
    pub unreachable: u64,
    pub silent: u64,
}

/// A number of distinct things and the first few of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted<T> {
    /// How many.
    pub count: u64,
    /// Whether `count` is exact, or an estimate.
    pub exact: bool,
    /// The first ones, in order of first sight; capped.
    pub sample: Vec<T>,
}

/// Distinct ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// How many.
    pub count: u64,
    /// Whether `count` is exact, or an estimate.
    pub exact: bool,
    /// The first ones, in order of first sight; capped.
    pub sample: Vec<u16>,
    /// All of them as ranges, `22-25,80,443`, where they are known exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranges: Option<String>,
}

/// A smallest and a largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Span<T> {
    pub min: T,
    pub max: T,
}

/// Who hides among decoys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoy {
    /// The probable true source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likely_source: Option<IpAddr>,
    /// Why that one.
    pub reason: String,
}

/// A program that scans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `nmap`, `masscan`, `zmap` and so on.
    pub name: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// What it was recognised by, for a person.
    pub evidence: Vec<String>,
}

/// How complete the sensor's view was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Frames that the capture lost so far.
    pub drops: u64,
    /// First contacts of this source that were given up for want of memory.
    pub evicted: u64,
    /// Nothing was ever seen from the targets: outcomes are not known.
    pub one_sided: bool,
}

/// An oddity that is not a scan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// `overlap`, `flood`, `storm` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, for a person.
    pub event: String,
}
