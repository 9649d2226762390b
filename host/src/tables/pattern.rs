//! `regexp` and `pcre`: rules with regular expressions in order, in the formats of regexp_table(5) and pcre_table(5).
//!
//! Patterns run on a linear-time engine; those that only backtracking can match (back-references, look-around) have a bound on it,
//! and running into that is an error of the lookup, never "no match".

use std::{fs, path::Path};

use fancy_regex::{Regex, RegexBuilder};

use super::{
    Loaded, OpenError, Table, TableError, TableRow, Warning,
    rules::{Parsed, Rules, negation},
    template::Template,
};

/// Steps of backtracking for one pattern and key.
const MOST_BACKTRACKING: usize = 100_000;

/// Which flags there are, and what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// regexp_table(5): i, m, x.
    Regexp,
    /// pcre_table(5): i, m, s, x, A, E, U, X.
    Pcre,
}

/// Rules in memory. They see whole keys, as these stand.
#[derive(Debug)]
pub(super) struct Patterns(Rules<Pattern, Rule>);

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    negated: bool,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// `/this/!/but not that/`: the second one, which must not match either.
    but_not: Option<Regex>,
    /// As it stands.
    text: String,
    value: Template,
}

impl Patterns {
    /// Read a file.
    pub(super) fn open(path: &Path, dialect: Dialect) -> Result<Loaded, OpenError> {
        let content = fs::read(path).map_err(|error| OpenError::io(path, error))?;
        let (table, warnings) = Self::parse(&content, dialect);
        Ok(Loaded::new(table, warnings))
    }

    fn parse(content: &[u8], dialect: Dialect) -> (Self, Vec<Warning>) {
        let condition = |negated, text: &str| {
            let (regex, rest, suspicion) = regex(text, dialect)?;
            let rest = rest.trim();
            let extra = || format!("`{rest}` behind the pattern of an `if` has no meaning");
            Ok((Pattern { regex, negated }, if rest.is_empty() { suspicion } else { Some(extra()) }))
        };
        let (rules, warnings) = Rules::parse(content, condition, |text| rule(text, dialect));
        (Self(rules), warnings)
    }

    fn find(&self, key: &str) -> Result<Option<(String, usize)>, TableError> {
        let failed = |error: fancy_regex::Error| TableError(format!("key `{key}`: {error}"));
        let holds = |pattern: &Pattern| Ok(pattern.regex.is_match(key).map_err(failed)? != pattern.negated);
        let answer = |rule: &Rule| {
            let captures = rule.pattern.regex.captures(key).map_err(failed)?;
            if captures.is_some() == rule.pattern.negated {
                return Ok(None);
            }
            if let Some(but_not) = &rule.but_not
                && but_not.is_match(key).map_err(failed)?
            {
                return Ok(None);
            }
            let group =
                |number| captures.as_ref().and_then(|found| found.get(number)).map_or("", |found| found.as_str());
            Ok(Some(rule.value.fill(group)))
        };
        self.0.find(holds, answer)
    }
}

fn rule(text: &str, dialect: Dialect) -> Parsed<Rule> {
    let (negated, rest) = negation(text);
    let (regex_of_rule, mut rest, mut suspicion) = regex(rest, dialect)?;
    let mut but_not = None;
    if dialect == Dialect::Regexp && rest.starts_with('!') {
        let (second, after, flag) = regex(negation(rest).1, dialect)?;
        (but_not, rest) = (Some(second), after);
        suspicion = suspicion.or(flag);
    }
    let value = rest.trim();
    let pattern = text.get(..text.len() - rest.len()).unwrap_or(text).trim().to_owned();
    let groups = if negated { 0 } else { regex_of_rule.captures_len() - 1 };
    let template = Template::parse(value, groups)?;
    if value.is_empty() {
        suspicion = Some(format!("`{pattern}` has no value; a key that it matches can't be looked up"));
    }
    let rule = Rule { pattern: Pattern { regex: regex_of_rule, negated }, but_not, text: pattern, value: template };
    Ok((rule, suspicion))
}

