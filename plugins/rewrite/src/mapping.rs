//! Lookup of an address in tables as Postfix's mail_addr_map does it: which keys, in which order, and what a result means.

use std::fmt;

use mailweir_sdk::{
    Failure, log,
    tables::{self, Key, Table},
};

use crate::{
    address::{external, quote, split, split_extension, unquote, without_route},
    completion::Completion,
    header,
};

/// Rounds after which a recursive mapping is given up.
const MOST_ROUNDS: usize = 10;

/// How addresses are looked up.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `recipient_delimiter`: characters at which an extension begins.
    pub delimiters: String,
    /// How addresses and results become complete.
    pub completion: Completion,
    /// `mydestination`: domains whose users are also looked up without domain; the origin always is one.
    pub local_domains: Vec<String>,
    /// `propagate_unmatched_extensions`: an extension that the matching key did not have is put to the result.
    pub propagate_extensions: bool,
    /// Whether a result is looked up again.
    pub recursive: bool,
}

/// One table row on the way from an address to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the table.
    pub table: String,
    /// The key that hit.
    pub key: String,
    /// What the row says.
    pub value: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}: `{}` is `{}`", self.table, self.key, self.value)
    }
}

/// A mapped address and the way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The address, in external form.
    pub address: String,
    /// Table rows in order; never empty.
    pub steps: Vec<Step>,
}

impl Mapped {
    /// What to tell somebody who asks why this stands in the place of `old`.
    pub fn reason(&self, old: &str) -> impl FnOnce() -> String + use<> {
        let (old, steps) = (old.to_owned(), self.steps.clone());
        move || {
            let steps: Vec<_> = steps.iter().map(Step::to_string).collect();
            format!("{old}: {}", steps.join(", then "))
        }
    }
}

/// Map an address through a list of tables; none where no table has it, or it maps to itself. The address is looked up as it is, results
/// are brought into standard form.
///
/// A failure is an error of a table, a result that is no address, or rows that go in a circle: then it isn't known where the mail
/// should go, and it is better to try again later than to guess (Postfix guesses: trap 10).
pub fn map(address: &str, tables: &[Table], rules: &Rules) -> Result<Option<Mapped>, Failure> {
    if tables.is_empty() || address.is_empty() {
        return Ok(None);
    }
    let mut mapped = Mapped { address: external(without_route(address)), steps: Vec::new() };
    while let Some((next, step)) = once(&mapped.address, tables, rules)? {
        if next == mapped.address {
            break;
        }
        // Another spelling counts, and is the end.
        let is_same = next.eq_ignore_ascii_case(&mapped.address);
        if !is_same && mapped.steps.len() == MOST_ROUNDS {
            let keys: Vec<_> = mapped.steps.iter().map(|step| step.key.as_str()).collect();
            return Err(Failure(format!("rows of the tables go in a circle: {}", keys.join(" -> "))));
        }
        mapped.address = next;
        mapped.steps.push(step);
        if is_same || !rules.recursive {
            break;
        }
    }
    Ok((!mapped.steps.is_empty()).then_some(mapped))
}

/// Why [`map`] leaves an address alone: the keys that no table has, or the row that says the same. For those who ask; it looks again.
pub fn why_not(address: &str, tables: &[Table], rules: &Rules) -> String {
    let address = external(without_route(address));
    match once(&address, tables, rules) {
        Ok(Some((_, step))) => step.to_string(),
        Err(failure) => failure.0,
        Ok(None) => {
            let (local, domain) = split(&address);
            let internal = unquote(local);
            let extension = split_extension(&internal, &rules.delimiters);
            let (_, keys) = keys(&address, &internal, extension, domain, rules);
            let keys: Vec<_> = keys.iter().map(|key| format!("`{}`", key.text)).collect();
            let tables: Vec<_> = tables.iter().map(Table::name).collect();
            format!("no row in {} for {}", tables.join(", "), keys.join(", "))
        }
    }
}

