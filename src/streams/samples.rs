//! A conversation made by hand, for the tests of this folder.
//!
//! In: segments, told with offsets from each side's beginning. Out: what a follower of the stream was given.
//! Read next: `stories.rs`.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, Stream};

use super::{
    counts::Counts,
    segment::{Segment, Sum},
    table::Table,
};
use crate::{
    decode::{
        Address,
        tcp::flags::{ACK, FIN, RST, SYN},
    },
    defragment::{Overlap, Policies},
    source::Time,
};

pub(super) const CLIENT: (Address, u16) = (Address(0xffff_0a00_0002), 40_000);
pub(super) const SERVER: (Address, u16) = (Address(0xffff_0a00_0001), 80);

/// What was given of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) to_server: String,
    pub(super) to_client: String,
    pub(super) end: Option<End>,
    pub(super) midstream: bool,
    pub(super) established: bool,
}

#[derive(Default)]
struct Ear {
    all: Arc<Mutex<Vec<Heard>>>,
}

struct Scribe {
    heard: Heard,
    all: Arc<Mutex<Vec<Heard>>>,
}

impl Processor for Ear {
    fn established(&mut self, stream: &Stream) -> Option<Box<dyn Follower>> {
        let heard = Heard { midstream: stream.midstream, established: true, ..Heard::default() };
        Some(Box::new(Scribe { heard, all: Arc::clone(&self.all) }))
    }

    fn attempted(&mut self, _: &Stream, end: End, _: &mut Findings) {
        self.all.lock().unwrap().push(Heard { end: Some(end), ..Heard::default() });
    }
}

impl Scribe {
    fn of(&mut self, direction: Direction) -> &mut String {
        match direction {
            Direction::ToServer => &mut self.heard.to_server,
            Direction::ToClient => &mut self.heard.to_client,
        }
    }
}

impl Follower for Scribe {
    fn data(&mut self, _: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
        self.of(chunk.direction).push_str(&String::from_utf8_lossy(chunk.data));
    }

    fn urgent(&mut self, _: &Stream, direction: Direction, _: u64, byte: u8, _: &mut Findings) {
        self.of(direction).extend(['<', char::from(byte), '>']);
    }

    fn gap(&mut self, _: &Stream, direction: Direction, _: u64, len: u64, _: &mut Findings) {
        write!(self.of(direction), "[{len}]").unwrap();
    }

    fn end(&mut self, _: &Stream, end: End, _: &mut Findings) {
        self.heard.end = Some(end);
        self.all.lock().unwrap().push(self.heard.clone());
    }
}

/// A segment; its fields may be changed before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) from: (Address, u16),
    pub(super) to: (Address, u16),
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) window: u16,
    pub(super) urgent: u16,
    pub(super) ttl: u8,
    pub(super) timestamp: Option<u32>,
    pub(super) scale: Option<u8>,
    pub(super) sum: Sum,
    pub(super) payload: Vec<u8>,
}

/// The conversation.
pub(super) struct Story {
    pub(super) table: Table,
    pub(super) now: i64,
    /// The numbers of the client's and the server's SYN.
    pub(super) isn: [u32; 2],
    place: u64,
    all: Arc<Mutex<Vec<Heard>>>,
}

impl Story {
    pub(super) fn new() -> Self {
        Self::with(64 << 20, Overlap::Linux)
    }

    pub(super) fn with(memory: usize, overlap: Overlap) -> Self {
        let ear = Ear::default();
        let all = Arc::clone(&ear.all);
        let table = Table::new(memory, Policies::all(overlap), vec![Box::new(ear)]);
        // Both wrap within the first hundred bytes.
        Self { table, now: 0, isn: [u32::MAX - 20, u32::MAX - 50], place: 0, all }
    }

    /// A segment of the client (0) or server (1), whose first byte is its sender's byte `at`, and which acknowledges so
    /// many of the other's.
    pub(super) fn told(&self, by: usize, flags: u8, at: i64, acked: i64, payload: &str) -> Told {
        let (from, to) = if by == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let seq = |side: usize, at: i64| self.isn[side].wrapping_add(1).wrapping_add(at as u32);
        let (seq, ack) = (seq(by, at), seq(1 - by, acked));
        let payload = payload.as_bytes().to_vec();
        Told {
            from,
            to,
            flags,
            seq,
            ack,
            window: 60_000,
            urgent: 0,
            ttl: 60,
            timestamp: None,
            scale: None,
            sum: Sum::Right,
            payload,
        }
    }

    pub(super) fn send(&mut self, told: &Told) {
        let &Told { from: src, to: dst, flags, seq, ack, window, urgent, ttl, timestamp, scale, sum, .. } = told;
        let (stamp, clock) = (Time(self.now), Time(self.now));
        let (payload, len, place) = (told.payload.as_slice(), told.payload.len() as u32, self.place);
        let segment = Segment {
            src,
            dst,
            seq,
            ack,
            flags,
            window,
            urgent,
            ttl,
            scale,
            timestamp,
            payload,
            len,
            sum,
            stamp,
            clock,
            place,
        };
        self.table.read(&segment, clock);
        self.now += 1_000_000;
        self.place += 1;
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += seconds * Time::SECOND;
        (0..3).for_each(|_| self.table.expire(Time(self.now)));
    }

    pub(super) fn say(&mut self, by: usize, flags: u8, at: i64, acked: i64, payload: &str) {
        self.send(&self.told(by, flags, at, acked, payload));
    }

    /// The three segments.
    pub(super) fn handshake(&mut self) {
        self.say(0, SYN, -1, 0, "");
        self.say(1, SYN | ACK, -1, 0, "");
        self.say(0, ACK, 0, 0, "");
    }

    /// The client says something at its byte `at`.
    pub(super) fn client(&mut self, at: i64, payload: &str) {
        self.say(0, ACK, at, 0, payload);
    }

    /// The server has got so many bytes, and said none.
    pub(super) fn acked(&mut self, acked: i64) {
        self.say(1, ACK, 0, acked, "");
    }

    /// Both close: the client behind its byte `sent`.
    pub(super) fn close(&mut self, sent: i64) {
        self.say(0, ACK | FIN, sent, 0, "");
        self.say(1, ACK | FIN, 0, sent + 1, "");
        self.say(0, ACK, sent + 1, 1, "");
    }

    pub(super) fn reset(&mut self, by: usize, at: i64) {
        self.say(by, RST, at, 0, "");
    }

    /// All streams, in the order of their ends.
    pub(super) fn heard(mut self) -> (Vec<Heard>, Counts) {
        while self.table.finish() {}
        assert_eq!(self.table.held(), 0);
        (self.all.lock().unwrap().clone(), self.table.counts)
    }

    /// What the client said on the one stream, and how that ended.
    pub(super) fn end(self) -> (String, End) {
        let (heard, _) = self.heard();
        let [one] = heard.as_slice() else { panic!("one stream: {heard:?}") };
        (one.to_server.clone(), one.end.unwrap())
    }

    /// How many streams have ended so far.
    pub(super) fn ended(&self) -> usize {
        self.all.lock().unwrap().len()
    }
}
