//! Addresses of collectors.

use super::Endpoint;

#[test]
fn a_collector_is_named_by_its_url() {
    for (text, expected) in [
        ("http://127.0.0.1:4318", Some("http://127.0.0.1:4318/v1/traces")),
        ("http://127.0.0.1:4318/", Some("http://127.0.0.1:4318/v1/traces")),
        ("http://[::1]:4318", Some("http://[::1]:4318/v1/traces")),
        ("http://collector/opentelemetry/v1/traces", Some("http://collector/opentelemetry/v1/traces")),
        ("https://127.0.0.1:4318", None),
        ("127.0.0.1:4318", None),
        ("http://", None),
        ("http://collector:port", None),
        ("http://collector/?x=1", None),
        ("", None),
    ] {
        let parsed = text.parse::<Endpoint>().ok().map(|endpoint| endpoint.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }
}
