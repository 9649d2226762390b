//! `when`: for which messages a stage runs.

use regex::Regex;

use super::filter::Mail;
use crate::mail::Network;

/// What a message must be like. All parts that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// For each: a field of this name whose unfolded value matches is there.
    pub header: Vec<(String, Regex)>,
    /// The reverse-path matches; the null sender is the empty text.
    pub sender: Option<Regex>,
    /// At least one recipient matches.
    pub recipient: Option<Regex>,
    /// The client is in one of these networks; none given means any.
    pub client_networks: Vec<Network>,
    /// The client's confirmed name matches; a client without one is `unknown`, as in Postfix.
    pub client_name: Option<Regex>,
    /// Whether the client is in `[networks] trusted`.
    pub client_trusted: Option<bool>,
    /// The client has logged in, with a name that matches.
    pub client_login: Option<Regex>,
    /// Whether the client has logged in.
    pub client_authenticated: Option<bool>,
    /// Smallest size in octets.
    pub min_size: Option<u64>,
    /// Largest size in octets.
    pub max_size: Option<u64>,
}

impl Condition {
    /// The first part that does not hold, in the words of the TOML; none when the stage runs.
    pub fn unmet(&self, mail: &Mail) -> Option<String> {
        self.unmet_by_client(mail).or_else(|| self.unmet_by_envelope(mail)).or_else(|| self.unmet_by_message(mail))
    }

    fn unmet_by_client(&self, mail: &Mail) -> Option<String> {
        let client = &mail.client;
        let address = client.peer.ip();
        if !self.client_networks.is_empty() && !self.client_networks.iter().any(|network| network.contains(address)) {
            return Some(format!("client.address: {address} is in none of the networks"));
        }
        let name = client.name.as_deref().unwrap_or("unknown");
        if let Some(pattern) = self.client_name.as_ref().filter(|pattern| !pattern.is_match(name)) {
            return Some(format!("client.name: `{name}` does not match `{pattern}`"));
        }
        if self.client_trusted.is_some_and(|wanted| wanted != client.trusted) {
            return Some(format!("client.trusted: it is {}", client.trusted));
        }
        if let Some(pattern) = &self.client_login {
            match &client.login {
                None => return Some("client.login: there is none".to_owned()),
                Some(login) if !pattern.is_match(login) => {
                    return Some(format!("client.login: `{login}` does not match `{pattern}`"));
                }
                Some(_) => {}
            }
        }
        let authenticated = client.login.is_some();
        if self.client_authenticated.is_some_and(|wanted| wanted != authenticated) {
            return Some(format!("client.authenticated: it is {authenticated}"));
        }
        None
    }

    fn unmet_by_envelope(&self, mail: &Mail) -> Option<String> {
        let envelope = &mail.envelope;
        if let Some(pattern) = self.sender.as_ref().filter(|pattern| !pattern.is_match(envelope.sender.as_str())) {
            return Some(format!("sender: <{}> does not match `{pattern}`", envelope.sender));
        }
        let any = |pattern: &Regex| envelope.recipients.iter().any(|one| pattern.is_match(one.address.as_str()));
        let pattern = self.recipient.as_ref().filter(|pattern| !any(pattern))?;
        Some(format!("recipient: none matches `{pattern}`"))
    }

    fn unmet_by_message(&self, mail: &Mail) -> Option<String> {
        for (name, pattern) in &self.header {
            let mut fields = mail.message.fields().iter().filter(|field| field.is(name));
            if !fields.any(|field| pattern.is_match(&field.unfolded())) {
                return Some(format!("header.{name}: no such field matches `{pattern}`"));
            }
        }
        if self.min_size.is_none() && self.max_size.is_none() {
            return None;
        }
        let size = mail.message.size();
        let too_small = self.min_size.is_some_and(|least| size < least);
        let too_large = self.max_size.is_some_and(|most| size > most);
        (too_small || too_large).then(|| format!("size: it has {size} octets"))
    }
}
