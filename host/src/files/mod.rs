//! Files that filters may write: one directory a stage, safe names, nothing visible before the message is safe on disk.

mod directory;
mod kept;
mod name;

pub use directory::{Directory, Existing, NewFile};
pub use kept::{Kept, PublishError, publish};
