//! `[admin]`: where the relay tells about itself.

use std::{net::SocketAddr, ops::Range};

use super::{reader::Section, units};

/// `[admin] address`, if there is one, and where it stands.
pub(super) fn read(root: &Section<'_, '_>) -> Option<(SocketAddr, Range<usize>)> {
    let section = root.section("admin")?;
    let address = section.required("address", |value| Ok((units::socket_address(value)?, value.span())));
    section.finish();
    address
}
