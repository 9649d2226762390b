//! Refuses clients that greet with a name that can't be theirs, and slows down those that send to many at once.

use mailweir_sdk::{ConfigError, Decision, Facts, Failure, Filter, Phase, SessionFilter};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Names that no client outside may greet with, such as our own.
    #[serde(default)]
    refuse: Vec<String>,
    /// Recipients that a client outside may name in one session.
    #[serde(default = "default_recipients")]
    max_recipients: u32,
}

fn default_recipients() -> u32 {
    100
}

/// The filter.
#[derive(Debug)]
pub struct GreetCheck(Config);

impl Filter for GreetCheck {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        if config.max_recipients == 0 {
            return Err(vec![ConfigError::new("max-recipients", "with 0 nobody could send anything")]);
        }
        Ok(Self(config))
    }
}

impl SessionFilter for GreetCheck {
    fn decide(&self, facts: &Facts) -> Result<Decision, Failure> {
        if facts.client.trusted {
            return Ok(Decision::next().because(|| "the client is trusted".to_owned()));
        }
        match facts.phase {
            Phase::Helo => Ok(self.check_name(facts.client.helo.as_deref().unwrap_or_default())),
            Phase::Rcpt => self.count_recipient(facts),
            _ => Ok(Decision::next()),
        }
    }
}

impl GreetCheck {
    fn check_name(&self, name: &str) -> Decision {
        if self.0.refuse.iter().any(|refused| refused.eq_ignore_ascii_case(name)) {
            return Decision::reject(550, "5.7.1", format!("You are not {name}"))
                .because(|| format!("{name} is refused"));
        }
        Decision::next()
    }

    /// The count lives in a note: each decision has a fresh filter that remembers nothing by itself.
    fn count_recipient(&self, facts: &Facts) -> Result<Decision, Failure> {
        let before: u32 = match facts.note("recipients") {
            Some(count) => str::from_utf8(count)?.parse()?,
            None => 0,
        };
        if before >= self.0.max_recipients {
            return Ok(Decision::defer(452, "4.5.3", "Too many recipients in this session"));
        }
        Ok(Decision::next().remember("recipients", (before + 1).to_string()))
    }
}

mailweir_sdk::export!(GreetCheck: session);

#[cfg(test)]
mod tests {
    use mailweir_sdk::{Client, Effect, Note, Verdict};

    use super::*;

    fn facts(phase: Phase, helo: &str, notes: Vec<Note>) -> Facts {
        let client = Client {
            address: "192.0.2.1".to_owned(),
            port: 40_000,
            name: None,
            helo: Some(helo.to_owned()),
            tls: None,
            login: None,
            trusted: false,
        };
        let (sender, recipient, recipients, size) = (None, None, vec![], None);
        Facts { phase, client, sender, recipient, recipient_is_ours: true, recipients, size, notes }
    }

    fn filter() -> GreetCheck {
        GreetCheck(Config { refuse: vec!["relay.example.com".to_owned()], max_recipients: 2 })
    }

    #[test]
    fn refuses_our_own_name() {
        let decision = filter().decide(&facts(Phase::Helo, "Relay.Example.com", vec![])).expect("a decision");
        assert!(matches!(decision.verdict, Verdict::Reject(reply) if reply.code == 550));
        let decision = filter().decide(&facts(Phase::Helo, "client.example", vec![])).expect("a decision");
        assert_eq!(decision.verdict, Verdict::Next);
    }

    #[test]
    fn counts_recipients_over_the_session() {
        let mut notes = vec![];
        for _ in 0..2 {
            let decision = filter().decide(&facts(Phase::Rcpt, "client.example", notes)).expect("a decision");
            assert_eq!(decision.verdict, Verdict::Next);
            let note = |effect| if let Effect::Note(note) = effect { Some(note) } else { None };
            notes = decision.effects.into_iter().filter_map(note).collect();
        }
        let decision = filter().decide(&facts(Phase::Rcpt, "client.example", notes)).expect("a decision");
        assert!(matches!(decision.verdict, Verdict::Defer(reply) if reply.code == 452));
    }
}
