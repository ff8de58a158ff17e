//! What a series of probes shows: relations between one and the next.
//!
//! In: first contacts of one source and technique, one after the other. Out: how many followed each relation.
//! The order does not matter much: the relations hold between any two probes of one run of the program.
//! Must not know names: `mod.rs` draws the conclusion.
//! Source: `docs/DETECTION.md`.

use serde::{Deserialize, Serialize};

use super::{Probe, packet::Sign};

/// nmap draws the hop limit of each probe from as many values.
pub(super) const NMAP_TTLS: u8 = 23;
/// And none is above this.
const NMAP_TTL: u8 = 59;

/// Numbers closer than this may have been counted.
const COUNTED: u32 = 256;

/// First and last of the ports from which Linux takes a client's own.
const LINUX_PORTS: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// What is remembered of the probe before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    seq: u32,
    /// Of the last that was nmap's by its shape.
    nmap: Option<u32>,
    /// What unicornscan keeps the same, by the target's address in either order of bytes.
    keys: [u32; 2],
    src_port: u16,
    ttl: u8,
    /// Its hop limit was above that of the one before.
    rose: bool,
}

/// How many of the pairs of successive probes followed each relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Series {
    last: Option<Last>,
    /// Pairs.
    pub(super) pairs: u32,
    /// The two numbers differ as those of nmap's probes do: not at all, or in a small number written twice.
    pub(super) nmap: u32,
    /// Pings whose identifiers differ.
    pub(super) fresh: u32,
    /// The keys of unicornscan are the same, by either order of bytes.
    pub(super) unicorn: [u32; 2],
    /// The hop limits differ, by less than the range that nmap draws from.
    pub(super) near: u32,
    /// They went up after they had gone down, or down after up.
    pub(super) turns: u32,
    /// Which hop limits there were, by their lower six bits.
    ttls: u64,
    /// The source port is the same.
    same_port: u32,
    /// It is the next, or the next but one.
    next_port: u32,
    /// It is an even one of Linux's range: its kernel gives those to connections first.
    linux_port: u32,
}

impl Series {
    /// Takes one more probe in.
    pub(super) fn add(&mut self, probe: &Probe) {
        let &Probe { seq, src_port, ttl, sign, .. } = probe;
        let is_nmap = sign == Sign::NmapShape as u8 || sign == Sign::Acknowledged as u8;
        let keys = probe.target.map(|target| unicorn_keys(target, probe));
        self.linux_port += u32::from(LINUX_PORTS.contains(&src_port) && src_port % 2 == 0);
        self.ttls |= 1 << (ttl & 63);
        let (mut rose, mut nmap) = (false, is_nmap.then_some(seq));
        if let Some(last) = self.last {
            self.pairs += 1;
            if let (true, Some(before)) = (is_nmap, last.nmap) {
                self.nmap += u32::from(is_nmap_pair(before, seq));
            }
            nmap = nmap.or(last.nmap);
            self.fresh += u32::from(sign == Sign::NmapPing as u8 && last.src_port != src_port);
            // Of constants and counters that go along with the addresses the key would be the same, too.
            let is_drawn = seq.abs_diff(last.seq) >= COUNTED && sign != Sign::MiraiTarget as u8;
            if let Some(keys) = keys.filter(|_| is_drawn) {
                for ((count, key), before) in self.unicorn.iter_mut().zip(keys).zip(last.keys) {
                    *count += u32::from(key == before);
                }
            }
            let apart = last.ttl.abs_diff(ttl);
            rose = ttl > last.ttl;
            if apart != 0 && apart < NMAP_TTLS && ttl.max(last.ttl) <= NMAP_TTL && !probe.dont_fragment {
                self.near += 1;
                self.turns += u32::from(rose != last.rose);
            }
            self.same_port += u32::from(src_port == last.src_port);
            self.next_port += u32::from(matches!(src_port.wrapping_sub(last.src_port), 1 | 2));
        }
        self.last = Some(Last { seq, nmap, keys: keys.unwrap_or_default(), src_port, ttl, rose });
    }

    /// Different hop limits.
    pub(super) fn ttls(&self) -> u32 {
        self.ttls.count_ones()
    }

    /// How the source ports go, in words, where they tell something.
    pub(super) fn source_ports(&self) -> Option<&'static str> {
        let nearly_all = |count: u32| self.pairs >= 3 && u64::from(count) * 10 >= u64::from(self.pairs) * 9;
        if nearly_all(self.same_port) {
            Some("one source port")
        } else if nearly_all(self.next_port) {
            Some("source ports that count up")
        } else if self.pairs >= 15 && self.linux_port > self.pairs {
            Some("source ports as Linux gives them out")
        } else {
            None
        }
    }
}

/// nmap writes the number of the attempt and of the ping into both halves of a number that it has drawn once.
fn is_nmap_pair(a: u32, b: u32) -> bool {
    let x = a ^ b;
    x >> 16 == x & 0xffff && x & 0xff00 == 0
}

/// unicornscan makes the sequence number of target, ports and a key of the run; the address as the sender's machine
/// has it in memory.
fn unicorn_keys(target: u32, probe: &Probe) -> [u32; 2] {
    let ports = (u32::from(probe.port) << 16).wrapping_add(u32::from(probe.src_port));
    [target, target.swap_bytes()].map(|target| probe.seq ^ target ^ ports)
}
