//! Who may send where: rule 6.3, traps 17 and 21.

use super::*;

const HOSTS: &str = r#"{"relay": [{"check_client_access": "t"}, "reject_unauth_destination"]}"#;

#[test]
fn strangers_reach_our_domains_only() {
    for (recipient, said) in
        [("ann@ours.example", "next"), ("x@y.example", "554 5.7.1 <x@y.example>: Relay access denied")]
    {
        assert_eq!(says("{}", &to(recipient)), said);
        assert!(!permits_relay(&filter("{}"), &to(recipient)));
    }
    let defer = r#"{"relay": ["defer_unauth_destination"]}"#;
    assert_eq!(says(defer, &to("x@y.example")), "454 4.7.1 <x@y.example>: Relay access denied");
}

#[test]
fn trusted_and_authenticated_clients_reach_everything_unless_the_list_says_otherwise() {
    let mut trusted = to("x@y.example");
    trusted.client.trusted = true;
    let mut authenticated = to("x@y.example");
    authenticated.client.login = Some("joe".to_owned());
    for facts in [&trusted, &authenticated] {
        assert_eq!(says("{}", facts), "next");
        assert!(permits_relay(&filter("{}"), facts));
        native::table("t", &[]);
        assert_eq!(says(HOSTS, facts), "554 5.7.1 <x@y.example>: Relay access denied");
    }
}

#[test]
fn only_the_list_relay_permits() {
    // Rule trap 17
    native::table("t", &[("192.0.2.1", "RELAY")]);
    assert!(permits_relay(&filter(HOSTS), &to("x@y.example")));
    let config = r#"{"client": [{"check_client_access": "t"}], "recipient": [{"check_client_access": "t"}]}"#;
    assert!(!permits_relay(&filter(config), &to("ann@ours.example")));
    assert!(says(config, &to("x@y.example")).starts_with("554"));
}

#[test]
fn an_address_with_a_further_way_is_permitted_by_no_table() {
    // Rules trap 21, 6.3: the relay says that it isn't ours; OK for it in a table counts nothing.
    let config = r#"{"relay": [{"check_recipient_access": "t"}, "reject_unauth_destination"]}"#;
    native::table("t", &[("ours.example", "OK"), ("y.example", "OK")]);
    assert!(permits_relay(&filter(config), &to("x@y.example")));
    for recipient in ["a%b@y.example", "a!b@y.example", "\"a@b\"@y.example"] {
        assert!(!permits_relay(&filter(config), &to(recipient)), "{recipient}");
        assert!(says(config, &to(recipient)).ends_with("Relay access denied"), "{recipient}");
    }
}

#[test]
fn destinations_that_are_ours_can_be_permitted() {
    let config = r#"{"recipient": ["permit_auth_destination", "reject"]}"#;
    assert_eq!(says(config, &rcpt()), "next");
    let open = r#"{"relay": ["permit_auth_destination", "reject"]}"#;
    assert_eq!(says(open, &to("x@y.example")), "554 5.7.1 <x@y.example>: Recipient address rejected: Access denied");
}

#[test]
fn some_hosts_reach_certain_domains_and_others_everything() {
    // The postmaster's case: a class for the hosts that are restricted.
    let config = r#"{
        "relay": [{"check_client_access": "hosts"}, "reject_unauth_destination"],
        "classes": {"inside_only": [{"check_recipient_access": "inside"}, "reject"]}
    }"#;
    native::table("hosts", &[("192.0.2.1", "inside_only"), ("192.0.2.2", "OK")]);
    native::table("inside", &[("partner.example", "OK")]);
    let filter = filter(config);
    assert!(permits_relay(&filter, &to("x@partner.example")));
    // The list is called for the client, and says so, as in Postfix.
    let denied = "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied";
    assert_eq!(said(&filter, &to("x@elsewhere.example")), denied);
    let mut other = to("x@elsewhere.example");
    other.client.address = "192.0.2.2".to_owned();
    assert!(permits_relay(&filter, &other));
    other.client.address = "192.0.2.3".to_owned();
    assert_eq!(said(&filter, &other), "554 5.7.1 <x@elsewhere.example>: Relay access denied");
}

#[test]
fn a_list_without_an_end_is_refused() {
    // Rules 6.3, S10
    let refused = |relay: &str| {
        let config =
            format!(r#"{{"relay": {relay}, "classes": {{"end": ["reject_unauth_destination"], "all": ["permit"]}}}}"#);
        let config = serde_json::from_str(&config).expect("a configuration");
        Access::configure(config).err().map(|mistakes| mistakes[0].message.clone())
    };
    for open in [
        "[]",
        r#"["permit_mynetworks"]"#,
        r#"["permit_mynetworks", "warn_if_reject", "reject"]"#,
        r#"["warn_if_reject", "end"]"#,
        r#"["defer_if_reject"]"#,
        r#"["permit_auth_destination"]"#,
    ] {
        assert!(refused(open).is_some_and(|why| why.contains("reject_unauth_destination")), "{open}");
    }
    for open in [r#"["permit"]"#, r#"["all", "reject"]"#] {
        assert!(refused(open).is_some_and(|why| why.contains("open relay")), "{open}");
    }
    for closed in ["reject", "defer", "defer_if_permit", "reject_unauth_destination", "defer_unauth_destination", "end"]
    {
        assert_eq!(refused(&format!(r#"["permit_mynetworks", "{closed}"]"#)), None, "{closed}");
    }
}
