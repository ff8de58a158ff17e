//! The preset `tripline`: the numbers that judge, each with its origin.
//!
//! In: nothing. Out: [`Thresholds`]. The judging itself is in `cells/walk.rs` (what may be a scan)
//! and `correlate/verdict.rs` (what is one). Source of the logic: `docs/DETECTION.md`.

use serde::{Deserialize, Serialize};

use crate::source::Time;

/// What the preset judges by. A rules file may set each by its name under `[detect]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Thresholds {
    /// Failed first contacts, net of answered ones, that convict a group without any success.
    /// Jung 2004: four refusals at 0.8 and 0.2 give odds of 99 to 1.
    pub walk: u32,
    /// The same for a group that has had a success: honest clients of failing services have had some.
    pub walk_after_success: u32,
    /// Doors that convict when the packets are such as no honest stack sends, whatever the answers.
    pub dishonest: u32,
    /// Doors that convict when one source port and one sequence number repeat on them: no kernel does that.
    pub repeated: u32,
    /// Distinct answered doors that the source reset without a word, while their number still grows.
    pub half_open: u32,
    /// Ports of one host where a connection was completed and closed without a byte from the client.
    pub empty_connects: u32,
    /// Hosts on one port below 1024 (or by ICMP) before the share of failures alone convicts.
    pub blind: u32,
    /// That share in percent: of honest clients' servers hardly one in ten is gone.
    pub blind_percent: u32,
    /// Doors that answered and were left without a word (or were only pinged), before it is looked whether
    /// the source ever comes back to them.
    pub once: u32,
    /// Nanoseconds until that is looked at: those who watch over hosts have come round again by then.
    pub review: i64,
    /// Doors before contacts that cohere in neither host nor port are judged.
    pub incoherent: u32,
    /// The share of them in percent that must fail: peer-to-peer has many stale peers.
    pub incoherent_percent: u32,
    /// Silent ports of one host that convict where nothing is ever heard from its network.
    pub one_sided_ports: u32,
    /// Silent hosts that convict where nothing is ever heard from their network; twice as many over UDP.
    pub one_sided_hosts: u32,
    /// The same when they are neighbours, the most of their addresses without a gap: who has business with
    /// hosts does not find them by counting.
    pub one_sided_neighbours: u32,
    /// Unanswered hosts that convict an ARP sweep: gateways ask for many absent hosts too. Four times as many where its
    /// answers are not heard.
    pub arp: u32,
    /// Sources with few doors each that make a distributed scan, when they share out the doors of one host.
    pub distributed: u32,
    /// Sources with one door each in a minute that are one scan when they share out the doors of one host. An address in the
    /// dark gets one knock in six minutes (Durumeric et al. 2014).
    pub lone: u32,
    /// Addresses of one IPv6 network, or /64s of a /48, with few doors each that are one scan when they take turns.
    pub rotation: u32,
    /// Scans told in a minute whose source may be forged, and as many of each tenth power of doors; the rest is a storm.
    pub storm: u32,
    /// Knocks in vain at one door in a minute that make a flood.
    pub flood: u32,
    /// Nanoseconds after which a first contact without an answer is silent.
    pub answer_wait: i64,
    /// Nanoseconds without a probe after which a scan is over.
    pub quiet: i64,
    /// Nanoseconds within which a packet that comes again is the same one, seen twice by the span; 0: there are none.
    pub copies: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            walk: 4,
            walk_after_success: 10,
            dishonest: 3,
            repeated: 3,
            half_open: 5,
            empty_connects: 10,
            blind: 16,
            blind_percent: 33,
            once: 16,
            review: 300 * Time::SECOND,
            incoherent: 32,
            incoherent_percent: 80,
            one_sided_ports: 10,
            one_sided_hosts: 20,
            one_sided_neighbours: 8,
            arp: 16,
            distributed: 10,
            lone: 32,
            rotation: 10,
            storm: 300,
            flood: 10_000,
            answer_wait: Time::SECOND,
            quiet: 3_600 * Time::SECOND,
            copies: 0,
        }
    }
}
