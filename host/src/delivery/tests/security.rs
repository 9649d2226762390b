//! TLS and AUTH towards a next hop: what a route wants, and what happens where the server can't give it.

use std::path::PathBuf;

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server that has a certificate for `mx.example`, and the file of the authority that signed it.
struct Secure {
    next_hop: NextHop,
    authority: PathBuf,
    _folder: tempfile::TempDir,
}

impl Secure {
    async fn start(script: Script) -> Self {
        let mut ca = rcgen::CertificateParams::new(vec![]).expect("parameters");
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().expect("a key");
        let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = rcgen::CertificateParams::new(vec!["mx.example".to_owned()]).expect("parameters");
        let certificate = names.signed_by(&key, &issuer).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        let authority = folder.path().join("ca.pem");
        std::fs::write(&authority, ca_certificate.pem()).expect("written");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a server");
        let next_hop = NextHop::start_at("127.0.0.1:0", script, Some(TlsAcceptor::from(Arc::new(config)))).await;
        Self { next_hop, authority, _folder: folder }
    }

    /// Deliver one message; how many wait afterwards.
    async fn deliver(&self, tls: Tls, login: Option<Login>) -> u64 {
        deliver(&self.next_hop, tls, login).await
    }
}

async fn deliver(next_hop: &NextHop, tls: Tls, login: Option<Login>) -> u64 {
    attempt(next_hop, tls, login).await.0
}

