//! Why an address was reported, or was not: one word for programs, a sentence for people, and the numbers that decided.
//!
//! In: a story and the events about it. Out: an [`Answer`]. It names what the stages did, from the last one back: told,
//! silenced, convicted, acquitted, suspected, below suspicion, no contact at all, never seen.
//! Source: `docs/why.md` lists the words. Must not judge. Read next: `text.rs`.

use serde::Serialize;
use tripline_plugin::event::Scan;

use super::{
    listener::Heard,
    tale::{Asked, other_head, telling},
    words,
};
use crate::{
    cells::{
        walk::{Ground, Measure},
        witness::Witness,
    },
    cli::{known, summary::many},
    config::diagnostic::printable,
    correlate::hearing::{Case, Trial, Walk},
    engine::story::{Presence, Sort, Story},
};

/// Thresholds in sight that are named.
const NAMED: usize = 6;

/// Thresholds further away than so many times what there is are not.
const FAR: f64 = 4.0;

/// Why.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// One word, which never changes.
    pub(super) is: &'static str,
    /// A sentence.
    pub(super) words: String,
    /// The thresholds that decided, and how near it came to each.
    pub(super) decided: Vec<String>,
}

fn answer(is: &'static str, words: impl Into<String>) -> Answer {
    Answer { is, words: words.into(), decided: Vec::new() }
}

/// The answer about an address; without a story it never appeared.
pub(super) fn of(story: Option<&Story>, heard: &[&Heard], asked: &Asked<'_>) -> Answer {
    let told = by_events(heard);
    let Some(story) = story else { return told.unwrap_or_else(|| absent(asked)) };
    let judged = asked.presets.contains(&known::TRIPLINE).then(|| match &story.witness {
        Some(witness) if witness.knocks() > 0 => by_judgement(story, witness),
        _ => no_contact(&story.presence),
    });
    let is_ours = |heard: &&&Heard| heard.event.scan.as_deref().is_some_and(|scan| scan.preset == known::TRIPLINE);
    let found = match (told, judged) {
        // Others see scans where ours sees none: both are answers.
        (Some(told), Some(judged)) if heard.iter().find(is_ours).is_none() => {
            let why = judged.words.strip_prefix(NOT_REPORTED).unwrap_or(&judged.words);
            Answer { words: format!("{} The preset {} found none: {why}", told.words, known::TRIPLINE), ..told }
        }
        (Some(answer), _) | (None, Some(answer)) => answer,
        (None, None) => {
            let words = "none of the presets that were asked for saw a scan in its packets.";
            answer("not-judged", format!("{NOT_REPORTED}{words}"))
        }
    };
    Answer { decided: thresholds(story), ..found }
}

/// How most answers begin.
const NOT_REPORTED: &str = "Not reported: ";

