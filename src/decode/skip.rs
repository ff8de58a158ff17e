//! Why a frame goes no further than decoding.
//!
//! Out: [`Skip`], one word a reason, for counters and for `tripline packets`. Each frame that
//! does not become evidence is counted under exactly one of them, so that nothing is lost
//! silently. It must stay `Copy` and carry no data: millions of frames a second may take this way.
//!
//! `cut-…` means that the capture holds less of the frame than there was (its snaplen);
//! `short-…` and `bad-…` that the sender wrote it so.
//! Read next: `class.rs` (who counts them), `transport.rs` (flaws that leave the addresses readable).

use std::fmt;

/// Names the reasons once: the enum, the list of all, and the words.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// Why a frame is evidence about nobody: it could not be read, or it tells nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Skip { $($(#[$doc])+ $variant,)+ }

        impl Skip {
            /// All of them; `skip as usize` is the index, so an array of this length counts them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that never changes, for counters and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

reasons! {
    /// No decoder for the link type. The whole file (or interface) is of it: an error of the
    /// file, see [`super::link::is_known`], and never a guess.
    UnknownLinkType = "unknown-link-type",
    /// Shorter than its link header.
    CutLinkHeader = "cut-link-header",
    /// Neither IP nor ARP.
    UnknownEthertype = "unknown-ethertype",
    /// An 802.2 service that carries no IP: spanning tree, IS-IS and so on.
    UnknownLlc = "unknown-llc",
    /// An address family of the BSD loopback that is not IP.
    UnknownFamily = "unknown-address-family",
    /// PPP's own talk, or another protocol than IP over it.
    UnknownPppProtocol = "unknown-ppp-protocol",
    /// Another protocol of ISO's list than IP over Frame Relay.
    UnknownFrameRelay = "unknown-frame-relay-protocol",
    /// A frame of Juniper's without its magic number.
    UnknownJuniper = "unknown-juniper-header",
    /// More tags and labels than any network stacks.
    TooManyTags = "too-many-vlan-tags",
    /// What the ends of an MPLS pseudowire tell each other.
    MplsControl = "mpls-control",
    /// 802.11 without data: beacons, acknowledgements, power saving.
    WifiControl = "wifi-without-data",
    /// Encrypted 802.11 data.
    WifiProtected = "wifi-protected",
    /// A later piece of an 802.11 frame.
    WifiFragment = "wifi-later-fragment",
    /// More tunnels around each other than any network has.
    TooManyTunnels = "too-many-tunnels",

    /// Shorter than its ARP packet.
    CutArp = "cut-arp",
    /// ARP for other addresses than IPv4.
    ForeignArp = "foreign-arp",
    /// Neither a request nor a reply.
    OtherArp = "other-arp-operation",
    /// A host announces its own address (gratuitous ARP, RFC 5227): it asks for nobody.
    ArpAnnouncement = "arp-announcement",

    /// Fewer than the 20 bytes of an IPv4 header.
    CutIpv4Header = "cut-ipv4-header",
    /// Announced as IPv4, but the version says otherwise.
    BadIpv4Version = "bad-ipv4-version",
    /// A header length below 20 bytes.
    BadIpv4HeaderLength = "bad-ipv4-header-length",
    /// A total length below the header's.
    BadIpv4TotalLength = "bad-ipv4-total-length",
    /// The options are not all there.
    CutIpv4Options = "cut-ipv4-options",
    /// Fewer than the 40 bytes of an IPv6 header.
    CutIpv6Header = "cut-ipv6-header",
    /// Announced as IPv6, but the version says otherwise.
    BadIpv6Version = "bad-ipv6-version",
    /// An IPv4 address inside an IPv6 header: no host takes it, and it would be held for the
    /// IPv4 host's own.
    MappedAddress = "mapped-ipv6-address",
    /// Raw IP, but of neither version.
    BadIpVersion = "bad-ip-version",
    /// An extension header is not all there.
    CutExtension = "cut-extension-header",
    /// An extension header that reaches beyond the datagram.
    BadExtension = "bad-extension-header",
    /// A longer chain of extension headers than anybody has a use for.
    TooManyExtensions = "too-many-extension-headers",
    /// A fragment inside a fragment: only an evader sends it, no host takes it.
    NestedFragment = "nested-fragment",

    /// TCP up to where its flags stand is not there.
    CutTcp = "cut-tcp-header",
    /// Fewer than 20 bytes of TCP were sent.
    ShortTcp = "short-tcp-header",
    /// A TCP header length below 20 bytes, or beyond the segment.
    BadTcpHeaderLength = "bad-tcp-header-length",
    /// The UDP ports are not there.
    CutUdp = "cut-udp-header",
    /// Fewer than 8 bytes of UDP were sent.
    ShortUdp = "short-udp-header",
    /// ICMP type, code or numbers are not there.
    CutIcmp = "cut-icmp-header",
    /// Fewer than 8 bytes of ICMP were sent.
    ShortIcmp = "short-icmp-header",
    /// An ICMP error that quotes too little to tell whom it is about.
    UnreadableQuote = "unreadable-icmp-quote",
    /// SCTP up to its first chunk's type is not there.
    CutSctp = "cut-sctp-header",
    /// SCTP without a chunk was sent.
    ShortSctp = "short-sctp-header",

    /// Inside an SCTP association.
    SctpAssociation = "sctp-association",
    /// Multicast membership (IGMP).
    Igmp = "igmp",
    /// Multicast membership of IPv6 (MLD).
    MulticastListener = "multicast-listener",
    /// Neighbour solicitation and advertisement: IPv6's own ARP.
    NeighbourDiscovery = "neighbour-discovery",
    /// Router solicitation, advertisement, redirect.
    RouterMessage = "router-message",
    /// Another type of ICMP, neither a request, a reply nor an error that scans cause.
    OtherIcmp = "other-icmp-type",
    /// Put together of fragments, with a checksum that no host accepts: chaff.
    FalseWhole = "rebuilt-bad-checksum",
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_finds_its_place_and_its_name() {
        for (index, skip) in Skip::ALL.iter().enumerate() {
            assert_eq!(*skip as usize, index);
            assert!(skip.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{skip}");
        }
        let mut names: Vec<_> = Skip::ALL.iter().map(|s| s.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Skip::ALL.len());
    }
}
