//! Where an event goes: the rules from the top, until one decides.
//!
//! In: events in order. Out: each with direction, severity and the name of its rule, and the
//! set of outputs that get it; and digests of what limits held back. Keeps what it must
//! remember from event to event: who got the `begin` of a scan, how much each limit has let
//! through, and what it has not. All are bounded.
//! Must not know what an output is, nor the wall clock: limits run on capture time.
//! Read next: `matching.rs`, `limit.rs`, `digest.rs`; then `output`, which delivers.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher,
    io,
    sync::Arc,
};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};
use tripline_plugin::event::{Event, Phase, Scan, Severity};

use crate::checkpoint::{Kept, Reader, Unfit, Writer};

use super::{
    Rules,
    digest::Digests,
    direction,
    limit::{By, Windows},
    rule::Rule,
    severity,
};

/// Outputs by their numbers in [`Rules::outputs`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutputSet(u64);

impl OutputSet {
    /// So many outputs can be told apart.
    pub const CAPACITY: usize = u64::BITS as usize;

    /// Whether nobody is in.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether output number `output` is in.
    pub fn contains(self, output: usize) -> bool {
        u32::try_from(output).ok().and_then(|bit| 1u64.checked_shl(bit)).is_some_and(|bit| self.0 & bit != 0)
    }

    /// The numbers, from the smallest.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::CAPACITY).filter(move |output| self.contains(*output))
    }

    /// All outputs below `count`.
    pub fn first(count: usize) -> Self {
        (0..count).collect()
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Extend<usize> for OutputSet {
    /// Adds outputs. Numbers from 64 on cannot be: rules with so many outputs are refused.
    fn extend<I: IntoIterator<Item = usize>>(&mut self, outputs: I) {
        for output in outputs {
            self.0 |= u32::try_from(output).ok().and_then(|bit| 1u64.checked_shl(bit)).unwrap_or_default();
        }
    }
}

impl FromIterator<usize> for OutputSet {
    fn from_iter<I: IntoIterator<Item = usize>>(outputs: I) -> Self {
        let mut set = Self::default();
        set.extend(outputs);
        set
    }
}

/// What became of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Who gets it.
    pub outputs: OutputSet,
    /// A rule said that nobody is to get it.
    pub silenced: bool,
    /// A limit kept it from all who would have got it.
    pub held: bool,
    /// The rule that decided; `None` for `[default]`. Also stands in the event.
    pub rule: Option<Arc<str>>,
}

/// The rules at work.
#[derive(Debug)]
pub struct Router {
    rules: Rules,
    windows: Windows,
    digests: Digests,
    begun: Begun,
    /// How late it is by the last event.
    now: i64,
}

