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

/// The same name with a number before its extension: `report-2.pdf`.
pub(super) fn numbered(name: &str, number: u32) -> String {
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
