//! `when`: for which messages a stage runs.

use super::{
    reader::{Converted, Section, Value},
    units,
};
use crate::{mail::Network, pipeline::Condition};

pub(super) fn read(section: &Section<'_, '_>) -> Condition {
    let mut condition = Condition::default();
    let header = |value: Value<'_>| value.map(|name, value| Ok((name.to_owned(), units::regex(value)?)));
    condition.header = section.read("header", header).unwrap_or_default();
    condition.sender = section.read("sender", units::regex);
    condition.recipient = section.read("recipient", units::regex);
    if let Some(client) = section.section("client") {
        condition.client_networks = client.read("address", networks).unwrap_or_default();
        condition.client_name = client.read("name", units::regex);
        condition.client_trusted = client.read("trusted", |value| value.boolean());
        condition.client_login = client.read("login", units::regex);
        condition.client_authenticated = client.read("authenticated", |value| value.boolean());
        client.finish();
    }
    if let Some(size) = section.section("size") {
        condition.min_size = size.read("min", units::size);
        condition.max_size = size.read("max", units::size);
        size.finish();
    }
    section.finish();
    condition
}

fn networks(value: Value<'_>) -> Converted<Vec<Network>> {
    match value.raw().as_array() {
        Some(_) => value.list(|value| value.parsed()),
        None => value.parsed().map(|network| vec![network]),
    }
}
