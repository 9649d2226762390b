//! A real Postfix of our own: its configuration, queue and data in a temporary folder, on loopback; the one of the system is not touched.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{relay::wait_until, setup::private};

/// Without what mail that is only relayed doesn't need.
const SERVICES: &str = "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
discard unix - - n - - discard
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

/// A running Postfix; it ends with its folder when dropped.
pub(crate) struct Postfix {
    folder: TempDir,
    starter: Child,
    address: SocketAddr,
}

/// Of the account that Debian's package makes.
fn account(flag: &str) -> u32 {
    let output = Command::new("id").args([flag, "postfix"]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().expect("there is an account `postfix` (`make tools`)")
}

impl Postfix {
    /// Start with these lines in `main.cf`; all mail is thrown away.
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        for name in ["etc", "queue", "data"] {
            fs::create_dir(path.join(name)).expect("a new folder");
        }
        chown(path.join("data"), Some(account("-u")), None).expect("Postfix is started as root");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        fs::write(path.join("etc/main.cf"), private(path) + settings).expect("written");
        fs::write(path.join("etc/master.cf"), format!("{address} inet n - n - - smtpd\n{SERVICES}")).expect("written");
        let log = fs::File::create(path.join("out")).expect("a file");
        let starter = Command::new("postfix")
            .arg("-c")
            .arg(path.join("etc"))
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("Postfix is needed for this test (`make tools`)");
        let postfix = Self { folder, starter, address };
        wait_until("Postfix listens", || TcpStream::connect(address).is_ok());
        postfix
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("out") + &read("log")
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.folder.path().join("queue/pid/master.pid")).unwrap_or_default();
        drop(Command::new("kill").arg(pid.trim()).status());
        drop(self.starter.wait());
        if thread::panicking() {
            eprintln!("--- what Postfix complained about ---");
            let complaints = ["warning", "error", "fatal", "panic"];
            let log = self.log();
            log.lines()
                .filter(|line| complaints.iter().any(|word| line.contains(word)))
                .for_each(|line| eprintln!("{line}"));
        }
    }
}
