//! One entry of a stage list.

use std::{fmt, sync::Arc};

use super::{condition::Condition, filter::Filter};

/// What becomes of a message whose filter failed (`on-error`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// 451 4.3.0: the client tries again. The default, because it loses nothing.
    #[default]
    Defer,
    /// 554 5.3.0.
    Reject,
    /// Go on as if the stage were not there.
    Skip,
}

impl fmt::Display for OnError {
    /// As it is written in the TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defer => "defer",
            Self::Reject => "reject",
            Self::Skip => "skip",
        })
    }
}

/// A filter in its place, with the operator's rules for it.
#[derive(Clone)]
pub struct Stage {
    /// Name for logs, replies and traces: the plugin's, or the stage's `name`.
    pub name: Arc<str>,
    /// What runs.
    pub filter: Arc<dyn Filter>,
    /// `when`: the stage is skipped for messages that don't meet it.
    pub condition: Option<Condition>,
    /// What happens when it fails.
    pub on_error: OnError,
}
