//! Of each TCP stream one line, with what each side said as number and hash: the processor behind `tripline streams`.
//!
//! In: streams. Out: one JSON object a stream, as it ends.
//! Must not know how streams are put together.
//! Source: the fields are a contract, see `docs/streams.md`.
//! Read next: `plugins/api/src/processor.rs`.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, ProcessorPlugin, Stream, stamp};

/// The card of this plugin.
pub const PLUGIN: ProcessorPlugin = ProcessorPlugin {
    name: "streams",
    summary: "one JSON line for each TCP stream as it ends: who, when, how much, how it ended",
    lines: true,
    options: &[],
    build: |_| Ok(Box::new(Digest)),
};

/// Makes a line of every stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest;

impl Processor for Digest {
    fn established(&mut self, _: &Stream) -> Option<Box<dyn Follower>> {
        Some(Box::<Sums>::default())
    }

    fn attempted(&mut self, stream: &Stream, end: End, findings: &mut Findings) {
        Sums::default().end(stream, end, findings);
    }
}

/// What was said so far.
#[derive(Default)]
struct Sums {
    to_server: Sum,
    to_client: Sum,
    gaps: u64,
    missing: u64,
    urgent: u64,
}

#[derive(Default)]
struct Sum {
    bytes: u64,
    hash: Sha256,
}

impl Sum {
    fn hex(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in self.hash.clone().finalize() {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

/// The line.
#[derive(Serialize)]
struct Line {
    client: String,
    server: String,
    #[serde(with = "stamp")]
    start: i64,
    #[serde(with = "stamp")]
    end_time: i64,
    end: &'static str,
    c2s_bytes: u64,
    s2c_bytes: u64,
    c2s_sha256: String,
    s2c_sha256: String,
    gaps: u64,
    #[serde(skip_serializing_if = "is_none")]
    missing: u64,
    urgent: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    midstream: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Follower for Sums {
    fn data(&mut self, _: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
        let sum = match chunk.direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        sum.bytes += chunk.data.len() as u64;
        sum.hash.update(chunk.data);
    }

    fn urgent(&mut self, _: &Stream, _: Direction, _: u64, _: u8, _: &mut Findings) {
        self.urgent += 1;
    }

    fn gap(&mut self, _: &Stream, _: Direction, _: u64, len: u64, _: &mut Findings) {
        self.gaps += 1;
        self.missing += len;
    }

    fn end(&mut self, stream: &Stream, end: End, findings: &mut Findings) {
        let line = Line {
            client: stream.client.to_string(),
            server: stream.server.to_string(),
            start: stream.start,
            end_time: stream.now,
            end: end.name(),
            c2s_bytes: self.to_server.bytes,
            s2c_bytes: self.to_client.bytes,
            c2s_sha256: self.to_server.hex(),
            s2c_sha256: self.to_client.hex(),
            gaps: self.gaps,
            missing: self.missing,
            urgent: self.urgent,
            midstream: stream.midstream,
        };
        if let Ok(line) = serde_json::to_string(&line) {
            findings.line(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_said_and_how_it_ended() {
        let [client, server] = [40_000, 80].map(|port| ([10, 0, 0, 1], port).into());
        let about = Stream { client, server, start: 0, now: 1_000_000_000, seq: 9, midstream: true };
        let mut findings = Findings::default();
        let mut sums = Digest.established(&about).unwrap();
        for (direction, data) in
            [(Direction::ToServer, &b"ab"[..]), (Direction::ToServer, b"c"), (Direction::ToClient, b"")]
        {
            sums.data(&about, &mut Chunk::new(direction, 0, data, data.len()), &mut findings);
        }
        sums.gap(&about, Direction::ToClient, 0, 7, &mut findings);
        sums.urgent(&about, Direction::ToServer, 3, b'!', &mut findings);
        sums.end(&about, End::Reset, &mut findings);
        let line: serde_json::Value = serde_json::from_str(&findings.take_lines().next().unwrap().1).unwrap();
        let expected = serde_json::json!({
            "client": "10.0.0.1:40000", "server": "10.0.0.1:80", "end": "reset", "midstream": true,
            "start": "1970-01-01T00:00:00.000000+0000", "end_time": "1970-01-01T00:00:01.000000+0000",
            "c2s_bytes": 3, "s2c_bytes": 0, "gaps": 1, "missing": 7, "urgent": 1,
            "c2s_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "s2c_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        });
        assert_eq!(line, expected);
    }
}
