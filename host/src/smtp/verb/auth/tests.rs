//! Dialogues of AUTH.

use std::sync::Arc;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::smtp::SessionSettings;

fn session(auth: AuthOffer) -> Session {
    let settings = SessionSettings { auth, ..SessionSettings::new("relay.example") };
    Session::new(Arc::new(settings))
}

/// One line; of logins that of `joe` with `secret` is right.
fn say(session: &mut Session, line: &str) -> String {
    let action = session.step(&mut BytesMut::from(format!("{line}\r\n").as_bytes()));
    let action = match action {
        Action::Ask(Question::Auth(credentials)) => {
            let right = (&*credentials.login, &*credentials.password) == ("joe", "secret");
            session.answer(Question::Auth(credentials), if right { Ok(()) } else { Err(failed()) })
        }
        Action::Ask(question) => session.answer(question, Ok(())),
        action => action,
    };
    if let Action::Reply(reply) = action { reply.to_string() } else { panic!("{action:?}") }
}

fn plain(text: &str) -> String {
    format!("AUTH PLAIN {}", BASE64.encode(text))
}

const YES: &str = "235 2.7.0 Authentication successful";
const NO: &str = "535 5.7.8 Error: authentication failed";

#[test]
fn mechanisms() {
    for dialogue in [
        &[(&*plain("\0joe\0secret"), YES)][..],
        &[(&*plain("joe\0joe\0secret"), YES)],
        &[("auth plain", "334 "), (&BASE64.encode("\0joe\0secret"), YES)],
        &[("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("am9l", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", YES)],
        &[("AUTH LOGIN am9l", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", YES)],
        &[(&*plain("\0joe\0wrong"), NO), (&*plain("\0joe\0secret"), YES)],
        &[(&*plain("boss\0joe\0secret"), NO)],
        &[(&*plain("\0\0secret"), NO)],
        &[(&*plain("\0j\r\noe\0secret"), NO)],
        &[("AUTH LOGIN =", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", NO)],
    ] {
        let mut session = session(AuthOffer::Always);
        assert!(say(&mut session, "EHLO me").contains(" / AUTH PLAIN LOGIN / "));
        for (line, reply) in dialogue {
            assert_eq!(say(&mut session, line), *reply, "{line}");
        }
    }
}

#[test]
fn what_ends_an_exchange() {
    let long = "A".repeat(3000);
    for (line, reply) in [
        ("*", "501 5.7.0 Authentication aborted"),
        ("not base64", "501 5.5.2 Error: bad base64"),
        ("am9", "501 5.5.2 Error: bad base64"),
        ("/w==", "501 5.5.2 Error: bad base64"),
        ("am9l", "501 5.5.2 Error: malformed response"),
        ("AGEAYgBj", "501 5.5.2 Error: malformed response"),
        (&long, "500 5.5.6 Error: authentication exchange line is too long"),
    ] {
        let mut session = session(AuthOffer::Always);
        say(&mut session, "EHLO me");
        assert_eq!(say(&mut session, "AUTH PLAIN"), "334 ");
        assert_eq!(say(&mut session, line), reply);
        assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 Ok", "a command again after {line}");
    }
}

#[test]
fn when_it_is_allowed() {
    let mut session = session(AuthOffer::UnderTls);
    assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: send HELO/EHLO first");
    assert!(!say(&mut session, "EHLO me").contains("AUTH"));
    let secured = "538 5.7.11 Encryption required for requested authentication mechanism";
    assert_eq!(say(&mut session, &plain("\0joe\0secret")), secured);
    session.secured();
    assert!(say(&mut session, "EHLO me").contains(" / AUTH PLAIN LOGIN / "));
    assert_eq!(say(&mut session, "AUTH"), "501 5.5.4 Syntax: AUTH mechanism");
    assert_eq!(say(&mut session, "AUTH CRAM-MD5"), "504 5.5.4 Error: unknown authentication mechanism");
    say(&mut session, "MAIL FROM:<a@b.example>");
    assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: MAIL transaction in progress");
    say(&mut session, "RSET");
    assert_eq!(say(&mut session, &plain("\0joe\0secret")), YES);
    assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: already authenticated");
    assert!(!say(&mut session, "EHLO me").contains("AUTH"));
}

#[test]
fn exchanges_that_fail_are_told_once_with_their_mechanism() {
    let mut session = session(AuthOffer::Always);
    say(&mut session, "EHLO me");
    for (line, failed) in [
        ("AUTH LOGIN", None),
        ("*", Some("LOGIN")),
        ("AUTH", None),
        ("AUTH PLAIN x", Some("PLAIN")),
        ("AUTH CRAM-MD5", Some("CRAM-MD5")),
        ("AUTH AGpvZQBzZWNyZXQ", None),
        (&*plain("\0joe\0wrong"), None),
    ] {
        say(&mut session, line);
        assert_eq!(session.take_failed_mechanism().as_deref(), failed, "{line}");
        assert_eq!(session.take_failed_mechanism(), None, "{line}");
    }
}

#[test]
fn who_has_to_log_in_sends_nothing_before() {
    let settings =
        SessionSettings { auth: AuthOffer::Always, auth_required: true, ..SessionSettings::new("r.example") };
    let mut session = Session::new(Arc::new(settings));
    say(&mut session, "EHLO me");
    assert_eq!(say(&mut session, "MAIL FROM:<a@b.example>"), "530 5.7.0 Authentication required");
    assert_eq!(say(&mut session, &plain("\0joe\0secret")), YES);
    assert_eq!(say(&mut session, "MAIL FROM:<a@b.example> AUTH=<>"), "250 2.1.0 Ok");
}

#[test]
fn passwords_are_in_no_log() {
    let credentials =
        Credentials { mechanism: Mechanism::Plain, login: "joe".to_owned(), password: "secret".to_owned() };
    let command = AuthCommand::parse(&format!("PLAIN {}", BASE64.encode("\0joe\0secret"))).expect("well-formed");
    let shown = format!("{credentials:?} {command:?} {:?}", Exchange::LoginPassword("secret".to_owned()));
    assert_eq!(shown, "Credentials(PLAIN, \"joe\") AuthCommand(\"PLAIN\") Exchange");
}

proptest! {
    // Without colons: behind the exchange such a line would be a header field, which ends the session.
    #[test]
    fn no_response_is_too_strange(mechanism in "(PLAIN|LOGIN)", lines in proptest::collection::vec("[ -9;-~]{0,60}", 1..4)) {
        let mut session = session(AuthOffer::Always);
        say(&mut session, "EHLO me");
        say(&mut session, &format!("AUTH {mechanism}"));
        for line in lines {
            say(&mut session, &line);
        }
        say(&mut session, "*");
        prop_assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 Ok");
    }
}
