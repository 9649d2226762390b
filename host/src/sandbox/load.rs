//! From a plugin's octets to a filter that is ready to run: wrap, check, configure, freeze, compile, keep.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use wasmtime::{
    Engine, Store,
    component::{Component, Instance, InstancePre},
};
use wasmtime_wizer::Wizer;

use super::{
    bindings::{CONFIGURATION, MESSAGE, SESSION, exports},
    cache::{Entry, Image},
    component,
    configure::{ConfigMistake, Configure},
    contain::contained,
    engine::Sandbox,
    filter::{Exports, WasmFilter, failure},
    guest::Guest,
    reuse::{self, Kept},
    snapshot::freeze,
};
use crate::{
    dns::Resolver,
    files::Directory,
    pipeline::{FailureKind, FilterLimits, Usage},
    tables::Table,
};

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
    /// The directory that the stage may write files into.
    pub directory: Option<Arc<Directory>>,
    /// Who answers its questions to the DNS, if it may ask any.
    pub resolver: Option<Resolver>,
    /// Whether it may permit relaying.
    pub may_permit_relay: bool,
    /// The directory that the filter may read by way of WASI.
    pub readable_directory: Option<Arc<Path>>,
    /// Calls that one instance may take; 1 gives each call an instance of its own.
    pub reuse: u32,
    /// What one call may use.
    pub limits: FilterLimits,
    /// Where it is to stand.
    pub role: Role,
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
    #[error("it imports {0}, which filters are not given: {why}", why = why_not(.0))]
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
        let config = plugin.config.to_string();
        // What it reads from a directory may change, so `configure` has to read it each time.
        let freezable = plugin.readable_directory.is_none();
        let entry = Entry::of(&self.cache_dir, &self.engine, &plugin, &config, freezable);
        let tables = Arc::new(plugin.tables);
        let image = match entry.read(&self.engine) {
            Some(image) => image,
            None => {
                let wasm = component::from_bytes(&self.engine, plugin.wasm)?;
                let mut guest = Guest::new(plugin.stage.into(), "-".into(), Arc::clone(&tables), &plugin.limits);
                guest.resolver.clone_from(&plugin.resolver);
                guest.readable_directory.clone_from(&plugin.readable_directory);
                let image = self.prepare(&wasm, &config, plugin.role, guest).await?;
                entry.write(&image);
                image
            }
        };
        let instance_pre = self.link(&image.component)?;
        let (exports, configure) = exports_of(&instance_pre, &image.component, &self.engine, plugin.role, &config)?;
        let configure = Some(configure).filter(|_| !image.frozen);
        Ok(Arc::new(WasmFilter {
            sandbox: self.clone(),
            stage: plugin.stage.into(),
            instance_pre,
            configure,
            exports,
            tables,
            directory: plugin.directory,
            resolver: plugin.resolver,
            may_permit_relay: plugin.may_permit_relay,
            readable_directory: plugin.readable_directory,
            kept: Kept::new(plugin.reuse),
            limits: plugin.limits,
            usage: Usage::default(),
        }))
    }

    /// Run `configure` and make a component of what it left.
    async fn prepare(&self, wasm: &[u8], config: &str, role: Role, guest: Guest) -> Result<Image, LoadError> {
        let wizer = Wizer::new();
        let instrumented = contained(|| wizer.instrument_component(wasm), wasmtime::Error::msg);
        let instrumented = instrumented.and_then(|(context, wasm)| Ok((context, Component::new(&self.engine, wasm)?)));
        let (context, component) = match instrumented {
            Ok((context, component)) => (Ok(context), component),
            // What wizer can't handle may still run.
            Err(error) => (Err(error), Component::new(&self.engine, wasm).map_err(invalid)?),
        };
        let pre = self.link(&component)?;
        let (exports, configure) = exports_of(&pre, &component, &self.engine, role, config)?;
        let stage = Arc::clone(&guest.stage);
        let _ticking = self.clock.ticking();
        let mut store = reuse::store(&self.engine, guest);
        store.data_mut().restart_clock();
        let instance = configured(&pre, &configure, &mut store).await;
        store.data_mut().tell_printed();
        let instance = instance?;
        exports.check_types(&mut store, &instance).map_err(invalid)?;
        store.data_mut().restart_clock();
        let frozen = match context {
            Ok(_) if store.data().readable_directory.is_some() => {
                Err(wasmtime::Error::msg("it is granted a directory, whose files may change"))
            }
            // What its handles mean is not in its memory.
            Ok(_) if store.data().wasi.as_ref().is_some_and(|wasi| wasi.is_in_use()) => {
                Err(wasmtime::Error::msg("after `configure` it holds streams or files of the system"))
            }
            Ok(context) => freeze(&wizer, &context, &mut store, instance).await,
            Err(error) => Err(error),
        };
        match frozen.and_then(|wasm| Component::new(&self.engine, wasm)) {
            Ok(component) => Ok(Image { component, frozen: true }),
            Err(error) => {
                let why = error.root_cause();
                tracing::warn!(stage = &*stage, "can't be frozen, so `configure` runs for each message: {why}");
                Ok(Image { component: Component::new(&self.engine, wasm).map_err(invalid)?, frozen: false })
            }
        }
    }

    /// Check the imports, naming the first that no filter gets.
    pub(super) fn link(&self, component: &Component) -> Result<InstancePre<Guest>, LoadError> {
        let ty = component.component_type();
        let imports = || ty.imports(&self.engine).map(|(name, _)| name);
        let linker = if imports().any(|name| name.starts_with(SYSTEM)) { &self.system_linker } else { &self.linker };
        linker.instantiate_pre(component).map_err(|error| {
            let offered = |name: &str| name.starts_with(OURS) || OFFERED.iter().any(|offer| name.starts_with(offer));
            let foreign = imports().find(|name| !offered(name));
            LoadError::UnknownImport(foreign.map_or_else(|| format!("{error:#}"), |name| format!("`{name}`")))
        })
    }
}

