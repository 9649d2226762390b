//! What a guest may call: the message, a new body, tables, log, reasons. One `impl` for each interface of `wit/imports.wit`.

use bytes::BytesMut;
use wasmtime::{Result, component::Resource};

use super::{
    bindings::interfaces::{body_writer, explain, files, log, mail, tables, types},
    convert,
    guest::{FileHandle, Guest, HostCall, MessageHandle, NewBody},
};
use crate::{
    files::{Existing, NewFile},
    pipeline::{FailureKind, Mail},
};

/// Octets of a body that one `read-body` gives at most.
const LARGEST_READ: u32 = 64 * 1024;

/// Names that one `fields` can ask for: nothing interrupts the relay while it compares them with those of the message.
const MOST_NAMES: usize = 1_000;

/// Files that one message can make: each costs a directory entry.
const MOST_FILES: usize = 10_000;
/// Files that can be written at the same time: each costs a descriptor.
const MOST_OPEN_FILES: usize = 16;

impl types::Host for HostCall<'_> {}

impl Guest {
    /// The message, which is there whenever a guest can hold a handle to one.
    fn message(&mut self) -> Result<&Mail> {
        if self.mail.is_none() {
            return Err(self.stop(FailureKind::InvalidAnswer, "it used a message that it was not given"));
        }
        self.mail.as_deref().ok_or_else(|| wasmtime::Error::msg("no message"))
    }
}

impl mail::Host for HostCall<'_> {}

impl mail::HostMessage for HostCall<'_> {
    fn sender(&mut self, _: Resource<MessageHandle>) -> Result<types::ReversePath> {
        Ok(convert::sender_to_wit(&self.message()?.envelope.sender))
    }

    fn recipients(&mut self, _: Resource<MessageHandle>) -> Result<Vec<String>> {
        let recipients = &self.message()?.envelope.recipients;
        Ok(recipients.iter().map(|recipient| recipient.address.as_str().to_owned()).collect())
    }

    fn client(&mut self, _: Resource<MessageHandle>) -> Result<types::Client> {
        Ok(convert::client_to_wit(&self.message()?.client))
    }

    fn fields(&mut self, _: Resource<MessageHandle>, names: Vec<String>) -> Result<Vec<types::Field>> {
        if names.len() > MOST_NAMES {
            return Err(self.stop(FailureKind::InvalidAnswer, "it asked for fields with more than 1,000 names at once"));
        }
        let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one.eq_ignore_ascii_case(name));
        let fields = self.message()?.message.fields().iter().zip(0..);
        let fields = fields.filter(|(field, _)| wanted(field.name()));
        Ok(fields
            .map(|(field, index)| types::Field { index, name: field.name().to_owned(), value: field.value().to_vec() })
            .collect())
    }

    fn header_block(&mut self, _: Resource<MessageHandle>) -> Result<Vec<u8>> {
        Ok(self.message()?.message.header_block())
    }

    fn size(&mut self, _: Resource<MessageHandle>) -> Result<u64> {
        Ok(self.message()?.message.size())
    }

    fn body_size(&mut self, _: Resource<MessageHandle>) -> Result<u64> {
        Ok(self.message()?.message.body().len())
    }

    fn read_body(&mut self, _: Resource<MessageHandle>, offset: u64, length: u32) -> Result<Vec<u8>> {
        Ok(self.message()?.message.body().read(offset, length.min(LARGEST_READ) as usize))
    }

    fn drop(&mut self, _: Resource<MessageHandle>) -> Result<()> {
        Ok(())
    }
}

impl body_writer::Host for HostCall<'_> {}

impl body_writer::HostBody for HostCall<'_> {
    fn new(&mut self) -> Result<Resource<NewBody>> {
        self.not_in_configure("body-writer")?;
        // An empty body costs the host something too.
        self.spend_output(64)?;
        let index = u32::try_from(self.bodies.len())?;
        self.bodies.push(Some(BytesMut::new()));
        Ok(Resource::new_own(index))
    }

    fn write(&mut self, body: Resource<NewBody>, octets: Vec<u8>) -> Result<()> {
        self.spend_output(octets.len())?;
        match self.bodies.get_mut(body.rep() as usize) {
            Some(Some(content)) => content.extend_from_slice(&octets),
            _ => return Err(self.stop(FailureKind::InvalidAnswer, "it wrote to a body that is gone")),
        }
        Ok(())
    }

    fn drop(&mut self, body: Resource<NewBody>) -> Result<()> {
        if let Some(slot) = self.bodies.get_mut(body.rep() as usize) {
            *slot = None;
        }
        Ok(())
    }
}

impl files::Host for HostCall<'_> {}

impl Guest {
    fn file(&mut self, file: &Resource<FileHandle>) -> Result<&mut Option<NewFile>> {
        match self.files.get(file.rep() as usize) {
            Some(Some(_)) => self.files.get_mut(file.rep() as usize).ok_or_else(|| wasmtime::Error::msg("no file")),
            _ => Err(self.stop(FailureKind::InvalidAnswer, "it used a file that is complete")),
        }
    }
}

