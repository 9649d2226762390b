//! What a server can't take (RFC 1870, RFC 6152, RFC 3030, RFC 6531): what is converted for it, and what is refused in its place.

use std::{borrow::Cow, fmt::Write as _};

use super::{hello::Offers, seven_bit, transaction::Copy};
use crate::{
    mail::{self, Address, BodyType, Message, Recipient},
    smtp::{EnhancedCode, Reply},
};

/// A copy as it can go to one server.
pub(super) struct Fitted<'a> {
    pub(super) message: Cow<'a, Message>,
    /// Whether the octets go by BDAT, unchanged.
    pub(super) binary: bool,
    /// The whole MAIL command.
    pub(super) mail: String,
    /// For each recipient its RCPT command, or why it can't get the message through this server.
    pub(super) recipients: Vec<Result<String, Reply>>,
}

/// Fit a copy to a server's offers. The reply is for all recipients.
pub(super) fn fit<'a>(copy: &Copy<'a>, offers: Offers) -> Result<Fitted<'a>, Reply> {
    let header_is_international = copy.parameters.utf8 && !copy.message.header_block().is_ascii();
    let sender = on_the_wire(copy.sender.as_str(), offers.utf8);
    if !offers.utf8 && (header_is_international || !sender.is_ascii()) {
        return Err(not_international());
    }
    let (message, binary) = body(copy, offers);
    let size = message.size();
    if let Some(limit) = offers.size.filter(|limit| *limit > 0 && size > *limit) {
        let text = format!("the message has {size} octets, the next hop takes {limit}");
        return Err(Reply::new(552, EnhancedCode(5, 3, 4), text));
    }
    let recipients: Vec<_> = copy.recipients.iter().map(|one| rcpt(&one.address, one, offers)).collect();
    let beyond_ascii = |rcpt: &Result<String, Reply>| rcpt.as_ref().is_ok_and(|command| !command.is_ascii());
    let utf8 = header_is_international || !sender.is_ascii() || recipients.iter().any(beyond_ascii);
    let mut mail = format!("MAIL FROM:<{sender}>");
    if offers.size.is_some() {
        write!(mail, " SIZE={size}").ok();
    }
    if binary {
        mail.push_str(" BODY=BINARYMIME");
    } else if offers.eight_bit && !is_ascii(&message) {
        mail.push_str(" BODY=8BITMIME");
    }
    if utf8 {
        mail.push_str(" SMTPUTF8");
    }
    if offers.dsn {
        mail.extend(copy.parameters.ret.map(|ret| format!(" RET={}", ret.name())));
        mail.extend(copy.parameters.envid.as_ref().map(|envid| format!(" ENVID={envid}")));
    }
    mail.push_str("\r\n");
    Ok(Fitted { message, binary, mail, recipients })
}

/// The message in a form that the server takes, and whether that is a binary one.
fn body<'a>(copy: &Copy<'a>, offers: Offers) -> (Cow<'a, Message>, bool) {
    let is_binary = copy.parameters.body == BodyType::BinaryMime;
    if is_binary && offers.binary {
        return (Cow::Borrowed(copy.message), true);
    }
    // Without MIME nobody could read a converted message; like everybody we trust that such octets get through.
    let converts = is_binary || !offers.eight_bit && !seven_bit::is_seven_bit(copy.message.body());
    let message = if converts { Cow::Owned(seven_bit::convert(copy.message)) } else { Cow::Borrowed(copy.message) };
    (message, false)
}

fn is_ascii(message: &Message) -> bool {
    message.pieces().all(|piece| piece.is_ascii())
}

fn rcpt(address: &Address, recipient: &Recipient, offers: Offers) -> Result<String, Reply> {
    let text = on_the_wire(address.as_str(), offers.utf8);
    if !offers.utf8 && !text.is_ascii() {
        return Err(not_international());
    }
    let mut command = format!("RCPT TO:<{text}>");
    if offers.dsn {
        command.extend(recipient.notify.map(|notify| format!(" NOTIFY={}", notify.words())));
        match &recipient.orcpt {
            Some(orcpt) => write!(command, " ORCPT={orcpt}").ok(),
            // As Postfix: where the client named none, the address that it gave.
            None => write!(command, " ORCPT={}", mail::orcpt(recipient.original.as_str())).ok(),
        };
    }
    command.push_str("\r\n");
    Ok(command)
}

/// An address as it may stand on the wire: a server that knows no SMTPUTF8 gets an international domain in ASCII (RFC 5891); a local part
/// has no other form.
fn on_the_wire(address: &str, utf8: bool) -> Cow<'_, str> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !utf8 && !domain.is_ascii() => match idna::domain_to_ascii(domain) {
            Ok(domain) => Cow::Owned(format!("{local}@{domain}")),
            Err(_) => Cow::Borrowed(address),
        },
        _ => Cow::Borrowed(address),
    }
}

