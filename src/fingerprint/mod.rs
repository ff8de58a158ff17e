//! Fingerprint: which program sent a scan, by exact relations that its code leaves in what it sends.
//!
//! In: of each probe the [`Sign`] that it carries (`packet.rs`), and the probes of a scan one after the other
//! (`series.rs`). Out: a [`Tool`] with the share of probes that carry its sign, and by what chance somebody else's
//! would; or nothing, which is the answer for whatever uses the kernel's own connections.
//! A name needs more than half of all probes that could carry the sign, at least two, and odds of a million to one
//! against chance, for ever so long a scan: a wrong name sends people the wrong way.
//! Must not know outcomes, terrain or judgement, nor change them: who scans is found by what is asked.
//! Source: `docs/DETECTION.md`, "Tools".
//! Read next: `packet.rs`, `series.rs`, then `cells/evidence.rs` (who keeps the state).

mod packet;
#[cfg(test)]
mod programs;
mod series;

use serde::{Deserialize, Serialize};
use tripline_plugin::event::Tool;

use packet::SIGNS;
pub use packet::{Sign, sign};
use series::{NMAP_TTLS, Series};

use crate::decode::telltale::{DNS, SNMP};

/// Odds against chance that a name takes: two to the power of this.
const ODDS: f64 = 20.0;

/// Different hop limits that are needed before they are thought to be drawn: a path changes, but not so often.
const TTLS: u32 = 5;

/// The most that is ever claimed: signs can be copied.
const CERTAIN: f64 = 0.99;

/// A probe, as far as its sender shows in it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The sign that it carries by itself: [`sign`].
    pub sign: u8,
    /// The target's IPv4 address, of TCP alone.
    pub target: Option<u32>,
    /// The target's port.
    pub port: u16,
    /// Source port; of a ping its identifier.
    pub src_port: u16,
    /// TCP sequence number.
    pub seq: u32,
    /// Hop limit; 0 where it was not seen.
    pub ttl: u8,
    /// IPv4 "don't fragment".
    pub dont_fragment: bool,
}

/// What a scan's probes have shown so far: a few counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    probes: u32,
    signs: [u32; SIGNS],
    /// Probes to services whose questions have a number.
    questions: u32,
    series: Series,
}

/// One test and what came of it.
struct Test {
    name: &'static str,
    what: &'static str,
    /// What `of` counts.
    unit: &'static str,
    matches: u32,
    of: u32,
    /// Each match is so improbable: once in two to the power of this.
    odds: f64,
}

impl Traces {
    /// Takes one more first contact in.
    pub fn add(&mut self, probe: &Probe) {
        if self.probes == u32::MAX {
            return;
        }
        self.probes += 1;
        self.questions += u32::from(matches!(probe.port, DNS | SNMP));
        if let Some(count) = self.signs.get_mut(usize::from(probe.sign)) {
            *count += 1;
        }
        self.series.add(probe);
    }

    /// The program that sent the scan, if it has shown itself.
    #[must_use]
    pub fn tool(&self) -> Option<Tool> {
        let passed: Vec<Test> = self.tests().into_iter().filter(Test::is_passed).collect();
        let best = passed.iter().max_by(|a, b| a.confidence().total_cmp(&b.confidence()))?;
        let evidence = passed.iter().filter(|test| test.name == best.name).map(Test::words).collect();
        Some(Tool { name: best.name.to_owned(), confidence: best.confidence(), evidence })
    }

    /// How the source ports go, in words, where they tell something.
    #[must_use]
    pub fn source_ports(&self) -> Option<&'static str> {
        self.series.source_ports()
    }

    fn tests(&self) -> Vec<Test> {
        let of_probe = |name, sign: Sign, of, what| {
            let matches = self.signs.get(sign as usize).copied().unwrap_or(0);
            Test { name, what, unit: "probes", matches, of, odds: sign.odds() }
        };
        let s = &self.series;
        let of_pair = |name, matches, odds, what| Test { name, what, unit: "pairs", matches, of: s.pairs, odds };
        let unicorn = s.unicorn.iter().copied().max().unwrap_or(0);
        let drawn = s.ttls() >= TTLS && u64::from(s.turns) * 3 >= u64::from(s.pairs);
        let all = self.probes;
        vec![
            of_probe("mirai", Sign::MiraiTarget, all, "the sequence number is the target's address"),
            of_probe("zmap", Sign::ZmapId, all, "the IP identification is 54321"),
            of_probe("zmap", Sign::ZmapClock, all, "the TCP timestamp is the time of day"),
            of_probe(
                "masscan",
                Sign::MasscanId,
                all,
                "the IP identification is target, port and sequence number, XORed",
            ),
            of_probe(
                "masscan",
                Sign::MasscanQuestion,
                self.questions,
                "the IP identification is target, port and the question's number, XORed",
            ),
            of_pair("nmap", s.nmap, 24.0, "numbers as nmap makes them"),
            of_probe("nmap", Sign::NmapBlank, all, "window 1024, sequence number 0 beside an acknowledgement"),
            of_pair(
                "nmap",
                s.fresh,
                Sign::NmapPing.odds(),
                "pings without payload, numbered 0, each with another identifier",
            ),
            of_pair(
                "nmap",
                if drawn { s.near } else { 0 },
                (256.0 / f64::from(NMAP_TTLS)).log2(),
                "hop limits drawn anew from 23 values",
            ),
            of_pair("unicornscan", unicorn, 32.0, "sequence number, target and ports make one key"),
            of_probe("hping3", Sign::HpingAck, all, "window 512, no options, a number acknowledged without the flag"),
            of_probe("ipeye", Sign::IpEye, all, "the sequence number is 1958810375"),
            of_probe("synscan", Sign::Synscan, all, "SYN and FIN, the IP identification is 39426"),
            of_probe("icmpenum", Sign::Icmpenum, all, "empty pings, the IP identification is 666"),
        ]
    }
}

impl Test {
    /// Two to the power of minus this: how probable so many matches among so many are by chance. (The number of
    /// ways to choose them is bounded by the entropy of the share.)
    fn against_chance(&self) -> f64 {
        let (k, n) = (f64::from(self.matches), f64::from(self.of));
        let share = if n > 0.0 { (k / n).clamp(0.0, 1.0) } else { 0.0 };
        let term = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
        k * self.odds - n * (term(share) + term(1.0 - share))
    }

    fn is_passed(&self) -> bool {
        self.matches >= 2
            && self.matches <= self.of
            && u64::from(self.matches) * 2 > u64::from(self.of)
            && self.against_chance() >= ODDS
    }

    /// The share of probes that carry the sign, less the chance; to two digits.
    fn confidence(&self) -> f64 {
        let share = f64::from(self.matches) / f64::from(self.of.max(1));
        let sure = share * (1.0 - (-self.against_chance()).exp2());
        ((sure * 100.0).floor() / 100.0).min(CERTAIN)
    }

    fn words(&self) -> String {
        let Self { what, unit, matches, of, .. } = self;
        format!("{what}: {matches} of {of} {unit}, by chance once in 2^{:.0}", self.against_chance().floor())
    }
}
