//! Tripline with a stream processor of one's own: a line for each TCP connection, with what each side said in bytes.
//!
//! `cargo run --example tcp_logger -- read --processor tcp-logger:path=connections.jsonl today.pcap`. It can do all that
//! `tripline` can, and this. `docs/processors.md` shows it beside the same for libnids.
//! Read next: `plugins/api/src/processor.rs` (the contract).

use std::process::ExitCode;

use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, ProcessorPlugin, Stream};

fn main() -> ExitCode {
    tripline::run_with(tripline::builtin().processor(PLUGIN))
}

/// What `--processor` and `tripline plugins` know of it.
pub const PLUGIN: ProcessorPlugin = ProcessorPlugin {
    name: "tcp-logger",
    summary: "one line for each TCP connection",
    lines: true,
    options: &[],
    build: |_| Ok(Box::new(Logger)),
};

struct Logger;

impl Processor for Logger {
    fn established(&mut self, _: &Stream) -> Option<Box<dyn Follower>> {
        Some(Box::new(Connection { to_server: 0, to_client: 0 }))
    }
}

struct Connection {
    to_server: usize,
    to_client: usize,
}

impl Follower for Connection {
    fn data(&mut self, _: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
        match chunk.direction {
            Direction::ToServer => self.to_server += chunk.data.len(),
            Direction::ToClient => self.to_client += chunk.data.len(),
        }
    }

    fn end(&mut self, stream: &Stream, end: End, findings: &mut Findings) {
        let Self { to_server, to_client } = self;
        let Stream { client, server, .. } = stream;
        let end = end.name();
        findings.line(format!(
            r#"{{"client":"{client}","server":"{server}","to_server":{to_server},"to_client":{to_client},"end":"{end}"}}"#
        ));
    }
}