impl Router {
    /// Rules that have not seen anything yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, windows: Windows::default(), digests: Digests::default(), begun: Begun::default(), now: i64::MIN }
    }

    /// The rules that it works by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// How late it is when this event comes (nanoseconds since 1970). An `end` bears the stamp of the
    /// last probe, though it is known only when the scan has been quiet for long: it turns no clock back.
    pub fn time_of(&self, event: &Event) -> i64 {
        let is_end = event.scan.as_ref().is_some_and(|scan| scan.phase == Phase::End);
        if is_end { self.now.max(event.timestamp) } else { event.timestamp }
    }

    /// What limits held back in windows that are over by `now` (nanoseconds since 1970): an event
    /// each, and who gets it. To be asked before an event of that time is routed, so that all stay
    /// in order; and now and then while the wire is silent.
    pub fn digests(&mut self, now: i64) -> Vec<(Event, Route)> {
        self.digests.due(now, now, &self.rules.rules)
    }

    /// The same for all windows, at the end of the input.
    pub fn last_digests(&mut self) -> Vec<(Event, Route)> {
        self.digests.due(i64::MAX, self.now, &self.rules.rules)
    }

    /// Goes on with other rules, in which outputs have the same numbers. Who got the `begin` of a scan still
    /// gets its `end`; limits, which go by a rule's number, begin anew.
    pub fn reload(&mut self, rules: Rules) {
        (self.rules, self.windows) = (rules, Windows::default());
    }

    /// Writes direction, severity and rule into the event, and says who gets it.
    pub fn route(&mut self, event: &mut Event) -> Route {
        self.now = self.time_of(event);
        event.direction = self.rules.home.as_ref().and_then(|home| direction::of(event, home));
        let direction = event.direction;
        if let Some(scan) = event.scan.as_deref_mut() {
            scan.severity = severity::by_default(scan, direction);
        }
        let (id, phase) = event.scan.as_deref().map(|scan| (Begun::key(scan), scan.phase)).unzip();
        // Who saw it begin sees it end, whatever the rules make of it by then.
        let owed = id.filter(|_| phase == Some(Phase::End)).and_then(|id| self.begun.take(id));
        let mut route = self.decide(event, owed.is_some());
        if let Some(owed) = owed {
            route.outputs = route.outputs.and(owed);
        }
        if !route.outputs.is_empty() {
            (route.silenced, route.held) = (false, false);
            if let Some(id) = id.filter(|_| phase == Some(Phase::Begin)) {
                self.begun.remember(id, route.outputs);
            }
        }
        if let Some(scan) = event.scan.as_deref_mut() {
            scan.rule = route.rule.as_deref().map(str::to_owned);
        }
        route
    }

    /// The rules from the top. `must_pass`: no limit may hold the event.
    fn decide(&mut self, event: &mut Event, must_pass: bool) -> Route {
        let mut route = Route::default();
        let mut said: Option<Severity> = None;
        let mut decided = false;
        for (number, rule) in self.rules.rules.iter().enumerate() {
            if !takes(rule, event) {
                continue;
            }
            route.rule = Some(Arc::clone(&rule.name));
            if rule.silence.is_some() {
                return Route { silenced: true, rule: route.rule, ..Route::default() };
            }
            said = said.max(rule.severity);
            if let (Some(scan), Some(said)) = (event.scan.as_deref_mut(), said) {
                scan.severity = said;
            }
            let otherwise = if rule.goes_on { OutputSet::default() } else { self.rules.default };
            let outputs = rule.outputs.unwrap_or(otherwise);
            let who = |by| match by {
                By::Source => event.src_ip,
                By::Target => event.dest_ip,
                By::All => None,
            };
            let limit = rule.limit.as_ref().filter(|_| !must_pass);
            let full = limit.and_then(|limit| self.windows.hold(number, limit, who(limit.by), self.now));
            match full {
                None => route.outputs = route.outputs.and(outputs),
                Some(full) => {
                    route.held = true;
                    self.digests.hold(number, full, event, outputs);
                }
            }
            decided = !rule.goes_on;
            if decided {
                break;
            }
        }
        if !decided {
            route.outputs = route.outputs.and(self.rules.default);
        }
        route.outputs = route.outputs.and(self.rules.everywhere);
        route
    }
}

impl Kept for Router {
    fn keep(&self, to: &mut Writer<'_>) -> io::Result<()> {
        let Self { rules: _, windows, digests, begun: Begun { outputs, order }, now } = self;
        windows.keep(to)?;
        digests.keep(to)?;
        to.list(outputs.iter())?;
        to.put(order)?;
        to.put(now)
    }

    fn resume(&mut self, from: &mut Reader<'_>) -> Result<(), Unfit> {
        self.windows.resume(from)?;
        self.digests.resume(from)?;
        let outputs = from.list::<Vec<(u64, OutputSet)>>(REMEMBERED)?;
        self.begun.outputs.extend(outputs);
        self.begun.order = from.list(REMEMBERED)?;
        self.now = from.take()?;
        Ok(())
    }
}

