//! Plays `tests/dialogues/*/*.smtp`: one relay a folder, with the folder's `relay.toml`, all its dialogues after each other.

mod language;
mod play;

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    thread,
};

use self::{language::Dialogue, play::play};
use crate::{
    certificates::Authority,
    relay::{Relay, wait_until},
    sink::{Delivered, Sink},
};

/// A dialogue that went otherwise than its file says: `file:line: what`.
type Failure = String;

#[test]
fn every_dialogue_goes_as_its_file_says() {
    let folders = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/dialogues"), |path| path.is_dir());
    let failures = thread::scope(|scope| {
        let played: Vec<_> = folders.iter().map(|folder| scope.spawn(|| play_folder(folder))).collect();
        played.into_iter().flat_map(|thread| thread.join().expect("the player does not panic")).collect::<Vec<_>>()
    });
    assert!(failures.is_empty(), "not as written:\n{}", failures.join("\n"));
}

#[test]
fn there_are_many() {
    let folders = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/dialogues"), |path| path.is_dir());
    let count: usize = folders.iter().map(|folder| dialogues(folder).len()).sum();
    assert!(count >= 100, "only {count} dialogues");
}

fn entries(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut entries: Vec<_> = all.filter(|path| wanted(path)).collect();
    entries.sort();
    entries
}

fn dialogues(folder: &Path) -> Vec<PathBuf> {
    entries(folder, |path| path.extension().is_some_and(|extension| extension == "smtp"))
}

fn play_folder(folder: &Path) -> Vec<Failure> {
    let sink = Sink::start();
    let config = fs::read_to_string(folder.join("relay.toml")).expect("each folder has a relay.toml");
    let place = tempfile::tempdir().expect("a temporary folder");
    let authority = Authority::new();
    authority.issue(&["relay.example.com"]).write(place.path(), "relay");
    let relay = Relay::with_config(place, &config.replace("@SINK@", &sink.address().to_string()));
    let (mut failures, mut expected) = (Vec::new(), Vec::new());
    for path in dialogues(folder) {
        let name = Path::new(folder.file_name().unwrap_or_default()).join(path.file_name().unwrap_or_default());
        let place = |(line, what): (usize, String)| format!("{}:{line}: {what}", name.display());
        let text = fs::read_to_string(&path).expect("a dialogue is UTF-8");
        let played = Dialogue::parse(&text).and_then(|dialogue| {
            play(&dialogue, relay.address(), &authority)?;
            Ok(dialogue.messages)
        });
        match played {
            Ok(messages) => {
                expected.extend(messages.into_iter().map(|message| (place((message.line, String::new())), message)))
            }
            Err(failure) => failures.push(place(failure)),
        }
    }
    if failures.is_empty() {
        failures = compare(&expected, &sink);
    }
    if !failures.is_empty() {
        failures.push(format!("--- log of {} ---\n{}", folder.display(), relay.log()));
    }
    failures
}

/// What came to the next hop is what the dialogues say, and nothing else.
fn compare(expected: &[(String, language::Message)], sink: &Sink) -> Vec<Failure> {
    let wanted: usize = expected.iter().map(|(_, message)| message.recipients.len()).sum();
    let copies = || sink.delivered().into_iter().flat_map(apart).collect::<Vec<_>>();
    wait_until("all messages are delivered", || copies().len() >= wanted);
    let (mut copies, mut failures) = (copies(), Vec::new());
    // The choosiest first, so that none takes the only copy that another one would take.
    let mut expected: Vec<_> = expected.iter().collect();
    expected.sort_by_key(|(_, message)| Reverse(message.demands()));
    for (place, message) in expected {
        for recipient in &message.recipients {
            let fits = |copy: &Delivered| {
                let envelope = copy.sender == message.sender && copy.recipients.contains(recipient);
                envelope && message.was_asked_for(&copy.commands) && message.is_in(&copy.data)
            };
            match copies.iter().position(fits) {
                Some(at) => drop(copies.swap_remove(at)),
                None => failures.push(format!("{place}no such message for {recipient}")),
            }
        }
    }
    let surplus = copies.iter().map(|copy| {
        let text = String::from_utf8_lossy(&copy.data);
        format!("no dialogue expects {:?}:\n{text}", copy.commands)
    });
    failures.extend(surplus);
    failures
}

/// One copy for each recipient: how they are parted is the queue's business.
fn apart(message: Delivered) -> impl Iterator<Item = Delivered> {
    let Delivered { sender, recipients, commands, data } = message;
    recipients.into_iter().enumerate().map(move |(at, recipient)| Delivered {
        sender: sender.clone(),
        recipients: vec![recipient],
        commands: commands.first().into_iter().chain(commands.get(at + 1)).cloned().collect(),
        data: data.clone(),
    })
}
