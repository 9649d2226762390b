//! The example filters in every language: begun with `plugin new`, built by their own Makefiles, run by the relay, all against the same
//! messages. Tools come from the registries into `target/tools`.

mod abuse;
mod workshop;

use workshop::Workshop;

/// All that is asked of the two examples in one language.
fn both_examples(language: &str) {
    for example in ["tag-external", "block-names"] {
        let workshop = Workshop::begin(language, example);
        workshop.build();
        workshop.follow_its_page();
        workshop.inspect();
        workshop.run_tests();
        workshop.mistakes_have_their_places();
        workshop.trace();
    }
}

#[test]
fn rust() {
    both_examples("rust");
}

#[test]
fn c() {
    both_examples("c");
}

#[test]
fn javascript() {
    both_examples("javascript");
}

#[test]
fn python() {
    both_examples("python");
}

#[test]
fn go() {
    both_examples("go");
}

#[test]
fn zig() {
    both_examples("zig");
}

#[test]
fn assemblyscript() {
    both_examples("assemblyscript");
}
