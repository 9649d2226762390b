//! What a field that somebody wants to put into a message must be like, so that nothing can be smuggled in with it.

/// Octets of a line at most, line end not counted (RFC 5322 2.1.1).
const LONGEST_LINE: usize = 998;
/// Octets of a name at most: with the colon it must fit into a line that people can read.
const LONGEST_NAME: usize = 76;

/// Why a new or changed field can't go into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// RFC 5322 2.2: printable US-ASCII without colon, and here at most 76 octets.
    #[error("its name is no field name")]
    Name,
    /// CR or LF alone, NUL, or a line end that no blank follows: it would end the field or the header.
    #[error("its value has a bare CR or LF, a NUL, or a line end without a blank after it")]
    LineEnd,
    /// RFC 5322 2.1.1.
    #[error("its value has a line over 998 octets")]
    LineTooLong,
    /// RFC 5322 2.2.3: a folded line of nothing but blanks reads as the end of the header elsewhere.
    #[error("its value has a folded line that is empty")]
    EmptyLine,
}

/// Check a field as a filter gives it: name without colon, value as it is to stand after the colon.
pub fn check_field(name: &str, value: &[u8]) -> Result<(), FieldError> {
    let valid_name =
        (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic() && c != b':');
    if !valid_name {
        return Err(FieldError::Name);
    }
    check_value(name.len() + 1, value)
}

/// Check a value that takes the place of another; `head` octets stand before it on its first line.
pub(super) fn check_value(head: usize, value: &[u8]) -> Result<(), FieldError> {
    let mut first = true;
    for line in value.split(|octet| *octet == b'\n') {
        let last = line.len() == value.len() || std::ptr::eq(line.as_ptr_range().end, value.as_ptr_range().end);
        let content = if last { line } else { line.strip_suffix(b"\r").ok_or(FieldError::LineEnd)? };
        if content.contains(&b'\r') || content.contains(&0) {
            return Err(FieldError::LineEnd);
        }
        if !first && !matches!(content.first(), Some(b' ' | b'\t')) {
            return Err(FieldError::LineEnd);
        }
        if !first && content.trim_ascii().is_empty() {
            return Err(FieldError::EmptyLine);
        }
        if content.len() + if first { head } else { 0 } > LONGEST_LINE {
            return Err(FieldError::LineTooLong);
        }
        first = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_fields_and_nothing_else() {
        for value in [&b" text"[..], b"", b" \xff\xfe", b" a\r\n b\r\n\tc"] {
            assert_eq!(check_field("X-Test", value), Ok(()), "{value:?}");
        }
        for value in
            [&b" a\r\nBcc: x"[..], b" a\nb", b" a\rb", b" a\r\n", b" \0", b"\r\n\r\n body", b" a\n b", b" a\r\n"]
        {
            assert_eq!(check_field("X-Test", value), Err(FieldError::LineEnd), "{value:?}");
        }
        assert_eq!(check_field("X-Test", b" a\r\n  \r\n b"), Err(FieldError::EmptyLine));
        for name in ["", "a:", "a b", "grün", "a\r\nb", &"n".repeat(77)] {
            assert_eq!(check_field(name, b" x"), Err(FieldError::Name), "{name:?}");
        }
        assert_eq!(check_field("X", &[b'a'; 996]), Ok(()));
        assert_eq!(check_field("X", &[b'a'; 997]), Err(FieldError::LineTooLong));
    }
}
