//! Packets, and cells to show them to, for the tests of this folder and of correlate.
//!
//! In: what a story is about: hosts by the last byte of 10.0.0.0/24, ports, flags. Out: observations, and a
//! [`Story`] that shows them to 256 cells as dispatch does. Read next: `behaviour.rs`.

use std::sync::Arc;

use super::{
    Cell, Report, Suspicion, What,
    knock::{After, Knock},
    outcome::{self, Outcome},
    technique::Technique,
    witness::Witness,
};
use crate::{
    decode::{Address, Kind, Marks, Observation, observation::ARP},
    dispatch::{CELLS, Key, Role, Scattered, Sighting},
    presets::tripline::Thresholds,
    source::Time,
};

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A host and a port.
pub(crate) type End = (u8, u16);

pub(crate) fn host(last: u8) -> Address {
    Address::v4([10, 0, 0, last])
}

fn packet(kind: Kind, protocol: u8, from: End, to: End) -> Observation {
    Observation {
        src: host(from.0),
        dst: host(to.0),
        src_port: from.1,
        dst_port: to.1,
        window: 1024,
        protocol,
        kind,
        ttl: 64,
        ..Observation::BLANK
    }
}

/// A segment whose sequence number is made of its ports: no two doors share one.
pub(crate) fn tcp(from: End, to: End, flags: u8) -> Observation {
    let tcp_seq = u32::from(from.1) << 16 | u32::from(to.1);
    Observation { tcp_seq, flags, ..packet(Kind::Tcp, outcome::TCP, from, to) }
}

pub(crate) fn syn(from: End, to: End) -> Observation {
    tcp(from, to, SYN)
}

pub(crate) fn udp(from: End, to: End) -> Observation {
    packet(Kind::Udp, outcome::UDP, from, to)
}

pub(crate) fn ping(from: u8, to: u8) -> Observation {
    Observation { icmp_type: 8, ..packet(Kind::IcmpRequest, outcome::ICMP, (from, 77), (to, 1)) }
}

pub(crate) fn who_has(from: u8, to: u8) -> Observation {
    packet(Kind::ArpRequest, ARP, (from, 0), (to, 0))
}

/// The other way, by the same kind.
pub(crate) fn back(o: &Observation) -> Observation {
    Observation { src: o.dst, dst: o.src, src_port: o.dst_port, dst_port: o.src_port, ..*o }
}

/// A reset that echoes a SYN.
pub(crate) fn refusal(of: &Observation) -> Observation {
    Observation { tcp_seq: 0, tcp_ack: of.tcp_seq.wrapping_add(1), flags: RST | ACK, ..back(of) }
}

/// A SYN-ACK that echoes a SYN.
pub(crate) fn welcome(of: &Observation) -> Observation {
    Observation { tcp_seq: 0x5eed_0000, tcp_ack: of.tcp_seq.wrapping_add(1), flags: SYN | ACK, ..back(of) }
}

/// What a raw sender's kernel does with a welcome.
pub(crate) fn abort(of: &Observation) -> Observation {
    Observation { tcp_seq: of.tcp_seq.wrapping_add(1), flags: RST, ..*of }
}

/// The client closes a connection on which it has sent so many bytes.
pub(crate) fn goodbye(of: &Observation, sent: u32) -> Observation {
    let tcp_seq = of.tcp_seq.wrapping_add(1).wrapping_add(sent);
    Observation { tcp_seq, tcp_ack: 0x5eed_0001, flags: FIN | ACK, ..*of }
}

/// An ICMP error about a packet, as decode turns it round.
pub(crate) fn error(of: &Observation, icmp_type: u8, icmp_code: u8) -> Observation {
    Observation { kind: Kind::IcmpError, tcp_seq: of.tcp_seq, icmp_type, icmp_code, ..back(of) }
}

pub(crate) fn port_unreachable(of: &Observation) -> Observation {
    error(of, 3, 3)
}

/// A first contact with a TCP port that ended so; its numbers are no other's.
pub(crate) fn knock(target: u8, port: u16, outcome: Outcome) -> Knock {
    Knock {
        target: host(target),
        stamp: Time(i64::from(target) * Time::SECOND + i64::from(port)),
        isn: u32::from(target) << 16 | u32::from(port),
        said: 0,
        port,
        src_port: 40_000,
        marks: Marks::default(),
        technique: Technique::TcpSyn,
        outcome,
        after: After::Nothing,
        flags: SYN,
        ttl: 64,
        tos: 0,
    }
}

