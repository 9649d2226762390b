//! AUTH towards a next hop (RFC 4954): PLAIN (RFC 4616), or LOGIN where the server has nothing better.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{connection::Connection, error::ClientError};
use crate::{
    delivery::login::Account,
    smtp::{Mechanism, Reply},
};

/// Prove who we are. The server's refusal is an error: the mail waits, for the mistake is ours and not the sender's.
pub(super) async fn authenticate(
    connection: &mut Connection,
    account: &Account,
    timeout: Duration,
) -> Result<Mechanism, ClientError> {
    let (mechanism, reply) = if connection.offers.auth_plain {
        let secret = BASE64.encode(format!("\0{}\0{}", account.user, account.password));
        (Mechanism::Plain, connection.command(&format!("AUTH PLAIN {secret}\r\n"), timeout).await?)
    } else if connection.offers.auth_login {
        (Mechanism::Login, login(connection, account, timeout).await?)
    } else {
        return Err(ClientError::NoAuth);
    };
    if reply.code / 100 == 2 { Ok(mechanism) } else { Err(ClientError::AuthRefused(reply)) }
}

/// The dialogue of draft-murchison-sasl-login: the name, then the password.
async fn login(connection: &mut Connection, account: &Account, timeout: Duration) -> Result<Reply, ClientError> {
    let mut reply = connection.command("AUTH LOGIN\r\n", timeout).await?;
    for answer in [&account.user, &account.password] {
        if reply.code != 334 {
            break;
        }
        reply = connection.command(&format!("{}\r\n", BASE64.encode(answer)), timeout).await?;
    }
    Ok(reply)
}
