//! Tenants: networks that use the same addresses and never meet, told apart by VLAN or virtual network.
//!
//! In: a packet and what it came through. Out: the same, with its tenant as a part of its IPv4 addresses, so that nothing behind decode needs to know that
//! there are any. Done only where the rules ask for it. IPv6 addresses stay: they are unique, which is what they are for.
//! Must not count what names one end's session and not a network: the answers would be somebody else's.
//! Read next: `observation.rs` (how an address holds it), `tunnel/mod.rs` (whose ids name networks).

use super::{Packet, Transport, Tunnel};

/// Makes the VLAN ids, and the network of the outermost tunnel where it has one, a part of the packet's addresses. Doing it
/// again changes nothing.
pub fn separate(packet: &mut Packet, tunnel: Option<Tunnel>) {
    let [outer, inner] = packet.vlan.map(u64::from);
    let network = tunnel.filter(|tunnel| tunnel.protocol.has_networks()).and_then(|tunnel| tunnel.id);
    // 12 bits and 12 bits of VLANs; then 32 bits, and one that tells network 0 from none.
    let tenant = outer | inner << 12 | network.map_or(0, |id| 1 << 56 | u64::from(id) << 24);
    (packet.src, packet.dst) = (packet.src.of_tenant(tenant), packet.dst.of_tenant(tenant));
    if let Transport::Icmp(icmp) = &mut packet.transport
        && let Some(quoted) = &mut icmp.quoted
    {
        (quoted.src, quoted.dst) = (quoted.src.of_tenant(tenant), quoted.dst.of_tenant(tenant));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{
        Address, Skip, decode,
        samples::{address, ethernet, frame, hex, ipv4, ipv6, raw, tcp, udp},
        through,
    };

    /// The sender of a frame, with its tenant.
    fn sender(bytes: &[u8]) -> Address {
        let (mut packet, tunnel) = (decode(&frame(1, bytes)).unwrap(), through(&frame(1, bytes)));
        separate(&mut packet, tunnel);
        let once = packet;
        separate(&mut packet, tunnel);
        assert_eq!(packet, once);
        packet.src
    }

    fn tagged(tags: &str) -> Address {
        sender(&[ethernet(0x8100, &hex(tags)), ipv4(6, &tcp(2))].concat())
    }

    fn in_network(port: u16, id: &str) -> Address {
        let inner = ethernet(0x0800, &ipv4(6, &tcp(2)));
        sender(&ethernet(0x0800, &ipv4(17, &udp(9, port, &[hex("08000000"), hex(id), inner].concat()))))
    }

    #[test]
    fn equal_addresses_of_two_tenants_are_two_and_print_alike() {
        let untagged = sender(&ethernet(0x0800, &ipv4(6, &tcp(2))));
        assert_eq!(untagged, address("10.0.0.2"));
        let all = [
            untagged,
            tagged("000c 0800"),
            tagged("000d 0800"),
            tagged("000c 8100 000d 0800"),
            tagged("000d 8100 000c 0800"),
            in_network(4789, "00000000"),
            in_network(4789, "00000100"),
            in_network(4789, "00000200"),
        ];
        for (n, one) in all.iter().enumerate() {
            assert_eq!(one.tenant() == 0, n == 0);
            assert_eq!((one.to_string(), one.as_v4()), ("10.0.0.2".to_owned(), Some(0x0a00_0002)));
            assert!(!all[..n].contains(one), "{n}");
        }
        assert_eq!(tagged("600c 0800"), tagged("000c 0800"), "priority is no tenant");
    }

    #[test]
    fn an_error_speaks_of_the_tenant_s_hosts() {
        let error = ipv4(1, &[hex("03 03 0000 00000000"), ipv4(17, &hex("c23c 829a 0028 0000"))].concat());
        let mut packet = decode(&frame(1, &ethernet(0x8100, &[hex("000c 0800"), error].concat()))).unwrap();
        separate(&mut packet, None);
        let Transport::Icmp(icmp) = packet.transport else { panic!("{packet:?}") };
        assert_eq!(icmp.quoted.map(|quoted| quoted.src), Some(tagged("000c 0800")));
    }

    #[test]
    fn sessions_that_differ_by_direction_are_no_tenants() {
        let carried = |header: &str| sender(&ethernet(0x0800, &ipv4(47, &[hex(header), ipv4(6, &tcp(2))].concat())));
        assert_eq!(carried("3001 880b 002a 0006 00000001 21"), address("10.0.0.2"));
        assert_ne!(carried("2000 0800 00000007"), address("10.0.0.2"));
    }

    #[test]
    fn no_packet_of_ipv6_can_pass_for_a_tenant_s_host() {
        let mut bytes = ipv6(6, &tcp(2));
        bytes[8..24].copy_from_slice(&address("10.0.0.9").of_tenant(12).0.to_be_bytes());
        assert_eq!(raw(&bytes), Err(Skip::MappedAddress));
        assert_eq!(address("fd00::1").of_tenant(12), address("fd00::1"));
    }
}
