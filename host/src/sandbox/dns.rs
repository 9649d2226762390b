//! What a guest may ask the DNS, where the TOML lets it.

use std::future::Future;

use wasmtime::Result;

use super::{
    bindings::interfaces::dns,
    guest::{Guest, HostCall},
};
use crate::dns::{DnsError, MailExchange, MailExchanges, Resolver};

type Answer<T> = Result<std::result::Result<T, dns::Error>>;

impl Guest {
    /// Ask, unless the stage may not. The guest is left half of its time, to do something with "not now".
    async fn ask<T, F>(&mut self, import: &str, question: impl FnOnce(Resolver) -> F) -> Answer<T>
    where
        F: Future<Output = std::result::Result<T, DnsError>>,
    {
        self.not_in_configure(import)?;
        let Some(resolver) = self.resolver.clone() else { return Ok(Err(dns::Error::NotGranted)) };
        self.spend_question()?;
        let answer = tokio::time::timeout(self.time_left() / 2, question(resolver)).await;
        Ok(match answer {
            Ok(answer) => answer.map_err(|error| match error {
                DnsError::NoSuchDomain(_) | DnsError::BadName(_) => dns::Error::NoSuchName,
                DnsError::Unavailable { .. } | DnsError::Settings(_) => dns::Error::Unavailable(error.to_string()),
            }),
            Err(_) => Err(dns::Error::Unavailable("no answer in the time that is left".to_owned())),
        })
    }
}

impl dns::Host for HostCall<'_> {
    fn granted(&mut self) -> Result<bool> {
        Ok(self.resolver.is_some())
    }

    async fn mail_exchanges(&mut self, domain: String) -> Answer<dns::Exchanges> {
        let host = |one: MailExchange| dns::MailExchange { preference: one.preference, host: one.host };
        let found =
            self.ask("dns.mail-exchanges", |resolver| async move { resolver.mail_exchanges(&domain).await }).await?;
        Ok(found.map(|exchanges| match exchanges {
            MailExchanges::Implicit => dns::Exchanges::Implicit,
            MailExchanges::Null => dns::Exchanges::Null,
            MailExchanges::Hosts(hosts) => dns::Exchanges::Hosts(hosts.into_iter().map(host).collect()),
        }))
    }

    async fn addresses(&mut self, host: String) -> Answer<Vec<String>> {
        let found = self.ask("dns.addresses", |resolver| async move { resolver.addresses(&host).await }).await?;
        Ok(found.map(|addresses| addresses.iter().map(ToString::to_string).collect()))
    }

    async fn name_servers(&mut self, domain: String) -> Answer<Vec<String>> {
        self.ask("dns.name-servers", |resolver| async move { resolver.name_servers(&domain).await }).await
    }

    async fn names(&mut self, address: String) -> Answer<Vec<String>> {
        let Ok(address) = address.parse() else { return Ok(Err(dns::Error::NoSuchName)) };
        self.ask("dns.names", |resolver| async move { resolver.names(address).await }).await
    }
}
