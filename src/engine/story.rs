//! The story of an address: what the stages know of one that somebody asks about (`tripline why`).
//!
//! In: every observation in order, plain packets included; at the end what cells and correlate remember. Out: a [`Story`]
//! for each address of the net that was asked about, in order of first sight, up to a number. It stands in the path only when
//! somebody asks, so nobody else pays. Must not judge: `cells/witness.rs` and `correlate/hearing.rs` wrote down what
//! the stages themselves did.
//! Read next: `cli/why` (how it is told).

use ipnet::IpNet;

use crate::{
    cells::{
        technique::{ACK, FIN, RST, SYN},
        witness::Witness,
    },
    correlate::hearing::Hearing,
    decode::{Address, Kind, Observation},
    source::Time,
};

/// Whose story is to be told.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// An address, or a net of several.
    pub net: IpNet,
    /// Addresses of the net whose story is told; the others are counted.
    pub most: usize,
    /// Doors that are kept of each: so many of the beginning, and as many of the end.
    pub keep: usize,
}

/// What a packet is to the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// TCP that begins something: SYN, or flags that belong to no connection.
    Probe,
    /// SYN-ACK.
    Welcome,
    /// RST.
    Reset,
    /// FIN and ACK: the end of a connection.
    Close,
    /// ACK and data of a connection.
    Data,
    /// A datagram.
    Datagram,
    /// A request of ICMP or ARP, or the first packet of SCTP.
    Request,
    /// The reply to one.
    Reply,
    /// An ICMP error about a packet.
    Error,
    /// Another protocol over IP.
    Other,
}

impl Sort {
    /// Which sort a packet is of.
    #[must_use]
    pub fn of(o: &Observation) -> Self {
        match o.kind {
            Kind::Tcp if o.flags & RST != 0 => Self::Reset,
            Kind::Tcp if o.flags & ACK == 0 => Self::Probe,
            Kind::Tcp if o.flags & SYN != 0 => Self::Welcome,
            Kind::Tcp if o.flags & FIN != 0 => Self::Close,
            Kind::Tcp | Kind::DataDoor => Self::Data,
            Kind::Udp => Self::Datagram,
            Kind::IcmpRequest | Kind::ArpRequest | Kind::SctpInit | Kind::SctpCookieEcho => Self::Request,
            Kind::IcmpReply | Kind::ArpReply | Kind::SctpInitAck | Kind::SctpAbort => Self::Reply,
            Kind::IcmpError => Self::Error,
            Kind::Other => Self::Other,
        }
    }

    /// In words: what many of them are.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "TCP probes",
            Self::Welcome => "SYN-ACKs",
            Self::Reset => "resets",
            Self::Close => "ends of connections",
            Self::Data => "ACKs and data",
            Self::Datagram => "datagrams",
            Self::Request => "requests",
            Self::Reply => "replies",
            Self::Error => "ICMP errors",
            Self::Other => "packets of other protocols",
        }
    }

    /// Whether such a packet answers another's.
    #[must_use]
    pub fn is_answer(self) -> bool {
        matches!(self, Self::Welcome | Self::Reset | Self::Reply | Self::Error)
    }
}

/// Packets by sort, in the order of [`Sort`].
pub type Packets = std::collections::BTreeMap<Sort, u64>;

/// The packets of an address.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Whose.
    pub address: Address,
    /// Stamps of its first and last packet, either way.
    pub span: (Time, Time),
    /// What it sent. Of ICMP errors the one whose door it was counts as the sender.
    pub sent: Packets,
    /// What was sent to it.
    pub received: Packets,
}

/// All that is known of an address.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its packets.
    pub presence: Presence,
    /// What its cell knows; `None` when only reference presets were asked for.
    pub witness: Option<Witness>,
    /// How it was judged.
    pub hearing: Option<Hearing>,
}

/// Who of the net was seen, and with which packets.
#[derive(Debug)]
pub struct Census {
    about: About,
    found: Vec<Presence>,
    /// Addresses beyond those that are told of, as far as they can be told apart: sightings of new ones.
    beyond: std::collections::HashSet<Address, foldhash::quality::FixedState>,
}

/// Addresses that are counted beyond those whose story is told.
const COUNTED: usize = 65_536;

impl Census {
    /// Nobody seen yet.
    #[must_use]
    pub fn new(about: About) -> Self {
        let beyond = std::collections::HashSet::with_hasher(foldhash::quality::FixedState::with_seed(0));
        Self { about, found: Vec::new(), beyond }
    }

