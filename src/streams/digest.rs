//! The processor behind `tripline streams`: of each stream one line, with what each side said as number and hash.
//!
//! In: streams. Out: one JSON object a stream, as it ends.
//! Must not know how streams are put together.
//! Source: the fields are a contract, see `docs/streams.md`.
//! Read next: `plugins/api/src/processor.rs`.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, Stream, stamp};

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
