//! The only way that a message changes: a list of edits, all applied or none.

use std::collections::BTreeSet;

use super::{
    address::{Address, ReversePath},
    envelope::{Envelope, Recipient},
    field_rules::{FieldError, check_field, check_value},
    message::{Body, Field, Message},
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// No field has this index.
    #[error("edit {edit}: there is no field {index}, the message has {count}")]
    NoSuchField {
        /// Index of the edit.
        edit: usize,
        /// The index it names.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Two edits of one thing can't both be meant.
    #[error("edit {edit} changes what an edit before it changes already")]
    Twice {
        /// Index of the second edit.
        edit: usize,
    },
    /// The field can't go into a message.
    #[error("edit {edit}: {error}")]
    Field {
        /// Index of the edit.
        edit: usize,
        /// Why.
        error: FieldError,
    },
    /// A message to nobody is a discard, which has a verdict of its own.
    #[error("no recipient would be left; `discard` is the verdict for that")]
    NoRecipients,
}

/// Check all edits, then apply all of them; on an error nothing has changed.
///
/// What no edit touches stays as it is, to the last octet.
pub fn apply(edits: &[Edit], envelope: &mut Envelope, message: &mut Message) -> Result<(), EditError> {
    check(edits, envelope, message)?;
    apply_to_envelope(edits, envelope);
    apply_to_header(edits, message);
    for edit in edits {
        if let Change::ReplaceBody(body) = &edit.change {
            message.replace_body(body.clone());
        }
    }
    Ok(())
}

/// What two edits must not both touch.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Sender,
    Recipient(u32),
    Field(u32),
    Body,
}

fn check(edits: &[Edit], envelope: &Envelope, message: &Message) -> Result<(), EditError> {
    let mut touched = BTreeSet::new();
    let (recipients, fields) = (envelope.recipients.len(), message.fields().len());
    let (mut removed, mut added) = (0, 0);
    for (edit, Edit { change, .. }) in edits.iter().enumerate() {
        let in_envelope = |index: u32| match envelope.recipients.get(index as usize) {
            Some(_) => Ok(Target::Recipient(index)),
            None => Err(EditError::NoSuchRecipient { edit, index, count: recipients }),
        };
        let in_header = |index: u32| {
            message.fields().get(index as usize).ok_or(EditError::NoSuchField { edit, index, count: fields })
        };
        let field_error = |error| EditError::Field { edit, error };
        let target = match change {
            Change::SetSender(_) => Some(Target::Sender),
            Change::AddRecipient(_) => {
                added += 1;
                None
            }
            Change::RemoveRecipient(index) => {
                removed += 1;
                Some(in_envelope(*index)?)
            }
            Change::ReplaceRecipient(index, _) => Some(in_envelope(*index)?),
            Change::InsertField { position, name, value } => {
                if let Position::Before(index) = position {
                    in_header(*index)?;
                }
                check_field(name, value).map_err(field_error)?;
                None
            }
            Change::ReplaceField(index, value) => {
                check_value(in_header(*index)?.name().len() + 1, value).map_err(field_error)?;
                Some(Target::Field(*index))
            }
            Change::RemoveField(index) => in_header(*index).map(|_| Some(Target::Field(*index)))?,
            Change::ReplaceBody(_) => Some(Target::Body),
        };
        if target.is_some_and(|target| !touched.insert(target)) {
            return Err(EditError::Twice { edit });
        }
    }
    if removed == recipients && added == 0 && removed > 0 { Err(EditError::NoRecipients) } else { Ok(()) }
}

fn apply_to_envelope(edits: &[Edit], envelope: &mut Envelope) {
    let mut removed = BTreeSet::new();
    let mut added = Vec::new();
    for edit in edits {
        match &edit.change {
            Change::SetSender(sender) => envelope.sender.clone_from(sender),
            Change::AddRecipient(address) => added.push(address),
            Change::RemoveRecipient(index) => drop(removed.insert(*index as usize)),
            Change::ReplaceRecipient(index, address) => {
                if let Some(recipient) = envelope.recipients.get_mut(*index as usize) {
                    recipient.address.clone_from(address);
                }
            }
            _ => {}
        }
    }
    if !removed.is_empty() {
        let mut index = 0..;
        envelope.recipients.retain(|_| index.next().is_none_or(|index| !removed.contains(&index)));
    }
    for address in added {
        if envelope.recipients.iter().all(|recipient| recipient.address != *address) {
            envelope.recipients.push(Recipient::new(address.clone()));
        }
    }
}

fn apply_to_header(edits: &[Edit], message: &mut Message) {
    let changes_header = |change: &Change| {
        matches!(change, Change::InsertField { .. } | Change::ReplaceField(..) | Change::RemoveField(_))
    };
    if !edits.iter().any(|edit| changes_header(&edit.change)) {
        return;
    }
    // One slot a field, with what goes in before it; the last slot is the place below all fields.
    let mut slots: Vec<(Vec<Field>, Option<Field>)> =
        message.fields.drain(..).map(|field| (Vec::new(), Some(field))).chain([(Vec::new(), None)]).collect();
    let last = slots.len() - 1;
    let mut top = Vec::new();
    for edit in edits {
        match &edit.change {
            Change::InsertField { position, name, value } => {
                let field = Field::new(name, value);
                match position {
                    Position::Top => top.push(field),
                    Position::Bottom => slots.get_mut(last).into_iter().for_each(|slot| slot.0.push(field.clone())),
                    Position::Before(index) => {
                        slots.get_mut(*index as usize).into_iter().for_each(|slot| slot.0.push(field.clone()));
                    }
                }
            }
            Change::ReplaceField(index, value) => {
                if let Some((_, Some(field))) = slots.get_mut(*index as usize) {
                    *field = field.with_value(value);
                }
            }
            Change::RemoveField(index) => {
                if let Some((_, field)) = slots.get_mut(*index as usize) {
                    *field = None;
                }
            }
            _ => {}
        }
    }
    message.fields = top;
    message.fields.extend(slots.into_iter().flat_map(|(before, field)| before.into_iter().chain(field)));
    message.keep_apart();
}
