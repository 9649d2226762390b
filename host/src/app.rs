//! The only wiring: from a configuration to tables, filters, a pipeline, and the parts that run.

use std::{collections::BTreeMap, fs, sync::Arc};

use tokio::sync::watch;

use crate::{
    config::{Config, Diagnostic, Plugin, RelayDomain, Source, StageEntry, StageList, TableKind},
    delivery::{self, Delivery, NextHop, RetrySchedule, Route, Timeouts},
    pipeline::{Filter, Pipeline, SessionStage, Stage},
    sandbox::{self, LoadError, Role, Sandbox, SandboxError, SandboxSettings},
    server::{self, DomainList, DomainsError, RelayDomains, Server, ServerError},
    spool::{SpoolError, SqliteSpool},
    tables::{Inline, Table, Text},
};

/// A configuration whose tables are read and whose filters are loaded.
pub struct App {
    /// What it was made of.
    pub config: Config,
    /// The three stage lists.
    pub pipeline: Arc<Pipeline>,
    /// What somebody should look at.
    pub warnings: Vec<Diagnostic>,
    tables: Tables,
}

/// The relay does not start, or stopped for a reason of its own.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// An address can't be listened on.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The spool can't be opened.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

type Tables = BTreeMap<String, Arc<dyn Table>>;

impl App {
    /// Read the tables and load the filters. What is wrong with any of them comes back at once.
    pub async fn build(config: Config) -> Result<Self, (Source, Vec<Diagnostic>)> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let tables = open_tables(&config, &mut errors, &mut warnings);
        let pipeline = match sandbox(&config) {
            Ok(sandbox) => load_stages(&config, &sandbox, &tables, &mut errors).await,
            Err(error) => {
                errors.push(Diagnostic::error(0..0, error.to_string()));
                Pipeline::default()
            }
        };
        if errors.is_empty() {
            return Ok(Self { config, pipeline: Arc::new(pipeline), warnings, tables });
        }
        errors.extend(warnings);
        errors.sort_by_key(|diagnostic| (diagnostic.severity, diagnostic.span.start));
        Err((config.source, errors))
    }

    /// Run until `shutdown` becomes true, then finish what is under way.
    pub async fn serve(self, shutdown: watch::Receiver<bool>) -> Result<(), AppError> {
        let spool = Arc::new(SqliteSpool::open(&self.config.state_dir)?);
        let server =
            Server::start(self.server_settings(), Arc::clone(&self.pipeline), spool.clone(), shutdown.clone()).await?;
        let stages = Arc::clone(&self.pipeline.delivery);
        let delivery = Delivery::start(self.delivery_settings(), spool, stages, shutdown);
        server.finished().await;
        delivery.finished().await;
        Ok(())
    }

    fn server_settings(&self) -> server::Settings {
        let Config { hostname, listeners, trusted, limits, delay_reject, .. } = &self.config;
        let addresses = |listener: &crate::config::Listener| {
            (listener.name.clone(), listener.addresses.iter().map(|(address, _)| *address).collect())
        };
        server::Settings {
            listeners: listeners.iter().map(addresses).collect(),
            trusted: trusted.clone(),
            relay_domains: Arc::new(OurDomains::new(&self.config.relay_domains, &self.tables)),
            size_limit: limits.message_size,
            recipient_limit: limits.recipients,
            hop_limit: limits.hops,
            idle_timeout: limits.idle_timeout,
            max_sessions: limits.sessions,
            delay_reject: *delay_reject,
            ..server::Settings::new(hostname)
        }
    }

    fn delivery_settings(&self) -> delivery::Settings {
        let Config { hostname, routes, queue, .. } = &self.config;
        let route = |route: &crate::config::RouteEntry| Route {
            domains: route.domains.iter().map(|(domain, _)| domain.clone()).collect(),
            next_hop: NextHop { host: route.host.clone(), port: route.port },
        };
        delivery::Settings {
            hostname: hostname.clone(),
            routes: routes.iter().map(route).collect(),
            retry: RetrySchedule { first: queue.first_retry, longest: queue.longest_retry, lifetime: queue.lifetime },
            concurrency: queue.concurrency,
            timeouts: Timeouts::default(),
        }
    }
}

fn sandbox(config: &Config) -> Result<Sandbox, SandboxError> {
    let largest = config.stages.iter().map(|stage| stage.limits.memory).max().unwrap_or(1 << 20);
    Sandbox::new(&SandboxSettings {
        cache_dir: config.state_dir.join("filters"),
        max_instances: config.limits.filter_calls,
        max_memory: largest,
    })
}

