//! Where the collector is.

use std::{fmt, str::FromStr};

use opentelemetry_http::Request;

/// Where a collector takes traces, unless its address has a path (OTLP/HTTP).
const TRACES: &str = "/v1/traces";

/// The URL of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// This is no URL that traces can be sent to.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no address of a collector")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let request = Request::get(text).body(()).map_err(|_| wrong())?;
        let url = request.uri();
        let (host, port) = (url.host().unwrap_or_default(), url.port_u16());
        // A port that is no number is none for this library; nor are names and passwords for a collector.
        let plain = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_plain = url.authority().is_some_and(|authority| authority.as_str() == plain);
        if url.scheme_str() != Some("http") || host.is_empty() || !is_plain || url.query().is_some() {
            return Err(wrong());
        }
        let path = if url.path() == "/" { TRACES } else { "" };
        Ok(Self(format!("{}{path}", text.trim_end_matches('/'))))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
