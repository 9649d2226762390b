//! What a TLS handshake has agreed on, in the words of logs, filters and Received fields.

use rustls::CommonState;

/// Protocol version and cipher, such as `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
pub fn description(connection: &CommonState) -> String {
    let version = connection.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    format!("{} {cipher}", version.replace("v1_", "v1."))
}
