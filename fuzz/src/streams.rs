//! What is promised of streams: reassembly of TCP.
//!
//! In: bytes, read as segments of a few connections. Out: a panic where memory passes its bound, a follower is told a byte that
//! nobody sent at that place, hears of a stream again after its end, or not of its end.
//! Read next: `tripline::streams`, `tripline_plugin::Processor`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use tripline::{
    defragment::{Overlap, Policies},
    source::{Frame, LinkType, Time},
    streams::{Checksums, Intake, Settings},
};
use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, Stream};

use crate::choices::Choices;

/// Bytes for streams: little, so that a small input uses them up.
const MEMORY: usize = 96 << 10;

/// What each of the four sides (two connections, two directions) sent at each distance from its first sequence number.
type Sent = Arc<Mutex<HashMap<(u16, bool), HashSet<u8>>>>;

/// Segments between two clients and one server, each described by ten bytes and its payload.
pub fn streams(bytes: &[u8]) {
    let mut choices = Choices(bytes);
    let overlap = Overlap::ALL[usize::from(choices.byte()) % Overlap::ALL.len()];
    let sent = Sent::default();
    let open = Arc::new(Mutex::new(0_i64));
    let witness = Witness { sent: Arc::clone(&sent), open: Arc::clone(&open) };
    let settings =
        Settings { policies: Policies::all(overlap), checksums: Checksums::Ignore, memory: MEMORY, tenants: false };
    let mut intake = Intake::new(settings, vec![Box::new(witness)]);
    let (mut clock, mut seq) = (Time(0), 0);
    while !choices.is_empty() {
        let [who, flags, place, ack, pause, len] = std::array::from_fn(|_| choices.byte());
        let (client, to_server) = (u16::from(who & 1), who & 2 == 0);
        let payload = choices.bytes(usize::from(len % 64));
        sent.lock().expect("one thread").entry((client, to_server)).or_default().extend(payload);
        // Near a wrap-around for one client, far from it for the other; at times a long way off.
        let first = if client == 0 { u32::MAX - 100 } else { 1_000 };
        let far = if who & 4 == 0 { 0 } else { u32::from(ack) << 24 };
        let from = first.wrapping_add(u32::from(place)).wrapping_add(far);
        let frame = segment(client, to_server, flags, from, first.wrapping_add(u32::from(ack)), payload);
        clock = clock + i64::from(pause) * Time::SECOND / 4;
        let (stamp, link) = (clock, LinkType(101));
        intake.frame(&Frame { bytes: &frame, wire_len: frame.len() as u32, link, stamp, clock, seq, number: seq + 1 });
        seq += 1;
        drain(&mut intake);
        assert!(intake.held() <= MEMORY, "{} bytes held", intake.held());
    }
    while intake.finish() {
        drain(&mut intake);
    }
    drain(&mut intake);
    assert_eq!(*open.lock().expect("one thread"), 0, "a stream whose end nobody heard of");
    assert_eq!(intake.held(), 0, "memory held beyond the end");
}

fn drain(intake: &mut Intake) {
    *intake.findings() = Findings::default();
}

/// Hears all, and holds it against what was sent.
struct Witness {
    sent: Sent,
    open: Arc<Mutex<i64>>,
}

impl Processor for Witness {
    fn established(&mut self, _: &Stream) -> Option<Box<dyn Follower>> {
        *self.open.lock().expect("one thread") += 1;
        Some(Box::new(Hearing { sent: Arc::clone(&self.sent), open: Arc::clone(&self.open), over: false }))
    }
}

struct Hearing {
    sent: Sent,
    open: Arc<Mutex<i64>>,
    over: bool,
}

impl Follower for Hearing {
    fn data(&mut self, stream: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
        assert!(!self.over, "data after the end");
        // In a stream that was met on its way, who serves is a guess.
        let (client, to_server) = match (stream.client.port(), chunk.direction) {
            (80, Direction::ToServer) => (stream.server.port(), false),
            (80, Direction::ToClient) => (stream.server.port(), true),
            (port, Direction::ToServer) => (port, true),
            (port, Direction::ToClient) => (port, false),
        };
        let sent = self.sent.lock().expect("one thread");
        let said = sent.get(&(client - 40_000, to_server));
        for byte in chunk.data {
            assert!(said.is_some_and(|said| said.contains(byte)), "byte {byte:#x} came from nowhere");
        }
        let some = chunk.data.len() / 2;
        chunk.consume(some);
    }

    fn end(&mut self, _: &Stream, _: End, _: &mut Findings) {
        assert!(!self.over, "a second end");
        self.over = true;
        *self.open.lock().expect("one thread") -= 1;
    }
}

/// A segment between 10.0.0.2 and port 80 of 10.0.0.1.
fn segment(client: u16, to_server: bool, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x45, 0];
    frame.extend((40 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 6, 0, 0]);
    let (ends, ports) = if to_server { ([2, 1], [40_000 + client, 80]) } else { ([1, 2], [80, 40_000 + client]) };
    for last in ends {
        frame.extend([10, 0, 0, last]);
    }
    for port in ports {
        frame.extend(port.to_be_bytes());
    }
    frame.extend(seq.to_be_bytes());
    frame.extend(ack.to_be_bytes());
    frame.extend([0x50, flags & 0x3f, 0x20, 0, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}
