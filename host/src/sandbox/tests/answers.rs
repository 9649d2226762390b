//! The host's side of the imports, without a guest.

use wasmtime::component::Resource;

use super::{
    super::{
        bindings::interfaces::{
            body_writer::HostBody,
            explain::Host as _,
            mail::HostMessage,
            tables::{Hit, Host as _, Key},
        },
        guest::{Guest, HostCall, MessageHandle},
    },
    *,
};

fn state() -> Guest {
    let mut guest = Guest::new("stage".into(), "id".into(), Arc::new(tables()), &limits());
    guest.mail = Some(mail());
    guest
}

fn message() -> Resource<MessageHandle> {
    Resource::new_borrow(0)
}

fn lookup(tables: &[&str], keys: &[(&str, bool)]) -> Result<Option<(u32, u32, String)>, String> {
    let tables = tables.iter().map(|table| (*table).to_owned()).collect();
    let keys = keys.iter().map(|(text, partial)| Key { text: (*text).to_owned(), partial: *partial }).collect();
    let found = HostCall::begin(&mut state()).lookup(tables, keys).expect("no trap");
    found.map(|hit| hit.map(|Hit { table, key, value }| (table, key, value)))
}

#[test]
fn fields_are_found_by_name_without_regard_to_case() {
    let found = |names: &[&str]| -> Vec<(u32, String, Vec<u8>)> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let fields = HostCall::begin(&mut state()).fields(message(), names).expect("no trap");
        fields.into_iter().map(|field| (field.index, field.name, field.value)).collect()
    };
    let subjects =
        [(0, "Subject".to_owned(), b" one".to_vec()), (2, "subject".to_owned(), b" two\r\n\tfolded".to_vec())];
    assert_eq!(found(&["SUBJECT"]), subjects);
    assert_eq!(found(&[]).len(), 3);
    assert_eq!(found(&["X-None"]), []);
}

#[test]
fn a_body_is_read_in_pieces_of_64_kib() {
    let mut guest = state();
    let mut mail = Mail::clone(&mail());
    mail.message = Message::parse(Bytes::from([b"\r\n".to_vec(), vec![b'x'; 100_000]].concat()));
    guest.mail = Some(Arc::new(mail));
    let mut call = HostCall::begin(&mut guest);
    assert_eq!(call.body_size(message()).expect("no trap"), 100_000);
    let mut length = |offset| call.read_body(message(), offset, u32::MAX).expect("no trap").len();
    assert_eq!([length(0), length(65_536), length(100_000), length(u64::MAX)], [65_536, 34_464, 0, 0]);
}

#[test]
fn each_key_is_tried_in_all_tables_before_the_next() {
    assert_eq!(lookup(&["fruit", "patterns"], &[("apple", false)]), Ok(Some((0, 0, "red".to_owned()))));
    assert_eq!(lookup(&["patterns", "fruit"], &[("plum", false), ("apple", false)]), Ok(Some((0, 1, "green".into()))));
    assert_eq!(lookup(&["fruit"], &[("plum", false)]), Ok(None));
    assert_eq!(lookup(&[], &[("apple", false)]), Ok(None));
}

#[test]
fn patterns_do_not_see_partial_keys() {
    assert_eq!(lookup(&["patterns", "fruit"], &[("apple", true)]), Ok(Some((1, 0, "red".to_owned()))));
    assert_eq!(lookup(&["patterns"], &[("apple", true)]), Ok(None));
}

#[test]
fn not_knowing_is_not_the_same_as_not_found() {
    let error = lookup(&["unreachable", "fruit"], &[("apple", false)]).expect_err("it isn't known");
    assert!(error.contains("unreachable"), "{error}");
    let error = lookup(&["vegetables"], &[("apple", false)]).expect_err("it isn't granted");
    assert!(error.contains("`vegetables` is not granted"), "{error}");
}

#[test]
fn new_bodies_are_bounded_together() {
    let mut guest =
        Guest::new("stage".into(), "id".into(), Arc::default(), &FilterLimits { output: 1_000, ..limits() });
    let mut call = HostCall::begin(&mut guest);
    let first = call.new().expect("an empty body");
    let second = call.new().expect("another");
    call.write(Resource::new_borrow(first.rep()), vec![0; 400]).expect("400 of 1,000");
    call.write(Resource::new_borrow(second.rep()), vec![0; 400]).expect("800 of 1,000");
    call.write(first, vec![0; 400]).expect_err("1,200 of 1,000");
    assert_eq!(call.stopped, Some(FailureKind::Output));
}

#[test]
fn notes_are_kept_only_when_somebody_wants_to_know() {
    let mut guest = state();
    HostCall::begin(&mut guest).note("one".to_owned()).expect("no trap");
    guest.explain = true;
    HostCall::begin(&mut guest).note("two\r\n\x1b[31mthree".to_owned()).expect("no trap");
    assert_eq!(guest.notes, ["two   [31mthree"]);
    guest.configuring = true;
    HostCall::begin(&mut guest).wanted().expect_err("the answer would be frozen");
}
