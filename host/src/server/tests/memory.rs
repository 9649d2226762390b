//! Messages that find no room in memory while they come in.

use super::*;

/// Room for one large message and a bit.
fn narrow(overflow: PathBuf) -> Settings {
    Settings { size_limit: 100_000, memory: 120_000, overflow, ..settings() }
}

fn large(mark: &str) -> String {
    let lines = format!("{mark} {}\r\n", "x".repeat(60)).repeat(1200);
    format!("Subject: {mark}\r\n\r\n{lines}")
}

/// A message but for its end.
async fn most_of(client: &mut Client, raw: &str) {
    client.begin().await;
    assert!(client.say("DATA").await.starts_with("354"));
    client.send(raw).await;
}

#[tokio::test]
async fn what_finds_no_room_is_in_a_file_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let relay = Relay::with(narrow(folder.path().to_owned()), Pipeline::default(), MemorySpool::default()).await;
    let mut clients = Vec::new();
    for mark in ["one", "two", "three"] {
        let mut client = relay.connect().await;
        most_of(&mut client, &large(mark)).await;
        clients.push(client);
    }
    for client in &mut clients {
        let reply = client.say(".").await;
        assert!(reply.starts_with("250"), "{reply}");
    }
    let messages = relay.messages();
    for mark in ["one", "two", "three"] {
        assert!(messages.iter().any(|message| octets(message).ends_with(large(mark).as_bytes())), "{mark}");
    }
    assert_eq!(folder.path().read_dir().expect("the folder").count(), 0);
    relay.stop().await;
}

#[tokio::test]
async fn without_any_room_a_message_is_refused_and_the_session_goes_on() {
    let settings = Settings { memory: 2048, ..narrow(PathBuf::from("/nowhere")) };
    let relay = Relay::with(settings, Pipeline::default(), MemorySpool::default()).await;
    let mut client = relay.connect().await;
    most_of(&mut client, &large("x")).await;
    assert_eq!(client.say(".").await, "452 4.3.1 Error: insufficient system storage");
    most_of(&mut client, "Subject: small\r\n").await;
    assert!(client.say(".").await.starts_with("250"));
    relay.stop().await;
}
