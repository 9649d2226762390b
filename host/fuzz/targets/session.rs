//! A whole session: how its octets are cut makes no difference, replies are replies, nothing is kept beyond the limits, and a message has an
//! envelope, and comes from nobody who had to begin TLS and to log in before.

#![no_main]

use std::sync::Arc;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use mailweir_fuzz::{
    check_reply, pieces,
    smtp::{
        Action, AuthOffer, BareLineEnds, EnhancedCode, LINE_LIMIT, Question, Reply, Session, SessionSettings, StartTls,
    },
};

const SIZE_LIMIT: u64 = 300;
const RECIPIENT_LIMIT: usize = 3;

fuzz_target!(|octets: &[u8]| {
    let open = SessionSettings {
        size_limit: SIZE_LIMIT,
        recipient_limit: RECIPIENT_LIMIT,
        junk_limit: 10,
        starttls: StartTls::Offered,
        auth: AuthOffer::Always,
        ..SessionSettings::new("relay.example")
    };
    let mended = SessionSettings { lmtp: true, bare_line_ends: BareLineEnds::Normalize, ..open.clone() };
    let guarded = SessionSettings {
        starttls: StartTls::Required,
        auth: AuthOffer::UnderTls,
        auth_required: true,
        ..open.clone()
    };
    for settings in [open, mended, guarded].map(Arc::new) {
        assert_eq!(play(&settings, &pieces(octets)), play(&settings, &[octets]));
    }
});

/// What the server would do about the pieces.
fn play(settings: &Arc<SessionSettings>, pieces: &[&[u8]]) -> Vec<Action> {
    let (mut session, mut input, mut actions) =
        (Session::new(Arc::clone(settings)).with_xclient(true), BytesMut::new(), Vec::new());
    let (mut secured, mut logged_in) = (false, false);
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut action = session.step(&mut input);
            while let Action::Ask(question) = action {
                let answer = answer(&question);
                logged_in |= answer.is_ok() && matches!(question, Question::Auth(_));
                action = session.answer(question, answer);
            }
            match &action {
                Action::Read => break,
                Action::Continue => continue,
                Action::Reply(reply) => check_reply(reply),
                // What came in before the handshake would be thrown away, which depends on the pieces.
                Action::StartTls(reply) => {
                    check_reply(reply);
                    session.secured();
                    (secured, logged_in) = (true, false);
                }
                Action::Repeat(reply, times) => {
                    assert!(*times > 1);
                    check_reply(reply);
                }
                Action::Message(message) => {
                    assert!(secured || settings.starttls != StartTls::Required);
                    assert!(logged_in || !settings.auth_required);
                    assert!((1..=RECIPIENT_LIMIT).contains(&message.transaction.recipients.len()));
                    assert!(message.raw.len() as u64 <= SIZE_LIMIT);
                    assert!(session.transaction().is_none() && session.hello().is_some());
                }
                Action::Close(reply) => {
                    check_reply(reply);
                    actions.push(action);
                    return actions;
                }
                Action::Ask(_) => unreachable!("it was answered"),
            }
            actions.push(action);
        }
        assert!(input.len() < LINE_LIMIT, "memory is bounded");
    }
    actions
}

/// No to everything that has `evil` in it.
fn answer(question: &Question) -> Result<(), Reply> {
    let refused = match question {
        Question::Hello(hello) => hello.name.contains("evil"),
        Question::Mail(transaction) => transaction.sender.as_str().contains("evil"),
        Question::Rcpt(recipient) => recipient.address.as_str().contains("evil"),
        Question::Auth(credentials) => credentials.login.contains("evil"),
        Question::Xclient(xclient) => format!("{xclient:?}").contains("evil"),
        Question::Data(chunk) => chunk.is_some_and(|chunk| chunk.size == 13),
    };
    if refused { Err(Reply::new(550, EnhancedCode(5, 7, 1), "refused")) } else { Ok(()) }
}
