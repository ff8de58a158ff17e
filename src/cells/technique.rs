//! The ways of knocking, and which of them a packet is.
//!
//! In: an observation. Out: the [`Technique`] of a probe, or `None` for what probes nothing.
//! Must not know of answers, sources or judgement.
//! Source: the table in `docs/DETECTION.md`; nmap's scan types for the flag sets.
//! Read next: `outcome.rs` (what answers them).

use serde::{Deserialize, Serialize};

use crate::decode::{Kind, Observation};

/// TCP FIN.
pub const FIN: u8 = 0x01;
/// TCP SYN.
pub const SYN: u8 = 0x02;
/// TCP RST.
pub const RST: u8 = 0x04;
/// TCP PSH.
pub const PSH: u8 = 0x08;
/// TCP ACK.
pub const ACK: u8 = 0x10;
/// TCP URG.
pub const URG: u8 = 0x20;
/// The flags that make a technique; the two of ECN are no part of it.
const CORE: u8 = FIN | SYN | RST | PSH | ACK | URG;

/// Ports below this need a privileged program to listen on: no client owns them.
pub const FIRST_UNPRIVILEGED: u16 = 1024;

/// How a source knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Technique {
    /// SYN: half-open, or the first step of a connection; [`Technique::TcpConnect`] is told by what follows.
    TcpSyn,
    /// Handshakes that the source completed.
    TcpConnect,
    /// FIN alone.
    TcpFin,
    /// No flag.
    TcpNull,
    /// FIN, PSH and URG.
    TcpXmas,
    /// FIN and ACK on no connection.
    TcpMaimon,
    /// A bare ACK on no connection; seen by the reset that it earns.
    TcpAck,
    /// Any other set that no open connection sends.
    TcpOther,
    /// UDP datagrams.
    Udp,
    /// SCTP INIT.
    SctpInit,
    /// SCTP COOKIE-ECHO on no association.
    SctpCookieEcho,
    /// Protocol numbers over IP.
    IpProtocol,
    /// ICMP echo requests, either family.
    IcmpEcho,
    /// ICMP timestamp requests.
    IcmpTimestamp,
    /// ICMP address mask requests.
    IcmpMask,
    /// ARP requests.
    Arp,
}

impl Technique {
    /// The name that events carry: contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TcpSyn => "tcp-syn",
            Self::TcpConnect => "tcp-connect",
            Self::TcpFin => "tcp-fin",
            Self::TcpNull => "tcp-null",
            Self::TcpXmas => "tcp-xmas",
            Self::TcpMaimon => "tcp-maimon",
            Self::TcpAck => "tcp-ack",
            Self::TcpOther => "tcp-other",
            Self::Udp => "udp",
            Self::SctpInit => "sctp-init",
            Self::SctpCookieEcho => "sctp-cookie-echo",
            Self::IpProtocol => "ip-protocol",
            Self::IcmpEcho => "icmp-echo",
            Self::IcmpTimestamp => "icmp-timestamp",
            Self::IcmpMask => "icmp-mask",
            Self::Arp => "arp",
        }
    }

    /// Whether its doors have ports.
    #[must_use]
    pub fn has_ports(self) -> bool {
        self.is_tcp() || matches!(self, Self::Udp | Self::SctpInit | Self::SctpCookieEcho)
    }

    /// Whether it is one of TCP's.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        self <= Self::TcpOther
    }

    /// Whether an honest stack sends such packets to open doors: else few suffice to convict.
    #[must_use]
    pub fn is_honest(self) -> bool {
        !matches!(self, Self::TcpFin | Self::TcpNull | Self::TcpXmas | Self::TcpOther)
    }

    /// Whether a door that stays silent counts against the source. Noise is dropped by whoever gets it, and the
    /// end of a connection that is older than the capture earns a plain ACK, which nobody looks at: both need a refusal.
    #[must_use]
    pub fn silence_tells(self) -> bool {
        !matches!(self, Self::TcpOther | Self::TcpMaimon)
    }

    /// The technique of a TCP segment as far as its flags tell; `None` for what may belong to a connection.
    #[must_use]
    pub fn of_flags(flags: u8) -> Option<Self> {
        match flags & CORE {
            SYN => Some(Self::TcpSyn),
            0 => Some(Self::TcpNull),
            FIN => Some(Self::TcpFin),
            set if set == FIN | PSH | URG => Some(Self::TcpXmas),
            set if set & (SYN | ACK) == SYN | ACK && set & (FIN | RST) == 0 => None,
            set if set & ACK != 0 && set & SYN == 0 => None,
            RST => None,
            _ => Some(Self::TcpOther),
        }
    }
}

