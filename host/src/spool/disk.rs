//! The file system below the spool.

use std::{io, path::Path};

/// Octets that are free for us where this folder or file lies.
pub(crate) fn free_space(path: &Path) -> io::Result<u64> {
    let status = rustix::fs::statvfs(path)?;
    Ok(status.f_bavail.saturating_mul(status.f_frsize))
}
