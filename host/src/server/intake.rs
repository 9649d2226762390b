//! Where a message is while it comes in: in memory, as long as all that come in have room there, else in a file of its own. Complete, it
//! waits for room and goes on in memory, where the filters need it.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::timeout,
};

use crate::smtp::{DataDecoder, DataError};

/// What room is counted in.
const OCTETS_PER_PERMIT: u64 = 1 << 10;
/// How long a complete message waits for room; its client waits with it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The memory of all messages that come in, and the folder for those that find no room.
#[derive(Debug)]
pub(super) struct Memory {
    room: Arc<Semaphore>,
    folder: PathBuf,
}

impl Memory {
    pub(super) fn new(octets: u64, folder: PathBuf) -> Self {
        let permits = usize::try_from(octets / OCTETS_PER_PERMIT).unwrap_or(usize::MAX);
        Self { room: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), folder }
    }
}

/// The place of one message. Dropped, it is free.
#[derive(Debug, Default)]
pub(super) struct Intake {
    share: Option<OwnedSemaphorePermit>,
    file: Option<File>,
    /// Octets in the file.
    written: u64,
}

impl Intake {
    /// Find a place for what has come in so far. Without any the message is given up.
    pub(super) async fn settle(&mut self, memory: &Memory, decoder: &mut DataDecoder) {
        if self.has_room(memory, decoder.held()) {
            return;
        }
        if let Err(error) = self.write(memory, decoder.drain()).await {
            tracing::error!("a message that comes in: {error}");
            decoder.give_up();
            *self = Self::default();
        }
    }

    /// The whole message; `rest` is what came last.
    pub(super) async fn complete(&mut self, memory: &Memory, rest: Bytes) -> Result<Bytes, DataError> {
        if self.has_room(memory, rest.len()) {
            return Ok(rest);
        }
        let no_room = |error: io::Error| {
            tracing::error!("a message that came in: {error}");
            DataError::NoRoom
        };
        self.write(memory, rest).await.map_err(no_room)?;
        let room = Arc::clone(&memory.room).acquire_many_owned(permits(self.written));
        let Ok(Ok(share)) = timeout(PATIENCE, room).await else {
            tracing::warn!(octets = self.written, "no room in memory for a message that came in");
            return Err(DataError::NoRoom);
        };
        self.share = Some(share);
        let Some(file) = self.file.take() else { return Err(DataError::NoRoom) };
        let size = usize::try_from(self.written).unwrap_or_default();
        let read = task::spawn_blocking(move || read_back(file, size)).await.map_err(io::Error::other);
        read.flatten().map_err(no_room)
    }

    /// Whether so many octets may be in memory: not once a part is in a file.
    fn has_room(&mut self, memory: &Memory, octets: usize) -> bool {
        let has = self.share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = (permits(octets as u64) as usize).saturating_sub(has);
        if self.file.is_some() {
            return false;
        }
        let Ok(more) = Arc::clone(&memory.room).try_acquire_many_owned(u32::try_from(missing).unwrap_or(u32::MAX))
        else {
            return false;
        };
        match &mut self.share {
            Some(share) => share.merge(more),
            None => self.share = Some(more),
        }
        true
    }

    /// Put octets behind those in the file; memory is free then.
    async fn write(&mut self, memory: &Memory, octets: Bytes) -> io::Result<()> {
        let (file, folder) = (self.file.take(), memory.folder.clone());
        self.written += octets.len() as u64;
        let written = task::spawn_blocking(move || {
            let mut file = file.map_or_else(|| tempfile::tempfile_in(folder), Ok)?;
            file.write_all(&octets)?;
            Ok::<_, io::Error>(file)
        });
        self.file = Some(written.await.map_err(io::Error::other).flatten()?);
        self.share = None;
        Ok(())
    }
}

fn permits(octets: u64) -> u32 {
    u32::try_from(octets.div_ceil(OCTETS_PER_PERMIT)).unwrap_or(u32::MAX)
}

fn read_back(mut file: File, size: usize) -> io::Result<Bytes> {
    let mut octets = Vec::with_capacity(size);
    file.rewind()?;
    file.read_to_end(&mut octets)?;
    Ok(octets.into())
}
