//! Guests written by hand, in ways that no SDK would: answers that break the canonical ABI, and components that can't be
//! frozen.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::pipeline::Verdict;

/// A filter for `[[message]]`. The answer of `filter` lies at 256: octet 0 tells ok (0) or error (1); from 4 on stands the
/// verdict, at 44 the address and at 48 the number of edits, or at 4 the address and at 8 the length of the error's text.
struct Handmade {
    /// Of the memory, in pages.
    memory: &'static str,
    /// Further items of the module.
    items: &'static str,
    configure: &'static str,
    filter: &'static str,
}

const BARE: Handmade = Handmade { memory: "1", items: "", configure: "", filter: "" };

impl Handmade {
    /// Without its WIT: the host knows it.
    fn wasm(&self) -> Vec<u8> {
        let Self { memory, items, configure, filter } = self;
        let text = format!(
            r#"(module
                (import "mailweir:filter/mail@0.1.0" "[resource-drop]message" (func $drop (param i32)))
                (memory (export "memory") {memory})
                {items}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
                (func (export "mailweir:filter/configuration@0.1.0#configure") (param i32 i32) (result i32)
                    {configure} (i32.const 128))
                (func (export "mailweir:filter/message@0.1.0#filter") (param i32) (result i32)
                    (call $drop (local.get 0)) {filter} (i32.const 256)))"#
        );
        wat::parse_str(text).expect("valid text")
    }

    async fn load(&self, place: &Place) -> Result<Arc<dyn Filter>, LoadError> {
        place.load(&self.wasm(), &json!({}), Role::Message).await
    }

    async fn call(&self) -> Result<Outcome, FilterError> {
        self.load(&Place::new()).await.expect("it loads").message(&mail()).await
    }
}

/// A plugin of a kilobyte.
pub(super) fn small() -> Vec<u8> {
    BARE.wasm()
}

#[tokio::test]
async fn one_that_does_nothing_wrong() {
    let outcome = BARE.call().await.expect("it answers");
    assert_eq!((outcome.verdict, outcome.edits.len()), (Verdict::Next, 0));
}

