//! One decision: the lists of one moment, run in their order over what the session knows.

use mailweir_rewrite::{
    address::{split, unquote},
    completion::Completion,
};
use mailweir_sdk::{Decision, Effect, Facts, Note, Phase, ReversePath, Verdict, explain, log};

use crate::{
    Access,
    action::{DATA, END_OF_DATA},
    list::{List, Run, Status},
    reply::{Class, Refusal, Subject},
};

/// An address as replies show it and as tables are asked about it.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    /// Without quotes, as it was given.
    pub(crate) shown: String,
    /// In standard form.
    pub(crate) standard: String,
    /// Whether its local part names a further way: then `OK` in a table is no reason to trust it (trap 21).
    pub(crate) routed: bool,
}

impl Mailbox {
    fn new(address: &str) -> Self {
        let (local, domain) = split(address);
        let local = unquote(local);
        let shown = domain.map_or_else(|| local.clone(), |domain| format!("{local}@{domain}"));
        let routed = local.contains(['@', '%', '!']);
        Self { shown, standard: Completion::default().standard_form(address), routed }
    }

    /// The part behind the last `@`.
    pub(crate) fn domain(&self) -> &str {
        split(&self.standard).1.unwrap_or_default()
    }
}

/// What is known, and what has come together so far.
pub(crate) struct Evaluation<'a> {
    pub(crate) access: &'a Access,
    pub(crate) facts: &'a Facts,
    /// `name[address]`.
    pub(crate) client: String,
    /// None before MAIL; an empty address is the null sender.
    pub(crate) sender: Option<Mailbox>,
    /// At RCPT, or the only one.
    pub(crate) recipient: Option<Mailbox>,
    /// Said in place of a permission.
    pub(crate) defer_if_permit: Option<Refusal>,
    /// Said in place of a rejection in the same list.
    pub(crate) defer_if_reject: Option<Refusal>,
    pub(crate) hold: Option<String>,
    pub(crate) discard: Option<String>,
    pub(crate) effects: Vec<Effect>,
    /// Whether `reject_unlisted_recipient` has been done.
    pub(crate) listed: bool,
    pub(crate) warned: Run,
    pub(crate) explain: bool,
    /// Why the last refusal, or permission.
    pub(crate) because: Option<String>,
}

/// Lists that have a moment of their own before RCPT, and the key of the note that says that they have been run.
const EARLY: [(List, Phase, &str); 3] = [
    (List::Client, Phase::Connect, "client"),
    (List::Helo, Phase::Helo, "helo"),
    (List::Sender, Phase::Mail, "sender"),
];

/// The key of the note that says why the list `sender` would have thrown the message away, had nothing deferred it.
const OVERRULED: &str = "discard";