    /// Doors to be kept of each.
    #[must_use]
    pub fn keep(&self) -> usize {
        self.about.keep
    }

    /// Counts packets; hands out whom it sees for the first time and whose story is to be told.
    pub fn take<'a>(&mut self, packets: impl Iterator<Item = &'a Observation>) -> Vec<Address> {
        let known = self.found.len();
        // What FTP's control channel says stands beside the packet in which it says it.
        for o in packets.filter(|o| o.kind != Kind::DataDoor) {
            for (address, sent) in [(o.src, true), (o.dst, false)] {
                if self.about.net.contains(&address.ip())
                    && let Some(presence) = self.presence(address, o.stamp)
                {
                    let (_, last) = &mut presence.span;
                    *last = (*last).max(o.stamp);
                    let packets = if sent { &mut presence.sent } else { &mut presence.received };
                    *packets.entry(Sort::of(o)).or_default() += 1;
                }
            }
        }
        self.found.iter().skip(known).map(|presence| presence.address).collect()
    }

    fn presence(&mut self, address: Address, stamp: Time) -> Option<&mut Presence> {
        let known = self.found.iter().position(|presence| presence.address == address);
        if known.is_none() {
            if self.found.len() >= self.about.most {
                if self.beyond.len() < COUNTED {
                    self.beyond.insert(address);
                }
                return None;
            }
            let (sent, received) = Default::default();
            self.found.push(Presence { address, span: (stamp, stamp), sent, received });
        }
        match known {
            Some(at) => self.found.get_mut(at),
            None => self.found.last_mut(),
        }
    }

    /// Puts together what each stage knows; and how many more addresses were seen.
    #[must_use]
    pub fn stories(self, mut witnesses: Vec<Witness>, mut hearings: Vec<Hearing>) -> (Vec<Story>, u64) {
        let stories = self.found.into_iter().map(|presence| {
            let witness = witnesses.iter().position(|witness| witness.source == presence.address);
            let hearing = hearings.iter().position(|hearing| hearing.source == presence.address);
            Story {
                witness: witness.map(|at| witnesses.swap_remove(at)),
                hearing: hearing.map(|at| hearings.swap_remove(at)),
                presence,
            }
        });
        (stories.collect(), self.beyond.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::samples::{error, goodbye, host, ping, refusal, syn, tcp, udp, welcome};

    fn about(net: &str) -> Census {
        Census::new(About { net: net.parse().unwrap(), most: 2, keep: 4 })
    }

    #[test]
    fn packets_are_of_the_sort_that_they_are_to_their_sender() {
        let probe = syn((2, 40_000), (1, 80));
        let of = |o: &Observation| Sort::of(o);
        let sorts = [of(&probe), of(&welcome(&probe)), of(&refusal(&probe)), of(&goodbye(&probe, 1))];
        assert_eq!(sorts, [Sort::Probe, Sort::Welcome, Sort::Reset, Sort::Close]);
        let datagram = udp((2, 1), (1, 2));
        let sorts = [of(&tcp((2, 1), (1, 2), ACK)), of(&datagram), of(&error(&datagram, 3, 3)), of(&ping(2, 1))];
        assert_eq!(sorts, [Sort::Data, Sort::Datagram, Sort::Error, Sort::Request]);
    }

    #[test]
    fn both_directions_of_an_address_are_counted_and_nobody_elses() {
        let (probe, mut census) = (syn((2, 40_000), (1, 80)), about("10.0.0.2/32"));
        assert_eq!(census.take([probe, refusal(&probe), syn((3, 1), (4, 2))].iter()), [host(2)]);
        assert_eq!(census.take([probe].iter()), [], "it is known");
        let (stories, more) = census.stories(Vec::new(), Vec::new());
        let presence = &stories[0].presence;
        assert_eq!((stories.len(), more), (1, 0));
        assert_eq!((&presence.sent, &presence.received), (&[(Sort::Probe, 2)].into(), &[(Sort::Reset, 1)].into()));
    }

    #[test]
    fn of_a_net_the_first_are_told_and_the_rest_is_counted() {
        let mut census = about("10.0.0.0/24");
        let packets: Vec<_> = (1..=9).map(|n| syn((n, 1), (n + 1, 2))).collect();
        assert_eq!(census.take(packets.iter()), [host(1), host(2)]);
        assert_eq!(census.stories(Vec::new(), Vec::new()).1, 8);
    }
}
