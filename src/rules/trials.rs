//! Tests that stand in rules files: an event, and what the rules must make of it.
//!
//! In: `[[tests]]` tables and the names they may use; later the rules. Out: a [`Trial`] each, or
//! what is wrong with how it is written; later where the rules do something else.
//! Must not know how a rule decides: it asks the [`Router`] like everybody else.
//! Source: `docs/rules.md`, "Tests".
//! Read next: `route.rs`, which is asked; `cli/rules.rs`, which runs them.

use std::net::IpAddr;

use tripline_plugin::event::{
    Anomaly, Answers, Completeness, Counted, Event, EventType, Kind, Phase, Ports, Scan, Severity, Tool, Trust,
};

use super::{
    OutputSet, Router, Rules,
    conditions::{self, ANSWERS, COUNTS},
    matching::Measure,
    names::{self, Words},
    rule::{self, Rule, Vocabulary},
};
use crate::config::{
    Diagnostics, Place, Unreadable,
    document::{Table, Value},
    ranges::Ranges,
};

/// The keys of `[[tests]]`.
pub const KEYS: [&str; 5] = ["name", "event", "rule", "outputs", "severity"];

/// The keys of a test's `event`: the words of `if`, but for direction and severity, which the
/// rules themselves find out.
pub const EVENT_KEYS: [&str; 15] = [
    "source",
    "target",
    "ports",
    "technique",
    "kind",
    "phase",
    "trust",
    "tool",
    "answers",
    "counts",
    "interface",
    "vlan",
    "preset",
    "time",
    "anomaly",
];

/// What a test calls it when no rule is to take its event.
pub const DEFAULT: &str = "[default]";

/// An event and what is to become of it. Only what the test names is looked at.
#[derive(Clone, Debug)]
pub struct Trial {
    name: String,
    event: Event,
    /// The rule that is to decide; `Some(None)` for `[default]`.
    rule: Option<(Option<String>, Place)>,
    outputs: Option<(OutputSet, Place)>,
    severity: Option<(Severity, Place)>,
}

/// Reads one `[[tests]]`.
pub fn read(table: &Table<'_>, words: &Vocabulary<'_>, rules: &[Rule], errors: &mut Diagnostics) -> Option<Trial> {
    table.only("a test", &KEYS, errors);
    let name = table.get("name").and_then(|value| value.string(errors));
    let place = table.get("name").map_or_else(|| table.place.clone(), |value| value.place);
    if table.get("name").is_none() {
        errors.push(table.place.error("a test has a name").hint("name = \"what it shows\""));
    }
    let event = match table.get("event") {
        Some(event) => read_event(&event.table(errors)?, words, errors),
        None => Asked::default().event(),
    };
    let rule = table.get("rule").and_then(|value| {
        let known = || rules.iter().map(|rule| rule.name.as_ref()).chain([DEFAULT]);
        let read = |name: &str| match name {
            DEFAULT => Ok(None),
            name if known().any(|known| known == name) => Ok(Some(name.to_owned())),
            name => Err(Unreadable::unknown("rule", name, known().collect::<Vec<_>>())),
        };
        Some((value.parsed(read, errors)?, value.place))
    });
    let outputs = table.get("outputs").map(|value| (rule::named_outputs(&value, words.outputs, errors), value.place));
    let severity = table.get("severity").and_then(|value| {
        let severity = value.parsed(|word| names::look_up(names::SEVERITIES, "severity", word), errors)?;
        Some((severity, value.place))
    });
    if ["rule", "outputs", "severity"].iter().all(|key| table.get(key).is_none()) {
        let hint =
            "say what is to become of it: rule = \"its name\" (or \"[default]\"), outputs = [\"its name\"], severity";
        errors.push(place.error("a test that expects nothing shows nothing").hint(hint));
    }
    Some(Trial { name: name?.to_owned(), event, rule, outputs, severity })
}

