//! The known word nearest to a mistyped one, for "did you mean …?".
//!
//! In: a word from a configuration, the words that would have been right. Out: the one
//! to suggest, if any is near. Source: the edit distance of Levenshtein, 1965.
//!
//! Read next: `options.rs` (who asks).

/// The candidate that takes the fewest edits to reach, at most a third of the word's length
/// (and at least one edit), or that the word begins or continues; the first of equals.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A configuration may hold anything; nobody mistypes a name at such length.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    let near = word.chars().count().div_ceil(3).max(1);
    let distance = |candidate: &str| match edits(&word, candidate) {
        _ if word.len() > 2 && (candidate.starts_with(&word) || word.starts_with(candidate)) => 1,
        edits => edits,
    };
    let best = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min_by_key(|(d, _)| *d);
    best.filter(|(d, _)| *d <= near).map(|(_, candidate)| candidate)
}

/// How many letters must be added, removed or changed to make `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (other, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 4] = ["path", "format", "phases", "plugin"];

    #[test]
    fn a_slip_finds_its_word() {
        assert_eq!(nearest("pth", WORDS), Some("path"));
        assert_eq!(nearest("Fromat", WORDS), Some("format"));
        assert_eq!(nearest("phase", WORDS), Some("phases"));
        assert_eq!(nearest("plugin_name", WORDS), Some("plugin"));
    }

    #[test]
    fn a_word_that_is_near_to_nothing_gets_no_suggestion() {
        assert_eq!(nearest("colour", WORDS), None);
        assert_eq!(nearest("", WORDS), None);
        assert_eq!(nearest(&"p".repeat(1_000_000), WORDS), None);
    }

    #[test]
    fn edits_are_counted_as_levenshtein_does() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}
