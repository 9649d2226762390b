//! The relay's side of the socket.

use std::{
    fs::{self, Permissions},
    future::Future,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{Answer, ControlError, Request, socket};

/// Longest request in octets.
const LONGEST: u64 = 16 << 20;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between attempts when no connection can be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The one who does what is asked for.
pub trait Handler: Send + Sync + 'static {
    /// Do it for the operator with this uid, and say what came of it.
    fn answer(&self, request: Request, operator: u32) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>>;
}

/// The open socket; it is gone when this is dropped.
pub struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Control {
    /// Open the socket of a state directory. The caller has the only right to that directory: a socket that is there is a dead one.
    pub fn start(state_dir: &Path, handler: Arc<dyn Handler>) -> Result<Self, ControlError> {
        let path = socket(state_dir);
        let open = || -> io::Result<UnixListener> {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = open().map_err(|error| ControlError::Socket { path: path.clone(), error })?;
        Ok(Self { path, task: tokio::spawn(listen(listener, handler)) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        drop(fs::remove_file(&self.path));
    }
}

async fn listen(listener: UnixListener, handler: Arc<dyn Handler>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let handler = Arc::clone(&handler);
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, &*handler).await {
                        tracing::warn!("control: {error}");
                    }
                });
            }
            Err(error) => {
                tracing::warn!("control: {error}");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn serve(stream: UnixStream, handler: &dyn Handler) -> io::Result<()> {
    let operator = stream.peer_cred()?.uid();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut request = (&mut stream).take(LONGEST);
    timeout(PATIENCE, request.read_line(&mut line)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => handler.answer(request, operator).await,
        Err(error) => Answer::Failed(format!("this request is not understood: {error}")),
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    stream.write_all(&answer).await
}
