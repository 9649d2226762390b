//! A small DNS server on loopback for tests, with its zone in the test: `"example.org MX 10 mx.example.org"`.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, MX, NS, PTR},
    },
};

/// What a row of the zone makes the server do.
enum Row {
    Data(RData),
    /// The name can't be asked now.
    Failure,
    /// No answer at all.
    Silence,
}

/// Answers until it is dropped. Names that no row has do not exist.
pub(crate) struct DnsServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DnsServer {
    /// Rows are `NAME TYPE DATA` with the types A, AAAA, CNAME, MX, NS and PTR, or `NAME SERVFAIL`, or `NAME SILENT`.
    pub(crate) fn start(rows: &[&str]) -> Self {
        let zone: Vec<_> = rows.iter().map(|row| parse(row)).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let address = socket.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut octets = [0; 1024];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut octets) else { continue };
                if let Some(reply) = answer(&zone, &octets[..length]) {
                    socket.send_to(&reply, peer).expect("sent");
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }

    /// For `[dns] servers`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the DNS server");
        }
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}

fn parse(row: &str) -> (Name, Row) {
    let words: Vec<_> = row.split(' ').collect();
    let data = match words[1..] {
        ["A", address] => RData::A(A(address.parse().expect(row))),
        ["AAAA", address] => RData::AAAA(AAAA(address.parse().expect(row))),
        ["CNAME", to] => RData::CNAME(CNAME(name(to))),
        ["MX", preference, host] => RData::MX(MX::new(preference.parse().expect(row), name(host))),
        ["NS", host] => RData::NS(NS(name(host))),
        ["PTR", host] => RData::PTR(PTR(name(host))),
        ["SERVFAIL"] => return (name(words[0]), Row::Failure),
        ["SILENT"] => return (name(words[0]), Row::Silence),
        _ => panic!("no row of a zone: {row}"),
    };
    (name(words[0]), Row::Data(data))
}

fn answer(zone: &[(Name, Row)], octets: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_vec(octets).ok()?;
    let query = request.queries.first()?.clone();
    let mut reply = Message::response(request.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.queries.push(query.clone());
    let mut wanted = query.name().clone();
    let mut exists = false;
    // An alias is followed, as a resolving server does.
    loop {
        let mut alias = None;
        for (owner, row) in zone.iter().filter(|(owner, _)| *owner == wanted) {
            exists = true;
            match row {
                Row::Silence => return None,
                Row::Failure => reply.metadata.response_code = ResponseCode::ServFail,
                Row::Data(data) => {
                    let is_alias = data.record_type() == RecordType::CNAME;
                    if is_alias || data.record_type() == query.query_type() {
                        reply.answers.push(Record::from_rdata(owner.clone(), 60, data.clone()));
                    }
                    if let RData::CNAME(CNAME(to)) = data {
                        alias = Some(to.clone());
                    }
                }
            }
        }
        let Some(next) = alias else { break };
        wanted = next;
    }
    if !exists {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    reply.to_vec().ok()
}