/// Which key hit decides what becomes of the extension.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    /// Without the extension.
    Bare,
    Domain,
}

/// One round: the keys of 2.1, the meaning of the result of 2.3.
fn once(address: &str, tables: &[Table], rules: &Rules) -> Result<Option<(String, Step)>, Failure> {
    let (local, domain) = split(address);
    let internal = unquote(local);
    let extension = split_extension(&internal, &rules.delimiters);
    let (forms, keys) = keys(address, &internal, extension, domain, rules);
    let Some(hit) = tables::lookup(tables, &keys)? else { return Ok(None) };
    let form = forms.get(hit.key as usize).copied().unwrap_or(Form::Full);
    let key = keys.into_iter().nth(hit.key as usize).map(|key| key.text).unwrap_or_default();
    let table = tables.get(hit.table as usize).map(|table| table.name().to_owned()).unwrap_or_default();

    let dropped = extension.filter(|_| form == Form::Bare);
    let result = match hit.value.strip_prefix('@') {
        // M1: another domain for the same user.
        Some(new_domain) if !new_domain.contains(['@', ',', ' ']) => {
            let user = dropped.map_or(internal.as_str(), |(user, _)| user);
            rules.completion.standard_form(&format!("{}@{new_domain}", quote(user)))
        }
        // M2, M4, M5: the first address of what the row says.
        _ => {
            let mut results = header::addresses(hit.value.as_bytes()).into_iter();
            let first = results.next();
            let first = first.ok_or_else(|| format!("table {table}: `{}` (key `{key}`) is no address", hit.value))?;
            if results.next().is_some() {
                log::warn(&format!(
                    "table {table}: `{}` (key `{key}`) is several addresses; the first is taken",
                    hit.value
                ));
            }
            let complete = external(&rules.completion.standard_form(&first.address));
            if split(&complete).1.is_none() {
                let why = format!("table {table}: `{}` (key `{key}`) has no domain, and no `origin` is set", hit.value);
                return Err(Failure(why));
            }
            complete
        }
    };
    let result = match dropped {
        Some((_, extension)) if rules.propagate_extensions => with_extension(&result, extension),
        _ => result,
    };
    Ok(Some((result, Step { table, key, value: hit.value })))
}

/// 2.1: `user+ext@domain`, `user@domain` (both without domain where there is none), then for local domains `user+ext` and `user`, then `@domain`.
fn keys(
    address: &str,
    internal: &str,
    extension: Option<(&str, &str)>,
    domain: Option<&str>,
    rules: &Rules,
) -> (Vec<Form>, Vec<Key>) {
    let mut forms = Vec::with_capacity(5);
    let mut keys = Vec::with_capacity(5);
    let mut add = |form, key| {
        forms.push(form);
        keys.push(key);
    };
    add(Form::Full, Key::whole(address));
    let bare = extension.map(|(user, _)| quote(user));
    if let Some(bare) = &bare {
        add(Form::Bare, Key::partial(domain.map_or_else(|| bare.clone(), |domain| format!("{bare}@{domain}"))));
    }
    let is_local = |domain: &str| {
        let same = |own: &String| own.eq_ignore_ascii_case(domain);
        rules.completion.origin.iter().chain(&rules.local_domains).any(same)
    };
    if let Some(domain) = domain {
        if is_local(domain) {
            add(Form::Full, Key::partial(quote(internal)));
            if let Some(bare) = bare {
                add(Form::Bare, Key::partial(bare));
            }
        }
        add(Form::Domain, Key::partial(format!("@{domain}")));
    }
    (forms, keys)
}

/// M3: the extension goes before the last `@`.
fn with_extension(address: &str, extension: &str) -> String {
    let (local, domain) = split(address);
    let local = quote(&format!("{}{extension}", unquote(local)));
    domain.map_or_else(|| local.clone(), |domain| format!("{local}@{domain}"))
}
