//! A message and the files that filters wrote for it become safe together: both, or neither.
//!
//! The files' octets go to disk first, under temporary names. The message's commit holds the list of them. Then they are moved to
//! their places; after a crash between the two the next process does that.

use std::{fmt::Display, io, path::PathBuf, sync::Arc};

use tokio::task;

use crate::{
    files::{self, Kept},
    smtp::{EnhancedCode, Reply},
    spool::{Handover, NewMessage, PendingFile, Spool, SpoolError},
};

/// Keep a message with its files. The reply is for the client: nothing was kept.
pub(super) async fn keep(spool: &Arc<dyn Spool>, mut message: NewMessage, files: Vec<Kept>) -> Result<Handover, Reply> {
    if files.is_empty() {
        return spool.enqueue(message).await.map_err(failed);
    }
    let files = synced(files).await?;
    message.files = files.iter().map(pending).collect();
    let spool = Arc::clone(spool);
    // In a task of its own: a session that is cut off between the commit and the moving must not take the files with it.
    let kept = tokio::spawn(async move {
        let handover = spool.enqueue(message).await.map_err(failed)?;
        let moved = task::spawn_blocking(|| move_all(files)).await.unwrap_or_default();
        if let Err(error) = spool.published(moved).await {
            tracing::warn!("the list of moved files: {error}");
        }
        Ok(handover)
    });
    kept.await.unwrap_or_else(|error| Err(failed(error)))
}

/// Keep the files of a message that is not kept itself.
pub(super) async fn publish(files: Vec<Kept>) -> Result<(), Reply> {
    if files.is_empty() {
        return Ok(());
    }
    let files = synced(files).await?;
    let moved = task::spawn_blocking(|| files.into_iter().try_for_each(Kept::publish)).await;
    moved.map_err(failed)?.map_err(failed)
}

/// Move the files that a crash left on their way. One that can't be moved is told, and stays on the list.
pub async fn publish_pending(spool: &dyn Spool) -> Result<(), SpoolError> {
    let mut moved = Vec::new();
    for PendingFile { temporary, target, overwrite } in spool.unpublished().await? {
        match files::publish(&temporary, &target, overwrite) {
            Ok(()) => moved.push(temporary),
            Err(error) => tracing::error!(from = %temporary.display(), "a file of an earlier message: {error}"),
        }
    }
    if moved.is_empty() { Ok(()) } else { spool.published(moved).await }
}

/// The same files, their octets on disk.
async fn synced(files: Vec<Kept>) -> Result<Vec<Kept>, Reply> {
    let sync = || -> io::Result<_> { files.iter().try_for_each(Kept::sync).map(|()| files) };
    task::spawn_blocking(sync).await.map_err(failed)?.map_err(failed)
}

/// Where the files were that are in their places now.
fn move_all(files: Vec<Kept>) -> Vec<PathBuf> {
    let mut moved = Vec::new();
    for file in files {
        let temporary = file.temporary().to_owned();
        match file.publish() {
            Ok(()) => moved.push(temporary),
            Err(error) => tracing::error!(from = %temporary.display(), "a file of a message that is kept: {error}"),
        }
    }
    moved
}

fn pending(file: &Kept) -> PendingFile {
    PendingFile { temporary: file.temporary().to_owned(), target: file.target(), overwrite: file.overwrites() }
}

fn failed(error: impl Display) -> Reply {
    tracing::error!("{error}");
    no_room()
}

/// Nothing can be kept now.
pub(super) fn no_room() -> Reply {
    Reply::new(452, EnhancedCode(4, 3, 1), "Error: insufficient system storage")
}
