//! File names that a sender has chosen, made harmless: one component, no way out of the directory, nothing that shells, file
//! systems or Windows shares stumble over.

/// Octets of a name that are kept, with room for a number below the 255 that file systems take.
const LONGEST: usize = 200;
/// An extension longer than this is none.
const LONGEST_EXTENSION: usize = 20;

/// A safe name. Of a path the last part counts; characters that are no good become `_`; leading dots and blanks at both ends go.
pub(super) fn safe(wish: &str) -> String {
    let last = wish.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let bad = |c: char| c.is_control() || "<>:\"|?*\u{fffd}".contains(c) || is_invisible(c);
    let clean: String = last.chars().map(|c| if bad(c) { '_' } else { c }).collect();
    let clean = clean.trim_matches(|c: char| c == '.' || c.is_whitespace());
    let (stem, extension) = parts(clean);
    let stem = if stem.is_empty() {
        "unnamed"
    } else {
        cut(stem, LONGEST - extension.len()).trim_end_matches(|c: char| c == '.' || c.is_whitespace())
    };
    format!("{stem}{extension}")
}

/// The name, or the same with a number, so that it isn't taken. The number is found by doubling and halving: a name that thousands
/// had before costs two dozen questions. Where numbers are free below the highest, it may be any of them.
pub(super) fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(name) {
        return name.to_owned();
    }
    let (mut low, mut high) = (1, 2);
    while taken(&numbered(name, high)) {
        (low, high) = (high, high.saturating_mul(2));
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if taken(&numbered(name, middle)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    numbered(name, high)
}

/// The same name with a number before its extension: `report-2.pdf`.
fn numbered(name: &str, number: u64) -> String {
    let (stem, extension) = parts(name);
    format!("{stem}-{number}{extension}")
}

/// Stem, and extension with its dot.
fn parts(name: &str) -> (&str, &str) {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= LONGEST_EXTENSION);
    name.split_at(dot.unwrap_or(name.len()))
}

/// Marks that turn the direction of writing, or can't be seen: `exe.fdp` that looks like `pdf.exe`.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_harmless() {
        for (wish, expected) in [
            ("report.pdf", "report.pdf"),
            ("Grüße aus Köln.txt", "Grüße aus Köln.txt"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x", "x"),
            ("..", "unnamed"),
            (".", "unnamed"),
            ("", "unnamed"),
            ("/", "unnamed"),
            (" . . ", "unnamed"),
            (".bashrc", "bashrc"),
            ("a\0b\r\n.txt", "a_b__.txt"),
            ("CON:aux?.t*t", "CON_aux_.t_t"),
            ("fdp.\u{202e}exe", "fdp._exe"),
            ("trailing. .", "trailing"),
            (".mailweir-x.part", "mailweir-x.part"),
        ] {
            assert_eq!(safe(wish), expected, "{wish:?}");
        }
        assert_eq!(safe(&format!("{}.pdf", "x".repeat(300))), format!("{}.pdf", "x".repeat(196)));
        assert_eq!(safe(&"ü".repeat(300)), "ü".repeat(100));
        assert_eq!(numbered("report.pdf", 2), "report-2.pdf");
        assert_eq!(numbered("README", 3), "README-3");
    }

    #[test]
    fn a_name_that_many_had_is_numbered_with_few_questions() {
        for had in [0, 1, 2, 3, 4, 5, 1000, 100_000] {
            let questions = Cell::new(0);
            let taken = |name: &str| {
                questions.set(questions.get() + 1);
                name == "a.pdf" && had > 0
                    || name
                        .strip_prefix("a-")
                        .and_then(|rest| rest.strip_suffix(".pdf")?.parse().ok())
                        .is_some_and(|n: u64| n <= had)
            };
            let expected = if had == 0 { "a.pdf".to_owned() } else { format!("a-{}.pdf", (had + 1).max(2)) };
            assert_eq!(free("a.pdf", taken), expected);
            assert!(questions.get() < 40, "{} questions for {had}", questions.get());
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_visible_component(wish in "\\PC{0,300}|(\\.|/|\\\\|\0|a| ){0,20}") {
            let name = safe(&wish);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST && !name.starts_with('.'));
            prop_assert!(!name.contains(['/', '\\', '\0']));
            prop_assert_eq!(safe(&name), name);
        }
    }
}
