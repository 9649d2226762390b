//! `[dns]`: which servers are asked, and how long one may take.

use super::{reader::Section, units};
use crate::dns::DnsSettings;

pub(super) fn read(root: &Section<'_, '_>) -> DnsSettings {
    let default = DnsSettings::default();
    let Some(section) = root.section("dns") else { return default };
    let settings = DnsSettings {
        servers: section.read("servers", |value| value.list(units::socket_address)).unwrap_or_default(),
        timeout: section.read("timeout", units::duration).unwrap_or(default.timeout),
        attempts: section.read("attempts", units::count).map_or(default.attempts, |count| count as usize),
        ipv6_first: section.read("ipv6-first", |value| value.boolean()).unwrap_or(default.ipv6_first),
    };
    section.finish();
    settings
}
