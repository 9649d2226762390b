//! What a certificate says of itself (RFC 5280).

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, parse_x509_certificate, time::ASN1Time};

use super::tls::TlsError;

/// The parts of a certificate that people look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The domains that it is for (RFC 9525), some with `*.` in front.
    pub names: Vec<String>,
    not_before: i64,
    not_after: i64,
    /// The ends of its time, as people read them.
    shown: (String, String),
}

impl Certificate {
    /// Of the first in a chain, which is the owner's.
    pub fn first_of(chain: &[CertificateDer<'_>]) -> Result<Self, TlsError> {
        let unreadable = |reason: String| TlsError::Certificate(format!("the certificate can't be read: {reason}"));
        let first = chain.first().ok_or_else(|| unreadable("there is none".to_owned()))?;
        let (_, certificate) = parse_x509_certificate(first).map_err(|error| unreadable(error.to_string()))?;
        let alternatives = certificate.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
        let names = alternatives.map_or(&[][..], |extension| extension.value.general_names.as_slice());
        let names = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_lowercase()),
            _ => None,
        });
        let validity = certificate.validity();
        let shown = |time: ASN1Time| time.to_rfc2822().unwrap_or_else(|_| time.timestamp().to_string());
        Ok(Self {
            names: names.collect(),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            shown: (shown(validity.not_before), shown(validity.not_after)),
        })
    }

    /// Whether it counts at this time; else why not.
    pub fn is_valid_at(&self, time: SystemTime) -> Result<(), String> {
        let now = time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        if now < self.not_before {
            return Err(format!("the certificate counts only from {} on", self.shown.0));
        }
        if now > self.not_after {
            return Err(format!("the certificate has expired on {}", self.shown.1));
        }
        Ok(())
    }

    /// Whether it is for this host: a name of it, or the left label stands for the star (RFC 9525 6.3).
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.to_lowercase();
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| *name == host || name.strip_prefix("*.").is_some_and(|rest| Some(rest) == parent))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names).expect("parameters");
        (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let made = parameters.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        Certificate::first_of(&[made.der().clone()]).expect("readable")
    }

    #[test]
    fn names_and_stars() {
        let certificate = certificate(&["mx.example.com", "*.example.net"]);
        for (host, expected) in [
            ("mx.example.com", true),
            ("MX.example.com", true),
            ("a.mx.example.com", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
        ] {
            assert_eq!(certificate.is_for(host), expected, "{host}");
        }
    }

    #[test]
    fn its_time() {
        let at = |seconds| certificate(&["a.example"]).is_valid_at(UNIX_EPOCH + Duration::from_secs(seconds));
        let (begin, end) = (1_577_836_800, 1_609_459_200);
        assert!(at(begin - 1).expect_err("too early").ends_with("Wed, 01 Jan 2020 00:00:00 +0000 on"));
        assert_eq!(at(begin), Ok(()));
        assert_eq!(at(end), Ok(()));
        assert!(at(end + 1).expect_err("too late").starts_with("the certificate has expired on Fri, 01 Jan 2021"));
    }

    #[test]
    fn nonsense_is_told() {
        assert!(Certificate::first_of(&[]).is_err());
        assert!(Certificate::first_of(&[CertificateDer::from(vec![1, 2, 3])]).is_err());
    }
}
