//! What filters see of the system: modules for WASI 0.1, which the relay adapts to 0.2, each with one call of interest.

use std::os::unix::fs::symlink;

use super::*;
use crate::pipeline::Verdict;

/// A filter that runs this before it answers; `errno` is where system calls leave their result. It traps at `(call $no)`.
fn wasm(configure: &str, filter: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "mailweir:filter/mail@0.1.0" "[resource-drop]message" (func $drop (param i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "path_open"
                (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 2048) "hello \ff\0a\0alast line")
            (data (i32.const 2100) "inside") (data (i32.const 2110) "../outside") (data (i32.const 2130) "link")
            (func $no unreachable)
            (global $n (mut i32) (i32.const 0))
            (func $print
                (i32.store (i32.const 1800) (i32.const 2048)) (i32.store (i32.const 1804) (i32.const 18))
                (if (call $fd_write (i32.const 1) (i32.const 1800) (i32.const 1) (i32.const 1808)) (then (call $no))))
            (func $open (param $path i32) (param $length i32) (param $flags i32) (result i32)
                (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $length) (local.get $flags)
                    (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 1812)))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
            (func (export "mailweir:filter/configuration@0.1.0#configure") (param i32 i32) (result i32)
                {configure} (i32.const 128))
            (func (export "mailweir:filter/message@0.1.0#filter") (param i32) (result i32)
                (call $drop (local.get 0)) {filter} (i32.const 256)))"#
    );
    wat::parse_str(text).expect("valid text")
}

async fn load(place: &Place, wasm: &[u8], readable: Option<&Path>) -> Arc<dyn Filter> {
    let grants = Grants { readable_directory: readable.map(Arc::from), ..Grants::default() };
    place.load_as(grants, wasm, &json!({}), Role::Message, limits()).await.expect("it loads")
}

/// What the log says of three calls; each of them has to go well.
async fn calls(wasm: &[u8], readable: Option<&Path>) -> String {
    let (log, place) = (Log::default(), Place::new());
    let guard = log.listen();
    let filter = load(&place, wasm, readable).await;
    for _ in 0..3 {
        assert_eq!(filter.message(&mail()).await.expect("it answers").verdict, Verdict::Next);
    }
    drop(guard);
    log.text()
}

#[tokio::test]
async fn what_it_prints_is_in_the_log() {
    let log = calls(&wasm("", "(call $print)"), None).await;
    assert_eq!(log.matches("hello \u{fffd} stage=\"stage\" id=\"4TestId\"").count(), 3, "{log}");
    assert_eq!(log.matches("last line stage=\"stage\"").count(), 3, "{log}");
    assert!(!log.contains("frozen"), "{log}");
}

#[tokio::test]
async fn what_it_prints_too_much_is_dropped_and_counted() {
    let place = Place::new();
    let endless = "(loop $l (call $print) (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (br_if $l (i32.lt_u (global.get $n) (i32.const 20000))))";
    let limits = FilterLimits { log: 1024, ..limits() };
    let (wasm, config) = (wasm("", endless), json!({}));
    let load = place.load_as(Grants::default(), &wasm, &config, Role::Message, limits);
    let filter = load.await.expect("it loads");
    let log = Log::default();
    let guard = log.listen();
    filter.message(&mail()).await.expect("a flood of lines is no failure");
    drop(guard);
    let text = log.text();
    assert!(text.contains("log lines were dropped") && text.len() < 16 << 10, "{} octets: {text}", text.len());
}

/// Handles to its output are not in its memory: a frozen copy would not have them.
#[tokio::test]
async fn one_that_printed_in_configure_is_configured_for_each_message() {
    let log = calls(&wasm("(call $print)", "(call $print)"), None).await;
    assert!(log.contains("can't be frozen") && log.contains("holds streams"), "{log}");
}

#[tokio::test]
async fn it_has_clocks_and_random_numbers() {
    let clock = "(if (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 1600)) (then (call $no)))
        (if (i64.lt_u (i64.load (i32.const 1600)) (i64.const 1700000000000000000)) (then (call $no)))";
    let random = "(if (call $random_get (i32.const 1600) (i32.const 16)) (then (call $no)))
        (if (i64.eqz (i64.or (i64.load (i32.const 1600)) (i64.load (i32.const 1608)))) (then (call $no)))";
    calls(&wasm("", &format!("{clock}{random}")), None).await;
}

#[tokio::test]
async fn it_has_no_environment_and_no_files() {
    let environment = "(if (call $environ_sizes_get (i32.const 1600) (i32.const 1604)) (then (call $no)))
        (if (i32.load (i32.const 1600)) (then (call $no)))";
    // 8 is EBADF.
    let files = "(if (i32.ne (call $fd_prestat_get (i32.const 3) (i32.const 1600)) (i32.const 8)) (then (call $no)))
        (if (i32.ne (call $open (i32.const 2100) (i32.const 6) (i32.const 0)) (i32.const 8)) (then (call $no)))";
    calls(&wasm("", &format!("{environment}{files}")), None).await;
}

#[tokio::test]
async fn a_granted_directory_is_all_that_it_sees() {
    let place = tempfile::tempdir().expect("a folder");
    let granted = place.path().join("granted");
    fs::create_dir(&granted).expect("a folder");
    fs::write(granted.join("inside"), "x").expect("written");
    fs::write(place.path().join("outside"), "x").expect("written");
    symlink(place.path().join("outside"), granted.join("link")).expect("a link");
    let opens = |path: u32, length: u32, flags: u32| {
        format!("(call $open (i32.const {path}) (i32.const {length}) (i32.const {flags}))")
    };
    let inside = format!("(if {} (then (call $no)))", opens(2100, 6, 0));
    let refused = |open: String| format!("(if (i32.eqz {open}) (then (call $no)))");
    // Above it, through a link that leads out, to make a file (O_CREAT is 1), to empty one (O_TRUNC is 8).
    let others = [opens(2110, 10, 0), opens(2130, 4, 0), opens(2101, 5, 1), opens(2100, 6, 8)].map(refused).concat();
    let log = calls(&wasm("", &format!("{inside}{others}")), Some(&granted)).await;
    assert!(log.contains("granted a directory"), "{log}");
    assert_eq!(fs::read_dir(&granted).expect("a folder").count(), 2, "nothing was made");
    assert_eq!(fs::read(granted.join("inside")).expect("a file"), b"x");
}