/// Whether a rule is there for this event: still in force, and all of its conditions hold.
fn takes(rule: &Rule, event: &Event) -> bool {
    let until = rule.silence.as_ref().and_then(|silence| silence.until);
    until.is_none_or(|until| event.timestamp < until)
        && rule.conditions.iter().all(|condition| condition.holds(event, rule.reach()))
}

/// Scans whose `begin` is remembered at most; about 3 MiB. A scan that is forgotten is still
/// routed by the rules, which nearly always comes to the same.
const REMEMBERED: usize = 65_536;

/// Who got the `begin` of the scans that go on.
#[derive(Debug, Default)]
struct Begun {
    outputs: HashMap<u64, OutputSet>,
    /// In order of `begin`, those that have ended included until their turn comes.
    order: VecDeque<u64>,
}

impl Begun {
    fn key(scan: &Scan) -> u64 {
        FixedState::default().hash_one(&scan.id)
    }

    fn remember(&mut self, key: u64, outputs: OutputSet) {
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.outputs.remove(&oldest);
        }
        self.order.push_back(key);
        self.outputs.insert(key, outputs);
    }

    fn take(&mut self, key: u64) -> Option<OutputSet> {
        self.outputs.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use tripline_plugin::event::{Direction, Kind, Trust};

    use super::*;
    use crate::rules::samples;

    const A: OutputSet = OutputSet(1);
    const B: OutputSet = OutputSet(2);
    const BOTH: OutputSet = OutputSet(3);
    const NOBODY: OutputSet = OutputSet(0);

    fn router(rules: &str) -> Router {
        Router::new(samples::rules(rules))
    }

    /// Routes a scan that is changed from the usual one.
    fn route(router: &mut Router, change: impl FnOnce(&mut Scan)) -> (Route, Event) {
        let mut scan = samples::scan();
        change(&mut scan);
        let mut event = samples::event(scan);
        (router.route(&mut event), event)
    }

    fn phase(router: &mut Router, id: &str, phase: Phase, kind: Kind) -> Route {
        route(router, |scan| (scan.id, scan.phase, scan.kind) = (id.to_owned(), phase, kind)).0
    }

    const FIRST_DECIDES: &str = "
[[rules]]
name = 'fins'
if = { technique = 'tcp-fin' }
outputs = 'b'
severity = 'high'
[[rules]]
name = 'tcp'
if = { technique = ['tcp-fin', 'tcp-syn'] }
outputs = ['a', 'b']
";

    #[test]
    fn the_first_rule_that_holds_decides() {
        let mut router = router(FIRST_DECIDES);
        let (by_fin, event) = route(&mut router, |scan| scan.technique = "tcp-fin".to_owned());
        assert_eq!((by_fin.outputs, by_fin.rule.as_deref()), (B, Some("fins")));
        let scan = event.scan.unwrap();
        assert_eq!((scan.severity, scan.rule.as_deref()), (Severity::High, Some("fins")));
        assert_eq!(route(&mut router, |_| ()).0.outputs, BOTH);
        let (by_udp, _) = route(&mut router, |scan| scan.technique = "udp".to_owned());
        assert_eq!((by_udp.outputs, by_udp.rule), (A, None));
    }

    #[test]
    fn severity_and_direction_are_there_without_any_rule() {
        let (_, event) = route(&mut router(""), |scan| scan.trust = Trust::Confirmed);
        assert_eq!(event.direction, Some(Direction::Inbound));
        assert_eq!(event.scan.unwrap().severity, Severity::High);
    }

    #[test]
    fn continue_adds_outputs_and_raises_the_severity() {
        let mut router = router(
            "
[[rules]]
name = 'note'
if = { kind = 'vertical' }
severity = 'high'
outputs = 'b'
continue = true
[[rules]]
name = 'high ones too'
if = { severity = 'high' }
severity = 'medium'
outputs = 'a'
",
        );
        let (taken, event) = route(&mut router, |_| ());
        assert_eq!((taken.outputs, taken.rule.as_deref()), (BOTH, Some("high ones too")));
        assert_eq!(event.scan.unwrap().severity, Severity::High);
    }

    #[test]
    fn continue_alone_leaves_the_rest_to_the_default() {
        let mut router = router("[[rules]]\nname = 'x'\noutputs = 'b'\nseverity = 'low'\ncontinue = true\n");
        let (taken, event) = route(&mut router, |scan| scan.doors = 1_000);
        assert_eq!((taken.outputs, event.scan.unwrap().severity), (BOTH, Severity::Low));
    }

    #[test]
    fn a_rule_without_outputs_leaves_them_to_the_default() {
        let mut router = router("[[rules]]\nname = 'x'\nseverity = 'high'\n");
        let (taken, event) = route(&mut router, |_| ());
        assert_eq!((taken.outputs, event.scan.unwrap().severity), (A, Severity::High));
    }

    #[test]
    fn a_silenced_event_goes_nowhere_until_its_date() {
        let rule = "[[rules]]\nname = 'x'\nsilence = true\nuntil = 1970-01-01\n";
        let mut router = router(rule);
        let mut event = samples::event(samples::scan());
        let silenced = router.route(&mut event);
        assert!(silenced.silenced && silenced.outputs.is_empty() && silenced.rule.as_deref() == Some("x"));
        event.timestamp = 86_400_000_000_000;
        assert_eq!(router.route(&mut event).outputs, A);
    }

    #[test]
    fn who_saw_it_begin_sees_it_end() {
        let mut router = router(
            "
[[rules]]
name = 'vertical'
if = { kind = 'vertical' }
outputs = 'b'
[[rules]]
name = 'block'
if = { kind = 'block' }
silence = true
",
        );
        assert_eq!(phase(&mut router, "1", Phase::Begin, Kind::Vertical).outputs, B);
        assert_eq!(phase(&mut router, "1", Phase::Update, Kind::Block).outputs, NOBODY);
        let end = phase(&mut router, "1", Phase::End, Kind::Block);
        assert!(end.outputs == B && !end.silenced);
        // Of another scan nobody has seen the beginning.
        assert!(phase(&mut router, "2", Phase::End, Kind::Block).silenced);
    }

    #[test]
    fn a_limit_holds_what_is_too_much_but_never_an_end_that_is_owed() {
        let mut router = router("[[rules]]\nname = 'x'\noutputs = 'b'\nlimit = { events = 1, per = '1m' }\n");
        assert_eq!(phase(&mut router, "1", Phase::Begin, Kind::Vertical).outputs, B);
        let second = phase(&mut router, "2", Phase::Begin, Kind::Vertical);
        assert!(second.held && !second.silenced && second.outputs.is_empty());
        assert_eq!(phase(&mut router, "1", Phase::End, Kind::Vertical).outputs, B);
        assert!(phase(&mut router, "2", Phase::End, Kind::Vertical).held);
    }

    const LIMITED: &str = "
[[rules]]
name = 'x'
outputs = 'b'
limit = { events = 1, per = '1m', by = 'source' }
";
    const SECOND: i64 = 1_000_000_000;

    /// Routes a scan of this source at this second, with the digests before it.
    fn told(router: &mut Router, source: &str, second: i64, severity: Severity) -> Vec<(i64, String)> {
        let mut event = samples::between(&[source], &["10.0.0.1"]);
        event.timestamp = second * SECOND;
        if severity == Severity::Medium {
            event.scan.as_mut().unwrap().doors = 1_000;
        }
        let digests = router.digests(event.timestamp);
        router.route(&mut event);
        digests.into_iter().map(shown).collect()
    }

    fn shown((event, route): (Event, Route)) -> (i64, String) {
        assert_eq!((route.outputs, route.rule.as_deref()), (B, Some("x")));
        let anomaly = event.anomaly.unwrap();
        assert_eq!(anomaly.kind, "digest");
        (event.timestamp / SECOND, format!("{:?}: {}", event.src_ip, anomaly.event))
    }

    #[test]
    fn what_a_limit_holds_becomes_one_digest_a_window() {
        let mut router = router(LIMITED);
        for (second, severity) in [(0, Severity::Low), (10, Severity::Low), (20, Severity::Medium)] {
            assert_eq!(told(&mut router, "192.0.2.1", second, severity), []);
        }
        assert_eq!(told(&mut router, "192.0.2.2", 30, Severity::Low), []);
        assert_eq!(told(&mut router, "192.0.2.2", 40, Severity::Low), []);
        // The next event notices the first window, whose end it was stamped with; not yet the second.
        let digest =
            "Some(192.0.2.1): 2 more events from 192.0.2.1, held back by the limit of rule \"x\": 1 medium, 1 low";
        assert_eq!(told(&mut router, "192.0.2.9", 70, Severity::Low), [(60, digest.to_owned())]);
        // At the end of the input no digest is later than the input.
        let last: Vec<_> = router.last_digests().into_iter().map(shown).collect();
        let digest = "Some(192.0.2.2): 1 more event from 192.0.2.2, held back by the limit of rule \"x\": 1 low";
        assert_eq!(last, [(70, digest.to_owned())]);
        assert!(router.last_digests().is_empty());
    }

    #[test]
    fn an_end_that_bears_an_old_stamp_opens_no_window_anew() {
        let mut router = router("[[rules]]\nname = 'x'\noutputs = 'b'\nlimit = { events = 1, per = '1m' }\n");
        let mut at = |id: &str, phase: Phase, second: i64| {
            let scan = Scan { id: id.to_owned(), phase, ..samples::scan() };
            let mut event = samples::event(scan);
            event.timestamp = second * SECOND;
            router.route(&mut event).held
        };
        assert!(!at("1", Phase::Begin, 7_200));
        assert!(at("of long ago", Phase::End, 3_600), "it counts now, not when it was last heard of");
        assert!(at("2", Phase::Begin, 7_210));
    }

    #[test]
    fn digests_keep_to_the_schema_of_events() {
        let mut router = router(LIMITED);
        told(&mut router, "192.0.2.1", 0, Severity::Low);
        told(&mut router, "192.0.2.1", 1, Severity::Low);
        let schema = serde_json::from_str(include_str!("../../plugins/api/event.schema.json")).unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let [(digest, _)] = &router.last_digests()[..] else { panic!("not one digest") };
        schema.validate(&serde_json::to_value(digest).unwrap()).unwrap();
    }

    #[test]
    fn stamps_that_jump_back_and_forth_cannot_fill_the_memory_with_digests() {
        let mut router = router(LIMITED);
        let mut most = 0;
        for n in 0..70_000 {
            // Two events in a window of its own, each earlier than all before.
            let at = -n * 200;
            told(&mut router, "192.0.2.1", at, Severity::Low);
            told(&mut router, "192.0.2.1", at + 1, Severity::Low);
            most = most.max(router.digests.waiting());
        }
        assert!((60_000..=65_537).contains(&most), "{most}");
    }

    #[test]
    fn outputs_of_the_command_line_get_all_but_the_silenced() {
        let mut rules = samples::rules("[[rules]]\nname = 'x'\nif = { kind = 'block' }\nsilence = true\n");
        rules.everywhere.extend([rules.outputs.len()]);
        let mut router = Router::new(rules);
        let outputs = phase(&mut router, "1", Phase::Begin, Kind::Vertical).outputs;
        assert_eq!(outputs.iter().collect::<Vec<_>>(), [0, 2]);
        assert!(phase(&mut router, "2", Phase::Begin, Kind::Block).outputs.is_empty());
    }

    #[test]
    fn a_flood_of_scans_cannot_fill_the_memory() {
        let mut begun = Begun::default();
        (0..REMEMBERED as u64 + 10).for_each(|key| begun.remember(key, B));
        assert_eq!((begun.outputs.len(), begun.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!((begun.take(9), begun.take(10)), (None, Some(B)));
    }
}