/// A note has room for 1,024 octets.
fn note(key: &str, mut value: String) -> Effect {
    while value.len() > 1024 {
        value.pop();
    }
    Effect::Note(Note { key: key.to_owned(), value: value.into() })
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(access: &'a Access, facts: &'a Facts) -> Self {
        let name = facts.client.name.as_deref().unwrap_or("unknown");
        let sender = facts.sender.as_ref().map(|sender| match sender {
            ReversePath::Null => Mailbox::new(""),
            ReversePath::Address(address) => Mailbox::new(address),
        });
        // Where there are several, none of them stands for all.
        let only = || if let [only] = facts.recipients.as_slice() { Some(only) } else { None };
        let recipient = if facts.phase == Phase::Rcpt { facts.recipient.as_ref() } else { only() };
        Self {
            access,
            facts,
            client: format!("{name}[{}]", facts.client.address),
            sender,
            recipient: recipient.map(|recipient| Mailbox::new(recipient)),
            defer_if_permit: None,
            defer_if_reject: None,
            hold: None,
            discard: None,
            effects: Vec::new(),
            listed: false,
            warned: Run::default(),
            explain: explain::wanted(),
            because: None,
        }
    }

    /// The answer at this moment.
    pub(crate) fn decide(mut self) -> Decision {
        let status = match self.facts.phase {
            Phase::Connect | Phase::Helo | Phase::Mail => self.early(),
            Phase::Rcpt => self.rcpt(),
            Phase::Data => self.late(List::Data, DATA),
            Phase::EndOfData => self.late(List::EndOfData, END_OF_DATA),
        };
        let refusal = if let Status::Refused(refusal) = status { Some(refusal) } else { None };
        self.decision(refusal)
    }

    /// The list of connect, helo or mail. What it wants to be told in place of a permission at RCPT goes into its note.
    fn early(&mut self) -> Status {
        let mut status = Status::Dunno;
        for (list, phase, key) in EARLY {
            if phase < self.facts.phase {
                self.recall(key);
            } else if phase == self.facts.phase && !self.access.list(list).is_empty() {
                status = self.run_list(list);
                let deferred = self.defer_if_permit.as_ref().map(Refusal::encoded).unwrap_or_default();
                self.effects.push(note(key, deferred));
                if list == List::Sender {
                    let overruled = self.discard.take_if(|_| self.defer_if_permit.is_some());
                    self.effects.push(note(OVERRULED, overruled.unwrap_or_default()));
                }
            }
        }
        status
    }

    /// What an earlier moment noted, if its list has been run.
    fn recall(&mut self, key: &str) -> bool {
        let Some(value) = self.facts.note(key) else { return false };
        let deferred = str::from_utf8(value).ok().and_then(Refusal::decoded);
        self.defer_if_permit = self.defer_if_permit.take().or(deferred);
        true
    }

    /// Client, helo, sender (unless they have been run at their own moments), relay, recipient (rule 6.3).
    fn rcpt(&mut self) -> Status {
        let overruled = self.facts.note(OVERRULED).filter(|reason| !reason.is_empty());
        self.discard = overruled.map(|reason| String::from_utf8_lossy(reason).into_owned());
        for (list, _, key) in EARLY {
            if !self.recall(key)
                && let Status::Refused(refusal) = self.run_list(list)
            {
                return Status::Refused(refusal);
            }
        }
        for list in [List::Relay, List::Recipient] {
            match self.run_list(list) {
                Status::Refused(refusal) => return Status::Refused(refusal),
                Status::Permitted if list == List::Relay => self.effects.push(Effect::PermitRelay),
                Status::Permitted | Status::Dunno => {}
            }
        }
        match self.or_deferred() {
            Status::Dunno if !self.listed && self.discard.is_none() => {
                self.place(|| "recipient: reject_unlisted_recipient, at the end".to_owned());
                self.unlisted_recipient().unwrap_or_else(|status| status)
            }
            status => status,
        }
    }

    /// The list of data or the end of data.
    fn late(&mut self, list: List, subject: Subject<'_>) -> Status {
        match self.run(list, subject) {
            Status::Refused(refusal) => Status::Refused(refusal),
            Status::Permitted | Status::Dunno => self.or_deferred(),
        }
    }

    /// What is told in place of a permission, if something is.
    fn or_deferred(&mut self) -> Status {
        self.defer_if_permit.take().map_or(Status::Dunno, Status::Refused)
    }

    /// One of the lists up to RCPT; none where what it is about isn't known.
    fn run_list(&mut self, list: List) -> Status {
        let (class, name) = match list {
            List::Client => (Class::Client, Some(self.client.clone())),
            List::Helo => (Class::Helo, self.facts.client.helo.clone()),
            List::Sender => (Class::Sender, self.sender.as_ref().map(|sender| sender.shown.clone())),
            _ => (Class::Recipient, self.recipient.as_ref().map(|recipient| recipient.shown.clone())),
        };
        match name {
            Some(name) if !self.access.list(list).is_empty() => self.run(list, Subject { class, name: &name }),
            _ => Status::Dunno,
        }
    }

    fn decision(self, refusal: Option<Refusal>) -> Decision {
        let soft = self.access.soft_bounce;
        let mut decision = match (refusal, self.discard, self.hold) {
            (Some(refusal), ..) => {
                let refusal = if soft { refusal.softened() } else { refusal };
                let Refusal { code, enhanced, text } = refusal;
                if code < 500 {
                    Decision::defer(code, &enhanced, text)
                } else {
                    Decision::reject(code, &enhanced, text)
                }
            }
            (None, Some(reason), _) => Decision::discard(reason),
            (None, None, Some(reason)) => Decision::hold(reason),
            (None, None, None) => Decision::next(),
        };
        // Beside a refusal the relay takes notes only; what goes with a discard nobody needs.
        decision.effects = self.effects;
        if self.explain && !matches!(decision.verdict, Verdict::Next) {
            decision.reason = self.because;
        }
        decision
    }

    /// Tell why, to those who want to know; the last thing told is the reason of the answer.
    pub(crate) fn place(&mut self, what: impl FnOnce() -> String) {
        if self.explain {
            let what = what();
            explain::note(|| what.clone());
            self.because = Some(what);
        }
    }

    /// A mistake of the configuration or a table that shows only now.
    pub(crate) fn misconfigured(&mut self, why: &str) -> Status {
        log::error(&format!("{why}; it answers 451 4.3.5"));
        self.place(|| why.to_owned());
        Status::Refused(Refusal::configuration())
    }
}
