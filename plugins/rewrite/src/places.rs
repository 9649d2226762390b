//! The places of a message where addresses stand, and how a rewriting goes through all of them.

use std::fmt;

use mailweir_sdk::{Failure, Field, Message, Outcome, ReversePath, explain};
use serde::Deserialize;

use crate::{clients::RewriteClients, header};

/// Fields whose addresses are senders' (Postfix header_opts.c).
pub const SENDER_FIELDS: [&str; 10] = [
    "From",
    "Sender",
    "Reply-To",
    "Return-Path",
    "Errors-To",
    "Return-Receipt-To",
    "Disposition-Notification-To",
    "Mail-Followup-To",
    "Resent-From",
    "Resent-Sender",
];

/// Fields whose addresses are recipients'. Resent-Reply-To is one of them, in Postfix as here.
pub const RECIPIENT_FIELDS: [&str; 8] =
    ["To", "Cc", "Bcc", "Apparently-To", "Resent-To", "Resent-Cc", "Resent-Bcc", "Resent-Reply-To"];

/// A class of places; the names are those of Postfix's `*_classes` parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// MAIL FROM.
    EnvelopeSender,
    /// RCPT TO.
    EnvelopeRecipient,
    /// [`SENDER_FIELDS`].
    HeaderSender,
    /// [`RECIPIENT_FIELDS`].
    HeaderRecipient,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EnvelopeSender => "envelope-sender",
            Self::EnvelopeRecipient => "envelope-recipient",
            Self::HeaderSender => "header-sender",
            Self::HeaderRecipient => "header-recipient",
        })
    }
}

/// Where in a message an address stands.
#[derive(Clone, Copy, Debug)]
pub enum Location<'a> {
    /// MAIL FROM.
    Sender,
    /// RCPT TO, counted from 0.
    Recipient(u32),
    /// A header field.
    Field {
        /// As it is spelt there.
        name: &'a str,
        /// [`Place::HeaderSender`] or [`Place::HeaderRecipient`].
        place: Place,
    },
}

impl Location<'_> {
    /// The class that it belongs to.
    pub fn place(self) -> Place {
        match self {
            Self::Sender => Place::EnvelopeSender,
            Self::Recipient(_) => Place::EnvelopeRecipient,
            Self::Field { place, .. } => place,
        }
    }
}

/// As `trace` calls it.
impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender => f.write_str("sender"),
            Self::Recipient(index) => write!(f, "recipient {}", index + 1),
            Self::Field { name, .. } => f.write_str(name),
        }
    }
}

/// An address that stands in the place of another, and why; the reason is made only where somebody wants it.
pub struct Rewritten {
    /// In external form.
    pub address: String,
    /// Which rule.
    pub reason: Box<dyn FnOnce() -> String>,
}

/// Something that gives addresses another form.
pub trait Rewrite {
    /// The new form of an address, or none to leave it as it is.
    fn rewrite(&mut self, at: Location<'_>, address: &str) -> Result<Option<Rewritten>, Failure>;
}

/// Take every address of the envelope through a rewriting, and those of the header if it came from one of `clients`.
///
/// The null sender stays null. A field in which no address changes gets no edit, and so keeps every octet.
pub fn rewrite_message(
    message: &Message,
    clients: &RewriteClients,
    rewriting: &mut dyn Rewrite,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::next();
    if let ReversePath::Address(sender) = message.sender()
        && let Some(new) = rewriting.rewrite(Location::Sender, &sender)?
    {
        outcome.set_sender(ReversePath::Address(new.address)).because(new.reason);
    }
    for (recipient, index) in message.recipients().iter().zip(0..) {
        if let Some(new) = rewriting.rewrite(Location::Recipient(index), recipient)? {
            outcome.replace_recipient(index, new.address).because(new.reason);
        }
    }
    if !clients.is_all() {
        let client = message.client();
        if !clients.includes(&client) {
            let address = &client.address;
            explain::note(|| format!("header fields stay: client {address} is none of `rewrite-clients` ({clients})"));
            return Ok(outcome);
        }
    }
    let names = [SENDER_FIELDS.as_slice(), RECIPIENT_FIELDS.as_slice()].concat();
    for field in message.fields(&names) {
        rewrite_field(&field, rewriting, &mut outcome)?;
    }
    Ok(outcome)
}

fn rewrite_field(field: &Field, rewriting: &mut dyn Rewrite, outcome: &mut Outcome) -> Result<(), Failure> {
    let is_sender = SENDER_FIELDS.iter().any(|name| name.eq_ignore_ascii_case(&field.name));
    let place = if is_sender { Place::HeaderSender } else { Place::HeaderRecipient };
    let at = Location::Field { name: &field.name, place };
    let (mut replacements, mut reasons) = (Vec::new(), Vec::new());
    for old in header::addresses(&field.value) {
        if let Some(new) = rewriting.rewrite(at, &old.address)? {
            replacements.push((old, new.address));
            reasons.push(new.reason);
        }
    }
    if !replacements.is_empty() {
        let value = header::splice(&field.value, &replacements);
        let reasons = || reasons.into_iter().map(|reason| reason()).collect::<Vec<_>>().join("; ");
        outcome.replace_field(field.index, value).because(reasons);
    }
    Ok(())
}
