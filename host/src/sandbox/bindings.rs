//! What `wit/` says, as Rust: generated, and fenced in here.

mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package mailweir:host;
            world host {
                include mailweir:filter/message-filter@0.1.0;
                include mailweir:filter/session-filter@0.1.0;
            }
        ",
        world: "mailweir:host/host",
        with: {
            "mailweir:filter/mail.message": super::super::guest::MessageHandle,
            "mailweir:filter/body-writer.body": super::super::guest::NewBody,
            "mailweir:filter/files.file": super::super::guest::FileHandle,
        },
        imports: {
            "mailweir:filter/dns.mail-exchanges": async | trappable,
            "mailweir:filter/dns.addresses": async | trappable,
            "mailweir:filter/dns.name-servers": async | trappable,
            "mailweir:filter/dns.names": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

pub(super) use generated::{Host_ as World, exports::mailweir::filter as exports, mailweir::filter as interfaces};

/// The interfaces that make a component a filter, as they are named in it.
pub(super) const MESSAGE: &str = "mailweir:filter/message@0.1.0";
pub(super) const SESSION: &str = "mailweir:filter/session@0.1.0";
pub(super) const CONFIGURATION: &str = "mailweir:filter/configuration@0.1.0";
