//! A state directory without room: 4xx, never 250, never the end of the relay; with room again, all is well again.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// A small file system of its own.
pub(crate) struct SmallDisk(pub(crate) PathBuf);

impl SmallDisk {
    /// None where that isn't allowed.
    pub(crate) fn mount(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir(at).expect("a new folder");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at).status();
        let disk = mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()));
        if disk.is_none() {
            eprintln!("skipped: mounting a small file system needs root");
        }
        disk
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_defers_and_recovers() {
    let mount_point = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(&mount_point.path().join("disk"), "6m") else { return };
    let sink = Sink::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let relay = Relay::start_in(folder, &disk.0.join("state"), "[spool]\nreserve = 0", sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");

    let filling = disk.0.join("filling");
    fs::write(&filling, vec![0; 16 << 20]).expect_err("the disk is smaller than that");
    let message = format!("Subject: big\r\n\r\n{}", "0123456789abcdef\r\n".repeat(5000));
    let mut refused = String::new();
    for _ in 0..20 {
        let reply = client.send("a@example.org", &["b@example.net"], message.as_bytes()).expect("a reply");
        if !reply.starts_with("250") {
            refused = reply;
            break;
        }
    }
    assert!(refused.starts_with("452 4.3.1"), "{refused:?}");

    fs::remove_file(&filling).expect("room again");
    wait_until("mail is accepted again", || {
        let reply = client.send("a@example.org", &["after@example.net"], b"Subject: small\r\n\r\n.\r\n");
        reply.expect("a reply").starts_with("250")
    });
    wait_until("it is delivered", || {
        sink.delivered().iter().any(|message| message.recipients == ["after@example.net"])
    });
}

/// Send until the relay wants no more: how many it took, and what it says then.
fn fill(client: &mut Client) -> (usize, String) {
    let message = format!("Subject: big\r\n\r\n{}", "0123456789abcdef\r\n".repeat(5000));
    let mut accepted = 0;
    loop {
        let reply = client.send("a@example.org", &["b@example.net"], message.as_bytes()).expect("a reply");
        if !reply.starts_with("250") {
            return (accepted, reply);
        }
        accepted += 1;
    }
}

#[test]
fn a_queue_that_fills_the_disk_leaves_room_to_work_it_off() {
    let mount_point = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(&mount_point.path().join("disk"), "96m") else { return };
    let next_hop = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = "[spool]\nreserve = \"40MiB\"\n[queue]\nfirst-retry = \"1s\"\nlongest-retry = \"2s\"";
    let mut relay = Relay::start_in(folder, &disk.0.join("state"), config, next_hop);
    let mut client = Client::connect(relay.address()).expect("a session");
    let (accepted, refused) = fill(&mut client);
    assert_eq!(refused, "452 4.3.1 Error: insufficient system storage");
    assert!(accepted > 100, "only {accepted}");
    let small = client.command("MAIL FROM:<a@example.org> SIZE=1").expect("a reply");
    assert!(small.starts_with("452"), "the room is for the queue: {small}");

    relay.kill();
    relay.restart();
    let mut client = Client::connect(relay.address()).expect("a session");
    let sink = Sink::start_at(next_hop);
    wait_until("the queue is worked off", || sink.count() >= accepted);
    // The database doesn't get smaller: what is free inside it counts.
    wait_until("mail is taken again", || {
        let reply = client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n");
        reply.expect("a reply").starts_with("250")
    });
}
