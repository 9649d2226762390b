//! Whole sessions without a network: every verb, every refusal with its exact codes.

mod chunks;
mod limits;
mod lmtp;

use std::sync::Arc;

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::mail::{BodyType, MailParameters, Notify, Ret};

const EHLO: &str = "250-relay.example|250-PIPELINING|250-SIZE 1000|250-ENHANCEDSTATUSCODES|250-8BITMIME|250-DSN|250-SMTPUTF8|\
     250-CHUNKING|250-BINARYMIME|250 LIMITS RCPTMAX=3";

fn settings() -> SessionSettings {
    SessionSettings { size_limit: 1000, recipient_limit: 3, ..SessionSettings::new("relay.example") }
}

/// A session, its input, and who is refused by the server around it.
struct Client {
    session: Session,
    input: BytesMut,
    refusals: Vec<&'static str>,
    closed: bool,
}

impl Client {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: SessionSettings) -> Self {
        Self { session: Session::new(Arc::new(settings)), input: BytesMut::new(), refusals: vec![], closed: false }
    }

    /// Past MAIL and one RCPT.
    fn in_transaction() -> Self {
        let mut client = Self::new();
        client.say("EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n");
        client
    }

    /// What the server does about `text`. Questions are answered with yes, except for those about something that contains
    /// one of `refusals`.
    fn actions(&mut self, text: &str) -> Vec<Action> {
        self.input.extend_from_slice(text.as_bytes());
        let mut actions = vec![];
        while !self.closed {
            let mut action = self.session.step(&mut self.input);
            if let Action::Ask(question) = action {
                let refused = self.refusals.iter().any(|word| format!("{question:?}").contains(word));
                let reply = Reply::new(550, EnhancedCode(5, 7, 1), "refused");
                action = self.session.answer(question, if refused { Err(reply) } else { Ok(()) });
            }
            match action {
                Action::Read => return actions,
                Action::Continue => {}
                action => {
                    self.closed = matches!(action, Action::Close(_));
                    actions.push(action);
                }
            }
        }
        actions
    }

    /// The same as text, for people.
    fn say(&mut self, text: &str) -> String {
        let wire = |reply: Reply| {
            let mut said = BytesMut::new();
            reply.write(&mut said);
            String::from_utf8(said.to_vec()).unwrap().trim_end().replace("\r\n", "|")
        };
        let shown = self.actions(text).into_iter().map(|action| match action {
            Action::Reply(reply) => wire(reply),
            Action::Repeat(reply, times) => vec![wire(reply); times].join("|"),
            Action::Close(reply) => format!("{}|[closed]", wire(reply)),
            Action::Message(Completed { transaction, raw }) => {
                let recipients: Vec<_> = transaction.recipients.iter().map(|to| to.address.as_str()).collect();
                format!("[{} -> {recipients:?}: {raw:?}]", transaction.sender)
            }
            action => panic!("{action:?} was dealt with"),
        });
        shown.collect::<Vec<_>>().join("|")
    }
}

/// Each line of a new session gets this reply.
fn check(dialogue: &[(&str, &str)]) {
    let mut client = Client::new();
    for (command, reply) in dialogue {
        assert_eq!(client.say(&format!("{command}\r\n")), *reply, "{command}");
    }
}

/// The reply to one command after EHLO, and whether it still goes on after that.
fn alone(command: &str) -> String {
    let mut client = Client::new();
    client.say("EHLO me\r\n");
    let reply = client.say(&format!("{command}\r\n"));
    assert_eq!(client.say("NOOP\r\n"), "250 2.0.0 Ok", "after {command}");
    reply
}

