//! `[relay] domains`, as the server asks about them.

use std::sync::Arc;

use super::tables::Tables;
use crate::{
    config::RelayDomain,
    server::{DomainList, DomainsError, RelayDomains},
    tables::Table,
};

/// `[relay] domains`: names, and keys of tables.
pub(super) struct OurDomains {
    names: DomainList,
    tables: Vec<(String, Arc<dyn Table>)>,
}

impl OurDomains {
    pub(super) fn new(domains: &[RelayDomain], tables: &Tables) -> Self {
        let name = |domain: &RelayDomain| if let RelayDomain::Name(name) = domain { Some(name.clone()) } else { None };
        let table = |domain: &RelayDomain| match domain {
            RelayDomain::Table(name) => tables.get(name).map(|table| (name.clone(), Arc::clone(table))),
            RelayDomain::Name(_) => None,
        };
        Self {
            names: DomainList(domains.iter().filter_map(name).collect()),
            tables: domains.iter().filter_map(table).collect(),
        }
    }
}

impl RelayDomains for OurDomains {
    /// The domain, or one that it is below, is a name of the list or a key of a table (Postfix relay_domains).
    fn contains(&self, domain: &str) -> Result<bool, DomainsError> {
        if self.names.contains(domain)? {
            return Ok(true);
        }
        for (name, table) in &self.tables {
            let mut rest = Some(domain);
            while let Some(key) = rest {
                match table.lookup(key) {
                    Ok(Some(_)) => return Ok(true),
                    Ok(None) => rest = key.split_once('.').map(|(_, parent)| parent),
                    Err(error) => return Err(DomainsError(format!("table {name}: {error}"))),
                }
            }
        }
        Ok(false)
    }
}
