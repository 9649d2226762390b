//! From the one who kept a message to the one who delivers it.

use std::fmt;

/// A message that is safe on disk, and not lent to anybody yet: what is told of its reception comes before what is told of its
/// delivery. Dropped, by whomever, it is due.
#[derive(Default)]
pub struct Handover(Option<Box<dyn FnOnce() + Send>>);

impl Handover {
    /// With what makes the message due; must be quick.
    pub(super) fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(release)))
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}
