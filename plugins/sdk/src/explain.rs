//! Reasons, for `mailweir trace` and `mailweir explain`. In ordinary running nobody wants them, and closures don't run.

use crate::host;

/// Whether somebody wants to know why.
pub fn wanted() -> bool {
    host::explain_wanted()
}

/// One step of the way: what was looked at, which rule said what, or why nothing matched.
pub fn note(text: impl FnOnce() -> String) {
    if wanted() {
        host::explain_note(&text());
    }
}
