//! What a session may not do too often.

use super::*;

#[test]
fn recipients_are_limited_and_refused_ones_do_not_count() {
    let mut client = Client::in_transaction();
    client.refusals = vec!["evil"];
    assert_eq!(client.say("RCPT TO:<evil@example.org>\r\n"), "550 5.7.1 refused");
    assert_eq!(client.say("RCPT TO:<c@example.org>\r\nRCPT TO:<d@example.org>\r\n"), "250 2.1.5 Ok|250 2.1.5 Ok");
    assert_eq!(client.say("RCPT TO:<e@example.org>\r\n"), "452 4.5.3 Error: too many recipients");
    assert!(client.say("DATA\r\n").starts_with("354"));
}

#[test]
fn too_many_errors_end_the_session() {
    let tired = "421 4.7.0 relay.example Error: too many errors|[closed]";
    let unknown = "500 5.5.2 Error: command not recognized";
    let mut client = Client::new();
    client.refusals = vec!["evil"];
    assert_eq!(client.say("EHLO evil\r\n"), "550 5.7.1 refused");
    assert_eq!(client.say(&"X\r\n".repeat(18)), [unknown; 18].join("|"));
    assert_eq!(client.say("X\r\nNOOP\r\n"), format!("{unknown}|{tired}"));
    // A message makes up for all that was before it.
    let mut client = Client::in_transaction();
    client.say(&"X\r\n".repeat(19));
    client.say("DATA\r\n.\r\n");
    let taken = client.session.conclude(Reply::new(250, EnhancedCode(2, 0, 0), "Ok"));
    assert_eq!(taken, Action::Reply(Reply::new(250, EnhancedCode(2, 0, 0), "Ok")));
    assert_eq!(client.say("X\r\nNOOP\r\n"), format!("{unknown}|250 2.0.0 Ok"));
}

#[test]
fn too_many_commands_that_do_nothing_are_errors() {
    let mut client = Client::new();
    let said = client.say(&"NOOP\r\n".repeat(130));
    assert_eq!(said.matches("250").count(), 120);
    assert!(said.ends_with("421 4.7.0 relay.example Error: too many errors|[closed]"));
}

#[test]
fn other_protocols_are_hung_up_on() {
    for line in ["GET / HTTP/1.1", "post /x HTTP/1.1", "CONNECT relay:25 HTTP/1.1", "Subject: hello", "Host: relay"] {
        let said = Client::new().say(&format!("{line}\r\nNOOP\r\n"));
        assert_eq!(said, "221 2.7.0 Error: this is no SMTP. Goodbye|[closed]", "{line}");
    }
}
