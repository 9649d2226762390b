//! The reader of the configuration: what values mean, and that no text, however broken, does more than give mistakes with places.

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::pipeline::{OnError, Phase};

fn parse(text: &str) -> Result<Config, Vec<Diagnostic>> {
    let source = Source { path: "mailweir.toml".into(), text: text.to_owned() };
    Config::parse(source).map_err(|(_, diagnostics)| diagnostics)
}

const LEAST: &str =
    "hostname = \"Relay.Example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:25\"]\n";
const ROUTE: &str = "[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://[2001:db8::1]:2525\"\n";

fn config(more: &str) -> Config {
    parse(&format!("{LEAST}{more}\n{ROUTE}")).unwrap_or_else(|mistakes| panic!("{more}: {mistakes:?}"))
}

#[test]
fn what_is_not_written_has_defaults() {
    let config = config("");
    assert_eq!(config.hostname, "relay.example.com");
    assert_eq!((config.limits, config.queue), (Limits::default(), Queue::default()));
    assert!(config.delay_reject && config.trusted.len() == 2 && config.stages.is_empty());
    let next_hop = "smtp://[2001:db8::1]:2525".parse().expect("a next hop");
    assert_eq!(config.routes[0].way, RouteWay::NextHop(next_hop));
}

#[test]
fn durations_and_sizes_have_units() {
    let limits = |text: &str| config(&format!("[limits]\n{text}")).limits;
    for (text, expected) in [("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("2d", 172_800_000)] {
        assert_eq!(
            limits(&format!("idle-timeout = \"{text}\"")).idle_timeout,
            Duration::from_millis(expected),
            "{text}"
        );
    }
    for (text, expected) in [
        ("1000", 1000),
        ("\"10B\"", 10),
        ("\"5kB\"", 5000),
        ("\"5KiB\"", 5120),
        ("\"2MiB\"", 2 << 20),
        ("\"1GiB\"", 1 << 30),
    ] {
        assert_eq!(limits(&format!("message-size = {text}")).message_size, expected, "{text}");
    }
    for wrong in ["\"5\"", "\"5 s\"", "\"0s\"", "5", "\"-5s\"", "\"99999999999999999999s\""] {
        assert!(parse(&format!("{LEAST}[limits]\nidle-timeout = {wrong}\n{ROUTE}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_stage_is_read_with_all_that_it_may_use() {
    let config = config(
        "[tables]\npeople = { type = \"static\", value = \"x@y\" }\nother = { type = \"fail\", value = \"no\" }\n\
         [[session]]\nplugin = \"./a.wasm\"\nphases = [\"helo\", \"end-of-data\"]\non-error = \"skip\"\n\
         [[message]]\nplugin = \"canonical\"\nname = \"first\"\nconfig.both = [\"people\"]\ntimeout = \"200ms\"\nmemory = \"16MiB\"\nfiles = \"out\"",
    );
    let [session, message] = config.stages.as_slice() else { panic!("two stages") };
    assert_eq!((session.name.as_str(), session.on_error), ("a", OnError::Skip));
    assert_eq!(session.phases.as_deref(), Some([Phase::Helo, Phase::EndOfData].as_slice()));
    assert_eq!((message.name.as_str(), message.on_error), ("first", OnError::Defer));
    // Naming a table in `config` grants it, and nothing else is granted.
    assert_eq!(message.tables.iter().collect::<Vec<_>>(), ["people"]);
    assert_eq!((message.limits.timeout, message.limits.memory), (Duration::from_millis(200), 16 << 20));
    assert!(message.files.as_ref().is_some_and(|(path, _)| path.ends_with("out")));
}

#[test]
fn a_place_in_a_filters_config_is_found_by_its_path() {
    let text = format!(
        "{LEAST}[[message]]\nplugin = \"x.wasm\"\nconfig = {{ rules = [{{ pattern = \"a\" }}, {{ pattern = \"b\" }}] }}\n{ROUTE}"
    );
    let config = parse(&text).expect("a configuration");
    let at = |path: &str, of_key: bool| {
        let span = config.stages[0].config_span(path, of_key);
        text.get(span).expect("within the text")
    };
    assert_eq!(at("rules[1].pattern", false), "\"b\"");
    assert_eq!(at("rules[1].pattern", true), "pattern");
    assert_eq!(at("rules[1].missing", false), "{ pattern = \"b\" }");
    assert_eq!(at("nothing", false), "{ rules = [{ pattern = \"a\" }, { pattern = \"b\" }] }");
}

/// All example pipelines.
fn examples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = fs::read_dir(folder).expect("the examples").map(|entry| entry.expect("a file").path());
    let pipelines = files.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    pipelines.map(|path| fs::read_to_string(path).expect("UTF-8")).collect()
}

proptest! {
    /// A slip of the hand in an example: never a panic, and each mistake has a place inside the text.
    #[test]
    fn broken_examples_give_mistakes_with_places(
        example in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        inserted in "[ -~\\n]{0,6}",
    ) {
        let examples = examples();
        let mut text = example.get(&examples).clone();
        let start = at.index(text.len());
        let end = (start + length).min(text.len());
        if text.is_char_boundary(start) && text.is_char_boundary(end) {
            text.replace_range(start..end, &inserted);
        }
        if let Err(mistakes) = parse(&text) {
            prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                prop_assert!(text.get(mistake.span.clone()).is_some(), "{mistake:?}");
                prop_assert!(!mistake.message.is_empty() && !mistake.message.contains('\n'), "{mistake:?}");
            }
        }
    }
}
