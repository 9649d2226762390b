//! Traces by OTLP: what a collector gets, and that nobody waits for it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    trace::v1::Span,
};
use prost::Message;

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// Head and body of a request.
type Request = (String, Vec<u8>);

/// A collector that remembers what it got.
#[derive(Clone)]
struct Collector {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let collector = Self { address: listener.local_addr().expect("an address"), requests: Arc::default() };
        let taker = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let taker = taker.clone();
                thread::spawn(move || taker.serve(stream));
            }
        });
        collector
    }

    /// Requests of one connection, until it is closed.
    fn serve(&self, mut stream: TcpStream) {
        let mut input = BufReader::new(stream.try_clone().expect("a second handle"));
        loop {
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                if input.read_line(&mut line).unwrap_or_default() == 0 {
                    return;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            input.read_exact(&mut body).expect("a body");
            self.requests.lock().expect("no thread panicked").push((head, body));
            let answer = ExportTraceServiceResponse::default().encode_to_vec();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(&[head.into_bytes(), answer].concat()).expect("an answer");
        }
    }

    /// All spans so far, with the attributes of their resource.
    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().expect("no thread panicked");
        let decoded = requests.iter().map(|(_, body)| ExportTraceServiceRequest::decode(&**body).expect("OTLP"));
        decoded
            .flat_map(|request| request.resource_spans)
            .flat_map(|of| of.scope_spans)
            .flat_map(|of| of.spans)
            .collect()
    }
}

fn telemetry(collector: SocketAddr) -> String {
    format!("[telemetry]\notlp = \"http://{collector}\"\n")
}

/// Value of an attribute as text.
fn attribute(span: &Span, key: &str) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key} of {span:?}: {other:?}"),
    }
}

#[test]
fn a_message_is_a_trace_with_a_span_for_each_filter() {
    let (sink, collector) = (Sink::start(), Collector::start());
    let masquerade = |list: &str, name: &str| {
        format!("[[{list}]]\nplugin = \"masquerade\"\nname = \"{name}\"\nconfig.domains = [\"{name}.example\"]\n")
    };
    let stages = [masquerade("message", "one"), masquerade("message", "two"), masquerade("delivery", "three")].concat();
    let mut relay = Relay::start(&format!("{}{stages}", telemetry(collector.address)), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    for _ in 0..3 {
        let reply = client.send("joe@one.example", &["secret@example.net"], b"Subject: x\r\n\r\n").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
    }
    wait_until("all are delivered", || sink.count() == 3);
    // What was not sent yet is sent at the end.
    assert!(relay.stop());
    let mut traces: BTreeMap<Vec<u8>, Vec<Span>> = BTreeMap::new();
    for span in collector.spans() {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    assert_eq!(traces.len(), 3);
    for spans in traces.values() {
        let named =
            |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
        let (receive, deliver) = (named("receive"), named("deliver"));
        assert_eq!((spans.len(), receive.parent_span_id.len()), (5, 0));
        assert_eq!(deliver.parent_span_id, receive.span_id);
        assert_eq!(attribute(receive, "mailweir.queue_id"), attribute(deliver, "mailweir.queue_id"));
        assert_eq!(attribute(receive, "mailweir.result"), "queued");
        assert_eq!(attribute(deliver, "mailweir.result"), "delivered");
        assert_eq!(attribute(deliver, "smtp.reply_code"), "250");
        let mut last = receive.start_time_unix_nano;
        for (name, above) in [("filter one", receive), ("filter two", receive), ("filter three", deliver)] {
            let filter = named(name);
            assert_eq!(filter.parent_span_id, above.span_id, "{name}");
            assert!(filter.start_time_unix_nano >= last.min(above.start_time_unix_nano), "{name}: {spans:?}");
            assert!(filter.end_time_unix_nano <= above.end_time_unix_nano, "{name}: {spans:?}");
            last = filter.end_time_unix_nano;
        }
    }
    for (head, body) in collector.requests.lock().expect("no thread panicked").iter() {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
        let people = [&b"secret"[..], b"joe"];
        assert!(
            !people.iter().any(|name| body.windows(name.len()).any(|part| part == *name)),
            "no addresses of people"
        );
    }
}

#[test]
fn mail_does_not_wait_for_a_collector_that_is_away() {
    let sink = Sink::start();
    // Nobody listens there.
    let mut relay = Relay::start(&telemetry(SocketAddr::from(([127, 0, 0, 1], 9))), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    for _ in 0..50 {
        let reply = client.send("a@example.org", &["b@example.net"], b"\r\n").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
    }
    wait_until("all are delivered", || sink.count() == 50);
    wait_until("it is told", || relay.log().contains("the collector takes no spans"));
    drop(client);
    assert!(relay.stop());
    assert_eq!(relay.log().matches("the collector takes no spans").count(), 1);
}
