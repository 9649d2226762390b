//! A real Exim of our own on loopback: its configuration, spool and log in a temporary folder.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, chown},
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{postfix::account, relay::wait_until};

/// Debian has no Exim beside Postfix; `make tools` unpacks its program here.
const EXIM: &str = "/opt/mailweir-test/exim/usr/sbin/exim4";

/// A running Exim that passes everything on.
pub(crate) struct Exim {
    folder: TempDir,
    daemon: Child,
    address: SocketAddr,
}

impl Exim {
    pub(crate) fn start(next_hop: SocketAddr) -> Self {
        Self::with(next_hop, "", "")
    }

    /// The same with more lines for its transport, and with authenticators.
    pub(crate) fn with(next_hop: SocketAddr, transport: &str, authenticators: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        let user = account("Debian-exim");
        for name in ["spool", "log"] {
            fs::create_dir(path.join(name)).expect("a new folder");
            chown(path.join(name), Some(user), None).expect("Exim is started as root");
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let shown = path.display();
        let config = format!(
            "exim_path = {EXIM}\nkeep_environment =\nspool_directory = {shown}/spool\nlog_file_path = {shown}/log/%slog\nprimary_hostname = peer.example\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {}\ntls_advertise_hosts =\nacl_smtp_rcpt = accept\n\
             begin routers\nall:\n  driver = manualroute\n  transport = out\n  route_list = * 127.0.0.1\n  self = send\n\
             begin transports\nout:\n  driver = smtp\n  port = {}\n  allow_localhost\n{transport}\n\
             begin authenticators\n{authenticators}\n",
            address.port(),
            next_hop.port()
        );
        fs::write(path.join("exim.conf"), config).expect("written");
        let out = fs::File::create(path.join("out")).expect("a file");
        let daemon = Command::new(EXIM)
            .arg("-C")
            .arg(path.join("exim.conf"))
            .args(["-bdf", "-q1m"])
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn()
            .expect("Exim is needed for this test (`make tools`)");
        let exim = Self { folder, daemon, address };
        wait_until("Exim listens", || TcpStream::connect(address).is_ok());
        exim
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.daemon.id().to_string()).status());
        drop(self.daemon.wait());
        if thread::panicking() {
            let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            eprintln!("--- log of Exim ---\n{}{}{}", read("out"), read("log/mainlog"), read("log/paniclog"));
        }
    }
}