fn open_tables(config: &Config, errors: &mut Vec<Diagnostic>, warnings: &mut Vec<Diagnostic>) -> Tables {
    let mut tables = Tables::new();
    for entry in &config.tables {
        let table: Arc<dyn Table> = match &entry.kind {
            TableKind::Inline(rows) => Arc::new(Inline::new(rows)),
            TableKind::Text(path) => match Text::open(path) {
                Ok(table) => {
                    let warning = |warning: &crate::tables::TextWarning| {
                        Diagnostic::warning_elsewhere(path.clone(), warning.line, warning.message.clone())
                    };
                    warnings.extend(table.warnings.iter().map(warning));
                    Arc::new(table)
                }
                Err(error) => {
                    errors.push(Diagnostic::error(entry.span.clone(), format!("table `{}`: {error}", entry.name)));
                    continue;
                }
            },
        };
        tables.insert(entry.name.clone(), table);
    }
    tables
}

async fn load_stages(config: &Config, sandbox: &Sandbox, tables: &Tables, errors: &mut Vec<Diagnostic>) -> Pipeline {
    let (mut session, mut message, mut delivery) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &config.stages {
        let filter: Arc<dyn Filter> = match load(entry, sandbox, tables).await {
            Ok(filter) => filter,
            Err(diagnostics) => {
                errors.extend(diagnostics);
                continue;
            }
        };
        let (name, on_error) = (entry.name.as_str().into(), entry.on_error);
        match entry.list {
            StageList::Session => session.push(SessionStage { name, filter, on_error, phases: entry.phases.clone() }),
            StageList::Message => message.push(Stage { name, filter, condition: entry.condition.clone(), on_error }),
            StageList::Delivery => delivery.push(Stage { name, filter, condition: entry.condition.clone(), on_error }),
        }
    }
    Pipeline { session: session.into(), message: message.into(), delivery: delivery.into() }
}

async fn load(entry: &StageEntry, sandbox: &Sandbox, tables: &Tables) -> Result<Arc<dyn Filter>, Vec<Diagnostic>> {
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
            let read = fs::read(path).map_err(|error| vec![at_plugin(format!("{}: {error}", path.display()))]);
            from_file = read?;
            from_file.as_slice()
        }
    };
    let granted = entry.tables.iter().filter_map(|name| Some((name.clone(), Arc::clone(tables.get(name)?))));
    let plugin = sandbox::Plugin {
        stage: &entry.name,
        wasm,
        config: &entry.config,
        tables: granted.collect(),
        limits: entry.limits.clone(),
        role: if entry.list == StageList::Session { Role::Session } else { Role::Message },
    };
    match sandbox.load(plugin).await {
        Ok(filter) => Ok(filter),
        Err(LoadError::Config(mistakes)) => Err(mistakes
            .into_iter()
            .map(|mistake| {
                let message = format!("filter `{}`: {}", entry.name, mistake.message);
                // serde's words for a key that nobody knows.
                let of_key = mistake.message.starts_with("unknown field");
                Diagnostic::error(entry.config_span(&mistake.path, of_key), message)
            })
            .collect()),
        Err(error) => Err(vec![at_plugin(format!("filter `{}` can't be used: {error}", entry.name))]),
    }
}

/// `[relay] domains`: names, and keys of tables.
struct OurDomains {
    names: DomainList,
    tables: Vec<(String, Arc<dyn Table>)>,
}

impl OurDomains {
    fn new(domains: &[RelayDomain], tables: &Tables) -> Self {
        let name = |domain: &RelayDomain| if let RelayDomain::Name(name) = domain { Some(name.clone()) } else { None };
        let table = |domain: &RelayDomain| match domain {
            RelayDomain::Table(name) => tables.get(name).map(|table| (name.clone(), Arc::clone(table))),
            RelayDomain::Name(_) => None,
        };
        Self {
            names: DomainList(domains.iter().filter_map(name).collect()),
            tables: domains.iter().filter_map(table).collect(),
        }
    }
}

impl RelayDomains for OurDomains {
    /// The domain, or one that it is below, is a name of the list or a key of a table (Postfix relay_domains).
    fn contains(&self, domain: &str) -> Result<bool, DomainsError> {
        if self.names.contains(domain)? {
            return Ok(true);
        }
        for (name, table) in &self.tables {
            let mut rest = Some(domain);
            while let Some(key) = rest {
                match table.lookup(key) {
                    Ok(Some(_)) => return Ok(true),
                    Ok(None) => rest = key.split_once('.').map(|(_, parent)| parent),
                    Err(error) => return Err(DomainsError(format!("table {name}: {error}"))),
                }
            }
        }
        Ok(false)
    }
}
