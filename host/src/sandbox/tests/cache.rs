//! Compiled filters on disk: found again, and never trusted when damaged.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use super::*;

/// The entries of the cache and which file each is.
fn entries(place: &Place) -> Vec<(PathBuf, u64)> {
    let folder = fs::read_dir(place.folder.path().join("cache")).expect("the folder");
    let entry = |entry: fs::DirEntry| (entry.path(), entry.metadata().expect("metadata").ino());
    let mut all: Vec<_> = folder.map(|one| entry(one.expect("an entry"))).collect();
    all.sort();
    all
}

async fn works(place: &Place) {
    let filter = place.misbehave("remember", Role::Message).await.expect("it loads");
    assert_eq!(filter.message(&mail()).await.expect("it answers").edits.len(), 1);
}

#[tokio::test]
async fn the_second_load_takes_what_the_first_compiled() {
    let place = Place::new();
    works(&place).await;
    let first = entries(&place);
    assert_eq!(first.len(), 1);
    works(&place).await;
    assert_eq!(entries(&place), first, "nothing was written again");

    // The same after a restart.
    let Place { folder, sandbox } = place;
    drop(sandbox);
    let sandbox = Sandbox::new(&settings(folder.path(), 4)).expect("a sandbox");
    let place = Place { sandbox, folder };
    works(&place).await;
    assert_eq!(entries(&place), first, "nothing was written again");
}

#[tokio::test]
async fn what_the_image_is_made_of_is_its_key() {
    let place = Place::new();
    works(&place).await;
    place.misbehave("nothing", Role::Message).await.expect("it loads");
    assert_eq!(entries(&place).len(), 2, "another configuration is another image");
    let plugin = Plugin {
        stage: "stage",
        wasm: &guest("misbehave"),
        config: &json!({ "act": "nothing" }),
        tables: BTreeMap::new(),
        directory: None,
        resolver: None,
        may_permit_relay: false,
        readable_directory: None,
        reuse: 1,
        limits: limits(),
        role: Role::Message,
    };
    place.sandbox.load(plugin).await.expect("it loads");
    assert_eq!(entries(&place).len(), 3, "other tables make another image");
    place.misbehave("nothing", Role::Session).await.expect("it loads");
    assert_eq!(entries(&place).len(), 3, "the list doesn't matter");
}

/// Damage of every kind: a changed octet, a shortened file, an empty one, and what is no artefact under a right hash.
#[tokio::test]
async fn a_damaged_entry_is_made_anew() {
    use sha2::{Digest, Sha256};
    let place = Place::new();
    works(&place).await;
    let (path, _) = entries(&place).remove(0);
    let whole = fs::read(&path).expect("the entry");
    let mut changed = whole.clone();
    *changed.last_mut().expect("octets") ^= 1;
    let garbage = b"\x01no artefact".to_vec();
    let garbage = [Sha256::digest(&garbage).to_vec(), garbage].concat();
    for damaged in [changed, whole[..whole.len() / 2].to_vec(), whole[..16].to_vec(), Vec::new(), garbage] {
        fs::write(&path, &damaged).expect("writing");
        works(&place).await;
        assert_eq!(fs::read(&path).expect("the entry").len(), whole.len(), "it was made anew");
    }
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_reason_not_to_start() {
    let place = Place::new();
    fs::remove_dir_all(place.folder.path().join("cache")).expect("removing it");
    works(&place).await;
}

#[test]
fn nobody_else_can_put_something_into_the_folder() {
    let folder = TempDir::new().expect("a folder");
    let cache = folder.path().join("cache");
    let mode = || fs::metadata(&cache).expect("the folder").permissions().mode() & 0o777;
    drop(Sandbox::new(&settings(folder.path(), 1)).expect("a sandbox"));
    assert_eq!(mode(), 0o700);
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).expect("permissions");
    drop(Sandbox::new(&settings(folder.path(), 1)).expect("a sandbox"));
    assert_eq!(mode(), 0o700);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("cache"), "a file").expect("writing");
    let error = Sandbox::new(&settings(folder.path(), 1)).err().expect("it is refused");
    assert!(error.to_string().contains("cache"), "{error}");
}
