//! The language of the dialogues; `tests/dialogues/README.md` tells it.

use std::net::IpAddr;

use regex::Regex;

/// Where in a file something is wrong, and what.
pub(super) type Mistake = (usize, String);

/// What happens next.
#[derive(Debug)]
pub(super) enum Step {
    /// The client sends these octets.
    Send(Vec<u8>),
    /// The server says this line.
    Line(Vec<u8>),
    /// The server says a line that matches as a whole.
    Pattern(Regex),
    /// The server gives a reply with this code, of however many lines.
    Reply(String),
    /// Client and server shake hands; the server has the relay's certificate.
    Secure,
    /// The server closes the connection.
    Closed,
}

/// A message that has to arrive at the next hop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Where the file says so.
    pub(super) line: usize,
    /// Empty for the null sender.
    pub(super) sender: String,
    pub(super) recipients: Vec<String>,
    /// Parameters that its MAIL or RCPT has.
    parameters: Vec<String>,
    /// Lines that it has, in this order, others between them.
    lines: Vec<Vec<u8>>,
}

impl Message {
    /// How much it says about the message beside its envelope.
    pub(super) fn demands(&self) -> usize {
        self.parameters.len() + self.lines.len()
    }

    /// Whether the commands have all the parameters.
    pub(super) fn was_asked_for(&self, commands: &[String]) -> bool {
        let said: Vec<&str> = commands.iter().flat_map(|command| command.split(' ')).collect();
        self.parameters.iter().all(|parameter| said.contains(&parameter.as_str()))
    }

    /// Whether the octets have all the lines.
    pub(super) fn is_in(&self, data: &[u8]) -> bool {
        let mut there = data.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        self.lines.iter().all(|wanted| there.any(|line| line == wanted.as_slice()))
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct Dialogue {
    /// The address that the client connects from.
    pub(super) client: IpAddr,
    /// Each with its line in the file.
    pub(super) steps: Vec<(usize, Step)>,
    pub(super) messages: Vec<Message>,
}

impl Dialogue {
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let mut dialogue = Self { client: [127, 0, 0, 1].into(), steps: Vec::new(), messages: Vec::new() };
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            dialogue.line(number, line).map_err(|what| (number, what))?;
        }
        Ok(dialogue)
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "from" if self.steps.is_empty() => {
                self.client = rest.parse().map_err(|error| format!("{rest}: {error}"))?
            }
            "C:" => self.send(number, octets(&format!("{rest}\\r\\n"))?),
            "C|" => self.send(number, octets(rest)?),
            "S:" => self.steps.push((number, Step::Line(octets(rest)?))),
            "S~" => {
                let pattern = Regex::new(&format!("^(?:{rest})$")).map_err(|error| error.to_string())?;
                self.steps.push((number, Step::Pattern(pattern)));
            }
            "S*" => self.steps.push((number, Step::Reply(rest.to_owned()))),
            "TLS" => self.steps.push((number, Step::Secure)),
            "S!" => self.steps.push((number, Step::Closed)),
            "M:" => self.messages.push(message(number, rest)?),
            "M|" => {
                let message = self.messages.last_mut().ok_or("`M|` without `M:`")?;
                message.lines.push(octets(rest)?);
            }
            "M>" => {
                let message = self.messages.last_mut().ok_or("`M>` without `M:`")?;
                message.parameters.extend(rest.split(' ').map(str::to_owned));
            }
            _ => return Err(format!("`{mark}` is none of C: C| S: S~ S* S! TLS M: M> M| from")),
        }
        Ok(())
    }

    /// What stands together goes out in one write.
    fn send(&mut self, number: usize, octets: Vec<u8>) {
        match self.steps.last_mut() {
            Some((_, Step::Send(before))) => before.extend(octets),
            _ => self.steps.push((number, Step::Send(octets))),
        }
    }
}

/// `SENDER -> RECIPIENT RECIPIENT …`; `<>` is the null sender.
fn message(line: usize, text: &str) -> Result<Message, String> {
    let (sender, recipients) = text.split_once(" -> ").ok_or("`M: SENDER -> RECIPIENT …` is wanted")?;
    let sender = if sender == "<>" { String::new() } else { sender.to_owned() };
    let recipients = recipients.split(' ').map(str::to_owned).collect();
    Ok(Message { line, sender, recipients, parameters: Vec::new(), lines: Vec::new() })
}

/// Text with escapes: `\r`, `\n`, `\t`, `\\`, `\xHH`, and `\{TEXT*N}` for N times TEXT.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        let mut chars = after.chars();
        let octet = match chars.next() {
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('\\') => b'\\',
            Some('x') => {
                let (digits, after) = chars.as_str().split_at_checked(2).ok_or("`\\x` wants two digits")?;
                chars = after.chars();
                u8::from_str_radix(digits, 16).map_err(|error| format!("\\x{digits}: {error}"))?
            }
            Some('{') => {
                let (inner, after) = chars.as_str().split_once('}').ok_or("`\\{` without `}`")?;
                let (text, count) = inner.rsplit_once('*').ok_or("`\\{TEXT*N}` is wanted")?;
                out.extend(octets(text)?.repeat(count.parse().map_err(|error| format!("{count}: {error}"))?));
                rest = after;
                continue;
            }
            _ => return Err("`\\` wants r, n, t, \\, xHH or {TEXT*N} behind it".to_owned()),
        };
        out.push(octet);
        rest = chars.as_str();
    }
    out.extend(rest.as_bytes());
    Ok(out)
}

#[test]
fn escapes() {
    let parts = [&b"a\r\n\t\\\0\xff"[..], b"xxx", b"\x01\x01", "ü".as_bytes()];
    assert_eq!(octets("a\\r\\n\\t\\\\\\x00\\xff\\{x*3}\\{\\x01*2}ü"), Ok(parts.concat()));
    for bad in ["\\", "\\q", "\\x1", "\\xzz", "\\{x", "\\{x}", "\\{x*y}"] {
        assert!(octets(bad).is_err(), "{bad}");
    }
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, line) in
        [("C: a\nX: b", 2), ("# a\n\nS~ (", 3), ("C: \\q", 1), ("M| x", 1), ("C: a\nfrom ::1", 2), ("M: x", 1)]
    {
        assert_eq!(Dialogue::parse(text).expect_err(text).0, line, "{text}");
    }
}

#[test]
fn lines_of_a_message_are_found_in_their_order() {
    let mut message = message(1, "<> -> a@b.example").expect("well-formed");
    message.lines = vec![b"a".to_vec(), b"c".to_vec()];
    assert!(message.is_in(b"a\r\nb\r\nc\r\n"));
    assert!(!message.is_in(b"c\r\na\r\n"));
    assert_eq!((message.sender.as_str(), message.recipients.len()), ("", 1));
    message.parameters = vec!["RET=FULL".to_owned()];
    assert!(message.was_asked_for(&["MAIL FROM:<> RET=FULL".to_owned()]));
    assert!(!message.was_asked_for(&["MAIL FROM:<>".to_owned()]));
}
