//! What kind of thing a plugin's octets are, and how they become a component.

use std::{borrow::Cow, fmt};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, Module};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{Resolve, SourceMap};

use super::{contain::contained, load::LoadError};

const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a core module (WebAssembly core specification, 5.5.16) and of a component.
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// The contract: file names below `wit/`, and texts.
pub const CONTRACT: [(&str, &str); 3] = [
    ("filter.wit", include_str!("../../../wit/filter.wit")),
    ("imports.wit", include_str!("../../../wit/imports.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
];
const BOTH: &str = "package mailweir:host; world filter {
    include mailweir:filter/message-filter@0.1.0;
    include mailweir:filter/session-filter@0.1.0;
}";
/// What such a module may be; the first that it has all exports for.
const WORLDS: [&str; 3] =
    ["mailweir:host/filter", "mailweir:filter/message-filter@0.1.0", "mailweir:filter/session-filter@0.1.0"];

/// The component that `wasm` is, or that it becomes. A core module is wrapped: by the WIT that it carries in a custom section,
/// as those do that wit-bindgen helped to write, or else by our own, if it exports functions with the right names.
pub(super) fn from_bytes<'a>(engine: &Engine, wasm: &'a [u8]) -> Result<Cow<'a, [u8]>, LoadError> {
    if !wasm.starts_with(MAGIC) {
        return Err(LoadError::NotWasm);
    }
    match wasm.get(MAGIC.len()..MAGIC.len() + MODULE.len()) {
        Some(COMPONENT) => Ok(Cow::Borrowed(wasm)),
        Some(MODULE) => {
            Module::validate(engine, wasm).map_err(invalid)?;
            contained(|| wrap(wasm), LoadError::Invalid).map(Cow::Owned)
        }
        Some(_) => Err(LoadError::UnknownVersion),
        None => Err(LoadError::Invalid("the file ends within its first 8 octets".to_owned())),
    }
}

fn wrap(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    if let Some(foreign) = foreign_import(module) {
        return Err(LoadError::UnknownImport(foreign));
    }
    let carries_wit = metadata::decode(module).map_err(invalid)?.0.is_some();
    if carries_wit { encode(module).map_err(invalid) } else { wrap_by_our_contract(module) }
}

/// The first import that is no interface's and not of WASI 0.1, as compilers and linkers leave them where they find no function.
fn foreign_import(module: &[u8]) -> Option<String> {
    let sections = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ImportSection(imports)) => Some(imports),
        _ => None,
    });
    let mut imports = sections.flat_map(|imports| imports.into_imports()).filter_map(Result::ok);
    let foreign =
        imports.find(|import| !import.module.contains(':') && import.module != WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME)?;
    Some(format!("`{}` of `{}`", foreign.name, foreign.module))
}

fn wrap_by_our_contract(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let mut sources = SourceMap::new();
    CONTRACT.into_iter().for_each(|(path, text)| sources.push_str(path, text));
    let mut resolve = Resolve::default();
    let contract = sources.parse().map_err(|(_, error)| invalid(error))?;
    resolve.push_group(contract).map_err(invalid)?;
    let package = resolve.push_str("host.wit", BOTH).map_err(invalid)?;
    let mut reasons = Vec::new();
    for name in WORLDS {
        let world = resolve.select_world(&[package], Some(name)).map_err(invalid)?;
        let mut module = module.to_vec();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(invalid)?;
        match encode(&module) {
            Ok(component) => return Ok(component),
            Err(error) => reasons.push(format!("{error:#}")),
        }
    }
    reasons.dedup();
    Err(invalid(format!("it carries no WIT, and fits no world of the contract: {}", reasons.join("; "))))
}

/// A module for WASI 0.1 gets an adapter to 0.2; in others nothing of it is used. Allocators may need a runtime that is not up yet
/// when the adapter asks for memory (Go's do), so it helps itself.
fn encode(module: &[u8]) -> Result<Vec<u8>, impl fmt::Display + use<>> {
    let encoder = ComponentEncoder::default().validate(true).realloc_via_memory_grow(true).module(module);
    encoder
        .and_then(|it| it.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER))
        .and_then(|mut encoder| encoder.encode())
}

fn invalid(error: impl fmt::Display) -> LoadError {
    LoadError::Invalid(format!("{error:#}"))
}
