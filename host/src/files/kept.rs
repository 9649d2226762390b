//! A complete file that waits for its message to be safe.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    directory::{Directory, Unfinished, is_there},
    name,
};

/// A file can't be put in its place.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = path.display())]
pub struct PublishError {
    /// Its place.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: io::Error,
}

/// A complete file, not yet under its name. Dropped, it is gone.
#[derive(Debug)]
pub struct Kept {
    promise: Promise,
    temporary: Unfinished,
    overwrite: bool,
}

/// A name that nobody else gets as long as this is there.
#[derive(Debug)]
struct Promise {
    directory: Arc<Directory>,
    name: String,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.directory.forget(&self.name);
    }
}

impl Kept {
    pub(super) fn new(directory: Arc<Directory>, temporary: Unfinished, name: String, overwrite: bool) -> Self {
        Self { promise: Promise { directory, name }, temporary, overwrite }
    }

    /// The name that it was promised.
    pub fn name(&self) -> &str {
        &self.promise.name
    }

    /// Where its octets lie until it is published.
    pub fn temporary(&self) -> &Path {
        &self.temporary.0
    }

    /// Where it belongs.
    pub fn target(&self) -> PathBuf {
        self.promise.directory.path_of(&self.promise.name)
    }

    /// Whether it takes the place of a file that is there.
    pub fn overwrites(&self) -> bool {
        self.overwrite
    }

    /// Have its octets on disk.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.temporary.0)?.sync_all()
    }

    /// Put it in its place. What can't be put there stays where it is, for somebody to try again: its message is safe.
    pub fn publish(self) -> Result<(), PublishError> {
        let target = self.target();
        self.place()?;
        sync_folder(&target)
    }

    /// The same for files that nobody relies on yet: a crash of the machine may lose them.
    pub fn place(self) -> Result<(), PublishError> {
        let published = place(self.temporary(), &self.target(), self.overwrite);
        let Self { promise: _promise, temporary, .. } = self;
        if published.is_err() {
            std::mem::forget(temporary);
        }
        published
    }
}

/// Move a file to its place for good, on disk with its folder; what is there already stays unless `overwrite`.
pub fn publish(temporary: &Path, target: &Path, overwrite: bool) -> Result<(), PublishError> {
    place(temporary, target, overwrite)?;
    sync_folder(target)
}

/// Have the entry of a file on disk.
fn sync_folder(target: &Path) -> Result<(), PublishError> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| PublishError { path: target.to_owned(), error })
}

/// Move a file to its place; unless it may `overwrite`, it gets a number where another has come before it. A file that has been
/// moved already is no error.
fn place(temporary: &Path, target: &Path, overwrite: bool) -> Result<(), PublishError> {
    let failed = |error| PublishError { path: target.to_owned(), error };
    if !temporary.try_exists().map_err(failed)? {
        return Ok(());
    }
    if overwrite {
        fs::rename(temporary, target).map_err(failed)?;
    } else {
        // A link, unlike a renaming, fails where there is something.
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let mut place = target.to_owned();
        while let Err(error) = fs::hard_link(temporary, &place) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(failed(error));
            }
            place.set_file_name(name::free(&name, |name| is_there(&target.with_file_name(name))));
        }
        fs::remove_file(temporary).map_err(failed)?;
    }
    Ok(())
}
