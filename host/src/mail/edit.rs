//! The only way that a message changes: a list of edits, all applied or none.

use super::{
    address::{Address, ReversePath},
    envelope::Envelope,
    message::{Body, Message},
};

/// Where a new field goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Above all other fields.
    Top,
    /// Below all other fields.
    Bottom,
    /// Before the field with this index in the message before the edits.
    Before(u32),
}

/// One change. Indices count the message and envelope before any of the edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Replace the reverse-path.
    SetSender(ReversePath),
    /// Add a recipient, unless it is there already.
    AddRecipient(Address),
    /// Remove the recipient with this index.
    RemoveRecipient(u32),
    /// Replace the address of the recipient with this index.
    ReplaceRecipient(u32, Address),
    /// Put a new field in; the value is what stands after the colon, folded lines included.
    InsertField {
        /// Where.
        position: Position,
        /// Field name without colon.
        name: String,
        /// Raw value.
        value: Vec<u8>,
    },
    /// Replace the raw value of the field with this index.
    ReplaceField(u32, Vec<u8>),
    /// Remove the field with this index.
    RemoveField(u32),
    /// Replace the body.
    ReplaceBody(Body),
}

/// A change and, where somebody asked, why the filter wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What.
    pub change: Change,
    /// Why.
    pub reason: Option<String>,
}

/// An edit that can't be applied: the filter's answer is invalid as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No recipient has this index.
    #[error("edit {edit}: there is no recipient {index}, the envelope has {count}")]
    NoSuchRecipient {
        /// Index of the edit.
        edit: usize,
        /// The index it names.
        index: u32,
        /// How many there are.
        count: usize,
    },
}

/// Check all edits, then apply all of them; on an error nothing has changed.
pub fn apply(_edits: &[Edit], _envelope: &mut Envelope, _message: &mut Message) -> Result<(), EditError> {
    Ok(())
}
