//! The three stage lists: each entry's filter loaded into the sandbox.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{access, tables::Tables};
use crate::{
    config::{Config, Diagnostic, Plugin, StageEntry, StageList},
    dns::{DnsError, Resolver},
    files::Directory,
    pipeline::{Filter, Phase, Pipeline, SessionStage, Stage},
    sandbox::{self, LoadError, Role, Sandbox, SandboxError, SandboxSettings},
};

/// Load all filters; what is wrong with any of them goes to `errors`.
pub(super) async fn load(config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>) -> Pipeline {
    match sandbox(config) {
        Ok(sandbox) => load_into(&sandbox, config, tables, errors).await,
        Err(error) => {
            errors.push(Diagnostic::error(0..0, error.to_string()));
            Pipeline::default()
        }
    }
}

fn sandbox(config: &Config) -> Result<Sandbox, SandboxError> {
    let largest = config.stages.iter().map(|stage| stage.limits.memory).max().unwrap_or(1 << 20);
    Sandbox::new(&SandboxSettings {
        cache_dir: config.state_dir.join("filters"),
        max_instances: config.limits.filter_calls,
        keeping_stages: u32::try_from(config.stages.iter().filter(|stage| stage.reuse > 1).count()).unwrap_or(u32::MAX),
        max_memory: largest,
    })
}

async fn load_into(sandbox: &Sandbox, config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>) -> Pipeline {
    let (mut session, mut message, mut delivery) = (Vec::new(), Vec::new(), Vec::new());
    let resolver = resolver(config, errors);
    let mut directories = Directories::default();
    for entry in &config.stages {
        let filter: Arc<dyn Filter> =
            match load_filter(entry, sandbox, tables, resolver.as_ref(), &mut directories).await {
                Ok(filter) => filter,
                Err(diagnostics) => {
                    errors.extend(diagnostics);
                    continue;
                }
            };
        let (name, on_error) = (entry.name.as_str().into(), entry.on_error);
        match entry.list {
            StageList::Session => {
                let may_permit_relay = access::is(entry);
                let default = || access::phases(entry, config.delay_reject).unwrap_or_else(|| Phase::ALL.to_vec());
                let phases = entry.phases.clone().unwrap_or_else(default);
                session.push(SessionStage { name, filter, on_error, phases, may_permit_relay });
            }
            StageList::Message => message.push(Stage { name, filter, condition: entry.condition.clone(), on_error }),
            StageList::Delivery => delivery.push(Stage { name, filter, condition: entry.condition.clone(), on_error }),
        }
    }
    Pipeline { session: session.into(), message: message.into(), delivery: delivery.into() }
}

/// Who answers the stages that may ask the DNS, if there are any.
fn resolver(config: &Config, errors: &mut Vec<Diagnostic>) -> Option<Resolver> {
    let span = config.stages.iter().find_map(|stage| stage.dns.clone())?;
    let unusable = |error: DnsError| {
        let help = "[dns] servers = [\"127.0.0.1:53\"] names them here";
        errors.push(Diagnostic::error(span, error.to_string()).with_help(help));
    };
    Resolver::new(&config.dns).map_err(unusable).ok()
}

/// Directories that stages are granted; those of one path share what they know of names.
#[derive(Default)]
struct Directories(BTreeMap<PathBuf, Arc<Directory>>);

impl Directories {
    fn open(&mut self, path: &Path, span: &Range<usize>) -> Result<Arc<Directory>, Vec<Diagnostic>> {
        if let Some(known) = self.0.get(path) {
            return Ok(Arc::clone(known));
        }
        let opened = Directory::open(path).map_err(|error| {
            let wrong = Diagnostic::error(span.clone(), format!("{}: {error}", path.display()));
            vec![wrong.with_help("`files` names an existing directory that the relay may write into")]
        })?;
        let directory = Arc::new(opened);
        self.0.insert(path.to_owned(), Arc::clone(&directory));
        Ok(directory)
    }
}

/// `wasi.directory`.
fn readable(path: &Path, span: &Range<usize>) -> Result<Arc<Path>, Vec<Diagnostic>> {
    match fs::read_dir(path) {
        Ok(_) => Ok(path.into()),
        Err(error) => Err(vec![Diagnostic::error(span.clone(), format!("{}: {error}", path.display()))]),
    }
}

async fn load_filter(
    entry: &StageEntry,
    sandbox: &Sandbox,
    tables: &Tables,
    resolver: Option<&Resolver>,
    directories: &mut Directories,
) -> Result<Arc<dyn Filter>, Vec<Diagnostic>> {
    let at_plugin = |message: String| Diagnostic::error(entry.plugin_span.clone(), message);
    let from_file;
    let wasm = match &entry.plugin {
        Plugin::Stock(name) => sandbox::stock(name).ok_or_else(|| {
            let names: Vec<_> = sandbox::stock_names().collect();
            let unknown = at_plugin(format!("unknown plugin `{name}` in [[{}]] {}", entry.list, entry.number));
            let hint = crate::config::suggestion(name, &names);
            vec![unknown.with_help(format!("{hint}; a filter of your own needs its path: \"./{name}.wasm\""))]
        })?,
        Plugin::File(path) => {
            from_file = fs::read(path).map_err(|error| {
                let unread = at_plugin(format!("{}: {error}", path.display()));
                let missing = error.kind() == io::ErrorKind::NotFound;
                vec![if missing {
                    unread.with_help("a filter of yours is made by: mailweir plugin build")
                } else {
                    unread
                }]
            })?;
            from_file.as_slice()
        }
    };
    let directory = entry.files.as_ref().map(|(path, span)| directories.open(path, span)).transpose()?;
    let readable_directory = entry.readable_directory.as_ref().map(|(path, span)| readable(path, span)).transpose()?;
    let granted = entry.tables.iter().filter_map(|name| Some((name.clone(), Arc::clone(tables.get(name)?))));
    let plugin = sandbox::Plugin {
        stage: &entry.name,
        wasm,
        config: &entry.config,
        tables: granted.collect(),
        directory,
        resolver: resolver.filter(|_| entry.dns.is_some()).cloned(),
        may_permit_relay: access::is(entry),
        readable_directory,
        reuse: entry.reuse,
        limits: entry.limits.clone(),
        role: if entry.list == StageList::Session { Role::Session } else { Role::Message },
    };
    match sandbox.load(plugin).await {
        Ok(filter) => Ok(filter),
        Err(LoadError::Config(mistakes)) => Err(mistakes
            .into_iter()
            .map(|mistake| {
                let message = format!("filter `{}`: {}", entry.name, mistake.message);
                // Serde's words for a key that nobody knows, and those of the examples.
                let of_key = ["unknown field", "unknown key"].iter().any(|words| mistake.message.starts_with(words));
                Diagnostic::error(entry.config_span(&mistake.path, of_key), message)
            })
            .collect()),
        Err(error) => Err(vec![at_plugin(format!("filter `{}` can't be used: {error}", entry.name))]),
    }
}