#[test]
fn a_whole_session() {
    check(&[
        ("EHLO me", EHLO),
        ("MAIL FROM:<a@example.org> SIZE=500 BODY=8BITMIME", "250 2.1.0 Ok"),
        ("RCPT TO:<b@example.org>", "250 2.1.5 Ok"),
        ("RCPT TO:<B@Example.org>", "250 2.1.5 Ok"),
        ("RCPT TO:<postmaster>", "250 2.1.5 Ok"),
        ("DATA", "354 End data with <CR><LF>.<CR><LF>"),
        (
            "Subject: x\r\n\r\n..\r\n.",
            r#"[a@example.org -> ["b@example.org", "postmaster@relay.example"]: b"Subject: x\r\n\r\n.\r\n"]"#,
        ),
        ("MAIL FROM:<>", "250 2.1.0 Ok"),
        ("quit", "221 2.0.0 Bye|[closed]"),
    ]);
}

#[test]
fn greetings() {
    let mut client = Client::new();
    assert_eq!(client.session.greet(Ok(())), Action::Reply(Reply::plain(220, "relay.example ESMTP Mailweir")));
    // Rule S9
    let refusal = Reply::new(554, EnhancedCode(5, 7, 1), "go away");
    assert_eq!(client.session.greet(Err(refusal.clone())), Action::Reply(refusal));
    assert_eq!(client.say("EHLO me\r\nNOOP\r\nBOGUS\r\n"), ["503 5.7.0 Error: access denied"; 3].join("|"));
    assert_eq!(client.say("QUIT\r\n"), "221 2.0.0 Bye|[closed]");
    let busy = Reply::new(421, EnhancedCode(4, 3, 2), "busy");
    assert_eq!(client.session.greet(Err(busy.clone())), Action::Close(busy));
}

#[test]
fn helo_and_ehlo() {
    check(&[
        ("HELO", "501 Syntax: HELO hostname"),
        ("EHLO", "501 Syntax: EHLO hostname"),
        ("EHLO bücher.example", "501 Syntax: EHLO hostname"),
        (&format!("HELO {}", "x".repeat(256)), "501 Syntax: HELO hostname"),
        ("MAIL FROM:<a@example.org>", "503 5.5.1 Error: send HELO/EHLO first"),
        ("HELO my scanner", "250 relay.example"),
        ("MAIL FROM:<a@example.org>", "250 2.1.0 Ok"),
        ("EHLO [192.0.2.1]", EHLO),
        ("RCPT TO:<a@example.org>", "503 5.5.1 Error: need MAIL command"),
    ]);
}

#[test]
fn a_refused_hello_changes_nothing() {
    let mut client = Client::in_transaction();
    client.refusals = vec!["evil"];
    assert_eq!(client.say("EHLO evil\r\n"), "550 5.7.1 refused");
    assert_eq!(client.session.hello().map(|hello| hello.name.as_str()), Some("me"));
    assert!(client.say("DATA\r\n").starts_with("354"));
}

