//! In native tests: messages and tables that the test makes. Not there in a plugin.
//!
//! Tables, and whether reasons are wanted, are kept per thread, as tests run.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{
    Message,
    wit::{
        message::mailweir::filter::{
            files::Existing,
            log::Level,
            tables::{Hit, Key},
        },
        types::{Client, Field, ReversePath},
    },
};

thread_local! {
    static TABLES: RefCell<BTreeMap<String, BTreeMap<String, String>>> = const { RefCell::new(BTreeMap::new()) };
    static FILES: RefCell<Vec<(String, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
    static EXPLAINED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Put a table in place for this thread. Keys are folded to lower case, as tables of fixed texts do.
pub fn table(name: &str, rows: &[(&str, &str)]) {
    let rows = rows.iter().map(|(key, value)| (key.to_lowercase(), (*value).to_owned())).collect();
    TABLES.with_borrow_mut(|tables| tables.insert(name.to_owned(), rows));
}

pub use super::zone::zone;

/// Name and content of the files that have been finished on this thread so far, in that order; asking forgets them.
pub fn files() -> Vec<(String, Vec<u8>)> {
    FILES.take()
}

/// Run something with reasons wanted, and return what was noted.
pub fn explained<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    EXPLAINED.set(Some(Vec::new()));
    let value = run();
    (value, EXPLAINED.take().unwrap_or_default())
}

/// Builds a [`Message`] for a test: from nobody, to nobody, without fields, unless told otherwise.
#[derive(Clone, Debug)]
pub struct MessageBuilder {
    handle: MessageHandle,
}

impl Default for MessageBuilder {
    fn default() -> Self {
        let client = Client {
            address: "192.0.2.1".to_owned(),
            port: 40_000,
            name: None,
            helo: Some("client.example".to_owned()),
            tls: None,
            login: None,
            trusted: false,
        };
        let handle =
            MessageHandle { sender: ReversePath::Null, recipients: vec![], client, fields: vec![], body: vec![] };
        Self { handle }
    }
}

impl MessageBuilder {
    /// The reverse-path.
    #[must_use]
    pub fn sender(mut self, address: &str) -> Self {
        self.handle.sender = ReversePath::Address(address.to_owned());
        self
    }

    /// One more recipient.
    #[must_use]
    pub fn recipient(mut self, address: &str) -> Self {
        self.handle.recipients.push(address.to_owned());
        self
    }

    /// The client; start from [`Message::client`] of a message that was built without.
    #[must_use]
    pub fn client(mut self, change: impl FnOnce(&mut Client)) -> Self {
        change(&mut self.handle.client);
        self
    }

    /// One more field; a blank is put before the value.
    #[must_use]
    pub fn field(self, name: &str, value: &str) -> Self {
        self.raw_field(name, format!(" {value}").as_bytes())
    }

    /// One more field with its raw value.
    #[must_use]
    pub fn raw_field(mut self, name: &str, value: &[u8]) -> Self {
        let index = u32::try_from(self.handle.fields.len()).unwrap_or(u32::MAX);
        self.handle.fields.push(Field { index, name: name.to_owned(), value: value.to_vec() });
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, octets: &[u8]) -> Self {
        self.handle.body = octets.to_vec();
        self
    }

    /// The message.
    pub fn build(self) -> Message {
        Message { handle: self.handle }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct MessageHandle {
    sender: ReversePath,
    recipients: Vec<String>,
    client: Client,
    fields: Vec<Field>,
    body: Vec<u8>,
}

impl MessageHandle {
    pub(crate) fn sender(&self) -> ReversePath {
        self.sender.clone()
    }

    pub(crate) fn recipients(&self) -> Vec<String> {
        self.recipients.clone()
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn fields(&self, names: &[&str]) -> Vec<Field> {
        let wanted =
            |field: &&Field| names.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(&field.name));
        self.fields.iter().filter(wanted).cloned().collect()
    }

    pub(crate) fn header_block(&self) -> Vec<u8> {
        let raw = self.fields.iter().map(|field| [field.name.as_bytes(), b":", &field.value, b"\r\n"].concat());
        raw.collect::<Vec<_>>().concat()
    }

    pub(crate) fn size(&self) -> u64 {
        self.header_block().len() as u64 + 2 + self.body_size()
    }

    pub(crate) fn body_size(&self) -> u64 {
        self.body.len() as u64
    }

    pub(crate) fn read_body(&self, offset: u64, length: u32) -> Vec<u8> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.body.get(offset..)).unwrap_or_default();
        rest.iter().take(length.min(65_536) as usize).copied().collect()
    }
}

/// A new body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Append octets; line ends are CRLF.
    pub fn write(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// What has been written.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// A new file; names stay as they are, a number is put before the extension.
#[derive(Debug)]
pub(crate) struct NewFile {
    name: String,
    existing: Existing,
    octets: Vec<u8>,
}

impl NewFile {
    pub(crate) fn create(name: &str, existing: Existing) -> Result<Self, String> {
        Ok(Self { name: name.to_owned(), existing, octets: Vec::new() })
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(crate) fn finish(self) -> Option<String> {
        let Self { name, existing, octets } = self;
        FILES.with_borrow_mut(|files| {
            let taken = |files: &[(String, Vec<u8>)], name: &str| files.iter().any(|(taken, _)| taken == name);
            if taken(files, &name) {
                match existing {
                    Existing::Skip => return None,
                    Existing::Overwrite => files.retain(|(taken, _)| *taken != name),
                    Existing::Number => {
                        let (stem, extension) = name
                            .rsplit_once('.')
                            .map_or((name.as_str(), String::new()), |(stem, end)| (stem, format!(".{end}")));
                        let numbered = (2..)
                            .map(|number| format!("{stem}-{number}{extension}"))
                            .find(|name| !taken(files, name))?;
                        files.push((numbered.clone(), octets));
                        return Some(numbered);
                    }
                }
            }
            files.push((name.clone(), octets));
            Some(name)
        })
    }
}

/// All tables, in a test.
pub(crate) fn granted() -> Option<Vec<String>> {
    None
}

pub(crate) fn lookup(names: &[String], keys: &[Key]) -> Result<Option<Hit>, String> {
    TABLES.with_borrow(|tables| {
        for (key, key_index) in keys.iter().zip(0..) {
            for (name, table) in names.iter().zip(0..) {
                let rows = tables.get(name).ok_or_else(|| format!("the test has no table `{name}`"))?;
                if let Some(value) = rows.get(&key.text.to_lowercase()) {
                    return Ok(Some(Hit { table, key: key_index, value: value.clone() }));
                }
            }
        }
        Ok(None)
    })
}

pub(crate) fn log(level: Level, text: &str) {
    eprintln!("{level:?}: {text}");
}

pub(crate) fn explain_wanted() -> bool {
    EXPLAINED.with_borrow(Option::is_some)
}

pub(crate) fn explain_note(text: &str) {
    EXPLAINED.with_borrow_mut(|notes| notes.iter_mut().for_each(|notes| notes.push(text.to_owned())));
}
