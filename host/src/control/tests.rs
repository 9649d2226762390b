//! The socket with both of its ends.

use std::{
    future::Future,
    io::{Read, Write},
    pin::Pin,
    sync::Arc,
};

use super::*;

/// Counts the ids of the selection.
struct Counting;

impl Handler for Counting {
    fn answer(&self, request: Request, _: u32) -> Pin<Box<dyn Future<Output = Answer> + Send + '_>> {
        let Request::Queue { selection, .. } = request else { unreachable!("no test asks for more") };
        let selected = selection.ids.len() as u64;
        Box::pin(async move { Answer::Changed(Changed { selected, ..Changed::default() }) })
    }
}

fn request(ids: usize) -> Request {
    let ids = (0..ids).map(|number| format!("Q{number}")).collect();
    Request::Queue { change: Change::Flush, selection: Selection { ids, ..Selection::default() } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_relay_answers_and_a_stopped_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let ask_for = |ids| ask(folder.path(), &request(ids)).expect("no error");
    assert_eq!(ask_for(1), None);
    let control = Control::start(folder.path(), Arc::new(Counting)).expect("a socket");
    for ids in [0, 1, 100_000] {
        let changed = Changed { selected: ids as u64, ..Changed::default() };
        assert_eq!(tokio::task::block_in_place(|| ask_for(ids)), Some(Answer::Changed(changed)));
    }
    drop(control);
    assert_eq!(ask_for(1), None);
    // What a killed relay leaves is no relay, and does not hinder the next one.
    drop(std::os::unix::net::UnixListener::bind(socket(folder.path())).expect("a dead socket"));
    assert_eq!(ask_for(1), None);
    let _control = Control::start(folder.path(), Arc::new(Counting)).expect("a socket");
    assert!(tokio::task::block_in_place(|| ask_for(1)).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let _control = Control::start(folder.path(), Arc::new(Counting)).expect("a socket");
    let answer = tokio::task::block_in_place(|| {
        let mut stream = UnixStream::connect(socket(folder.path())).expect("connected");
        stream.write_all(b"{\"queue\":{\"change\":\"eat\",\"selection\":{}}}\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    });
    assert!(answer.starts_with("{\"failed\":\"this request is not understood: unknown variant `eat`"), "{answer}");
}
