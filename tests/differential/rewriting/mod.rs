//! Canonical, masquerade and generic: random configurations, tables and messages go through both to a next hop, and what arrives there is
//! compared, envelope and header.

mod arrival;
mod compare;
mod letter;
mod rules;
mod setup;
mod table;

use self::{arrival::send_all, letter::Letter, setup::Setup};
use crate::{
    postfix::Postfix,
    random::Random,
    relay::Relay,
    report::{self, Report},
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
