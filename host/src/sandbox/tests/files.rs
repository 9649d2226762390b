//! Files that a filter writes: kept aside until somebody publishes them, gone when nobody does.

use super::*;
use crate::pipeline::{OnError, Stage, run};

fn listed(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.files()).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_there_when_it_is_published_and_not_before() {
    let place = Place::new();
    let filter = place.misbehave("write-file", Role::Message).await.expect("it loads");
    let (first, second) = (filter.message(&mail()).await.expect("it answers"), filter.message(&mail()).await);
    let second = second.expect("it answers");
    assert!(listed(&place).iter().all(|name| name.starts_with(".mailweir-")), "{:?}", listed(&place));
    // Two at the same time, and one name: the second has a number.
    let names: Vec<_> = first.files.iter().chain(&second.files).map(|file| file.name().to_owned()).collect();
    assert_eq!(names, ["one", "one-2"]);
    first.files.into_iter().for_each(|file| file.publish().expect("published"));
    drop(second);
    assert_eq!(listed(&place), ["one"]);
    let content = fs::read(place.files().join("one")).expect("a file");
    assert_eq!(content, mail().message.body().read(0, 100_000));
    // A third finds the name taken on disk.
    let third = filter.message(&mail()).await.expect("it answers");
    assert_eq!(third.files[0].name(), "one-2");
}

#[tokio::test]
async fn a_failed_call_leaves_nothing() {
    let place = Place::new();
    for (act, kind) in [
        ("write-file-and-panic", Some(FailureKind::Trap)),
        ("write-file-unfinished", None),
        ("open-many-files", Some(FailureKind::Output)),
    ] {
        let filter = place.misbehave(act, Role::Message).await.expect("it loads");
        let answer = filter.message(&mail()).await;
        assert_eq!(answer.err().map(|error| error.kind), kind, "{act}");
        assert_eq!(listed(&place), [""; 0], "{act}");
    }
}

#[tokio::test]
async fn a_later_stage_that_fails_takes_the_files_with_it() {
    let place = Place::new();
    let mut stages = Vec::new();
    for act in ["write-file", "panic"] {
        let filter = place.misbehave(act, Role::Message).await.expect("it loads");
        stages.push(Stage { name: act.into(), filter, condition: None, on_error: OnError::Skip });
    }
    let ended = run(&stages, Mail::clone(&mail()), &mut ()).await;
    assert_eq!(ended.files.len(), 1, "a skipped failure does not matter to those before it");
    drop(ended);
    assert_eq!(listed(&place), [""; 0]);
}

#[tokio::test]
async fn files_count_as_output() {
    let place = Place::new();
    let limits = FilterLimits { output: 3, ..limits() };
    let filter = place.load_with(&guest("misbehave"), &json!({ "act": "write-file" }), Role::Message, limits).await;
    let error = filter.expect("it loads").message(&mail()).await.expect_err("it writes more");
    assert_eq!(error.kind, FailureKind::Output, "{error}");
    assert_eq!(listed(&place), [""; 0]);
}
