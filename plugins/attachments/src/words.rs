//! Encoded words (RFC 2047), which stand in file names although RFC 2047 5 forbids them in parameters: most mail programs write them.

use crate::{
    charset,
    decode::{base64::Base64, quoted_printable::QuotedPrintable},
};

/// The text with its encoded words decoded; what is none stays.
pub fn decode(raw: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = raw;
    // Words of one character set that follow one another are one: some mailers cut within a character.
    let mut run: Option<(String, Vec<u8>)> = None;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (before, word) = rest.split_at(at);
        let Some((label, octets, after)) = encoded_word(word) else {
            end_run(&mut run, &mut text);
            let (kept, after) = rest.split_at(at + 2);
            text.push_str(&charset::guess(kept));
            rest = after;
            continue;
        };
        match &mut run {
            Some((same, gathered)) if before.trim_ascii().is_empty() && *same == label => {
                gathered.extend_from_slice(&octets);
            }
            _ => {
                let between = run.is_some() && before.trim_ascii().is_empty();
                end_run(&mut run, &mut text);
                if !between {
                    text.push_str(&charset::guess(before));
                }
                run = Some((label, octets));
            }
        }
        rest = after;
    }
    end_run(&mut run, &mut text);
    text.push_str(&charset::guess(rest));
    text
}

fn end_run(run: &mut Option<(String, Vec<u8>)>, text: &mut String) {
    if let Some((label, octets)) = run.take() {
        text.push_str(&charset::decode(&octets, &label));
    }
}

/// `=?charset?encoding?text?=` at the beginning: character set, octets, and what follows.
fn encoded_word(input: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let rest = input.strip_prefix(b"=?")?;
    let (label, rest) = split_at_mark(rest)?;
    let (encoding, rest) = split_at_mark(rest)?;
    let end = memchr::memmem::find(rest, b"?=")?;
    let (text, after) = (rest.get(..end)?, rest.get(end + 2..)?);
    let label = str::from_utf8(label).ok()?;
    // RFC 2231 5: a language may follow the character set.
    let label = label.split('*').next().filter(|label| !label.is_empty())?.to_ascii_lowercase();
    let mut octets = Vec::new();
    match encoding {
        b"B" | b"b" => {
            let mut decoder = Base64::default();
            // A name that is damaged is a name all the same.
            drop(decoder.feed(text, &mut octets));
            drop(decoder.finish(&mut octets));
        }
        b"Q" | b"q" => {
            let text: Vec<u8> = text.iter().map(|octet| if *octet == b'_' { b' ' } else { *octet }).collect();
            // The mark keeps a blank at the end from being cut.
            let mut decoder = QuotedPrintable::default();
            drop(decoder.feed(&text, &mut octets));
            drop(decoder.feed(b"|", &mut octets));
            octets.pop();
        }
        _ => return None,
    }
    Some((label, octets, after))
}

fn split_at_mark(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b'?', input)?;
    Some((input.get(..at)?, input.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn words_become_text() {
        for (raw, expected) in [
            ("plain.txt", "plain.txt"),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_.txt?=", "Grüße .txt"),
            ("=?ISO-8859-1?q?Gr=FC=DFe?=.txt", "Grüße.txt"),
            ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?utf-8*de?Q?a_?=", "a "),
            ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=.pdf", "日本.pdf"),
            ("=?shift_jis?B?k/qWew==?=", "日本"),
            // One character in two words.
            ("=?utf-8?B?w7w=?= =?utf-8?B?w58=?=", "üß"),
            ("=?utf-8?B?ww==?=\t=?utf-8?B?vA==?=", "ü"),
            ("a =?utf-8?Q?b?= c", "a b c"),
            ("=?utf-8?X?b?=", "=?utf-8?X?b?="),
            ("=?broken", "=?broken"),
            ("=?nobody-knows?Q?b=FC?=", "bü"),
        ] {
            assert_eq!(decode(raw.as_bytes()), expected, "{raw}");
        }
        assert_eq!(decode(b"raw \xfc.txt"), "raw ü.txt");
    }
}
