//! The verdict: whether a suspicion is a scan, seen with what is known of the targets' side.
//!
//! In: a suspicion from a cell, the terrain. Out: a [`Verdict`]. The cell took every silence at its
//! worst; here each is weighed: a door that answered others is to blame itself, a host that is there may
//! drop packets, and where a network is never heard at all only counts can tell.
//! Source: `docs/DETECTION.md`; the numbers are in `presets/tripline.rs`.
//! Read next: `weight.rs` (what one knock counts), `likeness.rs` (what knocks look like together).

use crate::{
    cells::{
        Suspicion,
        knock::Knock,
        outcome::Outcome,
        technique::{FIRST_UNPRIVILEGED, Technique},
        walk::{Ground, STEP, Shape},
    },
    correlate::{
        likeness::{
            are_neighbours, are_peers, are_scattered, is_from_service, is_services_answer, looks_like_answers,
            traces_a_route,
        },
        terrain::Terrain,
        weight::{Because, Weight, weigh},
    },
    decode::{Address, Marks},
    presets::tripline::Thresholds,
};

/// What is thought of a suspicion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// It is a scan.
    pub guilty: bool,
    /// Judged by counts, since nothing was ever heard from the targets.
    pub one_sided: bool,
}

/// So many times as many doors tell, where silence alone tells little.
const MANY: u64 = 4;

/// Who got so many answers to its ARP questions is one whose answers are heard. One may be the captured host's own.
const ANSWERED: u32 = 2;

/// What is said on the way to a verdict, for whoever asks why.
#[derive(Clone, Copy, Debug)]
pub enum Said {
    /// One knock of a group was weighed; its sum is now so many half steps.
    Step(Shape, Knock, Weight, Because, u32),
    /// A group has been walked to its end.
    Walk(Walked),
    /// The packets look like a server's answers: that they are odd does not tell.
    LooksLikeAnswers,
    /// Hosts all over the Internet, at ports that no service has: a list of peers.
    Peers,
    /// Hosts that do not lie side by side: nobody made a list of them.
    Scattered,
    /// Nothing is heard from the targets, so that it takes as many doors.
    OneSided {
        /// Doors there were.
        has: u64,
        /// Doors it takes.
        needs: u64,
    },
}

/// The end of a group's walk.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    /// What its members have in common.
    pub shape: Shape,
    /// The highest sum on the way, in half steps.
    pub highest: u32,
    /// The sum that convicts, in half steps.
    pub threshold: u32,
    /// Doors from whose network nothing was ever heard.
    pub unseen: u32,
    /// How many of these convict, where nobody answered.
    pub enough_unseen: u32,
    /// Doors that answered.
    pub successes: u32,
    /// Why it does not count, whatever its sum.
    pub excuse: Option<Excuse>,
    /// It convicts.
    pub guilty: bool,
}

/// Why a group does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// Rising hop limits: a route is traced.
    TracedRoute,
    /// From one fixed port to clients' ports, and nobody answers: these are answers.
    Answers,
    /// Scattered hosts, and nothing is heard from them: whoever has a list of peers or servers looks so from one side.
    Peers,
    /// ARP for hosts that do not lie side by side: a gateway asks for whomever it has packets for.
    Gateway,
}

/// Judges a suspicion.
#[must_use]
pub fn judge(s: &Suspicion, terrain: &Terrain, t: &Thresholds) -> Verdict {
    judge_aloud(s, terrain, t, &mut |_| ())
}

