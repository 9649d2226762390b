//! One command line: every line is a command or has a reply, and what an address is, it stays.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweir_fuzz::{
    check_reply,
    mail::{Address, parse_envid, parse_orcpt},
    smtp::{Command, CommandError},
};

fuzz_target!(|line: &[u8]| {
    match Command::parse(line) {
        Err(error) => {
            let reply = error.reply();
            assert!(reply.refuses() || error == CommandError::Foreign);
            check_reply(&reply);
        }
        Ok(Command::Mail(mail)) => {
            check_address(mail.sender.as_str());
            assert!(mail.parameters.utf8 || mail.sender.as_str().is_ascii());
            let envid = mail.parameters.envid.as_deref();
            assert_eq!(envid.and_then(parse_envid).as_deref(), envid);
        }
        Ok(Command::Rcpt(rcpt)) => {
            assert!(!rcpt.address.as_str().is_empty());
            check_address(rcpt.address.as_str());
            let orcpt = rcpt.orcpt.as_deref();
            assert!(orcpt.is_none_or(str::is_ascii));
            assert_eq!(orcpt.and_then(|orcpt| parse_orcpt(orcpt, false)).as_deref(), orcpt);
        }
        Ok(_) => {}
    }
});

/// It is read again as it was printed, and can't break out of its angle brackets, its line or its field.
fn check_address(text: &str) {
    if text.is_empty() {
        return;
    }
    let address = Address::parse(text).expect("it was one before");
    assert_eq!(address.as_str(), text);
    assert!(!text.chars().any(char::is_control));
    let wire = format!("RCPT TO:<{text}>");
    match Command::parse(wire.as_bytes()) {
        Ok(Command::Rcpt(rcpt)) => assert_eq!(rcpt.address, address),
        other => panic!("{wire} became {other:?}"),
    }
}
