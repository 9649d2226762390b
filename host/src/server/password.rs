//! Passwords as tables keep them: hashes in the forms of crypt(3) and PHC, which say themselves how they were made.

use argon2::{
    Argon2, PasswordHasher, PasswordVerifier,
    password_hash::{PasswordHash, SaltString, rand_core::OsRng},
};
use sha_crypt::Sha512Params;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `$argon2id$` (RFC 9106), with the parameters that OWASP asks for: 19 MiB, two passes.
    #[default]
    Argon2,
    /// `$2b$`, cost 12.
    Bcrypt,
    /// `$6$`, 5,000 rounds: what every crypt(3) knows.
    Sha512Crypt,
}

/// What to do about a password isn't known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PasswordError(String);

/// Characters that bcrypt looks at; it knows nothing of those behind them.
const BCRYPT_LIMIT: usize = 72;

impl Scheme {
    /// A new hash, with a salt of its own.
    pub fn hash(self, password: &str) -> Result<String, PasswordError> {
        let failed = |error: String| PasswordError(format!("the password can't be hashed: {error}"));
        match self {
            Self::Argon2 => {
                let salt = SaltString::generate(&mut OsRng);
                let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
                hash.map(|hash| hash.to_string()).map_err(|error| failed(error.to_string()))
            }
            Self::Bcrypt if password.len() > BCRYPT_LIMIT => {
                Err(PasswordError(format!("bcrypt takes passwords of {BCRYPT_LIMIT} octets at most")))
            }
            Self::Bcrypt => bcrypt::hash(password, bcrypt::DEFAULT_COST).map_err(|error| failed(error.to_string())),
            Self::Sha512Crypt => {
                let parameters = Sha512Params::new(sha_crypt::ROUNDS_DEFAULT);
                let hash = parameters.and_then(|parameters| sha_crypt::sha512_simple(password, &parameters));
                hash.map_err(|error| failed(format!("{error:?}")))
            }
        }
    }
}

/// How a hash was made, by its begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// argon2id, argon2i, argon2d.
    Argon2,
    /// bcrypt.
    Bcrypt,
    /// sha256-crypt.
    Sha256Crypt,
    /// sha512-crypt.
    Sha512Crypt,
}

/// Which kind of hash this is, and the hash itself: `{SCHEME}` in front, as Dovecot writes it, means nothing.
pub fn recognise(hash: &str) -> Result<(Kind, &str), PasswordError> {
    let hash = hash.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or(hash, |(_, hash)| hash);
    let mut parts = hash.split('$');
    let kind = match (parts.next(), parts.next()) {
        (Some(""), Some("argon2id" | "argon2i" | "argon2d")) => Kind::Argon2,
        (Some(""), Some("2a" | "2b" | "2y")) => Kind::Bcrypt,
        (Some(""), Some("5")) => Kind::Sha256Crypt,
        (Some(""), Some("6")) => Kind::Sha512Crypt,
        _ => return Err(PasswordError("this is no hash of argon2, bcrypt or sha-crypt".to_owned())),
    };
    Ok((kind, hash))
}

/// Whether the password is the one of this hash.
pub fn verify(password: &str, hash: &str) -> Result<bool, PasswordError> {
    match recognise(hash)? {
        (Kind::Argon2, hash) => {
            let parsed = PasswordHash::new(hash);
            let parsed = parsed.map_err(|error| PasswordError(format!("this is no hash of argon2: {error}")))?;
            Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
        }
        (Kind::Bcrypt, hash) => {
            bcrypt::verify(password, hash).map_err(|error| PasswordError(format!("this is no hash of bcrypt: {error}")))
        }
        // The library doesn't let anybody tell its errors from a mismatch.
        (Kind::Sha256Crypt, hash) => Ok(sha_crypt::sha256_check(password, hash).is_ok()),
        (Kind::Sha512Crypt, hash) => Ok(sha_crypt::sha512_check(password, hash).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_hashed_is_found_again() {
        for (scheme, begin) in [(Scheme::Argon2, "$argon2id$v=19$m=19456,t=2,p=1$"), (Scheme::Sha512Crypt, "$6$")] {
            let hash = scheme.hash("gehe!m ü").expect("hashed");
            assert!(hash.starts_with(begin), "{hash}");
            assert_eq!(verify("gehe!m ü", &hash), Ok(true));
            assert_eq!(verify("gehe!m u", &hash), Ok(false));
            assert_ne!(scheme.hash("gehe!m ü").expect("hashed"), hash, "a salt of its own");
        }
        assert!(Scheme::Bcrypt.hash(&"x".repeat(73)).is_err(), "the last octet would not count");
    }

    /// Made by `openssl passwd` and crypt(3).
    #[test]
    fn hashes_of_others() {
        for hash in [
            "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
            "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
            "{SHA512-CRYPT}$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
            "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        ] {
            assert_eq!(verify("secret", hash), Ok(true), "{hash}");
            assert_eq!(verify("Secret", hash), Ok(false), "{hash}");
        }
    }

    #[test]
    fn what_is_no_hash() {
        for hash in ["secret", "", "{PLAIN}secret", "$1$salt$x", "$argon2id$x", "$2b$12$short", "{", "$"] {
            assert!(verify("secret", hash).is_err(), "{hash}");
        }
        for hash in ["$6$", "$5$salt", "$6$salt$short", "$5$rounds=x$salt$x"] {
            assert_eq!(verify("secret", hash), Ok(false), "{hash}");
        }
    }
}
