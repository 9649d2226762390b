//! A real Dovecot of our own on loopback: mailboxes by LMTP, and who may log in, for Postfix.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{postfix::account, relay::wait_until};

/// A running Dovecot with the mailboxes of `jane@example.net` and `joe@example.net`, passwords `secret`.
pub(crate) struct Dovecot {
    folder: TempDir,
    master: Child,
    address: SocketAddr,
}

impl Dovecot {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        fs::create_dir(path.join("mail")).expect("a new folder");
        let mail = account("mail");
        chown(path.join("mail"), Some(mail), Some(mail)).expect("Dovecot is started as root");
        let users = ["jane", "joe"].map(|user| {
            format!("{user}@example.net:{{PLAIN}}secret:{mail}:{mail}::{}/mail/{user}::\n", path.display())
        });
        fs::write(path.join("users"), users.concat()).expect("written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        fs::write(path.join("dovecot.conf"), config(path, address)).expect("written");
        let out = fs::File::create(path.join("out")).expect("a file");
        let master = Command::new("dovecot")
            .args(["-F", "-c"])
            .arg(path.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn()
            .expect("Dovecot is needed for this test (`make tools`)");
        let dovecot = Self { folder, master, address };
        wait_until("Dovecot listens", || TcpStream::connect(address).is_ok() && dovecot.socket("auth").exists());
        dovecot
    }

    /// Where it takes mail by LMTP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One of its Unix sockets: `lmtp` or `auth`.
    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The messages in a mailbox.
    pub(crate) fn mailbox(&self, user: &str) -> Vec<String> {
        let folder = self.folder.path().join("mail").join(user).join("Maildir/new");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok()).collect()
    }
}

fn config(folder: &Path, address: SocketAddr) -> String {
    let (folder, port) = (folder.display(), address.port());
    format!(
        "base_dir = {folder}/run\nstate_dir = {folder}/state\nlog_path = {folder}/log\nprotocols = lmtp\nssl = no\nlisten = 127.0.0.1\n\
         auth_mechanisms = plain login\nmail_location = maildir:~/Maildir\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
         passdb {{\n driver = passwd-file\n args = {folder}/users\n}}\nuserdb {{\n driver = passwd-file\n args = {folder}/users\n}}\n\
         service lmtp {{\n inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {port}\n }}\n unix_listener {folder}/lmtp {{\n  mode = 0666\n }}\n}}\n\
         service auth {{\n unix_listener {folder}/auth {{\n  mode = 0666\n }}\n}}\n"
    )
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.master.id().to_string()).status());
        drop(self.master.wait());
        if thread::panicking() {
            let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            eprintln!("--- log of Dovecot ---\n{}{}", read("out"), read("log"));
        }
    }
}
