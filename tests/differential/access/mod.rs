//! The access filter: random lists, tables and sessions go through both, and what the clients hear is compared, code, enhanced code and text.

mod dialogue;
mod rules;
mod setup;
mod words;

use self::{dialogue::Dialogue, setup::Setup};
use crate::{
    postfix::Postfix,
    random::Random,
    relay::Relay,
    report::{self, Report},
    sink::Sink,
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

/// Whether a reply is that of one of these: `DEFER_IF_PERMIT`, `DEFER_IF_REJECT`.
fn is_deferral(reply: &str) -> bool {
    ["Service unavailable", "soon", "defer_if_permit requested", "defer_if_reject requested"]
        .iter()
        .any(|text| reply.ends_with(text))
}

/// Compare the replies to a line, of which those `before` are alike. The documented differences are those of `plugins/access/README.md`.
fn compare(
    line: &str,
    theirs: &str,
    ours: &str,
    before: &[String],
    (dialogue, setup): (&Dialogue, &Setup),
) -> Compared {
    let code = |reply: &str| reply.get(..3).unwrap_or_default().to_owned();
    let taken = theirs.starts_with(['2', '3']) && code(theirs) == code(ours);
    if taken || theirs == ours {
        return Compared::Same;
    }
    if ours.ends_with("rejected: Server configuration error") && setup.warns_of_failures() {
        return Compared::Parted("`warn_if_reject` makes no warning of a table that can't be asked");
    }
    let discards = || setup.values().any(|value| value == "DISCARD");
    if theirs.starts_with(['2', '3']) && before.iter().any(|reply| is_deferral(reply)) && discards() {
        return Compared::Parted("a DISCARD that DEFER_IF_PERMIT overrules is for its own recipient only");
    }
    let after_rcpt = !line.starts_with("RCPT");
    if after_rcpt && dialogue.lines.iter().any(|line| line == "RCPT TO:<postmaster>") {
        return Compared::Parted("the bare postmaster has our domain after RCPT");
    }
    if after_rcpt && dialogue.repeats_its_only_recipient(before) {
        return Compared::Parted("a recipient that is named twice is one recipient at DATA");
    }
    let unlisted = theirs.contains("User unknown in relay recipient table") || setup.listed() && is_deferral(theirs);
    if Dialogue::names_a_further_way(line) && unlisted && ours.starts_with("250") {
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
fn difference(case: (&Dialogue, &Setup), all: &[String], ours: &[String], report: &mut Report) -> Option<String> {
    let lines = case.0.lines.iter().map(String::as_str);
    let lines = ["connect"].into_iter().chain(lines).chain(["the end of data"]);
    for (number, ((theirs, ours), line)) in all.iter().zip(ours).zip(lines).enumerate() {
        let taken = theirs.starts_with(['2', '3']);
        report.count(if taken { "accepted".to_owned() } else { format!("refused: {}", codes(theirs)) });
        match compare(line, theirs, ours, &all[..number], case) {
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
        rules::of(&dialogue, &setup).into_iter().for_each(|rule| report.count(format!("rule {rule}")));
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
