//! Address rewriting shared by the canonical, generic and masquerade filters: addresses, their places in a message, lookup in
//! tables as Postfix does it.

pub mod address;
pub mod clients;
pub mod completion;
pub mod header;
pub mod mapping;
pub mod masquerade;
pub mod places;
