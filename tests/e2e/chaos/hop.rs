//! A next hop in changing moods: it takes mail, puts it off, refuses it, says nothing, or cuts the connection, in every phase.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::ledger::Ledger;
use crate::random::Random;

/// Longer than the relay waits.
const SILENCE: Duration = Duration::from_secs(3);

/// Where a next hop misbehaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connect,
    Hello,
    Mail,
    Rcpt,
    Data,
    /// In the middle of the message.
    Within,
    /// After the final dot.
    Dot,
}

const PHASES: [Phase; 7] =
    [Phase::Connect, Phase::Hello, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Within, Phase::Dot];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Later,
    Never,
    Silent,
    Cut,
}

/// The next hop. Its threads end with the test.
pub(crate) struct Hop {
    pub(crate) address: SocketAddr,
    /// No tricks any more.
    good: Arc<AtomicBool>,
}

impl Hop {
    pub(crate) fn start(ledger: Ledger, mut random: Random) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, good) = (listener.local_addr().expect("an address"), Arc::new(AtomicBool::new(false)));
        let is_good = Arc::clone(&good);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (ledger, good, random) = (ledger.clone(), Arc::clone(&is_good), fork(&mut random));
                thread::spawn(move || drop(Session::new(stream, ledger, good, random).and_then(Session::run)));
            }
        });
        Self { address, good }
    }

    pub(crate) fn be_good(&self) {
        self.good.store(true, Ordering::Relaxed);
    }
}

struct Session {
    lines: BufReader<TcpStream>,
    ledger: Ledger,
    good: Arc<AtomicBool>,
    random: Random,
    /// The trick of this transaction.
    trick: Option<(Phase, Manner)>,
    sender: String,
    recipients: Vec<String>,
}

impl Session {
    fn new(stream: TcpStream, ledger: Ledger, good: Arc<AtomicBool>, random: Random) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let lines = BufReader::new(stream);
        Ok(Self { lines, ledger, good, random, trick: None, sender: String::new(), recipients: Vec::new() })
    }

    fn run(mut self) -> io::Result<()> {
        self.choose();
        self.answer(Phase::Connect, "220 hop.example ESMTP")?;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.split([' ', ':', '\r']).next().unwrap_or_default() {
                "EHLO" => drop(self.answer(Phase::Hello, "250-hop.example\r\n250-PIPELINING\r\n250 8BITMIME")?),
                "MAIL" => {
                    if !self.recipients.is_empty() {
                        self.choose();
                    }
                    (self.sender, self.recipients) = (path(&line), Vec::new());
                    self.answer(Phase::Mail, "250 2.1.0 Ok")?;
                }
                "RCPT" => {
                    if self.answer(Phase::Rcpt, "250 2.1.5 Ok")? {
                        self.recipients.push(path(&line));
                    }
                }
                "DATA" => self.data()?,
                "QUIT" => return self.say("221 2.0.0 Bye"),
                _ => self.say("250 2.0.0 Ok")?,
            }
        }
    }

    fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.say("554 5.5.1 no valid recipients");
        }
        if !self.answer(Phase::Data, "354 Go")? {
            return Ok(());
        }
        let mut message = Vec::new();
        loop {
            let start = message.len();
            if self.lines.read_until(b'\n', &mut message)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if message.get(start..) == Some(b".\r\n") {
                break;
            }
            if self.trick.is_some_and(|(phase, _)| phase == Phase::Within) && message.len() > 500 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        match self.trick.filter(|(phase, _)| *phase == Phase::Dot) {
            // It was taken, but the relay can't know that.
            Some((_, Manner::Silent | Manner::Cut)) => self.take(&message, false),
            Some(_) => {}
            // Before the reply: once it is out, the relay may be killed and deliver again at any time.
            None => self.take(&message, true),
        }
        self.answer(Phase::Dot, "250 2.0.0 Ok")?;
        Ok(())
    }

    fn take(&self, message: &[u8], answered: bool) {
        if !self.sender.is_empty() {
            self.ledger.arrived(&self.recipients, answered);
            return;
        }
        let text = String::from_utf8_lossy(message);
        let mut failed = false;
        let mut recipient = None;
        for line in text.lines() {
            if let Some(address) = line.strip_prefix("Final-Recipient: rfc822; ") {
                (recipient, failed) = (Some(address.to_owned()), false);
            }
            failed |= line == "Action: failed";
            if let Some(address) = recipient.take_if(|_| failed) {
                self.ledger.bounced(&address);
            }
        }
    }

    /// Play the trick if it belongs here, else say what is usual; whether that was said.
    fn answer(&mut self, here: Phase, usual: &str) -> io::Result<bool> {
        let Some((_, manner)) = self.trick.filter(|(phase, _)| *phase == here) else {
            return self.say(usual).map(|()| true);
        };
        match manner {
            Manner::Later => self.say("451 4.3.0 later")?,
            // A report has nobody who could be told.
            Manner::Never if self.sender.is_empty() => self.say("451 4.3.0 later")?,
            Manner::Never => self.say("554 5.7.1 never")?,
            Manner::Silent => {
                thread::sleep(SILENCE);
                return Err(io::ErrorKind::TimedOut.into());
            }
            Manner::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        Ok(false)
    }

    /// Half of all transactions go well.
    fn choose(&mut self) {
        let plays = !self.good.load(Ordering::Relaxed) && self.random.percent(50);
        let manner = match self.random.below(8) {
            0..=2 => Manner::Later,
            3 => Manner::Never,
            4 => Manner::Silent,
            _ => Manner::Cut,
        };
        self.trick = plays.then(|| (PHASES[self.random.below(PHASES.len())], manner));
    }

    fn say(&mut self, reply: &str) -> io::Result<()> {
        self.lines.get_mut().write_all(format!("{reply}\r\n").as_bytes())
    }
}

/// Choices of somebody else's.
pub(super) fn fork(random: &mut Random) -> Random {
    Random::new(random.below(usize::MAX) as u64)
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(path, _)| path.to_owned())
}
