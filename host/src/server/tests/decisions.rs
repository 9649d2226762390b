//! Relay control and session stages on the wire.

use super::*;

#[tokio::test]
async fn strangers_may_send_to_our_domains_and_to_postmaster() {
    // Rule trap 30
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    client.say("EHLO client.example").await;
    client
        .expect(&[
            ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
            ("RCPT TO:<b@elsewhere.example>", "554 5.7.1 <b@elsewhere.example>: Relay access denied"),
            (
                "RCPT TO:<b%elsewhere.example@ours.example>",
                "554 5.7.1 <b%elsewhere.example@ours.example>: Relay access denied",
            ),
            ("RCPT TO:<b@sub.ours.example>", "250 2.1.5 Ok"),
            ("RCPT TO:<postmaster>", "250 2.1.5 Ok"),
        ])
        .await;
    client.say("DATA").await;
    assert!(client.say(".").await.starts_with("250"));
    let message = relay.message();
    assert_eq!(recipients(&message), ["b@sub.ours.example", "postmaster@relay.example"]);
    assert_eq!(message.envelope.recipients[1].original, address("postmaster"));
}

#[tokio::test]
async fn trusted_clients_may_send_anywhere() {
    let settings = Settings { trusted: vec!["127.0.0.0/8".parse().expect("a network")], ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    client.say("HELO client.example").await;
    client.expect(&[("MAIL FROM:<>", "250 2.1.0 Ok"), ("RCPT TO:<b@elsewhere.example>", "250 2.1.5 Ok")]).await;
    client.say("DATA").await;
    assert!(client.say(".").await.starts_with("250"));
    assert!(relay.message().client.trusted);
    assert!(octets(&relay.message()).windows(11).any(|part| part == b" with SMTP "), "said HELO");
}

#[tokio::test]
async fn refusals_are_told_at_rcpt() {
    for phase in [Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt] {
        let relay = Relay::with_session(vec![session_stage(phase, reject(), vec![])]).await;
        let mut client = relay.connect().await;
        assert!(client.say("EHLO client.example").await.starts_with("250-"));
        client
            .expect(&[
                ("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"),
                ("RCPT TO:<b@ours.example>", "550 5.7.1 no"),
                ("DATA", "554 5.5.1 Error: no valid recipients"),
            ])
            .await;
    }
}

#[tokio::test]
async fn a_kept_refusal_comes_before_relay_control_and_a_stage_at_rcpt_after() {
    for (phase, reply) in
        [(Phase::Mail, "550 5.7.1 no"), (Phase::Rcpt, "554 5.7.1 <b@elsewhere.example>: Relay access denied")]
    {
        let relay = Relay::with_session(vec![session_stage(phase, reject(), vec![])]).await;
        let mut client = relay.connect().await;
        client.say("EHLO client.example").await;
        client.expect(&[("MAIL FROM:<>", "250 2.1.0 Ok"), ("RCPT TO:<b@elsewhere.example>", reply)]).await;
    }
}

#[tokio::test]
async fn no_stage_permits_relaying() {
    // Rule trap 17
    let relay = Relay::with_session(vec![session_stage(Phase::Rcpt, Verdict::Accept, vec![])]).await;
    let mut client = relay.connect().await;
    client.say("EHLO client.example").await;
    let denied = "554 5.7.1 <b@elsewhere.example>: Relay access denied";
    client.expect(&[("MAIL FROM:<>", "250 2.1.0 Ok"), ("RCPT TO:<b@elsewhere.example>", denied)]).await;
}

#[tokio::test]
async fn without_delay_a_refusal_is_the_greeting() {
    // Rule S9
    let pipeline =
        Pipeline { session: vec![session_stage(Phase::Connect, reject(), vec![])].into(), ..Pipeline::default() };
    let settings = Settings { delay_reject: false, ..settings() };
    let relay = Relay::with(settings, pipeline, MemorySpool::default()).await;
    let mut client = relay.connect_silently().await;
    assert_eq!(client.reply().await, "550 5.7.1 no");
    let denied = "503 5.7.0 Error: access denied";
    client.expect(&[("EHLO client.example", denied), ("MAIL FROM:<>", denied), ("QUIT", "221 2.0.0 Bye")]).await;
}

#[tokio::test]
async fn refusals_at_data_and_at_its_end() {
    for (phase, at_data) in [(Phase::Data, true), (Phase::EndOfData, false)] {
        let relay = Relay::with_session(vec![session_stage(phase, reject(), vec![])]).await;
        let mut client = relay.connect().await;
        if at_data {
            client.begin().await;
            assert_eq!(client.say("DATA").await, "550 5.7.1 no");
        } else {
            assert_eq!(client.message("x: y\r\n").await, "550 5.7.1 no");
        }
        assert!(relay.messages().is_empty());
    }
}

#[tokio::test]
async fn a_reply_421_closes_the_connection() {
    let defer = Verdict::Defer(Reply::new(421, EnhancedCode(4, 7, 0), "go"));
    let relay = Relay::with_session(vec![session_stage(Phase::Rcpt, defer, vec![])]).await;
    let mut client = relay.connect().await;
    client.say("EHLO client.example").await;
    client.expect(&[("MAIL FROM:<>", "250 2.1.0 Ok"), ("RCPT TO:<b@ours.example>", "421 4.7.0 go")]).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn effects_reach_every_message_of_the_session() {
    let field = |name: &str| Effect::PrependField { name: name.to_owned(), value: b" 1".to_vec() };
    let relay = Relay::with_session(vec![
        session_stage(
            Phase::Connect,
            Verdict::Next,
            vec![field("X-First"), Effect::AddRecipient(address("more@ours.example"))],
        ),
        session_stage(Phase::EndOfData, Verdict::Hold("look".to_owned()), vec![field("X-Second")]),
    ])
    .await;
    let mut client = relay.connect().await;
    for _ in 0..2 {
        assert!(client.message("Subject: x\r\n").await.starts_with("250"));
    }
    assert_eq!(relay.messages().len(), 2);
    for message in relay.messages() {
        assert!(octets(&message).starts_with(b"X-First: 1\r\nX-Second: 1\r\nReceived: from"));
        assert_eq!(recipients(&message), ["b@ours.example", "more@ours.example"]);
        assert_eq!(message.hold.as_deref(), Some("look"));
    }
}

#[tokio::test]
async fn a_redirection_is_for_all_recipients_and_no_stage_rewrites_it() {
    let redirect = Effect::Redirect(address("one@ours.example"));
    let replace = message_stage(Verdict::Next, vec![Change::ReplaceRecipient(0, address("new@ours.example"))]);
    let relay = Relay::start(Pipeline {
        session: vec![session_stage(Phase::Rcpt, Verdict::Next, vec![redirect])].into(),
        message: vec![replace].into(),
        ..Pipeline::default()
    })
    .await;
    let mut client = relay.connect().await;
    assert!(client.message("x: y\r\n").await.starts_with("250"));
    assert_eq!(recipients(&relay.message()), ["one@ours.example"]);
}

#[tokio::test]
async fn a_discarded_transaction_is_answered_with_250_and_kept_by_nobody() {
    let discard = Verdict::Discard("spam".to_owned());
    let relay = Relay::with_session(vec![session_stage(Phase::Mail, discard, vec![])]).await;
    let mut client = relay.connect().await;
    assert!(client.message("x: y\r\n").await.starts_with("250 2.0.0 Ok: queued as "));
    assert!(relay.messages().is_empty());
}
