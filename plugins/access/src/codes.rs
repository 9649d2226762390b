//! The codes of refusals, each under its name in Postfix with `-` for `_`.

use mailweir_sdk::ConfigError;
use serde::Deserialize;

/// `codes` of the stage's `config`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Codes {
    /// Of `REJECT` in a table.
    pub(crate) access_map_reject_code: u16,
    /// Of `DEFER`, `DEFER_IF_PERMIT` and `DEFER_IF_REJECT` in a table.
    pub(crate) access_map_defer_code: u16,
    /// Of `reject` in a list.
    pub(crate) reject_code: u16,
    /// Of `defer` in a list.
    pub(crate) defer_code: u16,
    /// Of `reject_unauth_destination`; `defer_unauth_destination` answers 100 less.
    pub(crate) relay_domains_reject_code: u16,
    /// Of `reject_invalid_helo_hostname`.
    pub(crate) invalid_hostname_reject_code: u16,
    /// Of `reject_non_fqdn_…`.
    pub(crate) non_fqdn_reject_code: u16,
    /// Of `reject_unknown_helo_hostname`.
    pub(crate) unknown_hostname_reject_code: u16,
    /// Of `reject_unknown_sender_domain` and `reject_unknown_recipient_domain`.
    pub(crate) unknown_address_reject_code: u16,
    /// Of `reject_unknown_client_hostname` and `reject_unknown_reverse_client_hostname`.
    pub(crate) unknown_client_reject_code: u16,
    /// Of `reject_unlisted_recipient`.
    pub(crate) unknown_relay_recipient_reject_code: u16,
    /// Of `reject_multi_recipient_bounce`.
    pub(crate) multi_recipient_bounce_reject_code: u16,
    /// Of `reject_plaintext_session`.
    pub(crate) plaintext_reject_code: u16,
}

impl Default for Codes {
    /// Those of Postfix.
    fn default() -> Self {
        Self {
            access_map_reject_code: 554,
            access_map_defer_code: 450,
            reject_code: 554,
            defer_code: 450,
            relay_domains_reject_code: 554,
            invalid_hostname_reject_code: 501,
            non_fqdn_reject_code: 504,
            unknown_hostname_reject_code: 450,
            unknown_address_reject_code: 450,
            unknown_client_reject_code: 450,
            unknown_relay_recipient_reject_code: 550,
            multi_recipient_bounce_reject_code: 550,
            plaintext_reject_code: 450,
        }
    }
}

impl Codes {
    /// Codes that refuse nothing, or that RFC 5321 4.2 has no room for.
    pub(crate) fn check(&self, mistakes: &mut Vec<ConfigError>) {
        let all = [
            ("access-map-reject-code", self.access_map_reject_code),
            ("access-map-defer-code", self.access_map_defer_code),
            ("reject-code", self.reject_code),
            ("defer-code", self.defer_code),
            ("relay-domains-reject-code", self.relay_domains_reject_code),
            ("invalid-hostname-reject-code", self.invalid_hostname_reject_code),
            ("non-fqdn-reject-code", self.non_fqdn_reject_code),
            ("unknown-hostname-reject-code", self.unknown_hostname_reject_code),
            ("unknown-address-reject-code", self.unknown_address_reject_code),
            ("unknown-client-reject-code", self.unknown_client_reject_code),
            ("unknown-relay-recipient-reject-code", self.unknown_relay_recipient_reject_code),
            ("multi-recipient-bounce-reject-code", self.multi_recipient_bounce_reject_code),
            ("plaintext-reject-code", self.plaintext_reject_code),
        ];
        for (name, code) in all {
            if !matches!(code, 400..=459 | 500..=559) {
                let message = format!("{code} is no code of a refusal: 400 to 459, or 500 to 559");
                mistakes.push(ConfigError::new(format!("codes.{name}"), message));
            } else if name == "relay-domains-reject-code" && code < 500 {
                let message = "this is 500 to 559; `defer_unauth_destination` answers 100 less".to_owned();
                mistakes.push(ConfigError::new(format!("codes.{name}"), message));
            }
        }
    }
}
