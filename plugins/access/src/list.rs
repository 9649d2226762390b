//! Running one list: each restriction after the other, until one decides.

use mailweir_sdk::{Effect, NewField, Phase, log, tables, tables::Key};

use crate::{
    action::{Action, ActionCodes},
    evaluation::Evaluation,
    reply::{Refusal, Subject},
    restriction::{Plain, Restriction},
};

/// The lists of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Client,
    Helo,
    Sender,
    Relay,
    Recipient,
    Data,
    EndOfData,
}

impl List {
    pub(crate) const ALL: [Self; 7] =
        [Self::Client, Self::Helo, Self::Sender, Self::Relay, Self::Recipient, Self::Data, Self::EndOfData];

    /// As in the TOML.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Helo => "helo",
            Self::Sender => "sender",
            Self::Relay => "relay",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::EndOfData => "end-of-data",
        }
    }
}

/// What a restriction, or a list, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Go on.
    Dunno,
    /// No more of this list.
    Permitted,
    /// The end.
    Refused(Refusal),
}

/// What a check of a name says; the error is the end of the list.
pub(crate) type Checked = Result<Status, Status>;

/// How deep lists may call lists.
const DEEPEST: u32 = 100;

/// Where a run stands: Postfix's `warn_if_reject` holds for the next restriction of its own list, with all that this one calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    depth: u32,
    /// The depth at which `warn_if_reject` stood; 0 where it didn't.
    warned_at: u32,
}

