//! The sandbox with filters that are good, bad and broken. `tests/guests/misbehave` does what its `config.act` says.

mod answers;
mod attachments;
mod cache;
mod dns;
mod failures;
mod files;
mod handmade;
mod loading;
mod oldest;
mod pool;
mod reuse;
mod system;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    files::Directory,
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    pipeline::{Facts, FailureKind, Filter, FilterError, FilterLimits, Mail, Outcome, Phase},
    tables::{Table, TableError},
};

/// A sandbox with a cache folder of its own.
struct Place {
    sandbox: Sandbox,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with_instances(4)
    }

    fn with_instances(max_instances: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let sandbox = Sandbox::new(&settings(folder.path(), max_instances)).expect("a sandbox");
        Self { sandbox, folder }
    }

    async fn load(&self, wasm: &[u8], config: &Value, role: Role) -> Result<Arc<dyn Filter>, LoadError> {
        self.load_with(wasm, config, role, limits()).await
    }

    async fn load_with(
        &self,
        wasm: &[u8],
        config: &Value,
        role: Role,
        limits: FilterLimits,
    ) -> Result<Arc<dyn Filter>, LoadError> {
        self.load_as(Grants::default(), wasm, config, role, limits).await
    }

    async fn load_as(
        &self,
        grants: Grants,
        wasm: &[u8],
        config: &Value,
        role: Role,
        limits: FilterLimits,
    ) -> Result<Arc<dyn Filter>, LoadError> {
        fs::create_dir_all(self.files()).expect("a folder");
        let directory = Some(Arc::new(Directory::open(&self.files()).expect("a folder")));
        let plugin = Plugin {
            stage: "stage",
            wasm,
            config,
            tables: tables(),
            directory,
            resolver: None,
            may_permit_relay: false,
            readable_directory: grants.readable_directory,
            reuse: grants.reuse,
            limits,
            role,
        };
        Ok(self.sandbox.load(plugin).await?)
    }

    /// The directory that all stages are granted.
    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// The misbehaving guest, ready to do that.
    async fn misbehave(&self, act: &str, role: Role) -> Result<Arc<dyn Filter>, LoadError> {
        self.load(&guest("misbehave"), &json!({ "act": act, "tables": ["fruit"] }), role).await
    }
}

/// What an operator may give a stage beyond the usual.
struct Grants {
    readable_directory: Option<Arc<Path>>,
    reuse: u32,
}

impl Default for Grants {
    fn default() -> Self {
        Self { readable_directory: None, reuse: 1 }
    }
}

fn settings(folder: &Path, max_instances: u32) -> SandboxSettings {
    SandboxSettings { cache_dir: folder.join("cache"), max_instances, keeping_stages: 1, max_memory: 64 << 20 }
}

/// Enough for what is well-behaved, even on a busy machine, and short for what is not.
fn limits() -> FilterLimits {
    FilterLimits { timeout: Duration::from_secs(5), ..FilterLimits::default() }
}

/// A guest that the build script has built.
fn guest(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("MAILWEIR_GUESTS")).join(format!("{name}.wasm"))).expect("a built guest")
}

fn mail() -> Arc<Mail> {
    let address = |text: &str| Address::parse(text).expect("an address");
    let recipient = |text: &str| Recipient::new(address(text));
    Arc::new(Mail {
        id: "4TestId".into(),
        client: client(),
        envelope: Envelope::new(
            ReversePath::Address(address("joe@example.com")),
            vec![recipient("ann@example.net"), recipient("bob@example.net")],
        ),
        message: Message::parse(Bytes::from_static(
            b"Subject: one\r\nTo: ann\r\nsubject : two\r\n\tfolded\r\n\r\nHello\r\n",
        )),
        explain: false,
    })
}

fn client() -> Arc<Client> {
    let peer = "192.0.2.1:1025".parse().expect("an address");
    Arc::new(Client { peer, name: None, helo: None, tls: None, login: None, trusted: false })
}

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        phase: Phase::Connect,
        client: client(),
        sender: None,
        recipient: None,
        recipient_is_ours: false,
        recipients: Vec::new(),
        size: None,
        notes: Vec::new(),
        explain: false,
    })
}

/// A table with one row.
struct OneRow {
    key: &'static str,
    value: &'static str,
    patterns: bool,
}

impl Table for OneRow {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok((key == self.key).then(|| self.value.to_owned()))
    }

    fn has_patterns(&self) -> bool {
        self.patterns
    }
}

/// A table whose rows nobody knows.
struct Unreachable;

impl Table for Unreachable {
    fn lookup(&self, _: &str) -> Result<Option<String>, TableError> {
        Err(TableError("no answer".to_owned()))
    }

    fn has_patterns(&self) -> bool {
        false
    }
}

fn tables() -> BTreeMap<String, Arc<dyn Table>> {
    let row = |key, value, patterns| Arc::new(OneRow { key, value, patterns }) as Arc<dyn Table>;
    BTreeMap::from([
        ("fruit".to_owned(), row("apple", "red", false)),
        ("patterns".to_owned(), row("apple", "green", true)),
        ("unreachable".to_owned(), Arc::new(Unreachable) as Arc<dyn Table>),
    ])
}

/// What the log says while this lives, on this thread.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("nobody panicked").clone()).expect("UTF-8")
    }
}

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
