//! The filter in its sandbox, and one message through it.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Args, Existing, ExtractError, report::Attachment};
use crate::{
    files::Directory,
    mail::{Client, Envelope, Message, ReversePath},
    pipeline::{Filter, FilterLimits, Mail},
    sandbox::{Plugin, Role, Sandbox, SandboxSettings, stock},
};

/// The filter needs less than 2 MiB, whatever the message; what many attachments add is a few hundred octets each.
const MEMORY: u64 = 64 << 20;
/// Nobody waits for a reply, and a disk that is full says so itself: what bounds a filter in the relay need not bound it here.
const LIMITS: FilterLimits = FilterLimits {
    timeout: Duration::from_secs(24 * 3600),
    memory: MEMORY,
    lookups: 0,
    output: u64::MAX,
    edits: 0,
    log: u32::MAX,
};

/// Takes messages apart.
pub(super) struct Unpacker {
    runtime: Runtime,
    filter: Arc<dyn Filter>,
    client: Arc<Client>,
    /// Where there is no place to keep the compiled filter.
    _cache: Option<TempDir>,
}

/// What became of a message: its attachments, or why the filter failed.
pub(super) type Unpacked = Result<Vec<Attachment>, String>;

impl Unpacker {
    pub(super) fn new(args: &Args) -> Result<Self, ExtractError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ExtractError::Runtime)?;
        let (sandbox, cache) = sandbox(args)?;
        let directory = if args.list {
            None
        } else {
            let failed = |error| ExtractError::Folder { path: args.into.clone(), error };
            Some(Arc::new(Directory::open(&args.into).map_err(failed)?))
        };
        let config = json!({
            "report": "json",
            "save": !args.list,
            "existing": match args.existing {
                Existing::Number => "number",
                Existing::Overwrite => "overwrite",
                Existing::Skip => "skip",
            },
            "line-ends": if args.lf { "lf" } else { "as-sent" },
            "nested": if args.keep_messages { "save" } else { "open" },
        });
        let plugin = Plugin {
            stage: "extract",
            wasm: stock("attachments").ok_or(ExtractError::NoFilter)?,
            config: &config,
            tables: Default::default(),
            directory,
            resolver: None,
            may_permit_relay: false,
            readable_directory: None,
            reuse: 1,
            limits: LIMITS,
            role: Role::Message,
        };
        let filter = runtime.block_on(sandbox.load(plugin))?;
        let client = Arc::new(Client {
            peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: None,
            helo: None,
            tls: None,
            login: None,
            trusted: true,
        });
        Ok(Self { runtime, filter, client, _cache: cache })
    }

    /// Save what is in a message. An error is one that all messages would meet.
    pub(super) fn unpack(&self, raw: Vec<u8>) -> Result<Unpacked, ExtractError> {
        let mail = Arc::new(Mail {
            id: "-".into(),
            client: Arc::clone(&self.client),
            envelope: Envelope::new(ReversePath::Null, Vec::new()),
            message: Message::parse(Bytes::from(raw)),
            explain: true,
        });
        let outcome = match self.runtime.block_on(self.filter.message(&mail)) {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let told = outcome.notes.iter().filter(|note| note.starts_with('{'));
        let attachments = told.map(|note| serde_json::from_str(note)).collect::<Result<Vec<_>, _>>()?;
        for file in outcome.files {
            file.place()?;
        }
        Ok(Ok(attachments))
    }
}

/// A sandbox of one place, and the folder for what it compiles, if that goes with us.
fn sandbox(args: &Args) -> Result<(Sandbox, Option<TempDir>), ExtractError> {
    let settings = |cache_dir| SandboxSettings { cache_dir, max_instances: 1, max_memory: MEMORY, keeping_stages: 0 };
    if let Some(cache) = &args.cache {
        return Ok((Sandbox::new(&settings(cache.clone()))?, None));
    }
    if let Some(sandbox) = cache_folder().and_then(|cache| Sandbox::new(&settings(cache)).ok()) {
        return Ok((sandbox, None));
    }
    let failed = |error| ExtractError::Folder { path: env::temp_dir(), error };
    let folder = tempfile::tempdir().map_err(failed)?;
    Ok((Sandbox::new(&settings(folder.path().to_owned()))?, Some(folder)))
}

/// Where the XDG Base Directory Specification wants it.
fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("mailweir/filters"))
}
