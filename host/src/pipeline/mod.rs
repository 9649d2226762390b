//! The pipeline: stage lists, the fold over them, verdicts and what happens when a filter fails.
//!
//! Knows filters only as [`Filter`]; what stands behind it (a sandbox, or plain Rust in a test) is not its business.

use std::sync::Arc;

mod condition;
mod filter;
mod fold;
mod limits;
mod session;
mod stage;
#[cfg(test)]
mod tests;
mod usage;

pub use condition::Condition;
pub use filter::{
    Decision, Effect, Facts, FailureKind, Filter, FilterError, FilterFuture, Mail, Note, Outcome, Phase, Verdict,
};
pub use fold::{Ended, Observer, StageReport, StageResult, StageTime, run};
pub use limits::FilterLimits;
pub use session::{DecisionReport, Gathered, Refusal, SessionStage, SessionStages};
pub use stage::{OnError, Stage};
pub use usage::{TIME_LIMITS, Totals, Usage};

/// The three stage lists of the TOML.
#[derive(Clone, Default)]
pub struct Pipeline {
    /// `[[session]]`.
    pub session: Arc<[SessionStage]>,
    /// `[[message]]`.
    pub message: Arc<[Stage]>,
    /// `[[delivery]]`.
    pub delivery: Arc<[Stage]>,
}
