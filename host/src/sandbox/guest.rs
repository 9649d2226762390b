//! The host's side of one instance: what it may see, what it has used up, and why it was stopped.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use wasmtime::{ResourceLimiter, UpdateDeadline, component::HasData};

use super::wasi::Wasi;
use crate::{
    dns::Resolver,
    files::{Directory, Kept, NewFile},
    pipeline::{FailureKind, FilterLimits, Mail},
    tables::Table,
};

/// Stands for the message that the instance was made for; there is one, so the handle holds nothing.
#[expect(unreachable_pub, reason = "bindgen re-exports it")]
pub struct MessageHandle;

/// Stands for a body that the guest writes; the handle's number is its index in [`Guest::bodies`].
#[expect(unreachable_pub, reason = "bindgen re-exports it")]
pub struct NewBody;

/// Stands for a file that the guest writes; the handle's number is its index in [`Guest::files`].
#[expect(unreachable_pub, reason = "bindgen re-exports it")]
pub struct FileHandle;

/// Elements of a table in an instance, for functions mostly; as many as the pool has room for.
const LARGEST_TABLE: usize = 20_000;

/// Questions to the DNS in one call: each may go out to servers that a stranger has named.
const MOST_QUESTIONS: u32 = 100;

/// Tables that a stage may ask, by name.
pub(super) type GrantedTables = BTreeMap<String, Arc<dyn Table>>;

/// State of one instance.
pub(super) struct Guest {
    /// Name of the stage, for the log.
    pub(super) stage: Arc<str>,
    /// Queue id, for the log.
    pub(super) id: Arc<str>,
    /// The message, unless the instance is for `configure` or `decide`.
    pub(super) mail: Option<Arc<Mail>>,
    /// Whether this is `configure`: then nothing but `tables.granted`, `dns.granted` and `log` answers.
    pub(super) configuring: bool,
    pub(super) explain: bool,
    pub(super) tables: Arc<GrantedTables>,
    /// Who answers questions to the DNS, where the stage may ask.
    pub(super) resolver: Option<Resolver>,
    /// New bodies; taken out by the answer that names them.
    pub(super) bodies: Vec<Option<BytesMut>>,
    /// Where the stage may write files.
    pub(super) directory: Option<Arc<Directory>>,
    /// Files that are being written; taken out when they are complete.
    pub(super) files: Vec<Option<NewFile>>,
    /// Files that are complete.
    pub(super) kept: Vec<Kept>,
    /// What the guest told with `explain.note`.
    pub(super) notes: Vec<String>,
    /// Why the host stopped the guest, where it was the host.
    pub(super) stopped: Option<FailureKind>,
    /// Log lines that were dropped.
    pub(super) log_dropped: u32,
    /// What it has of the system; made at the first use.
    pub(super) wasi: Option<Box<Wasi>>,
    /// Where the stage may read files, by way of the system.
    pub(super) readable_directory: Option<Arc<Path>>,
    /// Whether `host_time` is wanted.
    pub(super) watch_host: bool,
    /// Time in what the guest called of ours.
    pub(super) host_time: Duration,
    /// Octets of all linear memories.
    memory: u64,
    deadline: Instant,
    left: FilterLimits,
    questions_left: u32,
}

/// The host's reason to stop a guest; what the guest sees is a trap.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Stopped(pub(super) String);

impl Guest {
    /// For one instance. Its time runs from here.
    pub(super) fn new(stage: Arc<str>, id: Arc<str>, tables: Arc<GrantedTables>, limits: &FilterLimits) -> Self {
        Self {
            stage,
            id,
            mail: None,
            configuring: false,
            explain: false,
            tables,
            resolver: None,
            bodies: Vec::new(),
            directory: None,
            files: Vec::new(),
            kept: Vec::new(),
            notes: Vec::new(),
            stopped: None,
            log_dropped: 0,
            wasi: None,
            readable_directory: None,
            watch_host: false,
            host_time: Duration::ZERO,
            memory: 0,
            deadline: Instant::now() + limits.timeout,
            left: limits.clone(),
            questions_left: MOST_QUESTIONS,
        }
    }

