//! Compiled filters on disk. The name of an entry says all that it was made of; its first octets are the hash of the rest, and
//! the next one tells whether it is frozen.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wasmtime::{Engine, component::Component};

use super::load::Plugin;

/// Changes when an entry's layout, or what the relay does before compiling, changes.
const FORMAT: &[u8] = b"mailweir-artefact-3";

const HASH_LENGTH: usize = 32;

/// A component that is ready to be instantiated.
pub(super) struct Image {
    pub(super) component: Component,
    /// Whether it is in the state that `configure` left; otherwise each instance has to be configured.
    pub(super) frozen: bool,
}

/// One place in the cache.
pub(super) struct Entry {
    path: PathBuf,
}

impl Entry {
    /// The place for this plugin with this configuration on this engine; `freezable` says whether it may be frozen.
    pub(super) fn of(folder: &Path, engine: &Engine, plugin: &Plugin<'_>, config: &str, freezable: bool) -> Self {
        let mut engine_hash = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut engine_hash);
        let mut name = Sha256::new();
        name.update(FORMAT);
        name.update(engine_hash.finish().to_le_bytes());
        let granted: Vec<&str> = plugin.tables.keys().map(String::as_str).collect();
        let granted = granted.join("\n");
        let flags = [u8::from(freezable), u8::from(plugin.resolver.is_some())];
        let version = env!("CARGO_PKG_VERSION");
        for part in [version.as_bytes(), plugin.wasm, config.as_bytes(), granted.as_bytes(), &flags] {
            name.update((part.len() as u64).to_le_bytes());
            name.update(part);
        }
        Self { path: folder.join(format!("{:x}.cwasm", name.finalize())) }
    }

    /// The artefact, if it is there and undamaged.
    pub(super) fn read(&self, engine: &Engine) -> Option<Image> {
        let content = fs::read(&self.path).ok()?;
        let Some((frozen, artefact)) = undamaged(&content) else {
            tracing::warn!(path = %self.path.display(), "a compiled filter is damaged; it is compiled again");
            return None;
        };
        // SAFETY: deserialising runs what is in the file. It lies in a folder that only this user can write to, and its hash
        // says that it is what `write` put there, made by this version of the engine.
        unsafe { Component::deserialize(engine, artefact) }
            .inspect_err(|error| tracing::warn!(path = %self.path.display(), %error, "a compiled filter does not load"))
            .map(|component| Image { component, frozen })
            .ok()
    }

    /// Keep the artefact. Not being able to is no reason not to start: it is logged, and compiling happens again next time.
    pub(super) fn write(&self, image: &Image) {
        let written = image.component.serialize().map_err(|error| error.to_string()).and_then(|artefact| {
            let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| error.to_string())?;
            let content = [&[u8::from(image.frozen)], artefact.as_slice()].concat();
            let hash = Sha256::digest(&content);
            file.write_all(&hash).and_then(|()| file.write_all(&content)).map_err(|error| error.to_string())?;
            file.persist(&self.path).map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), error, "a compiled filter can't be kept");
        }
    }
}

/// Whether it is frozen, and the artefact.
fn undamaged(content: &[u8]) -> Option<(bool, &[u8])> {
    let (hash, content) = content.split_at_checked(HASH_LENGTH)?;
    let (frozen, artefact) = content.split_first()?;
    (Sha256::digest(content).as_slice() == hash).then_some((*frozen == 1, artefact))
}