/// How many messages wait after one attempt, and what was told of the connections.
async fn attempt(next_hop: &NextHop, tls: Tls, login: Option<Login>) -> (u64, Vec<String>) {
    let route = Route { tls, login, ..route(&format!("smtp://{}", next_hop.address)) };
    let bench = Bench::with_settings(settings(vec![route]), vec![]);
    bench.send("Q1", sender(), &["a@b.example"]).await;
    for _ in 0..3000 {
        let counts = bench.spool.counts().await.expect("counts");
        let tried = next_hop.count("connected") > 0 && counts.leased == 0;
        if tried {
            let told = bench.seen.lines();
            return (counts.waiting, told.into_iter().filter(|line| line.contains("contacted")).collect());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing happens");
}

fn tls(mode: TlsMode) -> Tls {
    Tls::new(mode, None, None).expect("TLS")
}

#[tokio::test]
async fn tls_is_used_where_it_is_offered() {
    let secure = Secure::start(vec![]).await;
    assert_eq!(secure.deliver(tls(TlsMode::May), None).await, 0);
    let heard = secure.next_hop.heard();
    assert_eq!(heard[1..4], ["EHLO relay.example.com", "STARTTLS", "EHLO relay.example.com"], "{heard:?}");
    let secure = Secure::start(vec![]).await;
    assert_eq!(secure.deliver(tls(TlsMode::None), None).await, 0);
    assert_eq!(secure.next_hop.count("STARTTLS"), 0);
}

#[tokio::test]
async fn tls_that_must_be_there_and_is_not_defers() {
    for mode in [TlsMode::May, TlsMode::Encrypt] {
        let next_hop = NextHop::start(vec![]).await;
        assert_eq!(deliver(&next_hop, tls(mode), None).await, u64::from(mode == TlsMode::Encrypt));
        let secure = Secure::start(vec![("STARTTLS", "454 4.7.0 not now")]).await;
        assert_eq!(secure.deliver(tls(mode), None).await, u64::from(mode == TlsMode::Encrypt));
    }
}

#[tokio::test]
async fn a_certificate_must_be_that_of_the_server() {
    for (name, waiting) in [(Some("mx.example"), 0), (Some("other.example"), 1), (None, 1)] {
        let secure = Secure::start(vec![]).await;
        let name = name.map(str::to_owned);
        let tls = Tls::new(TlsMode::Verify, name.clone(), Some(&secure.authority)).expect("TLS");
        assert_eq!(secure.deliver(tls, None).await, waiting, "{name:?}");
        assert_eq!(secure.next_hop.count("MAIL"), 1 - waiting as usize);
    }
    let stranger = Secure::start(vec![]).await;
    let secure = Secure::start(vec![]).await;
    let tls = Tls::new(TlsMode::Verify, Some("mx.example".to_owned()), Some(&stranger.authority)).expect("TLS");
    assert_eq!(secure.deliver(tls, None).await, 1, "signed by somebody else");
}

fn login(without_tls: bool) -> Option<Login> {
    let account = Account { user: "me".to_owned(), password: "secret".to_owned() };
    Some(Login { credentials: Credentials::Fixed(account), without_tls })
}

#[tokio::test]
async fn a_password_is_told_under_tls_only() {
    let offers = ("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250 AUTH LOGIN PLAIN");
    let secure = Secure::start(vec![offers]).await;
    assert_eq!(secure.deliver(tls(TlsMode::Encrypt), login(false)).await, 0);
    assert_eq!(secure.next_hop.count("AUTH PLAIN AG1lAHNlY3JldA=="), 1, "{:?}", secure.next_hop.heard());
    let offers = ("EHLO", "250-mx.example\r\n250 AUTH PLAIN");
    for (without_tls, waiting) in [(false, 1), (true, 0)] {
        let next_hop = NextHop::start(vec![offers]).await;
        assert_eq!(deliver(&next_hop, tls(TlsMode::May), login(without_tls)).await, waiting);
        assert_eq!(next_hop.count("AUTH"), usize::from(without_tls));
    }
}

#[tokio::test]
async fn login_is_spoken_where_there_is_no_plain() {
    let script = vec![
        ("EHLO", "250-mx.example\r\n250 AUTH LOGIN"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("bWU=", "334 UGFzc3dvcmQ6"),
        ("c2VjcmV0", "235 2.7.0 welcome"),
    ];
    let next_hop = NextHop::start(script).await;
    assert_eq!(deliver(&next_hop, tls(TlsMode::None), login(true)).await, 0);
}

#[tokio::test]
async fn a_login_that_does_not_work_defers() {
    for script in [
        vec![("EHLO", "250-mx.example\r\n250 AUTH PLAIN"), ("AUTH", "535 5.7.8 who?")],
        vec![("EHLO", "250-mx.example\r\n250 AUTH CRAM-MD5")],
        vec![("EHLO", "250 mx.example")],
    ] {
        let next_hop = NextHop::start(script).await;
        assert_eq!(deliver(&next_hop, tls(TlsMode::None), login(true)).await, 1);
        assert_eq!(next_hop.count("MAIL"), 0);
    }
}

#[tokio::test]
async fn connections_are_told_with_what_secures_them() {
    let secure = Secure::start(vec![]).await;
    let (_, told) = attempt(&secure.next_hop, tls(TlsMode::Encrypt), None).await;
    assert_eq!(told, ["contacted: TLS untrusted, login no"]);
    let offers = ("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250 AUTH PLAIN");
    let secure = Secure::start(vec![offers]).await;
    let verify = || Tls::new(TlsMode::Verify, Some("mx.example".to_owned()), Some(&secure.authority)).expect("TLS");
    let (_, told) = attempt(&secure.next_hop, verify(), login(false)).await;
    assert_eq!(told, ["contacted: TLS verified, login PLAIN"]);
    // Its handshake fails.
    let broken = NextHop::start(vec![offers]).await;
    let (waiting, told) = attempt(&broken, tls(TlsMode::May), None).await;
    assert_eq!(
        (waiting, &*told),
        (0, &["not contacted: tls".to_owned(), "contacted: TLS no, login no".to_owned()][..])
    );
    for (script, failed) in [
        (vec![("greeting", "554 no")], "greeting"),
        (vec![("EHLO", "250-mx.example\r\n250 AUTH PLAIN"), ("AUTH", "535 5.7.8 who?")], "auth"),
    ] {
        let next_hop = NextHop::start(script).await;
        let (waiting, told) = attempt(&next_hop, tls(TlsMode::None), login(true)).await;
        assert_eq!((waiting, told), (1, vec![format!("not contacted: {failed}")]));
    }
}
