//! What the runtimes of JavaScript, Python and Go want of a system (WASI 0.2): clocks, random numbers, and a standard output, which
//! is the relay's log. There is one directory if the stage is granted one, for reading; no network, no environment, no arguments.
//!
//! Only filters that import any of it pay for it: they get a linker of their own, and their state is made at the first use.

use std::{
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{
    FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

use super::{bindings::interfaces::log::Level, guest::Guest};

/// Files, streams and timers that a guest can have at the same time.
const MOST_RESOURCES: usize = 1_000;
/// Octets that a guest can have the relay make at random in one call.
const MOST_RANDOM: u64 = 1 << 20;
/// Octets that a guest may print at once.
const LARGEST_PRINT: usize = 4096;

/// Under which name a guest sees the granted directory.
pub(super) const DIRECTORY: &str = "/";

/// The system as one instance sees it.
pub(super) struct Wasi {
    context: WasiCtx,
    resources: ResourceTable,
    printed: Printed,
}

impl Wasi {
    fn new(directory: Option<&Path>, room: usize) -> Self {
        let printed = Printed(Arc::new(Mutex::new(Buffer { octets: Vec::new(), room, dropped: false })));
        let mut builder = WasiCtxBuilder::new();
        builder.stdout(printed.clone()).stderr(printed.clone()).max_random_size(MOST_RANDOM);
        builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        if let Some(directory) = directory
            && let Err(error) = builder.preopened_dir(directory, DIRECTORY, FsPerms::ReadOnly)
        {
            tracing::warn!(directory = %directory.display(), %error, "a granted directory can't be opened");
        }
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(MOST_RESOURCES);
        Self { context: builder.build(), resources, printed }
    }

    /// Whether the guest holds handles to anything of the system.
    pub(super) fn is_in_use(&self) -> bool {
        !self.resources.is_empty()
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let room = self.room_for_log();
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new(self.readable_directory.as_deref(), room)));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.resources }
    }
}

impl Guest {
    /// Put into the log what the guest has printed, a line each.
    pub(super) fn tell_printed(&mut self) {
        let Some(wasi) = &self.wasi else { return };
        let (text, dropped) = wasi.printed.take(self.room_for_log());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.tell(Level::Info, line);
        }
        self.log_dropped = self.log_dropped.saturating_add(u32::from(dropped));
    }
}

/// What a guest prints, until its call is over.
#[derive(Clone)]
struct Printed(Arc<Mutex<Buffer>>);

struct Buffer {
    octets: Vec<u8>,
    /// Octets that are kept at most.
    room: usize,
    /// Whether there were more.
    dropped: bool,
}

impl Printed {
    /// The text so far, and whether some of it is missing. From here on there is room again.
    fn take(&self, room: usize) -> (String, bool) {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Buffer { octets, dropped, .. } =
            std::mem::replace(&mut *buffer, Buffer { octets: Vec::new(), room, dropped: false });
        (String::from_utf8_lossy(&octets).into_owned(), dropped)
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    /// Of WASI 0.3, which is not offered.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Printed {
    fn write(&mut self, octets: Bytes) -> StreamResult<()> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = buffer.room.saturating_sub(buffer.octets.len());
        buffer.dropped |= octets.len() > left;
        buffer.octets.extend_from_slice(octets.get(..left).unwrap_or(&octets));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LARGEST_PRINT)
    }
}

impl Pollable for Printed {
    /// Always.
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(std::future::ready(()))
    }
}
