//! What those are told who watch.

use super::*;

#[tokio::test]
async fn a_session_is_told_from_its_beginning_to_its_end() {
    let replace = Change::ReplaceRecipient(0, address("new@ours.example"));
    let relay = Relay::with_messages(vec![message_stage(Verdict::Next, vec![replace])]).await;
    let mut client = relay.connect().await;
    client.message("x: y\r\n").await;
    client.say("RCPT TO:<b@ours.example>").await;
    client.say("MAIL FROM:<a@client.example>").await;
    client.say("RCPT TO:<b@theirs.example>").await;
    client.say("QUIT").await;
    assert!(client.is_closed().await);
    let seen = relay.seen.clone();
    relay.stop().await;
    let expected = [
        "connected 127.0.0.1",
        "queued <a@client.example> > new@ours.example 6 [test]",
        "refused RCPT by none: <> > : 503 5.5.1 Error: need MAIL command",
        "refused RCPT by none: <a@client.example> > b@theirs.example: 554 5.7.1 <b@theirs.example>: Relay access denied",
        "disconnected 127.0.0.1 None",
    ];
    assert_eq!(seen.lines(), expected);
}

#[tokio::test]
async fn refusals_name_who_refused() {
    for (pipeline, expected) in [
        (
            Pipeline { session: vec![session_stage(Phase::EndOfData, reject(), vec![])].into(), ..Pipeline::default() },
            "refused DATA by test: <a@client.example> > : 550 5.7.1 no",
        ),
        (
            Pipeline { message: vec![message_stage(reject(), vec![])].into(), ..Pipeline::default() },
            "refused (550 5.7.1 no) <a@client.example> > b@ours.example 6 [test]",
        ),
    ] {
        let relay = Relay::start(pipeline).await;
        let mut client = relay.connect().await;
        client.message("x: y\r\n").await;
        assert_eq!(relay.seen.lines()[1], expected);
    }
}
