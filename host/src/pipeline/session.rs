//! Runs the `[[session]]` stages of one connection: at connect, helo, mail, rcpt, data and at the end of data.
//!
//! No filter lives as long as a connection. What has to be remembered from one moment to the next is kept here: the notes of
//! each stage, the refusals that are told at RCPT only, and what is to happen to the transaction.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    filter::{Decision, Effect, Facts, Filter, FilterError, Note, Phase, Verdict, invalid_answer},
    fold::{StageTime, verdict_on_error},
    stage::OnError,
};
use crate::{
    mail::{Address, Change, Edit, Position, check_field},
    smtp::Reply,
};

/// Most notes of one stage in one session.
const MOST_NOTES: usize = 64;
/// Longest key of a note in octets.
const LONGEST_KEY: usize = 64;
/// Longest value of a note in octets.
const LONGEST_NOTE: usize = 1024;

/// One `[[session]]` entry.
#[derive(Clone)]
pub struct SessionStage {
    /// Name for logs, replies and traces: the plugin's, or the stage's `name`.
    pub name: Arc<str>,
    /// What runs.
    pub filter: Arc<dyn Filter>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// When it is asked.
    pub phases: Vec<Phase>,
    /// Whether it may permit relaying, and so decides about it at RCPT.
    pub may_permit_relay: bool,
}

/// A stage says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stage.
    pub stage: Arc<str>,
    /// When it said so; the client may hear it later.
    pub phase: Phase,
    /// What the client hears.
    pub reply: Reply,
}

/// What one stage did at one moment, for those who want to see it.
#[derive(Clone, Debug)]
pub struct DecisionReport {
    /// Index in the list.
    pub index: usize,
    /// When.
    pub phase: Phase,
    /// Its answer, or how it failed.
    pub result: Result<Decision, FilterError>,
    /// Wall time in the stage.
    pub elapsed: Duration,
}

/// What the decisions have brought together for a message, beside refusals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// Take the message and forget it; the reason.
    pub discard: Option<String>,
    /// Keep the message until it is released; the reason.
    pub hold: Option<String>,
    /// Additional recipients and fields, in the order of the decisions; checked.
    pub edits: Vec<Edit>,
    /// Deliver to this address only. As in Postfix, later stages don't rewrite it: it is for after them.
    pub redirect: Option<Address>,
}

impl Gathered {
    /// The first reason to discard or hold counts, the last redirection, and every edit.
    fn merge(&mut self, later: Self) {
        self.discard = self.discard.take().or(later.discard);
        self.hold = self.hold.take().or(later.hold);
        self.redirect = later.redirect.or(self.redirect.take());
        self.edits.extend(later.edits);
    }
}

/// What was decided in a part of the session, and lasts as long as that part.
#[derive(Debug, Default)]
struct Scope {
    refusal: Option<Refusal>,
    gathered: Gathered,
}

/// The session stages on one connection, and what they have said so far.
pub struct SessionStages {
    stages: Arc<[SessionStage]>,
    delay_reject: bool,
    /// For each stage.
    notes: Vec<Vec<Note>>,
    /// Lasts as long as the connection.
    connection: Scope,
    /// Lasts until the next EHLO or HELO.
    hello: Scope,
    /// Lasts until the next MAIL, EHLO or HELO.
    transaction: Scope,
    /// About the last decision.
    relaying: Option<bool>,
    /// What each stage has taken since somebody asked.
    times: Vec<Duration>,
    /// Kept only for facts with `explain`.
    reports: Vec<DecisionReport>,
}

impl SessionStages {
    /// For a new connection. With `delay_reject` a refusal at connect, helo and mail is told at RCPT
    /// (Postfix `smtpd_delay_reject`), so that the log has sender and recipient, and clients don't hang up and try again.
    pub fn new(stages: Arc<[SessionStage]>, delay_reject: bool) -> Self {
        Self {
            notes: vec![vec![]; stages.len()],
            times: vec![Duration::ZERO; stages.len()],
            stages,
            delay_reject,
            connection: Scope::default(),
            hello: Scope::default(),
            transaction: Scope::default(),
            relaying: None,
            reports: vec![],
        }
    }

