//! A table in a file that may change while the relay runs: looked at once a second, opened anew beside the mail, and the old version
//! goes on answering until the new one is there.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use super::{Loaded, OpenError, Table, TableError, TableRow};

/// How often a file is looked at, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

type Open = fn(&Path) -> Result<Loaded, OpenError>;

/// A table and the file that it comes from.
pub(super) struct Reloading(Arc<State>);

struct State {
    path: PathBuf,
    open: Open,
    table: RwLock<Arc<dyn Table>>,
    seen: RwLock<Stamp>,
    start: Instant,
    /// Milliseconds from `start` to the last look.
    looked: AtomicU64,
    opening: AtomicBool,
}

/// By what a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// None while the file is not there: that is no new version.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Reloading {
    pub(super) fn open(path: &Path, open: Open) -> Result<Loaded, OpenError> {
        // The stamp is older than the content: a change in between is seen at the next look.
        let seen = Stamp::of(path).unwrap_or(Stamp { device: 0, inode: 0, size: 0, modified: (0, 0) });
        let Loaded { table, warnings } = open(path)?;
        let state = State {
            path: path.to_owned(),
            open,
            table: RwLock::new(table),
            seen: RwLock::new(seen),
            start: Instant::now(),
            looked: AtomicU64::new(0),
            opening: AtomicBool::new(false),
        };
        Ok(Loaded::new(Self(Arc::new(state)), warnings))
    }

    fn current(&self) -> Arc<dyn Table> {
        let state = &self.0;
        let now = u64::try_from(state.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = state.looked.load(Ordering::Relaxed);
        if now.saturating_sub(looked) >= LOOK_EVERY
            && state.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.look();
        }
        Arc::clone(&state.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self) {
        let state = &self.0;
        let Some(stamp) = Stamp::of(&state.path) else { return };
        let changed = *state.seen.read().unwrap_or_else(PoisonError::into_inner) != stamp;
        if !changed || state.opening.swap(true, Ordering::AcqRel) {
            return;
        }
        let state = Arc::clone(state);
        // Reading a large table takes longer than a lookup may.
        let opening = thread::Builder::new().name("table".to_owned()).spawn(move || state.renew(stamp));
        if let Err(error) = opening {
            self.0.opening.store(false, Ordering::Release);
            tracing::error!("a changed table can't be opened: {error}");
        }
    }
}

impl State {
    fn renew(&self, stamp: Stamp) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = stamp;
        match (self.open)(&self.path) {
            Ok(Loaded { table, warnings }) => {
                for warning in &warnings {
                    tracing::warn!("{}:{}: {}", self.path.display(), warning.line, warning.message);
                }
                *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
                tracing::info!(path = %self.path.display(), "a changed table is in use");
            }
            Err(error) => tracing::error!("a changed table is broken, the old version stays in use: {error}"),
        }
        self.opening.store(false, Ordering::Release);
    }
}

impl Table for Reloading {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        self.current().lookup(key)
    }

    fn has_patterns(&self) -> bool {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner).has_patterns()
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.current().line_of(key)
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.current().rows(visit)
    }
}
