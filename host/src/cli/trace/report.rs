//! What `trace` has seen: one record a stage, ready to be printed or written as JSON.

use std::{hash::Hash, time::Duration};

use serde::Serialize;
use similar::{ChangeTag, capture_diff_slices};

use crate::{
    mail::{Address, Change, Edit, Message, Position},
    pipeline::{
        DecisionReport, Effect, FilterError, Observer, OnError, SessionStage, StageReport, StageResult, Verdict,
    },
};

/// Bodies larger than this are not compared line by line.
const LARGEST_BODY_SHOWN: u64 = 64 * 1024;

/// One stage's part in the way of the message.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct StageRecord {
    /// `session`, `message` or `delivery`.
    pub(super) list: &'static str,
    /// Place in the list, counted from 1.
    pub(super) number: usize,
    pub(in crate::cli) stage: String,
    /// Whether its filter failed, whatever `on-error` made of that.
    #[serde(skip)]
    pub(in crate::cli) failed: bool,
    /// When a `[[session]]` stage was asked: `helo`, `rcpt <ann@b.example>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<String>,
    /// `next`, `reject 554 5.7.1 …`, `skipped`, `failed`.
    pub(in crate::cli) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) reason: Option<String>,
    pub(super) edits: Vec<EditRecord>,
    /// Lines taken out (`-`) and put in (`+`), in the order of the message.
    pub(super) diff: Vec<DiffLine>,
    /// The way to the answer, as the filter tells it.
    pub(super) notes: Vec<String>,
    /// Guest's backtrace after a failure, innermost frame first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) backtrace: Vec<String>,
    /// Time in the stage, in microseconds.
    pub(super) microseconds: f64,
}

impl StageRecord {
    fn new(list: &'static str, index: usize, stage: &str, elapsed: Duration) -> Self {
        Self {
            list,
            number: index + 1,
            stage: stage.to_owned(),
            failed: false,
            phase: None,
            verdict: String::new(),
            reason: None,
            edits: Vec::new(),
            diff: Vec::new(),
            notes: Vec::new(),
            backtrace: Vec::new(),
            microseconds: micros(elapsed),
        }
    }

    fn fail(&mut self, error: &FilterError, policy: OnError) {
        self.failed = true;
        self.verdict = format!("failed, on-error = {policy}");
        self.reason = Some(error.to_string());
        self.backtrace.clone_from(&error.backtrace);
    }
}

/// One edit in words.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct EditRecord {
    pub(super) edit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// One line of the message that a stage took out or put in.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct DiffLine {
    /// `-` or `+`.
    pub(super) sign: char,
    /// Without line end; what isn't UTF-8 is shown as U+FFFD.
    pub(super) line: String,
}

/// Collects the records of one stage list.
pub(super) struct Recorder<'a> {
    pub(super) list: &'static str,
    pub(super) records: &'a mut Vec<StageRecord>,
}

impl Observer for Recorder<'_> {
    fn stage(&mut self, report: StageReport<'_>) {
        let mut record = StageRecord {
            diff: changed_lines(&report.before.message, &report.after.message),
            ..StageRecord::new(self.list, report.index, report.stage, report.elapsed)
        };
        match report.result {
            StageResult::Ran { verdict, reason, edits, notes } => {
                record.verdict = verdict_text(verdict);
                record.reason = reason.map(str::to_owned);
                record.edits = edits.iter().map(|edit| edit_record(edit, &report.before.message)).collect();
                record.notes = notes.to_vec();
            }
            StageResult::Skipped(why) => {
                record.verdict = "skipped".to_owned();
                record.reason = Some(why.to_owned());
            }
            StageResult::Failed(error, policy) => record.fail(error, policy),
        }
        self.records.push(record);
    }
}