/// Packets shown to all cells, one after the other.
pub(crate) struct Story {
    key: Key,
    pub(crate) cells: Vec<Cell>,
    scattered: Scattered,
    now: Time,
    seq: u64,
    errands: bool,
    /// Nobody looks at the clock between packets unless this is set.
    ticks: bool,
    reports: Vec<Report>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::within(4 << 20)
    }

    /// With so many bytes for all cells.
    pub(crate) fn within(memory: usize) -> Self {
        let (key, thresholds) = (Key::new(5), Arc::new(Thresholds::default()));
        let cells = (0..CELLS).map(|_| Cell::new(memory, key.clone(), Arc::clone(&thresholds))).collect();
        let scattered = Scattered::default();
        Self { key, cells, scattered, now: Time(0), seq: 0, errands: true, ticks: false, reports: Vec::new() }
    }

    /// Whose cells fetch every observation.
    pub(crate) fn without_errands(mut self) -> Self {
        self.errands = false;
        self
    }

    /// Whose cells are told the time each half second of a wait, not only by packets.
    pub(crate) fn with_ticks(mut self) -> Self {
        self.ticks = true;
        self
    }

    /// So many milliseconds pass.
    pub(crate) fn wait(&mut self, millis: i64) -> &mut Self {
        let until = self.now.after(millis * 1_000_000);
        while self.ticks && self.now < until {
            self.now = self.now.after(500_000_000).min(until);
            self.look();
        }
        self.now = until;
        self
    }

    /// The cells are told the time.
    pub(crate) fn look(&mut self) -> &mut Self {
        self.cells.iter_mut().for_each(|cell| cell.advance(self.now));
        self
    }

    /// A packet goes by; the next comes a millisecond later.
    pub(crate) fn see(&mut self, o: Observation) -> &mut Self {
        let o = Observation { stamp: self.now, clock: self.now, seq: self.seq, ..o };
        self.scattered.clear();
        self.scattered.observations.push(o);
        self.scattered.sort(&self.key);
        for address in [o.src, o.dst].iter().take(if self.key.cell(o.src) == self.key.cell(o.dst) { 1 } else { 2 }) {
            let number = usize::from(self.key.cell(*address));
            for sighting in self.scattered.of(number) {
                let named = self.errands || sighting.role == Role::Probed;
                let errand = if named { sighting.errand } else { 0 };
                self.cells[number].see(&Sighting { errand, ..sighting });
            }
        }
        self.seq += 1;
        self.now = self.now.after(1_000_000);
        self
    }

    /// A SYN that is refused at once.
    pub(crate) fn refused(&mut self, from: End, to: End) -> &mut Self {
        let probe = syn(from, to);
        self.see(probe).see(refusal(&probe))
    }

    /// The same from an address of anywhere.
    pub(crate) fn refused_to(&mut self, from: Address, to: End) -> &mut Self {
        let probe = Observation { src: from, ..syn((0, 40_000), to) };
        self.see(probe).see(refusal(&probe))
    }

    /// Somebody asks about an address; so many of its doors are to be kept.
    pub(crate) fn watch(&mut self, source: Address, keep: usize) {
        self.cells[usize::from(self.key.cell(source))].watch(source, keep);
    }

    /// What is known of the only address that somebody asks about.
    pub(crate) fn witness(&mut self) -> Witness {
        let mut all: Vec<Witness> = self.cells.iter_mut().flat_map(Cell::witnesses).collect();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// A SYN that is answered; the connection is used, at each port in another way.
    pub(crate) fn visit(&mut self, from: End, to: End) -> &mut Self {
        let probe = syn(from, to);
        self.see(probe).see(welcome(&probe)).see(goodbye(&probe, 100 + u32::from(to.1)))
    }

    /// The input ends.
    pub(crate) fn end(&mut self) -> &mut Self {
        self.look();
        for cell in &mut self.cells {
            cell.wait_no_more(self.now, u64::MAX);
            cell.review_all(self.now);
            cell.end(self.now);
        }
        self
    }

    /// All reports so far, in the one order.
    pub(crate) fn reports(&mut self) -> Vec<Report> {
        self.reports.extend(self.cells.iter_mut().flat_map(|cell| cell.reports().collect::<Vec<_>>()));
        self.reports.sort_by(Report::compare);
        self.reports.clone()
    }

    /// Forgets the reports so far.
    pub(crate) fn forget(&mut self) {
        self.reports.clear();
    }

    /// What was suspected so far, the last word about each source and technique.
    pub(crate) fn suspicions(&mut self) -> Vec<(Address, Suspicion)> {
        let mut last: Vec<(Address, Suspicion)> = Vec::new();
        for report in self.reports() {
            let (What::Suspicion(s) | What::Day(s) | What::Ended(s)) = report.what else { continue };
            last.retain(|(source, known)| (*source, known.technique) != (report.source, s.technique));
            last.push((report.source, *s));
        }
        last
    }

    /// The only suspicion.
    pub(crate) fn suspicion(&mut self) -> Suspicion {
        let mut all = self.suspicions();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0).1
    }
}
