//! Whose evidence a packet is.
//!
//! In: an observation. Out: which of its ends have a use for it. A cell must see both directions of what
//! its addresses began: their probes, the answers to them, how they end what was answered. What it would
//! only throw away is not sent to it: that halves the way of TCP.
//! Source: the table in DESIGN section 1.5. Must not know what a cell makes of it.

use crate::decode::{Kind, Observation};

/// Which end of the packet the cell owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one who sent it (of an ICMP error: the door's host).
    Sender,
    /// The one to whom it was sent.
    Receiver,
    /// The same, of a probe by TCP: all that is asked is whether somebody else has sent the same, and its errand is the hash of what such
    /// twins agree in.
    Probed,
}

/// Which ends of a packet have a use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owners {
    /// Who sent it: it probes, or ends what it began.
    pub sender: bool,
    /// To whom it was sent: it answers, or makes what goes back an answer.
    pub receiver: bool,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Tells who owns a packet.
#[inline]
#[must_use]
pub fn owners(o: &Observation) -> Owners {
    let (sender, receiver) = match o.kind {
        // A reset answers, and it ends what its sender began. A probe may be one of many under other names, which
        // only its target sees. A SYN-ACK answers (with a FIN it is a probe that would look like one). All else is
        // its sender's.
        Kind::Tcp if o.flags & RST != 0 || o.flags & ACK == 0 => (true, true),
        Kind::Tcp if o.flags & (FIN | SYN | ACK) == SYN | ACK => (false, true),
        // Who speaks first decides which of two is the answer: both must know.
        Kind::Udp | Kind::Other => (true, true),
        Kind::Tcp | Kind::IcmpRequest | Kind::SctpInit | Kind::SctpCookieEcho | Kind::ArpRequest => (true, false),
        // Who is told where to knock is the one whose knocks that explains.
        Kind::IcmpReply | Kind::IcmpError | Kind::SctpInitAck | Kind::SctpAbort | Kind::ArpReply | Kind::DataDoor => {
            (false, true)
        }
    };
    Owners { sender, receiver }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::samples::packet;

    #[test]
    fn a_packet_goes_to_the_ends_that_have_a_use_for_it() {
        let tcp = |flags| Observation { flags, ..packet(Kind::Tcp, 40_000, 80) };
        let of = |o: Observation| (owners(&o).sender, owners(&o).receiver);
        assert_eq!(of(tcp(SYN)), (true, true), "the target knows its twins");
        assert_eq!(of(tcp(SYN | ACK)), (false, true));
        assert_eq!(of(tcp(SYN | FIN | ACK)), (true, false), "a probe that would look like an answer");
        assert_eq!(of(tcp(FIN | ACK)), (true, false));
        assert_eq!((of(tcp(RST)), of(tcp(RST | ACK))), ((true, true), (true, true)));
        assert_eq!(of(packet(Kind::Udp, 40_000, 53)), (true, true));
        for kind in [Kind::IcmpReply, Kind::IcmpError, Kind::SctpInitAck, Kind::SctpAbort, Kind::ArpReply] {
            assert_eq!(of(packet(kind, 0, 0)), (false, true), "{kind:?} answers");
        }
        for kind in [Kind::IcmpRequest, Kind::SctpInit, Kind::SctpCookieEcho, Kind::ArpRequest] {
            assert_eq!(of(packet(kind, 0, 0)), (true, false), "{kind:?} asks");
        }
    }
}
