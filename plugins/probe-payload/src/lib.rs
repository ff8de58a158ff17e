//! Recognises what scanners say on open ports: the questions of service detection, banner grabs, the names that
//! scanners give themselves.
//!
//! In: what clients say first on TCP streams, and UDP datagrams. Out: evidence about the client, which the host adds to
//! that client's scan. One who said no such thing is no less a scanner, and one who did becomes none by it.
//! Must not judge by what honest clients say, too. Keeps nothing but whether a stream is decided; the host keeps the
//! bytes, at most [`LOOK`] of them.
//! Source: `signs.rs`, row by row.
//! Read next: `signs.rs`.

mod signs;

use std::net::SocketAddr;

use signs::{CERTAIN, CLAIMED, ROWS, Row, Sign};
use tripline_plugin::{
    Chunk, Direction, Evidence, Findings, Follower, Interest, Levels, Processor, ProcessorPlugin, Stream, Udp,
};

/// Bytes of a stream that are looked at: a greeting, or the head of a request.
pub const LOOK: usize = 2_048;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The card of this plugin.
pub const PLUGIN: ProcessorPlugin = ProcessorPlugin {
    name: "probe-payload",
    summary: "names scanners by what they say on open ports: nmap -sV, banner grabs, user agents",
    lines: false,
    options: &[],
    build: |_| Ok(Box::new(ProbePayload)),
};

struct ProbePayload;

impl Processor for ProbePayload {
    fn levels(&self) -> Levels {
        Levels { ip: false, udp: true, tcp: true }
    }

    fn udp(&mut self, datagram: &Udp<'_>, findings: &mut Findings) {
        let payload = datagram.payload.get(..LOOK).unwrap_or(datagram.payload);
        if let Some(row) = ROWS.iter().find(|row| row.is_said_in(payload)) {
            findings.evidence(row.evidence((datagram.source, datagram.target, UDP), datagram.stamp));
        }
    }

    fn established(&mut self, stream: &Stream) -> Option<Box<dyn Follower>> {
        // What was met under way does not begin with what was said first.
        (!stream.midstream).then(|| Box::new(Listener { decided: false }) as Box<dyn Follower>)
    }
}

/// Listens to one client until it is known what it said first.
struct Listener {
    decided: bool,
}

impl Follower for Listener {
    fn interest(&self) -> Interest {
        if self.decided { Interest::NONE } else { Interest::TO_SERVER }
    }

    fn data(&mut self, stream: &Stream, chunk: &mut Chunk<'_>, findings: &mut Findings) {
        let said = chunk.data.get(..LOOK).unwrap_or(chunk.data);
        if let Some(row) = ROWS.iter().find(|row| row.is_said_in(said)) {
            findings.evidence(row.evidence((stream.client, stream.server, TCP), stream.now));
            self.decided = true;
        } else if said.len() == LOOK || is_over(said) {
            self.decided = true;
        } else {
            // Offered again with what comes next.
            chunk.consume(0);
        }
    }

    fn gap(&mut self, _: &Stream, _: Direction, _: u64, _: u64, _: &mut Findings) {
        self.decided = true;
    }
}

impl Row {
    fn is_said_in(&self, said: &[u8]) -> bool {
        match self.sign {
            Sign::Bytes(at, bytes) => said.get(at..).is_some_and(|said| said.starts_with(bytes)),
            Sign::Agent(name) => agent(said).is_some_and(|agent| agent.starts_with(name.as_bytes())),
            Sign::Ssh(name) => ssh_version(said).is_some_and(|version| version.starts_with(name.as_bytes())),
        }
    }

    fn evidence(&self, (source, target, protocol): (SocketAddr, SocketAddr, u8), stamp: i64) -> Evidence {
        let confidence = if matches!(self.sign, Sign::Bytes(..)) { CERTAIN } else { CLAIMED };
        let text = format!("on an open port it sent {}", self.what);
        Evidence { source: source.ip(), target, protocol, stamp, tool: Some(self.tool.to_owned()), confidence, text }
    }
}

/// `METHOD target HTTP/1.x`.
fn is_request(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ');
    let method = words.next().unwrap_or_default();
    !method.is_empty()
        && method.iter().all(u8::is_ascii_uppercase)
        && words.next_back().is_some_and(|version| version.starts_with(b"HTTP/1."))
}

/// The User-Agent of an HTTP request, once its line is there in full.
fn agent(said: &[u8]) -> Option<&[u8]> {
    let whole = said.get(..said.iter().rposition(|byte| *byte == b'\n')?)?;
    let mut lines = whole.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.next().filter(|first| is_request(first))?;
    lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        name.eq_ignore_ascii_case(b"user-agent").then(|| value.trim_ascii_start())
    })
}

