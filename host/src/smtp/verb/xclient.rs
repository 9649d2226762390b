//! XCLIENT (Postfix's XCLIENT_README): a relay before us, which we trust, tells whose session this really is.

use std::net::{IpAddr, SocketAddr};

use crate::{
    mail::{Client, Protocol, decode_printable},
    smtp::{
        EnhancedCode, Reply,
        command::CommandError,
        path::Parameters,
        session::{Action, Hello, Question, Session, bad_sequence},
    },
};

/// Octets of a value at most: those of a domain.
const LONGEST: usize = 255;

/// What an XCLIENT command says. Of an attribute that isn't known the value is `Some(None)`, of one that isn't mentioned `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Xclient {
    name: Option<Option<String>>,
    address: Option<IpAddr>,
    port: Option<u16>,
    helo: Option<Option<String>>,
    login: Option<Option<String>>,
    protocol: Option<Protocol>,
}

impl Xclient {
    /// The attributes that are understood, as EHLO tells them.
    pub(in crate::smtp) const ATTRIBUTES: &str = "NAME ADDR PORT PROTO HELO LOGIN";

    pub(in crate::smtp) fn parse(argument: &str) -> Result<Self, CommandError> {
        let mut xclient = Self::default();
        for (keyword, value) in Parameters(argument).parse()? {
            let taken = value.and_then(|value| xclient.take(&keyword, value));
            taken.ok_or(CommandError::BadParameter(keyword))?;
        }
        Ok(xclient)
    }

    fn take(&mut self, keyword: &str, value: &str) -> Option<()> {
        let known = match value {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => None,
            value => Some(decode_printable(value).filter(|value| (1..=LONGEST).contains(&value.len()))?),
        };
        match keyword {
            "NAME" => self.name = Some(known),
            "HELO" => self.helo = Some(known),
            "LOGIN" => self.login = Some(known),
            "ADDR" => {
                let text = known?;
                let v6 = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).and_then(|_| text.get(5..));
                self.address = Some(v6.unwrap_or(&text).parse().ok()?);
            }
            "PORT" => self.port = Some(known.map_or(Some(0), |port| port.parse().ok())?),
            "PROTO" => match known?.to_ascii_uppercase().as_str() {
                "ESMTP" => self.protocol = Some(Protocol::Esmtp),
                "SMTP" => self.protocol = Some(Protocol::Smtp),
                _ => return None,
            },
            _ => return None,
        }
        Some(())
    }

    /// The client as it is told. Another address has another name, told or not.
    pub fn apply(&self, client: &mut Client) {
        let address = self.address.unwrap_or(client.peer.ip()).to_canonical();
        if address != client.peer.ip() {
            client.name = None;
        }
        client.peer = SocketAddr::new(address, self.port.unwrap_or(client.peer.port()));
        client.name = self.name.clone().unwrap_or(client.name.take());
        client.login = self.login.clone().unwrap_or(client.login.take());
        client.helo = self.helo.clone().flatten();
    }
}

impl Session {
    /// Let this client say XCLIENT.
    #[must_use]
    pub fn with_xclient(mut self, may_say_xclient: bool) -> Self {
        self.may_say_xclient = may_say_xclient;
        self
    }

    pub(in crate::smtp) fn xclient(&self, xclient: Xclient) -> Action {
        if !self.may_say_xclient {
            return Action::Reply(Reply::new(550, EnhancedCode(5, 7, 0), "Error: insufficient authorization"));
        }
        if self.transaction.is_some() || self.is_chunked() {
            return Action::Reply(bad_sequence("MAIL transaction in progress"));
        }
        Action::Ask(Question::Xclient(xclient))
    }

    /// The session begins again as another client's.
    pub(in crate::smtp) fn become_of(&mut self, xclient: Xclient, answer: Result<(), Reply>) -> Action {
        self.reset();
        let protocol = if self.settings.lmtp { Protocol::Lmtp } else { xclient.protocol.unwrap_or(Protocol::Esmtp) };
        self.hello = xclient.helo.flatten().map(|name| Hello { name, protocol });
        self.welcome(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let peer = "192.0.2.1:1000".parse().expect("an address");
        let name = Some("proxy.example".to_owned());
        Client { peer, name, helo: Some("proxy".to_owned()), tls: None, login: None, trusted: true }
    }

    #[test]
    fn what_is_told_counts() {
        let mut told = client();
        let text = "NAME=mail+2Eexample addr=IPV6:2001:db8::1 PORT=25 PROTO=SMTP HELO=me LOGIN=joe";
        Xclient::parse(text).expect("well-formed").apply(&mut told);
        assert_eq!(told.peer, "[2001:db8::1]:25".parse().expect("an address"));
        assert_eq!(told.name.as_deref(), Some("mail.example"));
        assert_eq!((told.helo.as_deref(), told.login.as_deref()), (Some("me"), Some("joe")));
    }

    #[test]
    fn another_address_has_another_name() {
        let mut told = client();
        Xclient::parse("ADDR=192.0.2.9").expect("well-formed").apply(&mut told);
        assert_eq!((told.peer, told.name), ("192.0.2.9:1000".parse().expect("an address"), None));
        let mut told = client();
        Xclient::parse("PORT=7").expect("well-formed").apply(&mut told);
        assert_eq!(told.name.as_deref(), Some("proxy.example"));
        Xclient::parse("NAME=[UNAVAILABLE] PORT=[UNAVAILABLE]").expect("well-formed").apply(&mut told);
        assert_eq!((told.name, told.peer.port()), (None, 0));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "ADDR=x",
            "ADDR=[UNAVAILABLE]",
            "PORT=x",
            "PORT=70000",
            "PROTO=HTTP",
            "NAME",
            "NAME=+0A",
            "HELO=a+",
            "FOO=1",
            "ADDR=192.0.2.1 ADDR=192.0.2.2",
        ] {
            assert!(matches!(Xclient::parse(bad), Err(CommandError::BadParameter(_))), "{bad}");
        }
    }
}
