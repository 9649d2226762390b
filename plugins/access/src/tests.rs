//! Rules of access(5) and of restriction lists, by the ids that name them where they are collected. One file a subject.

mod configuration;
mod lists;
mod relaying;
mod restrictions;
mod tables;

use mailweir_sdk::{Client, Effect, Verdict, native};

use super::*;

pub(super) use mailweir_sdk::{Note, Phase, ReversePath};

/// A filter by its configuration in JSON, as the relay gives it.
fn filter(config: &str) -> Access {
    let config = serde_json::from_str(config).expect("a configuration");
    Access::configure(config).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// At RCPT: a stranger at 192.0.2.1 who says `client.example`, from `joe@sender.example` to `ann@ours.example`.
fn rcpt() -> Facts {
    Facts {
        phase: Phase::Rcpt,
        client: Client {
            address: "192.0.2.1".to_owned(),
            port: 40_000,
            name: None,
            helo: Some("client.example".to_owned()),
            tls: None,
            login: None,
            trusted: false,
        },
        sender: Some(ReversePath::Address("joe@sender.example".to_owned())),
        recipient: Some("ann@ours.example".to_owned()),
        recipient_is_ours: true,
        recipients: vec![],
        size: None,
        notes: vec![],
    }
}

fn to(recipient: &str) -> Facts {
    Facts { recipient: Some(recipient.to_owned()), recipient_is_ours: recipient.ends_with("@ours.example"), ..rcpt() }
}

fn from(sender: &str) -> Facts {
    let sender = if sender.is_empty() { ReversePath::Null } else { ReversePath::Address(sender.to_owned()) };
    Facts { sender: Some(sender), ..rcpt() }
}

/// What is said: a reply, or the other verdicts by their names.
fn said(filter: &Access, facts: &Facts) -> String {
    match filter.decide(facts).expect("a decision").verdict {
        Verdict::Reject(reply) | Verdict::Defer(reply) => {
            format!("{} {} {}", reply.code, reply.enhanced.unwrap_or_default(), reply.text)
        }
        Verdict::Discard(reason) => format!("discard {reason}"),
        Verdict::Hold(reason) => format!("hold {reason}"),
        Verdict::Next => "next".to_owned(),
        Verdict::Accept => "accept".to_owned(),
    }
}

/// What is said with this configuration.
fn says(config: &str, facts: &Facts) -> String {
    said(&filter(config), facts)
}

fn effects(filter: &Access, facts: &Facts) -> Vec<Effect> {
    filter.decide(facts).expect("a decision").effects
}

fn permits_relay(filter: &Access, facts: &Facts) -> bool {
    effects(filter, facts).contains(&Effect::PermitRelay)
}
