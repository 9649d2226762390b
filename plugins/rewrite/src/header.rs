//! Addresses in a header field: where each addr-spec stands, so that it can be replaced and every other octet stays.
//!
//! Postfix writes the whole field anew and loses blanks in phrases on the way; here phrases, comments, groups, folding and octets
//! beyond ASCII stay as they are, and so does a DKIM signature over fields in which nothing changes.

use std::ops::Range;

/// An addr-spec (RFC 5322 3.4.1) in a field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrSpec {
    /// Where it stands: from its first to its last octet, comments within it included.
    pub span: Range<usize>,
    /// The address without blanks, line ends and comments.
    pub address: String,
    /// Comments within the span; a replacement keeps them behind it.
    comments: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An atom, a quoted string or a domain literal.
    Word,
    Comment,
    /// One of `<>,;:@.`
    Special(u8),
}

struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// All addresses of a value, in order. Text that is none is passed over; what follows an unclosed quote, comment or bracket too.
pub fn addresses(value: &[u8]) -> Vec<AddrSpec> {
    let tokens = tokens(value);
    let mut found = Vec::new();
    let mut rest = tokens.as_slice();
    while !rest.is_empty() {
        let (mailbox, separator, after) = cut_mailbox(rest);
        rest = after;
        // What a colon follows is a group's name (RFC 5322 3.4).
        if separator == Some(Kind::Special(b':')) {
            continue;
        }
        match mailbox.iter().any(|token| matches!(token.kind, Kind::Special(b'<' | b'>'))) {
            true => in_angle_brackets(value, mailbox, &mut found),
            false => plain(value, mailbox, &mut found),
        }
    }
    found
}