    /// Called at the clock's ticks while the guest runs.
    pub(super) fn tick(&mut self) -> UpdateDeadline {
        if Instant::now() < self.deadline {
            // tokio's own way to yield: it looks for input and timers before the guest goes on. With `UpdateDeadline::Yield` a
            // guest that spins would let that wait for dozens of ticks.
            return UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()));
        }
        self.stopped = Some(FailureKind::Timeout);
        UpdateDeadline::Interrupt
    }

    /// Give it all of its time again, from now on.
    pub(super) fn restart_clock(&mut self) {
        self.deadline = Instant::now() + self.left.timeout;
    }

    /// Count table keys; past the limit the guest is stopped.
    pub(super) fn spend_lookups(&mut self, keys: usize) -> wasmtime::Result<()> {
        match u32::try_from(keys).ok().and_then(|keys| self.left.lookups.checked_sub(keys)) {
            Some(left) => self.left.lookups = left,
            None => return Err(self.stop(FailureKind::Lookups, "it asked tables more often than `lookups` allows")),
        }
        Ok(())
    }

    /// Count questions to the DNS; past the limit the guest is stopped.
    pub(super) fn spend_question(&mut self) -> wasmtime::Result<()> {
        match self.questions_left.checked_sub(1) {
            Some(left) => self.questions_left = left,
            None => return Err(self.stop(FailureKind::Lookups, "it asked the DNS more than 100 times")),
        }
        Ok(())
    }

    /// Until its deadline.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Count octets of new bodies and files; past the limit the guest is stopped.
    pub(super) fn spend_output(&mut self, octets: usize) -> wasmtime::Result<()> {
        match self.left.output.checked_sub(octets as u64) {
            Some(left) => self.left.output = left,
            None => return Err(self.stop(FailureKind::Output, "it wrote more than `output` allows")),
        }
        Ok(())
    }

    /// Whether there is room for this much more log text; if not, the line is counted as dropped.
    pub(super) fn spend_log(&mut self, octets: usize) -> bool {
        let left = u32::try_from(octets).ok().and_then(|octets| self.left.log.checked_sub(octets));
        match left {
            Some(left) => self.left.log = left,
            None => self.log_dropped = self.log_dropped.saturating_add(1),
        }
        left.is_some()
    }

    /// Octets of log text that are left.
    pub(super) fn room_for_log(&self) -> usize {
        self.left.log as usize
    }

    /// The state of the instance's next call takes the place of this one, which comes back. What belongs to the instance stays: the
    /// size of its memories, and what its handles to the system mean.
    pub(super) fn succeeded_by(&mut self, mut next: Self) -> Self {
        next.memory = self.memory;
        next.wasi = self.wasi.take();
        std::mem::replace(self, next)
    }

    /// Refuse an import that `configure` must not call.
    pub(super) fn not_in_configure(&mut self, import: &str) -> wasmtime::Result<()> {
        if self.configuring {
            return Err(self.stop(
                FailureKind::InvalidAnswer,
                &format!(
                    "`configure` called `{import}`; only `tables.granted`, `dns.granted` and `log.write` answer there"
                ),
            ));
        }
        Ok(())
    }

    /// The most linear memory that it had, in octets: memories never shrink.
    pub(super) fn peak_memory(&self) -> u64 {
        self.memory
    }

    /// Stop the guest with a reason of ours.
    pub(super) fn stop(&mut self, kind: FailureKind, why: &str) -> wasmtime::Error {
        self.stopped = Some(kind);
        Stopped(why.to_owned()).into()
    }
}

/// One call of the guest's to the host. All of `wit/imports.wit` is implemented for it.
pub(super) struct HostCall<'a> {
    guest: &'a mut Guest,
    began: Option<Instant>,
}

impl<'a> HostCall<'a> {
    pub(super) fn begin(guest: &'a mut Guest) -> Self {
        let began = guest.watch_host.then(Instant::now);
        Self { guest, began }
    }
}

impl Deref for HostCall<'_> {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        self.guest
    }
}

impl DerefMut for HostCall<'_> {
    fn deref_mut(&mut self) -> &mut Guest {
        self.guest
    }
}

impl Drop for HostCall<'_> {
    fn drop(&mut self) {
        if let Some(began) = self.began {
            self.guest.host_time += began.elapsed();
        }
    }
}

/// Tells wasmtime that host functions work on a [`HostCall`].
pub(super) struct HostCalls;

impl HasData for HostCalls {
    type Data<'a> = HostCall<'a>;
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // A component can have several memories.
        let wanted = self.memory.saturating_add(desired.saturating_sub(current) as u64);
        let granted = wanted <= self.left.memory;
        if granted {
            self.memory = wanted;
        } else {
            // The guest may survive a refused growth; if it doesn't, this says why it died.
            self.stopped = Some(FailureKind::Memory);
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= LARGEST_TABLE)
    }
}
