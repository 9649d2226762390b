//! Which attachment is saved, and what becomes of it in the message.

use crate::config::Then;

/// One rule; all that is given must fit.
#[derive(Debug, Default)]
pub struct Rule {
    /// Patterns of names; one must fit.
    pub names: Vec<Pattern>,
    /// Extensions, lower case and without dot; one must be the name's.
    pub extensions: Vec<String>,
    /// Patterns of media types; one must fit.
    pub types: Vec<Pattern>,
    /// Octets of the decoded file.
    pub size: Size,
    /// Whether it is as its sender made it.
    pub damaged: Option<bool>,
    /// Whether it is saved.
    pub save: bool,
    /// What becomes of it in the message.
    pub then: Then,
}

/// Bounds of a size, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// At least.
    pub min: Option<u64>,
    /// At most.
    pub max: Option<u64>,
}

impl Rule {
    /// Whether it is for this file.
    pub fn fits(&self, name: &str, media_type: &str, size: u64, damaged: bool) -> bool {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.trim().to_lowercase());
        let any = |patterns: &[Pattern], text: &str| patterns.is_empty() || patterns.iter().any(|one| one.fits(text));
        any(&self.names, name)
            && any(&self.types, media_type)
            && (self.extensions.is_empty() || extension.is_some_and(|extension| self.extensions.contains(&extension)))
            && self.size.min.is_none_or(|min| size >= min)
            && self.size.max.is_none_or(|max| size <= max)
            && self.damaged.is_none_or(|wanted| wanted == damaged)
    }
}

/// A pattern as shells have it: `*` for any characters, `?` for one; case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// Any text is one.
    pub fn new(text: &str) -> Self {
        Self(text.to_lowercase().chars().collect())
    }

    /// Whether all of the text fits. Takes time proportional to both lengths at the worst.
    pub fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let (mut at, mut place) = (0, 0);
        // Where to go on when the last `*` has to take one character more.
        let mut again = None;
        while let Some(c) = text.get(at) {
            match self.0.get(place) {
                Some('*') => {
                    again = Some((place + 1, at));
                    place += 1;
                }
                Some(p) if *p == '?' || p == c => (at, place) = (at + 1, place + 1),
                _ => match &mut again {
                    Some((after, from)) => {
                        *from += 1;
                        (at, place) = (*from, *after);
                    }
                    None => return false,
                },
            }
        }
        self.0.get(place..).unwrap_or_default().iter().all(|p| *p == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, text, fits) in [
            ("*.pdf", "Report.PDF", true),
            ("*.pdf", "report.pdf.exe", false),
            ("scan-????.tif", "scan-0012.tif", true),
            ("scan-????.tif", "scan-012.tif", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxxc", false),
            ("", "", true),
            ("*", "", true),
            ("*ü*", "GRÜSSE", true),
            ("image/*", "image/png", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn all_that_is_given_must_fit() {
        let rule =
            Rule { extensions: vec!["exe".to_owned()], size: Size { min: Some(10), max: Some(20) }, ..Rule::default() };
        assert!(rule.fits("a.EXE", "x/y", 10, false) && rule.fits("a.b.exe", "x/y", 20, true));
        assert!(!rule.fits("a.exe", "x/y", 21, false) && !rule.fits("exe", "x/y", 15, false));
        assert!(!Rule { damaged: Some(true), ..Rule::default() }.fits("a", "x/y", 1, false));
    }
}
