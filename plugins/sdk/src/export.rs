//! From a filter type to what the relay calls.

/// Make a plugin of a filter type: `export!(Type: message)`, `export!(Type: session)` or `export!(Type: message, session)`.
///
/// Once per plugin. Natively it does nothing.
#[macro_export]
macro_rules! export {
    ($filter:ty: $($interface:ident),+) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static FILTER: ::std::sync::OnceLock<$filter> = ::std::sync::OnceLock::new();

            struct Plugin;

            impl $crate::glue::configuration::Guest for Plugin {
                fn configure(json: String) -> Result<(), Vec<$crate::glue::configuration::ConfigError>> {
                    $crate::glue::configure(&FILTER, &json)
                }
            }
            $crate::wit::configuration::export_configuration!(Plugin with_types_in $crate::wit::configuration);

            $($crate::export!(@$interface);)+
        };
    };
    (@message) => {
        impl $crate::glue::message::Guest for Plugin {
            fn filter(message: &$crate::glue::mail::Message) -> Result<$crate::glue::message::Outcome, String> {
                $crate::glue::filter(&FILTER, message)
            }
        }
        $crate::wit::message::export_message!(Plugin with_types_in $crate::wit::message);
    };
    (@session) => {
        impl $crate::glue::session::Guest for Plugin {
            fn decide(facts: $crate::Facts) -> Result<$crate::Decision, String> {
                $crate::glue::decide(&FILTER, &facts)
            }
        }
        $crate::wit::session::export_session!(Plugin with_types_in $crate::wit::session);
    };
}

/// What [`export!`](crate::export) calls.
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub mod glue {
    use std::sync::OnceLock;

    use crate::{
        Change, ConfigError, Decision, Edit, Facts, Failure, Filter, Message, MessageFilter, SessionFilter, config,
        host::MessageHandle, log, wit::types::NewField,
    };

    pub use crate::wit::{
        configuration::exports::mailweir::filter::configuration,
        message::{exports::mailweir::filter::message, mailweir::filter::mail},
        session::exports::mailweir::filter::session,
    };

    /// Octets of heap that each call finds ready.
    const ROOM: usize = 256 << 10;

    pub fn configure<T: Filter>(filter: &OnceLock<T>, json: &str) -> Result<(), Vec<configuration::ConfigError>> {
        make_room();
        // Frozen with the rest: at a panic in any later call the relay's log says why and where.
        std::panic::set_hook(Box::new(|panic| log::error(&panic.to_string())));
        let configured = config::parse(json).and_then(T::configure).and_then(|configured| {
            filter.set(configured).map_err(|_| vec![ConfigError::new("", "it was configured twice")])
        });
        let same = |error: ConfigError| configuration::ConfigError { path: error.path, message: error.message };
        configured.map_err(|errors| errors.into_iter().map(same).collect())
    }

    /// Let the heap grow before the filter is frozen: memory that grows during a call is a system call in each of them, which halts
    /// all other threads of the relay for a moment.
    fn make_room() {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(ROOM)));
    }

    pub fn filter<T: MessageFilter>(filter: &OnceLock<T>, message: &mail::Message) -> Result<message::Outcome, String> {
        let message = Message { handle: MessageHandle(message) };
        let outcome = configured(filter)?.filter(&message).map_err(|Failure(why)| why)?;
        let edits = outcome.edits.into_iter().map(edit).collect();
        Ok(message::Outcome { verdict: outcome.verdict, reason: outcome.reason, edits })
    }

    pub fn decide<T: SessionFilter>(filter: &OnceLock<T>, facts: &Facts) -> Result<Decision, String> {
        configured(filter)?.decide(facts).map_err(|Failure(why)| why)
    }

    fn configured<T>(filter: &OnceLock<T>) -> Result<&T, String> {
        filter.get().ok_or_else(|| "it was not configured".to_owned())
    }

    fn edit(edit: Edit) -> message::Edit {
        let change = match edit.change {
            Change::SetSender(sender) => message::Change::SetSender(sender),
            Change::AddRecipient(address) => message::Change::AddRecipient(address),
            Change::RemoveRecipient(index) => message::Change::RemoveRecipient(index),
            Change::ReplaceRecipient(index, address) => message::Change::ReplaceRecipient((index, address)),
            Change::InsertField(position, name, value) => {
                message::Change::InsertField((position, NewField { name, value }))
            }
            Change::ReplaceField(index, value) => message::Change::ReplaceField((index, value)),
            Change::RemoveField(index) => message::Change::RemoveField(index),
            Change::ReplaceBody(body) => message::Change::ReplaceBody(body.0),
        };
        message::Edit { change, reason: edit.reason }
    }
}
