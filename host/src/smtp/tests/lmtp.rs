//! LMTP (RFC 2033).

use super::*;

fn client() -> Client {
    Client::with(SessionSettings { lmtp: true, ..settings() })
}

/// Past MAIL and three RCPT, two of them for the same recipient.
fn in_transaction() -> Client {
    let mut client = client();
    client.say("LHLO me\r\nMAIL FROM:<a@example.org>\r\n");
    client.say("RCPT TO:<b@example.org>\r\nRCPT TO:<B@example.org>\r\nRCPT TO:<c@example.org>\r\n");
    client
}

#[test]
fn its_greeting_is_another_one() {
    let mut client = client();
    assert_eq!(client.session.greet(Ok(())), Action::Reply(Reply::plain(220, "relay.example LMTP Mailweir")));
    assert_eq!(client.say("MAIL FROM:<>\r\n"), "503 5.5.1 Error: send LHLO first");
    assert_eq!(client.say("EHLO me\r\nHELO me\r\n"), ["500 5.5.2 Error: command not recognized"; 2].join("|"));
    assert_eq!(client.say("LHLO\r\n"), "501 Syntax: LHLO hostname");
    assert_eq!(client.say("LHLO me\r\n"), EHLO);
    assert!(client.say("HELP\r\n").contains(" LHLO MAIL RCPT "));
    let settings = SessionSettings { lmtp: true, auth: AuthOffer::Always, ..settings() };
    assert_eq!(Client::with(settings).say("AUTH PLAIN\r\n"), "503 5.5.1 Error: send LHLO first");
    assert_eq!(Client::new().say("LHLO me\r\n"), "500 5.5.2 Error: command not recognized");
}

#[test]
fn each_recipient_has_its_reply() {
    let ok = Reply::new(250, EnhancedCode(2, 0, 0), "Ok");
    let mut client = in_transaction();
    client.say("DATA\r\na\r\n.\r\n");
    assert_eq!(client.session.conclude(ok.clone()), Action::Repeat(ok.clone(), 3));
    let mut client = in_transaction();
    client.say("BDAT 3 LAST\r\na\r\n");
    assert_eq!(client.session.conclude(ok.clone()), Action::Repeat(ok.clone(), 3));
    let mut client = in_transaction();
    client.say("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\n");
    assert_eq!(client.session.conclude(ok.clone()), Action::Reply(ok));
    let closing = Reply::new(421, EnhancedCode(4, 3, 2), "closing");
    assert_eq!(in_transaction().session.conclude(closing.clone()), Action::Close(closing));
}

#[test]
fn so_it_has_when_the_message_is_refused() {
    let bare = "550 5.5.2 Error: bare <CR> or <LF> received, lines end in <CR><LF>";
    assert_eq!(
        in_transaction().say("DATA\r\na\nb\r\n.\r\n"),
        format!("354 End data with <CR><LF>.<CR><LF>|{}", [bare; 3].join("|"))
    );
    let mut client = in_transaction();
    assert_eq!(client.say("BDAT 1\r\n\n"), bare);
    let discarded = "551 5.0.0 Discarded 1 bytes after earlier error";
    assert_eq!(client.say("BDAT 1 LAST\r\nx"), [discarded; 3].join("|"));
}

#[test]
fn without_recipients_there_is_one_reply() {
    let mut client = client();
    client.refusals = vec!["evil"];
    client.say("LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<evil@example.org>\r\n");
    assert_eq!(client.say("DATA\r\n"), "503 5.5.1 Error: need RCPT command");
    assert_eq!(client.say("BDAT 1 LAST\r\nx"), "503 5.5.1 Error: need RCPT command");
}
