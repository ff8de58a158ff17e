//! What one knock counts, seen with what is known of the targets' side.
//!
//! In: a knock, the terrain. Out: a [`Weight`], and [`Because`] for whoever asks why. Must not know of groups,
//! thresholds or other sources. Source: the table in `docs/DETECTION.md`.
//! Read next: `terrain.rs`.

use crate::{
    cells::{
        knock::{After, Knock},
        outcome::{ANY, ICMP, Outcome, SCTP, TCP, UDP},
        technique::Technique,
        walk::{HALF, STEP},
    },
    correlate::terrain::Terrain,
    decode::{Marks, observation::ARP},
};

/// What a knock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// So many half steps up.
    Fails(u32),
    /// No step: nothing is ever heard from there.
    Unseen,
    /// A step down.
    Succeeds,
}

/// Why it counts so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The door answered.
    Answered,
    /// The door has answered somebody: it is to blame itself.
    AnsweredOthers,
    /// It was refused, and came back: who wants in does, a scanner has its answer.
    CameBack,
    /// The door refused.
    Refused,
    /// A router said no.
    Unreachable,
    /// A router had no route: the network's word, not the target's.
    NoRoute,
    /// Silent, beside UDP doors that refused: ICMP is rate-limited.
    BesideRefusals,
    /// Silent, as everybody is to such packets.
    Noise,
    /// Closed as one who was answered, though no answer was seen.
    Claimed,
    /// Sent again unchanged: no answer had come, whether one would have been seen or not.
    SentAgain,
    /// Nothing was ever heard from its network.
    NeverHeard,
    /// Silent, as UDP is to much that it takes.
    SilentUdp,
    /// The host is there and silent: it may drop packets.
    SilentHost,
    /// Silent in a network that is heard.
    SilentNetwork,
}

/// What one knock counts. `refused`: its group holds a refusal, so the target does say no.
#[must_use]
pub fn weigh(knock: &Knock, terrain: &Terrain, refused: bool) -> (Weight, Because) {
    let blamed = terrain.has_answered(knock.target, protocol(knock.technique), knock.port)
        // A service that is offered over both, one of which is held back on the way: QUIC beside HTTPS, DNS.
        || knock.technique == Technique::Udp && terrain.has_answered(knock.target, TCP, knock.port);
    match knock.outcome {
        Outcome::Open => (Weight::Succeeds, Because::Answered),
        _ if blamed => (Weight::Fails(0), Because::AnsweredOthers),
        // Who comes back to a door that refused it wants in; a scanner has its answer.
        Outcome::Closed if knock.marks.has(Marks::PERSISTED) => (Weight::Fails(HALF), Because::CameBack),
        Outcome::Closed => (Weight::Fails(STEP), Because::Refused),
        // The network's word, not the target's: whoever is behind that router fails so, wherever he goes.
        Outcome::Unreachable if knock.marks.has(Marks::NO_ROUTE) => (Weight::Unseen, Because::NoRoute),
        Outcome::Unreachable => (Weight::Fails(STEP), Because::Unreachable),
        Outcome::Silent => weigh_silence(knock, terrain, refused),
    }
}

/// What no answer counts.
fn weigh_silence(knock: &Knock, terrain: &Terrain, refused: bool) -> (Weight, Because) {
    let alive = terrain.is_alive(knock.target);
    let claimed = knock.after == After::Claimed;
    match knock.technique {
        // It closed as one who was answered. Where nothing is heard that is all there is to see of a success. Elsewhere
        // an answer would have been seen, but by another way; and anybody can say so.
        _ if claimed && !terrain.is_in_view(knock.target) => (Weight::Succeeds, Because::Claimed),
        _ if claimed => (Weight::Fails(HALF), Because::Claimed),
        // ICMP is rate-limited: beside refused UDP doors the silent ones are refused, too.
        Technique::Udp if refused => (Weight::Fails(STEP), Because::BesideRefusals),
        technique if !technique.silence_tells() => (Weight::Fails(0), Because::Noise),
        // Sent again unchanged: no answer had come, whether we would have seen one or not.
        _ if knock.marks.has(Marks::RETRIED) && !alive => (Weight::Fails(STEP), Because::SentAgain),
        _ if !terrain.is_in_view(knock.target) => (Weight::Unseen, Because::NeverHeard),
        Technique::Udp => (Weight::Fails(HALF), Because::SilentUdp),
        _ if alive => (Weight::Fails(HALF), Because::SilentHost),
        _ => (Weight::Fails(STEP), Because::SilentNetwork),
    }
}

/// The protocol number under which the terrain knows a technique's doors.
fn protocol(technique: Technique) -> u8 {
    match technique {
        Technique::Udp => UDP,
        Technique::SctpInit | Technique::SctpCookieEcho => SCTP,
        Technique::IpProtocol => ANY,
        Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpMask => ICMP,
        Technique::Arp => ARP,
        _ => TCP,
    }
}
