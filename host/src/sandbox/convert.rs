//! Between the contract's types and ours. What a guest answers is checked here: nonsense is an invalid answer.

use super::{
    bindings::{
        exports::{message as wit_message, session as wit_session},
        interfaces::types,
    },
    guest::Guest,
};
use crate::{
    mail::{Address, Body, Change, Client, Edit, Position, ReversePath},
    pipeline::{Decision, Effect, Facts, Note, Outcome, Phase, Verdict},
    smtp::{EnhancedCode, Reply},
};

/// Octets of a reply's text that are kept.
const LONGEST_REPLY: usize = 400;
/// Characters of a reason or an error's text that are kept.
const LONGEST_REASON: usize = 1_000;

/// Why an answer can't be used, for the log.
pub(super) type Nonsense = String;

pub(super) fn sender_to_wit(sender: &ReversePath) -> types::ReversePath {
    match sender {
        ReversePath::Null => types::ReversePath::Null,
        ReversePath::Address(address) => types::ReversePath::Address(address.as_str().to_owned()),
    }
}

pub(super) fn client_to_wit(client: &Client) -> types::Client {
    types::Client {
        address: client.peer.ip().to_string(),
        port: client.peer.port(),
        name: client.name.clone(),
        helo: client.helo.clone(),
        tls: client.tls.clone(),
        login: client.login.clone(),
        trusted: client.trusted,
    }
}

pub(super) fn facts_to_wit(facts: &Facts) -> wit_session::Facts {
    let note = |note: &Note| wit_session::Note { key: note.key.clone(), value: note.value.clone() };
    wit_session::Facts {
        phase: match facts.phase {
            Phase::Connect => wit_session::Phase::Connect,
            Phase::Helo => wit_session::Phase::Helo,
            Phase::Mail => wit_session::Phase::Mail,
            Phase::Rcpt => wit_session::Phase::Rcpt,
            Phase::Data => wit_session::Phase::Data,
            Phase::EndOfData => wit_session::Phase::EndOfData,
        },
        client: client_to_wit(&facts.client),
        sender: facts.sender.as_ref().map(sender_to_wit),
        recipient: facts.recipient.as_ref().map(ToString::to_string),
        recipient_is_ours: facts.recipient_is_ours,
        recipients: facts.recipients.iter().map(ToString::to_string).collect(),
        size: facts.size,
        notes: facts.notes.iter().map(note).collect(),
    }
}

/// The guest's answer about a message; new bodies are taken out of the guest's state.
pub(super) fn outcome_from_wit(outcome: wit_message::Outcome, guest: &mut Guest) -> Result<Outcome, Nonsense> {
    let mut edits = Vec::with_capacity(outcome.edits.len());
    for (index, edit) in outcome.edits.into_iter().enumerate() {
        let change = change_from_wit(edit.change, guest).map_err(|why| format!("edit {index}: {why}"))?;
        edits.push(Edit { change, reason: edit.reason.as_deref().map(reason) });
    }
    Ok(Outcome {
        verdict: verdict_from_wit(outcome.verdict)?,
        reason: outcome.reason.as_deref().map(reason),
        edits,
        notes: std::mem::take(&mut guest.notes),
        files: std::mem::take(&mut guest.kept),
    })
}

fn change_from_wit(change: wit_message::Change, guest: &mut Guest) -> Result<Change, Nonsense> {
    Ok(match change {
        wit_message::Change::SetSender(types::ReversePath::Null) => Change::SetSender(ReversePath::Null),
        wit_message::Change::SetSender(types::ReversePath::Address(text)) => {
            Change::SetSender(ReversePath::Address(address(&text)?))
        }
        wit_message::Change::AddRecipient(text) => Change::AddRecipient(address(&text)?),
        wit_message::Change::RemoveRecipient(index) => Change::RemoveRecipient(index),
        wit_message::Change::ReplaceRecipient((index, text)) => Change::ReplaceRecipient(index, address(&text)?),
        wit_message::Change::InsertField((position, field)) => {
            let position = match position {
                types::Position::Top => Position::Top,
                types::Position::Bottom => Position::Bottom,
                types::Position::Before(index) => Position::Before(index),
            };
            Change::InsertField { position, name: field.name, value: field.value }
        }
        wit_message::Change::ReplaceField((index, value)) => Change::ReplaceField(index, value),
        wit_message::Change::RemoveField(index) => Change::RemoveField(index),
        wit_message::Change::ReplaceBody(handle) => {
            let content = guest.bodies.get_mut(handle.rep() as usize).and_then(Option::take);
            let content = content.ok_or("its new body is gone")?;
            Change::ReplaceBody(Body::from_pieces(vec![content.freeze()]))
        }
    })
}

/// The guest's answer about a moment of a session.
pub(super) fn decision_from_wit(decision: wit_session::Decision, guest: &mut Guest) -> Result<Decision, Nonsense> {
    let effects = decision.effects.into_iter().enumerate();
    let effects =
        effects.map(|(index, effect)| effect_from_wit(effect).map_err(|why| format!("effect {index}: {why}")));
    Ok(Decision {
        verdict: verdict_from_wit(decision.verdict)?,
        reason: decision.reason.as_deref().map(reason),
        effects: effects.collect::<Result<_, _>>()?,
        trail: std::mem::take(&mut guest.notes),
    })
}

