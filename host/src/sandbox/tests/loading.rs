//! What is refused at start, and that the text says why.

use proptest::{
    prelude::{Strategy, any, prop},
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

async fn load(wasm: &[u8], config: Value, role: Role) -> Result<Arc<dyn Filter>, LoadError> {
    Place::new().load(wasm, &config, role).await
}

async fn refusal(wasm: &[u8], role: Role) -> LoadError {
    load(wasm, json!({}), role).await.err().expect("it is refused")
}

async fn refused_act(act: &str) -> LoadError {
    Place::new().misbehave(act, Role::Message).await.err().expect("it is refused")
}

#[tokio::test]
async fn what_is_not_webassembly() {
    for octets in [&b""[..], b"\0as", b"#!/bin/sh\n", b"(module)", b"(component)"] {
        let error = refusal(octets, Role::Message).await;
        assert!(matches!(error, LoadError::NotWasm), "{octets:?}: {error}");
    }
    let error = refusal(b"\0asm\x02\0\0\0", Role::Message).await;
    assert!(matches!(error, LoadError::UnknownVersion), "{error}");
}

#[tokio::test]
async fn a_truncated_file() {
    let whole = guest("misbehave");
    for end in (4..whole.len()).step_by(whole.len() / 50) {
        let error = refusal(&whole[..end], Role::Message).await;
        assert!(matches!(error, LoadError::Invalid(_)), "the first {end} octets: {error}");
    }
}

/// What the file of a plugin may have become: octets are others, gone, or too many.
fn damaged(whole: &[u8]) -> impl Strategy<Value = Vec<u8>> {
    let damages = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3), 1..4);
    damages.prop_map({
        let whole = whole.to_vec();
        move |damages| {
            let mut wasm = whole.clone();
            for (at, octet, what) in damages {
                let at = at.index(wasm.len());
                match what {
                    0 => wasm[at] ^= octet,
                    1 => drop(wasm.remove(at)),
                    _ => wasm.insert(at, octet),
                }
            }
            wasm
        }
    })
}

#[test]
fn a_damaged_file_is_refused_or_runs_but_breaks_nothing() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let limits = FilterLimits { timeout: Duration::from_millis(100), ..limits() };
    for whole in [handmade::small(), component_of(&handmade::small()), guest("tag-external")] {
        let mut runner =
            TestRunner::new_with_rng(Config::with_cases(60), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let loads = |wasm: Vec<u8>| {
            drop(place.sandbox.inspect(&wasm));
            runtime.block_on(async {
                if let Ok(filter) = place.load_with(&wasm, &json!({}), Role::Message, limits.clone()).await {
                    drop(filter.message(&mail()).await);
                }
            });
            Ok(())
        };
        runner.run(&damaged(&whole), loads).expect("no panic");
    }
}

fn component_of(module: &[u8]) -> Vec<u8> {
    let place = Place::new();
    component::from_bytes(&place.sandbox.engine, module).expect("it can be wrapped").into_owned()
}

/// Wizer knows more of WebAssembly than the engine, but not what to do with it.
#[tokio::test]
async fn what_the_engine_does_not_run() {
    let tag = wat::parse_str(r#"(component (core module (type (func)) (import "a" "b" (tag (type 0)))))"#);
    let error = refusal(&tag.expect("valid text"), Role::Message).await;
    assert!(matches!(&error, LoadError::Invalid(why) if why.contains("exceptions")), "{error}");
}

#[tokio::test]
async fn a_component_that_exports_nothing() {
    let error = refusal(b"\0asm\x0d\0\x01\0", Role::Message).await;
    assert!(matches!(error, LoadError::NoFilter(_)), "{error}");
    let text = error.to_string();
    for accepted in ["configuration@0.1.0", "message@0.1.0", "session@0.1.0"] {
        assert!(text.contains(accepted), "{text}");
    }
}

#[tokio::test]
async fn a_filter_in_the_wrong_list() {
    let error = load(&guest("tag-external"), json!({}), Role::Session).await.err().expect("it is refused");
    assert!(matches!(&error, LoadError::WrongRole { needed, .. } if needed.contains("session")), "{error}");
    assert!(error.to_string().contains("mailweir:filter/message@0.1.0"), "it says what is there: {error}");
    let error = load(&guest("greet-check"), json!({}), Role::Message).await.err().expect("it is refused");
    assert!(matches!(&error, LoadError::WrongRole { needed, .. } if needed.contains("message")), "{error}");
}

#[tokio::test]
async fn an_import_that_filters_are_not_given() {
    let foreign = wat::parse_str(
        r#"(component (import "wasi:http/types@0.2.0" (instance (export "fetch" (func (result u64))))))"#,
    );
    let error = refusal(&foreign.expect("valid text"), Role::Message).await;
    assert!(matches!(&error, LoadError::UnknownImport(name) if name == "`wasi:http/types@0.2.0`"), "{error}");
    assert!(error.to_string().contains("no filter gets a network"), "{error}");
    let foreign = wat::parse_str(r#"(component (import "acme:db/query" (instance (export "run" (func)))))"#);
    let error = refusal(&foreign.expect("valid text"), Role::Message).await;
    assert!(error.to_string().contains("`acme:db/query`") && error.to_string().contains("WASI 0.2"), "{error}");
    let of_ours = wat::parse_str(
        r#"(component (import "mailweir:filter/files@0.1.0" (instance (export "open" (func (result u64))))))"#,
    );
    let error = refusal(&of_ours.expect("valid text"), Role::Message).await;
    assert!(matches!(&error, LoadError::UnknownImport(why) if why.contains("mailweir:filter/files@0.1.0")), "{error}");
}

#[tokio::test]
async fn all_mistakes_that_configure_finds() {
    let LoadError::Config(mistakes) = refused_act("configure-fails").await else { panic!("not its mistakes") };
    let paths: Vec<_> = mistakes.iter().map(|mistake| mistake.path.as_str()).collect();
    assert_eq!(paths, ["act", "tables"]);
}

#[tokio::test]
async fn a_key_that_the_filter_does_not_know() {
    let error = load(&guest("misbehave"), json!({ "act": "nothing", "atc": 1 }), Role::Message).await;
    let Err(LoadError::Config(mistakes)) = error else { panic!("not a mistake of the configuration") };
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].path, "atc");
}

#[tokio::test]
async fn a_table_that_the_stage_is_not_granted() {
    let config = json!({ "act": "nothing", "tables": ["fruit", "vegetables"] });
    let Err(LoadError::Config(mistakes)) = load(&guest("misbehave"), config, Role::Message).await else {
        panic!("not a mistake of the configuration")
    };
    assert_eq!(mistakes[0].path, "tables[1]");
}

#[tokio::test]
async fn a_configure_that_does_not_return() {
    for (act, said) in [
        ("configure-spins", "longer than `timeout`"),
        ("configure-panics", "it trapped"),
        ("configure-eats-memory", "more memory than `memory`"),
        ("configure-looks-up", "`configure` called `tables.lookup`"),
    ] {
        let error = refused_act(act).await;
        assert!(matches!(&error, LoadError::Configure(why) if why.contains(said)), "{act}: {error}");
    }
}

/// The memory that `configure` leaves is part of what is frozen, however large.
#[tokio::test]
async fn much_memory_after_configure() {
    let place = Place::new();
    let filter = place.misbehave("keep-much", Role::Message).await.expect("it loads");
    let outcome = filter.message(&mail()).await.expect("it answers");
    assert_eq!(outcome.edits.len(), 1);
}
