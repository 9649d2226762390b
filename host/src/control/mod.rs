//! Requests to the relay that runs: a socket in the state directory, which only the relay's user may open. A request is a line of JSON,
//! and so is the answer.

mod server;
#[cfg(test)]
mod tests;

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::spool::{Change, Changed, Selection};

pub use server::{Control, Handler};

/// What the relay is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// Change recipients of the queue.
    Queue {
        /// How.
        change: Change,
        /// Which.
        selection: Selection,
    },
    /// Read the configuration again, with its tables and filters.
    Reload,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The queue is changed.
    Changed(Changed),
    /// The new configuration holds; what somebody should look at.
    Reloaded(Vec<String>),
    /// The old configuration goes on; what is wrong with the new one, each with its place.
    Broken(Vec<String>),
    /// It could not do it.
    Failed(String),
}

/// The relay did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket can't be made, opened, read or written.
    #[error("{path}: {error}", path = path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// What came is no answer: the relay is of another version, or ended meanwhile.
    #[error("{path}: the relay gave no answer: {error}", path = path.display())]
    Nonsense {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// Ask the relay that works on this state directory; none when there is no such relay.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Option<Answer>, ControlError> {
    let path = socket(state_dir);
    let failed = |error| ControlError::Socket { path: path.clone(), error };
    let mut stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let nonsense = |error| ControlError::Nonsense { path: path.clone(), error };
    let request = serde_json::to_string(request).map_err(nonsense)?;
    writeln!(stream, "{request}").map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(failed)?;
    serde_json::from_str(&answer).map(Some).map_err(nonsense)
}

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("control")
}