/// Of `SSH-2.0-OpenSSH_9.9 comments` what stands behind the second dash.
fn ssh_version(said: &[u8]) -> Option<&[u8]> {
    let line = said.strip_prefix(b"SSH-")?;
    let line = line.get(..line.iter().position(|byte| *byte == b'\n')?)?;
    let dash = line.iter().position(|byte| *byte == b'-')?;
    line.get(dash + 1..)
}

/// Nothing that is still to come can make a row fit.
fn is_over(said: &[u8]) -> bool {
    /// Behind this place no row looks, but in the heads of requests.
    const FIXED: usize = 64;
    let line = said.iter().position(|byte| *byte == b'\n').and_then(|end| said.get(..end));
    match line {
        Some(line) if is_request(line.trim_ascii_end()) => {
            said.windows(4).any(|end| end == b"\r\n\r\n" || end.ends_with(b"\n\n"))
        }
        Some(line) if line.starts_with(b"SSH-") => true,
        Some(_) => said.len() >= FIXED,
        // A long line may still become a request's.
        None => said.len() >= FIXED && !said.first().is_some_and(u8::is_ascii_uppercase),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a client that says this, in pieces of so many bytes; and how much is asked for again.
    fn heard(said: &[u8], piece: usize) -> (Option<(String, String)>, usize) {
        let address = SocketAddr::from(([10, 0, 0, 1], 80));
        let about = Stream { client: address, server: address, start: 0, now: 7, seq: 1, midstream: false };
        let (mut listener, mut findings) = (Listener { decided: false }, Findings::default());
        let (mut from, mut to) = (0, 0);
        while to < said.len() && listener.interest().to_server {
            to = (to + piece).min(said.len());
            let mut chunk = Chunk::new(Direction::ToServer, from as u64, &said[from..to], piece);
            listener.data(&about, &mut chunk, &mut findings);
            from += chunk.consumed();
        }
        let mut told = findings.take_evidence().map(|evidence| (evidence.tool.unwrap(), evidence.text));
        let first = told.next();
        assert!(told.next().is_none(), "a stream is told of once");
        (first, to)
    }

    fn tool(said: &[u8]) -> Option<String> {
        let whole = heard(said, said.len()).0;
        for piece in [1, 7] {
            assert_eq!(heard(said, piece).0, whole, "{}", said.escape_ascii());
        }
        whole.map(|(tool, _)| tool)
    }

    fn request(agent: &str) -> Vec<u8> {
        format!("GET / HTTP/1.1\r\nHost: 10.0.0.1\r\nuser-agent:  {agent}\r\nAccept: */*\r\n\r\n").into_bytes()
    }

    #[test]
    fn each_row_is_found_and_says_where_it_is_from() {
        for row in ROWS {
            let said = match row.sign {
                Sign::Bytes(at, bytes) => [&[0; LOOK][..at], bytes].concat(),
                Sign::Agent(name) => request(&format!("{name}1.2 (more)")),
                Sign::Ssh(name) => format!("SSH-2.0-{name}_1\r\n").into_bytes(),
            };
            assert_eq!(tool(&said).as_deref(), Some(row.tool), "{row:?}");
            assert!(!row.origin.is_empty() && !row.what.is_empty());
        }
    }

    #[test]
    fn what_honest_clients_say_names_nobody() {
        for said in [
            &b"GET / HTTP/1.0\r\n\r\n"[..],
            b"OPTIONS / HTTP/1.0\r\n\r\n",
            b"OPTIONS rtsp://10.0.0.1/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            b"\r\n\r\n",
            b"HELP\r\n",
            b"SSH-2.0-Go\r\n",
            b"SSH-2.0-OpenSSH_9.9 Nmap\r\n",
            b"SSH-2.0-libssh2_1.11.0\r\n",
            b"EHLO nmap.example\r\n",
            b"POST /log HTTP/1.1\r\nHost: x\r\n\r\nUser-Agent: sqlmap/1.7\r\n\r\n",
            b"User-Agent: sqlmap/1.7\r\nUser-Agent: sqlmap/1.7\r\n",
        ] {
            assert_eq!(tool(said), None, "{}", said.escape_ascii());
        }
        for agent in ["curl/8", "Go-http-client/1.1", "Mozilla/5.0 (X11; Linux x86_64) about nmap and sqlmap/1.7"] {
            assert_eq!(tool(&request(agent)), None, "{agent}");
        }
    }

    #[test]
    fn a_stream_is_listened_to_no_longer_than_it_takes() {
        assert_eq!(heard(&[0; 10_000], 1).1, 64);
        assert_eq!(heard(&[b'A'; 10_000], 1).1, LOOK);
        assert_eq!(heard(b"GET / HTTP/1.1\r\n\r\nand a long body of something", 1).1, 18);
    }
}