#[tokio::test]
async fn answers_that_are_no_values() {
    for (filter, said) in [
        // A verdict that there isn't.
        ("(i32.store8 (i32.const 260) (i32.const 9))", "discriminant"),
        // Edits that lie outside of the memory.
        ("(i32.store (i32.const 300) (i32.const 65536)) (i32.store (i32.const 304) (i32.const 1))", "out of bounds"),
        // More edits than fit into the memory.
        ("(i32.store (i32.const 304) (i32.const -1))", "out of bounds"),
        // An error whose text is no UTF-8.
        (
            "(i32.store8 (i32.const 512) (i32.const 255)) (i32.store8 (i32.const 256) (i32.const 1))
             (i32.store (i32.const 260) (i32.const 512)) (i32.store (i32.const 264) (i32.const 1))",
            "utf-8",
        ),
    ] {
        let error = Handmade { filter, ..BARE }.call().await.expect_err("it is no answer");
        assert_eq!(error.kind, FailureKind::InvalidAnswer, "{filter}: {error}");
        assert!(error.message.contains(said), "{filter}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_lies_outside_of_the_memory() {
    let error = Handmade { filter: "(return (i32.const 65532))", ..BARE }.call().await.expect_err("it is no answer");
    assert_eq!(error.kind, FailureKind::InvalidAnswer, "{error}");
}

#[tokio::test]
async fn a_configure_that_fails_and_names_no_mistake() {
    let handmade = Handmade { configure: "(i32.store8 (i32.const 128) (i32.const 1))", ..BARE };
    let Err(LoadError::Config(mistakes)) = handmade.load(&Place::new()).await else { panic!("it is refused") };
    let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
    assert!(mistake.path.is_empty() && mistake.message.contains("named no mistake"), "{mistake:?}");
}

/// `configure` leaves a mark that `filter` traps without; the second filter that is loaded comes from the cache.
async fn is_configured_for_each_message(memory: &'static str, items: &'static str) {
    let handmade = Handmade {
        memory,
        items,
        configure: "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))",
        filter: "(if (i32.ne (i32.load (i32.const 64)) (i32.const 1)) (then unreachable))",
    };
    let (log, place) = (Log::default(), Place::new());
    let guard = log.listen();
    for _ in 0..2 {
        let filter = handmade.load(&place).await.expect("it loads");
        for _ in 0..3 {
            assert_eq!(filter.message(&mail()).await.expect("it is configured").verdict, Verdict::Next);
        }
    }
    drop(guard);
    assert_eq!(log.text().matches("can't be frozen").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_memory_that_cannot_grow_leaves_no_room_for_freezing() {
    is_configured_for_each_message("1 1", "").await;
}

/// Wizer reads all of the memory twice, and each time wants a page for itself.
#[tokio::test]
async fn a_memory_that_can_grow_once_leaves_too_little_room_for_freezing() {
    is_configured_for_each_message("1 2", "(data (i32.const 65000) \"x\")").await;
}

#[tokio::test]
async fn a_component_that_wizer_refuses() {
    is_configured_for_each_message("1", "(global $f (mut funcref) (ref.null func))").await;
}

#[tokio::test]
async fn a_start_function_that_fails() {
    for (start, said) in [("unreachable", "it trapped"), ("(loop $l (br $l))", "longer than `timeout`")] {
        let items: &'static str = if start == "unreachable" {
            "(func $start unreachable) (start $start)"
        } else {
            "(func $start (loop $l (br $l))) (start $start)"
        };
        let error = Handmade { items, ..BARE }.load(&Place::new()).await.err().expect("it is refused");
        assert!(matches!(&error, LoadError::Configure(why) if why.contains(said)), "{start}: {error}");
    }
}

#[tokio::test]
async fn more_memory_from_the_beginning_than_a_stage_may_have() {
    let limits = FilterLimits { memory: 1 << 20, ..limits() };
    let wasm = Handmade { memory: "32", ..BARE }.wasm();
    let error = Place::new().load_with(&wasm, &json!({}), Role::Message, limits).await.err().expect("it is refused");
    assert!(matches!(&error, LoadError::Configure(why) if why.contains("`memory`")), "{error}");
}

#[tokio::test]
async fn more_memory_from_the_beginning_than_any_stage_may_have() {
    let error = Handmade { memory: "2000", ..BARE }.load(&Place::new()).await.err().expect("it is refused");
    assert!(matches!(&error, LoadError::Invalid(why) if why.contains("memory")), "{error}");
}

/// The names are those of our contract, the types are not.
#[tokio::test]
async fn an_interface_of_another_type() {
    let mut module = wat::parse_str(
        r#"(module
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "mailweir:filter/configuration@0.1.0#configure") (param i32 i32) (result i32) (i32.const 128))
            (func (export "mailweir:filter/message@0.1.0#filter") (param i32) (result i32) (i32.const 0)))"#,
    )
    .expect("valid text");
    let contract = "package mailweir:filter@0.1.0;
        interface configuration {
            record config-error { path: string, message: string }
            configure: func(config: string) -> result<_, list<config-error>>;
        }
        interface message { filter: func(message: u32) -> u32; }
        world message-filter { export configuration; export message; }";
    let mut resolve = Resolve::default();
    let package = resolve.push_str("other.wit", contract).expect("a contract");
    let world = resolve.select_world(&[package], None).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let error = Place::new().load(&module, &json!({}), Role::Message).await.err().expect("it is refused");
    assert!(matches!(&error, LoadError::Invalid(why) if why.contains("type")), "{error}");
}

/// What a module that carries no WIT exports decides what it is.
#[tokio::test]
async fn a_module_without_wit() {
    let error = Place::new().load(&BARE.wasm(), &json!({}), Role::Session).await.err().expect("it is refused");
    assert!(matches!(error, LoadError::WrongRole { .. }), "{error}");
    let module = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "filter")))"#);
    let error = Place::new().load(&module.expect("valid text"), &json!({}), Role::Message).await;
    let error = error.err().expect("it is refused").to_string();
    assert!(error.contains("carries no WIT") && error.contains("mailweir:filter/configuration@0.1.0"), "{error}");
    let module = wat::parse_str(r#"(module (import "env" "getenv" (func)))"#);
    let error = Place::new().load(&module.expect("valid text"), &json!({}), Role::Message).await;
    let error = error.err().expect("it is refused").to_string();
    assert!(error.starts_with("it imports `getenv` of `env`, which filters are not given: the linker"), "{error}");
}