    /// What the stages did since the last call, if the facts said `explain`.
    pub fn take_reports(&mut self) -> Vec<DecisionReport> {
        mem::take(&mut self.reports)
    }

    /// What each stage that ran took since the last call, all its moments together.
    pub fn take_times(&mut self) -> Vec<StageTime> {
        let times = self.stages.iter().zip(&mut self.times).filter(|(_, elapsed)| !elapsed.is_zero());
        times
            .map(|(stage, elapsed)| StageTime { stage: Arc::clone(&stage.name), elapsed: mem::take(elapsed) })
            .collect()
    }

    /// Ask the stages about this moment; `facts` is called only if one of them wants to know. Helo forgets what was decided
    /// at an earlier helo and about a transaction, mail what was decided about an earlier transaction.
    ///
    /// After a refusal or a discard that still holds nobody is asked any more. A hold doesn't end anything: the stages after it
    /// may still refuse. A refusal that waits is told at RCPT only: with it no recipient is there at DATA, but for the bare
    /// postmaster, whom nobody refuses.
    pub async fn decide(&mut self, phase: Phase, facts: impl FnOnce() -> Facts) -> Result<(), Refusal> {
        if phase == Phase::Helo {
            self.hello = Scope::default();
        }
        if matches!(phase, Phase::Helo | Phase::Mail) {
            self.transaction = Scope::default();
        }
        if let Some(refusal) = self.refusal() {
            return if phase == Phase::Rcpt { Err(refusal.clone()) } else { Ok(()) };
        }
        if self.scopes().iter().any(|scope| scope.gathered.discard.is_some()) {
            // What is thrown away is relayed nowhere.
            self.relaying = Some(true);
            return Ok(());
        }
        self.relaying = None;
        if !self.stages.iter().any(|stage| stage.phases.contains(&phase)) {
            return Ok(());
        }
        let decided = self.ask(phase, facts()).await;
        let delay = self.delay_reject && phase < Phase::Rcpt;
        let scope = match phase {
            Phase::Connect => &mut self.connection,
            Phase::Helo => &mut self.hello,
            Phase::Mail | Phase::Rcpt | Phase::Data | Phase::EndOfData => &mut self.transaction,
        };
        match decided {
            Ok(gathered) => scope.gathered.merge(gathered),
            Err(refusal) if delay => scope.refusal = Some(refusal),
            Err(refusal) => return Err(refusal),
        }
        Ok(())
    }

