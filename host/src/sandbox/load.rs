//! From a plugin's octets to a filter that is ready to run: wrap, check, configure, freeze, compile, keep.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{
    Engine, Store,
    component::{Component, Instance, InstancePre},
};
use wasmtime_wizer::Wizer;

use super::{
    bindings::{CONFIGURATION, MESSAGE, SESSION, exports},
    cache::Entry,
    component,
    engine::Sandbox,
    filter::{Exports, WasmFilter, failure},
    guest::Guest,
    snapshot::Configured,
};
use crate::{pipeline::FilterLimits, tables::Table};

/// In which stage list a plugin is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `[[session]]`.
    Session,
    /// `[[message]]` or `[[delivery]]`.
    Message,
}

/// A plugin with everything that the TOML says about it.
pub struct Plugin<'a> {
    /// Name of the stage, for the log.
    pub stage: &'a str,
    /// A component, or a core module that carries its WIT.
    pub wasm: &'a [u8],
    /// `config` of the stage; an object.
    pub config: &'a serde_json::Value,
    /// The tables that the stage may ask.
    pub tables: BTreeMap<String, Arc<dyn Table>>,
    /// What one call may use.
    pub limits: FilterLimits,
    /// Where it is to stand.
    pub role: Role,
}

/// A mistake in a stage's `config`, as the filter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// `domains[2]`, `rules[0].pattern`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// A plugin that can't run. Found at start, which it prevents.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file doesn't begin as WebAssembly does.
    #[error("this is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A binary format that this version doesn't know.
    #[error("this is WebAssembly in a version of the format that is not known here")]
    UnknownVersion,
    /// Cut off, damaged, or a core module without the custom section that tells its WIT.
    #[error("this is no valid component: {0}")]
    Invalid(String),
    /// It exports nothing that the relay could call.
    #[error("it exports {found}; a filter exports `{CONFIGURATION}` and `{MESSAGE}` or `{SESSION}`", found = list(.0))]
    NoFilter(Vec<String>),
    /// It can't stand in this list.
    #[error("it can't stand in this list, which needs an export `{needed}`; it exports {found}", found = list(.found))]
    WrongRole {
        /// The interface that the list needs.
        needed: &'static str,
        /// What is there.
        found: Vec<String>,
    },
    /// It wants something that no filter gets.
    #[error("it imports {0}, which filters are not given")]
    UnknownImport(String),
    /// `configure` found mistakes.
    #[error("its configuration has {} mistakes", .0.len())]
    Config(Vec<ConfigMistake>),
    /// `configure` trapped or took too long.
    #[error("`configure` failed: {0}")]
    Configure(String),
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

impl Sandbox {
    /// Make a plugin ready. Compiles unless the cache has it (a tenth of a second and more), so this belongs into the start.
    pub async fn load(&self, plugin: Plugin<'_>) -> Result<Arc<WasmFilter>, LoadError> {
        let wasm = component::from_bytes(plugin.wasm)?;
        let config = plugin.config.to_string();
        let granted: Vec<String> = plugin.tables.keys().cloned().collect();
        let entry = Entry::of(&self.cache_dir, &self.engine, &wasm, &config, &granted);
        let tables = Arc::new(plugin.tables);
        let guest = || {
            let mut guest = Guest::new(plugin.stage.into(), "-".into(), Arc::clone(&tables), &plugin.limits);
            guest.configuring = true;
            guest
        };
        let component = match entry.read(&self.engine) {
            Some(component) => component,
            None => {
                let component = self.freeze(&wasm, &config, plugin.role, guest()).await?;
                entry.write(&component);
                component
            }
        };
        let instance_pre = self.link(&component)?;
        let exports = exports_of(&instance_pre, &component, &self.engine, plugin.role)?;
        Ok(Arc::new(WasmFilter::new(self, plugin.stage.into(), instance_pre, exports, tables, plugin.limits)))
    }

    /// Run `configure` and make a component of what it left.
    async fn freeze(&self, wasm: &[u8], config: &str, role: Role, guest: Guest) -> Result<Component, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid(format!("{error:#}"));
        let wizer = Wizer::new();
        let (context, instrumented) = wizer.instrument_component(wasm).map_err(invalid)?;
        let component = Component::new(&self.engine, &instrumented).map_err(invalid)?;
        let instance_pre = self.link(&component)?;
        exports_of(&instance_pre, &component, &self.engine, role)?;
        let mut store = super::filter::store(&self.engine, guest);
        let instance = configure(&instance_pre, &mut store, config).await?;
        let frozen = wizer.snapshot_component(&context, &mut Configured { store: &mut store, instance }).await;
        Component::new(&self.engine, frozen.map_err(invalid)?).map_err(invalid)
    }

    /// Check the imports, naming the first that is not ours.
    fn link(&self, component: &Component) -> Result<InstancePre<Guest>, LoadError> {
        self.linker.instantiate_pre(component).map_err(|error| {
            let ours = |name: &str| name.starts_with("mailweir:filter/");
            let ty = component.component_type();
            let foreign = ty.imports(&self.engine).map(|(name, _)| name.to_owned()).find(|name| !ours(name));
            LoadError::UnknownImport(foreign.map_or_else(|| format!("{error:#}"), |name| format!("`{name}`")))
        })
    }
}

/// Instantiate and call `configure`.
async fn configure(pre: &InstancePre<Guest>, store: &mut Store<Guest>, config: &str) -> Result<Instance, LoadError> {
    let trapped = |store: &Store<Guest>, error: wasmtime::Error| {
        let error = failure(store.data(), &error);
        let place = error.backtrace.first().map(|frame| format!(" (at {frame})")).unwrap_or_default();
        LoadError::Configure(format!("{}{place}", error.message))
    };
    let instance = match pre.instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) => return Err(trapped(store, error)),
    };
    let guest = exports::configuration::GuestIndices::new(pre).and_then(|indices| indices.load(&mut *store, &instance));
    let guest = guest.map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
    match guest.call_configure(&mut *store, config).await {
        Ok(Ok(())) => Ok(instance),
        Ok(Err(mistakes)) => Err(LoadError::Config(
            mistakes.into_iter().map(|one| ConfigMistake { path: one.path, message: one.message }).collect(),
        )),
        Err(error) => Err(trapped(store, error)),
    }
}

/// Which of our interfaces the component exports, and whether that fits the list it stands in.
fn exports_of(
    pre: &InstancePre<Guest>,
    component: &Component,
    engine: &Engine,
    role: Role,
) -> Result<Exports, LoadError> {
    let found = || {
        let ty = component.component_type();
        // What wizer adds for itself is not the author's.
        let names = ty.exports(engine).map(|(name, _)| name.to_owned());
        names.filter(|name| !name.starts_with("wasmtime:wizer/")).collect::<Vec<_>>()
    };
    let message = exports::message::GuestIndices::new(pre).ok();
    let session = exports::session::GuestIndices::new(pre).ok();
    let configurable = exports::configuration::GuestIndices::new(pre).is_ok();
    if !configurable || (message.is_none() && session.is_none()) {
        return Err(LoadError::NoFilter(found()));
    }
    match role {
        Role::Message if message.is_none() => Err(LoadError::WrongRole { needed: MESSAGE, found: found() }),
        Role::Session if session.is_none() => Err(LoadError::WrongRole { needed: SESSION, found: found() }),
        _ => Ok(Exports { message, session }),
    }
}
