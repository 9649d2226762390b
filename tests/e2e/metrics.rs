//! The admin address: health, and metrics that add up to what clients sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    thread,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const CLIENTS: usize = 4;
const MESSAGES: usize = 25;
const FINE: &[u8] = b"Subject: fine\r\n\r\n";

/// Status line and body of a GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the admin address");
    let request = format!("GET {path} HTTP/1.1\r\nHost: relay.example.com\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

/// The admin address that the system chose.
pub(crate) fn admin(relay: &Relay) -> SocketAddr {
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("metrics")).expect("a line about it");
    let (_, address) = line.split_once("address=").expect("an address");
    address.trim().parse().expect("an address")
}

/// Each sample by its name with labels.
pub(crate) fn scrape(relay: &Relay) -> BTreeMap<String, f64> {
    let (status, body) = get(admin(relay), "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.ends_with("# EOF\n"), "{body}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    samples.map(sample).collect()
}

/// What a filter in `[[message]]` has counted.
fn counted(samples: &BTreeMap<String, f64>, metric: &str, filter: &str, label: &str) -> f64 {
    samples[&format!("mailweir_filter_{metric}{{list=\"message\",filter=\"{filter}\"{label}}}")]
}

#[test]
fn metrics_add_up_to_what_clients_sent() {
    let sink = Sink::start();
    let guests = env!("MAILWEIR_GUESTS");
    let config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[[message]]\nplugin = \"masquerade\"\nconfig.domains = [\"example.com\"]\n\
         [[message]]\nplugin = \"{guests}/misbehave.wasm\"\nname = \"broken\"\nconfig.act = \"panic\"\n\
         when = {{ header.subject = \"^panic\" }}\n"
    );
    let relay = Relay::start(&config, sink.address());
    assert_eq!(get(admin(&relay), "/healthz/live").0, "HTTP/1.1 200 OK");
    assert_eq!(get(admin(&relay), "/healthz/ready").0, "HTTP/1.1 200 OK");
    let address = relay.address();
    let sending = (0..CLIENTS).map(|_| {
        thread::spawn(move || {
            let mut client = Client::connect(address).expect("a session");
            for number in 0..MESSAGES {
                let broken = number % 5 == 0;
                let subject: &[u8] = if broken { b"Subject: panic\r\n\r\n" } else { FINE };
                let reply = client.send("a@h.example.com", &["b@example.net"], subject).expect("a reply");
                assert!(reply.starts_with(if broken { "451" } else { "250" }), "{reply}");
            }
            client.command("RCPT TO:<b@example.net>").expect("a reply");
        })
    });
    let sending: Vec<_> = sending.collect();
    // Scrapes in the middle of it hold nobody up, and never show more than there is.
    while !sending.iter().all(thread::JoinHandle::is_finished) {
        assert!(counted(&scrape(&relay), "duration_seconds_count", "masquerade", "") <= (CLIENTS * MESSAGES) as f64);
    }
    sending.into_iter().for_each(|one| one.join().expect("all are sent"));
    let (all, broken) = ((CLIENTS * MESSAGES) as f64, (CLIENTS * MESSAGES / 5) as f64);
    wait_until("all are delivered", || sink.count() as f64 == all - broken);
    wait_until("all clients are gone", || scrape(&relay)["mailweir_sessions_open"] == 0.0);
    wait_until("the queue is empty", || scrape(&relay)["mailweir_queue_recipients{state=\"leased\"}"] == 0.0);
    let samples = scrape(&relay);
    assert_eq!(counted(&samples, "duration_seconds_count", "masquerade", ""), all);
    assert_eq!(counted(&samples, "verdicts_total", "masquerade", ",verdict=\"next\""), all);
    assert_eq!(counted(&samples, "duration_seconds_count", "broken", ""), broken);
    assert_eq!(counted(&samples, "failures_total", "broken", ",kind=\"trap\""), broken);
    assert!(counted(&samples, "memory_peak_bytes", "masquerade", "") >= 65_536.0);
    assert_eq!(samples["mailweir_queue_oldest_age_seconds"], 0.0);
    let count = |metric: &str| samples[&format!("mailweir_{metric}")];
    assert_eq!((count("sessions_total"), count("sessions_open")), (CLIENTS as f64, 0.0));
    assert_eq!(count("sessions_ended_total{tls=\"no\",login=\"no\"}"), CLIENTS as f64);
    assert_eq!(count("messages_total{result=\"queued\"}"), all - broken);
    assert_eq!(count("messages_total{result=\"deferred\"}"), broken);
    assert_eq!(count("messages_taken_bytes_total"), (all - broken) * (FINE.len() as f64));
    assert_eq!(count("recipients_taken_total"), all - broken);
    assert_eq!(count("deliveries_total{result=\"delivered\"}"), all - broken);
    assert_eq!(count("delivery_delay_seconds_count"), all - broken);
    assert_eq!(count("refusals_total{command=\"RCPT\",class=\"5\"}"), CLIENTS as f64);
    assert!(samples["process_resident_memory_bytes"] > 0.0 && samples["process_cpu_seconds_total"] > 0.0);
}

