//! Restrictions about what the DNS says: the client's names, and the servers of a name.

use mailweir_sdk::{
    dns::{self, Exchanges},
    log,
    tables::Table,
};

use crate::{
    evaluation::Evaluation,
    keys,
    list::{Checked, Status},
    names::is_address_literal,
    reply::{Refusal, Subject},
    restriction::{By, Check, Object},
};

impl Evaluation<'_> {
    /// The first name that the client's address claims to have, true or not; `unknown` where it has none.
    pub(crate) fn reverse_name(&mut self) -> Result<String, Status> {
        if let Some(name) = &self.facts.client.name {
            return Ok(name.clone());
        }
        let names = dns::names(&self.facts.client.address);
        let first = names.as_ref().ok().and_then(|names| names.first()).cloned();
        self.known(names.map(|_| true))?;
        Ok(first.unwrap_or_else(|| "unknown".to_owned()))
    }

    /// An address without a name.
    pub(crate) fn unknown_reverse_client(&mut self) -> Checked {
        if self.facts.client.name.is_some() {
            return Ok(Status::Dunno);
        }
        let names = dns::names(&self.facts.client.address).map(|names| !names.is_empty());
        self.client_status(names, "4.7.1", "cannot find your reverse hostname")
    }

    /// An address without a name that leads back to it (RFC 7372 3.3).
    pub(crate) fn unknown_client(&mut self) -> Checked {
        let client = &self.facts.client;
        if client.name.is_some() {
            return Ok(Status::Dunno);
        }
        let leads_back = |name: &String| dns::addresses(name).map(|addresses| addresses.contains(&client.address));
        let confirmed = dns::names(&client.address).and_then(|names| {
            let answers: Vec<_> = names.iter().map(leads_back).collect();
            let unavailable = |answer: &&Result<bool, dns::Error>| matches!(answer, Err(dns::Error::Unavailable(_)));
            match (answers.contains(&Ok(true)), answers.iter().find(unavailable)) {
                (false, Some(error)) => error.clone(),
                (confirmed, _) => Ok(confirmed),
            }
        });
        self.client_status(confirmed, "4.7.25", "cannot find your hostname")
    }

    fn client_status(&mut self, known: Result<bool, dns::Error>, enhanced: &str, why: &str) -> Checked {
        let code = match self.known(known)? {
            Some(true) => return Ok(Status::Dunno),
            Some(false) => self.access.codes.unknown_client_reject_code,
            None => 450,
        };
        let text = format!("Client host rejected: {why}, [{}]", self.facts.client.address);
        Ok(self.refuse(Refusal::new(code, enhanced, text)))
    }

    /// `check_…_mx_access` and its like: the name and the addresses of each server.
    pub(crate) fn check_servers(&mut self, check: Check, table: &Table, path: &str, subject: Subject<'_>) -> Checked {
        let Some(name) = self.name_of_servers(check)? else { return Ok(Status::Dunno) };
        if let Some(literal) = name.strip_prefix('[') {
            // An address is its own mail server, and nobody's name server.
            let literal = literal.strip_suffix(']').filter(|literal| is_address_literal(literal));
            let address = literal.map(|literal| literal.rsplit_once("v6:").map_or(literal, |(_, address)| address));
            return match address.filter(|_| check.by != By::NameServers) {
                Some(address) => {
                    Ok(self.ask(table, &keys::ip_address(address), path, subject)?.unwrap_or(Status::Dunno))
                }
                None => Ok(Status::Dunno),
            };
        }
        for server in self.servers(check.by, &name)? {
            if check.by != By::Addresses
                && let Some(status) = self.ask(table, &keys::host(&server), path, subject)?
            {
                return Ok(self.of_server(status, check, path));
            }
            let addresses = match dns::addresses(&server) {
                Ok(addresses) => addresses,
                Err(dns::Error::NotGranted) => return self.known(Err(dns::Error::NotGranted)).map(|_| Status::Dunno),
                Err(_) => continue,
            };
            for address in addresses {
                if let Some(status) = self.ask(table, &keys::ip_address(&address), path, subject)? {
                    return Ok(self.of_server(status, check, path));
                }
            }
        }
        Ok(Status::Dunno)
    }

    fn of_server(&mut self, status: Status, check: Check, path: &str) -> Status {
        if status == Status::Permitted { self.never_permits(check, path) } else { status }
    }

    /// The host or domain whose servers are meant.
    fn name_of_servers(&mut self, check: Check) -> Result<Option<String>, Status> {
        let of_address = |mailbox: Option<&crate::evaluation::Mailbox>| {
            mailbox.map(|mailbox| mailbox.domain().to_owned()).filter(|domain| !domain.is_empty())
        };
        Ok(match check.object {
            Object::Client => self.facts.client.name.clone(),
            Object::ReverseClient => Some(self.reverse_name()?).filter(|name| name != "unknown"),
            Object::Helo => self.facts.client.helo.clone(),
            Object::Sender => of_address(self.sender.as_ref()),
            Object::Recipient => of_address(self.recipient.as_ref()),
            Object::Login => None,
        })
    }

    /// The servers of a name. That nobody knows them now restricts nothing, as in Postfix; the log tells.
    fn servers(&mut self, by: By, name: &str) -> Result<Vec<String>, Status> {
        let found = match by {
            By::Itself | By::Addresses => return Ok(vec![name.to_owned()]),
            By::MailExchanges => match dns::mail_exchanges(name) {
                Ok(Exchanges::Hosts(hosts)) => Ok(hosts.into_iter().map(|exchange| exchange.host).collect()),
                Ok(Exchanges::Null) => Ok(Vec::new()),
                // A domain without one is its own.
                Ok(Exchanges::Implicit) | Err(dns::Error::NoSuchName) => Ok(vec![name.to_owned()]),
                Err(error) => Err(error),
            },
            By::NameServers => name_servers(name),
        };
        found.or_else(|error| match error {
            dns::Error::NotGranted => self.known(Err(error)).map(|_| Vec::new()),
            error => {
                log::warn(&format!("the servers of {name} can't be looked up: {error:?}"));
                Ok(Vec::new())
            }
        })
    }
}

/// Of the nearest domain above that has its own.
fn name_servers(name: &str) -> Result<Vec<String>, dns::Error> {
    let mut domain = name;
    loop {
        match dns::name_servers(domain) {
            Ok(servers) if !servers.is_empty() => return Ok(servers),
            Ok(_) | Err(dns::Error::NoSuchName) => {}
            Err(error) => return Err(error),
        }
        match domain.split_once('.') {
            Some((_, parent)) if !parent.is_empty() => domain = parent,
            _ => return Ok(Vec::new()),
        }
    }
}
