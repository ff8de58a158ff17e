//! What knocks look like when they are taken together: traces, answers, neighbours, peers.
//!
//! In: knocks that have something in common. Out: whether they look so. Must not know of weights, thresholds or
//! the terrain: this is in the packets alone. Source: `docs/DETECTION.md`, "What is taken out first".

use crate::{
    cells::{knock::Knock, outcome::Outcome, technique::FIRST_UNPRIVILEGED},
    decode::Address,
};

/// Hop limits this low arrive of traceroute's first probes, or not at all: stacks begin with 32 to 255.
const LOW: u8 = 3;

/// First port of the range that clients' own ports come from on Linux; other systems' ranges lie above it.
const FIRST_EPHEMERAL: u16 = 32_768;

/// Traceroute: hop limits that rise in order, three or more of them, or from one so low that no stack begins
/// with it; and once more from there for the next one. nmap varies them, but up and down.
#[must_use]
pub fn traces_a_route<'a>(group: impl Iterator<Item = &'a Knock>) -> bool {
    let (mut last, mut levels, mut rises, mut lowest) = (0, 0, true, u8::MAX);
    for knock in group {
        lowest = lowest.min(knock.ttl);
        levels += u32::from(knock.ttl > last);
        rises &= knock.ttl >= last || knock.ttl <= LOW;
        last = knock.ttl;
    }
    rises && (levels >= 3 || lowest <= LOW)
}

/// Whether hosts lie side by side: one address in four, from the lowest to the highest, is among them. (A sweep
/// in random order of a /24 has come so far with 64.)
#[must_use]
pub fn are_neighbours<'a>(group: impl Iterator<Item = &'a Knock>) -> bool {
    let (mut lowest, mut highest, mut hosts) = (u128::MAX, 0, 0);
    for knock in group {
        let Address(address) = knock.target;
        (lowest, highest, hosts) = (address.min(lowest), address.max(highest), hosts + 1);
    }
    highest.saturating_sub(lowest) < 4 * hosts
}

/// Whether hardly two hosts lie in one network as they are handed out (a /16, of IPv6 a /32): so do peers, whom one knows from
/// others' lists, and many of them are gone. (A quarter may: large providers have many.) A sweep of anything smaller
/// than the Internet comes back to some.
#[must_use]
pub fn are_scattered<'a>(group: impl Iterator<Item = &'a Knock>) -> bool {
    let mut networks: Vec<u128> =
        group.map(|k| k.target).map(|host| if host.as_v4().is_some() { host.0 >> 16 } else { host.0 >> 96 }).collect();
    let hosts = networks.len();
    networks.sort_unstable();
    networks.dedup();
    4 * networks.len() >= 3 * hosts
}

/// Whether the most of these are what a client of a peer-to-peer network has in its list.
#[must_use]
pub fn are_peers<'a>(mut group: impl Iterator<Item = &'a Knock> + Clone) -> bool {
    are_scattered(group.clone()) && group.all(|k| k.port >= FIRST_UNPRIVILEGED)
}

/// Whether a datagram answers a question that the capture does not hold: from a service's port to a client's, as all from
/// there, and nobody says a word to it.
#[must_use]
pub fn is_services_answer<'a>(knock: &Knock, mut group: impl Iterator<Item = &'a Knock>) -> bool {
    let looks_so = |k: &Knock| is_from_service(k) && k.outcome == Outcome::Silent;
    looks_so(knock) && group.all(|k| k.src_port != knock.src_port || looks_so(k))
}

/// From a listener's port to a client's: what answers look like.
#[must_use]
pub fn is_from_service(knock: &Knock) -> bool {
    knock.src_port < FIRST_UNPRIVILEGED && knock.port >= FIRST_UNPRIVILEGED
}

/// Datagrams from one fixed port to ports of the range that clients' own come from, none answered: a server's answers,
/// seen from mid-stream. (What a service's port answers has been taken out before; so has all, if nothing is left.)
#[must_use]
pub fn looks_like_answers<'a>(mut group: impl Iterator<Item = &'a Knock>) -> bool {
    let is_answer = |k: &Knock| k.outcome == Outcome::Silent && k.port >= FIRST_EPHEMERAL;
    let Some(first) = group.next() else { return true };
    is_answer(first) && group.all(|k| is_answer(k) && k.src_port == first.src_port)
}
