//! A state directory without room: 4xx, never 250, never the end of the relay; with room again, all is well again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// A small file system of its own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).expect("a new folder");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
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
    let Some(disk) = SmallDisk::mount(&mount_point.path().join("disk")) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let sink = Sink::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let relay = Relay::start_in(folder, &disk.0.join("state"), "", sink.address());
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