fn not_international() -> Reply {
    Reply::new(553, EnhancedCode(5, 6, 7), "the next hop does not take internationalised mail (SMTPUTF8)")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mail::{MailParameters, Notify, Ret, ReversePath};

    fn fitted(sender: &str, recipients: &[&str], text: &str, parameters: &MailParameters, offers: Offers) -> String {
        let sender = ReversePath::parse(sender).expect("a sender");
        let recipients: Vec<_> =
            recipients.iter().map(|text| Recipient::new(Address::parse(text).expect("an address"))).collect();
        let message = Message::parse(Bytes::copy_from_slice(text.as_bytes()));
        let copy = Copy { sender: &sender, parameters, recipients: &recipients, message: &message };
        match fit(&copy, offers) {
            Ok(fitted) => fitted.recipients.into_iter().fold(fitted.mail, |all, one| match one {
                Ok(command) => all + &command,
                Err(reply) => format!("{all}{reply}\r\n"),
            }),
            Err(reply) => reply.to_string(),
        }
    }

    const ALL: Offers = Offers {
        pipelining: true,
        eight_bit: true,
        binary: true,
        utf8: true,
        size: Some(0),
        dsn: true,
        starttls: false,
        auth_plain: false,
        auth_login: false,
    };

    #[test]
    fn parameters_are_those_that_the_server_offers() {
        let parameters =
            MailParameters { ret: Some(Ret::Hdrs), envid: Some("a+2Bb".to_owned()), ..MailParameters::default() };
        let text = "Subject: x\r\n\r\n\u{fc}\r\n";
        assert_eq!(
            fitted("a@b.example", &["u+x@c.example"], text, &parameters, ALL),
            "MAIL FROM:<a@b.example> SIZE=18 BODY=8BITMIME RET=HDRS ENVID=a+2Bb\r\nRCPT TO:<u+x@c.example> ORCPT=rfc822;u+2Bx@c.example\r\n"
        );
        assert_eq!(
            fitted("", &["u@c.example"], text, &parameters, Offers::default()),
            "MAIL FROM:<>\r\nRCPT TO:<u@c.example>\r\n"
        );
    }

    #[test]
    fn what_the_client_asked_for_goes_on_as_it_stood() {
        let mut recipient = Recipient::new(Address::parse("new@c.example").expect("an address"));
        recipient.notify = Notify::parse("SUCCESS,DELAY");
        recipient.orcpt = Some("rfc822;old@c.example".to_owned());
        let command = rcpt(&recipient.address, &recipient, ALL).expect("it fits");
        assert_eq!(command, "RCPT TO:<new@c.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old@c.example\r\n");
    }

    #[test]
    fn too_large_is_refused_before_it_is_sent() {
        let small = Offers { size: Some(10), ..ALL };
        let reply =
            fitted("a@b.example", &["u@c.example"], "Subject: x\r\n\r\nlong\r\n", &MailParameters::default(), small);
        assert_eq!(reply, "552 5.3.4 the message has 20 octets, the next hop takes 10");
    }

    #[test]
    fn international_mail_needs_a_server_that_knows_it() {
        let utf8 = MailParameters { utf8: true, ..MailParameters::default() };
        let old = Offers { utf8: false, dsn: false, size: None, ..ALL };
        let no = "553 5.6.7 the next hop does not take internationalised mail (SMTPUTF8)";
        let plain = "Subject: x\r\n\r\ny\r\n";
        assert_eq!(
            fitted("a@b.example", &["gr\u{fc}n@c.example", "u@b\u{fc}cher.example"], plain, &utf8, old),
            format!("MAIL FROM:<a@b.example>\r\n{no}\r\nRCPT TO:<u@xn--bcher-kva.example>\r\n")
        );
        assert_eq!(fitted("\u{fc}@b.example", &["u@c.example"], plain, &utf8, old), no);
        assert_eq!(fitted("a@b.example", &["u@c.example"], "Subject: \u{fc}\r\n\r\n", &utf8, old), no);
        let new = fitted("a@b.example", &["\u{fc}@c.example"], plain, &utf8, Offers { size: None, ..ALL });
        assert_eq!(
            new,
            "MAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<\u{fc}@c.example> ORCPT=utf-8;\\x{FC}@c.example\r\n"
        );
        // Octets that nobody announced go as they are.
        let raw = fitted("a@b.example", &["u@c.example"], "Subject: \u{fc}\r\n\r\n", &MailParameters::default(), old);
        assert_eq!(raw, "MAIL FROM:<a@b.example> BODY=8BITMIME\r\nRCPT TO:<u@c.example>\r\n");
    }
}
