//! The message that a filter is asked about.

use crate::{
    host::MessageHandle,
    wit::types::{Client, Field, ReversePath},
};

/// A message with its envelope, as the stage before left it. Reading costs little; to change it, answer with edits.
pub struct Message {
    pub(crate) handle: MessageHandle,
}

impl Message {
    /// The reverse-path.
    pub fn sender(&self) -> ReversePath {
        self.handle.sender()
    }

    /// All recipients, in order. Edits name them by their index.
    pub fn recipients(&self) -> Vec<String> {
        self.handle.recipients()
    }

    /// Where the message came from.
    pub fn client(&self) -> Client {
        self.handle.client()
    }

    /// The fields with one of these names, without regard to case, in the order of the message; with no names, all fields.
    ///
    /// One call with all the names that you need is cheaper than several.
    pub fn fields(&self, names: &[&str]) -> Vec<Field> {
        self.handle.fields(names)
    }

    /// The first field of this name.
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields(&[name]).into_iter().next()
    }

    /// The whole header as raw octets.
    pub fn header_block(&self) -> Vec<u8> {
        self.handle.header_block()
    }

    /// Size in octets, header and body.
    pub fn size(&self) -> u64 {
        self.handle.size()
    }

    /// Size of the body in octets.
    pub fn body_size(&self) -> u64 {
        self.handle.body_size()
    }

    /// Up to `length` octets of the body from `offset`: at most 65,536, fewer at the end, none past it.
    pub fn read_body(&self, offset: u64, length: u32) -> Vec<u8> {
        self.handle.read_body(offset, length)
    }

    /// The body in pieces of 65,536 octets.
    pub fn body_pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        const PIECE: u32 = 65_536;
        let mut offset = 0;
        std::iter::from_fn(move || {
            let piece = self.read_body(offset, PIECE);
            offset += piece.len() as u64;
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// A message by hand, for a filter's own tests.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn builder() -> crate::native::MessageBuilder {
        crate::native::MessageBuilder::default()
    }
}

impl Field {
    /// The value as text on one line: line ends of folding removed (RFC 5322 2.2.3), blanks at both ends cut, octets that are no
    /// UTF-8 replaced. Encoded words (RFC 2047) stay as they are.
    pub fn text(&self) -> String {
        let octets: Vec<u8> = self.value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
        String::from_utf8_lossy(&octets).trim().to_owned()
    }
}