impl Evaluation<'_> {
    /// A list from its beginning. To `DEFER_IF_REJECT` `relay` and `recipient` are one, as they once were in Postfix.
    pub(crate) fn run(&mut self, list: List, subject: Subject<'_>) -> Status {
        if list != List::Recipient {
            self.defer_if_reject = None;
        }
        self.warned = Run::default();
        let access = self.access;
        self.run_all(access.list(list), list.name(), subject)
    }

    fn run_all(&mut self, list: &[Restriction], path: &str, subject: Subject<'_>) -> Status {
        self.warned.depth += 1;
        let depth = self.warned.depth;
        let mut status = Status::Dunno;
        for (index, restriction) in list.iter().enumerate() {
            if self.discard.is_some() {
                break;
            }
            if *restriction == Restriction::Plain(Plain::WarnIfReject) {
                if self.warned.warned_at == 0 {
                    self.warned.warned_at = depth;
                }
                continue;
            }
            let path = if self.explain { format!("{path}[{index}] {restriction}") } else { String::new() };
            status = self.restriction(restriction, &path, subject).unwrap_or_else(|status| status);
            if self.warned.warned_at >= depth {
                self.warned.warned_at = 0;
            }
            if status != Status::Dunno || self.defer_if_permit.is_some() && self.defer_if_reject.is_some() {
                break;
            }
        }
        self.warned.depth -= 1;
        status
    }

    fn restriction(&mut self, restriction: &Restriction, path: &str, subject: Subject<'_>) -> Checked {
        let access = self.access;
        let status = match restriction {
            Restriction::Plain(plain) => self.plain(*plain, subject)?,
            Restriction::Check(check, table) => self.check(*check, table, path, subject)?,
            Restriction::Class(name) => {
                let list = access.classes.get(name).map(Vec::as_slice).unwrap_or_default();
                return Ok(self.nested(list, path, name, subject));
            }
        };
        let told = match &status {
            Status::Dunno => "no answer".to_owned(),
            Status::Permitted => "permits".to_owned(),
            Status::Refused(refusal) => format!("{} {} {}", refusal.code, refusal.enhanced, refusal.text),
        };
        if matches!(restriction, Restriction::Plain(_)) {
            self.place(|| format!("{path}: {told}"));
        }
        Ok(status)
    }

    /// A list that a list or a value calls by its name.
    fn nested(&mut self, list: &[Restriction], path: &str, name: &str, subject: Subject<'_>) -> Status {
        if self.warned.depth > DEEPEST {
            return self.misconfigured(&format!("{path}: classes and tables call each other without end"));
        }
        let path = if self.explain { format!("{path} > {name}") } else { String::new() };
        self.run_all(list, &path, subject)
    }

    /// A refusal, unless it is only warned about, or a deferral takes its place.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Status {
        if self.warned.warned_at > 0 {
            log::info(&format!("reject_warning: {} {} {}", refusal.code, refusal.enhanced, refusal.text));
            self.place(|| format!("would refuse, but for warn_if_reject: {}", refusal.text));
            return Status::Dunno;
        }
        match self.defer_if_reject.take() {
            Some(earlier) if refusal.code >= 500 => Status::Refused(earlier),
            _ => Status::Refused(refusal),
        }
    }

    /// Keep the first one, so that nobody is confused; a warning takes its place where one is wanted.
    pub(crate) fn defer_if_permit(&mut self, refusal: Refusal) -> Status {
        if self.warned.warned_at > 0 {
            return self.refuse(refusal);
        }
        self.defer_if_permit.get_or_insert(refusal);
        Status::Dunno
    }

    /// Ask a table with these keys, the first that hits, and do what its value says. None where no key hits.
    pub(crate) fn ask(
        &mut self,
        table: &tables::Table,
        keys: &[Key],
        path: &str,
        subject: Subject<'_>,
    ) -> Result<Option<Status>, Status> {
        let hit = match tables::lookup(std::slice::from_ref(table), keys) {
            Ok(hit) => hit,
            // Trap 20: not the same as no row. A warning is no answer to it either.
            Err(error) => {
                log::error(&error.0);
                self.place(|| format!("{path}: {}", error.0));
                return Err(Status::Refused(Refusal::of(subject, 451, "4.3.5", "Server configuration error")));
            }
        };
        let texts = || keys.iter().map(|key| format!("`{}`", key.text)).collect::<Vec<_>>().join(", ");
        let Some(hit) = hit else {
            self.place(|| format!("{path}: no row for {}", texts()));
            return Ok(None);
        };
        let key = keys.get(hit.key as usize).map_or("", |key| key.text.as_str());
        let place = if self.explain { format!("{path}: `{key}` is `{}`", hit.value) } else { String::new() };
        self.place(|| place.clone());
        Ok(Some(self.act(&hit.value, &place, subject)))
    }

    /// Do what a value says.
    fn act(&mut self, value: &str, path: &str, subject: Subject<'_>) -> Status {
        let codes = &self.access.codes;
        let codes = ActionCodes { reject: codes.access_map_reject_code, defer: codes.access_map_defer_code };
        match Action::parse(value, subject, codes) {
            Action::Dunno => Status::Dunno,
            Action::Permit => Status::Permitted,
            Action::Refuse(refusal) => self.refuse(refusal),
            Action::DeferIfPermit(refusal) => self.defer_if_permit(refusal),
            Action::DeferIfReject(refusal) => {
                self.defer_if_reject.get_or_insert(refusal);
                Status::Dunno
            }
            Action::Log(level, text) => {
                if level == "warn" {
                    log::warn(&text)
                } else {
                    log::info(&text)
                }
                Status::Dunno
            }
            Action::Ignored(why) => {
                log::warn(&format!("`{value}` is left out: {why}"));
                Status::Dunno
            }
            Action::Impossible(why) => self.misconfigured(&format!("`{value}`: {why}")),
            Action::Restrictions(names) => self.named(&names, path, subject),
            effect => self.effect(effect, value),
        }
    }

    /// Restrictions that a value names.
    fn named(&mut self, names: &[String], path: &str, subject: Subject<'_>) -> Status {
        let known = |name: &String| match Plain::named(name) {
            Some(plain) => Some(Restriction::Plain(plain)),
            None => self.access.classes.contains_key(name).then(|| Restriction::Class(name.clone())),
        };
        let mut list = Vec::with_capacity(names.len());
        let mut unknown = None;
        for name in names {
            match known(name) {
                Some(restriction) => list.push(restriction),
                None => {
                    unknown = Some(name);
                    break;
                }
            }
        }
        match (self.nested(&list, path, "value", subject), unknown) {
            (Status::Dunno, Some(name)) => self.misconfigured(&format!("there is no restriction `{name}`")),
            (status, _) => status,
        }
    }

    /// What happens to the whole message, all its recipients (trap 18).
    fn effect(&mut self, action: Action, value: &str) -> Status {
        if self.sender.is_none() {
            // As in Postfix: such a decision isn't about any message.
            log::warn(&format!("`{value}` is left out before MAIL: it is about a message"));
            return Status::Dunno;
        }
        match action {
            Action::Discard(reason) => {
                self.discard = Some(reason);
                return Status::Permitted;
            }
            Action::Hold(reason) => drop(self.hold.get_or_insert(reason)),
            Action::Redirect(address) => self.effects.push(Effect::Redirect(address)),
            Action::Bcc(address) => self.effects.push(Effect::AddRecipient(address)),
            Action::Prepend(name, value) if self.facts.phase != Phase::EndOfData => {
                self.effects.push(Effect::PrependField(NewField { name, value: value.into() }));
            }
            _ => log::warn(&format!("`{value}` is left out at the end of data: the message is complete")),
        }
        Status::Dunno
    }
}
