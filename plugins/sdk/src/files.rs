//! Files in the directory that the stage is granted (`files = "…"` in the TOML). They can be written, never read.
//!
//! They are there once the message is safe on disk, and gone when it is refused or deferred.

pub use crate::wit::message::mailweir::filter::files::Existing;
use crate::{Failure, host};

/// A new file. One that is dropped before [`finish`](Self::finish) leaves nothing.
#[derive(Debug)]
pub struct File(host::NewFile);

/// Begin a file. Any name will do: the relay makes it safe. Fails where the stage is granted no directory or nothing can be written.
pub fn create(name: &str, existing: Existing) -> Result<File, Failure> {
    host::NewFile::create(name, existing).map(File).map_err(Failure)
}

impl File {
    /// Append octets. Past the stage's `output` limit, and on a full disk, the call ends with a failure.
    pub fn write(&mut self, octets: &[u8]) {
        self.0.write(octets);
    }

    /// The file is complete. Returns the name under which it will be there; none when [`Existing::Skip`] says that it won't.
    pub fn finish(self) -> Option<String> {
        self.0.finish()
    }
}
