//! What is promised of events as others write them, which `rules test` reads.
//!
//! In: lines. Out: a panic where an event does not survive writing and reading, where a format tells it in more than one line or
//! lets through what steers a terminal.
//! Read next: `tripline_plugin::event`, `tripline::output::formats`.

use tripline::{
    cli::known,
    output::{Format, Look, Setting},
    rules::{Router, Rules},
};
use tripline_plugin::Event;

/// Lines of events: JSON, or not.
pub fn events(bytes: &[u8]) {
    let rules = known::with_known(&Setting::default(), &tripline::streams::builtin(), Rules::builtin_default)
        .expect("the rules that ship");
    let mut router = Router::new(rules);
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(mut event) = serde_json::from_slice::<Event>(line) else { continue };
        let written = serde_json::to_string(&event).expect("an event is JSON");
        let read: Event = serde_json::from_str(&written).unwrap_or_else(|why| panic!("{why}: {written}"));
        assert_eq!(serde_json::to_string(&read).ok().as_ref(), Some(&written), "an event changes when it is read");
        let now = router.time_of(&event);
        let _ = (router.digests(now), router.route(&mut event));
        for name in Format::NAMES {
            let format =
                if name == "template" { "template:{timestamp} {src_ip} {scan.id} {scan.reason} {host}" } else { name };
            let format = Format::named(format, &Look::default()).expect("a format");
            if !format.tells(&event) {
                continue;
            }
            let mut text = String::new();
            format.render(&event, &mut text);
            assert!(!text.is_empty(), "{name} has no words for {written}");
            let bad = |c: char| {
                c.is_control() && !(c == '\n' && name == "human")
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!text.chars().any(bad), "{name} lets through what steers a terminal: {text:?}");
            if name.starts_with("eve") {
                assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{name} is no JSON: {text}");
            }
        }
    }
    let _ = router.last_digests();
}
