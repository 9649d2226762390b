//! The directory that a stage is granted, and a file on its way into it.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{kept::Kept, name};

/// Begins the names of files that are not complete; no safe name begins with a dot.
const UNFINISHED: &str = ".mailweir-";
/// Unfinished files older than this were left by a crash.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);

/// What happens when there is a file of that name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The new one gets a number.
    Number,
    /// The new one takes its place.
    Overwrite,
    /// The new one is not kept.
    Skip,
}

/// A granted directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    /// Names given to files that are not published yet.
    promised: Mutex<BTreeSet<String>>,
    next: AtomicU64,
}

impl Directory {
    /// For an existing directory. What a crash left unfinished in it a day ago or earlier is removed.
    pub fn open(path: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let left_behind = |modified: SystemTime| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND);
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                && entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(left_behind)
            {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { path: path.to_owned(), promised: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Begin a file; `wish` is made a safe name.
    pub fn create(self: &Arc<Self>, wish: &str, existing: Existing) -> io::Result<NewFile> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let temporary = self.path.join(format!("{UNFINISHED}{}-{started}-{number}", process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        let unfinished = Unfinished(temporary);
        Ok(NewFile {
            directory: Arc::clone(self),
            file: BufWriter::new(file),
            unfinished,
            name: name::safe(wish),
            existing,
        })
    }

    /// Promise a name: this one, or with a number. None where there is such a file and it is to stay.
    fn promise(&self, name: String, existing: Existing) -> Option<String> {
        let mut promised = self.promised();
        let taken = |name: &str| promised.contains(name) || is_there(&self.path_of(name));
        let name = match existing {
            Existing::Skip if taken(&name) => return None,
            Existing::Number => name::free(&name, taken),
            Existing::Overwrite | Existing::Skip => name,
        };
        promised.insert(name.clone());
        Some(name)
    }

    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn forget(&self, name: &str) {
        self.promised().remove(name);
    }

    fn promised(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether something has this name, be it a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The path of an unfinished file, which is removed with it.
#[derive(Debug)]
pub(super) struct Unfinished(pub(super) PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("{}: {error}", self.0.display());
            }
            _ => {}
        }
    }
}

/// A file that is being written; dropped, it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    directory: Arc<Directory>,
    file: BufWriter<File>,
    unfinished: Unfinished,
    name: String,
    existing: Existing,
}

impl NewFile {
    /// Append octets.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.file.write_all(octets)
    }

    /// Complete, under a name that nobody else gets; none where a file of that name is to stay.
    pub fn finish(self) -> io::Result<Option<Kept>> {
        let Self { directory, mut file, unfinished, name, existing } = self;
        file.flush()?;
        let kept = |name| Kept::new(directory.clone(), unfinished, name, existing == Existing::Overwrite);
        Ok(directory.promise(name, existing).map(kept))
    }
}