/// What a `[[session]]` stage said at one moment.
pub(super) fn decision_record(
    stage: &SessionStage,
    report: &DecisionReport,
    recipient: Option<&Address>,
) -> StageRecord {
    let mut record = StageRecord {
        phase: Some(match recipient {
            Some(recipient) => format!("{} <{recipient}>", report.phase.name()),
            None => report.phase.name().to_owned(),
        }),
        ..StageRecord::new("session", report.index, &stage.name, report.elapsed)
    };
    match &report.result {
        Ok(decision) => {
            record.verdict = verdict_text(&decision.verdict);
            record.reason.clone_from(&decision.reason);
            record.edits = decision.effects.iter().map(effect_record).collect();
            record.notes.clone_from(&decision.trail);
        }
        Err(error) => record.fail(error, stage.on_error),
    }
    record
}

fn effect_record(effect: &Effect) -> EditRecord {
    let edit = match effect {
        Effect::AddRecipient(address) => format!("recipient <{address}> is added"),
        Effect::Redirect(address) => format!("all of it goes to <{address}> instead"),
        Effect::PrependField { name, .. } => format!("field {name} is put on top"),
        Effect::PermitRelay => "relaying is permitted".to_owned(),
        Effect::Note(note) => format!("{} = {} is remembered", note.key, String::from_utf8_lossy(&note.value)),
    };
    EditRecord { edit, reason: None }
}

/// Microseconds with one decimal.
fn micros(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e7).round() / 10.0
}

/// A verdict as a postmaster reads it.
pub(super) fn verdict_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Next => "next".to_owned(),
        Verdict::Accept => "accept".to_owned(),
        Verdict::Reject(reply) => format!("reject: {reply}"),
        Verdict::Defer(reply) => format!("defer: {reply}"),
        Verdict::Discard(reason) => format!("discard: {reason}"),
        Verdict::Hold(reason) => format!("hold: {reason}"),
    }
}

fn edit_record(edit: &Edit, before: &Message) -> EditRecord {
    let field = |index: u32| before.fields().get(index as usize).map_or("?", |field| field.name());
    let text = match &edit.change {
        Change::SetSender(sender) => format!("sender becomes <{sender}>"),
        Change::AddRecipient(address) => format!("recipient <{address}> is added"),
        Change::RemoveRecipient(index) => format!("recipient {} is removed", index + 1),
        Change::ReplaceRecipient(index, address) => format!("recipient {} becomes <{address}>", index + 1),
        Change::InsertField { position: Position::Top, name, .. } => format!("field {name} is put on top"),
        Change::InsertField { position: Position::Bottom, name, .. } => format!("field {name} is put at the end"),
        Change::InsertField { position: Position::Before(index), name, .. } => {
            format!("field {name} is put before field {} ({})", index + 1, field(*index))
        }
        Change::ReplaceField(index, _) => format!("field {} ({}) is changed", index + 1, field(*index)),
        Change::RemoveField(index) => format!("field {} ({}) is removed", index + 1, field(*index)),
        Change::ReplaceBody(body) => format!("body is replaced ({} octets)", body.len()),
    };
    EditRecord { edit: text, reason: edit.reason.clone() }
}

fn changed_lines(before: &Message, after: &Message) -> Vec<DiffLine> {
    let fields = |message: &Message| message.fields().iter().map(|field| field.raw().clone()).collect::<Vec<_>>();
    let mut lines = diff(&fields(before), &fields(after));
    let (old, new) = (before.body(), after.body());
    if old.len() > LARGEST_BODY_SHOWN || new.len() > LARGEST_BODY_SHOWN {
        return lines;
    }
    let (old, new) = (old.read(0, old.len() as usize), new.read(0, new.len() as usize));
    if old != new {
        let split = |body: &[u8]| body.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
        lines.extend(diff(&split(&old), &split(&new)));
    }
    lines
}

fn diff<T: AsRef<[u8]> + Clone + Eq + Hash + Ord>(old: &[T], new: &[T]) -> Vec<DiffLine> {
    let operations = capture_diff_slices(similar::Algorithm::Myers, old, new);
    let changes = operations.iter().flat_map(|operation| operation.iter_changes(old, new));
    let mut lines = Vec::new();
    for change in changes {
        let sign = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        let text = String::from_utf8_lossy(change.value().as_ref()).into_owned();
        lines.extend(text.lines().map(|line| DiffLine { sign, line: line.to_owned() }));
    }
    lines
}