/// The value with some of its addresses replaced.
pub fn splice(value: &[u8], replacements: &[(AddrSpec, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 32);
    let mut at = 0;
    for (old, new) in replacements {
        append(&mut out, value.get(at..old.span.start).unwrap_or_default());
        append(&mut out, new.as_bytes());
        for comment in &old.comments {
            out.push(b' ');
            out.extend_from_slice(value.get(comment.clone()).unwrap_or_default());
        }
        at = old.span.end;
    }
    append(&mut out, value.get(at..).unwrap_or_default());
    out
}

/// Put a piece to the others. Words that stood beside each other with nothing in between, such as `"a"b`, must not become one (H1).
fn append(out: &mut Vec<u8>, piece: &[u8]) {
    // A literal ends in `]`, and nothing can be added to it.
    let open_end = out.last().is_some_and(|octet| !ends_atom(octet) && *octet != b']');
    if open_end && piece.first().is_some_and(|octet| !ends_atom(octet)) {
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(piece);
}

/// The tokens up to the next `,`, `;` or `:` outside angle brackets, that separator, and the tokens after it.
fn cut_mailbox(tokens: &[Token]) -> (&[Token], Option<Kind>, &[Token]) {
    let mut in_brackets = false;
    let end = tokens.iter().position(|token| match token.kind {
        Kind::Special(b'<') => {
            in_brackets = true;
            false
        }
        Kind::Special(b'>') => {
            in_brackets = false;
            false
        }
        Kind::Special(b',' | b';' | b':') => !in_brackets,
        _ => false,
    });
    let end = end.unwrap_or(tokens.len());
    let separator = tokens.get(end).map(|token| token.kind);
    (tokens.get(..end).unwrap_or_default(), separator, tokens.get(end + 1..).unwrap_or_default())
}

/// Each RFC 5322 3.4 angle-addr of a mailbox; what stands beside them is no address.
fn in_angle_brackets(value: &[u8], tokens: &[Token], found: &mut Vec<AddrSpec>) {
    for part in tokens.split_inclusive(|token| token.kind == Kind::Special(b'>')) {
        let open = part.iter().rposition(|token| token.kind == Kind::Special(b'<'));
        if let (Some(open), Some((close, inner))) = (open, part.split_last())
            && close.kind == Kind::Special(b'>')
        {
            angle_addr(value, inner.get(open + 1..).unwrap_or_default(), found);
        }
    }
}

/// What stands between angle brackets; an obsolete route (RFC 5322 4.4) before the address is part of it.
fn angle_addr(value: &[u8], inner: &[Token], found: &mut Vec<AddrSpec>) {
    let route = inner.iter().rposition(|token| token.kind == Kind::Special(b':')).map_or(0, |colon| colon + 1);
    let spec = inner.get(route..).unwrap_or_default();
    if starts_with_word(spec) && !spec.iter().any(is_separator) {
        found.extend(addr_spec(value, inner));
    }
}

fn starts_with_word(tokens: &[Token]) -> bool {
    tokens.iter().find(|token| token.kind != Kind::Comment).is_some_and(|token| token.kind == Kind::Word)
}

fn is_separator(token: &Token) -> bool {
    matches!(token.kind, Kind::Special(b',' | b';' | b':' | b'<'))
}

/// Addresses without angle brackets: two words with nothing between them belong to two addresses (H1).
fn plain(value: &[u8], tokens: &[Token], found: &mut Vec<AddrSpec>) {
    let mut start = 0;
    let mut last_was_word = false;
    for (index, token) in tokens.iter().enumerate() {
        let word = match token.kind {
            Kind::Comment => continue,
            Kind::Word => true,
            Kind::Special(_) => false,
        };
        if word && last_was_word {
            found.extend(plain_spec(value, tokens.get(start..index).unwrap_or_default()));
            start = index;
        }
        last_was_word = word;
    }
    found.extend(plain_spec(value, tokens.get(start..).unwrap_or_default()));
}

fn plain_spec(value: &[u8], tokens: &[Token]) -> Option<AddrSpec> {
    starts_with_word(tokens).then(|| addr_spec(value, tokens)).flatten()
}

/// What these tokens are together, if it is an address.
fn addr_spec(value: &[u8], tokens: &[Token]) -> Option<AddrSpec> {
    let is_part = |token: &&Token| token.kind != Kind::Comment;
    let first = tokens.iter().position(|token| is_part(&token))?;
    let last = tokens.iter().rposition(|token| is_part(&token))?;
    let parts = tokens.get(first..=last)?;
    let octets: Vec<u8> = parts
        .iter()
        .filter(is_part)
        .flat_map(|token| value.get(token.span.clone()).unwrap_or_default())
        .copied()
        // A quoted string may be folded (RFC 5322 3.2.4).
        .filter(|octet| !b"\r\n".contains(octet))
        .collect();
    let comments = parts.iter().filter(|token| token.kind == Kind::Comment).map(|token| token.span.clone()).collect();
    Some(AddrSpec {
        span: parts.first()?.span.start..parts.last()?.span.end,
        address: String::from_utf8(octets).ok()?,
        comments,
    })
}

/// Cut a value into tokens (RFC 5322 3.2); stops where something is opened and not closed.
fn tokens(value: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&octet) = value.get(at) {
        let (kind, end) = match octet {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'(' => (Kind::Comment, comment_end(value, at)),
            b'"' => (Kind::Word, closed_end(value, at, b'"')),
            b'[' => (Kind::Word, closed_end(value, at, b']')),
            b'<' | b'>' | b',' | b';' | b':' | b'@' | b'.' => (Kind::Special(octet), Some(at + 1)),
            _ => (Kind::Word, Some(atom_end(value, at))),
        };
        let Some(end) = end else { break };
        tokens.push(Token { kind, span: at..end });
        at = end;
    }
    tokens
}

fn ends_atom(octet: &u8) -> bool {
    b" \t\r\n()<>,;:@.\"[".contains(octet)
}

fn atom_end(value: &[u8], start: usize) -> usize {
    let rest = value.get(start..).unwrap_or_default();
    // The first octet belongs to the atom whatever it is, so that the scan always goes on.
    rest.iter().skip(1).position(ends_atom).map_or(value.len(), |length| start + 1 + length)
}

fn closed_end(value: &[u8], start: usize, close: u8) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match *value.get(at)? {
            b'\\' => at += 1,
            octet if octet == close => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

fn comment_end(value: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_u32);
    loop {
        match *value.get(at)? {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(value: &str) -> Vec<String> {
        addresses(value.as_bytes()).into_iter().map(|one| one.address).collect()
    }

    #[test]
    fn finds_addresses_in_all_their_dresses() {
        for (value, expected) in [
            (" a@b.example", &["a@b.example"][..]),
            (" Joe <a@b.example>, c@d.example", &["a@b.example", "c@d.example"]),
            // Rule H2: an empty address is none.
            (" Nobody <>", &[]),
            // Rule H3
            (" joe(comment)@d.example", &["joe@d.example"]),
            (" \"J\" (c) <a@b.example>", &["a@b.example"]),
            // Rule H4
            (" team: a@b, c@d;, e@f", &["a@b", "c@d", "e@f"]),
            (" undisclosed-recipients:;", &["undisclosed-recipients"][..0]),
            // Rule H5
            (" \"Doe, \\\"J\\\" <x@y>\" <a@b>", &["a@b"]),
            (" =?utf-8?q?J=C3=B6?= <a@b>", &["a@b"]),
            // Rules H6, H1
            (" Johnny B. Goode <a@b>", &["a@b"]),
            (" foo bar baz@d", &["foo", "bar", "baz@d"]),
            // Rule H9
            (" u@[192.0.2.1], u@[IPv6:::1]", &["u@[192.0.2.1]", "u@[IPv6:::1]"]),
            (" <@x,@y:a@b>", &["@x,@y:a@b"]),
            (" \"a b\"@d , a . b @ c . d", &["\"a b\"@d", "a.b@c.d"]),
            (" a@b,\r\n\tc@d", &["a@b", "c@d"]),
            (" a@b, \"unclosed <c@d>", &["a@b"]),
            (" a@b <c@d", &[]),
            (" a@b>", &[]),
            (" <a@b> word", &["a@b"]),
            (" Joe <a@b> <c@d>", &["a@b", "c@d"]),
            (" <<a@b>>", &["a@b"]),
            (" ,a@b,, ;c@d;", &["a@b", "c@d"]),
            (" \"folded\r\n string\"@d", &["\"folded string\"@d"]),
            (" a@b, (unclosed <c@d>", &["a@b"]),
        ] {
            assert_eq!(found(value), expected, "{value}");
        }
    }

    #[test]
    fn replaces_only_the_address() {
        // Rules M6, H6, H10, trap 15, S13: Postfix takes the blank out of `B. Goode` and the one before `(c)`, and folds anew.
        let value = " Johnny B. Goode (the  one) <joe@h.example>,\r\n\tx(y)@z , \u{ff} <k@h.example> (c)".as_bytes();
        let new = |old: AddrSpec| (old, "new@example.com".to_owned());
        let all: Vec<_> = addresses(value).into_iter().map(new).collect();
        let expected =
            " Johnny B. Goode (the  one) <new@example.com>,\r\n\tnew@example.com (y) , \u{ff} <new@example.com> (c)";
        assert_eq!(String::from_utf8_lossy(&splice(value, &all)), expected);
    }

    #[test]
    fn neighbours_stay_apart() {
        // Rule H1
        for (value, expected) in [(" \"a\"b", " x, y"), (" \"a\"b@c", " x, y"), (" a(c)b", " x(c)y"), (" a b", " x y")]
        {
            let mut all: Vec<_> =
                addresses(value.as_bytes()).into_iter().zip(["x".to_owned(), "y".to_owned()]).collect();
            assert_eq!(String::from_utf8_lossy(&splice(value.as_bytes(), &all)), expected);
            // One of them alone must not touch the other either.
            let second = all.pop().expect("two");
            let alone = [splice(value.as_bytes(), &all), splice(value.as_bytes(), &[second])];
            assert!(alone.iter().all(|value| addresses(value).len() == 2), "{value}");
        }
    }

    #[test]
    fn long_fields_are_read_to_their_end() {
        // Rule H11: Postfix throws away what is behind 10240 tokens.
        let all: Vec<_> = (0..20_000).map(|number| format!("user{number}@host.example")).collect();
        assert_eq!(found(&format!(" {}", all.join(",\r\n\t"))), all);
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("a@b.example"),
            Just("<"),
            Just(">"),
            Just(","),
            Just(":"),
            Just(";"),
            Just("("),
            Just(")"),
            Just("\""),
            Just("\\"),
            Just("["),
            Just("]"),
            Just("@"),
            Just("."),
            Just("\r\n "),
            Just(" "),
            Just("word"),
            Just("\u{fc}"),
        ];
        let pieces = proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat().into_bytes());
        prop_oneof![pieces, proptest::collection::vec(any::<u8>(), 0..60)]
    }

    proptest! {
        #[test]
        fn any_octets_are_survived_and_nothing_else_changes(value in hostile()) {
            let found = addresses(&value);
            prop_assert!(found.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
            prop_assert_eq!(splice(&value, &[]), value.clone());
            // Replaced by themselves, addresses without blanks and comments in them change nothing.
            let same: Vec<_> = found
                .into_iter()
                .filter(|one| one.span.len() == one.address.len())
                .map(|one| (one.clone(), one.address))
                .collect();
            prop_assert_eq!(splice(&value, &same), value);
        }
    }
}
