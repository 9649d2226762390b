//! Does everything that a filter must not do: `config.act` says which. For the tests of the sandbox.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU32, Ordering},
};

use mailweir_sdk::{
    Body, Change, ConfigError, Decision, Edit, Effect, Facts, Failure, Filter, Message, MessageFilter, Outcome,
    Position, Reply, ReversePath, SessionFilter, Verdict,
    files::{self, Existing},
    log,
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
    /// Keeps the message back, as a filter may.
    Hold,
    /// Keeps 24 MiB from `configure` on, and says so in a field.
    KeepMuch,
    Panic,
    Spin,
    EatMemory,
    Recurse,
    ManyEdits,
    ManyNames,
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
    /// Permits relaying, which is not for such as it.
    PermitRelay,
    /// Writes the body to a file that is named by the Subject.
    WriteFile,
    /// Writes a file and fails then.
    WriteFileAndPanic,
    /// Writes a file and drops it.
    WriteFileUnfinished,
    /// Begins more files than it may have open.
    OpenManyFiles,
    /// Counts its calls in its memory and puts the count into a field: always 1 in a fresh instance.
    Remember,
    /// The same, but panics at its third call in one instance.
    RememberTwice,
    ConfigureFails,
    ConfigureSpins,
    ConfigurePanics,
    ConfigureLooksUp,
    ConfigureEatsMemory,
}

/// The filter.
pub struct Misbehave {
    config: Config,
    kept: Vec<u8>,
}

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
            Act::ConfigureLooksUp => {
                let found = tables::lookup(&config.tables, &[Key::whole("key")]);
                Err(vec![ConfigError::new("tables", format!("this should not answer: {found:?}"))])
            }
            Act::ConfigureEatsMemory => eat_memory(),
            // More than one answer may bring across at a message.
            Act::KeepMuch => Ok(Self { config, kept: vec![b'x'; 24 << 20] }),
            _ => Ok(Self { config, kept: Vec::new() }),
        }
    }
}

impl MessageFilter for Misbehave {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::next();
        match self.config.act {
            Act::Hold => outcome.verdict = Verdict::Hold("as told".to_owned()),
            Act::Panic => panic!("panics as told"),
            Act::Spin => spin(),
            Act::EatMemory => eat_memory(),
            Act::Recurse => drop(black_box(recurse(0))),
            Act::ManyEdits => outcome.edits.extend((0..20_000).map(|_| edit(Change::RemoveField(0)))),
            Act::ManyNames => drop(message.fields(&["Subject"; 1_001])),
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
                // Little for the guest, much for the host if it takes all of it.
                let text = "x".repeat(1 << 20);
                let long = || Edit { change: Change::RemoveField(0), reason: Some(text.clone()) };
                outcome.edits.extend((0..24).map(|_| long()));
            }
            Act::LogFlood => (0..100_000).for_each(|number| log::info(&format!("line {number}"))),
            Act::LookupFlood => {
                for number in 0..1_000_000 {
                    tables::lookup(&self.config.tables, &[Key::whole(number.to_string())])?;
                }
            }
            Act::WriteFile | Act::WriteFileAndPanic | Act::WriteFileUnfinished => {
                self.write_file(message, &mut outcome)?
            }
            Act::OpenManyFiles => {
                let open = (0..100).map(|number| files::create(&number.to_string(), Existing::Number));
                drop(open.collect::<Result<Vec<_>, _>>()?);
            }
            Act::Fail => return Err(Failure("fails\r\nas told".to_owned())),
            Act::Remember | Act::RememberTwice => {
                let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
                if matches!(self.config.act, Act::RememberTwice) && calls > 2 {
                    panic!("panics as told");
                }
                outcome.insert_field_on_top("X-Calls", calls.to_string());
            }
            Act::KeepMuch => drop(outcome.insert_field_on_top("X-Kept", self.kept.len().to_string())),
            _ => {}
        }
        Ok(outcome)
    }
}

impl Misbehave {
    fn write_file(&self, message: &Message, outcome: &mut Outcome) -> Result<(), Failure> {
        let name = message.field("Subject").map(|subject| subject.text()).unwrap_or_default();
        let mut file = files::create(&name, Existing::Number)?;
        message.body_pieces().for_each(|piece| file.write(&piece));
        if matches!(self.config.act, Act::WriteFileUnfinished) {
            return Ok(());
        }
        let name = file.finish().unwrap_or_default();
        if matches!(self.config.act, Act::WriteFileAndPanic) {
            panic!("panics as told");
        }
        outcome.insert_field_on_top("X-File", name);
        Ok(())
    }
}

impl SessionFilter for Misbehave {
    fn decide(&self, _: &Facts) -> Result<Decision, Failure> {
        match self.config.act {
            Act::Panic => panic!("panics as told"),
            Act::Spin => spin(),
            Act::Fail => Err(Failure("fails\r\nas told".to_owned())),
            Act::PermitRelay => Ok(Decision { effects: vec![Effect::PermitRelay], ..Decision::next() }),
            Act::InjectField => Ok(Decision::next().prepend_field("X-Evil", "x\r\nBcc: everybody@example.com")),
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

fn eat_memory() -> ! {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(true) { recurse(depth + 1) + frame[1] } else { 0 }
}
