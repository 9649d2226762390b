//! Canonical, masquerade and generic beside a real Postfix: random configurations, tables and messages go through both to a next hop, and
//! what arrives there is compared, envelope and header; and `table query` beside `postmap -q`.
//!
//! `N` (100) messages are sent; `SEED` repeats a run, which prints it (without either, always the same). Each documented difference is counted under its name; anything
//! else fails with what is needed to see it again. Needs root, as Postfix does.

#[path = "../../e2e/client.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod client;
#[path = "../../e2e/postfix.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod postfix;
#[path = "../random.rs"]
mod random;
#[path = "../../e2e/relay.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod relay;
#[path = "../report.rs"]
mod report;
#[path = "../../e2e/sink.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod sink;

mod arrival;
mod compare;
mod letter;
mod query;
mod rules;
mod setup;
mod table;

use crate::{
    arrival::send_all, letter::Letter, postfix::Postfix, random::Random, relay::Relay, report::Report, setup::Setup,
    sink::Sink,
};

/// Messages with one configuration; starting both takes longer than sending these.
const BATCH: usize = 50;

fn batch(seed: u64, count: usize, report: &mut Report) {
    let mut random = Random::new(seed);
    let setup = Setup::random(&mut random);
    let letters: Vec<_> = (0..count).map(|_| Letter::random(&mut random)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    setup.write(folder.path());
    let (their_sink, our_sink) = (Sink::start(), Sink::start());
    let (main_cf, toml) = (setup.main_cf(folder.path(), their_sink.address()), setup.toml(folder.path()));
    let postfix = Postfix::start(&main_cf);
    let relay = Relay::start(&toml, our_sink.address());
    let theirs = send_all(&letters, postfix.address(), &their_sink, || postfix.log());
    let ours = send_all(&letters, relay.address(), &our_sink, || relay.log());
    let log = relay.log();
    for ((letter, theirs), ours) in letters.iter().zip(&theirs).zip(&ours) {
        let told = compare::compare(letter, theirs, ours, &setup, &log);
        told.counted.iter().for_each(|what| report.count(*what));
        rules::of(letter, &setup).into_iter().for_each(|rule| report.count(format!("rule {rule}")));
        if let Some(difference) = told.difference {
            let Letter { client, sender, recipients, fields, .. } = letter;
            let fields: String = fields.iter().map(|(name, value)| format!("    {name}:{value}\n")).collect();
            report.differ(
                format!("SEED={seed}: {client} sends from <{sender}> to {recipients:?}; they differ: {difference}"),
                format!("{fields}\n=== main.cf\n{main_cf}\n=== mailweir.toml\n{toml}\n=== tables\n{}", setup.files()),
            );
        }
    }
}

#[test]
fn the_next_hop_gets_what_postfix_would_send() {
    report::run("messages", 100, BATCH, batch);
}
