//! What `trace` has seen: one record a stage, ready to be printed or written as JSON.

use std::{hash::Hash, time::Duration};

use serde::Serialize;
use similar::{ChangeTag, capture_diff_slices};

use crate::{
    app::App,
    mail::{Change, Edit, Message, Position},
    pipeline::{Gathered, Observer, Refusal, StageReport, StageResult, Verdict},
};

/// Bodies larger than this are not compared line by line.
const LARGEST_BODY_SHOWN: u64 = 64 * 1024;

/// One stage's part in the way of the message.
#[derive(Debug, Serialize)]
pub(super) struct StageRecord {
    /// `session`, `message` or `delivery`.
    pub(super) list: &'static str,
    /// Place in the list, counted from 1.
    pub(super) number: usize,
    pub(super) stage: String,
    /// `next`, `reject 554 5.7.1 …`, `skipped`, `failed`.
    pub(super) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
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

/// One edit in words.
#[derive(Debug, Serialize)]
pub(super) struct EditRecord {
    pub(super) edit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// One line of the message that a stage took out or put in.
#[derive(Debug, Serialize)]
pub(super) struct DiffLine {
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
            list: self.list,
            number: report.index + 1,
            stage: report.stage.to_owned(),
            verdict: String::new(),
            reason: None,
            edits: Vec::new(),
            diff: changed_lines(&report.before.message, &report.after.message),
            notes: Vec::new(),
            backtrace: Vec::new(),
            microseconds: micros(report.elapsed),
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
            StageResult::Failed(error, policy) => {
                record.verdict = format!("failed, on-error = {policy}");
                record.reason = Some(error.to_string());
                record.backtrace.clone_from(&error.backtrace);
            }
        }
        self.records.push(record);
    }
}

/// What the `[[session]]` stages said, all together; none if there are none.
pub(super) fn session_record(app: &App, session: &Result<Gathered, Refusal>) -> Option<StageRecord> {
    let names: Vec<_> = app.pipeline.session.iter().map(|stage| &*stage.name).collect();
    if names.is_empty() {
        return None;
    }
    let (stage, verdict, reason) = match session {
        Err(refusal) => (refusal.stage.to_string(), refusal.reply.to_string(), Some(format!("at {:?}", refusal.phase))),
        Ok(Gathered { discard: Some(reason), .. }) => (names.join(", "), "discard".to_owned(), Some(reason.clone())),
        Ok(Gathered { hold: Some(reason), .. }) => (names.join(", "), "hold".to_owned(), Some(reason.clone())),
        Ok(_) => (names.join(", "), "next".to_owned(), None),
    };
    let edits = session.as_ref().map(|gathered| gathered.edits.as_slice()).unwrap_or_default();
    Some(StageRecord {
        list: "session",
        number: 1,
        stage,
        verdict,
        reason,
        edits: edits.iter().map(|edit| edit_record(edit, &Message::default())).collect(),
        diff: Vec::new(),
        notes: Vec::new(),
        backtrace: Vec::new(),
        microseconds: 0.0,
    })
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
