//! `[telemetry]`: where traces go.

use super::{diagnostic::Diagnostic, reader::Section};
use crate::telemetry::{Endpoint, EndpointError};

/// `[telemetry] otlp`, if there is one.
pub(super) fn read(root: &Section<'_, '_>) -> Option<Endpoint> {
    let section = root.section("telemetry")?;
    let endpoint = section.required("otlp", |value| {
        value.text()?.parse().map_err(|error: EndpointError| {
            let wrong = Diagnostic::error(value.span(), error.to_string());
            vec![wrong.with_help(
                "such as \"http://127.0.0.1:4318\", without TLS: a collector on this machine may pass traces on",
            )]
        })
    });
    section.finish();
    endpoint
}
