//! Values made of files that may change while the relay runs: looked at once a second, made anew beside the mail, and the old value
//! stays in use until the new one is there.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

/// How often the files are looked at, in milliseconds.
const LOOK_EVERY: u64 = 1_000;

/// Files as they are at this moment. Taken before they are read, so that a change in between is seen at the next look.
pub struct Seen {
    paths: Vec<PathBuf>,
    stamps: Option<Vec<Stamp>>,
}

impl Seen {
    /// Look at them.
    pub fn now(paths: Vec<PathBuf>) -> Self {
        Self { stamps: stamps(&paths), paths }
    }
}

/// By what a changed file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// None while one of them is not there: that is no new version.
fn stamps(paths: &[PathBuf]) -> Option<Vec<Stamp>> {
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some(Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    };
    paths.iter().map(stamp).collect()
}

/// A value and the files that it is made of.
pub struct Reloading<T>(Arc<State<T>>);

struct State<T> {
    what: &'static str,
    paths: Vec<PathBuf>,
    make: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    value: RwLock<T>,
    seen: RwLock<Option<Vec<Stamp>>>,
    start: Instant,
    /// Milliseconds from `start` to the last look.
    looked: AtomicU64,
    making: AtomicBool,
}

impl<T: Clone + Send + Sync + 'static> Reloading<T> {
    /// The `first` value, of the files as they were `seen`; `make` makes those that follow. The log names it `what`.
    pub fn new(
        what: &'static str,
        seen: Seen,
        first: T,
        make: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(State {
            what,
            paths: seen.paths,
            make: Box::new(make),
            value: RwLock::new(first),
            seen: RwLock::new(seen.stamps),
            start: Instant::now(),
            looked: AtomicU64::new(0),
            making: AtomicBool::new(false),
        }))
    }

    /// The value that is in use. Where it is time, somebody begins to look for a new one.
    pub fn current(&self) -> T {
        let state = &self.0;
        let now = u64::try_from(state.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let looked = state.looked.load(Ordering::Relaxed);
        if now.saturating_sub(looked) >= LOOK_EVERY
            && state.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.look();
        }
        self.last()
    }

    /// The same without a look at the files.
    pub fn last(&self) -> T {
        self.0.value.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self) {
        let state = &self.0;
        let Some(stamps) = stamps(&state.paths) else { return };
        let changed = state.seen.read().unwrap_or_else(PoisonError::into_inner).as_ref() != Some(&stamps);
        if !changed || state.making.swap(true, Ordering::AcqRel) {
            return;
        }
        let state = Arc::clone(state);
        // Reading large files takes longer than who asks may wait.
        let making = thread::Builder::new().name("reload".to_owned()).spawn(move || state.renew(stamps));
        if let Err(error) = making {
            self.0.making.store(false, Ordering::Release);
            tracing::error!("a changed {} can't be read: {error}", self.0.what);
        }
    }
}

impl<T> State<T> {
    fn renew(&self, stamps: Vec<Stamp>) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some(stamps);
        match (self.make)() {
            Ok(value) => {
                *self.value.write().unwrap_or_else(PoisonError::into_inner) = value;
                let path = self.paths.first().map(|path| tracing::field::display(path.display()));
                tracing::info!(path, "a changed {} is in use", self.what);
            }
            Err(error) => tracing::error!("a changed {} is broken, the old version stays in use: {error}", self.what),
        }
        self.making.store(false, Ordering::Release);
    }
}
