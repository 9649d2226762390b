//! A next hop that takes everything and remembers it to the last octet.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A message as the next hop got it.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// Argument of MAIL FROM without brackets and parameters.
    pub(crate) sender: String,
    /// Arguments of RCPT TO, likewise.
    pub(crate) recipients: Vec<String>,
    /// MAIL and RCPT as they were said.
    pub(crate) commands: Vec<String>,
    /// The message, dots unstuffed.
    pub(crate) data: Vec<u8>,
}

/// The next hop. Its thread ends with the test process.
#[derive(Clone)]
pub(crate) struct Sink {
    address: SocketAddr,
    delivered: Arc<Mutex<Vec<Delivered>>>,
}

impl Sink {
    /// Listen on a free port.
    pub(crate) fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    /// Listen on this port.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let delivered = Arc::new(Mutex::new(Vec::new()));
        let sink = Self { address, delivered };
        let taker = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let taker = taker.clone();
                thread::spawn(move || drop(taker.serve(stream)));
            }
        });
        sink
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All messages so far.
    pub(crate) fn delivered(&self) -> Vec<Delivered> {
        self.delivered.lock().expect("no sink thread panicked").clone()
    }

    /// How many messages there are so far.
    pub(crate) fn count(&self) -> usize {
        self.delivered.lock().expect("no sink thread panicked").len()
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut answer = stream.try_clone()?;
        let mut lines = BufReader::new(stream);
        let (mut sender, mut recipients, mut commands) = (String::new(), Vec::new(), Vec::new());
        answer.write_all(b"220 sink.example ESMTP\r\n")?;
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply: &[u8] = match verb.as_str() {
                "EHLO" => b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n",
                "MAIL" => {
                    (sender, recipients) = (path(&text), Vec::new());
                    commands = vec![text];
                    b"250 2.1.0 Ok\r\n"
                }
                "RCPT" => {
                    recipients.push(path(&text));
                    commands.push(text);
                    b"250 2.1.5 Ok\r\n"
                }
                "DATA" => {
                    answer.write_all(b"354 Go\r\n")?;
                    let data = read_data(&mut lines)?;
                    let (sender, recipients, commands) = (sender.clone(), recipients.clone(), commands.clone());
                    let message = Delivered { sender, recipients, commands, data };
                    self.delivered.lock().expect("no sink thread panicked").push(message);
                    b"250 2.0.0 Ok\r\n"
                }
                "QUIT" => b"221 2.0.0 Bye\r\n",
                _ => b"250 2.0.0 Ok\r\n",
            };
            answer.write_all(reply)?;
            if verb == "QUIT" {
                return Ok(());
            }
        }
    }
}

/// What stands between the angle brackets.
fn path(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(path, _)| path.to_owned())
}

fn read_data(lines: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        if lines.read_until(b'\n', &mut data)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match data.get(start..) {
            Some(b".\r\n") => {
                data.truncate(start);
                return Ok(data);
            }
            Some([b'.', ..]) => drop(data.remove(start)),
            _ => {}
        }
    }
}