#[test]
fn an_answer_that_is_refused_is_a_failure_in_every_list() {
    let (sink, guests) = (Sink::start(), env!("MAILWEIR_GUESTS"));
    let stage = |list: &str, more: &str| {
        let plugin = format!("plugin = \"{guests}/misbehave.wasm\"\nname = \"in-{list}\"");
        format!("[[{list}]]\n{plugin}\nconfig.act = \"inject-field\"\n{more}")
    };
    let stages = stage("session", "phases = [\"mail\"]\non-error = \"skip\"\n") + &stage("message", "");
    let relay = Relay::start(&format!("[admin]\naddress = \"127.0.0.1:0\"\n{stages}"), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@h.example.com", &["b@example.net"], FINE).expect("a reply");
    assert_eq!(reply, "451 4.3.0 Filter in-message failed, try again later");
    let samples = scrape(&relay);
    for list in ["session", "message"] {
        let labels = format!("list=\"{list}\",filter=\"in-{list}\",kind=\"invalid-answer\"");
        assert_eq!(samples[&format!("mailweir_filter_failures_total{{{labels}}}")], 1.0, "{list}");
        wait_until("it is logged", || {
            let log = relay.log();
            let lines = log.lines().filter(|line| line.contains(&format!("stage=\"in-{list}\"")));
            lines.filter(|line| line.contains("kind=InvalidAnswer")).count() == 1
        });
    }
}

#[test]
fn what_waits_is_counted() {
    let relay = Relay::start(
        "[admin]\naddress = \"127.0.0.1:0\"\n[queue]\nfirst-retry = \"1h\"\n",
        // Nobody listens there.
        SocketAddr::from(([127, 0, 0, 1], 9)),
    );
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@example.org", &["b@example.net", "c@example.net"], b"\r\n").expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
    wait_until("both wait", || scrape(&relay)["mailweir_queue_recipients{state=\"waiting\"}"] == 2.0);
    assert!(scrape(&relay)["mailweir_queue_oldest_age_seconds"] > 0.0);
    assert_eq!(get(admin(&relay), "/elsewhere").0, "HTTP/1.1 404 Not Found");
}

#[test]
fn an_address_for_everybody_is_warned_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
                  [admin]\naddress = \"0.0.0.0:9925\"\n[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:2526\"\n";
    fs::write(folder.path().join("mailweir.toml"), config).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
    let output = command.arg("check").current_dir(folder.path()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("mailweir.toml:5:11: warning: 0.0.0.0:9925 may be reached from elsewhere"), "{said}");
}

/// Words of a text that are names of our metrics.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("mailweir_") || word.starts_with("process_"));
    ours.map(str::to_owned).collect()
}

#[test]
fn dashboard_and_documentation_name_the_metrics_that_there_are() {
    let sink = Sink::start();
    let filter = "[[message]]\nplugin = \"masquerade\"\nconfig.domains = [\"example.com\"]\n";
    let relay = Relay::start(&format!("[admin]\naddress = \"127.0.0.1:0\"\n{filter}"), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.command("RCPT TO:<b@example.net>").expect("a refusal");
    drop(client);
    wait_until("the session has ended", || scrape(&relay)["mailweir_sessions_open"] == 0.0);
    let (_, text) = get(admin(&relay), "/metrics");
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples: BTreeSet<_> = samples.flat_map(|line| names(line.split('{').next().unwrap_or_default())).collect();
    let read = |file: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/monitoring");
        fs::read_to_string(folder.join(file)).expect("it is there")
    };
    let dashboard: serde_json::Value = serde_json::from_str(&read("grafana.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let shown = panels.iter().flat_map(|panel| panel["targets"].as_array().expect("queries"));
    let shown: BTreeSet<_> = shown.flat_map(|query| names(query["expr"].as_str().expect("a query"))).collect();
    assert!(shown.len() >= 15, "{shown:?}");
    assert_eq!(shown.difference(&samples).collect::<Vec<_>>(), Vec::<&String>::new(), "not in\n{text}");
    // Histograms are documented without their three suffixes.
    let plain = |name: &String| {
        let suffix = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
        suffix.unwrap_or(name).to_owned()
    };
    assert_eq!(names(&read("README.md")), samples.iter().map(plain).collect());
}
