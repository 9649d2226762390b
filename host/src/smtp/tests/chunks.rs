//! BDAT.

use super::*;

/// Each line of a new transaction with one recipient gets this reply.
fn check_chunks(dialogue: &[(&str, &str)]) {
    let mut client = Client::in_transaction();
    for (command, reply) in dialogue {
        assert_eq!(client.say(command), *reply, "{command}");
    }
}

#[test]
fn a_message_in_chunks() {
    check_chunks(&[
        ("BDAT 6\r\n", ""),
        ("a: b", ""),
        ("\r\n", "250 2.0.0 Ok: 6 bytes"),
        ("NOOP\r\n", "250 2.0.0 Ok"),
        ("BDAT 7\r\n\r\n.\r\nc\r", "250 2.0.0 Ok: 7 bytes"),
        ("MAIL FROM:<>\r\n", "503 5.5.1 Error: nested MAIL command"),
        ("RCPT TO:<c@example.org>\r\n", "503 5.5.1 Error: RCPT after BDAT"),
        ("DATA\r\n", "503 5.5.1 Error: DATA after BDAT"),
        ("BDAT 1 LAST\r\n\n", r#"[a@example.org -> ["b@example.org"]: b"a: b\r\n\r\n.\r\nc\r\n"]"#),
        ("BDAT 5 LAST\r\nNOOP\nRSET\r\n", "503 5.5.1 Error: need MAIL command|250 2.0.0 Ok"),
    ]);
    check_chunks(&[("BDAT 0 LAST\r\n", r#"[a@example.org -> ["b@example.org"]: b""]"#)]);
}

#[test]
fn octets_of_a_refused_chunk_are_no_commands() {
    let mut client = Client::new();
    assert_eq!(client.say("BDAT 6\r\nQUIT\r\n"), "503 5.5.1 Error: need MAIL command");
    assert_eq!(client.say("BDAT 6\r\nQUIT\r\n"), "551 5.0.0 Discarded 6 bytes after earlier error");
    assert_eq!(client.say("MAIL FROM:<>\r\n"), "503 5.5.1 Error: send HELO/EHLO first");
    client.say("EHLO me\r\nMAIL FROM:<>\r\n");
    assert_eq!(client.say("BDAT 6 LAST\r\nQUIT\r\n"), "503 5.5.1 Error: need RCPT command");
    client.refusals = vec!["evil", "Data"];
    client.say("MAIL FROM:<>\r\nRCPT TO:<evil@example.org>\r\n");
    assert_eq!(client.say("BDAT 6 LAST\r\nQUIT\r\n"), "554 5.5.1 Error: no valid recipients");
    client.say("MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n");
    assert_eq!(client.say("BDAT 6\r\nQUIT\r\n"), "550 5.7.1 refused");
    assert_eq!(client.say("MAIL FROM:<>\r\n"), "503 5.5.1 Error: nested MAIL command");
    assert_eq!(client.say("BDAT 6 LAST\r\nQUIT\r\n"), "551 5.0.0 Discarded 6 bytes after earlier error");
    assert_eq!(client.say("BDAT 0\r\n"), "551 5.7.1 Null BDAT request");
    assert_eq!(client.say("MAIL FROM:<>\r\n"), "503 5.5.1 Error: MAIL after BDAT");
    assert_eq!(client.say("RSET\r\nMAIL FROM:<>\r\n"), "250 2.0.0 Ok|250 2.1.0 Ok");
    let refusal = Reply::new(554, EnhancedCode(5, 7, 1), "go away");
    assert_eq!(client.session.greet(Err(refusal.clone())), Action::Reply(refusal));
    assert_eq!(client.say("BDAT 6\r\nNOOP\r\n"), "503 5.7.0 Error: access denied");
}

#[test]
fn a_chunk_of_unknown_length_ends_the_session() {
    for bad in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 99999999999999999999 LAST"] {
        assert_eq!(Client::in_transaction().say(&format!("{bad}\r\n")), "521 5.5.4 Syntax: BDAT count [LAST]|[closed]");
    }
}

#[test]
fn chunks_are_limited_together() {
    let mut client = Client::in_transaction();
    let chunk = |size: usize| format!("BDAT {size}\r\n{}", "x".repeat(size));
    assert_eq!(client.say(&chunk(600)), "250 2.0.0 Ok: 600 bytes");
    assert_eq!(client.say(&chunk(401)), "552 5.3.4 Message size exceeds fixed limit");
    assert_eq!(client.say(&chunk(1000)), "551 5.0.0 Discarded 1000 bytes after earlier error");
    assert_eq!(client.say("BDAT 100\r\n"), "551 5.0.0 Discarded 100 bytes after earlier error|[closed]");
}

#[test]
fn half_line_ends_in_chunks() {
    let bare = "550 5.5.2 Error: bare <CR> or <LF> received, lines end in <CR><LF>";
    check_chunks(&[
        ("BDAT 3\r\na\nb", bare),
        ("BDAT 3\r\nabc", "551 5.0.0 Discarded 3 bytes after earlier error"),
        ("RSET\r\n", "250 2.0.0 Ok"),
        ("BDAT 3 LAST\r\na\nb", "503 5.5.1 Error: need MAIL command"),
    ]);
    check_chunks(&[("BDAT 2 LAST\r\na\r", bare), ("DATA\r\n", "503 5.5.1 Error: need MAIL command")]);
    let mut client = Client::new();
    client.say("EHLO me\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@example.org>\r\n");
    assert_eq!(client.say("DATA\r\n"), "503 5.5.1 Error: BODY=BINARYMIME wants BDAT");
    assert_eq!(client.say("BDAT 5 LAST\r\n\r.\n\0\r"), r#"[ -> ["b@example.org"]: b"\r.\n\0\r"]"#);
}