impl Trial {
    /// Says where the rules do something else than this test expects. Each test is alone: no
    /// limit has been used up before it.
    pub fn run(&self, rules: &Rules, errors: &mut Diagnostics) {
        let mut event = self.event.clone();
        let route = Router::new(rules.clone()).route(&mut event);
        let mut differs = |place: &Place, what: String, hint: String| {
            errors.push(place.error(format!("test `{}`: {what}", self.name)).hint(hint));
        };
        let taker = route.rule.as_deref();
        if let Some((expected, place)) = &self.rule
            && expected.as_deref() != taker
        {
            let position = taker.and_then(|name| rules.rules.iter().find(|rule| rule.name.as_ref() == name));
            let hint = position.map_or("no rule's `if` holds for this event".to_owned(), |rule| {
                format!("the one that does stands at {}", rule.place)
            });
            let wanted = expected.as_deref().unwrap_or(DEFAULT);
            differs(place, format!("`{}` decides, not `{wanted}`", taker.unwrap_or(DEFAULT)), hint);
        }
        let by = format!("by `{}`", taker.unwrap_or(DEFAULT));
        if let Some((expected, place)) = &self.outputs
            && *expected != route.outputs
        {
            differs(place, format!("it goes to {}", rules.names_of(route.outputs, "nobody")), by.clone());
        }
        let severity = event.scan.as_ref().map(|scan| scan.severity);
        if let Some((expected, place)) = &self.severity
            && Some(*expected) != severity
        {
            let is = severity.map_or("none", |severity| names::word_for(names::SEVERITIES, &severity));
            differs(place, format!("its severity is {is}"), by);
        }
    }
}

/// What a test says of its event.
#[derive(Default)]
struct Asked {
    sources: Vec<IpAddr>,
    targets: Vec<IpAddr>,
    ports: Option<Ranges>,
    technique: Option<String>,
    kind: Option<Kind>,
    phase: Option<Phase>,
    trust: Option<Trust>,
    tool: Option<String>,
    numbers: Vec<(Measure, u64)>,
    interface: Option<String>,
    vlan: Option<u16>,
    preset: Option<String>,
    time: i64,
    anomaly: Option<String>,
}

fn read_event(table: &Table<'_>, words: &Vocabulary<'_>, errors: &mut Diagnostics) -> Event {
    let mut asked = Asked::default();
    for entry in table.entries() {
        let value = &entry.value;
        match entry.key {
            "source" => asked.sources = read_addresses(value, errors),
            "target" => asked.targets = read_addresses(value, errors),
            "ports" => asked.ports = conditions::read_ranges(value, "port", errors),
            "technique" => {
                asked.technique = value.parsed(|word| names::one_of(&names::TECHNIQUES, "technique", word), errors);
            }
            "kind" => asked.kind = read_word(value, names::KINDS, "kind", errors),
            "phase" => asked.phase = read_word(value, names::PHASES, "phase", errors),
            "trust" => asked.trust = read_word(value, names::TRUSTS, "trust", errors),
            "tool" => asked.tool = value.string(errors).map(str::to_owned),
            "answers" => read_numbers(value, "`answers`", ANSWERS, &mut asked.numbers, errors),
            "counts" => read_numbers(value, "`counts`", COUNTS, &mut asked.numbers, errors),
            "interface" => asked.interface = value.string(errors).map(str::to_owned),
            "vlan" => {
                asked.vlan = value.count(errors).and_then(|id| {
                    let id = u16::try_from(id).ok().filter(|id| *id < 4_096);
                    if id.is_none() {
                        errors.push(value.place.error("a VLAN id goes from 0 to 4095"));
                    }
                    id
                });
            }
            "preset" => {
                asked.preset = value.parsed(|word| names::one_of(words.known.presets, "preset", word), errors);
            }
            "time" => asked.time = rule::read_moment(value, errors).unwrap_or_default(),
            "anomaly" => asked.anomaly = value.string(errors).map(str::to_owned),
            key @ ("direction" | "severity") => {
                let message = format!("the rules find out the {key} by themselves");
                let hint = "say source and target, trust and answers; the test may expect a `severity`";
                errors.push(entry.place.error(message).hint(hint));
            }
            key => {
                let message = format!("a test's event has no key `{key}`");
                errors.push(entry.place.error(message).hint(crate::config::did_you_mean(key, EVENT_KEYS)));
            }
        }
    }
    asked.event()
}

fn read_word<T: Copy>(value: &Value<'_>, words: Words<T>, what: &str, errors: &mut Diagnostics) -> Option<T> {
    value.parsed(|word| names::look_up(words, what, word), errors)
}

fn read_addresses(value: &Value<'_>, errors: &mut Diagnostics) -> Vec<IpAddr> {
    let read = |text: &str| {
        let wrong = |_| Unreadable::new(format!("`{text}` is no address"), "write 192.0.2.7 or 2001:db8::7");
        text.parse::<IpAddr>().map_err(wrong)
    };
    value.one_or_many().iter().filter_map(|element| element.parsed(read, errors)).collect()
}

