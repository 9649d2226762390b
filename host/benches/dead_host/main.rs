//! What a long queue for a dead host costs the mail for one that is alive. Run with `cargo bench -p mailweir --bench dead_host`; another
//! number of messages for the dead host with `-- 10000`. The folders are made below TMPDIR: name a disk there, not a memory file system.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use mailweir::{
    delivery::{
        Delivery, DoubleBounces, OwnAddresses, Pattern, RetrySchedule, Route, Settings, Timeouts, Tls, TlsMode, Way,
    },
    dns::{DnsSettings, Resolver},
    events::Observers,
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    spool::{IdSource, NewMessage, Spool, SqliteSpool},
};
use tokio::sync::watch;

type Failed = Box<dyn std::error::Error>;

/// Messages for the host that is alive.
const LIVE: usize = 1000;
/// Octets of each message.
const SIZE: usize = 10_000;
const ROUNDS: usize = 3;

fn main() -> Result<(), Failed> {
    let dead: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{LIVE} messages of {SIZE} octets to a live host, alone and beside {dead} to a dead one");
    println!("{:>10} {:>12} {:>12} {:>14} {:>10}", "queue", "seconds", "messages/s", "RSS MiB", "probes");
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        for waiting in [0, dead] {
            rates.push(runtime.block_on(measure(waiting))?);
        }
    }
    let mean = |offset: usize| rates.iter().skip(offset).step_by(2).sum::<f64>() / ROUNDS as f64;
    println!("\nratio of the means, beside a dead host to alone: {:.2}", mean(1) / mean(0));
    Ok(())
}

/// Messages for the live host a second.
async fn measure(dead: usize) -> Result<f64, Failed> {
    let folder = tempfile::tempdir()?;
    let spool = Arc::new(SqliteSpool::open(folder.path())?);
    let ids = Arc::new(IdSource::new());
    let (taken, probes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (alive, gone) = (sink(Arc::clone(&taken))?, refuser(Arc::clone(&probes))?);
    let (stop, shutdown) = watch::channel(false);
    enqueue(&spool, &ids, "dead.example", dead).await?;
    let routes = vec![route("dead.example", gone), route("live.example", alive)];
    let delivery = Delivery::start(settings(routes)?, spool.clone(), Vec::new().into(), Observers::default(), shutdown);
    // Until all of them wait again.
    while dead > 0 && probes.load(Ordering::Relaxed) == 0 || spool.counts().await?.leased > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let begin = Instant::now();
    enqueue(&spool, &ids, "live.example", LIVE).await?;
    while taken.load(Ordering::Relaxed) < LIVE {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let rate = LIVE as f64 / seconds;
    let probes = probes.load(Ordering::Relaxed);
    println!("{:>10} {seconds:>12.2} {rate:>12.0} {:>14} {probes:>10}", dead, resident()? >> 20);
    stop.send_replace(true);
    delivery.finished().await;
    Ok(rate)
}

async fn enqueue(
    spool: &Arc<SqliteSpool>,
    ids: &Arc<IdSource>,
    domain: &'static str,
    count: usize,
) -> Result<(), Failed> {
    const SESSIONS: usize = 20;
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|session| {
            let (spool, ids) = (Arc::clone(spool), Arc::clone(ids));
            tokio::spawn(async move {
                for _ in (session..count).step_by(SESSIONS) {
                    spool.enqueue(message(ids.next(), domain)).await?;
                }
                Ok::<_, mailweir::spool::SpoolError>(())
            })
        })
        .collect();
    for session in sessions {
        session.await??;
    }
    Ok(())
}

fn message(id: String, domain: &str) -> NewMessage {
    let address = |text: &str| Address::parse(text).expect("an address");
    NewMessage {
        id,
        client: Arc::new(Client {
            peer: "192.0.2.1:40000".parse().expect("an address"),
            name: None,
            helo: None,
            tls: None,
            login: None,
            trusted: true,
        }),
        envelope: Envelope::new(
            ReversePath::Address(address("a@example.org")),
            vec![Recipient::new(address(&format!("b@{domain}")))],
        ),
        message: Message::parse(Bytes::from(
            [b"Subject: bench\r\n\r\n", "x".repeat(SIZE).as_bytes(), b"\r\n"].concat(),
        )),
        received: SystemTime::now(),
        hold: None,
        files: Vec::new(),
    }
}

fn route(domain: &str, address: SocketAddr) -> Route {
    Route {
        recipients: vec![Pattern::Domain(domain.to_owned())],
        senders: Vec::new(),
        way: Way::To(format!("smtp://{address}").parse().expect("a next hop")),
        tls: Tls::new(TlsMode::None, None, None).expect("no TLS"),
        login: None,
        concurrency: 20,
    }
}

fn settings(routes: Vec<Route>) -> Result<Settings, Failed> {
    Ok(Settings {
        hostname: "relay.example.com".to_owned(),
        routes,
        resolver: Resolver::new(&DnsSettings::default())?,
        own: OwnAddresses::default(),
        retry: RetrySchedule::default(),
        concurrency: 100,
        delay_warning: None,
        double_bounces: DoubleBounces::Hold,
        bounce_size: 50_000,
        timeouts: Timeouts::default(),
    })
}

/// A next hop that takes everything and counts it.
fn sink(taken: Arc<AtomicUsize>) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let taken = Arc::clone(&taken);
            thread::spawn(move || drop(serve(&stream, &taken)));
        }
    });
    Ok(address)
}

fn serve(stream: &TcpStream, taken: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut lines, mut out) = (BufReader::new(stream), stream);
    out.write_all(b"220 sink\r\n")?;
    let (mut line, mut in_data) = (Vec::new(), false);
    while lines.read_until(b'\n', &mut line)? > 0 {
        let reply: &[u8] = match (in_data, line.as_slice()) {
            (true, b".\r\n") => {
                in_data = false;
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 ok\r\n"
            }
            (true, _) => b"",
            (false, b"DATA\r\n") => {
                in_data = true;
                b"354 go\r\n"
            }
            (false, command) if command.starts_with(b"EHLO") => b"250-sink\r\n250 PIPELINING\r\n",
            _ => b"250 ok\r\n",
        };
        out.write_all(reply)?;
        line.clear();
    }
    Ok(())
}

/// A host that is dead for mail: it hangs up on everybody, and counts them.
fn refuser(probes: Arc<AtomicUsize>) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            probes.fetch_add(1, Ordering::Relaxed);
            drop(stream);
        }
    });
    Ok(address)
}

/// Memory in use, in octets.
fn resident() -> Result<u64, Failed> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}