#[test]
fn mail() {
    for good in [
        "MAIL FROM:<a@example.org>",
        "mail from:<a@example.org>",
        "MAIL FROM: <a@example.org>",
        "MAIL\tFROM:a@example.org\t",
        "MAIL FROM:a@example.org SIZE=1",
        "MAIL FROM:<@x.example,@y.example:a@example.org>",
        "MAIL FROM:<\"a> b\"@example.org> size=1000 body=7bit",
        "MAIL FROM:<>  SIZE=0",
        "MAIL FROM:<bücher@example.org> SMTPUTF8",
        "MAIL FROM:<a@example.org> smtputf8 RET=full ENVID=a+2Bb",
    ] {
        assert_eq!(alone(good), "250 2.1.0 Ok", "{good}");
    }
    for (bad, reply) in [
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL TO:<a@example.org>", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM <a@example.org>", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:<a@example.org", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:<a@example.org>SIZE=1", "501 5.5.4 Syntax: MAIL FROM:<address>"),
        ("MAIL FROM:<@x.example:>", "501 5.1.7 Bad sender address syntax"),
        (
            &format!("MAIL FROM:<{}@example.org>", "u".repeat(65)),
            "553 5.1.7 Local part of the sender address is longer than 64 octets",
        ),
        ("MAIL FROM:<a b@example.org>", "501 5.1.7 Bad sender address syntax"),
        ("MAIL FROM:<bücher@example.org>", "553 5.6.7 Address outside US-ASCII: SMTPUTF8 was not requested"),
        ("MAIL FROM:<a@example.org> SIZE", "501 5.5.4 Bad parameter: SIZE"),
        ("MAIL FROM:<a@example.org> SIZE=", "501 5.5.4 Bad parameter: SIZE="),
        ("MAIL FROM:<a@example.org> SIZE=x", "501 5.5.4 Bad parameter: SIZE"),
        ("MAIL FROM:<a@example.org> SIZE=1 SIZE=1", "501 5.5.4 Bad parameter: SIZE=1"),
        ("MAIL FROM:<a@example.org> SIZE=1001", "552 5.3.4 Message size exceeds fixed limit"),
        ("MAIL FROM:<a@example.org> SIZE=99999999999999999999", "552 5.3.4 Message size exceeds fixed limit"),
        ("MAIL FROM:<a@example.org> BODY=9BIT", "501 5.5.4 Bad parameter: BODY"),
        ("MAIL FROM:<a@example.org> SMTPUTF8=1", "501 5.5.4 Bad parameter: SMTPUTF8"),
        ("MAIL FROM:<a@example.org> RET", "501 5.5.4 Bad parameter: RET"),
        ("MAIL FROM:<a@example.org> RET=ALL", "501 5.5.4 Bad parameter: RET"),
        ("MAIL FROM:<a@example.org> RET=FULL RET=HDRS", "501 5.5.4 Bad parameter: RET=HDRS"),
        ("MAIL FROM:<a@example.org> ENVID=a+", "501 5.5.4 Bad parameter: ENVID"),
        ("MAIL FROM:<a@example.org> ENVID=+0D+0ABcc:", "501 5.5.4 Bad parameter: ENVID"),
        ("MAIL FROM:<a@example.org> NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY"),
        ("MAIL FROM:<a@example.org> AUTH=<>", "555 5.5.4 Unsupported option: AUTH"),
        ("MAIL FROM:<a@example.org> =x", "501 5.5.4 Bad parameter: =x"),
        ("MAIL FROM:<a@example.org> X=a=b", "501 5.5.4 Bad parameter: X=a=b"),
    ] {
        assert_eq!(alone(bad), reply, "{bad}");
    }
}

#[test]
fn order_of_commands() {
    check(&[
        ("RCPT TO:<a@example.org>", "503 5.5.1 Error: need MAIL command"),
        ("DATA", "503 5.5.1 Error: need MAIL command"),
        ("EHLO me", EHLO),
        ("MAIL FROM:<a@example.org>", "250 2.1.0 Ok"),
        ("MAIL FROM:<a@example.org>", "503 5.5.1 Error: nested MAIL command"),
        ("DATA", "503 5.5.1 Error: need RCPT command"),
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
        ("DATA", "554 5.5.1 Error: no valid recipients"),
        ("RSET", "250 2.0.0 Ok"),
        ("DATA", "503 5.5.1 Error: need MAIL command"),
        ("MAIL FROM:<a@example.org>", "250 2.1.0 Ok"),
    ]);
}

