//! A plugin that was built against the first contract that was published still loads and runs: `tests/contract-0.1.0` is frozen.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::*;
use crate::pipeline::Verdict;

/// All imports of `mail`, `body-writer`, `files`, `tables`, `dns`, `log` and `explain`, and all exports.
const MODULE: &str = r#"(module
    (import "mailweir:filter/mail@0.1.0" "[method]message.sender" (func $sender (param i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.recipients" (func $recipients (param i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.client" (func $client (param i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.fields" (func $fields (param i32 i32 i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.header-block" (func $header (param i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.size" (func $size (param i32) (result i64)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.body-size" (func $body-size (param i32) (result i64)))
    (import "mailweir:filter/mail@0.1.0" "[method]message.read-body" (func $read (param i32 i64 i32 i32)))
    (import "mailweir:filter/mail@0.1.0" "[resource-drop]message" (func $drop (param i32)))
    (import "mailweir:filter/body-writer@0.1.0" "[constructor]body" (func $body (result i32)))
    (import "mailweir:filter/body-writer@0.1.0" "[method]body.write" (func $write (param i32 i32 i32)))
    (import "mailweir:filter/body-writer@0.1.0" "[resource-drop]body" (func $drop-body (param i32)))
    (import "mailweir:filter/files@0.1.0" "[static]file.create" (func $create (param i32 i32 i32 i32)))
    (import "mailweir:filter/files@0.1.0" "[method]file.write" (func $write-file (param i32 i32 i32)))
    (import "mailweir:filter/files@0.1.0" "[method]file.finish" (func $finish (param i32 i32)))
    (import "mailweir:filter/files@0.1.0" "[resource-drop]file" (func $drop-file (param i32)))
    (import "mailweir:filter/tables@0.1.0" "granted" (func $granted (param i32)))
    (import "mailweir:filter/tables@0.1.0" "lookup" (func $lookup (param i32 i32 i32 i32 i32)))
    (import "mailweir:filter/dns@0.1.0" "granted" (func $dns-granted (result i32)))
    (import "mailweir:filter/dns@0.1.0" "mail-exchanges" (func $exchanges (param i32 i32 i32)))
    (import "mailweir:filter/dns@0.1.0" "addresses" (func $addresses (param i32 i32 i32)))
    (import "mailweir:filter/dns@0.1.0" "name-servers" (func $servers (param i32 i32 i32)))
    (import "mailweir:filter/dns@0.1.0" "names" (func $names (param i32 i32 i32)))
    (import "mailweir:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))
    (import "mailweir:filter/explain@0.1.0" "wanted" (func $wanted (result i32)))
    (import "mailweir:filter/explain@0.1.0" "note" (func $note (param i32 i32)))
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 8192))
    (data (i32.const 1024) "x-old")
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (global.get $free)
        (global.set $free (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 15)) (i32.const -8))))
    (func (export "mailweir:filter/configuration@0.1.0#configure") (param i32 i32) (result i32)
        (call $granted (i32.const 512)) (i32.const 128))
    (func (export "mailweir:filter/message@0.1.0#filter") (param $message i32) (result i32)
        (local $new i32)
        (call $sender (local.get $message) (i32.const 512))
        (call $recipients (local.get $message) (i32.const 512))
        (call $client (local.get $message) (i32.const 512))
        (call $fields (local.get $message) (i32.const 0) (i32.const 0) (i32.const 512))
        (call $header (local.get $message) (i32.const 512))
        (drop (call $size (local.get $message)))
        (drop (call $body-size (local.get $message)))
        (call $read (local.get $message) (i64.const 0) (i32.const 100) (i32.const 512))
        (call $drop (local.get $message))
        (local.set $new (call $body))
        (call $write (local.get $new) (i32.const 1024) (i32.const 5))
        (call $log (i32.const 1) (i32.const 1024) (i32.const 5))
        (drop (call $wanted))
        (call $note (i32.const 1024) (i32.const 5))
        ;; One edit at 600: the new body takes the place of the old one.
        (i32.store8 (i32.const 600) (i32.const 7))
        (i32.store (i32.const 604) (local.get $new))
        (i32.store (i32.const 300) (i32.const 600))
        (i32.store (i32.const 304) (i32.const 1))
        (i32.const 256))
    (func (export "mailweir:filter/session@0.1.0#decide") (param i32) (result i32) (i32.const 256)))"#;

fn plugin() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/contract-0.1.0");
    let (package, _) = resolve.push_dir(folder).expect("the first contract");
    let world = resolve.select_world(&[package], Some("filter")).expect("its world");
    let mut module = wat::parse_str(MODULE).expect("valid text");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    module
}

#[tokio::test]
async fn it_loads_and_runs_in_all_lists() {
    let place = Place::new();
    let filter = place.load(&plugin(), &json!({}), Role::Message).await.expect("it loads");
    let outcome = filter.message(&mail()).await.expect("it answers");
    assert_eq!((outcome.verdict, outcome.edits.len()), (Verdict::Next, 1));
    let filter = place.load(&plugin(), &json!({}), Role::Session).await.expect("it loads");
    assert_eq!(filter.session(&facts()).await.expect("it answers").verdict, Verdict::Next);
}
