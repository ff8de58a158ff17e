//! The words of a story: what the stages' own terms mean to a person.
//!
//! In: outcomes, grounds, weights. Out: words. They are part of the JSON shape, too (`docs/why.md`).
//! Must not decide anything. Read next: `tale.rs`.

use crate::{
    cells::{
        knock::{After, Knock},
        outcome::Outcome,
        technique::Technique,
        walk::{Ground, Measure, Shape},
        witness::Fate,
    },
    correlate::{
        verdict::{Excuse, Said},
        weight::Because,
    },
    decode::{Address, Marks},
};

/// Half steps as steps.
pub(super) fn steps(halves: u64) -> String {
    format!("{}{}", halves / 2, if halves.is_multiple_of(2) { "" } else { ".5" })
}

/// A door as a person writes it.
pub(super) fn door(target: Address, port: u16, technique: Technique) -> String {
    match technique {
        Technique::IpProtocol => format!("{target} protocol {port}"),
        _ if !technique.has_ports() => target.to_string(),
        _ if target.as_v4().is_some() => format!("{target}:{port}"),
        _ => format!("[{target}]:{port}"),
    }
}

/// What the knocks of a group have in common.
pub(super) fn group(shape: Option<Shape>, technique: Technique) -> String {
    match shape {
        Some(Shape::Vertical(target)) if technique == Technique::IpProtocol => format!("the protocols of {target}"),
        Some(Shape::Vertical(target)) if technique.has_ports() => format!("the ports of {target}"),
        Some(Shape::Vertical(target)) => format!("the host {target}"),
        Some(Shape::Horizontal(port)) if technique == Technique::IpProtocol => format!("the hosts for protocol {port}"),
        Some(Shape::Horizontal(port)) if technique.has_ports() => format!("the hosts on port {port}"),
        Some(Shape::Horizontal(_)) => "the hosts".to_owned(),
        None => "all of its doors".to_owned(),
    }
}

/// How a first contact stands: one word.
pub(super) fn outcome(knock: &Knock, fate: Fate) -> &'static str {
    match (fate, knock.outcome) {
        (Fate::Waits, _) => "waiting",
        (Fate::Traced, _) => "expired",
        (Fate::GivenUp, _) => "forgotten",
        (Fate::Ended | Fate::EndedLate, outcome) => ended(outcome),
    }
}

/// The same of one that has ended.
pub(super) fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Open => "open",
        Outcome::Closed => "closed",
        Outcome::Unreachable => "unreachable",
        Outcome::Silent => "silent",
    }
}

/// What else there is to say of a first contact.
pub(super) fn details(knock: &Knock, fate: Fate) -> Vec<&'static str> {
    let after = match knock.after {
        After::Nothing => None,
        After::Reset => Some("it reset the answer"),
        After::Empty => Some("it closed without a byte"),
        After::Spoke => Some("it was used"),
        After::Ended => Some("it was closed"),
        After::Claimed => Some("it was closed, as after an answer"),
    };
    let has = |mark, said| knock.marks.has(mark).then_some(said);
    let late = (fate == Fate::EndedLate).then_some("the answer came late");
    let traced = (fate == Fate::Traced).then_some("its hop limit ran out on the way");
    let given_up = (fate == Fate::GivenUp).then_some("given up for want of memory");
    let persisted = match knock.outcome {
        Outcome::Open => "it came back later",
        _ => "it tried anew from another port",
    };
    [
        after,
        late,
        traced,
        given_up,
        has(Marks::RETRIED, "sent again unchanged"),
        has(Marks::PERSISTED, persisted),
        has(Marks::EXPECTED, "FTP had named this door"),
        has(Marks::BOUNCED, "an FTP client made it knock here"),
        has(Marks::ASTRAY, "ended with numbers that are not the door's"),
        has(Marks::AGAIN, "knocked at before, in another way"),
        has(Marks::FRAGMENTED, "in fragments"),
        has(Marks::TUNNELLED, "through a tunnel"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name of a ground, which never changes.
pub(super) fn ground(ground: Ground) -> &'static str {
    match ground {
        Ground::Failures => "failures",
        Ground::Dishonest => "dishonest",
        Ground::Repeated => "repeated",
        Ground::HalfOpen => "half-open",
        Ground::EmptyConnects => "empty-connects",
        Ground::SameWords => "same-words",
        Ground::Bounced => "bounced",
        Ground::Blind => "blind",
        Ground::Once => "once",
        Ground::Incoherent => "incoherent",
    }
}

/// What is counted for a ground.
pub(super) fn counted(ground: Ground) -> &'static str {
    match ground {
        Ground::Failures => "steps of failures",
        Ground::Dishonest => "doors that got packets which open no connection",
        Ground::Repeated => "doors with one source port and sequence number",
        Ground::HalfOpen => "open doors whose answer it reset",
        Ground::EmptyConnects => "connections closed without a byte",
        Ground::SameWords => "connections on which equally much was said",
        Ground::Bounced => "doors that an FTP client had named and that no client listens at",
        Ground::Blind => "hosts on one port, many of them not there",
        Ground::Once => "doors left without a word",
        Ground::Incoherent => "contacts without a pattern, nearly all in vain",
    }
}