#[test]
fn rcpt() {
    for (command, reply) in [
        ("RCPT TO:<a@example.org>", "250 2.1.5 Ok"),
        ("rcpt to: a@example.org", "250 2.1.5 Ok"),
        ("RCPT TO:<@x.example:a@example.org>", "250 2.1.5 Ok"),
        ("RCPT TO:<Postmaster>", "250 2.1.5 Ok"),
        ("RCPT", "501 5.5.4 Syntax: RCPT TO:<address>"),
        ("RCPT FROM:<a@example.org>", "501 5.5.4 Syntax: RCPT TO:<address>"),
        ("RCPT TO:<>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:<@example.org:>", "501 5.1.3 Bad recipient address syntax"),
        (
            &format!("RCPT TO:<{}@example.org>", "u".repeat(65)),
            "553 5.1.3 Local part of the recipient address is longer than 64 octets",
        ),
        (&format!("RCPT TO:<{}@example.org>", "u".repeat(64)), "250 2.1.5 Ok"),
        ("RCPT TO:<a b@example.org>", "501 5.1.3 Bad recipient address syntax"),
        ("RCPT TO:<ü@example.org>", "553 5.6.7 Address outside US-ASCII: SMTPUTF8 was not requested"),
        ("RCPT TO:<a@example.org> NOTIFY=NEVER ORCPT=rfc822;b+2B@example.org", "250 2.1.5 Ok"),
        ("RCPT TO:<a@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4 Bad parameter: NOTIFY"),
        ("RCPT TO:<a@example.org> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4 Bad parameter: NOTIFY=DELAY"),
        ("RCPT TO:<a@example.org> NOTIFY", "501 5.5.4 Bad parameter: NOTIFY"),
        ("RCPT TO:<a@example.org> ORCPT=b@example.org", "501 5.5.4 Bad parameter: ORCPT"),
        (
            "RCPT TO:<a@example.org> ORCPT=utf-8;ü@example.org",
            "553 5.6.7 Address outside US-ASCII: SMTPUTF8 was not requested",
        ),
        ("RCPT TO:<a@example.org> RET=FULL", "555 5.5.4 Unsupported option: RET"),
        ("RCPT TO:<a@example.org> -x", "501 5.5.4 Bad parameter: -x"),
    ] {
        let mut client = Client::new();
        client.say("EHLO me\r\nMAIL FROM:<>\r\n");
        assert_eq!(client.say(&format!("{command}\r\n")), reply, "{command}");
    }
}

#[test]
fn what_mail_and_rcpt_ask_for_is_kept() {
    let mut client = Client::new();
    client.say(
        "EHLO me\r\nMAIL FROM:<ü@example.org> SIZE=9 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n\
         RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;ö@example.org\r\n",
    );
    let transaction = client.session.transaction().expect("begun");
    let (body, envid) = (BodyType::EightBitMime, Some("a+2Bb".to_owned()));
    assert_eq!(transaction.parameters, MailParameters { ret: Some(Ret::Hdrs), envid, body, utf8: true });
    assert_eq!(transaction.size, Some(9));
    let [recipient] = transaction.recipients.as_slice() else { panic!("one recipient") };
    assert_eq!(recipient.notify.map(Notify::words).as_deref(), Some("SUCCESS,DELAY"));
    assert_eq!(recipient.orcpt.as_deref(), Some("utf-8;\\x{F6}@example.org"));
}

#[test]
fn all_recipients_refused() {
    let mut client = Client::new();
    client.refusals = vec!["evil"];
    client.say("EHLO me\r\n");
    let pipelined = "MAIL FROM:<>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\n";
    assert_eq!(client.say(pipelined), "250 2.1.0 Ok|550 5.7.1 refused|554 5.5.1 Error: no valid recipients");
}

