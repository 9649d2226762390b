//! A real Postfix of our own: its configuration, queue and log in a temporary folder, on loopback; that of the system is not touched.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::relay::wait_until;

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
relay unix - - n - - smtp
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

impl Postfix {
    /// Start with these lines in `main.cf`; those that are set here as well count from there.
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        for name in ["etc", "queue", "data"] {
            fs::create_dir(path.join(name)).expect("a new folder");
        }
        chown(path.join("data"), Some(account("postfix")), None).expect("Postfix is started as root");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let shown = path.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {shown}/queue\ndata_directory = {shown}/data\nmaillog_file = {shown}/log\n\
             maillog_file_prefixes = {shown}\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = peer.example\n\
             mydestination =\nlocal_recipient_maps =\nalias_maps =\nnotify_classes =\n"
        );
        let name = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let is_set = |line: &str| settings.lines().any(|set| name(set) == name(line));
        let main: String = main.lines().filter(|line| !is_set(line)).map(|line| format!("{line}\n")).collect();
        let main = format!("{main}{settings}\n");
        fs::write(path.join("etc/main.cf"), main).expect("written");
        fs::write(path.join("etc/master.cf"), format!("{address} inet n - n - - smtpd\n{SERVICES}")).expect("written");
        let out = fs::File::create(path.join("out")).expect("a file");
        let starter = Command::new("postfix")
            .arg("-c")
            .arg(path.join("etc"))
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn()
            .expect("Postfix is needed for this test (`make tools`)");
        let postfix = Self { folder, starter, address };
        wait_until("Postfix listens", || TcpStream::connect(address).is_ok());
        postfix
    }

    /// Where it listens.
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
            eprintln!("--- log of Postfix ---\n{}", self.log());
        }
    }
}

/// The number of an account that Debian's package makes.
pub(crate) fn account(name: &str) -> u32 {
    let output = Command::new("id").args(["-u", name]).output().expect("id runs");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().unwrap_or_else(|_| panic!("there is no account `{name}` (`make tools`)"))
}