/// A pattern between delimiters with its flags, what follows it, and what is suspicious about it.
fn regex(text: &str, dialect: Dialect) -> Result<(Regex, &str, Option<String>), String> {
    let delimiter = text.chars().next().filter(|c| !c.is_alphanumeric() && !c.is_whitespace());
    let delimiter = delimiter.ok_or_else(|| format!("`{text}`: a pattern stands between delimiters such as `/`"))?;
    let inner = text.get(delimiter.len_utf8()..).unwrap_or_default();
    let mut escaped = false;
    let end = inner.find(|c: char| {
        let ends = c == delimiter && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let end = end.ok_or_else(|| format!("`{text}`: the pattern has no closing `{delimiter}`"))?;
    let (pattern, rest) = inner.split_at_checked(end).unwrap_or((inner, ""));
    let rest = rest.get(delimiter.len_utf8()..).unwrap_or_default();
    let flags_end = rest.find(|c: char| c.is_whitespace() || c == '!').unwrap_or(rest.len());
    let (flags, rest) = rest.split_at_checked(flags_end).unwrap_or((rest, ""));
    let options = Options::of(flags, dialect)?;
    let regex = options.build(pattern).map_err(|error| format!("`{delimiter}{pattern}{delimiter}`: {error}"))?;
    let suspicion = flags.contains('i').then(|| {
        "the flag `i` makes this pattern sensitive to case: flags are switches, and patterns are blind to case without it".to_owned()
    });
    Ok((regex, rest, suspicion))
}

/// Flags are switches: each turns its default around (trap 2).
struct Options {
    ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    extended: bool,
    anchored: bool,
    ungreedy: bool,
}

impl Options {
    fn of(flags: &str, dialect: Dialect) -> Result<Self, String> {
        let mut options = Self {
            ignore_case: true,
            multi_line: false,
            dot_all: true,
            extended: false,
            anchored: false,
            ungreedy: false,
        };
        for flag in flags.chars() {
            match (flag, dialect) {
                ('i', _) => options.ignore_case = !options.ignore_case,
                ('m', Dialect::Regexp) => {
                    options.multi_line = !options.multi_line;
                    options.dot_all = !options.dot_all;
                }
                ('x', Dialect::Regexp) => {
                    return Err("basic regular expressions (flag `x`) are not supported".to_owned());
                }
                ('m', Dialect::Pcre) => options.multi_line = !options.multi_line,
                ('s', Dialect::Pcre) => options.dot_all = !options.dot_all,
                ('x', Dialect::Pcre) => options.extended = !options.extended,
                ('A', Dialect::Pcre) => options.anchored = !options.anchored,
                ('U', Dialect::Pcre) => options.ungreedy = !options.ungreedy,
                // `$` never matches before a line end that closes the key here, and nothing is extra.
                ('E' | 'X', Dialect::Pcre) => {}
                (other, _) => return Err(format!("there is no flag `{other}`")),
            }
        }
        Ok(options)
    }

    fn build(&self, pattern: &str) -> Result<Regex, String> {
        let pattern = if self.ungreedy { format!("(?U){pattern}") } else { pattern.to_owned() };
        let pattern = if self.anchored { format!("\\A(?:{pattern})") } else { pattern };
        let regex = RegexBuilder::new(&pattern)
            .case_insensitive(self.ignore_case)
            .multi_line(self.multi_line)
            .dot_matches_new_line(self.dot_all)
            .verbose_mode(self.extended)
            .backtrack_limit(MOST_BACKTRACKING)
            .build();
        regex.map_err(|error| {
            error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }
}

impl Table for Patterns {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.find(key)?.map(|(value, _)| value))
    }

    fn has_patterns(&self) -> bool {
        true
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.find(key).ok().flatten().map(|(_, line)| line)
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.0
            .all()
            .for_each(|(rule, line)| visit(TableRow { key: &rule.text, value: rule.value.source(), line: Some(line) }));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(content: &str, dialect: Dialect) -> Patterns {
        let (table, warnings) = Patterns::parse(content.as_bytes(), dialect);
        assert_eq!(warnings, [], "{content}");
        table
    }

    fn value(table: &Patterns, key: &str) -> Option<String> {
        table.lookup(key).expect("no error")
    }

    fn warnings(content: &str, dialect: Dialect) -> Vec<String> {
        let warnings = Patterns::parse(content.as_bytes(), dialect).1;
        warnings.into_iter().map(|warning| format!("{}: {}", warning.line, warning.message)).collect()
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        // Rule 5.2
        let content = "/^(.*)-outgoing@(.*)$/ 550 Use ${1}@$(2) instead, not $$1\n!/@/ no domain\n\
                       if /example\\.com$/\n/^bounce/ inner\n!/^(joe|ann)@/ not joe\nendif\n#/x/ comment\n|a/b| slash\n/./ rest\n";
        for dialect in [Dialect::Regexp, Dialect::Pcre] {
            let table = table(content, dialect);
            for (key, expected) in [
                ("list-outgoing@d.example", "550 Use list@d.example instead, not $1"),
                ("nobody", "no domain"),
                ("Bounce@EXAMPLE.com", "inner"),
                ("eve@example.com", "not joe"),
                ("joe@example.com", "rest"),
                ("a/b@x", "slash"),
            ] {
                assert_eq!(value(&table, key).as_deref(), Some(expected), "{key}");
            }
            assert_eq!(value(&table, ""), Some("no domain".to_owned()));
            assert_eq!(table.line_of("joe@example.com"), Some(9));
        }
    }

    #[test]
    fn flags_are_switches() {
        // Rule trap 2: `i` makes a pattern sensitive to case, and check says so.
        let (table, warnings) = Patterns::parse(b"/^JOE$/i joe\n", Dialect::Pcre);
        assert_eq!(value(&table, "joe"), None);
        assert_eq!(value(&table, "JOE").as_deref(), Some("joe"));
        assert!(warnings.len() == 1 && warnings[0].message.contains("sensitive to case"), "{warnings:?}");
        let (table, _) = Patterns::parse(b"/^joe$/ii joe\n/b(.*?)c/U $1\n/x y/x xy\n/nn/A anchored\n", Dialect::Pcre);
        assert_eq!(value(&table, "JOE").as_deref(), Some("joe"));
        assert_eq!(value(&table, "b1c2c").as_deref(), Some("1c2"));
        assert_eq!(value(&table, "xy").as_deref(), Some("xy"));
        assert_eq!((value(&table, "ann"), value(&table, "nna").as_deref()), (None, Some("anchored")));
    }

    #[test]
    fn the_second_pattern_of_a_rule_must_not_match() {
        let table = table("/@example\\.com$/!/^joe@/ not joe\n", Dialect::Regexp);
        assert_eq!(value(&table, "ann@example.com").as_deref(), Some("not joe"));
        assert_eq!(value(&table, "joe@example.com"), None);
    }

    #[test]
    fn what_only_backtracking_can_match_is_bounded() {
        let back = table("/^(\\w+)-\\1$/ twice $1\n/^(?=.*x)a/ ahead\n", Dialect::Pcre);
        assert_eq!(value(&back, "ab-ab").as_deref(), Some("twice ab"));
        assert_eq!(value(&back, "aax").as_deref(), Some("ahead"));
        let slow = table("/^(?:(?=a)a|a(?=a)|aa)*b\\z(?<=b)/ never\n", Dialect::Pcre);
        // Rules L3, trap 20: an error, not "not found".
        assert!(slow.lookup(&"a".repeat(400)).is_err());
    }

    #[test]
    fn bad_rules_are_skipped_with_a_warning() {
        for (content, expected) in [
            ("/a(b/ x\n", "1: `/a(b/`"),
            ("/a/ $1\n", "1: there is no group `$1`"),
            ("!/(a)/ $1\n", "1: there is no group `$1`"),
            ("/(a)/ $0\n", "1: there is no group `$0`"),
            ("/a\n", "1: `/a`: the pattern has no closing `/`"),
            ("/a/q x\n", "1: there is no flag `q`"),
            ("a x\n", "1: `a x`: a pattern stands between"),
            ("if /a/\n/b/ x\n", "1: this `if` is not closed"),
            ("/a/\n", "1: `/a/` has no value"),
        ] {
            for dialect in [Dialect::Regexp, Dialect::Pcre] {
                let warnings = warnings(content, dialect);
                assert!(warnings.len() == 1 && warnings[0].starts_with(expected), "{content}: {warnings:?}");
            }
        }
    }

    #[test]
    fn a_blank_before_a_rule_makes_it_part_of_the_one_before() {
        // Rule trap 28
        let (table, _) = Patterns::parse(b"if /a/\n  /b/ inner\nendif\n/./ rest\n", Dialect::Pcre);
        assert_eq!(value(&table, "ab").as_deref(), Some("rest"));
    }

    #[test]
    fn what_stands_behind_the_pattern_of_an_if_is_told_and_changes_nothing() {
        for dialect in [Dialect::Regexp, Dialect::Pcre] {
            let (table, warnings) = Patterns::parse(b"if !/one/\n  continued\n/./ not one\nendif\n", dialect);
            assert_eq!(value(&table, "one"), None);
            assert_eq!(value(&table, "two").as_deref(), Some("not one"));
            assert_eq!((warnings.len(), warnings[0].line), (1, 1), "{warnings:?}");
            assert!(warnings[0].message.contains("`continued` behind the pattern"), "{warnings:?}");
        }
    }
}
