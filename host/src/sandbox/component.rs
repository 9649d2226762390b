//! What kind of thing a plugin's octets are, and how they become a component.

use std::borrow::Cow;

use wit_component::ComponentEncoder;

use super::load::LoadError;

const MAGIC: &[u8] = b"\0asm";
/// Version and layer of a core module (WebAssembly core specification, 5.5.16) and of a component.
const MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// The component that `wasm` is, or that it becomes: a core module that carries its WIT in a custom section is wrapped.
pub(super) fn from_bytes(wasm: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    if !wasm.starts_with(MAGIC) {
        return Err(LoadError::NotWasm);
    }
    match wasm.get(MAGIC.len()..MAGIC.len() + MODULE.len()) {
        Some(COMPONENT) => Ok(Cow::Borrowed(wasm)),
        Some(MODULE) => wrap(wasm).map(Cow::Owned),
        Some(_) => Err(LoadError::UnknownVersion),
        None => Err(LoadError::Invalid("the file ends within its first 8 octets".to_owned())),
    }
}

fn wrap(module: &[u8]) -> Result<Vec<u8>, LoadError> {
    let encoded = ComponentEncoder::default().validate(true).module(module).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| LoadError::Invalid(format!("{error:#}")))
}
