//! From events to spans.
//!
//! No addresses of people go into them: traces are for how long things take, and are kept where many can read them.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::{
    events::{Attempted, Event, Fate, Observer, Received},
    pipeline::StageTime,
    smtp::Reply,
};

/// Makes spans and gives them to the one who sends them.
pub(super) struct Spans {
    hostname: String,
    scope: InstrumentationScope,
    sender: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

/// Where a span stands.
#[derive(Clone, Copy)]
struct Place {
    trace: TraceId,
    span: SpanId,
    parent: SpanId,
}

impl Place {
    fn below(self) -> Self {
        Self { span: RandomIdGenerator::default().new_span_id(), parent: self.span, ..self }
    }
}

impl Spans {
    pub(super) fn new(hostname: &str, sender: mpsc::Sender<SpanData>, dropped: Arc<AtomicU64>) -> Self {
        let scope = InstrumentationScope::builder("mailweir").with_version(env!("CARGO_PKG_VERSION")).build();
        Self { hostname: hostname.to_owned(), scope, sender, dropped }
    }

    /// The span of a message's receipt. It can be found again from the queue id: attempts that come later, maybe after a restart, stand
    /// in the same trace.
    fn message(&self, id: &str) -> Place {
        let digest: [u8; 32] =
            Sha256::new().chain_update(&self.hostname).chain_update([0]).chain_update(id).finalize().into();
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        for (to, from) in trace.iter_mut().chain(&mut span).zip(digest) {
            *to = from;
        }
        Place { trace: TraceId::from_bytes(trace), span: SpanId::from_bytes(span), parent: SpanId::INVALID }
    }

    fn received(&self, time: SystemTime, event: &Received<'_>) {
        let place = self.message(event.id);
        let result = match event.fate {
            Fate::Queued => "queued",
            Fate::Held(_) => "held",
            Fate::Discarded(_) => "discarded",
            Fate::Refused => "refused",
        };
        let mut attributes = about(event.id, result, event.size);
        attributes.push(KeyValue::new("mailweir.message.recipients", whole(event.envelope.recipients.len() as u64)));
        attributes.push(KeyValue::new("client.address", event.client.peer.ip().to_string()));
        attributes.extend(event.stage.map(|stage| KeyValue::new("mailweir.filter", stage.to_owned())));
        attributes.extend(reply(event.reply));
        let begin = time.checked_sub(event.elapsed).unwrap_or(time);
        self.filters(place, begin, event.filters);
        let status = if event.fate == Fate::Refused { Status::error("") } else { Status::Unset };
        self.give(place, SpanKind::Server, "receive", (begin, time), attributes, status);
    }

    fn attempted(&self, time: SystemTime, event: &Attempted<'_>) {
        let place = self.message(event.id).below();
        let domain = event.recipient.address.as_str().rsplit_once('@').map_or("", |(_, domain)| domain);
        let mut attributes = about(event.id, event.outcome.name(), event.size);
        attributes.push(KeyValue::new("mailweir.recipient.domain", domain.to_owned()));
        attributes.push(KeyValue::new("mailweir.destination", event.destination.to_owned()));
        attributes.extend(event.server.map(|server| KeyValue::new("server.address", server.to_owned())));
        let answer = event.outcome.reply();
        attributes.extend(answer.into_iter().flat_map(reply));
        let begin = time.checked_sub(event.delays.setup + event.delays.transfer).unwrap_or(time);
        self.filters(place, begin, event.filters);
        let failed = answer.is_some_and(Reply::refuses);
        let status = if failed { Status::error("") } else { Status::Unset };
        self.give(place, SpanKind::Client, "deliver", (begin, time), attributes, status);
    }

    /// One after the other from the beginning of what they stand in.
    fn filters(&self, above: Place, begin: SystemTime, filters: &[StageTime]) {
        let mut begin = begin;
        for StageTime { stage, elapsed } in filters {
            let end = begin + *elapsed;
            let attributes = vec![KeyValue::new("mailweir.filter", Arc::clone(stage))];
            let name = format!("filter {stage}");
            self.give(above.below(), SpanKind::Internal, name, (begin, end), attributes, Status::Unset);
            begin = end;
        }
    }

    fn give(
        &self,
        place: Place,
        span_kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        (start_time, end_time): (SystemTime, SystemTime),
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        let context = SpanContext::new(place.trace, place.span, TraceFlags::SAMPLED, false, TraceState::NONE);
        let span = SpanData {
            span_context: context,
            parent_span_id: place.parent,
            parent_span_is_remote: false,
            span_kind,
            name: name.into(),
            start_time,
            end_time,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        };
        if self.sender.try_send(span).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl Observer for Spans {
    fn observe(&self, time: SystemTime, event: &Event<'_>) {
        match event {
            Event::Received(event) => self.received(time, event),
            Event::Attempted(event) if event.tried => self.attempted(time, event),
            _ => {}
        }
    }
}

/// What each span of a message has.
fn about(id: &str, result: &'static str, size: u64) -> Vec<KeyValue> {
    vec![
        KeyValue::new("mailweir.queue_id", id.to_owned()),
        KeyValue::new("mailweir.result", result),
        KeyValue::new("mailweir.message.size", whole(size)),
    ]
}

/// What was answered, in numbers.
fn reply(reply: &Reply) -> impl Iterator<Item = KeyValue> {
    let code = KeyValue::new("smtp.reply_code", i64::from(reply.code));
    let enhanced = reply.enhanced.map(|code| KeyValue::new("smtp.enhanced_status_code", code.to_string()));
    [code].into_iter().chain(enhanced)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
