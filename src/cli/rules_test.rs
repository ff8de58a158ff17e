//! `tripline rules test`: which rule each event meets, and where it would go.
//!
//! In: events, one JSON object a line (what `-f eve` writes), and rules. Out: a line for each on
//! standard output, digests of limits included; lines that are no events on standard error.
//! Nothing is opened but the events: no output hears of it.
//! Must not know how rules decide.
//! Read next: `rules/route.rs`, which does.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use anyhow::Context;
use tripline_plugin::Event;

use super::{Failure, Outcome, print, say, summary::many};
use crate::{
    config::diagnostic::printable,
    output::{OutputConfig, Setting},
    rules::{
        OutputSet, Route, Router, Rules,
        names::{self, word_for},
        trials,
    },
};

/// An event with full samples is some KiB; a line longer than this is something else.
const LONGEST: u64 = 4 << 20;

/// Routes the events of a file (`-` for standard input).
///
/// # Errors
/// The file cannot be opened, or standard output not be written to.
pub fn test(rules: Rules, events: &Path, setting: &Setting) -> Result<Outcome, Failure> {
    let input: Box<dyn Read> = if events == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let hint = "events are what `tripline read -f eve` and `tripline sample-events` write, one a line";
        Box::new(File::open(events).with_context(|| format!("{}: {hint}", events.display()))?)
    };
    let mut table = Table::new(rules, setting);
    let mut input = BufReader::new(input);
    let (mut line, mut number, mut bad, mut told) = (Vec::new(), 0, 0, 0);
    loop {
        line.clear();
        number += 1;
        let place = format!("{}:{number}", printable(&events.display().to_string()));
        let mut complain = |why: &str| {
            bad += 1;
            say(&format!("{place}: not an event: {}\n", printable(why)));
        };
        match (&mut input).take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(length) if length as u64 == LONGEST => {
                complain("the line is longer than 4 MiB; what follows is not looked at");
                break;
            }
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => match serde_json::from_slice::<Event>(&line) {
                Ok(event) => {
                    told += 1;
                    print(&table.told(event, &place))?;
                }
                Err(why) => complain(&why.to_string()),
            },
            Err(why) => {
                complain(&why.to_string());
                break;
            }
        }
    }
    print(&table.last())?;
    let bad_ones = if bad == 0 { String::new() } else { format!(", {} not read", many(bad, "line")) };
    say(&format!("{}{bad_ones}\n", many(told, "event")));
    Ok(if bad == 0 { Outcome::Done } else { Outcome::Incomplete })
}

/// The rules, and what the outputs would take.
struct Table {
    router: Router,
    outputs: Vec<Option<OutputConfig>>,
}

impl Table {
    fn new(rules: Rules, setting: &Setting) -> Self {
        let config = |entry: &crate::rules::OutputEntry| {
            OutputConfig::from_table(&entry.name, entry.table.clone(), setting).ok()
        };
        let outputs = rules.outputs.iter().map(config).collect();
        Self { router: Router::new(rules), outputs }
    }

    /// The lines for an event: first the digests of what limits have held until then.
    fn told(&mut self, mut event: Event, place: &str) -> String {
        let digests = self.router.digests(self.router.time_of(&event));
        let route = self.router.route(&mut event);
        self.digests(&digests) + &self.line(place, &event, &route)
    }

    /// The lines for what limits still hold at the end.
    fn last(&mut self) -> String {
        let digests = self.router.last_digests();
        self.digests(&digests)
    }

    fn digests(&self, digests: &[(Event, Route)]) -> String {
        digests.iter().map(|(event, route)| self.line("(digest)", event, route)).collect()
    }

    fn line(&self, place: &str, event: &Event, route: &Route) -> String {
        let rule = route.rule.as_deref().unwrap_or(trials::DEFAULT);
        format!("{place}  {}  {}: {}\n", describe(event), printable(rule), self.whereto(event, route))
    }

