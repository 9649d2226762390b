//! Lines for the relay's log; stage and queue id are put to them. Past the stage's `log` limit they are dropped.

use crate::host;
pub use crate::wit::message::mailweir::filter::log::Level;

/// For the author of the filter.
pub fn debug(text: &str) {
    host::log(Level::Debug, text);
}

/// For the postmaster who looks.
pub fn info(text: &str) {
    host::log(Level::Info, text);
}

/// Something that the postmaster should look at some day.
pub fn warn(text: &str) {
    host::log(Level::Warn, text);
}

/// Something that the postmaster should look at now.
pub fn error(text: &str) {
    host::log(Level::Error, text);
}
