//! The reference message (10 KB, 2 KB of it header, three recipients), the tables, and the chain in sandboxes.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use mailweir::{
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    pipeline::{Filter, FilterLimits, Mail, OnError, Stage},
    sandbox::{Plugin, Role, Sandbox, SandboxSettings},
    tables::{Table, TableError},
};
use serde_json::{Value, json};

/// Stage, plugin and configuration of each filter of the chain.
pub(crate) fn stages() -> [(&'static str, &'static str, Value); 5] {
    let hosts: Vec<String> = (0..1_000).map(|number| format!("d{number}.example")).collect();
    let domains: Vec<String> = [vec!["example.com".to_owned()], hosts].concat();
    [
        ("tag-external", "tag-external", json!({ "domains": ["example.org"] })),
        ("hide-internal", "hide-internal", json!({ "names": ["lab.example.com", "[10."] })),
        ("canonical", "canonical", json!({ "both": ["canonical"], "rewrite-clients": ["all"] })),
        (
            "masquerade",
            "masquerade",
            json!({ "domains": domains, "exceptions": ["root", "admin"], "rewrite-clients": ["all"] }),
        ),
        ("generic", "generic", json!({ "tables": ["generic"] })),
    ]
}

/// Name, key and value of the rows that the reference message meets; each table has 10,000 more.
pub(crate) const ROWS: [(&str, &str, &str); 4] = [
    ("canonical", "joe@host7.lab.example.com", "joe.doe@host7.lab.example.com"),
    ("canonical", "ann@example.net", "ann.smith@example.net"),
    ("generic", "joe@host7.lab.example.com", "joe@example.org"),
    ("generic", "joe.doe@example.com", "joe.doe@example.org"),
];

/// Rows that nothing meets.
pub(crate) fn other_rows() -> impl Iterator<Item = (String, String)> {
    (0..10_000).map(|number| (format!("user{number}@somewhere.example"), format!("person{number}@elsewhere.example")))
}

struct InMemory(HashMap<String, String>);

impl Table for InMemory {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.0.get(&key.to_lowercase()).cloned())
    }

    fn has_patterns(&self) -> bool {
        false
    }
}

fn table(name: &str) -> Arc<dyn Table> {
    let mut rows: HashMap<String, String> = other_rows().collect();
    rows.extend(ROWS.iter().filter(|row| row.0 == name).map(|row| (row.1.to_owned(), row.2.to_owned())));
    Arc::new(InMemory(rows))
}

/// A sandbox as a relay would have it.
pub(crate) fn sandbox(folder: &Path) -> Sandbox {
    let settings = SandboxSettings {
        cache_dir: folder.join("cache"),
        max_instances: 256,
        keeping_stages: 0,
        max_memory: 64 << 20,
    };
    Sandbox::new(&settings).expect("a sandbox")
}

pub(crate) fn limits() -> FilterLimits {
    FilterLimits::default()
}

/// Lookup tables of the chain.
pub(crate) fn tables() -> BTreeMap<String, Arc<dyn Table>> {
    ["canonical", "generic"].map(|name| (name.to_owned(), table(name))).into()
}

async fn load(
    sandbox: &Sandbox,
    plugin: &str,
    config: &Value,
    tables: BTreeMap<String, Arc<dyn Table>>,
    limits: FilterLimits,
) -> Arc<dyn Filter> {
    let path = Path::new(env!("MAILWEIR_GUESTS")).join(format!("{plugin}.wasm"));
    let wasm = fs::read(path).expect("a built filter");
    sandbox
        .load(Plugin {
            stage: plugin,
            wasm: &wasm,
            config,
            tables,
            directory: None,
            resolver: None,
            may_permit_relay: false,
            readable_directory: None,
            reuse: 1,
            limits,
            role: Role::Message,
        })
        .await
        .expect("it loads")
}

/// The chain in sandboxes.
pub(crate) async fn chain(sandbox: &Sandbox, tables: &BTreeMap<String, Arc<dyn Table>>) -> Vec<Stage> {
    let mut chain = Vec::new();
    for (name, plugin, config) in stages() {
        let filter = load(sandbox, plugin, &config, tables.clone(), limits()).await;
        chain.push(Stage { name: name.into(), filter, condition: None, on_error: OnError::Defer });
    }
    chain
}

/// Configuration of the filter attachments: it decodes all of an attachment and writes a new body.
pub(crate) fn strip() -> Value {
    json!({ "save": false, "then": "strip" })
}

/// The filter attachments in its sandbox.
pub(crate) async fn attachments(sandbox: &Sandbox) -> Stage {
    let filter = load(sandbox, "attachments", &strip(), BTreeMap::new(), limits()).await;
    Stage { name: "attachments".into(), filter, condition: None, on_error: OnError::Defer }
}

/// The reference message with a base64 attachment, so that it has this many octets in all.
pub(crate) fn mail_with_attachment(octets: usize) -> Arc<Mail> {
    let mut raw = String::from(
        "From: Joe <joe@host7.lab.example.com>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n--b\r\n\
         Content-Type: application/pdf; name=report.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    );
    while raw.len() < octets {
        raw.push_str(&"QUJD".repeat(19));
        raw.push_str("\r\n");
    }
    raw.push_str("--b--\r\n");
    Arc::new(Mail { message: Message::parse(Bytes::from(raw)), ..Mail::clone(&mail()) })
}

/// The guest that does as it is told.
pub(crate) async fn misbehave(sandbox: &Sandbox, act: &str, limits: FilterLimits) -> Arc<dyn Filter> {
    load(sandbox, "misbehave", &json!({ "act": act }), BTreeMap::new(), limits).await
}

/// A filter that spins until this limit.
pub(crate) async fn spinning(sandbox: &Sandbox, timeout: Duration) -> Arc<dyn Filter> {
    misbehave(sandbox, "spin", FilterLimits { timeout, ..limits() }).await
}

/// The reference message.
pub(crate) fn mail() -> Arc<Mail> {
    let address = |text: &str| Address::parse(text).expect("an address");
    let recipient = |text: &str| Recipient::new(address(text));
    let mut raw = String::from(
        "Received: from host7.lab.example.com (host7.lab.example.com [10.0.0.7])\r\n\tby relay.example.com with ESMTP id 1\r\n\
         From: Joe <joe@host7.lab.example.com>\r\nTo: Ann <ann@example.net>, bob@example.net\r\n\
         Cc: \"Carl, the third\" <carl@example.net>\r\nSubject: The reference message\r\n\
         Message-ID: <1@host7.lab.example.com>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n",
    );
    for number in 0.. {
        if raw.len() >= 2_000 {
            break;
        }
        raw.push_str(&format!("X-Field-{number}: {}\r\n", "words and more words ".repeat(4)));
    }
    raw.push_str("\r\n");
    while raw.len() < 10_240 {
        raw.push_str("This line of the body stands for all others, and it is long enough.\r\n");
    }
    Arc::new(Mail {
        id: "4Reference".into(),
        client: Arc::new(Client {
            peer: "192.0.2.1:1025".parse().expect("an address"),
            name: Some("host7.lab.example.com".to_owned()),
            helo: Some("host7".to_owned()),
            tls: None,
            login: None,
            trusted: false,
        }),
        envelope: Envelope::new(
            ReversePath::Address(address("joe@host7.lab.example.com")),
            ["ann@example.net", "bob@example.net", "carl@example.net"].map(recipient).into(),
        ),
        message: Message::parse(Bytes::from(raw)),
        explain: false,
    })
}
