//! Each restriction by itself: what it looks at, and what it says.

use mailweir_sdk::{
    dns::{self, Exchanges},
    log,
    tables::{self, Key, Table},
};

use crate::{
    evaluation::Evaluation,
    keys,
    list::{Checked, Status},
    names::{is_address_literal, is_full_domain, is_host, is_host_name, without_last_dot},
    reply::{Class, Refusal, Subject},
    restriction::{By, Check, Object, Plain},
};

impl Evaluation<'_> {
    /// A restriction without a table.
    pub(crate) fn plain(&mut self, plain: Plain, subject: Subject<'_>) -> Checked {
        let codes = self.access.codes;
        let requested = |what| Refusal::of(subject, 450, "4.7.0", what);
        Ok(match plain {
            Plain::Permit => Status::Permitted,
            Plain::Reject => self.refuse(Refusal::of(subject, codes.reject_code, "5.7.1", "Access denied")),
            Plain::Defer => self.refuse(Refusal::of(subject, codes.defer_code, "4.3.2", "Try again later")),
            // S10
            Plain::DeferIfPermit => self.defer_if_permit(requested("defer_if_permit requested")),
            Plain::DeferIfReject => {
                self.defer_if_reject.get_or_insert_with(|| requested("defer_if_reject requested"));
                Status::Dunno
            }
            Plain::WarnIfReject => Status::Dunno,
            Plain::PermitMynetworks => permitted(self.facts.client.trusted),
            Plain::PermitSaslAuthenticated => permitted(self.facts.client.login.is_some()),
            Plain::PermitAuthDestination => permitted(self.recipient.is_some() && self.facts.recipient_is_ours),
            Plain::RejectUnauthDestination => self.unauth_destination(codes.relay_domains_reject_code),
            Plain::DeferUnauthDestination => self.unauth_destination(codes.relay_domains_reject_code - 100),
            Plain::RejectPlaintextSession if self.facts.client.tls.is_none() => {
                self.refuse(Refusal::new(codes.plaintext_reject_code, "4.7.1", "Session encryption is required"))
            }
            Plain::RejectPlaintextSession => Status::Dunno,
            Plain::RejectUnknownClientHostname => self.unknown_client()?,
            Plain::RejectUnknownReverseClientHostname => self.unknown_reverse_client()?,
            Plain::RejectInvalidHeloHostname | Plain::RejectNonFqdnHeloHostname | Plain::RejectUnknownHeloHostname => {
                self.helo(plain)?
            }
            Plain::RejectNonFqdnSender | Plain::RejectNonFqdnRecipient => self.not_fqdn(plain),
            Plain::RejectUnknownSenderDomain | Plain::RejectUnknownRecipientDomain => self.unknown_domain(plain)?,
            Plain::RejectSenderLoginMismatch => match self.not_owned(false)? {
                Status::Dunno => self.not_logged_in()?,
                status => status,
            },
            Plain::RejectAuthenticatedSenderLoginMismatch => self.not_owned(false)?,
            Plain::RejectKnownSenderLoginMismatch if self.facts.client.login.is_some() => self.not_owned(true)?,
            Plain::RejectKnownSenderLoginMismatch | Plain::RejectUnauthenticatedSenderLoginMismatch => {
                self.not_logged_in()?
            }
            Plain::RejectUnlistedRecipient => self.unlisted_recipient()?,
            Plain::RejectMultiRecipientBounce => self.multi_recipient_bounce(subject),
        })
    }

    fn unauth_destination(&mut self, code: u16) -> Status {
        match &self.recipient {
            Some(recipient) if !self.facts.recipient_is_ours => {
                let refusal = Refusal::new(code, "5.7.1", format!("<{}>: Relay access denied", recipient.shown));
                self.refuse(refusal)
            }
            _ => Status::Dunno,
        }
    }

    fn helo(&mut self, plain: Plain) -> Checked {
        let Some(name) = self.facts.client.helo.as_deref() else { return Ok(Status::Dunno) };
        let subject = Subject { class: Class::Helo, name };
        let codes = self.access.codes;
        if let Some(literal) = name.strip_prefix('[') {
            let literal = literal.strip_suffix(']').filter(|inner| !inner.is_empty()).unwrap_or(name);
            if is_address_literal(literal) {
                return Ok(Status::Dunno);
            }
            let code = codes.invalid_hostname_reject_code;
            return Ok(self.refuse(Refusal::of(subject, code, "5.5.2", "invalid ip address")));
        }
        let short = without_last_dot(name);
        Ok(match plain {
            Plain::RejectInvalidHeloHostname if !is_host(short) => {
                self.refuse(Refusal::of(subject, codes.invalid_hostname_reject_code, "5.5.2", "Invalid name"))
            }
            Plain::RejectNonFqdnHeloHostname if !(is_host_name(short) && short.contains('.')) => {
                let why = "need fully-qualified hostname";
                self.refuse(Refusal::of(subject, codes.non_fqdn_reject_code, "5.5.2", why))
            }
            Plain::RejectUnknownHeloHostname => self.unknown_helo(name, subject)?,
            _ => Status::Dunno,
        })
    }

    /// A name with an address or an MX record, even the null one.
    fn unknown_helo(&mut self, name: &str, subject: Subject<'_>) -> Checked {
        let why = "Host not found";
        let known = match dns::addresses(name) {
            Ok(addresses) if !addresses.is_empty() => Ok(true),
            Ok(_) | Err(dns::Error::NoSuchName) => {
                dns::mail_exchanges(name).map(|found| !matches!(found, Exchanges::Implicit))
            }
            Err(error) => Err(error),
        };
        Ok(match self.known(known)? {
            Some(true) => Status::Dunno,
            Some(false) => {
                self.refuse(Refusal::of(subject, self.access.codes.unknown_hostname_reject_code, "4.7.1", why))
            }
            None => self.defer_if_permit(Refusal::of(subject, 450, "4.7.1", why)),
        })
    }

    /// Whether something is there; none where nobody knows now.
    pub(crate) fn known(&mut self, answer: Result<bool, dns::Error>) -> Result<Option<bool>, Status> {
        match answer {
            Ok(known) => Ok(Some(known)),
            Err(dns::Error::NoSuchName) => Ok(Some(false)),
            Err(dns::Error::Unavailable(why)) => {
                log::info(&format!("DNS: {why}"));
                Ok(None)
            }
            // In a list that is found at start; a value of a table can name what needs it, too.
            Err(dns::Error::NotGranted) => Err(self.misconfigured("the stage may not ask the DNS (`dns = true`)")),
        }
    }

    /// Sender or recipient, as the restriction's name says; none for the null sender.
    fn address(&self, plain: Plain) -> Option<(Class, String, String)> {
        let (class, mailbox) = match plain {
            Plain::RejectNonFqdnSender | Plain::RejectUnknownSenderDomain => {
                (Class::Sender, self.sender.as_ref().filter(|sender| !sender.shown.is_empty()))
            }
            _ => (Class::Recipient, self.recipient.as_ref()),
        };
        mailbox.map(|mailbox| (class, mailbox.shown.clone(), mailbox.domain().to_owned()))
    }

    fn not_fqdn(&mut self, plain: Plain) -> Status {
        match self.address(plain) {
            Some((class, name, domain)) if !domain.starts_with('[') && !is_full_domain(without_last_dot(&domain)) => {
                let (code, why) = (self.access.codes.non_fqdn_reject_code, "need fully-qualified address");
                self.refuse(Refusal::of(Subject { class, name: &name }, code, "4.5.2", why))
            }
            _ => Status::Dunno,
        }
    }

    fn unknown_domain(&mut self, plain: Plain) -> Checked {
        let Some((class, name, domain)) = self.address(plain) else { return Ok(Status::Dunno) };
        if domain.is_empty() || domain.starts_with('[') {
            return Ok(Status::Dunno);
        }
        let (subject, of_sender) = (Subject { class, name: &name }, class == Class::Sender);
        let known = match dns::mail_exchanges(&domain) {
            Ok(Exchanges::Null) => {
                // RFC 7505 4.1, 4.2
                let (code, enhanced) = if of_sender { (550, "5.7.27") } else { (556, "5.1.10") };
                let why = format!("Domain {domain} does not accept mail (nullMX)");
                return Ok(self.refuse(Refusal::of(subject, code, enhanced, &why)));
            }
            Ok(Exchanges::Hosts(_)) => Ok(true),
            Ok(Exchanges::Implicit) => dns::addresses(&domain).map(|found| !found.is_empty()),
            Err(error) => Err(error),
        };
        let (enhanced, why) = (if of_sender { "4.1.8" } else { "4.1.2" }, "Domain not found");
        Ok(match self.known(known)? {
            Some(true) => Status::Dunno,
            Some(false) => {
                self.refuse(Refusal::of(subject, self.access.codes.unknown_address_reject_code, enhanced, why))
            }
            None => self.defer_if_permit(Refusal::of(subject, 450, enhanced, why)),
        })
    }

    /// The logins that own the sender's address; none where no table has it.
    fn owners(&mut self) -> Result<Option<String>, Status> {
        let Some(sender) = self.sender.as_ref().filter(|sender| !sender.shown.is_empty()) else { return Ok(None) };
        let keys = keys::owned_address(&sender.standard, &self.access.delimiters);
        let access = self.access;
        self.row(&access.sender_logins, &keys, Class::Sender)
    }

    /// A client that is logged in and does not own the address.
    fn not_owned(&mut self, unknown_is_fine: bool) -> Checked {
        let (Some(login), Some(sender)) = (&self.facts.client.login, self.sender.clone()) else {
            return Ok(Status::Dunno);
        };
        if sender.shown.is_empty() || self.access.sender_logins.is_empty() {
            return Ok(Status::Dunno);
        }
        let owned = match self.owners()? {
            Some(owners) => owners.split([',', ' ', '\t']).any(|owner| owner.eq_ignore_ascii_case(login)),
            None => unknown_is_fine,
        };
        if owned {
            return Ok(Status::Dunno);
        }
        let subject = Subject { class: Class::Sender, name: &sender.shown };
        Ok(self.refuse(Refusal::of(subject, 553, "5.7.1", &format!("not owned by user {login}"))))
    }

    /// A client that is not logged in, with an address that somebody owns.
    fn not_logged_in(&mut self) -> Checked {
        if self.facts.client.login.is_some() || self.access.sender_logins.is_empty() || self.owners()?.is_none() {
            return Ok(Status::Dunno);
        }
        let name = self.sender.as_ref().map(|sender| sender.shown.clone()).unwrap_or_default();
        Ok(self.refuse(Refusal::of(Subject { class: Class::Sender, name: &name }, 553, "5.7.1", "not logged in")))
    }

    /// A recipient in a domain of ours that `listed-recipients` does not have (relay_recipient_maps).
    pub(crate) fn unlisted_recipient(&mut self) -> Checked {
        self.listed = true;
        let access = self.access;
        let Some(recipient) = self.recipient.clone() else { return Ok(Status::Dunno) };
        if !self.facts.recipient_is_ours || access.listed_recipients.is_empty() {
            return Ok(Status::Dunno);
        }
        let keys = keys::owned_address(&recipient.standard, &access.delimiters);
        if self.row(&access.listed_recipients, &keys, Class::Recipient)?.is_some() {
            return Ok(Status::Dunno);
        }
        let subject = Subject { class: Class::Recipient, name: &recipient.shown };
        let (code, why) = (access.codes.unknown_relay_recipient_reject_code, "User unknown in relay recipient table");
        Ok(self.refuse(Refusal::of(subject, code, "5.1.1", why)))
    }

    /// A row of tables that are no access tables.
    fn row(&mut self, tables: &[Table], keys: &[Key], class: Class) -> Result<Option<String>, Status> {
        tables::lookup(tables, keys).map(|hit| hit.map(|hit| hit.value)).map_err(|error| {
            let mailbox = if class == Class::Sender { &self.sender } else { &self.recipient };
            let name = mailbox.as_ref().map_or("", |mailbox| mailbox.shown.as_str());
            log::error(&error.0);
            Status::Refused(Refusal::new(451, "4.3.0", format!("<{name}>: Temporary lookup failure")))
        })
    }

    fn multi_recipient_bounce(&mut self, subject: Subject<'_>) -> Status {
        let null = self.sender.as_ref().is_some_and(|sender| sender.shown.is_empty());
        // At RCPT the one that is asked about comes on top.
        let others = self.facts.recipients.len() + usize::from(self.facts.recipient.is_some());
        if !null || others < 2 {
            return Status::Dunno;
        }
        let code = self.access.codes.multi_recipient_bounce_reject_code;
        self.refuse(Refusal::of(subject, code, "5.5.3", "Multi-recipient bounce"))
    }

    /// A restriction with a table.
    pub(crate) fn check(&mut self, check: Check, table: &Table, path: &str, _: Subject<'_>) -> Checked {
        let client = &self.facts.client;
        let (class, name) = match check.object {
            Object::Client => (Class::Client, Some(self.client.clone())),
            Object::ReverseClient => (Class::ReverseClient, Some(self.reverse_name()?)),
            Object::Login => (Class::Login, client.login.clone()),
            Object::Helo => (Class::Helo, client.helo.clone()),
            Object::Sender => (Class::Sender, self.sender.as_ref().map(|sender| sender.shown.clone())),
            Object::Recipient => (Class::Recipient, self.recipient.as_ref().map(|recipient| recipient.shown.clone())),
        };
        let Some(name) = name else {
            self.place(|| format!("{path}: not known yet"));
            return Ok(Status::Dunno);
        };
        let subject = Subject { class, name: &name };
        if check.by != By::Itself {
            return self.check_servers(check, table, path, subject);
        }
        let host = |name: &str, address: &str| [keys::host(name), keys::ip_address(address)].concat();
        let keys = match check.object {
            Object::Client => host(client.name.as_deref().unwrap_or("unknown"), &client.address),
            Object::ReverseClient => host(&name, &client.address),
            Object::Login => vec![Key::whole(name.as_str())],
            Object::Helo => keys::host(&name),
            Object::Sender if name.is_empty() => vec![Key::whole("<>")],
            Object::Sender => self.mail_keys(self.sender.as_ref()),
            Object::Recipient => self.mail_keys(self.recipient.as_ref()),
        };
        let status = self.ask(table, &keys, path, subject)?.unwrap_or(Status::Dunno);
        let suspicious = check.object == Object::Recipient
            && self.discard.is_none()
            && self.recipient.as_ref().is_some_and(|recipient| recipient.routed);
        Ok(match (status, check.object) {
            (Status::Permitted, Object::ReverseClient) => self.never_permits(check, path),
            // 6.3: an address with a further way is not what the table meant.
            (Status::Permitted, _) if suspicious => Status::Dunno,
            (status, _) => status,
        })
    }

    fn mail_keys(&self, mailbox: Option<&crate::evaluation::Mailbox>) -> Vec<Key> {
        mailbox.map(|mailbox| keys::mail_address(&mailbox.standard, &self.access.delimiters)).unwrap_or_default()
    }

    /// Names that a stranger chooses are no reason to permit (rule 6.1).
    pub(crate) fn never_permits(&mut self, check: Check, path: &str) -> Status {
        if self.discard.is_some() {
            return Status::Permitted;
        }
        self.misconfigured(&format!("{path}: `{check}` can't permit, anybody can name such a server; write DUNNO"))
    }
}

fn permitted(yes: bool) -> Status {
    if yes { Status::Permitted } else { Status::Dunno }
}
