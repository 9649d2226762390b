//! In a plugin: calls go out to the relay.

use crate::wit::{
    message::mailweir::filter::{body_writer, dns, explain, files, log as relay_log, mail, tables},
    types::{Client, Field, ReversePath},
};

/// The relay's handle to the message; lent for the time of the call.
pub(crate) struct MessageHandle(pub(crate) *const mail::Message);

impl MessageHandle {
    fn get(&self) -> &mail::Message {
        // SAFETY: made in `export::glue` from a reference that lives as long as the call in which this handle is used.
        unsafe { &*self.0 }
    }

    pub(crate) fn sender(&self) -> ReversePath {
        self.get().sender()
    }

    pub(crate) fn recipients(&self) -> Vec<String> {
        self.get().recipients()
    }

    pub(crate) fn client(&self) -> Client {
        self.get().client()
    }

    pub(crate) fn fields(&self, names: &[&str]) -> Vec<Field> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.get().fields(&names)
    }

    pub(crate) fn header_block(&self) -> Vec<u8> {
        self.get().header_block()
    }

    pub(crate) fn size(&self) -> u64 {
        self.get().size()
    }

    pub(crate) fn body_size(&self) -> u64 {
        self.get().body_size()
    }

    pub(crate) fn read_body(&self, offset: u64, length: u32) -> Vec<u8> {
        self.get().read_body(offset, length)
    }
}

/// A new body, written in pieces.
#[derive(Debug)]
pub struct Body(pub(crate) body_writer::Body);

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self(body_writer::Body::new())
    }

    /// Append octets; line ends are CRLF. Past the stage's `output` limit the call ends with a failure.
    pub fn write(&mut self, octets: &[u8]) {
        self.0.write(octets);
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.0.handle() == other.0.handle()
    }
}

/// A file on its way into the granted directory.
#[derive(Debug)]
pub(crate) struct NewFile(files::File);

impl NewFile {
    pub(crate) fn create(name: &str, existing: files::Existing) -> Result<Self, String> {
        files::File::create(name, existing).map(Self)
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.0.write(octets);
    }

    pub(crate) fn finish(self) -> Option<String> {
        self.0.finish()
    }
}

pub(crate) fn granted() -> Option<Vec<String>> {
    Some(tables::granted())
}

pub(crate) fn lookup(names: &[String], keys: &[tables::Key]) -> Result<Option<tables::Hit>, String> {
    tables::lookup(names, keys)
}

pub(crate) fn dns_granted() -> bool {
    dns::granted()
}

pub(crate) fn mail_exchanges(domain: &str) -> Result<dns::Exchanges, dns::Error> {
    dns::mail_exchanges(domain)
}

pub(crate) fn addresses(host: &str) -> Result<Vec<String>, dns::Error> {
    dns::addresses(host)
}

pub(crate) fn name_servers(domain: &str) -> Result<Vec<String>, dns::Error> {
    dns::name_servers(domain)
}

pub(crate) fn names(address: &str) -> Result<Vec<String>, dns::Error> {
    dns::names(address)
}

pub(crate) fn log(level: relay_log::Level, text: &str) {
    relay_log::write(level, text);
}

pub(crate) fn explain_wanted() -> bool {
    explain::wanted()
}

pub(crate) fn explain_note(text: &str) {
    explain::note(text);
}
