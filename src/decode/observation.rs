//! The one record that flows: what a packet is evidence of.
//!
//! In: nothing. Out: [`Observation`], [`Address`], [`Kind`]. Must not know who reads it.
//! Its fields are the packet's, in host order, and only what detection has asked for.
//! Read next: `mod.rs` (who makes it), `dispatch/owner.rs` (whose evidence it is).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::Telltale;
use crate::source::Time;

/// An IP address of either family; IPv4 stands mapped (`::ffff:a.b.c.d`).
///
/// Behind its first 16 bits, which are 0, a mapped address has room for a [`super::tenant`]. No address of IPv6 begins so
/// (RFC 4291 has set `0000::/8` aside), and decode refuses one that does and looks mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(pub u128);

impl Address {
    const MAPPED: u128 = 0xffff_0000_0000;

    /// From the four bytes of an IPv4 address.
    #[inline]
    #[must_use]
    pub fn v4(bytes: [u8; 4]) -> Self {
        Self(Self::MAPPED | u128::from(u32::from_be_bytes(bytes)))
    }

    /// From the sixteen bytes of an IPv6 address.
    #[inline]
    #[must_use]
    pub fn v6(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The 32 bits of an IPv4 address, if it is one, whosever tenant's.
    #[inline]
    #[must_use]
    pub fn as_v4(self) -> Option<u32> {
        (self.0 >> 112 == 0 && (self.0 >> 32) as u16 == 0xffff).then_some(self.0 as u32)
    }

    /// The same IPv4 address in the network of a tenant (0 for none); an IPv6 address as it is.
    #[must_use]
    pub fn of_tenant(self, tenant: u64) -> Self {
        self.as_v4().map_or(self, |ip| Self(u128::from(tenant) << 48 | Self::MAPPED | u128::from(ip)))
    }

    /// The tenant in whose network it is; 0 for none.
    #[must_use]
    pub fn tenant(self) -> u64 {
        self.as_v4().map_or(0, |_| (self.0 >> 48) as u64)
    }

    /// A group's or everybody's: IPv4 multicast and limited broadcast, IPv6 multicast.
    #[inline]
    #[must_use]
    pub fn is_many(self) -> bool {
        match self.as_v4() {
            Some(ip) => ip >> 28 == 0xe || ip == u32::MAX,
            None => self.0 >> 120 == 0xff,
        }
    }

    /// As the standard library has it.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self.as_v4() {
            Some(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip)),
            None => IpAddr::V6(Ipv6Addr::from_bits(self.0)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip.octets()),
            IpAddr::V6(ip) => Self::v6(ip.octets()),
        }
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<IpAddr>().map(Self::from)
    }
}

/// What sort of evidence a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// Any TCP segment but a plain ACK or data; its flags tell more.
    Tcp,
    /// A UDP datagram, either way.
    Udp,
    /// An ICMP or ICMPv6 request: echo, timestamp, address mask. `icmp_type` tells which.
    IcmpRequest,
    /// The answer to one.
    IcmpReply,
    /// An ICMP error. `src` and `src_port` are the door that the quoted packet was for,
    /// `dst` and `dst_port` its sender; `protocol`, `tcp_seq`, `ip_id` and `flags` are the quoted
    /// packet's (`flags` 0 when not quoted; of a quoted ICMP request they hold its type, and the
    /// ports its sequence number and identifier). TTL, TOS, `mac` and `marks` are the error's.
    /// Whether the target itself sent the error, or some router, stands in `marks`.
    IcmpError,
    /// SCTP with INIT as first chunk.
    SctpInit,
    /// SCTP with INIT-ACK as first chunk: the door is open.
    SctpInitAck,
    /// SCTP with ABORT as first chunk: the door is closed.
    SctpAbort,
    /// SCTP with COOKIE-ECHO as first chunk.
    SctpCookieEcho,
    /// An ARP request: `src` asks who has `dst`.
    ArpRequest,
    /// An ARP reply: `src` has itself, says so to `dst`.
    ArpReply,
    /// A line of FTP's control channel: `dst` is told to knock at `src_port` of `src` or, when `tcp_seq` is not 0, of
    /// the IPv4 address that it is. All else is the segment's.
    DataDoor,
    /// Any other protocol over IP.
    Other,
}

