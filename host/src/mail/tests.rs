//! Messages and edits as a whole: nothing is lost, nothing is smuggled in, all or nothing.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn envelope(count: usize) -> Envelope {
    let address = |number: usize| Address::parse(&format!("r{number}@example.net")).expect("an address");
    let recipients = (0..count).map(|n| Recipient::new(address(n))).collect();
    Envelope::new(ReversePath::Null, recipients)
}

fn message(text: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(text))
}

fn octets(message: &Message) -> Vec<u8> {
    message.pieces().flat_map(|piece| piece.to_vec()).collect()
}

fn edit(change: Change) -> Edit {
    Edit { change, reason: None }
}

fn insert(position: Position, name: &str, value: &[u8]) -> Edit {
    edit(Change::InsertField { position, name: name.to_owned(), value: value.to_vec() })
}

const LETTER: &[u8] = b"From: a@b.example\r\nTo: c@d.example,\r\n\te@f.example\r\nSubject : hi\r\n\r\nbody\r\n";

#[test]
fn a_message_is_fields_and_body() {
    let letter = message(LETTER);
    let fields: Vec<_> = letter.fields().iter().map(|field| (field.name(), field.unfolded())).collect();
    let expected = [("From", "a@b.example"), ("To", "c@d.example,\te@f.example"), ("Subject", "hi")];
    assert_eq!(fields, expected.map(|(name, value)| (name, value.to_owned())));
    assert_eq!(letter.fields()[1].value(), b" c@d.example,\r\n\te@f.example");
    assert_eq!(letter.body().read(0, 100), b"body\r\n");
    assert_eq!(letter.size(), LETTER.len() as u64);
}

#[test]
fn a_line_that_is_no_field_begins_the_body() {
    let letter = message(b"From: a\r\nno field\r\nTo: b\r\n\r\nx");
    assert_eq!(letter.fields().len(), 1);
    assert_eq!(letter.body().read(0, 100), b"no field\r\nTo: b\r\n\r\nx");
}

#[test]
fn edits_count_the_message_before_them() {
    let (mut envelope, mut letter) = (envelope(3), message(LETTER));
    let edits = [
        edit(Change::RemoveField(0)),
        edit(Change::ReplaceField(2, b" ho".to_vec())),
        insert(Position::Before(2), "X-One", b" 1"),
        insert(Position::Before(2), "X-Two", b" 2"),
        insert(Position::Top, "X-Top", b" t"),
        insert(Position::Bottom, "X-Low", b" l"),
        edit(Change::RemoveRecipient(0)),
        edit(Change::ReplaceRecipient(1, Address::parse("new@example.net").expect("an address"))),
        edit(Change::AddRecipient(Address::parse("r2@example.net").expect("an address"))),
        edit(Change::AddRecipient(Address::parse("more@example.net").expect("an address"))),
    ];
    apply(&edits, &mut envelope, &mut letter).expect("they fit");
    assert_eq!(
        String::from_utf8_lossy(&octets(&letter)),
        "X-Top: t\r\nTo: c@d.example,\r\n\te@f.example\r\nX-One: 1\r\nX-Two: 2\r\nSubject : ho\r\nX-Low: l\r\n\r\nbody\r\n"
    );
    let to: Vec<_> = envelope.recipients.iter().map(|one| (one.address.as_str(), one.original.as_str())).collect();
    let expected = [
        ("new@example.net", "r1@example.net"),
        ("r2@example.net", "r2@example.net"),
        ("more@example.net", "more@example.net"),
    ];
    assert_eq!(to, expected);
}

#[test]
fn one_bad_edit_spoils_all() {
    let good = insert(Position::Top, "X", b" 1");
    let address = || Address::parse("new@example.net").expect("an address");
    for (bad, error) in [
        (vec![edit(Change::RemoveField(3))], EditError::NoSuchField { edit: 1, index: 3, count: 3 }),
        (vec![insert(Position::Before(9), "X", b" 1")], EditError::NoSuchField { edit: 1, index: 9, count: 3 }),
        (vec![edit(Change::RemoveRecipient(1))], EditError::NoSuchRecipient { edit: 1, index: 1, count: 1 }),
        (
            vec![edit(Change::ReplaceRecipient(7, address()))],
            EditError::NoSuchRecipient { edit: 1, index: 7, count: 1 },
        ),
        (vec![edit(Change::RemoveField(0)), edit(Change::ReplaceField(0, vec![]))], EditError::Twice { edit: 2 }),
        (
            vec![edit(Change::ReplaceBody(Body::default())), edit(Change::ReplaceBody(Body::default()))],
            EditError::Twice { edit: 2 },
        ),
        (
            vec![edit(Change::ReplaceField(0, b" x\r\nBcc: y".to_vec()))],
            EditError::Field { edit: 1, error: FieldError::LineEnd },
        ),
        (vec![insert(Position::Top, "a b", b"")], EditError::Field { edit: 1, error: FieldError::Name }),
        (vec![edit(Change::RemoveRecipient(0))], EditError::NoRecipients),
    ] {
        let edits: Vec<_> = std::iter::once(good.clone()).chain(bad).collect();
        let (mut envelope, mut letter) = (envelope(1), message(LETTER));
        let (old_envelope, old_letter) = (envelope.clone(), letter.clone());
        assert_eq!(apply(&edits, &mut envelope, &mut letter), Err(error));
        assert_eq!((envelope, letter), (old_envelope, old_letter), "after {error}");
    }
}

