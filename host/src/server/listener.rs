//! Binds the addresses, accepts connections, counts sessions, and waits for them at the end.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    admission::{Admission, Place},
    connection::{Connection, stopped},
    decide::{Desk, Listener, Shared},
    failed_logins::FailedLogins,
    proxy,
    settings::Settings,
};
use crate::{
    events::Observers,
    mail::Client,
    pipeline::Pipeline,
    smtp::Reply,
    spool::{IdSource, Spool},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long to wait when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, isn't ours, or the port is a privileged one.
    #[error("listener {listener}: can't listen on {address}: {source}")]
    Listen {
        /// NAME of `[listen.NAME]`.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A running server. Dropping it ends all sessions at once.
pub struct Server {
    addresses: Vec<(String, SocketAddr)>,
    listeners: JoinSet<()>,
}

impl Server {
    /// Bind all addresses, or none, and serve until `shutdown` becomes true.
    pub async fn start(
        settings: Settings,
        pipeline: Arc<Pipeline>,
        spool: Arc<dyn Spool>,
        observers: Observers,
        shutdown: watch::Receiver<bool>,
    ) -> Result<Self, ServerError> {
        let mut bound = vec![];
        for listener in &settings.listeners {
            let (name, session) = (&listener.name, Arc::new(settings.session(listener)));
            let shared = Arc::new(Listener { settings: listener.clone(), session });
            for &address in &listener.addresses {
                let failed = |source| ServerError::Listen { listener: name.clone(), address, source };
                let socket = bind(address).and_then(TcpListener::from_std).map_err(failed)?;
                let address = socket.local_addr().map_err(failed)?;
                tracing::info!(listener = name, %address, "listening");
                bound.push((Arc::clone(&shared), address, socket));
            }
        }
        let memory = settings.memory();
        let admission = Arc::new(Admission::new(settings.max_sessions, settings.max_sessions_per_client));
        let shared = Arc::new(Shared {
            settings,
            pipeline,
            spool,
            observers,
            memory,
            ids: IdSource::new(),
            failed_logins: FailedLogins::default(),
        });
        let (mut addresses, mut listeners) = (vec![], JoinSet::new());
        for (listener, address, socket) in bound {
            addresses.push((listener.settings.name.clone(), address));
            let (shared, admission) = (Arc::clone(&shared), Arc::clone(&admission));
            let acceptor = Acceptor { shared, listener, admission, shutdown: shutdown.clone() };
            listeners.spawn(acceptor.run(socket));
        }
        Ok(Self { addresses, listeners })
    }

    /// Where it listens, with the ports that the system chose: the listener's name and one address, for each address.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Wait until the shutdown is complete: no session is left.
    pub async fn finished(mut self) {
        while self.listeners.join_next().await.is_some() {}
    }
}

/// `[::]` stands for IPv6 only, so that it can stand beside `0.0.0.0` with the same port on every system.
fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts on one address.
#[derive(Clone)]
struct Acceptor {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    admission: Arc<Admission>,
    shutdown: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut self.shutdown) => break,
                Some(ended) = sessions.join_next() => report(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &mut sessions),
                    Err(error) => {
                        tracing::warn!("accept: {error}");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        let drained = async {
            while let Some(ended) = sessions.join_next().await {
                report(ended);
            }
        };
        if timeout(self.shared.settings.drain_timeout, drained).await.is_err() {
            tracing::warn!(sessions = sessions.len(), "sessions cut off at shutdown");
            sessions.shutdown().await;
        }
    }

    fn admit(&self, mut stream: TcpStream, peer: SocketAddr, sessions: &mut JoinSet<()>) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.listener.settings.proxies.is_empty() {
            if let Some((connection, place)) = self.begin(stream, peer) {
                sessions.spawn(serve(connection, place));
            }
            return;
        }
        let mut acceptor = self.clone();
        sessions.spawn(async move {
            let client = tokio::select! {
                () = stopped(&mut acceptor.shutdown) => return,
                client = proxy::client(&mut stream, peer, &acceptor.listener.settings.proxies) => client,
            };
            match client.map(|client| acceptor.begin(stream, client)) {
                Ok(Some((connection, place))) => serve(connection, place).await,
                Ok(None) => {}
                Err(error) => tracing::warn!(%peer, "PROXY protocol: {error}"),
            }
        });
    }

    /// A session with this client, if there is a place for it.
    fn begin(&self, stream: TcpStream, peer: SocketAddr) -> Option<(Connection<TcpStream>, Place)> {
        let settings = &self.shared.settings;
        let (trusted, hostname) = (settings.trusts(peer.ip()), &settings.hostname);
        let place = match self.admission.admit(peer.ip(), trusted) {
            Ok(place) => place,
            Err(crowded) => {
                tracing::warn!(client = %peer, "{crowded}");
                turn_away(stream, &crowded.reply(hostname));
                return None;
            }
        };
        // Replies are written in one piece; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(client = %peer, "set_nodelay: {error}");
        }
        let client = Client { peer, name: None, helo: None, tls: None, login: None, trusted };
        let desk = Desk::new(Arc::clone(&self.shared), Arc::clone(&self.listener), client);
        Some((Connection::new(stream, desk, self.shutdown.clone()), place))
    }
}

async fn serve(connection: Connection<TcpStream>, place: Place) {
    connection.run().await;
    drop(place);
}

/// Say that there is no room, without waiting for a client that doesn't listen.
fn turn_away(stream: TcpStream, reply: &Reply) {
    let mut words = BytesMut::new();
    reply.write(&mut words);
    let told = stream.into_std().and_then(|mut stream| io::Write::write_all(&mut stream, &words));
    if let Err(error) = told {
        tracing::debug!("421: {error}");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a session panicked: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_may_have_one_port() {
        let v4 = bind("0.0.0.0:0".parse().expect("an address")).expect("binds");
        let port = v4.local_addr().expect("bound").port();
        match bind(format!("[::]:{port}").parse().expect("an address")) {
            Ok(_) => {}
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse, "{error}"),
        }
    }
}
