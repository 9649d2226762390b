//! The value of a pattern's rule: text with places for what groups of the pattern have matched.

/// `550 Use $1@${2}`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Group(usize),
}

impl Template {
    /// Take apart a value whose pattern has so many groups. `$1`, `${1}` and `$(1)` are groups, `$$` is a dollar.
    pub(super) fn parse(source: &str, groups: usize) -> Result<Self, String> {
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut rest = source;
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                text.push('$');
                rest = after;
                continue;
            }
            let (number, after) =
                group(after).ok_or_else(|| format!("`$` in `{source}` is followed by no group; `$$` is a dollar"))?;
            if number == 0 || number > groups {
                return Err(format!("there is no group `${number}` that `{source}` could use"));
            }
            parts.push(Part::Text(std::mem::take(&mut text)));
            parts.push(Part::Group(number));
            rest = after;
        }
        text.push_str(rest);
        parts.push(Part::Text(text));
        Ok(Self { source: source.to_owned(), parts })
    }

    /// As it was written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// With the groups put in.
    pub(super) fn fill<'a>(&self, group: impl Fn(usize) -> &'a str) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Group(number) => group(*number),
        });
        parts.collect()
    }
}

/// The number of a group, and what follows it.
fn group(text: &str) -> Option<(usize, &str)> {
    let (inner, closing) = match text.chars().next()? {
        '{' => (text.get(1..)?, "}"),
        '(' => (text.get(1..)?, ")"),
        _ => (text, ""),
    };
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = inner.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest.strip_prefix(closing)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_groups() {
        let template = Template::parse("$1-${2}$(1)0 $$1", 2).expect("a template");
        assert_eq!(template.fill(|number| if number == 1 { "a" } else { "b" }), "a-ba0 $1");
        for wrong in ["$", "$x", "${1", "$(1}", "$0", "$3"] {
            assert!(Template::parse(wrong, 2).is_err(), "{wrong}");
        }
    }
}