    /// Where it goes, and which outputs that the rule names would leave it.
    fn whereto(&self, event: &Event, route: &Route) -> String {
        if route.silenced {
            return "silenced".to_owned();
        }
        let takes = |number: &usize| {
            let config = self.outputs.get(*number).and_then(Option::as_ref);
            config.is_none_or(|config| config.phases.pass(event) && config.format.tells(event))
        };
        let (given, left): (OutputSet, OutputSet) = route.outputs.iter().partition(takes);
        let names = |outputs| self.router.rules().names_of(outputs, "nobody");
        let whereto = match (given.is_empty(), route.held) {
            (true, true) => "held back by its limit".to_owned(),
            (false, true) => format!("to {}; held back by the limit of a rule", names(given)),
            (_, false) => format!("to {}", names(given)),
        };
        if left.is_empty() {
            whereto
        } else {
            format!("{whereto} (not to {}, which takes no such events)", names(left))
        }
    }
}

fn describe(event: &Event) -> String {
    let side = |one: Option<std::net::IpAddr>| one.map_or_else(|| "several".to_owned(), |address| address.to_string());
    let Some(scan) = &event.scan else {
        let kind = event.anomaly.as_ref().map_or("statistics", |anomaly| anomaly.kind.as_str());
        return printable(kind);
    };
    let word = |severity| word_for(names::SEVERITIES, severity);
    format!(
        "{} {} {} -> {} {} {} {}",
        printable(scan.id.get(..8).unwrap_or(&scan.id)),
        word_for(names::PHASES, &scan.phase),
        side(event.src_ip),
        side(event.dest_ip),
        word_for(names::KINDS, &scan.kind),
        printable(&scan.technique),
        word(&scan.severity),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tripline_plugin::{event::Phase, sample_events};

    use super::*;
    use crate::{cli::known, config::Document};

    const RULES: &str = "version = 1
[outputs.lines]
plugin = 'stdout'
format = 'scanlogd'
[outputs.archive]
plugin = 'file'
path = '/x'
[[rules]]
name = 'oddities'
if = { phase = ['begin', 'end'], technique = 'tcp-null' }
silence = true
[[rules]]
name = 'few'
outputs = ['lines', 'archive']
limit = { events = 1, per = '1h' }
";

    #[test]
    fn each_event_is_shown_with_its_rule_and_where_it_goes() {
        let document = Document { name: "rules.toml".to_owned(), text: RULES.to_owned() };
        let documents = [Arc::new(document)];
        let setting = Setting::default();
        let rules = known::with_known(&setting, &[], |known| Rules::from_documents(&documents, known)).unwrap();
        let mut table = Table::new(rules, &setting);
        let events = sample_events().into_iter();
        let wanted = events.filter(|event| {
            let scan = event.scan.as_ref();
            scan.is_none_or(|scan| scan.technique == "tcp-null" || scan.phase != Phase::Begin)
        });
        let text: String = wanted.map(|event| table.told(event, "e:1")).collect();
        insta::assert_snapshot!(text + &table.last(), @r"
        e:1  9c1f04ab update 10.10.0.2 -> 10.10.0.1 vertical tcp-syn high  few: to archive (not to lines, which takes no such events)
        e:1  9c1f04ab end 10.10.0.2 -> 10.10.0.1 vertical tcp-syn high  few: held back by its limit
        e:1  78dde6e5 begin 198.51.100.7 -> 192.0.2.10 vertical tcp-null low  oddities: silenced
        e:1  81af1551 end 198.51.100.7 -> several horizontal tcp-connect high  few: held back by its limit
        e:1  1fe68f0a end 198.51.100.7 -> several block tcp-syn medium  few: held back by its limit
        e:1  be1e08c4 end several -> 192.0.2.10 distributed tcp-syn low  few: held back by its limit
        e:1  5c55827d end 198.51.100.7 -> 192.0.2.10 decoy tcp-syn high  few: held back by its limit
        e:1  36fbefaa update 198.51.100.7 -> several horizontal arp medium  few: held back by its limit
        e:1  11a25cd6 end 198.51.100.7 -> 192.0.2.10 vertical tcp-syn low  few: held back by its limit
        e:1  storm  few: held back by its limit
        e:1  log-flood  few: held back by its limit
        e:1  overlap  few: held back by its limit
        e:1  28b7bd76 end several -> 2001:db8:ffff::1 vertical tcp-syn low  few: held back by its limit
        (digest)  digest  few: to lines and archive
        e:1  d5336963 update 198.51.100.7 -> several horizontal tcp-syn medium  few: to archive (not to lines, which takes no such events)
        ");
    }
}