/// How near it came to a ground.
pub(super) fn measure(m: &Measure) -> String {
    let number = |n: u64| if m.ground == Ground::Failures { steps(n) } else { n.to_string() };
    let share = m.share.map(|s| {
        let percent = s.part * 100 / s.of.max(1);
        format!(", {percent} % of {} % needed", s.percent)
    });
    format!("{} of {} needed: {}{}", number(m.has), number(m.needs), counted(m.ground), share.unwrap_or_default())
}

/// Why a knock counts what it does.
pub(super) fn because(because: Because) -> &'static str {
    match because {
        Because::Answered => "it answered",
        Because::AnsweredOthers => "the door has answered somebody: it is to blame itself",
        Because::CameBack => "refused, and tried anew: who wants in does so",
        Because::Refused => "refused",
        Because::Unreachable => "a router said no",
        Because::NoRoute => "a router has no route: the network's word, not the target's",
        Because::BesideRefusals => "silent beside refusals: errors are rate-limited",
        Because::Noise => "silent, as everybody is to such packets",
        Because::Claimed => "closed as after an answer, of which none was seen",
        Because::SentAgain => "silent: sent again unchanged, so no answer had come",
        Because::NeverHeard => "silent, and nothing is ever heard from its network",
        Because::SilentUdp => "silent, as UDP is to much that it takes",
        Because::SilentHost => "silent, but the host is there and may drop packets",
        Because::SilentNetwork => "silent, in a network that is heard",
    }
}

/// Why a group does not count.
pub(super) fn excuse(excuse: Excuse) -> &'static str {
    match excuse {
        Excuse::TracedRoute => "does not count: rising hop limits trace a route",
        Excuse::Answers => "does not count: from one fixed port to clients' ports, these are answers",
        Excuse::Peers => "does not count: scattered hosts of which nothing is heard, as peers or servers are",
        Excuse::Gateway => "does not count: scattered hosts, for which a gateway has packets",
    }
}

/// What else was said in a judgement.
pub(super) fn said(said: &Said) -> Option<String> {
    match said {
        Said::LooksLikeAnswers => {
            Some("from a service's port to clients' ports: bent answers look so, too; its walk decides".to_owned())
        }
        Said::Peers => Some("hosts all over the Internet, at ports that no service has: a list of peers".to_owned()),
        Said::Scattered => Some("the hosts do not lie side by side: nobody made a list of them".to_owned()),
        Said::OneSided { has, needs } => {
            Some(format!("nothing is heard from the targets' networks, where it takes {needs} doors: there were {has}"))
        }
        Said::Step(..) | Said::Walk(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::walk::Share;

    #[test]
    fn half_steps_are_told_as_steps() {
        assert_eq!([0, 1, 2, 7, 8].map(steps), ["0", "0.5", "1", "3.5", "4"]);
        let walk = Measure::count(Ground::Failures, 7, 8);
        assert_eq!(measure(&walk), "3.5 of 4 needed: steps of failures");
    }

    #[test]
    fn a_share_is_told_beside_the_count() {
        let share = Some(Share { part: 4, of: 16, percent: 33 });
        let blind = Measure { share, ..Measure::count(Ground::Blind, 16, 16) };
        assert!(measure(&blind).ends_with(", 25 % of 33 % needed"));
    }

    #[test]
    fn doors_are_written_as_in_events() {
        let (v4, v6): (Address, Address) = ("10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap());
        assert_eq!(door(v4, 80, Technique::TcpSyn), "10.0.0.1:80");
        assert_eq!(door(v6, 80, Technique::Udp), "[fd00::1]:80");
        assert_eq!(door(v4, 8, Technique::IcmpEcho), "10.0.0.1");
        assert_eq!(door(v4, 47, Technique::IpProtocol), "10.0.0.1 protocol 47");
    }
}
