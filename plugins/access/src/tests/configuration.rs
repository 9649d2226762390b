//! What is wrong with a configuration, and where.

use super::*;

fn mistakes(config: &str) -> Vec<(String, String)> {
    let config = serde_json::from_str(config).expect("it has the right shape");
    let mistakes = Access::configure(config).expect_err("mistakes");
    mistakes.into_iter().map(|mistake| (mistake.path, mistake.message)).collect()
}

#[test]
fn all_mistakes_are_told_with_their_places() {
    let told = mistakes(
        r#"{
            "client": ["permit_mynetwork", {"check_client_access": "t"}, {"permit": "t"}],
            "recipient": ["reject", "permit"],
            "data": ["warn_if_reject"],
            "classes": {"permit": [], "strict": ["nothing_like_it"]},
            "codes": {"reject-code": 250}
        }"#,
    );
    let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
    let expected = [
        "classes.permit",
        "classes.strict[0]",
        "client[0]",
        "client[2]",
        "recipient[1]",
        "data[0]",
        "codes.reject-code",
    ];
    assert_eq!(paths, expected, "{told:?}");
    assert_eq!(told[4].1, "this is never reached: `reject` before it ends the list");
}

#[test]
fn lists_that_make_no_sense_as_a_whole() {
    let told = mistakes(r#"{"classes": {"a": ["b"], "b": ["a"], "c": ["a"]}}"#);
    let paths: Vec<_> = told.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["classes.a", "classes.b"]);
    let told = mistakes(r#"{"data": ["reject_unauth_destination"]}"#);
    assert_eq!(told[0].0, "data[0]");
}

#[test]
fn shapes_that_are_no_restrictions() {
    for (config, why) in [
        (r#"{"client": [1]}"#, "expected a restriction"),
        (r#"{"client": [{}]}"#, "expected a restriction"),
        (r#"{"client": [{"a": "b", "c": "d"}]}"#, "one table of one key is one restriction"),
        (r#"{"clients": []}"#, "unknown field `clients`"),
        (r#"{"codes": {"reject": 550}}"#, "unknown field `reject`"),
    ] {
        let error = serde_json::from_str::<Config>(config).expect_err("no configuration").to_string();
        assert!(error.contains(why), "{config}: {error}");
    }
}

#[test]
fn classes_and_tables_that_call_each_other_end() {
    // Rule 6.2: the recursion limit
    let config =
        r#"{"recipient": [{"check_recipient_access": "t"}], "classes": {"again": [{"check_recipient_access": "t"}]}}"#;
    native::table("t", &[("ours.example", "again")]);
    assert_eq!(says(config, &rcpt()), "451 4.3.5 Server configuration error");
}