fn effect_from_wit(effect: wit_session::Effect) -> Result<Effect, Nonsense> {
    Ok(match effect {
        wit_session::Effect::AddRecipient(text) => Effect::AddRecipient(address(&text)?),
        wit_session::Effect::Redirect(text) => Effect::Redirect(address(&text)?),
        wit_session::Effect::PrependField(field) => Effect::PrependField { name: field.name, value: field.value },
        wit_session::Effect::PermitRelay => Effect::PermitRelay,
        wit_session::Effect::Note(note) => Effect::Note(Note { key: note.key, value: note.value }),
    })
}

fn verdict_from_wit(verdict: types::Verdict) -> Result<Verdict, Nonsense> {
    Ok(match verdict {
        types::Verdict::Next => Verdict::Next,
        types::Verdict::Accept => Verdict::Accept,
        types::Verdict::Reject(reply) => Verdict::Reject(reply_from_wit(reply, 5)?),
        types::Verdict::Defer(reply) => Verdict::Defer(reply_from_wit(reply, 4)?),
        types::Verdict::Discard(text) => Verdict::Discard(reason(&text)),
        types::Verdict::Hold(text) => Verdict::Hold(reason(&text)),
    })
}

fn reply_from_wit(reply: types::Reply, class: u8) -> Result<Reply, Nonsense> {
    if reply.code / 100 != u16::from(class) || reply.code % 100 > 59 {
        return Err(format!("reply code {} where {class}00 to {class}59 is meant", reply.code));
    }
    let enhanced = match &reply.enhanced {
        None => EnhancedCode(class, 7, 1),
        Some(text) => enhanced_code(text, class)
            .ok_or_else(|| format!("enhanced code `{}` beside {}", reason(text), reply.code))?,
    };
    Ok(Reply::new(reply.code, enhanced, reply_text(&reply.text)))
}

/// RFC 3463 2: class, subject and detail, each at most three digits.
fn enhanced_code(text: &str, class: u8) -> Option<EnhancedCode> {
    let number = |part: &str| {
        let digits = (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| digits)
    };
    let mut parts = text.split('.').map(number);
    let (first, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && first == u16::from(class)).then_some(EnhancedCode(class, subject, detail))
}

/// As `reply.text` in `wit/types.wit` promises.
fn reply_text(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
    printable.take(LONGEST_REPLY).collect()
}

/// A guest's text for a log or a terminal: line ends and other control characters would say what the guest has no say in.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A guest's text that is kept beside the message.
pub(super) fn reason(text: &str) -> String {
    let mut line = one_line(text);
    if let Some((end, _)) = line.char_indices().nth(LONGEST_REASON) {
        line.truncate(end);
    }
    line
}

fn address(text: &str) -> Result<Address, Nonsense> {
    Address::parse(text).map_err(|error| format!("`{}` is no address: {error}", reason(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, enhanced: Option<&str>, text: &str, class: u8) -> Result<Reply, Nonsense> {
        let reply = types::Reply { code, enhanced: enhanced.map(str::to_owned), text: text.to_owned() };
        reply_from_wit(reply, class)
    }

    #[test]
    fn a_reply_fits_its_verdict() {
        assert_eq!(reply(550, Some("5.7.1"), "no", 5), Ok(Reply::new(550, EnhancedCode(5, 7, 1), "no")));
        assert_eq!(reply(451, None, "later", 4), Ok(Reply::new(451, EnhancedCode(4, 7, 1), "later")));
        for (code, class) in [(0, 5), (250, 5), (450, 5), (550, 4), (560, 5), (600, 5), (u16::MAX, 5)] {
            reply(code, None, "", class).expect_err("another class");
        }
    }

    #[test]
    fn enhanced_codes_are_three_short_numbers() {
        assert_eq!(enhanced_code("5.999.0", 5), Some(EnhancedCode(5, 999, 0)));
        for nonsense in
            ["", "5", "5.7", "5.7.1.2", "5.7.", ".7.1", "4.7.1", "+5.7.1", "5.7.1000", "5.-7.1", "5.7.x", "05.7.1 "]
        {
            assert_eq!(enhanced_code(nonsense, 5), None, "{nonsense:?}");
        }
    }

    #[test]
    fn texts_are_one_line_and_not_endless() {
        assert_eq!(reply_text("a\r\nb\u{e9}\0"), "a??b??");
        assert_eq!(reply_text(&"\u{e9}".repeat(1_000)).len(), LONGEST_REPLY);
        assert_eq!(reason("a\r\nb\u{1b}[1m\u{e9}"), "a  b [1m\u{e9}");
        assert_eq!(reason(&"\u{e9}".repeat(2_000)).chars().count(), LONGEST_REASON);
    }
}
