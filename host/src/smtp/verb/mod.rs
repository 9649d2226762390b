//! One file per SMTP verb: how its argument is read, whether it is allowed now, what the client hears.

pub(super) mod auth;
pub(super) mod bdat;
mod data;
mod hello;
mod help;
pub(super) mod mail;
mod noop;
mod quit;
pub(super) mod rcpt;
mod rset;
mod starttls;
mod vrfy;
pub(super) mod xclient;