#[test]
fn what_follows_a_new_field_is_never_swallowed_by_it() {
    for text in [&b" begins with a blank\r\n"[..], b"no field at all", b"From: cut short", b"", b"\r\nbody"] {
        let mut letter = message(text);
        letter.prepend_field("Received", b" x");
        let again = Message::parse(Bytes::from(octets(&letter)));
        assert_eq!(again.fields().len(), letter.fields().len(), "{text:?}");
        assert_eq!(again.fields()[0].raw(), "Received: x\r\n");
        assert_eq!(again.body(), letter.body(), "{text:?}");
    }
}

#[test]
fn a_new_body_stands_behind_an_empty_line() {
    let (mut envelope, mut letter) = (envelope(1), message(b"From: a\r\n"));
    let body = Body::from_pieces(vec![Bytes::from_static(b"To: not a field\r\n"), Bytes::from_static(b"x\r\n")]);
    apply(&[edit(Change::ReplaceBody(body))], &mut envelope, &mut letter).expect("it fits");
    assert_eq!(octets(&letter), b"From: a\r\n\r\nTo: not a field\r\nx\r\n");
    assert_eq!(letter.body().read(14, 4), b"d\r\nx");
    assert_eq!(letter.body().read(100, 4), b"");
}

/// Messages as the worst sender makes them.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        Just(b"From: a@b.example".to_vec()),
        Just(b"Subject : x".to_vec()),
        Just(b" folded".to_vec()),
        Just(b"\tfolded: too".to_vec()),
        Just(b": no name".to_vec()),
        Just(b"no field".to_vec()),
        Just(b"".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let end = prop_oneof![Just(&b"\r\n"[..]), Just(&b"\n"[..]), Just(&b"\r"[..]), Just(&b""[..])];
    proptest::collection::vec((line, end), 0..12)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [line, end.to_vec()].concat()).collect())
}

/// Edits that may or may not fit a message.
fn any_edits() -> impl Strategy<Value = Vec<Edit>> {
    let value = prop_oneof![
        Just(b" plain".to_vec()),
        Just(b" a\r\n b".to_vec()),
        Just(b" a\r\nEvil: b".to_vec()),
        Just(b"\r\n\r\nbody".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    let position = prop_oneof![Just(Position::Top), Just(Position::Bottom), (0..4u32).prop_map(Position::Before)];
    let change = prop_oneof![
        (position, value.clone()).prop_map(|(position, value)| Change::InsertField {
            position,
            name: "X-New".into(),
            value
        }),
        (0..4u32, value).prop_map(|(index, value)| Change::ReplaceField(index, value)),
        (0..4u32).prop_map(Change::RemoveField),
        Just(Change::ReplaceBody(Body::from_pieces(vec![Bytes::from_static(b"new\r\n")]))),
    ];
    proptest::collection::vec(change.prop_map(edit), 0..5)
}

proptest! {
    #[test]
    fn parsing_loses_nothing(text in hostile()) {
        prop_assert_eq!(octets(&message(&text)), text.clone());
        prop_assert_eq!(message(&text).size(), text.len() as u64);
    }

    #[test]
    fn edits_are_all_or_none_and_make_just_the_fields_they_say(text in hostile(), edits in any_edits()) {
        let (mut envelope, mut letter) = (envelope(1), message(&text));
        let before = letter.clone();
        let removed = edits.iter().filter(|edit| matches!(edit.change, Change::RemoveField(_))).count();
        let inserted = edits.iter().filter(|edit| matches!(edit.change, Change::InsertField { .. })).count();
        match apply(&edits, &mut envelope, &mut letter) {
            Err(_) => prop_assert_eq!(letter, before),
            Ok(()) if edits.is_empty() => prop_assert_eq!(octets(&letter), text),
            Ok(()) => {
                prop_assert_eq!(letter.fields().len(), before.fields().len() + inserted - removed);
                let again = message(&octets(&letter));
                prop_assert_eq!(again.fields().len(), letter.fields().len());
                prop_assert_eq!(again.body(), letter.body());
            }
        }
    }
}
