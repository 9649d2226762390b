//! Octets in some character set into text (Encoding Standard, which knows the names that mail uses).

use encoding_rs::{Encoding, MACINTOSH, WINDOWS_1252};

/// Decode; a character set that nobody knows is taken for UTF-8 or, where the octets are none, Windows-1252.
pub fn decode(octets: &[u8], label: &str) -> String {
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) => encoding.decode_without_bom_handling(octets).0.into_owned(),
        None => guess(octets),
    }
}

/// Decode octets that nobody has labelled.
pub fn guess(octets: &[u8]) -> String {
    match str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(octets).0.into_owned(),
    }
}

/// Decode the name of an old Mac's file.
pub fn macintosh(octets: &[u8]) -> String {
    MACINTOSH.decode_without_bom_handling(octets).0.into_owned()
}
