//! Files of rules in order: what regexp, pcre and cidr tables share. The first rule that fits decides; `if … endif` fences rules in.

use super::{Warning, source::logical_lines};

/// A rule, or a fence around some.
#[derive(Debug)]
enum Step<C, R> {
    /// Unless the condition holds, go on at `end`.
    If {
        condition: C,
        end: usize,
    },
    Rule {
        rule: R,
        line: usize,
    },
}

/// The rules of a file.
#[derive(Debug)]
pub(super) struct Rules<C, R>(Vec<Step<C, R>>);

/// A rule or condition that is used, and what is suspicious about it.
pub(super) type Parsed<R> = Result<(R, Option<String>), String>;

impl<C, R> Rules<C, R> {
    /// Read a file; a line that is wrong is skipped with a warning, as Postfix does.
    pub(super) fn parse(
        content: &[u8],
        condition: impl Fn(bool, &str) -> Parsed<C>,
        rule: impl Fn(&str) -> Parsed<R>,
    ) -> (Self, Vec<Warning>) {
        let (mut steps, mut warnings, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for (line, octets) in logical_lines(content) {
            let mut warn = |message: String| warnings.push(Warning { line, message });
            let Ok(text) = str::from_utf8(&octets) else {
                warn("this line is not UTF-8; it is skipped".to_owned());
                continue;
            };
            if let Some(rest) = keyword(text, "if") {
                let (negated, rest) = negation(rest);
                match condition(negated, rest) {
                    Ok((condition, suspicion)) => {
                        suspicion.into_iter().for_each(&mut warn);
                        open.push((steps.len(), line));
                        steps.push(Step::If { condition, end: usize::MAX });
                    }
                    Err(why) => warn(format!("{why}; the `if` is skipped, and what it fences in is used always")),
                }
            } else if let Some(rest) = keyword(text, "endif") {
                if !rest.is_empty() {
                    warn(format!("`{rest}` behind `endif` has no meaning"));
                }
                let after = steps.len();
                match open.pop().and_then(|(index, _): (usize, usize)| steps.get_mut(index)) {
                    Some(Step::If { end, .. }) => *end = after,
                    _ => warn("`endif` without `if`".to_owned()),
                }
            } else {
                match rule(text) {
                    Ok((rule, suspicion)) => {
                        suspicion.into_iter().for_each(&mut warn);
                        steps.push(Step::Rule { rule, line });
                    }
                    Err(why) => warn(format!("{why}; the rule is skipped")),
                }
            }
        }
        for (_, line) in open {
            let message = "this `if` is not closed by `endif`; everything below it belongs to it".to_owned();
            warnings.push(Warning { line, message });
        }
        (Self(steps), warnings)
    }

    /// The first rule that has an answer, and its line.
    pub(super) fn find<V, E>(
        &self,
        mut holds: impl FnMut(&C) -> Result<bool, E>,
        mut answer: impl FnMut(&R) -> Result<Option<V>, E>,
    ) -> Result<Option<(V, usize)>, E> {
        let mut at = 0;
        while let Some(step) = self.0.get(at) {
            at += 1;
            match step {
                Step::If { condition, end } => {
                    if !holds(condition)? {
                        at = *end;
                    }
                }
                Step::Rule { rule, line } => {
                    if let Some(value) = answer(rule)? {
                        return Ok(Some((value, *line)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// All rules with their lines, fenced in or not.
    pub(super) fn all(&self) -> impl Iterator<Item = (&R, usize)> {
        self.0.iter().filter_map(|step| match step {
            Step::Rule { rule, line } => Some((rule, *line)),
            Step::If { .. } => None,
        })
    }
}

/// What follows a keyword, if the line begins with it.
fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric());
    (start.eq_ignore_ascii_case(word) && ends).then(|| rest.trim_start())
}

/// Whether an odd number of `!` stands before the rest.
pub(super) fn negation(text: &str) -> (bool, &str) {
    let rest = text.trim_start_matches(|c: char| c == '!' || c.is_whitespace());
    let marks = text.len() - rest.len();
    let marks = text.get(..marks).unwrap_or_default().matches('!').count();
    (marks % 2 == 1, rest)
}
