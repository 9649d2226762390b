//! Does everything that a filter must not do: `config.act` says which. For the tests of the sandbox.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering},
};

use mailweir_sdk::{
    Body, Change, ConfigError, Decision, Edit, Facts, Failure, Filter, Message, MessageFilter, Outcome, Position,
    Reply, ReversePath, SessionFilter, Verdict, log,
    tables::{self, Key, Table},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
/// The stage's `config`.
pub struct Config {
    act: Act,
    #[serde(default)]
    tables: Vec<Table>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Act {
    /// Well-behaved: answers `next`.
    Nothing,
    Panic,
    Spin,
    EatMemory,
    Recurse,
    ManyEdits,
    EditOutOfRange,
    InjectField,
    BadAddress,
    BadReply,
    BadEnhancedCode,
    HugeOutput,
    HugeAnswer,
    LogFlood,
    LookupFlood,
    Fail,
    /// Counts its calls in its memory and puts the count into a field: always 1 in a fresh instance.
    Remember,
    ConfigureFails,
    ConfigureSpins,
    ConfigurePanics,
}

/// The filter.
pub struct Misbehave(Config);

static CALLS: AtomicU32 = AtomicU32::new(0);

impl Filter for Misbehave {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        match config.act {
            Act::ConfigureFails => {
                Err(vec![ConfigError::new("act", "this act fails"), ConfigError::new("tables", "so do these")])
            }
            Act::ConfigureSpins => spin(),
            Act::ConfigurePanics => panic!("configure panics as told"),
            _ => Ok(Self(config)),
        }
    }
}

impl MessageFilter for Misbehave {
    fn filter(&self, _: &Message) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::next();
        match self.0.act {
            Act::Panic => panic!("panics as told"),
            Act::Spin => spin(),
            Act::EatMemory => eat_memory(),
            Act::Recurse => drop(black_box(recurse(0))),
            Act::ManyEdits => outcome.edits.extend((0..1_000_000).map(|_| edit(Change::AddRecipient(String::new())))),
            Act::EditOutOfRange => outcome.edits.push(edit(Change::RemoveField(1_000_000))),
            Act::InjectField => {
                let value = b" x\r\nBcc: everybody@example.com".to_vec();
                outcome.edits.push(edit(Change::InsertField(Position::Top, "X-Evil".to_owned(), value)));
            }
            Act::BadAddress => drop(outcome.set_sender(ReversePath::Address("no address\r\n".to_owned()))),
            Act::BadReply => outcome.verdict = Verdict::Reject(reply(250, None)),
            Act::BadEnhancedCode => outcome.verdict = Verdict::Reject(reply(550, Some("4.7.1"))),
            Act::HugeOutput => {
                let mut body = Body::new();
                (0..1_000_000).for_each(|_| body.write(&[b'x'; 1024]));
                outcome.replace_body(body);
            }
            Act::HugeAnswer => {
                // One text of a megabyte, a thousand times: a gigabyte for the host if it takes them all.
                let text = "x".repeat(1 << 20);
                let long = || Edit { change: Change::RemoveField(0), reason: Some(text.clone()) };
                outcome.edits.extend((0..24).map(|_| long()));
            }
            Act::LogFlood => (0..100_000).for_each(|number| log::info(&format!("line {number}"))),
            Act::LookupFlood => {
                for number in 0..1_000_000 {
                    tables::lookup(&self.0.tables, &[Key::whole(number.to_string())])?;
                }
            }
            Act::Fail => return Err(Failure("fails as told".to_owned())),
            Act::Remember => {
                let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
                outcome.insert_field_on_top("X-Calls", calls.to_string());
            }
            Act::Nothing | Act::ConfigureFails | Act::ConfigureSpins | Act::ConfigurePanics => {}
        }
        Ok(outcome)
    }
}

impl SessionFilter for Misbehave {
    fn decide(&self, _: &Facts) -> Result<Decision, Failure> {
        match self.0.act {
            Act::Panic => panic!("panics as told"),
            Act::Spin => spin(),
            Act::Fail => Err(Failure("fails as told".to_owned())),
            Act::BadReply => Ok(Decision { verdict: Verdict::Defer(reply(550, None)), ..Decision::next() }),
            _ => Ok(Decision::next()),
        }
    }
}

mailweir_sdk::export!(Misbehave: message, session);

fn edit(change: Change) -> Edit {
    Edit { change, reason: None }
}

fn reply(code: u16, enhanced: Option<&str>) -> Reply {
    Reply { code, enhanced: enhanced.map(str::to_owned), text: "as told".to_owned() }
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn eat_memory() {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(true) { recurse(depth + 1) + frame[1] } else { 0 }
}
