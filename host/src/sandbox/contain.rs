//! Panics of the libraries that take plugins apart.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

thread_local! {
    /// Whether a panic on this thread becomes an error, and need not be printed.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Do something with a plugin's octets, and make an error of a panic. wit-component and wizer panic at some that are damaged, and wizer
/// at some that are only unusual: it accepts more than the engine does, and then is at `unreachable!`. None of that may end the relay,
/// which may just be reading a changed configuration.
pub(super) fn contained<T, E>(work: impl FnOnce() -> Result<T, E>, error: impl FnOnce(String) -> E) -> Result<T, E> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                print(panic);
            }
        }));
    });
    CONTAINED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(false);
    result.unwrap_or_else(|cause| Err(error(format!("it can't be taken apart: {}", text(&*cause)))))
}

fn text(cause: &(dyn Any + Send)) -> &str {
    let literal = cause.downcast_ref::<&str>().copied();
    literal.or_else(|| cause.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason is told")
}
