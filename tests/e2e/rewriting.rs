//! The main job: swaks sends a multi-part message through the pipeline of `examples/demo.toml` to Postfix's smtp-sink.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use crate::{
    clients::{run, text},
    relay::{Relay, wait_until},
};

/// smtp-sink, writing each message to a file. It refuses to be root, so root gives it a folder for everybody.
struct SmtpSink {
    process: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl SmtpSink {
    fn start(folder: PathBuf) -> Self {
        fs::create_dir(&folder).expect("a new folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("a folder of ours");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let mut command = Command::new("/usr/sbin/smtp-sink");
        let user = run("id", &["-u"]);
        if user.stdout == b"0\n" {
            command.args(["-u", "nobody"]);
        }
        command.arg("-d").arg(folder.join("message-")).arg(address.to_string()).arg("10");
        let process = command.spawn().expect("smtp-sink is needed for this test (`make tools`)");
        wait_until("smtp-sink listens", || TcpStream::connect(address).is_ok());
        Self { process, address, folder }
    }

    /// The one message that came, without the lines that smtp-sink puts above it.
    fn message(&self) -> Option<String> {
        let file = fs::read_dir(&self.folder).expect("a folder").next()?.expect("a file");
        let dump = fs::read_to_string(file.path()).expect("UTF-8");
        let (_, message) = dump.split_once(" +0000 (UTC)\n").or_else(|| dump.split_once(")\n"))?;
        // The file is there before it is full.
        dump.ends_with("\n\n").then(|| message.to_owned())
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn the_demo_pipeline_rewrites_what_it_says_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a folder of ours");
    let sink = SmtpSink::start(folder.path().join("sink"));
    let relay_folder = tempfile::tempdir().expect("a temporary folder");
    symlink(env!("MAILWEIR_GUESTS"), relay_folder.path().join("filters")).expect("a link");
    let demo =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/demo.toml")).expect("demo.toml");
    let config = demo.replace("127.0.0.1:2525", "127.0.0.1:0").replace("127.0.0.1:2526", &sink.address.to_string());
    let relay = Relay::with_config(relay_folder, &config);

    let attachment = folder.path().join("all.bin");
    fs::write(&attachment, (0..=255).collect::<Vec<u8>>()).expect("an attachment");
    let (server, attachment) = (relay.address().to_string(), format!("@{}", attachment.display()));
    let send = |dump: bool| {
        let mut args = vec!["--server", &server, "--ehlo", "laptop.example.org", "--from", "joe@host7.lab.example.com"];
        args.extend(["--to", "user1@example.com", "--header", "From: Johnny B. Goode <joe@host7.lab.example.com>"]);
        args.extend([
            "--header",
            "Cc: \"Greg\" <user2@example.com>, (nobody) x@elsewhere.example",
            "--body",
            "text\n.\n",
        ]);
        args.extend(["--header", "Date: Tue, 24 Nov 2026 12:00:00 +0000", "--header", "Message-Id: <1@example.org>"]);
        args.extend([
            "--header",
            "MIME-Version: 1.0",
            "--header",
            "Subject: figures",
            "--attach-name",
            "all.bin",
            "--attach",
            &attachment,
        ]);
        if dump {
            args.push("--dump-mail");
        }
        run("swaks", &args)
    };
    let sent = send(false);
    assert!(sent.status.success(), "{}", text(&sent));
    wait_until("smtp-sink has the message", || sink.message().is_some());
    let received = sink.message().expect("a message");

    // swaks shows the message as it sends it, with dots doubled.
    let dumped = text(&send(true)).replace('\r', "").replace("\n..", "\n.");
    let expected = dumped
        .replace("To: user1@example.com\n", "To: jane.doe@example.com\n")
        .replace("From: Johnny B. Goode <joe@host7.lab.example.com>", "From: Johnny B. Goode <joe@example.com>")
        .replace("\"Greg\" <user2@example.com>, (nobody)", "\"Greg\" <greg@example.com>, (nobody)");
    assert_ne!(dumped, expected);
    let ours = received.split_once("\nDate: ").map(|(received, _)| received).expect("our Received field first");
    assert!(ours.starts_with("Received: from laptop.example.org (unknown [127.0.0.1])\n"), "{ours}");
    let without_ours = received.replacen(&format!("{ours}\n"), "", 1);
    let boundary = |message: &str| {
        message
            .split_once("boundary=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(boundary, _)| boundary.to_owned())
    };
    let (old, new) = (boundary(&expected).expect("a boundary"), boundary(&without_ours).expect("a boundary"));
    assert_eq!(without_ours.trim_end(), expected.replace(&old, &new).trim_end());
}
