//! Files of tables.

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, SystemTime},
};

/// Write a file that was changed an hour ago: Postfix waits seconds for text that may still be written.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    let mut file = File::create(path).expect("created");
    file.write_all(content.as_ref()).expect("written");
    let hour_ago = SystemTime::now().checked_sub(Duration::from_hours(1)).expect("after 1970");
    file.set_modified(hour_ago).expect("a time of ours");
}
