//! What a stream processor is: it reads what hosts say to each other, and the card it is known by.
//!
//! In: whole IP datagrams, UDP datagrams, and TCP streams put together as their receivers did. Out: [`Findings`].
//! The Rust counterpart of libnids' callbacks. Must not know captures, packets that are chaff, retransmissions,
//! fragments: the host has dealt with them. It must not block: packets wait for it.
//!
//! ```text
//! Processor::ip, ::udp                     each whole datagram
//! Processor::established ─► Follower       a thing of its own for each stream that it wants to follow
//!     Follower::data, ::urgent, ::gap, ::end
//! Processor::attempted                     a stream that never came to be: where scans live
//! ```
//!
//! Read next: `findings.rs` (what it tells), `output.rs` (the other sort of plugin).

use std::net::{IpAddr, SocketAddr};

use crate::{
    findings::Findings,
    options::{ConfigError, OptionSpec, Options},
};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the client, who began the connection.
    ToServer,
    /// From the server.
    ToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

/// A connection, as it is known at the packet that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Who began it. Of a stream that was under way when the capture began: who sent first, or with the higher port.
    pub client: SocketAddr,
    /// With whom.
    pub server: SocketAddr,
    /// The stamp of its first packet, in nanoseconds since 1970.
    pub start: i64,
    /// The stamp of its latest packet.
    pub now: i64,
    /// The place in the run of the frame that this call is about: the order of everything.
    pub seq: u64,
    /// It was under way when the capture began: there is no telling how much went before.
    pub midstream: bool,
}

impl Stream {
    /// Who sends the bytes that go this way.
    #[must_use]
    pub fn sender(&self, direction: Direction) -> SocketAddr {
        match direction {
            Direction::ToServer => self.client,
            Direction::ToClient => self.server,
        }
    }
}

/// What a follower wants of its stream. All of it costs time; what nobody wants costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Bytes from the client.
    pub to_server: bool,
    /// Bytes from the server.
    pub to_client: bool,
    /// Urgent bytes, of either.
    pub urgent: bool,
}

impl Interest {
    /// Everything.
    pub const ALL: Self = Self { to_server: true, to_client: true, urgent: true };
    /// What the client says.
    pub const TO_SERVER: Self = Self { to_server: true, to_client: false, urgent: false };
    /// What the server says.
    pub const TO_CLIENT: Self = Self { to_server: false, to_client: true, urgent: false };
    /// Nothing more, but to be told of the end.
    pub const NONE: Self = Self { to_server: false, to_client: false, urgent: false };

    /// Whether it wants the bytes that go this way.
    #[must_use]
    pub fn in_data(self, direction: Direction) -> bool {
        match direction {
            Direction::ToServer => self.to_server,
            Direction::ToClient => self.to_client,
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Both sides closed it.
    Closed,
    /// One side reset it.
    Reset,
    /// Nobody said anything for long, or its ports began another connection.
    TimedOut,
    /// The input ended first.
    Exiting,
    /// It had to make room for others: its memory was needed.
    Displaced,
    /// A SYN that nobody answered.
    Attempted,
    /// A SYN that was answered by a reset.
    Refused,
    /// A SYN that was answered by an ICMP error.
    Unreachable,
    /// A SYN that was accepted, and then not taken up.
    HalfOpen,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Closed,
        Self::Reset,
        Self::TimedOut,
        Self::Exiting,
        Self::Displaced,
        Self::Attempted,
        Self::Refused,
        Self::Unreachable,
        Self::HalfOpen,
    ];

    /// What it is called in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::TimedOut => "timed-out",
            Self::Exiting => "exiting",
            Self::Displaced => "displaced",
            Self::Attempted => "attempted",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Bytes of a stream, in order and without a gap between them.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// Which way they go.
    pub direction: Direction,
    /// How many bytes of this direction went before the first of them; urgent bytes are not counted, missing ones are.
    pub offset: u64,
    /// The bytes: what was left over the last time, then what is new.
    pub data: &'a [u8],
    /// How many of them are new: the last ones.
    pub new: usize,
    consumed: usize,
}

impl<'a> Chunk<'a> {
    /// Bytes of which the last `new` are new. Unless the follower says otherwise, it has consumed them all.
    #[must_use]
    pub fn new(direction: Direction, offset: u64, data: &'a [u8], new: usize) -> Self {
        Self { direction, offset, data, new, consumed: data.len() }
    }

    /// Takes only the first `bytes` of them. The rest is offered again with what comes next, as long as it is not
    /// more than the host keeps (64 KiB): what is beyond is given up, oldest first, which `offset` shows.
    pub fn consume(&mut self, bytes: usize) {
        self.consumed = bytes.min(self.data.len());
    }

