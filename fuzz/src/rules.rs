//! What is promised of a rules file, and of a filter.
//!
//! In: text. Out: a panic where a file is refused without a place, a sound one sends an event to an output that there is not or
//! twice differently; where a filter keeps another frame than libpcap's own runner does, or a name is looked up.
//! Read next: `tripline::rules`, `tripline::source::Filter`.

use std::sync::Arc;

use pcap::{Capture, Linktype};
use tripline::{
    cli::known,
    config::{Diagnostics, Document},
    output::Setting,
    rules::{Router, Rules},
    source::{Batch, Clock, Filter, Frame, Framing, Interface, LinkType, Piece, Units},
};
use tripline_plugin::sample_events;

use crate::choices::Choices;

/// A file's name that no message may lose.
const NAME: &str = "fuzz.toml";

/// A rules file.
pub fn rules(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = Arc::new(Document { name: NAME.to_owned(), text: text.to_owned() });
    let load = || {
        known::with_known(&Setting::default(), &tripline::streams::builtin(), |known| {
            Rules::from_documents(&[Arc::clone(&document)], known)
        })
    };
    let rules = match load() {
        Err(errors) => return refused(&errors, text),
        Ok(rules) => rules,
    };
    for warning in &rules.warnings {
        shown(&warning.to_string(), text);
    }
    if let Err(errors) = rules.run_trials() {
        refused(&errors, text);
    }
    let outputs = rules.outputs.len();
    let (mut first, mut second) = (Router::new(rules.clone()), Router::new(rules));
    for event in sample_events() {
        let (mut event, mut again) = (event.clone(), event);
        let (now, route) = (first.time_of(&event), first.route(&mut event));
        assert_eq!(route, second.route(&mut again), "the same event, another route");
        assert_eq!(serde_json::to_string(&event).ok(), serde_json::to_string(&again).ok());
        assert!(route.outputs.iter().all(|output| output < outputs), "an output that there is not: {route:?}");
        assert!(!route.silenced || route.outputs.is_empty(), "silenced, and delivered all the same: {route:?}");
        assert_eq!(first.digests(now).len(), second.digests(now).len());
    }
    assert_eq!(first.last_digests().len(), second.last_digests().len());
}

fn refused(errors: &Diagnostics, text: &str) {
    assert!(!errors.is_empty(), "refused without a reason");
    shown(&errors.to_string(), text);
}

/// A message has a place in the file, and shows nothing that steers a terminal.
fn shown(message: &str, text: &str) {
    let place = message.split_once(&format!("{NAME}:")).unwrap_or_else(|| panic!("no place: {message}")).1;
    let mut numbers = place.split(':').map(str::parse::<usize>);
    let (line, column) = (numbers.next(), numbers.next());
    assert!(matches!((&line, &column), (Some(Ok(1..)), Some(Ok(1..)))), "no line and column: {message}");
    assert!(
        line.is_some_and(|line| line.is_ok_and(|line| line <= text.lines().count() + 1)),
        "behind the end: {message}"
    );
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "a control character: {message:?}");
}

/// Longer ones are nobody's, and libpcap's own compiler takes its time over them.
const LONGEST: usize = 160;

/// A filter's expression up to the first line break, then an Ethernet frame.
pub fn filter(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let mut choices = Choices(bytes);
    let Ok(expression) = std::str::from_utf8(choices.bytes(end)) else { return };
    if expression.len() > LONGEST || expression.contains('\0') {
        return;
    }
    choices.byte();
    let frame = choices.0;
    let mut filter = match Filter::new(expression) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(!error.reason.is_empty());
            assert!(!error.reason.contains("unknown host"), "a name was looked up: {expression}");
            assert!(error.place.is_none_or(|place| expression.get(place).is_some()), "a place beside the expression");
            return;
        }
    };
    let ethernet = LinkType(1);
    let interface = Interface { link: ethernet, units: Units::Decimal(6), offset: 0, snaplen: 0 };
    let framing = Framing::Pcap { big_endian: false, interface };
    let piece = Piece { range: 0..0, framing, clock: Clock::default(), first_seq: 0, first_number: 1, frames: 0 };
    let told = filter.prepare(&Batch { pieces: vec![piece], ..Batch::default() });
    let ours = |bytes, wire_len| filter.keeps(&Frame { bytes, wire_len, link: ethernet, ..Frame::default() });
    let kept = ours(frame, frame.len() as u32);
    // A cut frame, and one that claims to be as long as can be: no more is promised than an answer.
    let _ = (ours(&frame[..frame.len() / 2], frame.len() as u32), ours(frame, u32::MAX));
    let Ok(program) = Capture::dead(Linktype(1)).and_then(|dead| dead.compile(expression, true)) else {
        assert!(!kept, "no program, and yet it keeps: {told:?}");
        return;
    };
    // `protochain` is a loop, which libpcap's runner does not bound.
    if !expression.contains("chain") {
        assert_eq!(kept, program.filter(frame), "libpcap thinks otherwise of `{expression}`");
    }
}