/// Judges a suspicion and says on the way what it goes by.
pub fn judge_aloud(s: &Suspicion, terrain: &Terrain, t: &Thresholds, say: &mut impl FnMut(Said)) -> Verdict {
    let unheard = s
        .case
        .iter()
        .all(|k| k.outcome == Outcome::Silent && !terrain.is_in_view(k.target) || k.marks.has(Marks::NO_ROUTE));
    let guilty = match s.ground {
        // Of a sweep over many ports hardly enough of each are among the knocks that are kept, however many there were in all.
        Ground::Failures => {
            let is_sweep = unheard && s.technique.is_tcp() && !are_scattered(s.case.iter());
            failures(s, terrain, t, say) || is_sweep && is_crowd(s, unheard, terrain, t, say)
        }
        // Nobody scans all over the Internet without a port in mind: such are the lists of peers.
        Ground::Incoherent if are_peers(s.case.iter()) => {
            say(Said::Peers);
            false
        }
        Ground::Incoherent => is_crowd(s, unheard, terrain, t, say),
        Ground::Blind => is_blind(s, terrain, t),
        // The packets themselves tell; unless they are answers, bent on the way, which nobody refuses.
        Ground::Dishonest | Ground::Repeated if !s.case.iter().all(is_from_service) => true,
        Ground::Dishonest | Ground::Repeated => {
            say(Said::LooksLikeAnswers);
            let refused = s.case.iter().filter(|k| matches!(k.outcome, Outcome::Closed | Outcome::Unreachable));
            refused.count() >= t.walk as usize
        }
        // Anybody pings hosts here and there; whoever makes a list goes along a row.
        Ground::Once if s.technique.is_tcp() || are_neighbours(s.case.iter()) => true,
        Ground::Once => {
            say(Said::Scattered);
            false
        }
        Ground::HalfOpen | Ground::EmptyConnects | Ground::SameWords | Ground::Bounced => true,
    };
    Verdict { guilty, one_sided: unheard }
}

/// Whether nearly all of very many fail. Peers that are gone look the same from one side (`unheard`): there only a great many tell.
fn is_crowd(s: &Suspicion, unheard: bool, terrain: &Terrain, t: &Thresholds, say: &mut impl FnMut(Said)) -> bool {
    let doubtful = if s.technique == Technique::Udp { 2 } else { 1 };
    let succeeds = |k: &&Knock| weigh(k, terrain, false).0 == Weight::Succeeds;
    let (succeeded, all) = (s.case.iter().filter(succeeds).count() as u64, s.case.len() as u64);
    (all - succeeded) * 100 >= all * u64::from(t.incoherent_percent)
        && (!unheard || are_enough(s.evidence.tally.doors(), doubtful * MANY * u64::from(t.incoherent), say))
}

/// Whether too many of a service's hosts fail, of those from whose network something is heard: the cell took a
/// silence that nobody could have heard broken for a failure, too.
fn is_blind(s: &Suspicion, terrain: &Terrain, t: &Thresholds) -> bool {
    let (mut seen, mut failed) = (0, 0);
    let group = s.case.iter().filter(|k| s.shape.is_none_or(|shape| shape == Shape::Horizontal(k.port)));
    for knock in group {
        let (weight, _) = weigh(knock, terrain, false);
        seen += u32::from(weight != Weight::Unseen);
        failed += u32::from(matches!(weight, Weight::Fails(1..)));
    }
    seen >= t.blind && failed * 100 >= seen * t.blind_percent
}

/// Whether there are as many doors as it takes where nothing is heard.
fn are_enough(has: u64, needs: u64, say: &mut impl FnMut(Said)) -> bool {
    say(Said::OneSided { has, needs });
    has >= needs
}

