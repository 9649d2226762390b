//! Which recipients of the queue somebody means.

use std::time::SystemTime;

use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::rows::{HELD, LEASED, WAITS, milliseconds};

/// Recipients that fulfil all of this; without a condition, all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Of messages with one of these queue ids.
    pub ids: Vec<String>,
    /// Of messages from this address, from `@this.domain`, or from the null sender, `<>`. Without regard to case.
    pub sender: Option<String>,
    /// With this address, or in `@this.domain`. Without regard to case.
    pub recipient: Option<String>,
    /// Of messages that came before this.
    pub before: Option<SystemTime>,
    /// Of messages that came after this.
    pub after: Option<SystemTime>,
    /// Whose last reply or reason has this in it. Without regard to case.
    pub reason: Option<String>,
    /// In this state.
    pub state: Option<State>,
}

/// What a recipient in the queue waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// For its time.
    Waiting,
    /// For the end of an attempt.
    Leased,
    /// For an operator.
    Held,
}

impl State {
    pub(super) fn from_number(number: u8) -> Self {
        match number {
            WAITS => Self::Waiting,
            LEASED => Self::Leased,
            _ => Self::Held,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Waiting => WAITS,
            Self::Leased => LEASED,
            Self::Held => HELD,
        }
    }

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Held => "held",
        }
    }
}

impl Selection {
    /// What stands in a query over `messages` and `recipients` after WHERE, and the values for it.
    pub(super) fn condition(&self) -> (String, Vec<Value>) {
        let mut parts = vec!["1".to_owned()];
        let mut values = Vec::new();
        let mut add = |part: &str, value: Value| {
            parts.push(part.to_owned());
            values.push(value);
        };
        if !self.ids.is_empty() {
            let ids = serde_json::Value::from(self.ids.as_slice()).to_string();
            add("id IN (SELECT value FROM json_each(?))", ids.into());
        }
        match self.sender.as_deref() {
            Some("<>" | "") => add("sender IS NULL OR sender = ?", String::new().into()),
            Some(sender) => add(&matches("sender", sender), sender.to_lowercase().into()),
            None => {}
        }
        if let Some(recipient) = &self.recipient {
            add(&matches("address", recipient), recipient.to_lowercase().into());
        }
        if let Some(before) = self.before {
            add("received < ?", milliseconds(before).into());
        }
        if let Some(after) = self.after {
            add("received > ?", milliseconds(after).into());
        }
        if let Some(reason) = &self.reason {
            add("instr(lower(note), ?) > 0", reason.to_lowercase().into());
        }
        if let Some(state) = self.state {
            add("state = ?", i64::from(state.number()).into());
        }
        (format!("({})", parts.join(") AND (")), values)
    }
}

/// SQL for: the column is this address, or one in `@this.domain`; the value is given in lower case.
pub(crate) fn matches(column: &str, wanted: &str) -> String {
    if wanted.starts_with('@') {
        return format!("lower(substr({column}, -{})) = ?", wanted.chars().count());
    }
    format!("lower({column}) = ?")
}
