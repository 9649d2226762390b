//! The relay under test: the real binary with a configuration of its own in a temporary folder.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running relay; stopped, and its folder removed, when dropped.
pub(crate) struct Relay {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    environment: Vec<(String, String)>,
}

impl Relay {
    /// Start with this configuration; hostname, state directory, listener and the route to `sink` are added here.
    pub(crate) fn start(config: &str, sink: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("state");
        Self::start_in(folder, &state, config, sink)
    }

    /// The same, with what belongs above all tables.
    pub(crate) fn start_with_head(head: &str, config: &str, sink: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = format!(
            "{head}hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
             [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{sink}\"\n{config}"
        );
        Self::with_config(folder, &text)
    }

    /// The same with a state directory somewhere else.
    pub(crate) fn start_in(folder: TempDir, state: &Path, config: &str, sink: SocketAddr) -> Self {
        let text = format!(
            "hostname = \"relay.example.com\"\nstate-dir = \"{}\"\n\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\n\
             [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{sink}\"\n\n{config}",
            state.display()
        );
        Self::with_config(folder, &text)
    }

    /// Start with a whole configuration, in a folder that has what it names.
    pub(crate) fn with_config(folder: TempDir, text: &str) -> Self {
        Self::with_environment(folder, text, Vec::new())
    }

    /// The same with these environment variables.
    pub(crate) fn with_environment(folder: TempDir, text: &str, environment: Vec<(String, String)>) -> Self {
        fs::write(folder.path().join("mailweir.toml"), text).expect("the configuration is written");
        let (child, address, log) = launch(folder.path(), &environment);
        Self { child, folder, address, log, environment }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything the relay has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log reader is alive").join("\n")
    }

    /// The end of a command that is given this relay's configuration.
    pub(crate) fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
        command.args(args).current_dir(self.folder.path()).output().expect("mailweir runs")
    }

    /// The folder of the configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIGKILL, at once and without a word.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the relay can be killed");
        self.child.wait().expect("the relay ends");
    }

    /// Start again on the same state; the address changes.
    pub(crate) fn restart(&mut self) {
        (self.child, self.address, self.log) = launch(self.folder.path(), &self.environment);
    }

    /// Send a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        Command::new("kill").args([&signal, &pid]).status().expect("kill runs");
    }

    /// SIGTERM, and wait for the end. Returns whether the relay said that it ended well.
    pub(crate) fn stop(&mut self) -> bool {
        self.signal("TERM");
        wait_until("the relay ends after SIGTERM", || self.child.try_wait().expect("a status").is_some());
        self.child.wait().expect("the relay ends").success()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("--- log of the relay ---\n{}", self.log());
        }
    }
}

fn launch(folder: &Path, environment: &[(String, String)]) -> (Child, SocketAddr, Arc<Mutex<Vec<String>>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["serve", "--config", "mailweir.toml"])
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the relay starts");
    let stderr = child.stderr.take().expect("stderr is piped");
    let log = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = mpsc::channel();
    let lines = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line.contains("listening")
                && let Some(address) = listening_address(&line)
            {
                tell.send(address).ok();
            }
            lines.lock().expect("the test is alive").push(line);
        }
    });
    match told.recv_timeout(START_TIMEOUT) {
        Ok(address) => (child, address, log),
        Err(_) => {
            drop(child.kill());
            panic!("the relay did not start:\n{}", log.lock().expect("the log reader is alive").join("\n"));
        }
    }
}

/// `address=127.0.0.1:25`, or the same in JSON.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("address=").or_else(|| line.split_once("\"address\":\""))?;
    rest.split([' ', '"']).next()?.parse().ok()
}

/// Wait for something that has to happen soon; a bound against hanging, not a measurement.
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "waited 60 s in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
