//! Binds the addresses, accepts connections, counts sessions, and waits for them at the end.

use std::{
    io, mem,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, Mutex, PoisonError},
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
    events::{Event, Observers, Refused},
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
    spool: Arc<dyn Spool>,
    observers: Observers,
    ids: Arc<IdSource>,
    failed_logins: Arc<FailedLogins>,
    admission: Arc<Admission>,
    shutdown: watch::Receiver<bool>,
    open: Mutex<Open>,
}

/// The sockets that are listened on.
#[derive(Default)]
struct Open {
    sockets: Vec<OpenSocket>,
    acceptors: JoinSet<()>,
}

struct OpenSocket {
    /// As the settings have it; `address` has the port that the system chose.
    wanted: SocketAddr,
    address: SocketAddr,
    /// With what connections are served.
    service: watch::Sender<Option<Service>>,
    name: String,
}

/// With what a connection is served.
#[derive(Clone)]
struct Service {
    shared: Arc<Shared>,
    listener: Arc<Listener>,
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
        let admission = Arc::new(Admission::new(settings.max_sessions, settings.max_sessions_per_client));
        let (ids, failed_logins, open) = (Arc::new(IdSource::new()), Arc::default(), Mutex::default());
        let server = Self { spool, observers, ids, failed_logins, admission, shutdown, open };
        server.renew(settings, pipeline)?;
        Ok(server)
    }

    /// Serve new connections with these settings from now on; those that are open end as they began. New addresses are bound and old ones
    /// given up; where one can't be bound, nothing changes.
    pub fn renew(&self, settings: Settings, pipeline: Arc<Pipeline>) -> Result<(), ServerError> {
        let (spool, observers, ids) = (Arc::clone(&self.spool), self.observers.clone(), Arc::clone(&self.ids));
        let (memory, failed_logins) = (settings.memory(), Arc::clone(&self.failed_logins));
        let shared = Arc::new(Shared { settings, pipeline, spool, observers, memory, ids, failed_logins });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, new) = place(&shared, &open.sockets)?;
        self.admission.resize(shared.settings.max_sessions, shared.settings.max_sessions_per_client);
        let mut sockets = Vec::new();
        for (index, socket) in mem::take(&mut open.sockets).into_iter().enumerate() {
            match kept.iter().find(|(place, _)| *place == index) {
                Some((_, service)) => {
                    socket.service.send_replace(Some(service.clone()));
                    sockets.push(OpenSocket { name: service.listener.settings.name.clone(), ..socket });
                }
                None => {
                    tracing::info!(listener = socket.name, address = %socket.address, "not listening any more");
                    socket.service.send_replace(None);
                }
            }
        }
        while open.acceptors.try_join_next().is_some() {}
        for (service, wanted, address, listener) in new {
            let name = service.listener.settings.name.clone();
            tracing::info!(listener = name, %address, "listening");
            let (sender, services) = watch::channel(Some(service.clone()));
            sockets.push(OpenSocket { name, wanted, address, service: sender });
            let (admission, shutdown) = (Arc::clone(&self.admission), self.shutdown.clone());
            open.acceptors.spawn(Acceptor { service, services, admission, shutdown }.run(listener));
        }
        open.sockets = sockets;
        Ok(())
    }

    /// Where it listens, with the ports that the system chose: the listener's name and one address, for each address.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.sockets.iter().map(|socket| (socket.name.clone(), socket.address)).collect()
    }

    /// Wait until the shutdown is complete: no session is left.
    pub async fn finished(&self) {
        stopped(&mut self.shutdown.clone()).await;
        let mut acceptors = mem::take(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner).acceptors);
        while acceptors.join_next().await.is_some() {}
    }
}

/// Which of the open sockets stay, and new ones for the other addresses.
fn place(shared: &Arc<Shared>, open: &[OpenSocket]) -> Result<(Vec<Kept>, Vec<New>), ServerError> {
    let (mut kept, mut new): (Vec<Kept>, Vec<New>) = (Vec::new(), Vec::new());
    for settings in &shared.settings.listeners {
        let session = Arc::new(shared.settings.session(settings));
        let listener = Arc::new(Listener { settings: settings.clone(), session });
        let service = Service { shared: Arc::clone(shared), listener };
        for &wanted in &settings.addresses {
            let name = &settings.name;
            // Of several with port 0 each listener has its own.
            let is_it = |socket: &OpenSocket| socket.wanted == wanted && (wanted.port() != 0 || socket.name == *name);
            let is_free = |index: usize| kept.iter().all(|(place, _)| *place != index);
            match open.iter().enumerate().find(|(index, socket)| is_it(socket) && is_free(*index)) {
                Some((index, _)) => kept.push((index, service.clone())),
                None => {
                    let failed = |source| ServerError::Listen { listener: name.clone(), address: wanted, source };
                    let socket = bind(wanted).and_then(TcpListener::from_std).map_err(failed)?;
                    let address = socket.local_addr().map_err(failed)?;
                    new.push((service.clone(), wanted, address, socket));
                }
            }
        }
    }
    Ok((kept, new))
}

/// The place of an open socket that stays.
type Kept = (usize, Service);

/// A socket that has just been bound: its address as it was wanted, and as it is.
type New = (Service, SocketAddr, SocketAddr, TcpListener);

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
    service: Service,
    /// What comes after `service`; none ends the listening.
    services: watch::Receiver<Option<Service>>,
    admission: Arc<Admission>,
    shutdown: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut self.shutdown) => break,
                changed = self.services.changed() => {
                    let next = self.services.borrow_and_update().clone();
                    let Some(service) = next.filter(|_| changed.is_ok()) else { break };
                    self.service = service;
                }
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
        self.finish(sessions).await;
    }

    /// Sessions of an address that is given up may go on; those of a relay that stops have their time.
    async fn finish(mut self, mut sessions: JoinSet<()>) {
        loop {
            tokio::select! {
                () = stopped(&mut self.shutdown) => break,
                ended = sessions.join_next() => match ended {
                    Some(ended) => report(ended),
                    None => return,
                },
            }
        }
        let drained = async {
            while let Some(ended) = sessions.join_next().await {
                report(ended);
            }
        };
        if timeout(self.service.shared.settings.drain_timeout, drained).await.is_err() {
            tracing::warn!(sessions = sessions.len(), "sessions cut off at shutdown");
            sessions.shutdown().await;
        }
    }

    fn admit(&self, mut stream: TcpStream, peer: SocketAddr, sessions: &mut JoinSet<()>) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        if self.service.listener.settings.proxies.is_empty() {
            if let Some((connection, place)) = self.begin(stream, peer) {
                sessions.spawn(serve(connection, place));
            }
            return;
        }
        let mut acceptor = self.clone();
        sessions.spawn(async move {
            let client = tokio::select! {
                () = stopped(&mut acceptor.shutdown) => return,
                client = proxy::client(&mut stream, peer, &acceptor.service.listener.settings.proxies) => client,
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
        let settings = &self.service.shared.settings;
        let trusted = settings.trusts(peer.ip());
        let client = Client { peer, name: None, helo: None, tls: None, login: None, trusted };
        let place = match self.admission.admit(peer.ip(), trusted) {
            Ok(place) => place,
            Err(crowded) => {
                let reply = crowded.reply(&settings.hostname);
                self.service.shared.observers.tell(&Event::Refused(Refused::connection(&client, &reply)));
                turn_away(stream, &reply);
                return None;
            }
        };
        // Replies are written in one piece; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(client = %peer, "set_nodelay: {error}");
        }
        let desk = Desk::new(Arc::clone(&self.service.shared), Arc::clone(&self.service.listener), client);
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
