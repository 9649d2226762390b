//! The pipeline: stage lists, the fold over them, verdicts and what happens when a filter fails.
//!
//! Knows filters only as [`Filter`]; what stands behind it (a sandbox, or plain Rust in a test) is not its business.

mod condition;
mod filter;
mod fold;
mod limits;
mod stage;
#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use filter::{
    Decision, Effect, Facts, FailureKind, Filter, FilterError, FilterFuture, Mail, Note, Outcome, Phase, Verdict,
};
pub use fold::{Ended, Observer, StageReport, StageResult, run};
pub use limits::FilterLimits;
pub use stage::{OnError, Stage};
