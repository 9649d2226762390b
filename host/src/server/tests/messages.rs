//! Complete messages: what reaches the spool, and what the client hears.

use super::*;

#[tokio::test]
async fn what_came_in_is_kept_with_one_field_on_top() {
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    let raw = "Subject: x\r\n\r\n..dots\r\n\u{e9}\r\n";
    let reply = client.message(raw).await;
    let message = relay.message();
    assert_eq!(reply, format!("250 2.0.0 Ok: queued as {}", message.id));
    let octets = octets(&message);
    let text = String::from_utf8_lossy(&octets);
    let (received, rest) = text.split_once("Subject:").expect("there");
    assert!(received.starts_with("Received: from client.example (unknown [127.0.0.1])\r\n"), "{received}");
    assert!(received.contains(&format!("with ESMTP id {}", message.id)), "{received}");
    assert!(received.contains("for <b@ours.example>"), "{received}");
    assert_eq!(rest, " x\r\n\r\n.dots\r\n\u{e9}\r\n");
    assert_eq!(message.envelope.sender.to_string(), "a@client.example");
    assert_eq!((recipients(&message), message.hold.as_deref()), (vec!["b@ours.example"], None));
    assert_eq!(message.client.helo.as_deref(), Some("client.example"));
}

#[tokio::test]
async fn one_session_sends_several_messages_with_ids_of_their_own() {
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    for number in 0..3 {
        assert!(client.message(&format!("Subject: {number}\r\n")).await.starts_with("250"));
    }
    let messages = relay.messages();
    assert!(messages.is_sorted_by(|a, b| a.id < b.id));
    assert!(messages.iter().zip(0..).all(|(message, n)| octets(message).ends_with(format!("{n}\r\n").as_bytes())));
}

#[tokio::test]
async fn too_large_messages_are_swallowed_and_refused() {
    let settings = Settings { size_limit: 100_000, ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    let line = format!("{}\r\n", "x".repeat(98));
    assert_eq!(client.message(&line.repeat(1001)).await, "552 5.3.4 Error: message size exceeds fixed limit");
    assert_eq!(client.message(&line.repeat(1000)).await.get(..3), Some("250"));
    assert_eq!(relay.message().message.body().len(), 100_000);
}

#[tokio::test]
async fn smuggled_commands_are_neither_run_nor_kept() {
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    let raw =
        "Subject: x\r\n\r\n\n.\nMAIL FROM:<evil@ours.example>\r\nRCPT TO:<b@ours.example>\r\nDATA\r\nSubject: y\r\n";
    assert_eq!(client.message(raw).await, "550 5.5.2 Error: bare <CR> or <LF> received, lines end in <CR><LF>");
    assert_eq!(client.say("NOOP").await, "250 2.0.0 Ok");
    assert!(relay.messages().is_empty());
}

#[tokio::test]
async fn hops_are_counted_with_our_own() {
    // Guard 3 and trap 22.
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    let hops = |count| format!("{}\r\n", "received: x\r\n".repeat(count));
    assert!(client.message(&hops(48)).await.starts_with("250"));
    assert_eq!(client.message(&hops(49)).await, "554 5.4.0 Error: too many hops");
    assert_eq!(relay.messages().len(), 1);
}

#[tokio::test]
async fn without_room_in_the_spool_nothing_is_promised() {
    let relay =
        Relay::with(settings(), Pipeline::default(), MemorySpool { full: true, ..MemorySpool::default() }).await;
    let mut client = relay.connect().await;
    assert_eq!(client.message("x: y\r\n").await, "452 4.3.1 Error: insufficient system storage");
    assert_eq!(client.say("NOOP").await, "250 2.0.0 Ok");
}

#[tokio::test]
async fn verdicts_of_message_stages() {
    let defer = Verdict::Defer(Reply::new(450, EnhancedCode(4, 7, 1), "later"));
    let hold = || Verdict::Hold("why".to_owned());
    for (verdict, reply, kept) in [
        (reject(), "550 5.7.1 no", None),
        (defer, "450 4.7.1 later", None),
        (Verdict::Reject(Reply::new(521, EnhancedCode(5, 7, 1), "go")), "521 5.7.1 go", None),
        (Verdict::Discard("spam".to_owned()), "250 2.0.0 Ok: queued as ", None),
        (Verdict::Accept, "250 2.0.0 Ok: queued as ", Some(None)),
        (hold(), "250 2.0.0 Ok: queued as ", Some(Some("why".to_owned()))),
    ] {
        let relay = Relay::with_messages(vec![message_stage(verdict, vec![])]).await;
        let mut client = relay.connect().await;
        let said = client.message("x: y\r\n").await;
        assert!(said.starts_with(reply), "{said}");
        assert_eq!(relay.messages().pop().map(|message| message.hold), kept, "{reply}");
        if reply.starts_with("521") {
            assert!(client.is_closed().await);
        }
    }
}

#[tokio::test]
async fn edits_of_message_stages_reach_the_spool() {
    let add = Change::InsertField { position: Position::Bottom, name: "X-New".to_owned(), value: b" 1".to_vec() };
    let replace = Change::ReplaceRecipient(0, address("new@ours.example"));
    let relay = Relay::with_messages(vec![message_stage(Verdict::Next, vec![add, replace])]).await;
    let mut client = relay.connect().await;
    assert!(client.message("Subject: x\r\n\r\nbody\r\n").await.starts_with("250"));
    let message = relay.message();
    assert!(octets(&message).ends_with(b"\r\nSubject: x\r\nX-New: 1\r\n\r\nbody\r\n"));
    assert_eq!(recipients(&message), ["new@ours.example"]);
    assert_eq!(message.envelope.recipients[0].original, address("b@ours.example"));
}

#[tokio::test]
async fn a_failing_filter_defers_and_is_named() {
    struct Broken;
    impl Filter for Broken {
        fn message<'a>(&'a self, _: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
            let (kind, message) = (FailureKind::Trap, "it broke".to_owned());
            Box::pin(async move { Err(FilterError { kind, message, backtrace: vec![] }) })
        }

        fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
            unreachable!("it stands in [[message]]")
        }
    }
    let stage = Stage { filter: Arc::new(Broken), ..message_stage(Verdict::Next, vec![]) };
    let relay = Relay::with_messages(vec![stage]).await;
    let mut client = relay.connect().await;
    assert_eq!(client.message("x: y\r\n").await, "451 4.3.0 Filter test failed, try again later");
    assert!(relay.messages().is_empty());
}