#[test]
fn other_verbs() {
    for (command, reply) in [
        ("NOOP anything", "250 2.0.0 Ok"),
        ("VRFY a@example.org", "252 2.0.0 Cannot verify addresses; send the message and see"),
        ("VRFY", "501 5.5.4 Syntax: VRFY address"),
        (
            "HELP me",
            "214-2.0.0 Commands:|214-2.0.0 HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP STARTTLS AUTH QUIT|214 2.0.0 End of HELP info",
        ),
        ("RSET now", "501 5.5.4 Syntax: RSET"),
        ("QUIT now", "501 5.5.4 Syntax: QUIT"),
        ("DATA now", "501 5.5.4 Syntax: DATA"),
        ("", "500 5.5.2 Error: bad syntax"),
        (" NOOP", "500 5.5.2 Error: command not recognized"),
        ("GETS", "500 5.5.2 Error: command not recognized"),
        ("NO\0OP", "500 5.5.2 Error: bad syntax"),
        ("NOOP \r", "500 5.5.2 Error: bad syntax"),
        ("EXPN list", "502 5.5.1 Error: command not implemented"),
        ("STARTTLS", "502 5.5.1 Error: command not implemented"),
        ("AUTH PLAIN", "503 5.5.1 Error: authentication not enabled"),
        (&format!("NOOP {}", "x".repeat(LINE_LIMIT)), "500 5.5.2 Error: line too long"),
    ] {
        assert_eq!(alone(command), reply, "{command}");
    }
    let mut client = Client::new();
    client.input.extend_from_slice(b"NOOP \xff\r\n");
    assert_eq!(
        client.say("NOOP\nNOOP\r\n"),
        "500 5.5.2 Error: bad syntax|550 5.5.2 Error: bare <LF> received, lines end in <CR><LF>|[closed]"
    );
}

#[test]
fn refused_messages_end_the_transaction() {
    for (message, reply) in [
        ("a\nb\r\n.\r\n", "550 5.5.2 Error: bare <CR> or <LF> received, lines end in <CR><LF>"),
        (&format!("{}\r\n.\r\n", "x".repeat(1000)), "552 5.3.4 Error: message size exceeds fixed limit"),
    ] {
        let mut client = Client::in_transaction();
        client.say("DATA\r\n");
        assert_eq!(client.say(message), reply);
        assert_eq!(client.say("DATA\r\n"), "503 5.5.1 Error: need MAIL command");
    }
}

#[test]
fn what_is_smuggled_behind_a_false_end_is_part_of_the_message() {
    let mut client = Client::in_transaction();
    client.say("DATA\r\n");
    assert_eq!(client.say("a\r\n\n.\nMAIL FROM:<evil@example.org>\r\n"), "");
    assert_eq!(client.session.receiving(), Some(33));
    assert!(client.say(".\r\n").starts_with("550 5.5.2"));
}

proptest! {
    #[test]
    fn chunks_of_input_make_no_difference(
        lines in vec(prop_oneof![
            Just("EHLO me\r\n".to_owned()), Just("MAIL FROM:<a@example.org>\r\n".to_owned()),
            Just("RCPT TO:<b@example.org>\r\n".to_owned()), Just("RCPT TO:<evil@example.org>\r\n".to_owned()),
            Just("DATA\r\n".to_owned()), Just(".\r\n".to_owned()), Just("..\r\n".to_owned()), Just("RSET\r\n".to_owned()),
            Just("QUIT\r\n".to_owned()), Just("BDAT 5\r\n".to_owned()), Just("BDAT 30 last\r\n".to_owned()), "[ -~\r\n]{0,30}", (0usize..3000).prop_map(|n| "x".repeat(n)),
        ], 0..20),
        cuts in vec(1usize..60, 1..30),
    ) {
        let text = ["EHLO me\r\nMAIL FROM:<a@example.org>\r\n".to_owned(), lines.concat()].concat();
        let (mut whole, mut pieces) = (Client::new(), Client::new());
        (whole.refusals, pieces.refusals) = (vec!["evil"], vec!["evil"]);
        let (mut done, mut rest) = (vec![], text.as_str());
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            done.extend(pieces.actions(piece));
            rest = tail;
        }
        prop_assert_eq!(done, whole.actions(&text));
    }

    #[test]
    fn no_line_is_too_strange(line in vec(any::<u8>(), 0..80)) {
        let parsed = Command::parse(&line);
        if let Err(error) = parsed {
            prop_assert!((500..=555).contains(&error.reply().code) || error == CommandError::Foreign);
        }
    }
}