fn read_numbers(
    value: &Value<'_>,
    whose: &str,
    words: Words<Measure>,
    numbers: &mut Vec<(Measure, u64)>,
    errors: &mut Diagnostics,
) {
    let Some(table) = value.table(errors) else { return };
    table.only(whose, &words.iter().map(|(word, _)| *word).collect::<Vec<_>>(), errors);
    for (word, measure) in words {
        let number = table.get(word).and_then(|value| value.count(errors));
        numbers.extend(number.map(|number| (*measure, number)));
    }
}

impl Asked {
    /// The event: what is not said is that of a small scan that was refused everywhere.
    fn event(self) -> Event {
        if let Some(kind) = self.anomaly {
            let anomaly = Anomaly { kind, event: String::new() };
            return Event { anomaly: Some(anomaly), ..Event::new(EventType::Anomaly, self.time) };
        }
        let number = |measure| self.numbers.iter().find(|(of, _)| *of == measure).map(|(_, number)| *number);
        let technique = self.technique.unwrap_or_else(|| "tcp-syn".to_owned());
        let has_ports = ["tcp", "udp", "sctp", "ip-protocol"].iter().any(|family| technique.starts_with(family));
        let ports = self.ports.or_else(|| has_ports.then(|| Ranges::from_iter([(1, 20)])));
        // Addresses that are nobody's (RFC 5737).
        let sources = some_or(self.sources, [198, 51, 100, 7], number(Measure::Sources));
        let targets = some_or(self.targets, [192, 0, 2, 10], number(Measure::Targets));
        let answered = [Measure::Open, Measure::Closed, Measure::Unreachable, Measure::Silent].map(number);
        let tried = ports.as_ref().map_or(1, Ranges::count).saturating_mul(targets.count);
        let answers = match answered {
            [None, None, None, None] => {
                Answers { closed: number(Measure::Doors).unwrap_or(tried), ..Answers::default() }
            }
            answered => {
                let [open, closed, unreachable, silent] = answered.map(Option::unwrap_or_default);
                Answers { open, closed, unreachable, silent }
            }
        };
        let sum = [answers.open, answers.closed, answers.unreachable, answers.silent];
        let doors = number(Measure::Doors).unwrap_or_else(|| sum.into_iter().fold(0, u64::saturating_add));
        let only = |side: &Counted<IpAddr>| side.sample.first().copied().filter(|_| side.count == 1);
        let ports = ports.map(|ports| Ports {
            count: number(Measure::Ports).unwrap_or(ports.count()),
            exact: true,
            sample: Vec::new(),
            ranges: Some(ports.to_string()),
        });
        let (src_ip, dest_ip) = (only(&sources), only(&targets));
        let scan = Scan {
            v: 1,
            id: "0".repeat(16),
            rev: 1,
            phase: self.phase.unwrap_or(Phase::Begin),
            technique,
            kind: self.kind.unwrap_or(if targets.count > 1 { Kind::Horizontal } else { Kind::Vertical }),
            severity: Severity::Low,
            start: self.time,
            end: self.time,
            packets: number(Measure::Packets).unwrap_or(doors),
            doors,
            answers,
            targets,
            ports,
            found: Vec::new(),
            sources,
            prefix: None,
            decoy: None,
            flags: None,
            ttl: None,
            tos: None,
            source_ports: None,
            fragmented: false,
            trust: self.trust.unwrap_or(Trust::Spoofable),
            on_link: false,
            tool: self.tool.map(|name| Tool { name, confidence: 1.0, evidence: Vec::new() }),
            reason: String::new(),
            completeness: Completeness::default(),
            rule: None,
            preset: self.preset.unwrap_or_else(|| "tripline".to_owned()),
        };
        Event {
            src_ip,
            dest_ip,
            in_iface: self.interface,
            vlan: self.vlan.into_iter().collect(),
            scan: Some(Box::new(scan)),
            ..Event::new(EventType::Scan, self.time)
        }
    }
}

/// The addresses of one side; this one, when none is given. There may be more than are known.
fn some_or(given: Vec<IpAddr>, otherwise: [u8; 4], count: Option<u64>) -> Counted<IpAddr> {
    let sample = if given.is_empty() { vec![otherwise.into()] } else { given };
    let count = count.unwrap_or(sample.len() as u64);
    Counted { count, exact: true, sample }
}

#[cfg(test)]
mod tests {
    use crate::rules::samples;

