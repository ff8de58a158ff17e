//! "Did you mean": the known word that is nearest to a mistyped one.
//!
//! In: a word and those that are known. Out: the nearest, if it is near enough to be meant.
//! Must not know what the words stand for.
//! Source: the edit distance with swaps of neighbours (Damerau 1964, "optimal string alignment").
//! Read next: `document.rs`, which asks for every unknown key.

/// Words longer than this are not compared: nobody mistypes a known one into them,
/// and the cost grows with the product of the lengths.
const LONGEST: usize = 64;

/// The known word nearest to `word`, when no more than a third of it differs.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if word.len() > LONGEST {
        return None;
    }
    let near_enough = word.len().div_ceil(3).max(1);
    known
        .into_iter()
        .filter(|known| known.len() <= LONGEST)
        .map(|known| (distance(&word, &known.to_lowercase().chars().collect::<Vec<_>>()), known))
        .filter(|(far, _)| *far <= near_enough)
        .min()
        .map(|(_, known)| known)
}

/// "did you mean …?" when something is near, else the list of all that is known.
pub fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() { "none is known here".to_owned() } else { format!("known: {}", all.join(", ")) }
}

/// Insertions, deletions, replacements and swaps of neighbours from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    // Three rows of the table: two back (for swaps), the last and the one being filled.
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut above: Option<char> = None;
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut left: Option<char> = None;
        for (j, &to) in b.iter().enumerate() {
            let at = |cells: &[usize], k: usize| cells.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(from != to));
            if left == Some(from) && above == Some(to) && j > 0 {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            left = Some(to);
        }
        before = std::mem::replace(&mut last, row);
        above = Some(from);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_its_word() {
        let known = ["source", "target", "technique", "severity"];
        assert_eq!(nearest("sorce", known), Some("source"));
        assert_eq!(nearest("tehcnique", known), Some("technique"));
        assert_eq!(nearest("Severity", known), Some("severity"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(1000), known), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_step() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
    }

    #[test]
    fn what_is_near_nothing_gets_the_list() {
        assert_eq!(hint("zzz", ["low", "high"]), "known: low, high");
        assert_eq!(hint("hihg", ["low", "high"]), "did you mean `high`?");
    }
}
