//! The fold: each stage sees what the one before it left. It is here and nowhere else.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    filter::{Filter, FilterError, Mail, Outcome, Verdict, invalid_answer},
    stage::{OnError, Stage},
};
use crate::{
    files::Kept,
    mail::{self, Edit},
    smtp::{EnhancedCode, Reply},
};

/// How a message came out of a stage list.
#[derive(Debug)]
pub struct Ended {
    /// As the last stage left it.
    pub mail: Arc<Mail>,
    /// `Next` and `Accept` both mean: go on with it.
    pub verdict: Verdict,
    /// The stage that had the last word; none after `Next`.
    pub stage: Option<Arc<str>>,
    /// Files that the stages wrote; dropped, they are gone.
    pub files: Vec<Kept>,
    /// What each stage took that ran, in order.
    pub times: Vec<StageTime>,
}

/// What one stage took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTime {
    /// Name of the stage.
    pub stage: Arc<str>,
    /// Wall time in it.
    pub elapsed: Duration,
}

/// What one stage did, for those who want to see it.
pub struct StageReport<'a> {
    /// Index in the list.
    pub index: usize,
    /// Name of the stage.
    pub stage: &'a str,
    /// The message as the stage saw it.
    pub before: &'a Mail,
    /// The message as the stage left it.
    pub after: &'a Mail,
    /// What it did.
    pub result: StageResult<'a>,
    /// Wall time in the stage.
    pub elapsed: Duration,
}

/// How a stage ended.
pub enum StageResult<'a> {
    /// It ran and answered; its edits are applied, unless the verdict made them pointless.
    Ran {
        /// What is to become of the message.
        verdict: &'a Verdict,
        /// Why, where asked.
        reason: Option<&'a str>,
        /// What changed.
        edits: &'a [Edit],
        /// The way to the answer, where asked.
        notes: &'a [String],
    },
    /// Its condition isn't met; the part that isn't.
    Skipped(&'a str),
    /// It failed; what the operator wants then.
    Failed(&'a FilterError, OnError),
}

/// Somebody who wants to see each stage's part: `trace`, metrics, tests.
pub trait Observer {
    /// Whether reports are wanted at all; where not, no copy of a message is made for them.
    fn watches(&self) -> bool {
        true
    }

    /// Called after each stage.
    fn stage(&mut self, report: StageReport<'_>);
}

/// Nobody.
impl Observer for () {
    fn watches(&self) -> bool {
        false
    }

    fn stage(&mut self, _: StageReport<'_>) {}
}

/// Run a message through a list of stages.
///
/// Ends early at `accept`, `reject`, `defer`, `discard` and `hold`: after them no stage of this list runs. Edits beside `reject`
/// and `defer` are ignored; beside the others they are applied.
pub async fn run(stages: &[Stage], mail: Mail, observer: &mut (dyn Observer + Send)) -> Ended {
    let mut mail = Arc::new(mail);
    let (mut files, mut times) = (Vec::new(), Vec::with_capacity(stages.len()));
    for (index, stage) in stages.iter().enumerate() {
        let begin = Instant::now();
        let before = observer.watches().then(|| Arc::clone(&mail));
        let report = |after: &Mail, result: StageResult<'_>, observer: &mut (dyn Observer + Send)| {
            if let Some(before) = &before {
                let elapsed = begin.elapsed();
                observer.stage(StageReport { index, stage: &stage.name, before, after, result, elapsed });
            }
        };
        if let Some(unmet) = stage.condition.as_ref().and_then(|condition| condition.unmet(&mail)) {
            report(&mail, StageResult::Skipped(&unmet), observer);
            continue;
        }
        let answer = stage.filter.message(&mail).await;
        let answer = answer.and_then(|outcome| apply(&*stage.filter, outcome, &mut mail));
        times.push(StageTime { stage: Arc::clone(&stage.name), elapsed: begin.elapsed() });
        match answer {
            Ok(Outcome { verdict, reason, edits, notes, files: written }) => {
                files.extend(written);
                let result =
                    StageResult::Ran { verdict: &verdict, reason: reason.as_deref(), edits: &edits, notes: &notes };
                report(&mail, result, observer);
                if verdict != Verdict::Next {
                    return Ended { mail, verdict, stage: Some(Arc::clone(&stage.name)), files, times };
                }
            }
            Err(error) => {
                report(&mail, StageResult::Failed(&error, stage.on_error), observer);
                tell(stage, &mail.id, &error);
                if let Some(verdict) = verdict_on_error(&stage.name, stage.on_error) {
                    return Ended { mail, verdict, stage: Some(Arc::clone(&stage.name)), files, times };
                }
            }
        }
    }
    Ended { mail, verdict: Verdict::Next, stage: None, files, times }
}

/// Apply an answer's edits, unless the message goes no further.
fn apply(filter: &dyn Filter, outcome: Outcome, mail: &mut Arc<Mail>) -> Result<Outcome, FilterError> {
    if outcome.edits.is_empty() || matches!(outcome.verdict, Verdict::Reject(_) | Verdict::Defer(_)) {
        return Ok(outcome);
    }
    // Copies the lists of fields and recipients only while an observer still holds the message as it was.
    let Mail { envelope, message, .. } = Arc::make_mut(mail);
    match mail::apply(&outcome.edits, envelope, message) {
        Ok(()) => Ok(outcome),
        Err(error) => Err(invalid_answer(filter, error.to_string())),
    }
}

/// Log a failure so that the author of the filter finds it.
pub(super) fn tell(stage: &Stage, id: &str, error: &FilterError) {
    tracing::warn!(
        stage = &*stage.name,
        id,
        kind = ?error.kind,
        on_error = %stage.on_error,
        backtrace = error.backtrace.join(" < "),
        "filter failed: {error}"
    );
}

/// The operator's will, as a verdict; none to go on.
pub(super) fn verdict_on_error(stage: &str, on_error: OnError) -> Option<Verdict> {
    match on_error {
        OnError::Defer => Some(Verdict::Defer(Reply::new(
            451,
            EnhancedCode(4, 3, 0),
            format!("Filter {stage} failed, try again later"),
        ))),
        OnError::Reject => {
            Some(Verdict::Reject(Reply::new(554, EnhancedCode(5, 3, 0), format!("Filter {stage} failed"))))
        }
        OnError::Skip => None,
    }
}
