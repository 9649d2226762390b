//! Plays one dialogue against a relay.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use super::language::{Dialogue, Mistake, Step};
use crate::{certificates::Authority, client::Stream, tls_client};

/// Far more than any reply takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Play it to its end; what went otherwise, with the line of the file that says how it should have gone.
pub(super) fn play(dialogue: &Dialogue, server: SocketAddr, authority: &Authority) -> Result<(), Mistake> {
    let failed = |line: usize| move |error: io::Error| (line, error.to_string());
    let socket = connect(dialogue, server).map_err(failed(1))?;
    let plain: Box<dyn Stream> = Box::new(socket.try_clone().map_err(failed(1))?);
    let mut stream = BufReader::new(plain);
    let mut last = 1;
    for (line, step) in &dialogue.steps {
        last = *line;
        match step {
            Step::Send(octets) => {
                stream.get_mut().write_all(octets).map_err(failed(last))?;
                stream.get_mut().flush().map_err(failed(last))?;
            }
            Step::Secure if stream.buffer().is_empty() => {
                let secured = tls_client::connect(stream.into_inner(), "relay.example.com", &authority.pem());
                stream = BufReader::new(Box::new(secured));
            }
            Step::Secure => {
                return Err((last, format!("it went on: {}", String::from_utf8_lossy(stream.buffer()))));
            }
            Step::Closed => return end(&mut stream, last),
            Step::Line(wanted) => {
                let said = next_line(&mut stream).map_err(failed(last))?;
                if said != *wanted {
                    let said = String::from_utf8_lossy(&said).into_owned();
                    return Err((last, format!("it said `{said}`, not `{}`", String::from_utf8_lossy(wanted))));
                }
            }
            Step::Reply(code) => loop {
                let said = next_line(&mut stream).map_err(failed(last))?;
                match said.strip_prefix(code.as_bytes()) {
                    Some([b'-', ..]) => {}
                    Some([b' ', ..]) => break,
                    _ => return Err((last, format!("it said `{}`, not {code}", String::from_utf8_lossy(&said)))),
                }
            },
            Step::Pattern(pattern) => {
                let said = next_line(&mut stream).map_err(failed(last))?;
                let said = String::from_utf8_lossy(&said);
                if !pattern.is_match(&said) {
                    return Err((last, format!("it said `{said}`, which does not match")));
                }
            }
        }
    }
    socket.shutdown(Shutdown::Write).map_err(failed(last))?;
    end(&mut stream, last)
}

fn connect(dialogue: &Dialogue, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(dialogue.client, 0).into())?;
    socket.connect(&server.into())?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// One line without its CRLF, which every line must have.
fn next_line(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(line.to_vec()),
        None if line.is_empty() => Err(io::Error::other("it closed the connection")),
        None => Err(io::Error::other(format!("no line: {}", String::from_utf8_lossy(&line)))),
    }
}

/// Nothing more comes, and the connection is closed. A reset is a way to close, too, for a server that didn't read everything, and
/// so is an end without TLS's goodbye, for one that heard none.
fn end(stream: &mut impl Read, line: usize) -> Result<(), Mistake> {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Err(error) if ![io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof].contains(&error.kind()) => {
            Err((line, error.to_string()))
        }
        _ if rest.is_empty() => Ok(()),
        _ => Err((line, format!("it went on: {}", String::from_utf8_lossy(&rest)))),
    }
}
