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
        edits.push(Edit { change, reason: edit.reason });
    }
    Ok(Outcome {
        verdict: verdict_from_wit(outcome.verdict)?,
        reason: outcome.reason,
        edits,
        notes: std::mem::take(&mut guest.notes),
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
        reason: decision.reason,
        effects: effects.collect::<Result<_, _>>()?,
        trail: std::mem::take(&mut guest.notes),
    })
}

fn effect_from_wit(effect: wit_session::Effect) -> Result<Effect, Nonsense> {
    Ok(match effect {
        wit_session::Effect::AddRecipient(text) => Effect::AddRecipient(address(&text)?),
        wit_session::Effect::Redirect(text) => Effect::Redirect(address(&text)?),
        wit_session::Effect::PrependField(field) => Effect::PrependField { name: field.name, value: field.value },
        wit_session::Effect::Note(note) => Effect::Note(Note { key: note.key, value: note.value }),
    })
}

fn verdict_from_wit(verdict: types::Verdict) -> Result<Verdict, Nonsense> {
    Ok(match verdict {
        types::Verdict::Next => Verdict::Next,
        types::Verdict::Accept => Verdict::Accept,
        types::Verdict::Reject(reply) => Verdict::Reject(reply_from_wit(reply, 5)?),
        types::Verdict::Defer(reply) => Verdict::Defer(reply_from_wit(reply, 4)?),
        types::Verdict::Discard(reason) => Verdict::Discard(reason),
        types::Verdict::Hold(reason) => Verdict::Hold(reason),
    })
}

fn reply_from_wit(reply: types::Reply, class: u8) -> Result<Reply, Nonsense> {
    if reply.code / 100 != u16::from(class) || reply.code % 100 > 59 {
        return Err(format!("reply code {} where {class}00 to {class}59 is meant", reply.code));
    }
    let enhanced = match &reply.enhanced {
        None => EnhancedCode(class, 7, 1),
        Some(text) => {
            enhanced_code(text, class).ok_or_else(|| format!("enhanced code `{text}` beside {}", reply.code))?
        }
    };
    Ok(Reply::new(reply.code, enhanced, one_line(&reply.text)))
}

/// RFC 3463 2: class, subject and detail, each at most three digits.
fn enhanced_code(text: &str, class: u8) -> Option<EnhancedCode> {
    let mut parts = text.split('.').map(|part| part.parse::<u16>().ok().filter(|number| *number <= 999));
    let (first, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && first == u16::from(class)).then_some(EnhancedCode(class, subject, detail))
}

fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    line.truncate(LONGEST_REPLY);
    line
}

fn address(text: &str) -> Result<Address, Nonsense> {
    Address::parse(text).map_err(|error| format!("`{}` is no address: {error}", one_line(text)))
}
