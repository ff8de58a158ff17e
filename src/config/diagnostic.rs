//! Errors and warnings that teach: file, line, column, the line itself, a caret and a hint.
//!
//! In: a place in a document and what is wrong there. Out: text for a terminal or a log.
//! Must not know what the document says; only where its lines begin.
//! Nothing of a document reaches the terminal with control characters in it.
//! Read next: `document.rs`, which makes most of them.

use std::{fmt, ops::Range, sync::Arc};

/// A text that was read, and the name that errors give it.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// The path as the user gave it, or a name in angle brackets.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// A run of bytes in a document. Cheap to copy around, so every value can carry its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    document: Arc<Document>,
    span: Range<usize>,
}

impl Place {
    /// The bytes `span` of `document`.
    pub fn new(document: &Arc<Document>, span: Range<usize>) -> Self {
        Self { document: Arc::clone(document), span }
    }

    /// Another place in the same document.
    #[must_use]
    pub fn at(&self, span: Range<usize>) -> Self {
        Self::new(&self.document, span)
    }

    /// The text that stands there, on one line, safe to print.
    pub fn text(&self) -> String {
        let text = self.document.text.get(self.span.clone()).unwrap_or_default();
        printable(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The byte at which it begins: sorts the parts of one document.
    pub fn start(&self) -> usize {
        self.span.start
    }

    /// Something is wrong here.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { place: Some(self.clone()), ..Diagnostic::new(message) }
    }

    /// Something here was probably not meant, but can be done.
    pub fn warning(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic { level: Level::Warning, ..self.error(message) }
    }

    /// Line and column, both from 1, the column in characters; and the line without its end.
    fn locate(&self) -> (usize, usize, &str) {
        let text = &self.document.text;
        let start = floor(text, self.span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let column = text.get(line_start..start).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column, line)
    }
}

/// The nearest character border at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column, _) = self.locate();
        write!(f, "{}:{line}:{column}", printable(&self.document.name))
    }
}

/// Whether anything can be done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    level: Level,
    place: Option<Place>,
    message: String,
    hint: Option<String>,
}

impl Diagnostic {
    /// An error of no place in a text: a file that cannot be opened, a bad flag.
    pub fn new(message: impl Into<String>) -> Self {
        Self { level: Level::Error, place: None, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Characters of a line that are shown at most; a longer one is shown around the caret.
const WIDTH: usize = 140;
/// Characters shown before the caret in a line that is too long.
const LEAD: usize = 40;

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, message) = (self.level.word(), printable(&self.message));
        let Some(place) = &self.place else {
            writeln!(f, "{level}: {message}")?;
            return self.hint.iter().try_for_each(|hint| writeln!(f, "  = {}", printable(hint)));
        };
        let (number, column, line) = place.locate();
        let skip = if line.chars().count() > WIDTH { column.saturating_sub(1 + LEAD) } else { 0 };
        let shown: String = line.chars().skip(skip).take(WIDTH).collect();
        let length = self.place.as_ref().map_or(0, |place| place.span.len());
        let wanted = line.chars().skip(column - 1).scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= length).then_some(())
        });
        let carets = wanted.take((skip + WIDTH).saturating_sub(column - 1)).count().max(1);
        let margin = " ".repeat(number.to_string().len());
        writeln!(f, "{place}: {level}: {message}")?;
        writeln!(f, " {margin} |")?;
        writeln!(f, " {number} | {}", printable(&shown))?;
        writeln!(f, " {margin} | {}{}", " ".repeat(column - 1 - skip), "^".repeat(carets))?;
        self.hint.iter().try_for_each(|hint| writeln!(f, " {margin} = {}", printable(hint)))
    }
}

/// The text with anything that could move a cursor or change a colour made harmless,
/// one character for each, so that carets stay where they are.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            // The marks that turn the direction of text could make a line read as another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Errors shown at most: who has made more wants to begin at the top anyway.
const SHOWN: usize = 50;

/// All that is wrong, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `value` when nothing is wrong, else the errors.
    pub fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(SHOWN).try_for_each(|diagnostic| writeln!(f, "{diagnostic}"))?;
        match self.len() {
            1 => writeln!(f, "1 error; nothing was started"),
            n if n > SHOWN => writeln!(f, "{n} errors, of which the first {SHOWN} are shown; nothing was started"),
            n => writeln!(f, "{n} errors; nothing was started"),
        }
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Arc<Document> {
        Arc::new(Document { name: "rules.toml".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn an_error_points_at_its_word() {
        let text = "version = 1\n[nets]\nhöme = [\"10.0.0.0/33\"]\n";
        let at = text.find("\"10.").unwrap();
        let place = Place::new(&document(text), at..at + "\"10.0.0.0/33\"".len());
        let shown = place.error("a prefix of IPv4 has at most 32 bits").hint("10.0.0.0/24, say").to_string();
        insta::assert_snapshot!(shown, @r#"
        rules.toml:3:9: error: a prefix of IPv4 has at most 32 bits
           |
         3 | höme = ["10.0.0.0/33"]
           |         ^^^^^^^^^^^^^
           = 10.0.0.0/24, say
        "#);
    }

    #[test]
    fn nothing_reaches_the_terminal_that_could_move_its_cursor() {
        let place = Place::new(&document("a\u{1b}[2J\u{202e}b = 1"), 0..3);
        let shown = place.error("bad \u{7} key").hint("\u{9b}x").to_string();
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()) && !shown.contains('\u{202e}'), "{shown:?}");
    }

    #[test]
    fn a_line_too_long_for_the_screen_is_shown_around_the_caret() {
        let text = format!("x = [{}]", "\"10.0.0.1\", ".repeat(1000));
        let shown = Place::new(&document(&text), 6_005..6_015).error("here").to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() < 160), "{shown}");
        assert_eq!(lines[3].find('^'), Some(" 1 | ".len() + LEAD));
    }

    #[test]
    fn places_outside_the_text_do_no_harm() {
        for span in [0..0, 5..5, 3..400, 900..1000, 1..2] {
            let shown = Place::new(&document("é\nü"), span).error("somewhere").to_string();
            assert!(shown.contains("rules.toml:"), "{shown}");
        }
    }

    #[test]
    fn a_flood_of_errors_is_cut_and_says_so() {
        let mut all = Diagnostics::default();
        (0..SHOWN + 7).for_each(|n| all.push(Diagnostic::new(format!("number {n}"))));
        let shown = all.to_string();
        assert!(shown.contains("number 49\n") && !shown.contains("number 50\n"));
        assert!(shown.ends_with("57 errors, of which the first 50 are shown; nothing was started\n"));
    }
}