    /// How many were taken.
    #[must_use]
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

/// Follows one stream for one processor. It is made when the stream is established and dropped after its end.
pub trait Follower: Send {
    /// What it wants from now on. Asked before each call, so that it may lose interest.
    fn interest(&self) -> Interest {
        Interest::ALL
    }

    /// The stream goes on. [`Chunk::consume`] takes less than all of it.
    fn data(&mut self, _stream: &Stream, _chunk: &mut Chunk<'_>, _findings: &mut Findings) {}

    /// An urgent byte, which receivers get beside the stream and not in it; `offset` is its place among those that
    /// are in it.
    fn urgent(&mut self, _stream: &Stream, _direction: Direction, _offset: u64, _byte: u8, _findings: &mut Findings) {}

    /// The host was told `len` bytes from `offset` on that the capture does not hold. What was left over before
    /// them is not offered again.
    fn gap(&mut self, _stream: &Stream, _direction: Direction, _offset: u64, _len: u64, _findings: &mut Findings) {}

    /// The stream is over.
    fn end(&mut self, _stream: &Stream, _end: End, _findings: &mut Findings) {}
}

/// A whole IP datagram.
#[derive(Clone, Copy, Debug)]
pub struct Ip<'a> {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub target: IpAddr,
    /// The IP protocol of what it carries, extension headers of IPv6 stepped over.
    pub protocol: u8,
    /// What it carries, from the transport header on.
    pub payload: &'a [u8],
    /// It came in fragments.
    pub fragmented: bool,
    /// The capture's stamp, in nanoseconds since 1970; of fragments that of the completing one.
    pub stamp: i64,
    /// The frame's place in the run.
    pub seq: u64,
}

/// A whole UDP datagram with a right checksum, or none.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub target: SocketAddr,
    /// What it carries.
    pub payload: &'a [u8],
    /// The capture's stamp, in nanoseconds since 1970.
    pub stamp: i64,
    /// The frame's place in the run.
    pub seq: u64,
}

/// Which levels a processor has a use for. The host does no work for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Whole IP datagrams of any protocol.
    pub ip: bool,
    /// UDP datagrams.
    pub udp: bool,
    /// TCP streams.
    pub tcp: bool,
}

impl Levels {
    /// TCP alone.
    pub const TCP: Self = Self { ip: false, udp: false, tcp: true };
}

/// Reads what hosts say to each other. All calls come from one thread, in the order of the packets. Whatever hosts say,
/// it must not panic: that would end the program.
pub trait Processor: Send {
    /// What it wants to be called for. Asked once.
    fn levels(&self) -> Levels {
        Levels::TCP
    }

    /// A whole IP datagram.
    fn ip(&mut self, _datagram: &Ip<'_>, _findings: &mut Findings) {}

    /// A UDP datagram.
    fn udp(&mut self, _datagram: &Udp<'_>, _findings: &mut Findings) {}

    /// A TCP stream is established, or was met under way. Whoever wants to follow it gives a follower.
    fn established(&mut self, _stream: &Stream) -> Option<Box<dyn Follower>> {
        None
    }

    /// A TCP stream that was never established is over: `end` is attempted, refused, unreachable or half-open.
    fn attempted(&mut self, _stream: &Stream, _end: End, _findings: &mut Findings) {}
}

/// All that the host must know of a processor before one exists. One constant in each plugin crate.
#[derive(Clone, Copy, Debug)]
pub struct ProcessorPlugin {
    /// What `[processors]` and `--processor` call it: lower case, no blanks.
    pub name: &'static str,
    /// One line for `tripline plugins`.
    pub summary: &'static str,
    /// It tells lines ([`Findings::line`]): its user then says with `path`, an option of the host, which file gets them.
    pub lines: bool,
    /// Every option it has. The host refuses all others before `build` is called.
    pub options: &'static [OptionSpec],
    /// Makes one, before the first packet is read.
    pub build: fn(&Options) -> Result<Box<dyn Processor>, ConfigError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_consumed_whole_unless_its_reader_says_otherwise() {
        let mut chunk = Chunk::new(Direction::ToServer, 7, b"GET /", 2);
        assert_eq!(chunk.consumed(), 5);
        chunk.consume(3);
        assert_eq!(chunk.consumed(), 3);
        chunk.consume(99);
        assert_eq!(chunk.consumed(), 5, "nobody takes more than there is");
    }

    #[test]
    fn interest_goes_by_direction() {
        assert!(Interest::TO_SERVER.in_data(Direction::ToServer) && !Interest::TO_SERVER.in_data(Direction::ToClient));
        assert!(Interest::TO_CLIENT.in_data(Direction::ToServer.turned()));
    }

    #[test]
    fn every_end_has_a_name_of_its_own() {
        let mut names = End::ALL.map(End::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), End::ALL.len());
    }
}
