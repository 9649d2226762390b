//! The filters that the relay carries inside: built from `plugins/` by the build script.

/// Name and module, in alphabetical order.
static STOCK: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/stock.rs"));

/// The module of a stock filter.
pub fn stock(name: &str) -> Option<&'static [u8]> {
    STOCK.iter().find(|(known, _)| *known == name).map(|(_, module)| *module)
}

/// The names of all stock filters.
pub fn stock_names() -> impl Iterator<Item = &'static str> {
    STOCK.iter().map(|(name, _)| *name)
}
