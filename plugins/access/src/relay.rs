//! The lists as a whole: nobody may become an open relay by them.

use mailweir_sdk::ConfigError;

use crate::{
    Access,
    list::List,
    restriction::{Plain, Restriction},
};

/// Without a list of the operator's: trusted clients and those that are logged in may send anywhere, everybody to our domains.
pub(crate) fn default() -> Vec<Restriction> {
    [Plain::PermitMynetworks, Plain::PermitSaslAuthenticated, Plain::RejectUnauthDestination]
        .map(Restriction::Plain)
        .into()
}

/// Add what is wrong with the lists as a whole.
pub(crate) fn check(access: &Access, mistakes: &mut Vec<ConfigError>) {
    for name in access.classes.keys() {
        if circle(access, name, &mut vec![name]) {
            mistakes.push(ConfigError::new(format!("classes.{name}"), format!("class `{name}` leads back to itself")));
        }
    }
    if !mistakes.is_empty() {
        return;
    }
    let message = match end(access, access.list(List::Relay)) {
        End::Refuses => None,
        End::Permits => Some("`permit` lets everybody send anywhere: this would be an open relay".to_owned()),
        End::Neither => Some(
            "nothing in this list refuses strangers who send elsewhere; put `reject_unauth_destination` at its end \
             (or `defer_unauth_destination`, `reject`, `defer`, `defer_if_permit`)"
                .to_owned(),
        ),
    };
    mistakes.extend(message.map(|message| ConfigError::new("relay", message)));
    for list in [List::Data, List::EndOfData] {
        for (index, restriction) in access.list(list).iter().enumerate() {
            if let Restriction::Plain(plain) = restriction
                && plain.is_about_relaying()
            {
                let why =
                    format!("`{plain}` belongs into `relay` or `recipient`: at DATA it is settled who may send where");
                mistakes.push(ConfigError::new(format!("{}[{index}]", list.name()), why));
            }
        }
    }
}

/// Whether a class calls itself.
fn circle<'a>(access: &'a Access, name: &'a str, way: &mut Vec<&'a str>) -> bool {
    let list = access.classes.get(name).map(Vec::as_slice).unwrap_or_default();
    list.iter().any(|restriction| {
        let Restriction::Class(next) = restriction else { return false };
        if way.contains(&next.as_str()) {
            return way.first() == Some(&next.as_str());
        }
        way.push(next);
        let found = circle(access, next, way);
        way.pop();
        found
    })
}

/// How a list ends for somebody whom no table knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Refuses,
    Permits,
    Neither,
}

/// Postfix asks for the same (rule 6.3): one of these, not behind `permit` nor `warn_if_reject` (S10).
fn end(access: &Access, list: &[Restriction]) -> End {
    let mut warned = false;
    for restriction in list {
        let end = match restriction {
            Restriction::Plain(Plain::WarnIfReject) => {
                warned = true;
                continue;
            }
            Restriction::Plain(Plain::Permit) => End::Permits,
            Restriction::Plain(
                Plain::RejectUnauthDestination
                | Plain::DeferUnauthDestination
                | Plain::Reject
                | Plain::Defer
                | Plain::DeferIfPermit,
            ) => End::Refuses,
            Restriction::Class(name) => end(access, access.classes.get(name).map(Vec::as_slice).unwrap_or_default()),
            Restriction::Plain(_) | Restriction::Check(..) => End::Neither,
        };
        if end == End::Permits || end == End::Refuses && !warned {
            return end;
        }
        warned = false;
    }
    End::Neither
}