impl files::HostFile for HostCall<'_> {
    fn create(
        &mut self,
        name: String,
        existing: files::Existing,
    ) -> Result<std::result::Result<Resource<FileHandle>, String>> {
        self.not_in_configure("files")?;
        let Some(directory) = &self.directory else {
            return Ok(Err("the stage is granted no directory; `files = \"…\"` in the TOML would be one".to_owned()));
        };
        let open = self.files.iter().flatten().count();
        if open >= MOST_OPEN_FILES || self.files.len() >= MOST_FILES {
            return Err(self.stop(FailureKind::Output, "it began more files than a filter may"));
        }
        let existing = match existing {
            files::Existing::Number => Existing::Number,
            files::Existing::Overwrite => Existing::Overwrite,
            files::Existing::Skip => Existing::Skip,
        };
        match directory.create(&name, existing) {
            Ok(file) => {
                let index = u32::try_from(self.files.len())?;
                self.files.push(Some(file));
                Ok(Ok(Resource::new_own(index)))
            }
            Err(error) => Ok(Err(format!("no file can be made: {error}"))),
        }
    }

    fn write(&mut self, file: Resource<FileHandle>, octets: Vec<u8>) -> Result<()> {
        self.spend_output(octets.len())?;
        match self.file(&file)?.as_mut().map(|file| file.write(&octets)) {
            Some(Err(error)) => Err(self.stop(FailureKind::Host, &format!("a file can't be written: {error}"))),
            _ => Ok(()),
        }
    }

    fn finish(&mut self, file: Resource<FileHandle>) -> Result<Option<String>> {
        match self.file(&file)?.take().map(NewFile::finish) {
            Some(Ok(Some(kept))) => {
                let name = kept.name().to_owned();
                self.kept.push(kept);
                Ok(Some(name))
            }
            Some(Err(error)) => Err(self.stop(FailureKind::Host, &format!("a file can't be written: {error}"))),
            Some(Ok(None)) | None => Ok(None),
        }
    }

    fn drop(&mut self, file: Resource<FileHandle>) -> Result<()> {
        if let Some(slot) = self.files.get_mut(file.rep() as usize) {
            *slot = None;
        }
        Ok(())
    }
}

impl tables::Host for HostCall<'_> {
    fn granted(&mut self) -> Result<Vec<String>> {
        Ok(self.tables.keys().cloned().collect())
    }

    fn lookup(&mut self, tables: Vec<String>, keys: Vec<tables::Key>) -> Result<Result<Option<tables::Hit>, String>> {
        self.not_in_configure("tables.lookup")?;
        self.spend_lookups(keys.len().saturating_mul(tables.len()))?;
        let mut asked = Vec::with_capacity(tables.len());
        for name in &tables {
            match self.tables.get(name) {
                Some(table) => asked.push(table),
                None => return Ok(Err(format!("table `{name}` is not granted to this stage"))),
            }
        }
        for (key, key_index) in keys.iter().zip(0..) {
            for (table, table_index) in asked.iter().zip(0..) {
                if key.partial && table.has_patterns() {
                    continue;
                }
                let name = tables.get(table_index as usize).map_or("?", String::as_str);
                match table.lookup(&key.text) {
                    Ok(None) => {}
                    // L3: an empty value is a mistake in the table, not an answer.
                    Ok(Some(value)) if value.trim().is_empty() => {
                        return Ok(Err(format!("table {name}: the value of `{}` is empty", key.text)));
                    }
                    Ok(Some(value)) => return Ok(Ok(Some(tables::Hit { table: table_index, key: key_index, value }))),
                    Err(error) => return Ok(Err(format!("table {name}: {error}"))),
                }
            }
        }
        Ok(Ok(None))
    }
}

impl log::Host for HostCall<'_> {
    fn write(&mut self, level: log::Level, text: String) -> Result<()> {
        self.tell(level, &text);
        Ok(())
    }
}

/// The target (tracing's word) of what filters write into the log.
pub const LOG_TARGET: &str = "mailweir::filter";

impl Guest {
    /// A line for the log, if there is room for it.
    pub(super) fn tell(&mut self, level: log::Level, text: &str) {
        if !self.spend_log(text.len()) {
            return;
        }
        let text = convert::one_line(text.trim_end());
        let (stage, id) = (&*self.stage, &*self.id);
        match level {
            log::Level::Debug => tracing::debug!(target: LOG_TARGET, stage, id, "{text}"),
            log::Level::Info => tracing::info!(target: LOG_TARGET, stage, id, "{text}"),
            log::Level::Warn => tracing::warn!(target: LOG_TARGET, stage, id, "{text}"),
            log::Level::Error => tracing::error!(target: LOG_TARGET, stage, id, "{text}"),
        }
    }
}

impl explain::Host for HostCall<'_> {
    fn wanted(&mut self) -> Result<bool> {
        // The answer would be frozen.
        self.not_in_configure("explain.wanted")?;
        Ok(self.explain)
    }

    fn note(&mut self, text: String) -> Result<()> {
        self.not_in_configure("explain.note")?;
        if self.explain && self.spend_log(text.len()) {
            self.notes.push(convert::one_line(&text));
        }
        Ok(())
    }
}