/// Oddities of a packet, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marks(pub u16);

impl Marks {
    /// It came in fragments.
    pub const FRAGMENTED: Self = Self(1);
    /// The capture cut it: fields may be missing, lengths come from headers.
    pub const CUT: Self = Self(2);
    /// IPv4 options or IPv6 extension headers were there.
    pub const IP_OPTIONS: Self = Self(4);
    /// TCP options were there.
    pub const TCP_OPTIONS: Self = Self(8);
    /// Sent to a multicast or broadcast address (of the link or of IP).
    pub const TO_MANY: Self = Self(16);
    /// IPv4 "don't fragment".
    pub const DONT_FRAGMENT: Self = Self(32);
    /// The only TCP option was MSS: raw senders write no more.
    pub const MSS_ONLY: Self = Self(64);
    /// An ICMP error that the quoted packet's own target sent.
    pub const BY_TARGET: Self = Self(128);

    /// A probe whose sender sent it again unchanged: whichever side is seen, no answer had reached it.
    pub const RETRIED: Self = Self(256);
    /// A refused door that was tried anew, from another port: one who wants the service, not one who looks for it.
    pub const PERSISTED: Self = Self(512);

    /// A door that FTP's control channel had named: a data connection.
    pub const EXPECTED: Self = Self(2048);
    /// A door that an FTP client had named and that no client listens at: the server is made to knock there.
    pub const BOUNCED: Self = Self(4096);

    /// A router on the way had no route: that tells of the network, not of the one who knocked.
    pub const NO_ROUTE: Self = Self(16_384);

    /// A door that had been knocked at before, in another way.
    pub const AGAIN: Self = Self(1024);

    /// It came through a tunnel.
    pub const TUNNELLED: Self = Self(8192);

    /// Of a first contact, where it stands for [`Marks::BY_TARGET`], which errors alone bear: its prober ended what had
    /// not begun, or with numbers that are not the door's.
    pub const ASTRAY: Self = Self::BY_TARGET;

    /// Of a first contact the bits of the four marks from [`Marks::CUT`] to [`Marks::TO_MANY`], of which nothing is asked
    /// any more, hold a number: which sign of a scanning program the probe bears. So it costs a contact no room.
    const SIGN: u16 = 0x1e;

    /// Of a first contact: the number of the sign, 0 for none.
    #[inline]
    #[must_use]
    pub fn sign(self) -> u8 {
        ((self.0 & Self::SIGN) >> Self::SIGN.trailing_zeros()) as u8
    }

    /// A probe's marks as those of its first contact, with the number of a sign, of which there are 15.
    #[inline]
    #[must_use]
    pub fn with_sign(self, sign: u8) -> Self {
        Self(self.0 & !(Self::SIGN | Self::ASTRAY.0) | u16::from(sign) << Self::SIGN.trailing_zeros() & Self::SIGN)
    }

    /// Whether all bits of `mark` are set.
    #[inline]
    #[must_use]
    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 == mark.0
    }

    /// Sets the bits of `mark`.
    #[inline]
    pub fn set(&mut self, mark: Self) {
        self.0 |= mark.0;
    }
}

/// ARP has no IP protocol number; this one (of the reserved 255) stands for it in [`Observation::protocol`].
pub const ARP: u8 = 255;

