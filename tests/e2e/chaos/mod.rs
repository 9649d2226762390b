//! Everything goes wrong at once: next hops in all moods, SIGKILL, a full disk, a clock that jumps, configurations that are read again. At
//! the end each message that got 250 is delivered, bounced or in the queue; delivered twice only where the reply to the final dot, or the
//! relay that read it, was lost.
//!
//! `make chaos ROUNDS=50 SEED=1` says how much of it; `make test` has two rounds.

mod hop;
mod ledger;

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::{hop::Hop, ledger::Ledger};
use crate::{client::Client, full_disk::SmallDisk, random::Random, relay::Relay};

const SESSIONS: usize = 8;
/// Next hops, each with a domain of its own.
const HOPS: usize = 3;
/// How long the queue may take to be worked off at the end; what remains counts as queued.
const CALM: Duration = Duration::from_secs(120);
/// Changes the time of day of a program that is loaded with it; Debian's libfaketime.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Within the lifetime of mail, so that it isn't returned.
const CLOCKS: [&str; 5] = ["-1d", "-1h", "+0", "+1h", "+2d"];

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Chaos {
    relay: Relay,
    hops: Vec<Hop>,
    ledger: Ledger,
    random: Random,
    /// Where there may be one.
    disk: Option<SmallDisk>,
    clock: PathBuf,
    /// What was done, for the report.
    done: Vec<&'static str>,
    _mount_point: tempfile::TempDir,
}

#[test]
fn what_got_250_is_accounted_for() {
    let (rounds, seed) = (setting("ROUNDS", 2), setting("SEED", 1));
    let mut chaos = Chaos::start(seed);
    for round in 0..rounds {
        chaos.round(round);
    }
    let queued = chaos.calm_down();
    let sums = chaos.ledger.sums(&queued);
    println!("seed {seed}, {rounds} rounds: {}", chaos.summary());
    println!(
        "{} recipients got 250: {} delivered, {} bounced, {} queued, {} lost; {} delivered again after a lost reply, {} without a reason",
        sums.accepted,
        sums.delivered,
        sums.bounced,
        sums.queued,
        sums.lost.len(),
        sums.twice,
        sums.twice_for_nothing.len()
    );
    assert!(sums.accepted > 20, "{} got 250: no load", sums.accepted);
    assert!(sums.lost.is_empty(), "SEED={seed}: lost {:?}", sums.lost);
    assert!(sums.twice_for_nothing.is_empty(), "SEED={seed}: twice {:?}", sums.twice_for_nothing);
}

