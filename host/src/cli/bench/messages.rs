//! The messages of a bench: files, folders, mbox files, each with an envelope.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::BenchError;
use crate::{
    cli::message_file::{split_mbox, with_crlf},
    mail::{Address, Envelope, Message, Recipient, ReversePath},
};

/// A message with its envelope.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) envelope: Envelope,
    pub(super) message: Message,
}

/// All messages below these paths, in the order of their names.
pub(super) fn read(
    paths: &[PathBuf],
    from: Option<&ReversePath>,
    to: Option<&Address>,
) -> Result<Vec<Letter>, BenchError> {
    let mut letters = Vec::new();
    for file in paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat() {
        let raw = fs::read(&file).map_err(|error| BenchError::File { path: file.clone(), error })?;
        letters.extend(split_mbox(raw).into_iter().map(|raw| letter(&raw, from, to)));
    }
    if letters.is_empty() {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(BenchError::NoMessage(paths.join(", ")));
    }
    Ok(letters)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let failed = |error| BenchError::File { path: path.to_owned(), error };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(failed)?;
    let mut below: Vec<_> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(failed)?;
    below.sort();
    below.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
}

fn letter(raw: &[u8], from: Option<&ReversePath>, to: Option<&Address>) -> Letter {
    let message = Message::parse(Bytes::from(with_crlf(raw)));
    let sender = from.cloned().unwrap_or_else(|| {
        let named = addresses_in(&message, &["Return-Path", "From"]).into_iter().next();
        named.map_or(ReversePath::Null, ReversePath::Address)
    });
    let mut recipients = to.map_or_else(|| addresses_in(&message, &["To", "Cc"]), |to| vec![to.clone()]);
    if recipients.is_empty() {
        recipients.extend(Address::parse("recipient@example.com").ok());
    }
    Letter { envelope: Envelope::new(sender, recipients.into_iter().map(Recipient::new).collect()), message }
}

/// What looks like an address in these fields: good enough for an envelope that nobody delivers to.
fn addresses_in(message: &Message, names: &[&str]) -> Vec<Address> {
    let fields = names.iter().flat_map(|name| message.fields().iter().filter(move |field| field.is(name)));
    fields
        .flat_map(|field| {
            let value = String::from_utf8_lossy(field.value()).into_owned();
            let words = value.split(|c: char| c.is_whitespace() || "<>,;:()\"".contains(c)).map(str::to_owned);
            words.filter(|word| word.contains('@')).collect::<Vec<_>>()
        })
        .filter_map(|word| Address::parse(&word).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_makes_the_envelope() {
        let raw = b"From: \"J, D\" <joe@a.example>\nTo: ann@b.example, Bob <bob@c.example>\n\nx\n";
        let Letter { envelope, message } = letter(raw, None, None);
        assert_eq!(envelope.sender.as_str(), "joe@a.example");
        let recipients: Vec<_> = envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        assert_eq!(recipients, ["ann@b.example", "bob@c.example"]);
        assert_eq!(message.body().read(0, 10), b"x\r\n");
    }
}