    /// The refusal that waits for RCPT.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.scopes().into_iter().find_map(|scope| scope.refusal.as_ref())
    }

    /// Whether a stage decides about relaying, in place of the relay's own rule.
    pub fn decide_relaying(&self) -> bool {
        self.stages.iter().any(|stage| stage.may_permit_relay && stage.phases.contains(&Phase::Rcpt))
    }

    /// What those stages said at the last decision: none if none of them answered.
    pub fn relaying(&self) -> Option<bool> {
        self.relaying
    }

    fn scopes(&self) -> [&Scope; 3] {
        [&self.connection, &self.hello, &self.transaction]
    }

    /// What is to happen to the message of the current transaction.
    pub fn gathered(&self) -> Gathered {
        let mut all = self.connection.gathered.clone();
        all.merge(self.hello.gathered.clone());
        all.merge(self.transaction.gathered.clone());
        all
    }

    /// Ask one stage after the other. What they want beside a refusal is dropped, except for their notes.
    async fn ask(&mut self, phase: Phase, facts: Facts) -> Result<Gathered, Refusal> {
        let mut gathered = Gathered::default();
        let mut facts = Arc::new(facts);
        let remembered = self.notes.iter_mut().zip(&mut self.times);
        for (index, (stage, (notes, time))) in self.stages.iter().zip(remembered).enumerate() {
            if !stage.phases.contains(&phase) {
                continue;
            }
            let begin = Instant::now();
            Arc::make_mut(&mut facts).notes.clone_from(notes);
            let answer = stage.filter.session(&facts).await;
            let result = answer.and_then(|decision| match admit(&decision, notes, &mut gathered) {
                Ok(()) => Ok(decision),
                Err(why) => Err(invalid_answer(&*stage.filter, why)),
            });
            let elapsed = begin.elapsed();
            *time += elapsed;
            if facts.explain {
                let result = result.clone();
                self.reports.push(DecisionReport { index, phase, result, elapsed });
            }
            if let Ok(decision) = &result
                && stage.may_permit_relay
            {
                let permits =
                    decision.effects.contains(&Effect::PermitRelay) || matches!(decision.verdict, Verdict::Discard(_));
                self.relaying = Some(permits || self.relaying == Some(true));
            }
            let verdict = match result.map(|decision| decision.verdict) {
                Ok(verdict) => verdict,
                Err(error) => {
                    tell(stage, &facts, &error);
                    match verdict_on_error(&stage.name, stage.on_error) {
                        Some(verdict) => verdict,
                        None => continue,
                    }
                }
            };
            match verdict {
                Verdict::Next => {}
                Verdict::Accept => break,
                Verdict::Discard(reason) => {
                    gathered.discard = Some(reason);
                    break;
                }
                Verdict::Hold(reason) => drop(gathered.hold.get_or_insert(reason)),
                Verdict::Reject(reply) | Verdict::Defer(reply) => {
                    return Err(Refusal { stage: Arc::clone(&stage.name), phase, reply });
                }
            }
        }
        Ok(gathered)
    }
}

/// Check an answer as a whole, then take its effects over; or why that can't be done.
fn admit(decision: &Decision, notes: &mut Vec<Note>, gathered: &mut Gathered) -> Result<(), String> {
    let (mut new_notes, mut new) = (notes.clone(), Gathered::default());
    for (index, effect) in decision.effects.iter().cloned().enumerate() {
        let invalid = |why: &str| format!("effect {index}: {why}");
        match effect {
            Effect::AddRecipient(address) => {
                new.edits.push(Edit { change: Change::AddRecipient(address), reason: None });
            }
            Effect::Redirect(address) => new.redirect = Some(address),
            Effect::PermitRelay => {}
            Effect::PrependField { name, value } => {
                check_field(&name, &value).map_err(|error| invalid(&error.to_string()))?;
                let change = Change::InsertField { position: Position::Top, name, value };
                new.edits.push(Edit { change, reason: None });
            }
            Effect::Note(note) => remember(&mut new_notes, note).map_err(invalid)?,
        }
    }
    *notes = new_notes;
    gathered.merge(new);
    Ok(())
}

/// A key that is there already keeps its place and gets the new value.
fn remember(notes: &mut Vec<Note>, note: Note) -> Result<(), &'static str> {
    if note.key.len() > LONGEST_KEY {
        return Err("the key of its note is longer than 64 octets");
    }
    if note.value.len() > LONGEST_NOTE {
        return Err("the value of its note is longer than 1,024 octets");
    }
    let full = notes.len() == MOST_NOTES;
    match notes.iter_mut().find(|known| known.key == note.key) {
        Some(known) => known.value = note.value,
        None if full => return Err("it has 64 notes already"),
        None => notes.push(note),
    }
    Ok(())
}

/// Log a failure so that the author of the filter finds it.
fn tell(stage: &SessionStage, facts: &Facts, error: &FilterError) {
    tracing::warn!(
        stage = &*stage.name,
        phase = ?facts.phase,
        client = %facts.client.peer,
        kind = ?error.kind,
        on_error = %stage.on_error,
        backtrace = error.backtrace.join(" < "),
        "filter failed: {error}"
    );
}

#[cfg(test)]
mod tests;
