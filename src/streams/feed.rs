//! Gives a stream's bytes to those who follow it, each at its own pace.
//!
//! In: [`Step`]s of both directions. Out: calls of [`Follower`]s. What a follower does not consume is offered
//! again, from one tape a direction that all share; nothing is copied when all consume all.
//! It must not know segments.
//! Read next: `plugins/api/src/processor.rs` (the contract), `stream.rs` (who feeds).

use tripline_plugin::{Chunk, Direction, End, Findings, Follower, Processor, Stream};

use super::{
    counts::{Counts, Fate},
    side::Step,
};

/// What is kept of a direction for those who did not consume it: more than a line, a header or a record of TLS.
pub(super) const TAPE: usize = 64 << 10;

/// Those who follow a stream.
#[derive(Default)]
pub(super) struct Feed {
    seats: Vec<Seat>,
    tapes: [Tape; 2],
}

struct Seat {
    follower: Box<dyn Follower>,
    /// Whose it is, by number.
    processor: usize,
    /// Up to which offset it has consumed each direction.
    consumed: [u64; 2],
}

/// The latest bytes of one direction, as far as somebody still wants them.
#[derive(Debug, Default)]
struct Tape {
    bytes: Vec<u8>,
    /// The offset behind them.
    end: u64,
}

/// Whom a feed tells, and what it counts.
pub(super) struct Listeners<'a> {
    pub(super) processors: &'a mut [Box<dyn Processor>],
    pub(super) findings: &'a mut Findings,
    pub(super) counts: &'a mut Counts,
}

impl Listeners<'_> {
    /// A stream is established: who wants to follow it?
    pub(super) fn feed(&mut self, about: &Stream) -> Feed {
        self.counts.established += 1;
        let followers = self.processors.iter_mut().enumerate().filter(|(_, processor)| processor.levels().tcp);
        let seat = |(number, processor): (usize, &mut Box<dyn Processor>)| {
            let follower = processor.established(about)?;
            Some(Seat { follower, processor: number, consumed: [0; 2] })
        };
        let seats = followers.filter_map(seat).collect();
        Feed { seats, tapes: Default::default() }
    }
}

impl Feed {
    /// The stream goes on.
    pub(super) fn step(&mut self, about: &Stream, direction: Direction, step: &Step<'_>, to: &mut Listeners<'_>) {
        let Self { seats, tapes } = self;
        let [to_server, to_client] = tapes;
        let (side, tape) = match direction {
            Direction::ToServer => (0, to_server),
            Direction::ToClient => (1, to_client),
        };
        match *step {
            Step::Data(bytes) => {
                to.counts.bytes += bytes.len() as u64;
                tape.play(bytes, about, direction, side, seats, to);
            }
            Step::Urgent(byte) => {
                to.counts.urgent += 1;
                for seat in seats.iter_mut().filter(|seat| seat.follower.interest().urgent) {
                    seat.follower.urgent(about, direction, tape.end, byte, to.findings.of(seat.processor));
                }
            }
            Step::Gap(len) => {
                to.counts.gaps += 1;
                to.counts.missing += len;
                tape.bytes.clear();
                for seat in seats.iter_mut() {
                    if seat.follower.interest().in_data(direction) {
                        seat.follower.gap(about, direction, tape.end, len, to.findings.of(seat.processor));
                    }
                }
                tape.end += len;
                for seat in seats.iter_mut() {
                    seat.consume(side, tape.end);
                }
            }
        }
    }

    /// It is over.
    pub(super) fn end(mut self, about: &Stream, end: End, findings: &mut Findings) {
        for seat in &mut self.seats {
            seat.follower.end(about, end, findings.of(seat.processor));
        }
    }

    /// Memory for what waits, and for being followed at all.
    pub(super) fn cost(&self) -> usize {
        // What a follower keeps is its own; its seat is not.
        let tapes: usize = self.tapes.iter().map(|tape| tape.bytes.capacity()).sum();
        self.seats.len() * 128 + tapes
    }
}

impl Tape {
    /// Offers what is new to everybody, behind what each has left over.
    fn play(
        &mut self,
        bytes: &[u8],
        about: &Stream,
        direction: Direction,
        side: usize,
        seats: &mut [Seat],
        to: &mut Listeners<'_>,
    ) {
        let begin = self.end;
        self.end += bytes.len() as u64;
        let copied = !self.bytes.is_empty();
        if copied {
            self.bytes.extend_from_slice(bytes);
        }
        let held = if copied { &self.bytes } else { bytes };
        let first = self.end - held.len() as u64;
        let mut least = self.end;
        for seat in seats {
            if !seat.follower.interest().in_data(direction) {
                seat.consume(side, self.end);
                continue;
            }
            let from = seat.consumed.get(side).copied().unwrap_or(begin).max(first);
            let offered = held.get((from - first) as usize..).unwrap_or_default();
            let mut chunk = Chunk::new(direction, from, offered, bytes.len().min(offered.len()));
            seat.follower.data(about, &mut chunk, to.findings.of(seat.processor));
            let consumed = from + chunk.consumed() as u64;
            seat.consume(side, consumed);
            least = least.min(consumed);
        }
        let keep = (self.end - least) as usize;
        let kept = keep.min(TAPE);
        to.counts.meet_many(Fate::TapeMemory, (keep - kept) as u64);
        if copied {
            self.bytes.drain(..self.bytes.len() - kept);
            if kept == 0 {
                // A tape that is not needed takes no memory.
                self.bytes = Vec::new();
            }
        } else {
            self.bytes.extend_from_slice(bytes.get(bytes.len() - kept.min(bytes.len())..).unwrap_or_default());
        }
    }
}

