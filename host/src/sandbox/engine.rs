//! The engine that all filters share: instance pool, clock, room for as many calls as the pool has places.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, component::Linker};

use super::{
    bindings::World,
    clock::EpochClock,
    guest::{Guest, HostCall, HostCalls},
    reuse::MOST_KEPT,
    slow_lane::SlowLane,
};

/// Pages of a used slot that stay mapped, so that the next instance need not fault them in again.
const MEMORY_KEEP_RESIDENT: usize = 256 << 10;
const TABLE_KEEP_RESIDENT: usize = 64 << 10;
const STACK_KEEP_RESIDENT: usize = 64 << 10;

/// Slots given back to the kernel in one call where PAGEMAP_SCAN is missing.
const DECOMMIT_BATCH: usize = 32;

/// What one component may be made of. The pool has as many of each as all places together can ask for, so that a component
/// which takes a place is never refused for want of something else. A component of one core module has three core instances
/// (module, shim, fixup); those of JavaScript and Python have dozens.
const CORE_INSTANCES: u32 = 100;
const MEMORIES: u32 = 4;
const TABLES: u32 = 20;

/// What the operator decides about the sandbox as a whole.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// Folder for compiled filters; made if it isn't there. It gets mode 0700, because what lies in it is run.
    pub cache_dir: PathBuf,
    /// Filter calls that can run at the same time; further ones wait. Each place reserves 16 GiB of address space (not
    /// memory), so a few thousand are the most that x86-64 has room for.
    pub max_instances: u32,
    /// Stages that keep instances for further calls: each needs places for those.
    pub keeping_stages: u32,
    /// The largest `memory` limit of any stage, in octets.
    pub max_memory: u64,
}

/// The sandbox could not be set up: the relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The folder for compiled filters can't be made, or is somebody else's.
    #[error("{path}: {error}", path = path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// wasmtime refuses the settings, or the system has no room for the pool.
    #[error("the sandbox can't be set up: {0}")]
    Engine(String),
}

/// Engine, linker and pool. Cheap to clone. The filters hold a clone each: as long as one of them lives, there is a clock.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: Engine,
    pub(super) linker: Arc<Linker<Guest>>,
    /// The same, and WASI.
    pub(super) system_linker: Arc<Linker<Guest>>,
    pub(super) places: Arc<Semaphore>,
    pub(super) slow_lane: SlowLane,
    pub(super) cache_dir: Arc<Path>,
    pub(super) clock: Arc<EpochClock>,
}

impl Sandbox {
    /// Set up engine and pool, and start the clock.
    pub fn new(settings: &SandboxSettings) -> Result<Self, SandboxError> {
        make_private(&settings.cache_dir)?;
        let refused = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = Engine::new(&config(settings)).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        World::add_to_linker::<_, HostCalls>(&mut linker, |guest| HostCall::begin(guest)).map_err(refused)?;
        let mut system_linker = linker.clone();
        wasmtime_wasi::p2::add_to_linker_async(&mut system_linker).map_err(refused)?;
        let clock = EpochClock::start(engine.clone()).map_err(|error| SandboxError::Engine(error.to_string()))?;
        tracing::info!(
            places = settings.max_instances,
            pagemap_scan = PoolingAllocationConfig::is_pagemap_scan_available(),
            "sandbox is ready"
        );
        compare_with_machine(settings);
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            system_linker: Arc::new(system_linker),
            places: Arc::new(Semaphore::new(settings.max_instances as usize)),
            slow_lane: SlowLane::new(),
            cache_dir: settings.cache_dir.as_path().into(),
            clock: Arc::new(clock),
        })
    }
}

fn make_private(folder: &Path) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::Cache { path: folder.to_owned(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    // It may have been there before.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Say so when the filters could, at the worst, use more memory together than there is.
fn compare_with_machine(settings: &SandboxSettings) {
    let demand = settings.max_memory.saturating_mul(u64::from(settings.max_instances));
    if let Some(memory) = machine_memory().filter(|memory| demand > *memory) {
        tracing::info!(
            "at the worst, {} filter calls at the same time with up to {} MiB each take {} MiB; this machine has {} MiB",
            settings.max_instances,
            settings.max_memory >> 20,
            demand >> 20,
            memory >> 20
        );
    }
}

/// Memory of the machine in octets, from proc(5).
fn machine_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

fn config(settings: &SandboxSettings) -> Config {
    let places = settings.max_instances.saturating_add(settings.keeping_stages.saturating_mul(MOST_KEPT));
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_stacks(places)
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_core_instances(places.saturating_mul(CORE_INSTANCES))
        .max_memories_per_component(MEMORIES)
        .total_memories(places.saturating_mul(MEMORIES))
        .max_tables_per_component(TABLES)
        .total_tables(places.saturating_mul(TABLES))
        .max_memory_size(usize::try_from(settings.max_memory).unwrap_or(usize::MAX))
        .max_unused_warm_slots(places)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .async_stack_keep_resident(STACK_KEEP_RESIDENT);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes);
    } else {
        pool.decommit_batch_size(DECOMMIT_BATCH);
    }
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_init_cow(true)
        .epoch_interruption(true)
        // The task machinery of component-model async costs 7 µs an instance, and the contract doesn't use it.
        .concurrency_support(false)
        .wasm_component_model(true);
    config
}
