//! What a filter of `[[session]]` costs: access with usual lists at RCPT, in fresh sandboxes and natively.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use criterion::Criterion;
use mailweir::{
    mail::{Address, Client, ReversePath},
    pipeline::{Facts, Filter, Phase, Verdict},
    sandbox::{Plugin, Role, Sandbox, stock},
    tables::Table,
};
use mailweir_sdk::{self as sdk, Filter as _, SessionFilter as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::reference;

const TABLE: &str = "generic";

/// Five restrictions, two of them with a table of 10,000 rows that has none of the keys.
fn config() -> Value {
    json!({
        "client": ["permit_mynetworks", { "check_client_access": TABLE }],
        "helo": ["reject_invalid_helo_hostname"],
        "sender": ["reject_non_fqdn_sender", { "check_sender_access": TABLE }],
        "recipient-delimiter": "+",
    })
}

fn facts() -> Arc<Facts> {
    let address = |text: &str| Address::parse(text).expect("an address");
    let client = Client {
        peer: "192.0.2.1:1025".parse().expect("an address"),
        name: None,
        helo: Some("client.example".to_owned()),
        tls: None,
        login: None,
        trusted: false,
    };
    Arc::new(Facts {
        phase: Phase::Rcpt,
        client: Arc::new(client),
        sender: Some(ReversePath::Address(address("joe@sender.example.org"))),
        recipient: Some(address("ann@example.com")),
        recipient_is_ours: true,
        recipients: Vec::new(),
        size: None,
        notes: Vec::new(),
        explain: false,
    })
}

/// The same as the filter sees it, made anew for each call, as a relay would.
fn seen(facts: &Facts) -> sdk::Facts {
    let client = &facts.client;
    sdk::Facts {
        phase: sdk::Phase::Rcpt,
        client: sdk::Client {
            address: client.peer.ip().to_string(),
            port: client.peer.port(),
            name: client.name.clone(),
            helo: client.helo.clone(),
            tls: None,
            login: None,
            trusted: client.trusted,
        },
        sender: facts.sender.as_ref().map(|sender| sdk::ReversePath::Address(sender.as_str().to_owned())),
        recipient: facts.recipient.as_ref().map(ToString::to_string),
        recipient_is_ours: facts.recipient_is_ours,
        recipients: Vec::new(),
        size: None,
        notes: Vec::new(),
    }
}

/// Both ways, which must say the same.
pub(crate) fn access(criterion: &mut Criterion, runtime: &Runtime, sandbox: &Sandbox) {
    let table = reference::tables().remove(TABLE).expect("a table");
    let plugin = Plugin {
        stage: "access",
        wasm: stock("access").expect("a stock filter"),
        config: &config(),
        tables: BTreeMap::from([(TABLE.to_owned(), table as Arc<dyn Table>)]),
        directory: None,
        readable_directory: None,
        resolver: None,
        may_permit_relay: true,
        limits: reference::limits(),
        reuse: 1,
        role: Role::Session,
    };
    let sandboxed = runtime.block_on(sandbox.load(plugin)).expect("it loads");
    let others: Vec<_> = reference::other_rows().collect();
    let rows: Vec<_> = others.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    sdk::native::table(TABLE, &rows);
    let config = serde_json::from_value(config()).expect("a configuration");
    let native = access::Access::configure(config).expect("a configuration that works");

    let facts = facts();
    let decision = runtime.block_on(sandboxed.session(&facts)).expect("it answers");
    assert_eq!(decision.verdict, Verdict::Next);
    assert_eq!(native.decide(&seen(&facts)).expect("it answers").verdict, sdk::Verdict::Next);

    let mut group = criterion.benchmark_group("access");
    group.bench_function("fresh sandboxes", |bencher| {
        bencher.iter_custom(|rounds| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..rounds {
                    std::hint::black_box(sandboxed.session(&facts).await).expect("it answers");
                }
                begin.elapsed()
            })
        });
    });
    group.bench_function("native", |bencher| bencher.iter(|| native.decide(&seen(&facts)).expect("it answers")));
    group.finish();
}
