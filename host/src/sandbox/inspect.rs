//! What a plugin is, without configuring or running it.

use std::collections::BTreeSet;

use serde::Serialize;
use wasmparser::{KnownCustom, Parser, Payload};
use wasmtime::component::Component;

use super::{
    component,
    engine::Sandbox,
    load::{LoadError, Role, exports_of},
};

/// What a plugin is, what it wants, and whether it would load.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// `component`, or `core module`, which the relay wraps.
    pub kind: &'static str,
    /// Octets of the file.
    pub size: usize,
    /// The interfaces that it imports, once wrapped.
    pub imports: Vec<String>,
    /// The interfaces that it exports, once wrapped.
    pub exports: Vec<String>,
    /// The versions of the contract that it was built against.
    pub contract: Vec<String>,
    /// Languages and tools that made it, as it says itself.
    pub made_with: Vec<String>,
    /// What it may ask for in the TOML, and what that is for.
    pub grants: Vec<Grant>,
    /// Why it could not stand in `[[session]]`; none if it could.
    pub not_in_session: Option<String>,
    /// Why it could not stand in `[[message]]` and `[[delivery]]`; none if it could.
    pub not_in_message: Option<String>,
}

/// A key of a stage that gives a filter something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// The key, or how it is given.
    pub key: &'static str,
    /// What for.
    pub what: &'static str,
}

/// Import, and what gives it.
const GRANTS: [(&str, Grant); 8] = [
    (
        "mailweir:filter/tables@",
        Grant { key: "tables = [\"…\"], or a table's name in config", what: "looks things up" },
    ),
    ("mailweir:filter/files@", Grant { key: "files = \"DIRECTORY\"", what: "may write files there" }),
    ("mailweir:filter/dns@", Grant { key: "dns = true", what: "asks the DNS" }),
    ("wasi:filesystem/", Grant { key: "wasi.directory = \"DIRECTORY\"", what: "may read files there" }),
    ("wasi:clocks/", Grant { key: "given", what: "reads clocks" }),
    ("wasi:random/", Grant { key: "given", what: "makes random numbers" }),
    ("wasi:cli/stdout@", Grant { key: "given", what: "prints to the log" }),
    ("wasi:sockets/", Grant { key: "never given", what: "asks for a network, and is refused each time" }),
];

impl Sandbox {
    /// Look at a plugin. Compiles it, which takes seconds for those that bring a runtime of their own.
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection, LoadError> {
        let wrapped = component::from_bytes(&self.engine, wasm)?;
        let compiled =
            Component::new(&self.engine, &*wrapped).map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        let ty = compiled.component_type();
        let imports: Vec<_> = ty.imports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let exports: Vec<_> = ty.exports(&self.engine).map(|(name, _)| name.to_owned()).collect();
        let why_not = |role| {
            let linked = self.link(&compiled);
            linked.and_then(|pre| exports_of(&pre, &compiled, &self.engine, role, "{}")).err()
        };
        let reason = |role| why_not(role).map(|error| error.to_string());
        let wanted = |(import, _): &&(&str, Grant)| imports.iter().any(|name| name.starts_with(import));
        Ok(Inspection {
            kind: if wasm.len() == wrapped.len() { "component" } else { "core module" },
            size: wasm.len(),
            contract: contract(imports.iter().chain(&exports)),
            made_with: made_with(wasm),
            grants: GRANTS.iter().filter(wanted).map(|(_, grant)| *grant).collect(),
            not_in_session: reason(Role::Session),
            not_in_message: reason(Role::Message),
            imports,
            exports,
        })
    }
}

/// The versions after the `@` of our interfaces.
fn contract<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let ours = names.filter(|name| name.starts_with("mailweir:filter/"));
    let versions: BTreeSet<_> = ours.filter_map(|name| name.split_once('@')).map(|(_, version)| version).collect();
    versions.into_iter().map(str::to_owned).collect()
}

/// What the `producers` sections say, of all modules that it is made of. One that can't be read tells nothing.
fn made_with(wasm: &[u8]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Producers(fields) = section.as_known() else { continue };
        let values = fields.into_iter().flatten().flat_map(|field| field.values).flatten();
        found.extend(values.map(|one| format!("{} {}", one.name, one.version).trim_end().to_owned()));
    }
    found.into_iter().collect()
}
