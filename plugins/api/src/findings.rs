//! What a stream processor tells: evidence about a source, and lines.
//!
//! In: whatever processors find while one packet is looked at. Out: the same, for the host to take; it says what
//! becomes of it. Bounded: a stream that makes a processor talk must not fill the memory.
//! Read next: `processor.rs`.

use std::net::{IpAddr, SocketAddr};

/// Findings that are kept until the host takes them. It does so at each packet.
const MOST: usize = 4096;

/// Something that tells who a source is, or what it uses: it is added to the source's scan of this door, if there is
/// one.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Whom it is about.
    pub source: IpAddr,
    /// At which door it was seen: target and port,
    pub target: SocketAddr,
    /// and the IP protocol: 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// When, in nanoseconds since 1970.
    pub stamp: i64,
    /// The tool that it speaks for: `nmap`, `zgrab`, …
    pub tool: Option<String>,
    /// How surely, from 0 to 1.
    pub confidence: f64,
    /// What was seen, for a person.
    pub text: String,
}

/// What processors found while one packet was looked at.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    evidence: Vec<Evidence>,
    lines: Vec<(usize, String)>,
    teller: usize,
    lost: u64,
}

impl Findings {
    /// The same, for the processor with this number: the host says whose call comes next, so that it knows whose lines
    /// are told.
    pub fn of(&mut self, processor: usize) -> &mut Self {
        self.teller = processor;
        self
    }

    /// Adds evidence.
    pub fn evidence(&mut self, evidence: Evidence) {
        match self.evidence.len() {
            MOST.. => self.lost += 1,
            _ => self.evidence.push(evidence),
        }
    }

    /// Adds a line of the processor's own, one JSON object without a newline, for where its lines go.
    pub fn line(&mut self, line: String) {
        match self.lines.len() {
            MOST.. => self.lost += 1,
            _ => self.lines.push((self.teller, line)),
        }
    }

    /// Takes the evidence, in the order in which it was found.
    pub fn take_evidence(&mut self) -> impl Iterator<Item = Evidence> {
        self.evidence.drain(..)
    }

    /// Takes the lines, in the order in which they were told, each with the number of the processor that told it.
    pub fn take_lines(&mut self) -> impl Iterator<Item = (usize, String)> {
        self.lines.drain(..)
    }

    /// Nothing waits to be taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.evidence.is_empty() && self.lines.is_empty()
    }

    /// How many were given up because the host did not take them in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_teller() {
        let mut findings = Findings::default();
        findings.of(1).line("b".to_owned());
        findings.of(0).line("a".to_owned());
        assert_eq!(findings.take_lines().collect::<Vec<_>>(), [(1, "b".to_owned()), (0, "a".to_owned())]);
    }

    #[test]
    fn a_talker_fills_no_memory_and_what_is_given_up_is_counted() {
        let mut findings = Findings::default();
        for n in 0..MOST + 5 {
            findings.line(n.to_string());
        }
        assert_eq!((findings.take_lines().count(), findings.lost(), findings.is_empty()), (MOST, 5, true));
    }
}
