//! Who we are to a next hop that wants a name and a password (RFC 4954).

use std::{fmt, sync::Arc};

use super::next_hop::NextHop;
use crate::tables::Table;

/// `auth` of a route.
#[derive(Clone)]
pub struct Login {
    /// Where name and password come from.
    pub credentials: Credentials,
    /// Whether they may be told over a connection without TLS, where anybody on the way can read them.
    pub without_tls: bool,
}

/// Where name and password come from.
#[derive(Clone)]
pub enum Credentials {
    /// From the configuration.
    Fixed(Account),
    /// The row of the next hop: `smtp://host:port` as in the route, or the host alone; the value is `name:password`
    /// (Postfix smtp_sasl_password_maps). A next hop without a row gets no AUTH.
    Table(String, Arc<dyn Table>),
}

/// A name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Account {
    /// Passwords don't belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.user)
    }
}

impl Login {
    /// The account at a next hop; none where the table has no row. The error says why it isn't known.
    pub(super) fn account(&self, next_hop: &NextHop) -> Result<Option<Account>, String> {
        let (name, table) = match &self.credentials {
            Credentials::Fixed(account) => return Ok(Some(account.clone())),
            Credentials::Table(name, table) => (name, table),
        };
        let full = next_hop.to_string();
        for key in [Some(full.as_str()), next_hop.host()].into_iter().flatten() {
            if let Some(value) = table.lookup(key).map_err(|error| format!("table {name}: {error}"))? {
                let (user, password) = value
                    .split_once(':')
                    .ok_or_else(|| format!("table {name}: the row of {key} is no `name:password`"))?;
                return Ok(Some(Account { user: user.to_owned(), password: password.to_owned() }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{self, Kind};

    #[test]
    fn a_table_has_names_and_passwords_by_next_hop() {
        let rows = [("smtp://a.example:587", "one:p:w"), ("a.example", "two:pw"), ("broken.example", "nothing")];
        let rows = rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let table = tables::open(&Kind::Inline(rows), &|_| None).expect("a table").table;
        let login = Login { credentials: Credentials::Table("t".to_owned(), table), without_tls: false };
        let account = |hop: &str| login.account(&hop.parse().expect("a next hop"));
        let is =
            |user: &str, password: &str| Ok(Some(Account { user: user.to_owned(), password: password.to_owned() }));
        assert_eq!(account("smtp://a.example:587"), is("one", "p:w"));
        assert_eq!(account("smtp://a.example:25"), is("two", "pw"));
        assert_eq!(account("mx://a.example"), is("two", "pw"));
        assert_eq!(account("smtp://b.example"), Ok(None));
        assert!(account("smtp://broken.example").is_err());
    }
}