impl Seat {
    fn consume(&mut self, side: usize, offset: u64) {
        if let Some(consumed) = self.consumed.get_mut(side) {
            *consumed = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tripline_plugin::Interest;

    use super::*;

    /// Takes whole words, so many letters long, and writes down what it was offered.
    struct Reader {
        word: usize,
        interest: Interest,
        seen: Arc<Mutex<Vec<String>>>,
    }

    impl Follower for Reader {
        fn interest(&self) -> Interest {
            self.interest
        }

        fn data(&mut self, _: &Stream, chunk: &mut Chunk<'_>, _: &mut Findings) {
            let text = String::from_utf8_lossy(chunk.data);
            self.seen.lock().unwrap().push(format!("{}:{text}+{}", chunk.offset, chunk.new));
            chunk.consume(chunk.data.len() / self.word * self.word);
        }

        fn urgent(&mut self, _: &Stream, _: Direction, offset: u64, byte: u8, _: &mut Findings) {
            self.seen.lock().unwrap().push(format!("{offset}!{}", char::from(byte)));
        }

        fn gap(&mut self, _: &Stream, _: Direction, offset: u64, len: u64, _: &mut Findings) {
            self.seen.lock().unwrap().push(format!("{offset}?{len}"));
        }
    }

    const ABOUT: Stream = Stream {
        client: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 1)),
        server: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 2)),
        start: 0,
        now: 0,
        seq: 0,
        midstream: false,
    };

    fn play(readers: &[(usize, Interest)], steps: &[Step<'_>]) -> (Vec<Vec<String>>, Feed, Counts) {
        let seen: Vec<_> = readers.iter().map(|_| Arc::default()).collect();
        let seats = readers.iter().zip(&seen).map(|((word, interest), seen)| {
            let follower = Box::new(Reader { word: *word, interest: *interest, seen: Arc::clone(seen) });
            Seat { follower, processor: 0, consumed: [0; 2] }
        });
        let mut feed = Feed { seats: seats.collect(), tapes: Default::default() };
        let (mut findings, mut counts) = (Findings::default(), Counts::default());
        for step in steps {
            let mut to = Listeners { processors: &mut [], findings: &mut findings, counts: &mut counts };
            feed.step(&ABOUT, Direction::ToServer, step, &mut to);
        }
        let seen = seen.iter().map(|seen: &Arc<Mutex<Vec<String>>>| seen.lock().unwrap().clone()).collect();
        (seen, feed, counts)
    }

    #[test]
    fn each_follower_goes_at_its_own_pace() {
        let steps = [Step::Data(b"abcd"), Step::Data(b"e"), Step::Data(b"fg")];
        let (seen, feed, _) = play(&[(1, Interest::ALL), (3, Interest::TO_SERVER), (1, Interest::TO_CLIENT)], &steps);
        assert_eq!(seen[0], ["0:abcd+4", "4:e+1", "5:fg+2"]);
        assert_eq!(seen[1], ["0:abcd+4", "3:de+1", "3:defg+2"]);
        assert!(seen[2].is_empty());
        assert_eq!(feed.tapes[0].bytes, b"g");
    }

    #[test]
    fn what_all_have_consumed_takes_no_memory() {
        let (_, feed, _) = play(&[(3, Interest::ALL)], &[Step::Data(b"ab"), Step::Data(b"c")]);
        assert_eq!(feed.tapes[0].bytes.capacity(), 0);
        let (_, feed, _) = play(&[(1, Interest::ALL)], &[Step::Data(b"abc")]);
        assert_eq!(feed.tapes[0].bytes.capacity(), 0);
    }

    #[test]
    fn urgent_bytes_and_gaps_have_their_place() {
        let steps = [Step::Data(b"ab"), Step::Urgent(b'!'), Step::Data(b"c"), Step::Gap(10), Step::Data(b"z")];
        let (seen, ..) = play(&[(2, Interest::ALL), (2, Interest::TO_SERVER)], &steps);
        assert_eq!(seen[0], ["0:ab+2", "2!!", "2:c+1", "3?10", "13:z+1"], "what was left before a gap is gone");
        assert_eq!(seen[1], ["0:ab+2", "2:c+1", "3?10", "13:z+1"]);
    }

    #[test]
    fn one_who_never_consumes_is_offered_the_latest_bytes_only() {
        let block = vec![b'x'; TAPE / 2];
        let steps: Vec<_> = (0..5).map(|_| Step::Data(&block)).collect();
        let (seen, feed, counts) = play(&[(usize::MAX, Interest::ALL)], &steps);
        assert_eq!(seen[0].len(), 5);
        assert!(feed.tapes[0].bytes.len() == TAPE && feed.cost() <= 128 + 2 * TAPE, "{}", feed.cost());
        assert_eq!(counts.of(Fate::TapeMemory), 3 * TAPE as u64 / 2);
    }
}
