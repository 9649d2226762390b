//! The chain without sandboxes: the filters' own crates, called as plain Rust.
//!
//! The message is copied into the SDK's native type at each call, and its answer back: about what a relay with built-in filters
//! would do to give each of them a view of its own.

use std::sync::Arc;

use mailweir::{
    mail::{Address, Body, Change, Edit, Position, ReversePath},
    pipeline::{Decision, Facts, Filter, FilterFuture, Mail, OnError, Outcome, Stage, Verdict},
};
use mailweir_sdk as sdk;
use serde_json::Value;

use crate::reference;

struct Native<F> {
    filter: F,
    reads_body: bool,
}

impl<F: sdk::MessageFilter> Filter for Native<F> {
    fn message<'a>(&'a self, mail: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        Box::pin(async {
            let outcome = self.filter.filter(&message(mail, self.reads_body)).expect("it answers");
            assert_eq!(outcome.verdict, sdk::Verdict::Next);
            let edits = outcome.edits.into_iter().map(|edit| Edit { change: change(edit.change), reason: edit.reason });
            Ok(Outcome {
                verdict: Verdict::Next,
                reason: outcome.reason,
                edits: edits.collect(),
                notes: Vec::new(),
                files: Vec::new(),
            })
        })
    }

    fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        unreachable!("these filters stand in [[message]]")
    }
}

fn message(mail: &Mail, with_body: bool) -> sdk::Message {
    let mut builder = sdk::Message::builder();
    if let ReversePath::Address(address) = &mail.envelope.sender {
        builder = builder.sender(address.as_str());
    }
    for recipient in &mail.envelope.recipients {
        builder = builder.recipient(recipient.address.as_str());
    }
    for field in mail.message.fields() {
        builder = builder.raw_field(field.name(), field.value());
    }
    if with_body {
        let body = mail.message.body();
        builder = builder.body(&body.read(0, body.len() as usize));
    }
    builder.build()
}

fn change(change: sdk::Change) -> Change {
    let address = |text: &str| Address::parse(text).expect("an address");
    let position = |position| match position {
        sdk::Position::Top => Position::Top,
        sdk::Position::Bottom => Position::Bottom,
        sdk::Position::Before(index) => Position::Before(index),
    };
    match change {
        sdk::Change::SetSender(sdk::ReversePath::Null) => Change::SetSender(ReversePath::Null),
        sdk::Change::SetSender(sdk::ReversePath::Address(text)) => {
            Change::SetSender(ReversePath::Address(address(&text)))
        }
        sdk::Change::AddRecipient(text) => Change::AddRecipient(address(&text)),
        sdk::Change::RemoveRecipient(index) => Change::RemoveRecipient(index),
        sdk::Change::ReplaceRecipient(index, text) => Change::ReplaceRecipient(index, address(&text)),
        sdk::Change::InsertField(at, name, value) => Change::InsertField { position: position(at), name, value },
        sdk::Change::ReplaceField(index, value) => Change::ReplaceField(index, value),
        sdk::Change::RemoveField(index) => Change::RemoveField(index),
        sdk::Change::ReplaceBody(body) => Change::ReplaceBody(Body::from_pieces(vec![body.octets().to_vec().into()])),
    }
}

fn configured<F: sdk::MessageFilter>(config: &Value, reads_body: bool) -> Arc<dyn Filter> {
    let config = serde_json::from_value(config.clone()).expect("a configuration");
    let filter = F::configure(config).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    Arc::new(Native { filter, reads_body })
}

/// The same stages as [`reference::chain`].
pub(crate) fn chain() -> Vec<Stage> {
    for name in ["canonical", "generic"] {
        let others: Vec<_> = reference::other_rows().collect();
        let others = others.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let rows = reference::ROWS.iter().filter(|row| row.0 == name).map(|row| (row.1, row.2));
        sdk::native::table(name, &others.chain(rows).collect::<Vec<_>>());
    }
    let stage = |(name, plugin, config): (&str, &str, Value)| {
        let filter = match plugin {
            "tag-external" => configured::<tag_external::TagExternal>(&config, false),
            "hide-internal" => configured::<hide_internal::HideInternal>(&config, false),
            "canonical" => configured::<canonical::Canonical>(&config, false),
            "generic" => configured::<generic::Generic>(&config, false),
            _ => configured::<masquerade::Masquerade>(&config, false),
        };
        Stage { name: name.into(), filter, condition: None, on_error: OnError::Defer }
    };
    reference::stages().map(stage).into()
}

/// The same stage as [`reference::attachments`].
pub(crate) fn attachments() -> Stage {
    let filter = configured::<attachments::Attachments>(&reference::strip(), true);
    Stage { name: "attachments".into(), filter, condition: None, on_error: OnError::Defer }
}