const OURS: &str = "mailweir:filter/";
const SYSTEM: &str = "wasi:";
/// What filters get of WASI, version 0.2. The network is there because runtimes import it whether they use it or not; each use of it
/// is refused.
pub(super) const OFFERED: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// What to tell the author of a filter that imports this.
fn why_not(import: &str) -> &'static str {
    if import.contains("wasi:http/") {
        "no filter gets a network"
    } else if import.contains("`env`") {
        "the linker or compiler looks there for functions that it has not found"
    } else {
        "they get `mailweir:filter` 0.1 and, of WASI 0.2, `cli`, `clocks`, `filesystem`, `io`, `random` and `sockets`"
    }
}

fn invalid(error: wasmtime::Error) -> LoadError {
    LoadError::Invalid(format!("{error:#}"))
}

/// Instantiate and call `configure`.
async fn configured(
    pre: &InstancePre<Guest>,
    configure: &Configure,
    store: &mut Store<Guest>,
) -> Result<Instance, LoadError> {
    let answer = async {
        let instance = pre.instantiate_async(&mut *store).await?;
        Ok((instance, configure.call(store, &instance).await?))
    };
    match answer.await {
        Ok((instance, Ok(()))) => Ok(instance),
        Ok((_, Err(mistakes))) => Err(LoadError::Config(mistakes)),
        Err(error) => {
            let error = failure(store.data(), &error, FailureKind::InvalidAnswer);
            let place = error.backtrace.first().map(|frame| format!(" (at {frame})")).unwrap_or_default();
            Err(LoadError::Configure(format!("{}{place}", error.message)))
        }
    }
}

/// Which of our interfaces the component exports, and whether that fits the list it stands in.
pub(super) fn exports_of(
    pre: &InstancePre<Guest>,
    component: &Component,
    engine: &Engine,
    role: Role,
    config: &str,
) -> Result<(Exports, Configure), LoadError> {
    let found = || {
        let ty = component.component_type();
        // What wizer adds for itself is not the author's.
        let names = ty.exports(engine).map(|(name, _)| name.to_owned());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with("wasmtime:wizer/")).collect();
        names.sort();
        names
    };
    let message = exports::message::GuestIndices::new(pre).ok();
    let session = exports::session::GuestIndices::new(pre).ok();
    let Some(configure) = Configure::of(pre, config).filter(|_| message.is_some() || session.is_some()) else {
        return Err(LoadError::NoFilter(found()));
    };
    match role {
        Role::Message if message.is_none() => Err(LoadError::WrongRole { needed: MESSAGE, found: found() }),
        Role::Session if session.is_none() => Err(LoadError::WrongRole { needed: SESSION, found: found() }),
        _ => Ok((Exports { message, session }, configure)),
    }
}