/// What a packet probes by itself, if anything. Resets, answers and ends of connections probe nothing;
/// bare ACKs and Maimon's FIN|ACK are told by the resets that they earn, in `mod.rs`.
#[must_use]
pub fn probes(o: &Observation) -> Option<Technique> {
    match o.kind {
        Kind::Tcp => Technique::of_flags(o.flags),
        Kind::Udp => Some(Technique::Udp),
        Kind::SctpInit => Some(Technique::SctpInit),
        Kind::SctpCookieEcho => Some(Technique::SctpCookieEcho),
        Kind::IcmpRequest => match o.icmp_type {
            8 | 128 => Some(Technique::IcmpEcho),
            13 => Some(Technique::IcmpTimestamp),
            17 => Some(Technique::IcmpMask),
            _ => None,
        },
        Kind::ArpRequest => Some(Technique::Arp),
        Kind::Other => Some(Technique::IpProtocol),
        Kind::IcmpReply | Kind::IcmpError | Kind::SctpInitAck | Kind::SctpAbort | Kind::ArpReply | Kind::DataDoor => {
            None
        }
    }
}

/// Whether a bare RST could be a probe of its own (nmap's RST scan): from a client's port to a listener's.
#[must_use]
pub fn is_reset_probe(o: &Observation) -> bool {
    o.kind == Kind::Tcp && o.flags & CORE == RST && o.dst_port < FIRST_UNPRIVILEGED && o.src_port >= FIRST_UNPRIVILEGED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_sets_have_their_names() {
        let named = |flags| Technique::of_flags(flags).map(Technique::name);
        assert_eq!(named(SYN), Some("tcp-syn"));
        assert_eq!(named(SYN | 0xc0), Some("tcp-syn"), "ECN set-up is an ordinary SYN");
        assert_eq!(named(0), Some("tcp-null"));
        assert_eq!(named(FIN), Some("tcp-fin"));
        assert_eq!(named(FIN | PSH | URG), Some("tcp-xmas"));
        assert_eq!(named(SYN | FIN), Some("tcp-other"));
        assert_eq!(named(URG | PSH), Some("tcp-other"));
        assert_eq!(named(SYN | RST), Some("tcp-other"));
    }

    #[test]
    fn noise_and_ends_of_old_connections_need_a_refusal() {
        let mute = [Technique::TcpOther, Technique::TcpMaimon];
        assert!(mute.iter().all(|technique| !technique.silence_tells()) && Technique::TcpSyn.silence_tells());
    }

    #[test]
    fn what_connections_send_probes_nothing() {
        for flags in [SYN | ACK, FIN | ACK, RST | ACK, RST, ACK | URG, FIN | PSH | ACK, SYN | ACK | 0x40] {
            assert_eq!(Technique::of_flags(flags), None, "flags {flags:#x}");
        }
    }

    #[test]
    fn each_protocol_has_its_probes_and_answers_are_none() {
        use crate::cells::samples::{back, ping, syn, udp, welcome, who_has};
        let probe = syn((2, 40_000), (1, 80));
        assert_eq!(probes(&probe), Some(Technique::TcpSyn));
        assert_eq!(probes(&welcome(&probe)), None);
        assert_eq!(probes(&udp((2, 40_000), (1, 53))), Some(Technique::Udp));
        assert_eq!(probes(&who_has(2, 1)), Some(Technique::Arp));
        for (icmp_type, technique) in [
            (8, Some(Technique::IcmpEcho)),
            (128, Some(Technique::IcmpEcho)),
            (13, Some(Technique::IcmpTimestamp)),
            (17, Some(Technique::IcmpMask)),
            (15, None),
        ] {
            assert_eq!(probes(&Observation { icmp_type, ..ping(2, 1) }), technique, "type {icmp_type}");
        }
        assert_eq!(probes(&Observation { kind: Kind::IcmpReply, ..back(&ping(2, 1)) }), None);
    }

    #[test]
    fn a_reset_probes_only_from_a_clients_port_to_a_services() {
        use crate::cells::samples::tcp;
        assert!(is_reset_probe(&tcp((2, 40_000), (1, 80), RST)));
        assert!(!is_reset_probe(&tcp((2, 80), (1, 40_000), RST)), "an answer");
        assert!(!is_reset_probe(&tcp((2, 40_000), (1, 8080), RST)), "anybody's");
        assert!(!is_reset_probe(&tcp((2, 40_000), (1, 80), RST | ACK)), "the end of a connection");
    }
}
