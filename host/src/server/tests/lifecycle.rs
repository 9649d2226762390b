//! Connections: pipelining, limits, timeouts, clients that vanish, shutdown.

use super::*;

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    assert!(client.say("EHLO me").await.starts_with("250-relay.example|250-PIPELINING|"));
    let commands = "MAIL FROM:<>\r\nRCPT TO:<a@elsewhere.example>\r\nRCPT TO:<a@ours.example>\r\nDATA\r\n";
    client.send(commands).await;
    for reply in ["250 2.1.0 Ok", "554 5.7.1 <a@elsewhere.example>: Relay access denied", "250 2.1.5 Ok"] {
        assert_eq!(client.reply().await, reply);
    }
    assert!(client.reply().await.starts_with("354"));
    client.send("x\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n").await;
    assert!(client.reply().await.starts_with("250 2.0.0 Ok: queued as "));
    assert_eq!(client.reply().await, "250 2.1.0 Ok");
    assert_eq!(client.reply().await, "221 2.0.0 Bye");
    assert!(client.is_closed().await);
    relay.stop().await;
}

#[tokio::test]
async fn more_sessions_than_allowed_are_turned_away() {
    let settings = Settings { max_sessions: 1, ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut first = relay.connect().await;
    let mut second = relay.connect_silently().await;
    assert_eq!(second.reply().await, "421 4.3.2 relay.example Error: too many connections");
    assert!(second.is_closed().await);
    assert_eq!(first.say("QUIT").await, "221 2.0.0 Bye");
    assert!(first.is_closed().await);
    // The place is given back a moment after the connection is closed.
    let mut third = relay.connect_silently().await;
    while third.reply().await.starts_with("421") {
        third = relay.connect_silently().await;
    }
    relay.stop().await;
}

#[tokio::test]
async fn silent_clients_are_told_and_left() {
    let settings = Settings { idle_timeout: Duration::from_millis(50), ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    assert_eq!(client.reply().await, "421 4.4.2 relay.example Error: timeout exceeded");
    assert!(client.is_closed().await);
    relay.stop().await;
}

#[tokio::test]
async fn clients_that_do_not_wait_for_the_greeting_are_left() {
    let settings = Settings { greet_delay: Some(Duration::from_secs(1)), ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut early = relay.connect_silently().await;
    early.send("EHLO me\r\n").await;
    assert_eq!(early.reply().await, "521 5.5.1 Protocol error");
    assert!(early.is_closed().await);
    let mut patient = relay.connect().await;
    assert_eq!(patient.say("QUIT").await, "221 2.0.0 Bye");
    relay.stop().await;
}

#[tokio::test]
async fn clients_that_do_not_wait_for_a_reply_that_matters_are_left() {
    let out_of_step = "554 5.5.0 Error: SMTP protocol synchronization";
    let relay = Relay::start(Pipeline::default()).await;
    let mut client = relay.connect().await;
    client.send("EHLO me\r\nMAIL FROM:<>\r\n").await;
    assert_eq!(client.reply().await, out_of_step);
    assert!(client.is_closed().await);
    let mut client = relay.connect().await;
    client.begin().await;
    client.send("DATA\r\nSubject: x\r\n\r\n.\r\n").await;
    assert_eq!(client.reply().await, out_of_step);
    assert!(client.is_closed().await);
    assert!(relay.messages().is_empty());
    relay.stop().await;
    let settings = Settings { forbid_unauth_pipelining: false, ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    client.send("EHLO me\r\nMAIL FROM:<>\r\n").await;
    assert!(client.reply().await.starts_with("250-"));
    assert_eq!(client.reply().await, "250 2.1.0 Ok");
    relay.stop().await;
}

/// Sends one octet after the other until the server has enough; its last words.
async fn trickle(client: Client) -> String {
    let (reading, mut writing) = client.stream.into_inner().into_split();
    let octets = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    let mut said = String::new();
    timeout(PATIENCE, BufReader::new(reading).read_line(&mut said)).await.expect("in time").expect("reads");
    timeout(PATIENCE, octets).await.expect("closed").expect("no panic");
    said.trim_end().to_owned()
}

#[tokio::test]
async fn commands_and_messages_that_trickle_in_are_not_waited_for() {
    let settings = Settings { idle_timeout: Duration::from_millis(300), ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let farewell = "421 4.4.2 relay.example Error: timeout exceeded";
    assert_eq!(trickle(relay.connect().await).await, farewell);
    let mut client = relay.connect().await;
    client.begin().await;
    assert!(client.say("DATA").await.starts_with("354"));
    assert_eq!(trickle(client).await, farewell);
    assert_eq!(relay.messages().len(), 0);
    relay.stop().await;
}

#[tokio::test]
async fn a_session_has_an_end_but_not_inside_a_message() {
    let settings = Settings { session_time: Duration::from_millis(200), ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let (mut idle, mut busy) = (relay.connect().await, relay.connect().await);
    busy.begin().await;
    assert!(busy.say("DATA").await.starts_with("354"));
    let farewell = "421 4.4.2 relay.example Error: session time exceeded";
    assert_eq!(idle.reply().await, farewell);
    assert!(busy.say("Subject: x\r\n.").await.starts_with("250"));
    assert_eq!(busy.reply().await, farewell);
    relay.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_takes_only_its_own_message_along() {
    let relay = Relay::start(Pipeline::default()).await;
    let (mut vanishing, mut other) = (relay.connect().await, relay.connect().await);
    vanishing.begin().await;
    vanishing.say("DATA").await;
    vanishing.send("Subject: lost\r\n\r\n.").await;
    drop(vanishing);
    assert!(other.message("Subject: kept\r\n").await.starts_with("250"));
    relay.shutdown.send(true).expect("it listens");
    let Relay { server, spool, .. } = relay;
    timeout(PATIENCE, server.finished()).await.expect("stops");
    let messages = spool.messages.lock().expect("no panic");
    assert_eq!(messages.len(), 1);
    assert!(octets(&messages[0]).ends_with(b"Subject: kept\r\n"));
}

#[tokio::test]
async fn shutdown_lets_a_message_come_in_and_sends_the_idle_away() {
    let relay = Relay::start(Pipeline::default()).await;
    let (mut idle, mut busy) = (relay.connect().await, relay.connect().await);
    busy.begin().await;
    busy.say("DATA").await;
    busy.send("Subject: x\r\n").await;
    relay.shutdown.send(true).expect("it listens");
    let farewell = "421 4.3.2 relay.example Error: service shutting down";
    assert_eq!(idle.reply().await, farewell);
    assert!(idle.is_closed().await);
    assert!(busy.say(".").await.starts_with("250 2.0.0 Ok: queued as "));
    assert_eq!(busy.reply().await, farewell);
    assert!(TcpStream::connect(relay.server.addresses()[0].1).await.is_err(), "nobody listens");
    let spool = Arc::clone(&relay.spool);
    timeout(PATIENCE, relay.server.finished()).await.expect("stops");
    assert_eq!(spool.messages.lock().expect("no panic").len(), 1);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let settings = Settings { drain_timeout: Duration::from_millis(50), ..settings() };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    client.begin().await;
    client.say("DATA").await;
    relay.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let relay = Relay::start(Pipeline::default()).await;
    let taken = relay.server.addresses()[0].1;
    let settings = Settings { listeners: vec![ListenerSettings::new("second", vec![taken])], ..settings() };
    let (_shutdown, stop) = watch::channel(false);
    let started = Server::start(
        settings,
        Arc::default(),
        Arc::new(MemorySpool::default()),
        crate::events::Observers::default(),
        stop,
    )
    .await;
    let error = started.err().expect("taken").to_string();
    assert!(error.starts_with(&format!("listener second: can't listen on {taken}: ")), "{error}");
}

#[tokio::test]
async fn several_listeners_serve() {
    let loopback = "127.0.0.1:0".parse().expect("an address");
    let listeners =
        vec![ListenerSettings::new("a", vec![loopback, loopback]), ListenerSettings::new("b", vec![loopback])];
    let relay = Relay::with(Settings { listeners, ..settings() }, Pipeline::default(), MemorySpool::default()).await;
    let names: Vec<String> = relay.server.addresses().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "a", "b"]);
    for (_, address) in relay.server.addresses() {
        let mut client = Client { stream: BufReader::new(TcpStream::connect(address).await.expect("connects")) };
        assert!(client.reply().await.starts_with("220"));
    }
    relay.stop().await;
}

#[tokio::test]
async fn new_settings_hold_for_new_connections_and_a_broken_address_changes_nothing() {
    let relay = Relay::start(Pipeline::default()).await;
    let mut old = relay.connect().await;
    let before = relay.server.addresses();
    let named = |hostname: &str, listeners| Settings { hostname: hostname.to_owned(), listeners, ..settings() };
    let any = |name: &str| ListenerSettings::new(name, vec!["127.0.0.1:0".parse().expect("an address")]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let clash = ListenerSettings::new("clash", vec![taken.local_addr().expect("bound")]);
    let broken = relay.server.renew(named("broken.example", vec![any("smtp"), any("new"), clash]), Arc::default());
    assert!(broken.is_err() && relay.server.addresses() == before);
    assert_eq!(relay.connect_silently().await.reply().await, "220 relay.example ESMTP Mailweir");

    relay.server.renew(named("new.example", vec![any("smtp"), any("new")]), Arc::default()).expect("renewed");
    let after = relay.server.addresses();
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(relay.connect_silently().await.reply().await, "220 new.example ESMTP Mailweir");
    assert_eq!(old.say("HELO client.example").await, "250 relay.example", "an open session ends as it began");

    relay.server.renew(named("new.example", vec![any("new")]), Arc::default()).expect("renewed");
    assert_eq!(relay.server.addresses(), after[1..]);
    for _ in 0..1000 {
        if TcpStream::connect(before[0].1).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert!(TcpStream::connect(before[0].1).await.is_err(), "given up");
    assert_eq!(old.say("NOOP").await, "250 2.0.0 Ok", "its sessions go on");
    old.say("QUIT").await;
    relay.stop().await;
}
