//! What a server's EHLO reply offers (RFC 5321 4.1.1.1).

use crate::smtp::Reply;

/// The extensions that matter to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 3030: CHUNKING and BINARYMIME.
    pub(super) binary: bool,
    /// RFC 6531.
    pub(super) utf8: bool,
    /// RFC 1870; 0 is no limit, or one that isn't told.
    pub(super) size: Option<u64>,
    /// RFC 3461.
    pub(super) dsn: bool,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 4954.
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
}

pub(super) fn offers(hello: &Reply) -> Offers {
    let mut offers = Offers::default();
    let (mut chunking, mut binary) = (false, false);
    for line in hello.text.lines().skip(1) {
        // Some servers of old say AUTH=PLAIN.
        let mut words = line.split([' ', '=']);
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PIPELINING" => offers.pipelining = true,
            "8BITMIME" => offers.eight_bit = true,
            "CHUNKING" => chunking = true,
            "BINARYMIME" => binary = true,
            "SMTPUTF8" => offers.utf8 = true,
            "SIZE" => offers.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
            "DSN" => offers.dsn = true,
            "STARTTLS" => offers.starttls = true,
            "AUTH" => {
                for mechanism in words {
                    offers.auth_plain |= mechanism.eq_ignore_ascii_case("PLAIN");
                    offers.auth_login |= mechanism.eq_ignore_ascii_case("LOGIN");
                }
            }
            _ => {}
        }
    }
    // RFC 3030 3: BINARYMIME without CHUNKING is of no use.
    offers.binary = chunking && binary;
    offers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_without_regard_to_case() {
        let text =
            "mx.example greets you\n8bitmime\nSIZE 1000\nDSN\nAUTH LOGIN CRAM-MD5\nAUTH=PLAIN\nCHUNKING\nX-UNKNOWN";
        let expected = Offers {
            eight_bit: true,
            size: Some(1000),
            dsn: true,
            auth_plain: true,
            auth_login: true,
            ..Offers::default()
        };
        assert_eq!(offers(&Reply::plain(250, text)), expected);
        // What stands on the first line is the server's name.
        assert_eq!(offers(&Reply::plain(250, "PIPELINING")), Offers::default());
        let binary = offers(&Reply::plain(250, "mx\nBINARYMIME\nSIZE\nCHUNKING"));
        assert!(binary.binary && binary.size == Some(0));
    }
}
