//! Programs that tests run.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

/// What a program says that runs in `folder` and reads `input`.
pub(crate) fn feed(folder: &Path, program: &str, args: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{program} is needed for this test (`make tools`): {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.as_ref();
    thread::scope(|scope| {
        // Not all read to the end.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it ends")
    })
}