/// What became of what was found.
fn by_events(heard: &[&Heard]) -> Option<Answer> {
    let scans = || heard.iter().filter_map(|heard| Some((*heard, heard.event.scan.as_deref()?)));
    let taken: Vec<(&Heard, &Scan)> = scans().filter(|(heard, _)| !heard.to.is_empty()).collect();
    if !taken.is_empty() {
        let mut parts: Vec<String> = Vec::new();
        for (heard, scan) in taken {
            let id = printable(scan.id.get(..8).unwrap_or(&scan.id));
            let part = format!("as {id} by the preset {} to {}", printable(&scan.preset), heard.to.join(" and "));
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        return Some(answer("reported", format!("Reported: {}.", parts.join("; "))));
    }
    let by = |scan: &Scan| format!("Found by {}, and not reported", printable(&scan.preset));
    let rule = |heard: &Heard| heard.route.rule.as_deref().map_or("[default]".to_owned(), printable);
    if let Some((heard, scan)) = scans().find(|(heard, _)| heard.route.silenced) {
        let words = format!("{}: the rule \"{}\" silences it.", by(scan), rule(heard));
        return Some(answer("silenced", words));
    }
    if let Some((heard, scan)) = scans().find(|(heard, _)| heard.route.held) {
        let words =
            format!("{} by itself: the limit of the rule \"{}\" held it back, for a digest.", by(scan), rule(heard));
        return Some(answer("held", words));
    }
    scans().next().map(|(heard, scan)| {
        let why: Vec<String> = heard.not_to.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let why = if why.is_empty() { "the rules name no output".to_owned() } else { why.join("; ") };
        answer("not-taken", format!("{}: no output takes it ({why}).", by(scan)))
    })
}

fn absent(asked: &Asked<'_>) -> Answer {
    let counts = &asked.totals.counts;
    let mut parts = vec![format!(
        "Not reported: it never appeared as the sender or the target of a packet that can be evidence, in {}",
        many(counts.frames, "frame")
    )];
    let skipped: u64 = counts.skipped.iter().sum();
    let unread = skipped + asked.totals.defragmented.losses().map(|(_, count)| count).sum::<u64>();
    if unread > 0 {
        parts.push(format!("{} tell nothing or could not be read", many(unread, "frame")));
    }
    if counts.filtered > 0 {
        parts.push(format!("--filter left out {}", many(counts.filtered, "frame")));
    }
    answer("absent", parts.join("; ") + ".")
}

/// It began nothing.
fn no_contact(presence: &Presence) -> Answer {
    let sent = |is: fn(Sort) -> bool| presence.sent.iter().filter(|(sort, _)| is(**sort)).map(|(_, n)| n).sum::<u64>();
    let all = sent(|_| true);
    let (answers, data) = (sent(Sort::is_answer), sent(|sort| matches!(sort, Sort::Data | Sort::Close)));
    let received = presence.received.values().sum::<u64>();
    if all == 0 {
        let words = format!("Not reported: it sent nothing; {} went to it.", many(received, "packet"));
        return answer("only-addressed", words);
    }
    if answers > 0 && answers + data == all {
        let asks = |sort: &Sort| matches!(sort, Sort::Probe | Sort::Datagram | Sort::Data | Sort::Other);
        let tcp = presence.sent.contains_key(&Sort::Welcome) || presence.sent.contains_key(&Sort::Reset);
        let asked = if tcp && !presence.received.keys().any(asks) {
            "; nobody was seen to ask it: backscatter of packets that somebody forged, or a questioner out of sight"
        } else {
            ""
        };
        let words = format!(
            "Not reported: it only answered ({} of {}) and knocked at no door{asked}.",
            answers,
            many(all, "packet")
        );
        return answer("only-answered", words);
    }
    let words =
        format!("Not reported: it knocked at no door; its {} belong to what was under way.", many(all, "packet"));
    answer("no-contact", words)
}

/// It knocked, and was not told of.
fn by_judgement(story: &Story, witness: &Witness) -> Answer {
    let cases = || story.hearing.iter().flat_map(|hearing| &hearing.cases);
    let forgotten = witness.forgotten.is_some() || witness.forgotten_alone > 0;
    let crowd = story.hearing.as_ref().and_then(|hearing| hearing.crowd);
    if let Some(target) = crowd {
        return answer(
            "told-with-others",
            format!("Found, and told of with others: they share out the doors of {target}."),
        );
    }
    if let Some((network, bits)) = story.hearing.as_ref().and_then(|hearing| hearing.network) {
        return answer(
            "told-with-others",
            format!("Found, and told of with others: addresses of {network}/{bits} take turns, few doors each."),
        );
    }
    if story.hearing.as_ref().is_some_and(|hearing| hearing.folded) {
        let words =
            "Found, and told of with others in a storm: more scans than can be told, from sources that may be forged.";
        return answer("told-with-others", words);
    }
    if cases().any(|case| case.convicted.is_some()) {
        let with = match other_head(story) {
            Some(head) => format!("with {head}, who sent the same packets"),
            None => "with others like it, in one event".to_owned(),
        };
        return answer("told-with-others", format!("Found, and told of {with}."));
    }
    if forgotten {
        let words = "Not reported: what was known of it was given up for want of memory, so nobody can say; \
                     ask again with more --memory.";
        return answer("forgotten", words);
    }
    let one_sided = |case: &Case| case.acquitted.as_ref().is_some_and(|trial| trial.verdict.one_sided);
    if cases().any(one_sided) {
        let words = "Not reported: suspected, and acquitted: nothing is heard from its targets' networks (a one-sided view), \
                     where only counts can tell.";
        return answer("acquitted-one-sided", words);
    }
    if cases().any(|case| case.acquittals > 0) {
        let words = "Not reported: suspected, and acquitted when all that is known of its targets was weighed.";
        return answer("acquitted", words);
    }
    let (mut ended, mut failed) = (0, 0);
    for way in &witness.ways {
        (ended, failed) = (ended + way.tally.doors(), failed + way.tally.failed());
    }
    match (ended, failed) {
        (0, _) => answer("no-outcome", "Not reported: of no door that it knocked at is it known how it answered."),
        (1, _) => answer("one-contact", "Not reported: it knocked at one door only; one contact is nobody's scan."),
        (all, 0) => {
            answer("all-answered", format!("Not reported: all {} that it knocked at answered.", many(all, "door")))
        }
        (all, failed) => {
            let words = format!("Not reported: {failed} of {} failed, below every threshold.", many(all, "door"));
            answer("below", words)
        }
    }
}

/// The numbers that decided, those of a conviction first.
fn thresholds(story: &Story) -> Vec<String> {
    let mut lines = Vec::new();
    let cases = || story.hearing.iter().flat_map(|hearing| &hearing.cases);
    let near = || story.witness.iter().flat_map(|witness| &witness.near);
    for case in cases() {
        let Some((verdict, trial)) = telling(case) else { continue };
        let (name, guilty) = (case.technique.name(), verdict == "guilty");
        let decisive = trial.walks.iter().find(|walk| walk.end.guilty).or(trial.nearest());
        if let Some(walk) = decisive {
            lines.push(format!("{name}, {}", walked(walk, trial)));
        } else if guilty {
            let of_it = near().find(|n| (n.technique, n.measure.ground) == (case.technique, trial.ground));
            let needs = of_it.map_or("as many as".to_owned(), |near| near.measure.needs.to_string());
            let group = words::group(trial.shape, trial.technique);
            lines.push(format!("{name}, {group}: {needs} needed, and reached: {}", words::counted(trial.ground)));
        }
        lines.extend(trial.said.iter().filter_map(words::said).map(|said| format!("{name}: {said}")));
    }
    let mut others: Vec<_> =
        near().filter(|n| n.measure.ground != Ground::Failures && !is_convicted(story, n.technique)).collect();
    // One door alone is always like itself.
    others.retain(|near| near.measure.has > 1);
    let far = |m: &Measure| {
        let share = m.share.map_or(1.0, |s| (s.of * s.percent) as f64 / (s.part * 100).max(1) as f64);
        share.max(m.needs as f64 / m.has.max(1) as f64)
    };
    others.sort_by(|a, b| far(&a.measure).total_cmp(&far(&b.measure)));
    for near in others.into_iter().filter(|near| far(&near.measure) <= FAR) {
        let group = words::group(near.shape, near.technique);
        lines.push(format!("{}, {group}: {}", near.technique.name(), words::measure(&near.measure)));
    }
    lines.truncate(NAMED);
    lines
}

fn is_convicted(story: &Story, technique: crate::cells::technique::Technique) -> bool {
    let mut cases = story.hearing.iter().flat_map(|hearing| &hearing.cases);
    cases.any(|case| case.technique == technique && case.convicted.is_some())
}

/// A walk against its threshold.
fn walked(walk: &Walk, trial: &Trial) -> String {
    let end = &walk.end;
    let group = words::group(Some(end.shape), trial.technique);
    let (has, needs) = (words::steps(end.highest.into()), words::steps(end.threshold.into()));
    let failures = walk.steps.iter().filter(|step| step.knock.failed()).count();
    let mut parts =
        vec![format!("{group}: {has} of {needs} steps needed, by {} that failed", many(failures as u64, "door"))];
    if end.unseen > 0 && end.highest < end.threshold {
        parts.push(format!("{} of {} doors needed where nothing is ever heard", end.unseen, end.enough_unseen));
    }
    if end.successes > 0 {
        parts.push(format!("{} answered", end.successes));
    }
    if let Some(excuse) = end.excuse {
        parts.push(words::excuse(excuse).to_owned());
    }
    parts.join("; ")
}
