//! Traces for OpenTelemetry, sent to a collector by OTLP over HTTP: a span for each message that comes in and for each recipient at
//! an attempt to deliver, and below it one for each filter that ran.
//!
//! Nobody waits for the collector: spans that it doesn't take in time are dropped and counted.

mod endpoint;
mod export;
mod http;
mod spans;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointError};
pub use export::{Telemetry, TelemetryError};