impl Chaos {
    fn start(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ledger = Ledger::default();
        let hops: Vec<_> = (0..HOPS).map(|_| Hop::start(ledger.clone(), hop::fork(&mut random))).collect();
        let (folder, mount_point) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let disk = SmallDisk::mount(&mount_point.path().join("disk"), "192m");
        let place = disk.as_ref().map_or_else(|| mount_point.path().to_owned(), |disk| disk.0.clone());
        let clock = mount_point.path().join("clock");
        fs::write(&clock, "+0\n").expect("written");
        let mut environment = Vec::new();
        if Path::new(FAKETIME).exists() {
            let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            environment = vec![
                set("LD_PRELOAD", FAKETIME),
                set("FAKETIME_TIMESTAMP_FILE", &clock.to_string_lossy()),
                set("FAKETIME_CACHE_DURATION", "1"),
                set("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
                set("DONT_FAKE_MONOTONIC", "1"),
                set("NO_FAKE_STAT", "1"),
            ];
        } else {
            eprintln!("the clock doesn't jump: {FAKETIME} isn't there");
        }
        let text = config(&place.join("state"), &hops, "");
        let relay = Relay::with_environment(folder, &text, environment);
        Self { relay, hops, ledger, random, disk, clock, done: Vec::new(), _mount_point: mount_point }
    }

    /// Some trouble under load, and a kill at the end.
    fn round(&mut self, round: u64) {
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let (stop, ledger, address) = (Arc::clone(&stop), self.ledger.clone(), self.relay.address());
                let (name, random) = (format!("r{round}-s{session}"), hop::fork(&mut self.random));
                thread::spawn(move || send(address, &name, random, &stop, &ledger))
            })
            .collect();
        for _ in 0..3 {
            self.pause();
            self.trouble();
        }
        self.pause();
        self.relay.kill();
        self.ledger.killed();
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().for_each(|sender| sender.join().expect("no client panicked"));
        self.relay.restart();
    }

    fn pause(&mut self) {
        thread::sleep(Duration::from_millis(20 + self.random.below(400) as u64));
    }

    fn trouble(&mut self) {
        let trouble =
            self.random.pick(&["a new configuration", "a broken configuration", "a full disk", "another time"]);
        match trouble {
            "a new configuration" => {
                self.reload("[[message]]\nplugin = \"masquerade\"\nconfig.domains = [\"example.org\"]")
            }
            "a broken configuration" => self.reload("[[message]]\nplugin = \"nothing\""),
            "a full disk" => self.fill(),
            _ => fs::write(&self.clock, format!("{}\n", CLOCKS[self.random.below(CLOCKS.len())])).expect("written"),
        }
        self.done.push(trouble);
    }

    fn reload(&mut self, extra: &str) {
        let place = self.place();
        let path = self.relay.folder().join("mailweir.toml");
        fs::write(&path, config(&place, &self.hops, extra)).expect("written");
        self.relay.signal("HUP");
        self.pause();
        // The next start needs one that works.
        fs::write(&path, config(&place, &self.hops, "")).expect("written");
    }

    fn place(&self) -> PathBuf {
        let folder = self.clock.parent().expect("a folder");
        self.disk.as_ref().map_or_else(|| folder.to_owned(), |disk| disk.0.clone()).join("state")
    }

    /// To the last octet, for a moment.
    fn fill(&mut self) {
        let Some(filling) = self.disk.as_ref().map(|disk| disk.0.join("filling")) else { return };
        let mut file = fs::File::create(&filling).expect("a file");
        while file.write_all(&[0; 1 << 16]).is_ok() {}
        self.pause();
        fs::remove_file(&filling).expect("removed");
    }

    /// All goes well from now on: who still waits, once nothing moves any more.
    fn calm_down(&mut self) -> Vec<String> {
        self.hops.iter().for_each(Hop::be_good);
        fs::write(&self.clock, "+0\n").expect("written");
        let end = Instant::now() + CALM;
        loop {
            drop(self.relay.command(&["queue", "flush"]));
            thread::sleep(Duration::from_millis(500));
            let queued = self.queued();
            if queued.is_empty() || Instant::now() > end {
                return queued;
            }
        }
    }

    fn queued(&self) -> Vec<String> {
        let output = self.relay.command(&["queue", "list", "--json"]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let messages = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let recipients = messages.flat_map(|message| message["recipients"].as_array().cloned().unwrap_or_default());
        recipients.filter_map(|recipient| recipient["address"].as_str().map(str::to_owned)).collect()
    }

    fn summary(&self) -> String {
        let kinds: BTreeSet<_> = self.done.iter().collect();
        let count = |kind: &&str| self.done.iter().filter(|one| *one == kind).count();
        kinds.into_iter().map(|kind| format!("{} x {kind}", count(kind))).collect::<Vec<_>>().join(", ")
    }
}

fn config(state: &Path, hops: &[Hop], extra: &str) -> String {
    let route = |(number, hop): (usize, &Hop)| {
        format!("[[route]]\ndomains = [\"d{number}.example\"]\nnext-hop = \"smtp://{}\"\n", hop.address)
    };
    let routes: String = hops.iter().enumerate().map(route).collect();
    format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"{}\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
         [spool]\nreserve = \"48MiB\"\n[queue]\nfirst-retry = \"200ms\"\nlongest-retry = \"1s\"\nconnect-timeout = \"1s\"\n\
         command-timeout = \"1s\"\ndata-timeout = \"1s\"\n{routes}[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n{extra}\n",
        state.display(),
        hops[0].address
    )
}

/// Send until the relay is gone. What has 250 is noted after it.
fn send(address: SocketAddr, name: &str, mut random: Random, stop: &AtomicBool, ledger: &Ledger) {
    let Ok(mut client) = Client::connect(address) else { return };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let recipient = |index| format!("{name}-{number}-{index}@d{}.example", (number + index) % HOPS);
        let recipients: Vec<String> = (0..=random.below(3)).map(recipient).collect();
        // Now and then one that lies in a file beside the database.
        let size = if random.percent(3) { 300_000 } else { 2_000 };
        let message = format!("Subject: {name}\r\n\r\n{}\r\n", "0123456789abcdef\r\n".repeat(size / 18));
        let to: Vec<&str> = recipients.iter().map(String::as_str).collect();
        match client.send("from@host.example.org", &to, message.as_bytes()) {
            Ok(reply) if reply.starts_with("250") => ledger.accepted(&recipients),
            // Such as 452: not taken.
            Ok(_) => drop(client.command("RSET")),
            Err(_) => return,
        }
        thread::sleep(Duration::from_millis(random.below(20) as u64));
    }
}