/// A packet that is evidence about somebody. Serialisable, of fixed size, all by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Who sent it. Of an ICMP error: the door's host, see [`Kind::IcmpError`].
    pub src: Address,
    /// To whom.
    pub dst: Address,
    /// The capture's stamp: what is printed.
    pub stamp: Time,
    /// The clock: what time-outs use.
    pub clock: Time,
    /// Its frame's place in the run; a rebuilt datagram has its last fragment's.
    pub seq: u64,
    /// TCP sequence number; of SCTP INIT and INIT-ACK the initiate tag.
    pub tcp_seq: u32,
    /// TCP acknowledgement number; of SCTP the verification tag, which in an answer to an INIT is
    /// the INIT's `tcp_seq`.
    pub tcp_ack: u32,
    /// TCP, UDP, SCTP source port; ICMP identifier of a request or reply.
    pub src_port: u16,
    /// TCP, UDP, SCTP target port; ICMP sequence number of a request or reply.
    pub dst_port: u16,
    /// TCP window as it stands, unscaled.
    pub window: u16,
    /// IPv4 identification; 0 for IPv6.
    pub ip_id: u16,
    /// Payload bytes behind the transport header, as the headers say.
    pub payload_len: u16,
    /// 802.1Q tag ids from the outside in; 0 for none. Ids are 12 bits.
    pub vlan: [u16; 2],
    /// Oddities.
    pub marks: Marks,
    /// The sender's address on the link, where the link has one.
    pub mac: [u8; 6],
    /// IP protocol number, or [`ARP`].
    pub protocol: u8,
    /// What sort of evidence it is.
    pub kind: Kind,
    /// TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 TOS or IPv6 traffic class.
    pub tos: u8,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// What its bytes say about the program that made it.
    pub telltale: Telltale,
}

impl Observation {
    /// A record of nothing, from nobody to nobody: for those who fill in only what they need.
    pub const BLANK: Self = Self {
        src: Address(0),
        dst: Address(0),
        stamp: Time(0),
        clock: Time(0),
        seq: 0,
        tcp_seq: 0,
        tcp_ack: 0,
        src_port: 0,
        dst_port: 0,
        window: 0,
        ip_id: 0,
        payload_len: 0,
        vlan: [0; 2],
        marks: Marks(0),
        mac: [0; 6],
        protocol: 0,
        kind: Kind::Other,
        flags: 0,
        ttl: 0,
        tos: 0,
        icmp_type: 0,
        icmp_code: 0,
        telltale: Telltale::None,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_either_family_reads_back_as_it_was_written() {
        for text in ["10.0.0.1", "255.255.255.255", "fd00::1", "::1", "::"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.as_v4().is_some(), !text.contains(':'), "{text}");
        }
        assert_eq!(Address::v4([10, 0, 0, 1]).as_v4(), Some(0x0a00_0001));
    }

    #[test]
    fn groups_are_told_from_hosts() {
        for (text, many) in [
            ("223.255.255.255", false),
            ("224.0.0.1", true),
            ("239.255.255.250", true),
            ("240.0.0.1", false),
            ("255.255.255.255", true),
            ("fe80::1", false),
            ("ff02::1", true),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_many(), many, "{text}");
        }
    }

    #[test]
    fn an_observation_is_no_larger_than_it_was() {
        assert_eq!(size_of::<Observation>(), 96);
    }

    #[test]
    fn a_sign_takes_the_place_of_marks_that_a_first_contact_does_not_need() {
        let mut marks = Marks(u16::MAX ^ Marks::AGAIN.0).with_sign(15).with_sign(9);
        assert!(marks.has(Marks::FRAGMENTED) && marks.has(Marks::DONT_FRAGMENT) && marks.sign() == 9);
        assert!(!marks.has(Marks::ASTRAY));
        marks.set(Marks::ASTRAY);
        assert_eq!(marks.sign(), 9);
    }

    #[test]
    fn a_mark_is_there_only_with_all_its_bits() {
        let mut marks = Marks::default();
        marks.set(Marks::CUT);
        marks.set(Marks::BY_TARGET);
        assert!(marks.has(Marks::CUT) && marks.has(Marks::BY_TARGET) && !marks.has(Marks::FRAGMENTED));
    }
}