/// Walks each group of the case again, with weights that know the terrain.
fn failures(s: &Suspicion, terrain: &Terrain, t: &Thresholds, say: &mut impl FnMut(Said)) -> bool {
    let mut shapes: Vec<Shape> = Vec::new();
    for knock in &s.case {
        for shape in [Shape::Vertical(knock.target), Shape::Horizontal(knock.port)] {
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
    }
    let refused = s.case.iter().filter(|k| k.outcome == Outcome::Closed);
    let refusing: Vec<Address> = refused.map(|k| k.target).collect();
    shapes.into_iter().any(|shape| {
        let group = || {
            s.case.iter().filter(move |k| match shape {
                Shape::Vertical(target) => k.target == target,
                Shape::Horizontal(port) => k.port == port,
            })
        };
        let is_udp = s.technique == Technique::Udp;
        let is_probe = |k: &&Knock| !is_udp || !is_services_answer(k, group());
        let mut excuse = match s.technique {
            Technique::Udp if traces_a_route(group()) => Some(Excuse::TracedRoute),
            Technique::Udp if looks_like_answers(group().filter(is_probe)) => Some(Excuse::Answers),
            _ => None,
        };
        // A resolver knows servers all over the Internet, as a peer knows peers.
        let are_peers = match shape {
            Shape::Vertical(_) => false,
            Shape::Horizontal(port) => (is_udp || port >= FIRST_UNPRIVILEGED) && are_scattered(group()),
        };
        let (mut sum, mut highest, mut unseen, mut successes) = (0_u32, 0, 0_u32, 0_u32);
        let mut heard = false;
        for knock in group().filter(is_probe) {
            let refused = is_udp && refusing.contains(&knock.target);
            let (weight, because) = match weigh(knock, terrain, refused) {
                // A peer that is gone: it is tried again as often as any kernel does.
                (_, Because::SentAgain) if are_peers => (Weight::Unseen, Because::NeverHeard),
                weighed => weighed,
            };
            heard |= knock.outcome != Outcome::Silent || terrain.is_in_view(knock.target);
            match weight {
                Weight::Fails(steps) => sum += steps,
                Weight::Unseen => unseen += 1,
                Weight::Succeeds => {
                    sum = sum.saturating_sub(STEP);
                    successes += 1;
                }
            }
            say(Said::Step(shape, *knock, weight, because, sum));
            highest = highest.max(sum);
        }
        let threshold = match s.technique {
            // Questions go to all, answers to one: of whom one hears the questions one need not hear the answers.
            Technique::Arp if successes < ANSWERED => t.arp.saturating_mul(MANY as u32),
            Technique::Arp => t.arp,
            _ if are_peers => t.incoherent,
            _ if successes == 0 => t.walk,
            _ => t.walk_after_success,
        };
        let neighbours = are_neighbours(group());
        let enough_unseen = match shape {
            Shape::Vertical(_) => t.one_sided_ports,
            Shape::Horizontal(_) if s.technique == Technique::Arp => t.arp.saturating_mul(MANY as u32),
            Shape::Horizontal(_) if are_peers => t.incoherent.saturating_mul(MANY as u32),
            Shape::Horizontal(_) if neighbours => t.one_sided_neighbours,
            Shape::Horizontal(_) => t.one_sided_hosts,
        };
        // Silence is what UDP answers to a datagram that it takes: half a failure here, too. But not port after port.
        let is_doubtful = is_udp && matches!(shape, Shape::Horizontal(_));
        let enough_unseen = if is_doubtful { enough_unseen.saturating_mul(2) } else { enough_unseen };
        // A gateway asks for whomever it has packets for, up and down its networks: a sweep asks in rows. And a
        // span port shows the questions, which go to all, without the answers.
        if s.technique == Technique::Arp && !neighbours {
            excuse = Some(Excuse::Gateway);
        }
        if are_peers && !heard {
            excuse = excuse.or(Some(Excuse::Peers));
        }
        let threshold = threshold.saturating_mul(STEP);
        let guilty = excuse.is_none() && (highest >= threshold || (successes == 0 && unseen >= enough_unseen));
        say(Said::Walk(Walked { shape, highest, threshold, unseen, enough_unseen, successes, excuse, guilty }));
        guilty
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::{
            evidence::Evidence,
            knock::After,
            outcome::{TCP, UDP},
            samples::{host, knock},
        },
        dispatch::Key,
        source::Time,
    };
    use Outcome::{Closed, Open, Silent, Unreachable};

    /// Suspected by a walk, as cells do.
    fn suspicion(knocks: &[Knock]) -> Suspicion {
        let key = Key::new(1);
        let mut evidence = Evidence::new(&knocks[0], key.hash(knocks[0].target));
        knocks.iter().skip(1).for_each(|k| evidence.add(k, key.hash(k.target)));
        Suspicion {
            technique: knocks[0].technique,
            ground: Ground::Failures,
            shape: None,
            stamp: Time(0),
            case: knocks.to_vec(),
            evidence,
            vlan: [0; 2],
            tunnel: None,
            mac: [0; 6],
            prompter: None,
        }
    }

    fn ports(outcome: Outcome, many: u16) -> Vec<Knock> {
        (1..=many).map(|port| knock(1, port, outcome)).collect()
    }

    /// Whether these are a scan, where `prepare` has made the terrain.
    fn guilty(knocks: &[Knock], prepare: impl Fn(&mut Terrain)) -> bool {
        let mut terrain = Terrain::new(Key::new(1));
        prepare(&mut terrain);
        judge(&suspicion(knocks), &terrain, &Thresholds::default()).guilty
    }

    fn in_view(terrain: &mut Terrain) {
        terrain.alive(host(250));
    }

    fn alive(terrain: &mut Terrain) {
        terrain.alive(host(1));
    }

    fn nothing(_: &mut Terrain) {}

    #[test]
    fn closed_and_unreachable_are_a_step() {
        for outcome in [Closed, Unreachable] {
            assert!(!guilty(&ports(outcome, 3), nothing));
            assert!(guilty(&ports(outcome, 4), nothing), "{outcome:?}");
        }
    }

    #[test]
    fn a_refused_door_that_was_tried_anew_is_half_a_step() {
        let persisted = |many| -> Vec<Knock> {
            ports(Closed, many).into_iter().map(|k| Knock { marks: Marks::PERSISTED, ..k }).collect()
        };
        assert!(!guilty(&persisted(7), nothing));
        assert!(guilty(&persisted(8), nothing));
    }

    #[test]
    fn a_door_that_ever_answered_anybody_is_to_blame_itself() {
        let all_answered = |t: &mut Terrain| (1..=64).for_each(|port| t.answered(host(1), TCP, port));
        assert!(!guilty(&ports(Closed, 60), all_answered));
        assert!(!guilty(&ports(Silent, 60), all_answered));
        assert!(guilty(&ports(Closed, 4), |t| t.answered(host(1), UDP, 1)), "another protocol's door is another");
    }

    #[test]
    fn silence_is_a_step_in_a_network_that_is_heard_and_half_at_a_host_that_lives() {
        assert!(!guilty(&ports(Silent, 3), in_view));
        assert!(guilty(&ports(Silent, 4), in_view));
        assert!(!guilty(&ports(Silent, 7), alive));
        assert!(guilty(&ports(Silent, 8), alive));
    }

    #[test]
    fn a_silent_door_tried_again_unchanged_is_a_step_on_either_side_unless_the_host_lives() {
        let retried = |many| -> Vec<Knock> {
            ports(Silent, many).into_iter().map(|k| Knock { marks: Marks::RETRIED, ..k }).collect()
        };
        assert!(guilty(&retried(4), nothing));
        assert!(!guilty(&retried(7), alive));
    }

    #[test]
    fn silence_over_udp_is_half_a_step_and_a_whole_one_beside_refusals() {
        let udp = |outcome, many| -> Vec<Knock> {
            ports(outcome, many).into_iter().map(|k| Knock { technique: Technique::Udp, ..k }).collect()
        };
        assert!(!guilty(&udp(Silent, 7), in_view));
        assert!(guilty(&udp(Silent, 8), in_view));
        let beside = [udp(Silent, 3), vec![Knock { port: 99, ..udp(Closed, 1)[0] }]].concat();
        assert!(guilty(&beside, in_view));
    }

    #[test]
    fn noise_that_is_dropped_is_nothing() {
        let noise: Vec<Knock> =
            ports(Silent, 60).into_iter().map(|k| Knock { technique: Technique::TcpOther, ..k }).collect();
        assert!(!guilty(&noise, in_view));
    }

    #[test]
    fn where_nothing_is_heard_only_counts_can_tell() {
        let judged = |many| judge(&suspicion(&ports(Silent, many)), &Terrain::new(Key::new(1)), &Thresholds::default());
        assert_eq!(judged(9), Verdict { guilty: false, one_sided: true });
        assert_eq!(judged(10), Verdict { guilty: true, one_sided: true });
        let hosts = |many: u8, apart: u8| -> Vec<Knock> { (0..many).map(|n| knock(n * apart, 80, Silent)).collect() };
        assert!(!guilty(&hosts(19, 8), nothing) && guilty(&hosts(20, 8), nothing), "scattered hosts");
        assert!(!guilty(&hosts(7, 1), nothing) && guilty(&hosts(8, 1), nothing), "neighbours");
    }

    #[test]
    fn where_nothing_is_heard_a_sweep_over_many_ports_is_counted_as_a_whole() {
        // Of twelve ports hardly six each are among the knocks that are kept.
        let swept = |many: u16, knock: fn(u16) -> Knock, prepare: fn(&mut Terrain)| {
            let knocks: Vec<_> = (0..many).map(knock).collect();
            let case = knocks[knocks.len().saturating_sub(64)..].to_vec();
            let mut terrain = Terrain::new(Key::new(1));
            prepare(&mut terrain);
            judge(&Suspicion { case, ..suspicion(&knocks) }, &terrain, &Thresholds::default())
        };
        let near = |n: u16| Knock {
            target: Address::v4([10, 7, (n % 251) as u8, (n * 8) as u8]),
            ..knock(1, 20 + n % 12, Silent)
        };
        assert_eq!(swept(127, near, nothing), Verdict { guilty: false, one_sided: true });
        assert_eq!(swept(128, near, nothing), Verdict { guilty: true, one_sided: true });
        let far = |n: u16| Knock {
            target: Address::v4([20 + (n % 200) as u8, (n / 3) as u8, 3, 1]),
            ..knock(1, 20 + n % 12, Silent)
        };
        assert!(!swept(400, far, nothing).guilty, "whoever talks to many all over the Internet looks so from one side");
        let claimed = |n: u16| Knock {
            target: Address::v4([10, 7, (n % 251) as u8, (n * 8) as u8]),
            after: if n.is_multiple_of(3) { After::Claimed } else { After::Nothing },
            ..knock(1, 20 + n % 12, Silent)
        };
        assert!(!swept(400, claimed, nothing).guilty, "many ended as one who was answered");
    }

    #[test]
    fn success_asks_for_more_and_cannot_be_banked() {
        let after = |opens: usize, failures: u16| -> Vec<Knock> {
            let opens = (0..opens).map(|n| knock(1, 100 + n as u16, Open));
            opens.chain(ports(Closed, failures)).collect()
        };
        assert!(!guilty(&after(1, 9), nothing));
        assert!(guilty(&after(1, 10), nothing));
        assert!(guilty(&after(50, 10), nothing), "fifty visits buy no more than one");
    }

    #[test]
    fn a_router_without_a_route_tells_of_the_network_and_only_counts_can_tell_more() {
        let lost = |many: u8, marks| -> Vec<Knock> {
            (0..many).map(|n| Knock { marks, ..knock(n * 8, 80, Unreachable) }).collect()
        };
        assert!(!guilty(&lost(19, Marks::NO_ROUTE), in_view) && guilty(&lost(20, Marks::NO_ROUTE), in_view));
        assert!(guilty(&lost(4, Marks::default()), in_view), "a host that its own router does not find");
    }

    #[test]
    fn peers_lie_scattered_and_a_sweep_does_not() {
        let hosts = |many: u8, port: u16, place: fn(u8) -> [u8; 4]| -> Vec<Knock> {
            (0..many).map(|n| Knock { target: Address::v4(place(n)), ..knock(n, port, Closed) }).collect()
        };
        let far = |n| [20 + n, 7, 3, n];
        let near = |n| [20, 7, n, 3];
        assert!(!guilty(&hosts(31, 6_346, far), nothing) && guilty(&hosts(32, 6_346, far), nothing));
        assert!(guilty(&hosts(4, 6_346, near), nothing), "networks beside each other");
        assert!(guilty(&hosts(4, 25, far), nothing), "a service's port");
    }

    #[test]
    fn an_arp_sweep_asks_in_rows_and_more_where_its_answers_are_not_heard() {
        let asks = |answered: u8, silent: u8, apart: u8| -> Vec<Knock> {
            let outcome = |n| if n < answered { Open } else { Silent };
            (0..answered + silent)
                .map(|n| Knock { technique: Technique::Arp, ..knock(n * apart, 0, outcome(n)) })
                .collect()
        };
        assert!(guilty(&asks(2, 16, 1), in_view));
        assert!(!guilty(&asks(2, 15, 1), in_view));
        assert!(!guilty(&asks(2, 16, 9), in_view), "a gateway asks for whom it has packets for");
        assert!(!guilty(&asks(1, 60, 1), in_view), "the captured host's own answer; those of others go past it");
        assert!(guilty(&asks(0, 64, 1), nothing));
    }

    fn datagrams(many: u16, make: impl Fn(u16, Knock) -> Knock) -> Vec<Knock> {
        let udp = |n| Knock { technique: Technique::Udp, ..knock(1, 33_434 + n, Silent) };
        (0..many).map(|n| make(n, udp(n))).collect()
    }

    #[test]
    fn a_traced_route_is_no_scan() {
        assert!(!guilty(&datagrams(30, |n, k| Knock { ttl: 1 + (n / 3) as u8, ..k }), in_view));
        assert!(
            guilty(&datagrams(30, |n, k| Knock { ttl: 40 + (n * 7 % 20) as u8, src_port: 40_000 + n, ..k }), in_view),
            "nmap's vary"
        );
    }

    #[test]
    fn answers_to_contacts_that_nobody_saw_are_no_scan() {
        assert!(!guilty(&datagrams(30, |_, k| Knock { src_port: 53, ..k }), in_view));
        assert!(guilty(&datagrams(30, |n, k| Knock { src_port: 40_000 + n, ..k }), in_view));
        let first = |_, k: Knock| Knock { src_port: 53, outcome: Closed, ..k };
        assert!(guilty(&datagrams(30, first), in_view), "answers are not refused");
    }

    #[test]
    fn odd_packets_tell_by_themselves_unless_they_look_like_bent_answers() {
        let odd = |src_port, port: u16| {
            let mut s = suspicion(&[1, 2, 3].map(|n| Knock { src_port, ..knock(n, port, Silent) }));
            s.ground = Ground::Repeated;
            judge(&s, &Terrain::new(Key::new(1)), &Thresholds::default()).guilty
        };
        assert!(odd(40_000, 80));
        assert!(!odd(80, 40_000));
    }

    #[test]
    fn peers_that_are_gone_look_like_a_crowd_from_one_side() {
        let crowd = |many: u16, terrain: fn(&mut Terrain)| {
            let mut s = suspicion(&(0..many).map(|n| knock(n as u8, 5_000 + n, Silent)).collect::<Vec<_>>());
            s.ground = Ground::Incoherent;
            let mut known = Terrain::new(Key::new(1));
            terrain(&mut known);
            judge(&s, &known, &Thresholds::default()).guilty
        };
        assert!(crowd(32, in_view) && !crowd(127, nothing) && crowd(128, nothing));
    }

    #[test]
    fn a_servers_answers_seen_from_one_side_are_taken_out_whatever_else_it_sends() {
        let answers = datagrams(40, |n, k| Knock { port: 2_000 + 700 * n, src_port: 53, ..k });
        let lease = datagrams(1, |_, k| Knock { port: 68, src_port: 67, ..k });
        let both = [lease, answers.clone()].concat();
        assert!(!guilty(&both, nothing) && !guilty(&both, in_view));
        let low = datagrams(40, |n, k| Knock { port: 500 + n, src_port: 53, ..k });
        assert!(guilty(&[low, answers].concat(), in_view), "who goes to services' ports from there answers nobody");
    }

    #[test]
    fn a_refusal_tells_of_its_own_host_alone() {
        let udp = |n: u8, outcome| Knock { technique: Technique::Udp, ..knock(n, 161, outcome) };
        let hosts: Vec<Knock> = (0..5).map(|n| udp(n, if n == 0 { Closed } else { Silent })).collect();
        assert!(!guilty(&hosts, in_view), "one step and four halves");
    }

    #[test]
    fn silence_over_udp_where_the_same_service_answers_over_tcp_is_the_networks() {
        let quic: Vec<Knock> = (1..=40).map(|n| Knock { technique: Technique::Udp, ..knock(n, 443, Silent) }).collect();
        let by_tcp = |t: &mut Terrain| (1..=40).for_each(|n| t.answered(host(n), TCP, 443));
        assert!(guilty(&quic, in_view) && !guilty(&quic, by_tcp));
    }

    #[test]
    fn where_nothing_is_heard_udp_tells_half_and_scattered_servers_nothing() {
        let asked = |many: u8, place: fn(u8) -> [u8; 4]| -> Vec<Knock> {
            let to = |n| Knock { target: Address::v4(place(n)), technique: Technique::Udp, ..knock(n, 53, Silent) };
            (0..many).map(to).collect()
        };
        let apart = |n| [20, 7, n, 3];
        assert!(!guilty(&asked(39, apart), nothing) && guilty(&asked(40, apart), nothing));
        assert!(!guilty(&asked(64, |n| [20 + n, 7, 3, 1]), nothing), "a resolver's");
    }

    #[test]
    fn a_close_without_an_answer_buys_nothing_where_answers_are_heard() {
        let closed = |many| -> Vec<Knock> {
            ports(Silent, many).into_iter().map(|k| Knock { after: After::Claimed, ..k }).collect()
        };
        assert!(!guilty(&closed(60), nothing), "from one side that is all there is of a success");
        assert!(!guilty(&closed(7), in_view) && guilty(&closed(8), in_view));
        let beside = [closed(6), ports(Silent, 64).split_off(62)].concat();
        assert!(guilty(&[beside, ports(Closed, 1)].concat(), in_view), "six halves and two steps");
    }

    #[test]
    fn only_what_could_have_been_heard_makes_a_service_blind() {
        let mut s =
            suspicion(&(0..32).map(|n| knock(n, 443, if n % 2 == 0 { Open } else { Silent })).collect::<Vec<_>>());
        (s.ground, s.shape) = (Ground::Blind, Some(Shape::Horizontal(443)));
        let judged = |known: fn(&mut Terrain)| {
            let mut terrain = Terrain::new(Key::new(1));
            known(&mut terrain);
            judge(&s, &terrain, &Thresholds::default()).guilty
        };
        assert!(judged(in_view) && !judged(nothing));
    }

    #[test]
    fn what_a_service_sends_back_is_no_scan_however_odd_unless_it_is_refused() {
        let odd = |outcome| {
            let knocks: Vec<Knock> = (0..9).map(|n| Knock { src_port: 80, ..knock(1, 40_000 + n, outcome) }).collect();
            let mut s = suspicion(&knocks);
            s.ground = Ground::Dishonest;
            let mut terrain = Terrain::new(Key::new(1));
            in_view(&mut terrain);
            judge(&s, &terrain, &Thresholds::default()).guilty
        };
        assert!(!odd(Silent) && odd(Closed));
    }

    #[test]
    fn a_list_of_peers_is_no_scan_however_many_of_them_are_gone() {
        let crowd = |place: fn(u8) -> [u8; 4]| {
            let far = |n: u8| Knock { target: Address::v4(place(n)), ..knock(n, 5_000 + u16::from(n) * 7, Closed) };
            let mut s = suspicion(&(0..60).map(far).collect::<Vec<_>>());
            s.ground = Ground::Incoherent;
            judge(&s, &Terrain::new(Key::new(1)), &Thresholds::default()).guilty
        };
        assert!(!crowd(|n| [20 + n, 7, 3, n]) && crowd(|n| [20, 7, 3, n]));
    }
}
