//! What a filter answers at a moment of a session: a verdict and effects.

use crate::{
    explain,
    outcome::reply,
    wit::{
        session::exports::mailweir::filter::session::{Facts, Note},
        types::{NewField, Verdict},
    },
};

pub use crate::wit::session::exports::mailweir::filter::session::{Decision, Effect};

impl Decision {
    /// Go on with the next stage.
    pub fn next() -> Self {
        Self { verdict: Verdict::Next, reason: None, effects: Vec::new() }
    }

    /// Skip the later stages of the list, for this decision.
    pub fn accept() -> Self {
        Self { verdict: Verdict::Accept, ..Self::next() }
    }

    /// Refuse for good: 500 to 559 and an enhanced code such as `5.7.1`.
    pub fn reject(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Reject(reply(code, enhanced, text)), ..Self::next() }
    }

    /// Refuse for now: 400 to 459 and an enhanced code such as `4.7.1`.
    pub fn defer(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Defer(reply(code, enhanced, text)), ..Self::next() }
    }

    /// Take the message and forget it; no stage is asked any more.
    pub fn discard(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Discard(reason.into()), ..Self::next() }
    }

    /// Keep the message until somebody releases it; later stages may still refuse it.
    pub fn hold(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Hold(reason.into()), ..Self::next() }
    }

    /// Say why. The closure runs only when somebody wants to know.
    #[must_use]
    pub fn because(mut self, reason: impl FnOnce() -> String) -> Self {
        if explain::wanted() {
            self.reason = Some(reason());
        }
        self
    }

    /// Remember something until the end of the session; key at most 64 octets, value at most 1,024.
    #[must_use]
    pub fn remember(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.effects.push(Effect::Note(Note { key: key.into(), value: value.into() }));
        self
    }

    /// Put a field above the message's own. A blank is put before the value.
    #[must_use]
    pub fn prepend_field(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        let value = [b" ", value.as_ref()].concat();
        self.effects.push(Effect::PrependField(NewField { name: name.into(), value }));
        self
    }
}

impl Facts {
    /// What this stage remembered under a key earlier in the session.
    pub fn note(&self, key: &str) -> Option<&[u8]> {
        self.notes.iter().find(|note| note.key == key).map(|note| note.value.as_slice())
    }
}
