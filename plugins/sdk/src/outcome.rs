//! What a filter answers about a message: a verdict and edits.

use crate::{
    explain,
    host::Body,
    wit::types::{Position, Reply, ReversePath, Verdict},
};

/// A filter's answer about a message.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// What is to become of the message.
    pub verdict: Verdict,
    /// Why, for `trace` and `explain`.
    pub reason: Option<String>,
    /// What to change. Indices count fields and recipients as the filter saw them, whatever other edits do.
    pub edits: Vec<Edit>,
}

/// One change, and why.
#[derive(Debug, PartialEq)]
pub struct Edit {
    /// What.
    pub change: Change,
    /// Why, for `trace` and `explain`.
    pub reason: Option<String>,
}

impl Edit {
    /// Say why. The closure runs only when somebody wants to know.
    pub fn because(&mut self, reason: impl FnOnce() -> String) {
        if explain::wanted() {
            self.reason = Some(reason());
        }
    }
}

/// One change.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// Replace the reverse-path.
    SetSender(ReversePath),
    /// Add a recipient, unless it is there already.
    AddRecipient(String),
    /// Remove the recipient with this index.
    RemoveRecipient(u32),
    /// Replace the address of the recipient with this index.
    ReplaceRecipient(u32, String),
    /// Put a new field in; the value is raw, with its leading blank.
    InsertField(Position, String, Vec<u8>),
    /// Replace the raw value of the field with this index.
    ReplaceField(u32, Vec<u8>),
    /// Remove the field with this index.
    RemoveField(u32),
    /// Replace the body.
    ReplaceBody(Body),
}

impl Outcome {
    /// Go on with the next stage.
    pub fn next() -> Self {
        Self { verdict: Verdict::Next, reason: None, edits: Vec::new() }
    }

    /// Refuse for good. The code is 500 to 559 and the enhanced code (RFC 3463) something like `5.7.1`.
    pub fn reject(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Reject(reply(code, enhanced, text)), ..Self::next() }
    }

    /// Refuse for now. The code is 400 to 459 and the enhanced code something like `4.7.1`.
    pub fn defer(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Defer(reply(code, enhanced, text)), ..Self::next() }
    }

    /// Take the message and keep it in the queue until somebody releases it.
    pub fn hold(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Hold(reason.into()), ..Self::next() }
    }

    /// Take the message and forget it.
    pub fn discard(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Discard(reason.into()), ..Self::next() }
    }

    /// Say why this verdict. The closure runs only when somebody wants to know.
    #[must_use]
    pub fn because(mut self, reason: impl FnOnce() -> String) -> Self {
        if explain::wanted() {
            self.reason = Some(reason());
        }
        self
    }

    /// Replace the reverse-path.
    pub fn set_sender(&mut self, sender: ReversePath) -> &mut Edit {
        self.change(Change::SetSender(sender))
    }

    /// Add a recipient, unless it is there already.
    pub fn add_recipient(&mut self, address: impl Into<String>) -> &mut Edit {
        self.change(Change::AddRecipient(address.into()))
    }

    /// Remove the recipient with this index.
    pub fn remove_recipient(&mut self, index: u32) -> &mut Edit {
        self.change(Change::RemoveRecipient(index))
    }

    /// Replace the address of the recipient with this index.
    pub fn replace_recipient(&mut self, index: u32, address: impl Into<String>) -> &mut Edit {
        self.change(Change::ReplaceRecipient(index, address.into()))
    }

    /// Put a new field above all others. A blank is put before the value.
    pub fn insert_field_on_top(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> &mut Edit {
        self.insert_field(Position::Top, name, value)
    }

    /// Put a new field somewhere. A blank is put before the value.
    pub fn insert_field(&mut self, at: Position, name: impl Into<String>, value: impl AsRef<[u8]>) -> &mut Edit {
        self.change(Change::InsertField(at, name.into(), [b" ", value.as_ref()].concat()))
    }

    /// Replace the value of the field with this index: raw, so it normally begins with a blank.
    pub fn replace_field(&mut self, index: u32, raw: impl Into<Vec<u8>>) -> &mut Edit {
        self.change(Change::ReplaceField(index, raw.into()))
    }

    /// Remove the field with this index.
    pub fn remove_field(&mut self, index: u32) -> &mut Edit {
        self.change(Change::RemoveField(index))
    }

    /// Replace the body.
    pub fn replace_body(&mut self, body: Body) -> &mut Edit {
        self.change(Change::ReplaceBody(body))
    }

    fn change(&mut self, change: Change) -> &mut Edit {
        self.edits.push(Edit { change, reason: None });
        let last = self.edits.len() - 1;
        &mut self.edits[last]
    }
}

pub(crate) fn reply(code: u16, enhanced: &str, text: impl Into<String>) -> Reply {
    Reply { code, enhanced: Some(enhanced.to_owned()), text: text.into() }
}
