//! Who a client is that logs in (RFC 4954): its password against the hash in a table, slowly for those who guess.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep_until};

use super::{
    decide::Desk,
    password::{self, PasswordError, Scheme},
};
use crate::{
    events::{Event, Login, LoginRefusal},
    smtp::{Credentials, EnhancedCode, Reply},
    tables::{Table, TableError},
};

/// A reply to a failure waits as often `failure-delay` as there were failures, but not oftener than this.
const LONGEST_WAIT: u32 = 8;

/// `auth` of a listener.
#[derive(Clone)]
pub struct Auth {
    /// Name of the table.
    pub name: String,
    /// Its keys are names, its values hashes of passwords.
    pub users: Arc<dyn Table>,
    /// Whether passwords are taken without TLS, where anybody on the way can read them.
    pub without_tls: bool,
    /// Whether mail is taken only from those who have logged in.
    pub required: bool,
    /// After so many failures in an hour a client is not heard any more.
    pub failures: u32,
    /// How long a reply to the first failure takes.
    pub failure_delay: Duration,
}

/// Why a client is not who it says.
#[derive(Debug, thiserror::Error)]
enum AuthError {
    /// No such name, or not its password; which of them is nobody's business: `535 5.7.8`.
    #[error("authentication failed")]
    Wrong,
    /// It has guessed too often: `421 4.7.0`.
    #[error("too many failed logins")]
    TooMany,
    /// It isn't known: `454 4.7.0`.
    #[error("{0}")]
    Table(#[from] TableError),
    /// What the table has is no hash: `454 4.7.0`.
    #[error("{0}")]
    Hash(#[from] PasswordError),
    /// The relay is going: `454 4.7.0`.
    #[error("interrupted")]
    Interrupted,
}

impl AuthError {
    fn reply(&self, hostname: &str) -> Reply {
        match self {
            Self::Wrong => Reply::new(535, EnhancedCode(5, 7, 8), format!("Error: {self}")),
            Self::TooMany => Reply::new(421, EnhancedCode(4, 7, 0), format!("{hostname} Error: {self}")),
            Self::Table(_) | Self::Hash(_) | Self::Interrupted => {
                Reply::new(454, EnhancedCode(4, 7, 0), "Temporary authentication failure")
            }
        }
    }
}

/// Hashes are made to be slow: no more at a time than there are processors, so that the rest goes on.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// What is compared for a name that nobody has, so that it takes as long.
static DECOY: LazyLock<Result<String, PasswordError>> = LazyLock::new(|| Scheme::default().hash("nobody's"));

impl Auth {
    async fn verify(&self, credentials: &Credentials) -> Result<(), AuthError> {
        let (table, credentials) = (Arc::clone(&self.users), credentials.clone());
        let place = PLACES.acquire().await.map_err(|_| AuthError::Interrupted)?;
        let compared = spawn_blocking(move || match table.lookup(&credentials.login)? {
            Some(hash) => Ok(password::verify(&credentials.password, hash.trim())?),
            None => {
                let decoy = DECOY.as_ref().map_err(Clone::clone)?;
                password::verify(&credentials.password, decoy)?;
                Ok(false)
            }
        });
        let right = compared.await.map_err(|_| AuthError::Interrupted)?;
        drop(place);
        match right {
            Ok(true) => Ok(()),
            Ok(false) => Err(AuthError::Wrong),
            Err(error) => Err(error),
        }
    }
}

impl Desk {
    /// Take a login over, or say why not.
    pub(super) async fn authenticate(&mut self, credentials: &Credentials) -> Result<(), Reply> {
        let (begin, address, failed) = (Instant::now(), self.client.peer.ip(), &self.shared.failed_logins);
        let Some(auth) = &self.listener.settings.auth else {
            return Err(crate::smtp::CommandError::AuthNotEnabled.reply());
        };
        let verified = if failed.count(address, begin) < auth.failures {
            auth.verify(credentials).await
        } else {
            Err(AuthError::TooMany)
        };
        let login = &credentials.login;
        let Err(error) = verified else {
            self.tell_login(credentials, failed.count(address, begin), None);
            Arc::make_mut(&mut self.client).login = Some(login.clone());
            self.login_method = Some(credentials.mechanism.name());
            return Ok(());
        };
        if let AuthError::Table(_) | AuthError::Hash(_) = &error {
            tracing::error!(table = auth.name, login, "a password can't be compared: {error}");
        }
        let mut count = failed.count(address, begin);
        if matches!(error, AuthError::Wrong) {
            count = failed.add(address, begin);
            sleep_until((begin + auth.failure_delay * count.min(LONGEST_WAIT)).into()).await;
        }
        let (reason, reply) = (error.to_string(), error.reply(&self.shared.settings.hostname));
        self.tell_login(credentials, count, Some(LoginRefusal { reason: &reason, reply: &reply }));
        Err(reply)
    }

    fn tell_login(&self, credentials: &Credentials, failures: u32, refusal: Option<LoginRefusal<'_>>) {
        let Credentials { mechanism, login, .. } = credentials;
        let login = Login { client: &self.client, mechanism: *mechanism, login, failures, refusal };
        self.shared.observers.tell(&Event::Login(login));
    }
}