    const RULES: &str = "
[[rules]]
name = 'ours'
if = { source = 'ours' }
silence = true
until = 2027-01-31
[[rules]]
name = 'believable'
if = { trust = '>= reacted', answers.open = '>= 1', ports = '22' }
severity = 'high'
outputs = 'b'
limit = { events = 1, per = '1m' }
";

    /// What running the tests of a file says.
    fn failures(tests: &str) -> String {
        let rules = samples::rules(&format!("{RULES}{tests}"));
        rules.run_trials().err().map(|errors| errors.to_string()).unwrap_or_default()
    }

    #[test]
    fn what_the_rules_do_is_what_the_tests_expect() {
        let tests = "
[[tests]]
name = 'silenced'
event = { source = '10.0.9.7' }
rule = 'ours'
outputs = []
[[tests]]
name = 'but not for ever'
event = { source = '10.0.9.7', target = '10.0.0.1', time = 2027-02-01 }
rule = '[default]'
outputs = ['a']
severity = 'high'
[[tests]]
name = 'nor hidden in a crowd'
event = { source = ['10.0.9.7', '10.0.9.9'] }
rule = '[default]'
[[tests]]
name = 'limits are fresh'
event = { trust = 'confirmed', answers = { open = 2, closed = 3 }, ports = [22, '80-82'] }
rule = 'believable'
outputs = 'b'
severity = 'high'
[[tests]]
name = 'once more'
event = { trust = 'confirmed', answers.open = 1, ports = '20-30', counts.targets = 4000 }
rule = 'believable'
[[tests]]
name = 'an oddity'
event = { anomaly = 'storm' }
rule = '[default]'
";
        assert_eq!(failures(tests), "");
    }

    #[test]
    fn a_test_that_fails_says_what_happens_instead_and_where() {
        let tests = "
[[tests]]
name = 'wrong'
event = { source = '10.0.9.7' }
rule = 'believable'
outputs = ['a', 'b']
severity = 'high'
";
        insta::assert_snapshot!(failures(tests), @r"
        rules.toml:27:8: error: test `wrong`: `ours` decides, not `believable`
            |
         27 | rule = 'believable'
            |        ^^^^^^^^^^^^
            = the one that does stands at rules.toml:13:8

        rules.toml:28:11: error: test `wrong`: it goes to nobody
            |
         28 | outputs = ['a', 'b']
            |           ^^^^^^^^^^
            = by `ours`

        2 errors; nothing was started
        ");
    }

    #[test]
    fn tests_are_checked_like_all_else() {
        let tests = "
[[tests]]
event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
rule = 'beleivable'
outputs = 'c'
[[tests]]
name = 'expects nothing'
";
        insta::assert_snapshot!(samples::errors(&format!("{RULES}{tests}")), @r#"
        rules.toml:24:1: error: a test has a name
            |
         24 | [[tests]]
            | ^^^^^^^^^
            = name = "what it shows"

        rules.toml:25:20: error: `10.0.9.0/24` is no address
            |
         25 | event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
            |                    ^^^^^^^^^^^^^
            = write 192.0.2.7 or 2001:db8::7

        rules.toml:25:35: error: a test's event has no key `colour`
            |
         25 | event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
            |                                   ^^^^^^
            = known: source, target, ports, technique, kind, phase, trust, tool, answers, counts, interface, vlan, preset, time, anomaly

        rules.toml:25:51: error: the rules find out the severity by themselves
            |
         25 | event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
            |                                                   ^^^^^^^^
            = say source and target, trust and answers; the test may expect a `severity`

        rules.toml:25:77: error: a VLAN id goes from 0 to 4095
            |
         25 | event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
            |                                                                             ^^^^

        rules.toml:25:91: error: `answers` has no key `opened`
            |
         25 | event = { source = '10.0.9.0/24', colour = 'red', severity = 'high', vlan = 5000, answers.opened = 1 }
            |                                                                                           ^^^^^^
            = did you mean `open`?

        rules.toml:26:8: error: no rule is called `beleivable`
            |
         26 | rule = 'beleivable'
            |        ^^^^^^^^^^^^
            = did you mean `believable`?

        rules.toml:27:11: error: no output is called `c`
            |
         27 | outputs = 'c'
            |           ^^^
            = did you mean `a`?

        rules.toml:29:8: error: a test that expects nothing shows nothing
            |
         29 | name = 'expects nothing'
            |        ^^^^^^^^^^^^^^^^^
            = say what is to become of it: rule = "its name" (or "[default]"), outputs = ["its name"], severity

        9 errors; nothing was started
        "#);
    }
}
