//! The PROXY protocol, with HAProxy before the relay.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    client::Client,
    dns_server::DnsServer,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// HAProxy that passes everything on, in TCP.
struct HaProxy {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl HaProxy {
    /// `version` is how it says whom it speaks for: `send-proxy` or `send-proxy-v2`.
    fn start(version: &str, relay: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let config = format!(
            "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 30s\n  timeout client 60s\n  timeout server 60s\n\
             listen smtp\n  bind {address}\n  server relay {relay} {version}\n"
        );
        let path = folder.path().join("haproxy.cfg");
        fs::write(&path, config).expect("written");
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("haproxy is needed for this test (`make tools`)");
        let proxy = Self { child, address, _folder: folder };
        wait_until("HAProxy listens", || TcpStream::connect(address).is_ok());
        proxy
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Takes connections from one proxy; trusts one client, which is not it.
fn relay(proxy: &str, sink: &Sink) -> Relay {
    relay_with("", proxy, sink)
}

fn relay_with(rest: &str, proxy: &str, sink: &Sink) -> Relay {
    let text = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
         proxy = [\"{proxy}\"]\n[networks]\ntrusted = [\"127.0.0.7\"]\n\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n{rest}",
        sink.address()
    );
    Relay::with_config(tempfile::tempdir().expect("a folder"), &text)
}

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nbody\r\n";

#[test]
fn the_client_behind_haproxy_is_the_client() {
    for version in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c"] {
        let sink = Sink::start();
        let relay = relay("127.0.0.1", &sink);
        let haproxy = HaProxy::start(version, relay.address());
        let (_, mut trusted) = Client::greeted_from(Ipv4Addr::new(127, 0, 0, 7), haproxy.address).expect("a session");
        trusted.command("EHLO client.example.org").expect("a reply");
        let reply = trusted.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply");
        assert!(reply.starts_with("250"), "{version}: {reply}");
        wait_until("it is delivered", || sink.count() == 1);
        let data = String::from_utf8(sink.delivered().remove(0).data).expect("UTF-8");
        assert!(data.contains("from client.example.org (unknown [127.0.0.7])"), "{version}: {data}");
        let (_, mut stranger) = Client::greeted_from(Ipv4Addr::new(127, 0, 0, 8), haproxy.address).expect("a session");
        stranger.command("EHLO client.example.org").expect("a reply");
        let reply = stranger.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply");
        assert_eq!(reply, "554 5.7.1 <b@example.net>: Relay access denied");
        wait_until("it is logged", || relay.log().contains("client=127.0.0.8"));
    }
}

#[test]
fn others_are_not_heard() {
    let sink = Sink::start();
    let relay = relay("127.0.0.99", &sink);
    assert!(Client::greeted(relay.address()).is_err());
    wait_until("it is told", || relay.log().contains("it is no proxy of ours"));
}

#[test]
fn a_proxy_without_a_header_is_not_heard() {
    let sink = Sink::start();
    let relay = relay("127.0.0.1", &sink);
    let haproxy = HaProxy::start("", relay.address());
    assert!(Client::greeted(haproxy.address).is_err());
    wait_until("it is told", || relay.log().contains("no header in time"));
}

#[test]
fn the_name_of_the_client_is_asked_for_and_confirmed() {
    let sink = Sink::start();
    let dns = DnsServer::start(&[
        "7.2.0.192.in-addr.arpa PTR mx.example.org",
        "mx.example.org A 192.0.2.7",
        "8.2.0.192.in-addr.arpa PTR mx.example.org",
    ]);
    let rest = format!("[dns]\nservers = [\"{}\"]\n[relay]\ndomains = [\"example.net\"]\n", dns.address());
    let relay = relay_with(&rest, "127.0.0.1", &sink);
    // The second one only says that it has the name.
    for (client, name) in [("192.0.2.7", "mx.example.org"), ("192.0.2.8", "unknown")] {
        let mut stream = TcpStream::connect(relay.address()).expect("a connection");
        write!(stream, "PROXY TCP4 {client} 127.0.0.1 40000 25\r\n").expect("sent");
        let mut session = Client::over(stream);
        session.reply().expect("a greeting");
        session.command("EHLO client.example.org").expect("a reply");
        let before = sink.count();
        assert!(session.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply").starts_with("250"));
        wait_until("it is delivered", || sink.count() > before);
        let data = String::from_utf8(sink.delivered().remove(before).data).expect("UTF-8");
        assert!(data.contains(&format!("from client.example.org ({name} [{client}])")), "{data}");
    }
}
