//! How many commands a session had.

use std::fmt;

use crate::smtp::Verb;

/// Commands of a session by their kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandCounts(Vec<Count>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Count {
    verb: Option<Verb>,
    accepted: u32,
    all: u32,
}

impl CommandCounts {
    /// One more; without a verb, one that nobody knows.
    pub fn add(&mut self, verb: Option<Verb>, accepted: bool) {
        let place = self.0.iter().position(|count| count.verb == verb).unwrap_or_else(|| {
            self.0.push(Count { verb, accepted: 0, all: 0 });
            self.0.len() - 1
        });
        if let Some(count) = self.0.get_mut(place) {
            count.accepted = count.accepted.saturating_add(u32::from(accepted));
            count.all = count.all.saturating_add(1);
        }
    }
}

impl fmt::Display for CommandCounts {
    /// As Postfix writes them, with a blank before each: ` ehlo=1 rcpt=1/2 commands=2/3`, where one of two was accepted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut accepted, mut all) = (0, 0);
        for count in &self.0 {
            let name = count.verb.map_or_else(|| "unknown".to_owned(), |verb| verb.name().to_ascii_lowercase());
            write_count(f, &name, count.accepted, count.all)?;
            accepted += count.accepted;
            all += count.all;
        }
        write_count(f, "commands", accepted, all)
    }
}

fn write_count(f: &mut fmt::Formatter<'_>, name: &str, accepted: u32, all: u32) -> fmt::Result {
    if accepted == all { write!(f, " {name}={all}") } else { write!(f, " {name}={accepted}/{all}") }
}
