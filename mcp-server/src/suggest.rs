//! "Did you mean …": the nearest known name to a mistyped one.
//!
//! Owns: the distance and the threshold. Must never: suggest a name that the caller is not allowed to see (callers pass
//! only visible names), or spend more than a bounded amount of work on hostile input.

/// Names longer than this are not compared: a suggestion for them helps nobody and the work is quadratic.
const MAX_COMPARED: usize = 128;

/// The candidate that is nearest to `wrong`, if one is near enough to be a likely typing mistake.
///
/// Case and the separators `_`, `-`, `.` and space are ignored at first, so that `getUser` finds `get_user`; then up to one edit
/// per three characters (at least one) is allowed. Ties go to the earlier candidate.
pub(crate) fn closest<'a>(
    wrong: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = fold(wrong)?;
    let allowed = (wanted.len() / 3).max(1);
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let Some(folded) = fold(candidate) else {
            continue;
        };
        if folded.len().abs_diff(wanted.len()) > allowed {
            continue;
        }
        let distance = edits(&wanted, &folded);
        if distance <= allowed && distance < folded.len() && best.is_none_or(|(d, _)| distance < d)
        {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// Lower case without separators; `None` for what is empty or too long to compare.
fn fold(name: &str) -> Option<Vec<char>> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let folded: Vec<char> = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    (!folded.is_empty()).then_some(folded)
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count one each.
fn edits(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before = vec![0; width];
    let mut previous: Vec<usize> = (0..width).collect();
    let mut current = vec![0; width];
    for i in 1..=a.len() {
        current[0] = i;
        for j in 1..=b.len() {
            let substitution = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut cost = substitution.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            current[j] = cost;
        }
        std::mem::swap(&mut before, &mut previous);
        std::mem::swap(&mut previous, &mut current);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["get_weather", "get_user", "search", "delete-file"];

    #[test]
    fn a_typing_mistake_finds_its_name() {
        for (wrong, right) in [
            ("get_wether", "get_weather"),
            ("getUser", "get_user"),
            ("serach", "search"),
            ("Delete_File", "delete-file"),
            ("seach", "search"),
        ] {
            assert_eq!(closest(wrong, NAMES), Some(right), "{wrong}");
        }
    }

    #[test]
    fn something_else_entirely_finds_nothing() {
        for wrong in ["", "launch_rocket", "x", "___", &"s".repeat(4000)] {
            assert_eq!(closest(wrong, NAMES), None, "{wrong}");
        }
    }

    #[test]
    fn a_one_letter_name_is_not_suggested_for_another() {
        assert_eq!(closest("b", ["a"]), None);
        assert_eq!(closest("A", ["a"]), Some("a"));
    }

    #[test]
    fn ties_go_to_the_earlier_candidate() {
        assert_eq!(closest("cat", ["bat", "hat"]), Some("bat"));
    }
}
