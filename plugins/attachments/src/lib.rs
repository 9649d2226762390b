//! Attachments: finds the files in a message, however they are encoded, saves them into the granted directory, and keeps, strips or
//! rejects them by rule.
//!
//! The body is read once, in pieces, and nothing is held that grows with it: [`lines`] cuts it into lines, [`walk`] follows the structure
//! of MIME, [`decode`] has a state machine for each encoding, [`finder`] looks for files in texts, and [`collector`] writes them.

pub mod assemble;
pub mod charset;
pub mod collector;
pub mod config;
pub mod decode;
pub mod encode;
pub mod entity;
pub mod finder;
pub mod lines;
pub mod parameters;
pub mod report;
pub mod rules;
pub mod strip;
pub mod walk;
pub mod words;

use mailweir_sdk::{ConfigError, Failure, Filter, Message, MessageFilter, Outcome, explain};

use crate::{
    collector::Collector,
    config::{Config, Settings, Then},
    entity::{DESCRIBING, Entity},
    lines::Lines,
    walk::{Options, Walker},
};

/// The filter.
#[derive(Debug)]
pub struct Attachments(Settings);

impl Filter for Attachments {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        Settings::new(config).map(Self)
    }
}

impl MessageFilter for Attachments {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        let settings = &self.0;
        let collector = self.collect(message)?;
        let mut header_lines = None;
        for found in &collector.found {
            let lines = *header_lines.get_or_insert_with(|| lines_of_header(message));
            report::tell(found, settings, lines);
        }
        if collector.found.is_empty() {
            explain::note(|| "no attachments".to_owned());
        }
        if let Some(rejected) = collector.found.iter().find(|found| found.then == Then::Reject) {
            let text = format!("Attachment {} is not accepted here", rejected.name);
            return Ok(Outcome::reject(550, "5.7.1", text)
                .because(|| format!("rule {} rejects {}", rejected.rule + 1, rejected.name)));
        }
        let mut outcome = Outcome::next();
        strip::strip(message, &collector.found, &collector.texts, settings, &mut outcome);
        Ok(outcome)
    }
}

impl Attachments {
    /// All attachments of the message, saved where they are to be.
    fn collect(&self, message: &Message) -> Result<Collector<'_>, Failure> {
        let fields = message.fields(&DESCRIBING);
        let entity = Entity::of(|name| {
            let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| field.value.as_slice())
        });
        let options = Options { in_text: self.0.in_text, nested: self.0.nested };
        let mut walker = Walker::new(entity, options, Collector::new(&self.0));
        let mut lines = Lines::default();
        for piece in message.body_pieces() {
            lines.feed(&piece, |line| walker.line(&line));
            if let Some(failure) = walker.failure() {
                return Err(failure);
            }
        }
        lines.finish(|line| walker.line(&line));
        let mut collector = walker.finish();
        assemble::assemble(message, &mut collector);
        collector.failure.take().map_or(Ok(collector), Err)
    }
}

/// Lines before the first one of the body.
fn lines_of_header(message: &Message) -> u64 {
    let header = message.header_block();
    let separator = u64::from(message.size() > message.body_size() + header.len() as u64);
    memchr::memchr_iter(b'\n', &header).count() as u64 + separator
}

mailweir_sdk::export!(Attachments: message);

#[cfg(test)]
mod tests;
