//! The access filter beside a real Postfix: random lists, tables and sessions go through both, and what the clients hear is compared, code,
//! enhanced code and text.
//!
//! `N` (150) sessions are held; `SEED` repeats a run, which prints it (without either, always the same). Each documented difference is counted under its name; anything
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

mod dialogue;
mod setup;

use crate::{
    dialogue::Dialogue, postfix::Postfix, random::Random, relay::Relay, report::Report, setup::Setup, sink::Sink,
};

/// Sessions with one configuration; starting both takes longer than holding these.
const BATCH: usize = 50;

/// Code and enhanced code.
fn codes(reply: &str) -> String {
    reply.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// How two replies compare.
enum Compared {
    Same,
    /// They differ in a way that is documented, and say the same again after it.
    SameBut(&'static str),
    /// They differ in a way that is documented, and go different ways from here on.
    Parted(&'static str),
    Differ,
}

/// Compare the replies to a line. The documented differences are those of `plugins/access/README.md`.
fn compare(line: &str, theirs: &str, ours: &str, (dialogue, setup): (&Dialogue, &Setup)) -> Compared {
    let code = |reply: &str| reply.get(..3).unwrap_or_default().to_owned();
    let taken = theirs.starts_with(['2', '3']) && code(theirs) == code(ours);
    if taken || theirs == ours {
        return Compared::Same;
    }
    if ours.ends_with("rejected: Server configuration error") && setup.warns_of_failures() {
        return Compared::Parted("`warn_if_reject` makes no warning of a table that can't be asked");
    }
    let after_rcpt = !line.starts_with("RCPT");
    if after_rcpt && dialogue.lines.iter().any(|line| line == "RCPT TO:<postmaster>") {
        return Compared::Parted("the bare postmaster has our domain after RCPT");
    }
    let further_way = line.contains(['%', '!']) || line.matches('@').count() > 1;
    if further_way && theirs.contains("User unknown in relay recipient table") {
        return Compared::Parted("addresses with a further way are not looked up in `listed-recipients`");
    }
    // What the protocol itself refuses.
    if theirs.contains(" Error: ") && ours.contains(" Error: ") {
        let soft = |reply: &str| codes(reply).replace('5', "4");
        if codes(theirs) == codes(ours) {
            return Compared::SameBut("the protocol's own words");
        }
        if theirs.starts_with('4') && soft(theirs) == soft(ours) {
            return Compared::SameBut("with `soft-bounce` the protocol's own refusals stay");
        }
    }
    Compared::Differ
}

/// The first undocumented difference of two sessions.
fn difference(case: (&Dialogue, &Setup), theirs: &[String], ours: &[String], report: &mut Report) -> Option<String> {
    let lines = case.0.lines.iter().map(String::as_str);
    let lines = ["connect"].into_iter().chain(lines).chain(["the end of data"]);
    for ((theirs, ours), line) in theirs.iter().zip(ours).zip(lines) {
        let taken = theirs.starts_with(['2', '3']);
        report.count(if taken { "accepted".to_owned() } else { format!("refused: {}", codes(theirs)) });
        match compare(line, theirs, ours, case) {
            Compared::Same => {}
            Compared::SameBut(what) => report.count(format!("difference: {what}")),
            Compared::Parted(what) => {
                report.count(format!("difference: {what}"));
                return None;
            }
            Compared::Differ => return Some(format!("{line}\n    Postfix: {theirs}\n    we:      {ours}")),
        }
    }
    None
}

/// Both with one configuration; undocumented differences are told with what is needed to see them again.
fn batch(seed: u64, count: usize, report: &mut Report) {
    let mut random = Random::new(seed);
    let setup = Setup::random(&mut random);
    let dialogues: Vec<_> = (0..count).map(|_| Dialogue::random(&mut random)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    setup.write(folder.path());
    let sink = Sink::start();
    let (main_cf, toml) = (setup.main_cf(folder.path()), setup.toml(folder.path()));
    let postfix = Postfix::start(&main_cf);
    let relay = Relay::start_with_head(&setup.head(), &toml, sink.address());
    for dialogue in dialogues {
        let (theirs, ours) = (dialogue.play(postfix.address()), dialogue.play(relay.address()));
        if let Some(difference) = difference((&dialogue, &setup), &theirs, &ours, report) {
            let Dialogue { client, lines } = &dialogue;
            report.differ(
                format!("SEED={seed}: {client} says {lines:?}; they differ at {difference}"),
                format!(
                    "=== main.cf\n{main_cf}\n=== mailweir.toml\n{}{toml}\n=== tables\n{}",
                    setup.head(),
                    setup.files()
                ),
            );
        }
    }
}

#[test]
fn clients_hear_what_postfix_would_say() {
    report::run("sessions", 150, BATCH, batch);
}
