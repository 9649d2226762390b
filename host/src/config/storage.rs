//! `[spool]` and `[records]`: what lies in the state directory beside compiled filters, and how much room that may take.

use std::time::Duration;

use super::{
    reader::{Converted, Section, Value},
    units,
};

/// Least reserve unless the file says otherwise, in octets.
const LEAST_RESERVE: u64 = 64 << 20;

/// `[spool]` and `[records]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// `[spool] reserve`: octets of the file system below which no mail is taken. Default 64 MiB, or half as much again as the largest
    /// message, if that is more (Postfix queue_minfree).
    pub reserve: u64,
    /// `[records] keep`: for how long it can be asked what became of a message. Default 30 days; none keeps no records.
    pub keep: Option<Duration>,
}

pub(super) fn read(root: &Section<'_, '_>, message_size: u64) -> Storage {
    let reserve = root.section("spool").and_then(|section| {
        let reserve = section.read("reserve", units::size);
        section.finish();
        reserve
    });
    let keep = root.section("records").and_then(|section| {
        let keep = section.read("keep", keep);
        section.finish();
        keep
    });
    Storage {
        reserve: reserve.unwrap_or_else(|| LEAST_RESERVE.max(message_size.saturating_add(message_size / 2))),
        keep: keep.unwrap_or(Some(Duration::from_secs(30 * 86_400))),
    }
}

fn keep(value: Value<'_>) -> Converted<Option<Duration>> {
    if value.text().is_ok_and(|text| text == "none") { Ok(None) } else { units::duration(value).map(Some) }
}
