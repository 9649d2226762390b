//! `[dns]`: which servers are asked, how long one may take, and whether clients have names.

use super::{reader::Section, units};
use crate::dns::DnsSettings;

/// `[dns]`; beside the settings whether clients are looked up (Postfix smtpd_peername_lookup), default true.
pub(super) fn read(root: &Section<'_, '_>) -> (DnsSettings, bool) {
    let default = DnsSettings::default();
    let Some(section) = root.section("dns") else { return (default, true) };
    let settings = DnsSettings {
        servers: section.read("servers", |value| value.list(units::socket_address)).unwrap_or_default(),
        timeout: section.read("timeout", units::duration).unwrap_or(default.timeout),
        attempts: section.read("attempts", units::count).map_or(default.attempts, |count| count as usize),
        ipv6_first: section.read("ipv6-first", |value| value.boolean()).unwrap_or(default.ipv6_first),
    };
    let client_names = section.read("client-names", |value| value.boolean()).unwrap_or(true);
    section.finish();
    (settings, client_names)
}
