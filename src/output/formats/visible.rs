//! Text from a capture, made visible: nothing that steers a terminal, hides or reorders.
//!
//! In: any text and a way to write what must not stand as it is. Out: text that shows what is
//! there. Names of files, hosts and tools may be an attacker's; a terminal obeys what it prints.
//! Must not know formats: JSON escapes one way, lines for people another.
//! Source: Unicode's general categories Cc, Cf, Zl, Zp; CVE-2021-42574 for the bidi controls.
//!
//! Read next: `eve.rs` and `human.rs`, the two ways.

use std::fmt::Write;

/// Whether a character is a control, or one that hides or reorders what stands around it.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Appends `text`; hidden characters as `\u{1b}`.
pub(super) fn push_text(text: &str, into: &mut String) {
    push(text, into, |c, into| into.extend(c.escape_unicode()));
}

/// Appends `text` as one word: blanks become `_`, so that columns stay columns.
pub(super) fn push_word(text: &str, into: &mut String) {
    for part in text.chars() {
        match part {
            c if is_hidden(c) => into.extend(c.escape_unicode()),
            c if c.is_whitespace() => into.push('_'),
            c => into.push(c),
        }
    }
}

/// Appends JSON; hidden characters, which can stand in its strings only, as JSON's `\u001b`.
pub(super) fn push_json(json: &str, into: &mut String) {
    push(json, into, |c, into| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(into, "\\u{unit:04x}");
        }
    });
}

/// Appends `text` in one piece where it is printable ASCII, which is nearly always.
fn push(text: &str, into: &mut String, escape: impl Fn(char, &mut String)) {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        into.push_str(text);
        return;
    }
    for c in text.chars() {
        if is_hidden(c) { escape(c, into) } else { into.push(c) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(push: fn(&str, &mut String), text: &str) -> String {
        let mut into = String::new();
        push(text, &mut into);
        into
    }

    #[test]
    fn people_see_what_would_have_steered_their_terminal() {
        assert_eq!(made(push_text, "a\u{1b}[31mb\nc\u{9b}d"), r"a\u{1b}[31mb\u{a}c\u{9b}d");
        assert_eq!(made(push_text, "txt.\u{202e}exe"), r"txt.\u{202e}exe");
        assert_eq!(made(push_text, "Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn a_word_stays_a_word() {
        assert_eq!(made(push_word, "a b\tc"), r"a_b\u{9}c");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        for text in ["a\u{7f}b", "\u{9b}31m", "\u{2028}", "tag \u{e0041}", "plain"] {
            let json = serde_json::to_string(text).unwrap();
            let made = made(push_json, &json);
            assert!(!made.chars().any(is_hidden));
            assert_eq!(serde_json::from_str::<String>(&made).unwrap(), text);
        }
    }
}
